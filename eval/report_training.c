/* The report's plots of training: losses, class weights and thresholds, pseudo-label quality. */
#include <math.h>
#include <string.h>

#include "eval/report_html.h"
#include "eval/report_sections.h"
#include "eval/report_svg.h"

enum { LINE_POINTS = 240 };

static const svg_plot panel = {
    .width = 360, .height = 215, .left = 46, .top = 8, .right = 352, .bottom = 178};

/* ---- losses and the like ---- */

typedef struct extent {
    double x, lo, hi, positive; /* positive: smallest value above 0 */
} extent;

static void widen(extent *e, double x, double y) {
    if (isnan(y) || isnan(x)) return;
    e->x = fmax(e->x, x);
    e->lo = fmin(e->lo, y), e->hi = fmax(e->hi, y);
    if (y > 0) e->positive = fmin(e->positive, y);
}

/* Exponential average whose memory is a fortieth of the series, corrected for its start (as
 * Adam's). */
static void smooth(const rep_series *s, double *out) {
    double keep = 1 - 1 / fmax(1, s->y.n / 40.0), sum = 0, weight = 0;
    for (int i = 0; i < s->y.n; i++) {
        sum = keep * sum + (1 - keep) * s->y.v[i], weight = keep * weight + (1 - keep);
        out[i] = sum / weight;
    }
}

static void series_plot(FILE *f, const rep_report *r, const char *key, extent e, bool log,
                        const char *css_class) {
    svg_plot p = panel;
    p.f = f;
    p.x = svg_range(0, e.x, false, SVG_ITERATIONS, "iteration");
    p.y = svg_range(log ? e.positive : e.lo, e.hi, log, SVG_PLAIN, NULL);
    fprintf(f, "<div class=\"%s\">", css_class);
    svg_begin(&p, log ? "Value against training iteration, logarithmic, a line per run"
                      : "Value against training iteration, a line per run");
    svg_axes(&p, 5, 4);
    for (int i = r->n_runs - 1; i >= 0; i--) {
        const rep_series *s = rep_find(&r->runs[i], key);
        char style[64], title[256];
        double *mean = s && s->y.n ? BL_NEW_ARRAY(r->arena, double, s->y.n) : NULL;
        if (!mean) continue;
        int colour = i % SVG_RUN_COLOURS;
        snprintf(style, sizeof style, "class=\"ln raw r%d\"", colour);
        bool exact = strcmp(key, "lr") == 0; /* a schedule is not noise */
        if (s->y.n > 80 && !exact)
            svg_line(&p, s->x.v, s->y.v, s->y.n, 2 * LINE_POINTS, style, NULL);
        smooth(s, mean);
        snprintf(style, sizeof style, "class=\"ln r%d\"", colour);
        snprintf(title, sizeof title, "%s: %.4g at the end", r->runs[i].label, mean[s->y.n - 1]);
        svg_line(&p, s->x.v, exact ? s->y.v : mean, s->y.n, LINE_POINTS, style, title);
    }
    svg_end(&p);
    fputs("</div>", f);
}

static void series_panel(FILE *f, const rep_report *r, const char *key) {
    extent e = {0, INFINITY, -INFINITY, INFINITY};
    for (int i = 0; i < r->n_runs; i++) {
        const rep_series *s = rep_find(&r->runs[i], key);
        for (int j = 0; s && j < s->y.n; j++) widen(&e, s->x.v[j], s->y.v[j]);
    }
    if (e.lo > e.hi) return;
    fputs("<figure><figcaption>", f);
    html_text(f, key);
    fputs("</figcaption>", f);
    bool log = e.lo >= 0 && e.positive < e.hi; /* something to show on a logarithmic axis */
    series_plot(f, r, key, e, false, log ? "lin" : "both");
    if (log) series_plot(f, r, key, e, true, "log");
    fputs("</figure>\n", f);
}

static bool is_loss(const char *key) {
    return strncmp(key, "loss", 4) == 0 || strncmp(key, "sup_", 4) == 0 ||
           strncmp(key, "unsup_", 6) == 0;
}

/* All keys of that kind, in order of first appearance over the runs. */
static void series_panels(FILE *f, const rep_report *r, bool losses) {
    for (int i = 0; i < r->n_runs; i++)
        for (int s = 0; s < r->runs[i].n_train; s++) {
            const char *key = r->runs[i].train[s].key;
            bool seen = false;
            for (int j = 0; j < i; j++) seen = seen || rep_find(&r->runs[j], key) != NULL;
            if (!seen && is_loss(key) == losses) series_panel(f, r, key);
        }
}

void rep_losses(FILE *f, const rep_report *r) {
    int n = 0;
    for (int i = 0; i < r->n_runs; i++) n += r->runs[i].n_train;
    if (!n) return;
    rep_section_begin(f, "losses", "Losses",
                      "Exponential averages over a fortieth of the run, the logged values faint "
                      "behind them.");
    rep_run_legend(f, r);
    fputs("<input type=\"checkbox\" id=\"log-scale\" class=\"switch\"><label for=\"log-scale\">"
          "logarithmic axis</label>\n<div class=\"grid g2\">\n",
          f);
    series_panels(f, r, true);
    fputs("</div>\n<h3>Course of the run</h3>\n<div class=\"grid g2\">\n", f);
    series_panels(f, r, false);
    fputs("</div>\n", f);
    rep_section_end(f);
}

/* ---- state by class over training ---- */

static const struct {
    const char *name, *about;
    svg_format format;
} states[REP_STATES] = {
    [REP_WEIGHT] = {"Class weight", "weight in the classification loss", SVG_PLAIN},
    [REP_THRESHOLD] = {"Threshold", "score above which a teacher box becomes a pseudo label",
                       SVG_PLAIN},
    [REP_PSEUDO] = {"Pseudo boxes", "kept in the logging window", SVG_PLAIN},
    [REP_KEPT] = {"Kept", "share of the teacher\xe2\x80\x99s boxes that become pseudo labels",
                  SVG_PERCENT},
    [REP_PSEUDO_PRECISION] = {"Precision", "pseudo boxes that match a hidden label, IoU 0.5",
                              SVG_PERCENT},
    [REP_PSEUDO_RECALL] = {"Recall", "hidden labels that a pseudo box matches, IoU 0.5",
                           SVG_PERCENT},
};

/* Common to all runs, so that panels can be compared. */
static extent state_extent(const rep_report *r, rep_state s) {
    extent e = {0, INFINITY, -INFINITY, INFINITY};
    for (int i = 0; i < r->n_runs; i++)
        for (int line = 0; line < r->runs[i].state_iter.n; line++)
            for (int k = 0; k < r->n_classes; k++)
                widen(&e, r->runs[i].state_iter.v[line], rep_state_at(&r->runs[i], s, line, k));
    return e;
}

/* Mean over a centred window of a fifteenth of the lines; what is undefined stays undefined. */
static void average(const double *y, int n, double *out) {
    int half = n / 30;
    for (int i = 0; i < n; i++) {
        double sum = 0;
        int m = 0;
        for (int j = i - half; j <= i + half; j++)
            if (j >= 0 && j < n && !isnan(y[j])) sum += y[j], m++;
        out[i] = isnan(y[i]) ? NAN : sum / m;
    }
}

static svg_axis state_axis(rep_state s, extent e) {
    if (states[s].format == SVG_PERCENT) return svg_range(0, 1, false, SVG_PERCENT, NULL);
    if (s == REP_PSEUDO && e.hi > 30 * e.positive)
        return svg_range(e.positive, e.hi, true, SVG_PLAIN, NULL);
    return svg_range(fmin(e.lo, 0), e.hi, false, states[s].format, NULL);
}

static void class_line(const svg_plot *p, const rep_report *r, const rep_run *run, rep_state s,
                       int k, double *y, double *smoothed) {
    int n = run->state_iter.n;
    char style[96], title[256];
    double last = NAN;
    for (int i = 0; i < n; i++) {
        y[i] = rep_state_at(run, s, i, k);
        if (!isnan(y[i])) last = y[i];
    }
    if (isnan(last)) return;
    average(y, n, smoothed);
    snprintf(style, sizeof style, "class=\"ln thin\" stroke=\"%s\"",
             svg_rank_colour(k, r->n_classes).hex);
    snprintf(title, sizeof title, "%s: %.3g at the end", r->classes[k].name, last);
    fputs("<g class=\"hit\"", p->f);
    html_attr(p->f, "data-class", r->classes[k].name);
    fputc('>', p->f);
    /* Weights and thresholds as logged; counts and rates of short windows are averaged. */
    bool raw = s == REP_WEIGHT || s == REP_THRESHOLD;
    svg_line(p, run->state_iter.v, raw ? y : smoothed, n, LINE_POINTS / 2, style, title);
    fputs("</g>", p->f);
}

static void state_panel(FILE *f, const rep_report *r, int run, rep_state s, extent e) {
    const rep_run *one = &r->runs[run];
    double *y = BL_NEW_ARRAY(r->arena, double, one->state_iter.n + 1);
    double *smoothed = BL_NEW_ARRAY(r->arena, double, one->state_iter.n + 1);
    if (!y || !smoothed || !rep_has_state(one, s)) return;
    svg_plot p = panel;
    p.f = f;
    p.x = svg_range(0, e.x, false, SVG_ITERATIONS, "iteration");
    p.y = state_axis(s, e);
    fputs("<figure><figcaption>", f);
    rep_run_name(f, r, run);
    fputs("</figcaption>", f);
    svg_begin(&p, "State of every class against training iteration, a line per class");
    svg_axes(&p, 5, 4);
    for (int k = r->n_classes - 1; k >= 0; k--) class_line(&p, r, one, s, k, y, smoothed);
    svg_end(&p);
    fputs("</figure>\n", f);
}

/* A heading and a panel per run. */
static void state_row(FILE *f, const rep_report *r, rep_state s) {
    extent e = state_extent(r, s);
    if (e.lo > e.hi) return;
    fprintf(f, "<h3>%s<small> %s%s</small></h3>\n<div class=\"grid g2\">\n", states[s].name,
            states[s].about, states[s].format == SVG_PERCENT ? ", percent" : "");
    for (int i = 0; i < r->n_runs; i++) state_panel(f, r, i, s, e);
    fputs("</div>\n", f);
}

static bool any_state(const rep_report *r, const rep_state *list, int n) {
    for (int i = 0; i < r->n_runs; i++)
        for (int s = 0; s < n; s++)
            if (rep_has_state(&r->runs[i], list[s])) return true;
    return false;
}

void rep_class_state(FILE *f, const rep_report *r) {
    static const rep_state list[] = {REP_WEIGHT, REP_THRESHOLD};
    if (!any_state(r, list, 2)) return;
    rep_section_begin(f, "state", "Class weights and thresholds",
                      "One line per class, coloured from the most frequent class (dark) to the "
                      "rarest (orange). Axes agree between runs.");
    rep_class_legend(f, r);
    for (int s = 0; s < 2; s++) state_row(f, r, list[s]);
    rep_section_end(f);
}

/* ---- pseudo-label quality ---- */

/* Mean over the last quarter of the lines that have a value. */
static double late_mean(const rep_run *run, rep_state s, int k) {
    double sum = 0;
    int n = 0;
    for (int i = run->state_iter.n - (run->state_iter.n + 3) / 4; i < run->state_iter.n; i++) {
        double v = rep_state_at(run, s, i, k);
        if (!isnan(v)) sum += v, n++;
    }
    return n ? sum / n : NAN;
}

static void quality_bars(FILE *f, const rep_report *r, rep_state s) {
    double names = rep_longest_name(r),
           width = fmax(360, 40 + r->n_classes * fmax(14, 6.0 * r->n_runs + 4));
    svg_plot p = {.f = f,
                  .width = width,
                  .height = 166 + 4.1 * names,
                  .left = fmax(36, 4.1 * names - width / r->n_classes / 2),
                  .top = 8,
                  .right = width - 6,
                  .bottom = 150};
    p.x = (svg_axis){0, r->n_classes, false, SVG_PLAIN, NULL};
    p.y = (svg_axis){0, 1, false, SVG_PERCENT, NULL};
    double slot = (p.right - p.left) / r->n_classes;
    double bar = fmin(slot * .8 / r->n_runs, 26);
    fprintf(f, "<figure class=\"scroll%s\"><figcaption>%s<small>%s, percent</small></figcaption>",
            width > 360 ? " wide" : "", states[s].name, states[s].about);
    svg_begin(&p, "Pseudo-label quality of every class at the end of training, a bar per run");
    svg_axes(&p, 0, 4);
    for (int k = 0; k < r->n_classes; k++) {
        double x = p.left + k * slot;
        fputs("<g", f);
        html_attr(f, "data-class", r->classes[k].name);
        fputc('>', f);
        for (int i = 0; i < r->n_runs; i++) {
            double v = late_mean(&r->runs[i], s, k);
            if (isnan(v)) continue;
            double height = fmax(p.bottom - svg_py(&p, fmin(v, 1)), .75);
            fprintf(f,
                    "<rect class=\"bar b%d\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" "
                    "height=\"%.2f\"><title>",
                    i % SVG_RUN_COLOURS, x + (slot - bar * r->n_runs) / 2 + i * bar,
                    p.bottom - height, fmax(bar - .8, .6), height);
            html_text(f, r->classes[k].name);
            fputs(", ", f);
            html_text(f, r->runs[i].label);
            fprintf(f, ": %.1f</title></rect>", 100 * v);
        }
        fprintf(f, "<text class=\"c e\" transform=\"translate(%.1f %.1f) rotate(-45)\">",
                x + slot / 2 + 4, p.bottom + 12);
        html_short_text(f, r->classes[k].name, REP_LABEL);
        fputs("</text></g>\n", f);
    }
    svg_end(&p);
    fputs("</figure>\n", f);
}

void rep_pseudo_quality(FILE *f, const rep_report *r) {
    static const rep_state list[] = {REP_PSEUDO_PRECISION, REP_PSEUDO_RECALL, REP_KEPT, REP_PSEUDO};
    if (!any_state(r, list, 4)) return;
    rep_section_begin(f, "pseudo", "Pseudo-label quality",
                      "Bars: mean over the last quarter of training. Precision and recall exist "
                      "where the unlabelled set has hidden labels; an absent bar means that no "
                      "pseudo box (precision) or no object (recall) was seen.");
    rep_run_legend(f, r);
    enum { SIDE_BY_SIDE = 24 };
    fprintf(f, "<div class=\"grid%s\">\n", r->n_classes <= SIDE_BY_SIDE ? " g2" : "");
    for (int s = 0; s < 3; s++)
        if (any_state(r, &list[s], 1)) quality_bars(f, r, list[s]);
    fputs("</div>\n<p class=\"about\">Over training, averaged over a fifteenth of the run; colours "
          "from the most frequent class to the rarest:</p>\n",
          f);
    rep_class_legend(f, r);
    for (int s = 0; s < 4; s++) state_row(f, r, list[s]);
    rep_section_end(f);
}
