/* The report's plots of training: losses, class weights and thresholds, pseudo-label quality. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/html.h"
#include "report/sections.h"
#include "report/svg.h"

enum { LINE_POINTS = 240 };

/* ---- losses and the like ---- */

typedef struct extent {
    double x, lo, hi, positive; /* positive: smallest value above 0 */
} extent;
static const extent nothing = {0, INFINITY, -INFINITY, INFINITY};

static void widen(extent *e, double x, double y) {
    if (isnan(y) || isnan(x)) return;
    e->x = fmax(e->x, x);
    e->lo = fmin(e->lo, y);
    e->hi = fmax(e->hi, y);
    if (y > 0) e->positive = fmin(e->positive, y);
}

/* Exponential average whose memory is a fortieth of the series, corrected for its start (as
 * Adam's). */
static void smooth(const rep_series *s, double *out) {
    double keep = 1 - 1 / fmax(1, s->y.n / 40.0), sum = 0, weight = 0;
    for (int i = 0; i < s->y.n; i++) {
        sum = keep * sum + (1 - keep) * s->y.v[i];
        weight = keep * weight + (1 - keep);
        out[i] = sum / weight;
    }
}

/* "supervised 1.21, ..." */
static const char *ends(const rep_report *r, const char *key) {
    const char *text = "";
    for (int i = 0; i < r->n_runs; i++) {
        const rep_series *s = bl_rep_series_find(&r->runs[i].train, key);
        if (s && s->y.n)
            text = bl_rep_text(r, "%s%s%s %.3g", text, *text ? ", " : "", r->runs[i].label,
                               s->y.v[s->y.n - 1]);
    }
    return text;
}

static void series_plot(FILE *f, const rep_report *r, const char *key, extent e, bool log,
                        const char *css_class) {
    svg_plot p = bl_svg_panel(f, 215);
    p.x = bl_svg_range(0, e.x, false, SVG_ITERATIONS, "iteration");
    p.y = bl_svg_range(log ? e.positive : e.lo, e.hi, log, SVG_PLAIN, NULL);
    fprintf(f, "<div class=\"%s\">", css_class);
    bl_svg_begin(&p, bl_rep_text(r, "Line chart: %s against training iteration%s. Last values: %s.",
                                 key, log ? ", logarithmic" : "", ends(r, key)));
    bl_svg_axes(&p, 5, 4);
    for (int i = r->n_runs - 1; i >= 0; i--) {
        const rep_series *s = bl_rep_series_find(&r->runs[i].train, key);
        char style[64];
        double *mean = s && s->y.n ? BL_NEW_ARRAY(r->arena, double, s->y.n) : NULL;
        if (!mean) continue;
        int colour = r->runs[i].method % SVG_COLOURS;
        bool exact = strcmp(key, "lr") == 0; /* a schedule is not noise */
        snprintf(style, sizeof style, "class=\"ln raw r%d\"", colour);
        if (s->y.n > 80 && !exact && !r->seeds)
            bl_svg_line(&p, s->x.v, s->y.v, s->y.n, 2 * LINE_POINTS, style, NULL);
        smooth(s, mean);
        snprintf(style, sizeof style, "class=\"ln r%d%s\"", colour, r->seeds ? " thin" : "");
        bl_svg_line(&p, s->x.v, exact ? s->y.v : mean, s->y.n, LINE_POINTS, style,
                    bl_rep_text(r, "%s: %.4g at the end", r->runs[i].label, mean[s->y.n - 1]));
    }
    bl_svg_end(&p);
    fputs("</div>", f);
}

static void series_panel(FILE *f, const rep_report *r, const char *key) {
    extent e = nothing;
    for (int i = 0; i < r->n_runs; i++) {
        const rep_series *s = bl_rep_series_find(&r->runs[i].train, key);
        for (int j = 0; s && j < s->y.n; j++) widen(&e, s->x.v[j], s->y.v[j]);
    }
    if (e.lo > e.hi) return;
    fputs("<figure><figcaption>", f);
    bl_html_text(f, key);
    fputs("</figcaption>", f);
    bool log = e.lo >= 0 && e.positive < e.hi; /* something to show on a logarithmic axis */
    series_plot(f, r, key, e, false, log ? "lin" : "both");
    if (log) series_plot(f, r, key, e, true, "log");
    fputs("</figure>\n", f);
}

static bool is_loss(const char *key) {
    return strncmp(key, "loss", 4) == 0 || strncmp(key, "sup", 3) == 0 ||
           strncmp(key, "unsup", 5) == 0;
}

/* All keys of that kind, in order of first appearance over the runs. */
static void series_panels(FILE *f, const rep_report *r, bool losses) {
    for (int i = 0; i < r->n_runs; i++)
        for (int s = 0; s < r->runs[i].train.n; s++) {
            const char *key = r->runs[i].train.v[s].key;
            bool seen = false;
            for (int j = 0; j < i; j++) seen = seen || bl_rep_series_find(&r->runs[j].train, key);
            if (!seen && is_loss(key) == losses) series_panel(f, r, key);
        }
}

void bl_rep_losses(FILE *f, const rep_report *r) {
    int n = 0;
    for (int i = 0; i < r->n_runs; i++) n += r->runs[i].train.n;
    if (!n) return;
    bl_rep_section_begin(f, "losses", "Losses",
                         r->seeds
                             ? "Exponential averages over a fortieth of the run, a line per run."
                             : "Exponential averages over a fortieth of the run, the logged "
                               "values faint behind them.");
    bl_rep_method_legend(f, r);
    fputs("<input type=\"checkbox\" id=\"log-scale\" class=\"switch\"><label for=\"log-scale\">"
          "logarithmic axis</label>\n<div class=\"grid g2\">\n",
          f);
    series_panels(f, r, true);
    fputs("</div>\n<h3>Course of the run</h3>\n<div class=\"grid g2\">\n", f);
    series_panels(f, r, false);
    fputs("</div>\n", f);
    bl_rep_section_end(f);
}

/* ---- state by class over training ---- */

static const struct {
    const char *name, *about, *about_images; /* of a detector, of a classifier */
    svg_format format;
} states[REP_STATES] = {
    [REP_WEIGHT] = {"Class weight", "weight in the classification loss",
                    "weight in the classification loss", SVG_PLAIN},
    [REP_THRESHOLD] = {"Threshold", "score above which a teacher box becomes a pseudo label",
                       "confidence above which a guess becomes a pseudo label", SVG_PLAIN},
    [REP_PSEUDO] = {"Pseudo labels", "boxes kept in the logging window",
                    "images used in the logging window", SVG_PLAIN},
    [REP_KEPT] = {"Kept", "share of the teacher\xe2\x80\x99s boxes that become pseudo labels",
                  "share of the guesses that become pseudo labels", SVG_PERCENT},
    [REP_PSEUDO_PRECISION] = {"Precision", "pseudo boxes that match a hidden label, IoU 0.5",
                              "pseudo labels that are right", SVG_PERCENT},
    [REP_PSEUDO_RECALL] = {"Recall", "hidden labels that a pseudo box matches, IoU 0.5",
                           "images of the class that are pseudo-labelled as it", SVG_PERCENT},
    [REP_POSITIVE] = {"Positive gradient", "of rows of the class, which pull its logit up",
                      "of images of the class, which pull its logit up", SVG_PLAIN},
    [REP_NEGATIVE] = {"Negative gradient", "of all other rows, which push its logit down",
                      "of all other images, which push its logit down", SVG_PLAIN},
    [REP_SCORE] = {"Mean score", "of the class, of regions labelled with it",
                   "of the class, of images labelled with it", SVG_PERCENT},
    [REP_LOGIT] = {"Mean logit", "of the class, of regions labelled with it",
                   "of the class, of images labelled with it", SVG_PLAIN},
};

static const char *about(const rep_report *r, rep_state s) {
    return r->count_images ? states[s].about_images : states[s].about;
}

/* Common to all runs, so that panels can be compared. */
static extent state_extent(const rep_report *r, rep_state s) {
    extent e = nothing;
    for (int i = 0; i < r->n_runs; i++)
        for (int line = 0; line < r->runs[i].state_iter.n; line++)
            for (int k = 0; k < r->n_classes; k++)
                widen(&e, r->runs[i].state_iter.v[line], bl_rep_state_at(&r->runs[i], s, line, k));
    return e;
}

/* Mean over a centred window of a fifteenth of the lines; what is undefined stays undefined. */
static void average(const double *y, int n, double *out) {
    int half = n / 30;
    for (int i = 0; i < n; i++) {
        double sum = 0;
        int m = 0;
        for (int j = i - half; j <= i + half; j++)
            if (j >= 0 && j < n && !isnan(y[j])) {
                sum += y[j];
                m++;
            }
        out[i] = isnan(y[i]) ? NAN : sum / m;
    }
}

static svg_axis state_axis(rep_state s, extent e) {
    if (states[s].format == SVG_PERCENT) return bl_svg_range(0, 1, false, SVG_PERCENT, NULL);
    if (s == REP_PSEUDO && e.hi > 30 * e.positive)
        return bl_svg_range(e.positive, e.hi, true, SVG_PLAIN, NULL);
    return bl_svg_range(fmin(e.lo, 0), e.hi, false, states[s].format, NULL);
}

/* Weights and thresholds as logged; counts and rates of short windows are averaged. */
static void class_values(const rep_run *run, rep_state s, int k, double *y, double *work) {
    int n = run->state_iter.n;
    for (int i = 0; i < n; i++) y[i] = bl_rep_state_at(run, s, i, k);
    if (s == REP_WEIGHT || s == REP_THRESHOLD) return;
    average(y, n, work);
    memcpy(y, work, (size_t)n * sizeof *y);
}

static void class_line(const svg_plot *p, const rep_report *r, const rep_run *run, rep_state s,
                       int k, double *y, double *work) {
    int n = run->state_iter.n;
    char style[96];
    double last = NAN;
    for (int i = 0; i < n; i++) {
        double v = bl_rep_state_at(run, s, i, k);
        if (!isnan(v)) last = v;
    }
    if (isnan(last)) return;
    class_values(run, s, k, y, work);
    svg_colour colour = bl_svg_rank_colour(k, r->n_classes);
    snprintf(style, sizeof style, "class=\"ln thin rank\" style=\"--l:%s;--d:%s\"", colour.light,
             colour.dark);
    fputs("<g class=\"hit\"", p->f);
    bl_rep_class_mark(p->f, k);
    fputc('>', p->f);
    bl_svg_line(p, run->state_iter.v, y, n, LINE_POINTS / 2, style,
                bl_rep_text(r, "%s: %.3g at the end", r->classes[k].name, last));
    fputs("</g>", p->f);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* With very many classes: a group's (or all classes') median in a band from the first to the last
 * tenth. */
static void group_line(const svg_plot *p, const rep_report *r, const rep_run *run, rep_state s,
                       int group, const double *values) {
    int n = run->state_iter.n;
    double *q = BL_NEW_ARRAY(r->arena, double, 3 * n + 1);
    double *v = BL_NEW_ARRAY(r->arena, double, r->n_classes + 1);
    if (!q || !v) return;
    for (int i = 0; i < n; i++) {
        int m = 0;
        for (int k = 0; k < r->n_classes; k++) {
            double x = values[(int64_t)k * n + i];
            if ((group < 0 || r->classes[k].group == group) && !isnan(x)) v[m++] = x;
        }
        qsort(v, (size_t)m, sizeof *v, ascending);
        q[i] = m ? v[m / 2] : NAN;
        q[n + i] = m ? v[m / 10] : NAN;
        q[2 * n + i] = m ? v[m - 1 - m / 10] : NAN;
    }
    int i = group < 0 ? 0 : group, all = r->n_groups ? r->n_groups : 1;
    svg_colour c = bl_svg_rank_colour(i, all);
    char style[96];
    snprintf(style, sizeof style, "class=\"band rankfill\" style=\"--l:%s;--d:%s\"", c.light,
             c.dark);
    bl_svg_band(p, run->state_iter.v, q + n, q + 2 * n, n, style);
    snprintf(style, sizeof style, "class=\"ln rank\" style=\"--l:%s;--d:%s\"", c.light, c.dark);
    bl_svg_line(p, run->state_iter.v, q, n, LINE_POINTS, style,
                bl_rep_text(r, "median of %s", group < 0 ? "all classes" : r->groups[group]));
}

static void group_lines(const svg_plot *p, const rep_report *r, const rep_run *run, rep_state s) {
    int n = run->state_iter.n;
    double *values = BL_NEW_ARRAY(r->arena, double, (int64_t)n * r->n_classes + 1);
    double *work = BL_NEW_ARRAY(r->arena, double, n + 1);
    if (!values || !work) return;
    for (int k = 0; k < r->n_classes; k++) class_values(run, s, k, values + (int64_t)k * n, work);
    for (int g = r->n_groups ? 0 : -1; g < r->n_groups; g++) group_line(p, r, run, s, g, values);
}

static void state_panel(FILE *f, const rep_report *r, int run, rep_state s, extent e) {
    const rep_run *one = &r->runs[run];
    double *y = BL_NEW_ARRAY(r->arena, double, one->state_iter.n + 1);
    double *work = BL_NEW_ARRAY(r->arena, double, one->state_iter.n + 1);
    if (!y || !work || !bl_rep_has_state(one, s)) return;
    svg_plot p = bl_svg_panel(f, 215);
    p.x = bl_svg_range(0, e.x, false, SVG_ITERATIONS, "iteration");
    p.y = state_axis(s, e);
    fputs("<figure><figcaption>", f);
    bl_rep_run_name(f, r, run);
    fputs("</figcaption>", f);
    bool each = r->n_classes <= REP_CLASS_LINES;
    bl_svg_begin(&p, bl_rep_text(r, "Line chart: %s against training iteration, %s, %s.",
                                 states[s].name, one->label,
                                 each ? "a line per class"
                                      : "median and central four fifths of each group of classes"));
    bl_svg_axes(&p, 5, 4);
    for (int k = r->n_classes - 1; each && k >= 0; k--) class_line(&p, r, one, s, k, y, work);
    if (!each) group_lines(&p, r, one, s);
    bl_svg_end(&p);
    fputs("</figure>\n", f);
}

/* A heading and a panel per method, of its first run. */
static void state_row(FILE *f, const rep_report *r, rep_state s) {
    extent e = state_extent(r, s);
    if (e.lo > e.hi) return;
    fprintf(f, "<h3>%s<small> %s%s</small></h3>\n<div class=\"grid g2\">\n", states[s].name,
            about(r, s), states[s].format == SVG_PERCENT ? ", percent" : "");
    for (int m = 0; m < r->n_methods; m++) state_panel(f, r, r->methods[m].runs[0], s, e);
    fputs("</div>\n", f);
}

/* What the colours of class lines mean. */
static void line_legend(FILE *f, const rep_report *r) {
    if (r->n_classes <= REP_CLASS_LINES) {
        bl_rep_class_legend(f, r);
        return;
    }
    bl_rep_group_legend(f, r);
}

static bool any_state(const rep_report *r, const rep_state *list, int n) {
    for (int i = 0; i < r->n_runs; i++)
        for (int s = 0; s < n; s++)
            if (bl_rep_has_state(&r->runs[i], list[s])) return true;
    return false;
}

void bl_rep_class_state(FILE *f, const rep_report *r) {
    static const rep_state list[] = {REP_WEIGHT, REP_THRESHOLD};
    if (!any_state(r, list, 2)) return;
    bl_rep_section_begin(
        f, "state", "Class weights and thresholds",
        r->n_classes <= REP_CLASS_LINES
            ? "One line per class, coloured from the most frequent class (blue) to "
              "the rarest (orange). Axes agree between runs."
            : "Median of each group of classes, in a band that holds four fifths of "
              "them. Axes agree between runs.");
    line_legend(f, r);
    for (int s = 0; s < 2; s++) state_row(f, r, list[s]);
    bl_rep_section_end(f);
}

void bl_rep_class_dynamics(FILE *f, const rep_report *r) {
    static const rep_state list[] = {REP_POSITIVE, REP_NEGATIVE, REP_SCORE, REP_LOGIT};
    if (!any_state(r, list, 4)) return;
    bl_rep_section_begin(
        f, "dynamics", "Gradients, scores and logits by class",
        "What the classification loss does to each class: where negative gradients "
        "outweigh positive ones, its logit falls. Coloured from the most frequent "
        "class (blue) to the rarest (orange); axes agree between runs.");
    line_legend(f, r);
    for (int s = 0; s < 4; s++) state_row(f, r, list[s]);
    bl_rep_section_end(f);
}

/* ---- pseudo-label quality ---- */

/* Mean over the last quarter of the lines that have a value. */
static double late_mean(const rep_run *run, rep_state s, int k) {
    double sum = 0;
    int n = 0;
    for (int i = run->state_iter.n - (run->state_iter.n + 3) / 4; i < run->state_iter.n; i++) {
        double v = bl_rep_state_at(run, s, i, k);
        if (!isnan(v)) {
            sum += v;
            n++;
        }
    }
    return n ? sum / n : NAN;
}

/* Over a method's runs. */
static rep_stat late_stat(const rep_report *r, int method, rep_state s, int k) {
    rep_stat stat = {NAN, NAN, NAN, NAN, 0};
    double squares = 0;
    for (int i = 0; i < r->methods[method].n; i++)
        bl_rep_stat_add(&stat, &squares, late_mean(&r->runs[r->methods[method].runs[i]], s, k));
    return stat;
}

static void quality_slot(const svg_plot *p, const rep_report *r, rep_state s, int k, double slot,
                         double bar) {
    FILE *f = p->f;
    double x = p->left + k * slot;
    fputs("<g", f);
    bl_rep_class_mark(f, k);
    fputc('>', f);
    for (int m = 0; m < r->n_methods; m++) {
        rep_stat v = late_stat(r, m, s, k);
        if (isnan(v.mean)) continue;
        double height = fmax(p->bottom - bl_svg_py(p, fmin(v.mean, 1)), .75);
        double bx = x + (slot - bar * r->n_methods) / 2 + m * bar;
        fprintf(f,
                "<rect class=\"bar b%d\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" "
                "height=\"%.2f\"><title>",
                m % SVG_COLOURS, bx, p->bottom - height, fmax(bar - .8, .6), height);
        bl_html_text(f, r->classes[k].name);
        fputs(", ", f);
        bl_html_text(f, r->methods[m].label);
        fprintf(f, ": %.1f</title></rect>", 100 * v.mean);
        if (v.n > 1) bl_svg_whisker(p, bx + bar / 2, v.mean - v.std, v.mean + v.std);
    }
    fprintf(f, "<text class=\"c e\" transform=\"translate(%.1f %.1f) rotate(-45)\">",
            x + slot / 2 + 4, p->bottom + 12);
    bl_html_short_text(f, r->classes[k].name, REP_LABEL);
    fputs("</text></g>\n", f);
}

static void quality_bars(FILE *f, const rep_report *r, rep_state s) {
    double names = bl_rep_longest_name(r),
           width = fmax(360, 40 + r->n_classes * fmax(14, 6.0 * r->n_methods + 4));
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
    fprintf(f, "<figure><figcaption>%s<small>%s, percent</small></figcaption>", states[s].name,
            about(r, s));
    bl_rep_scroll_begin(f, width > 360 ? "wide" : "", bl_rep_text(r, "Chart: %s", states[s].name));
    bl_svg_begin(&p,
                 bl_rep_text(r,
                             "Bar chart: pseudo-label %s of every class at the end of training, a "
                             "bar per run; the table below has the numbers.",
                             states[s].name));
    bl_svg_axes(&p, 0, 4);
    for (int k = 0; k < r->n_classes; k++)
        quality_slot(&p, r, s, k, slot, fmin(slot * .8 / r->n_methods, 26));
    bl_svg_end(&p);
    bl_rep_scroll_end(f);
    fputs("</figure>\n", f);
}

/* The numbers of the bars, for readers who cannot see them. */
static void quality_table(FILE *f, const rep_report *r) {
    static const rep_state list[] = {REP_PSEUDO_PRECISION, REP_PSEUDO_RECALL, REP_KEPT};
    fputs("<details><summary>Pseudo-label quality as a table</summary>\n", f);
    bl_rep_scroll_begin(f, r->n_classes > 30 ? "tall" : "", "Table of pseudo-label quality");
    fputs("<table class=\"sortable\"><caption>Mean over the last quarter of training, "
          "percent.</caption>\n<thead><tr>",
          f);
    bl_rep_heading(f, false, NULL, "Class");
    for (int s = 0; s < 3; s++)
        for (int m = 0; m < r->n_methods && any_state(r, &list[s], 1); m++) {
            bl_rep_heading_begin(f, true, about(r, list[s]));
            fprintf(f, "%s ", states[list[s]].name);
            bl_rep_method_name(f, r, m);
            bl_rep_heading_end(f);
        }
    fputs("</tr></thead>\n<tbody>\n", f);
    for (int k = 0; k < r->n_classes; k++) {
        fputs("<tr", f);
        bl_rep_class_mark(f, k);
        fputs("><th scope=\"row\">", f);
        bl_html_text(f, r->classes[k].name);
        fputs("</th>", f);
        for (int s = 0; s < 3; s++)
            for (int m = 0; m < r->n_methods && any_state(r, &list[s], 1); m++)
                bl_rep_cell(f, REP_PERCENT, late_stat(r, m, list[s], k).mean, NULL);
        fputs("</tr>\n", f);
    }
    fputs("</tbody></table>", f);
    bl_rep_scroll_end(f);
    fputs("</details>\n", f);
}

void bl_rep_pseudo_quality(FILE *f, const rep_report *r) {
    static const rep_state list[] = {REP_PSEUDO_PRECISION, REP_PSEUDO_RECALL, REP_KEPT, REP_PSEUDO};
    if (!any_state(r, list, 4)) return;
    bl_rep_section_begin(f, "pseudo", "Pseudo-label quality",
                         "Bars: mean over the last quarter of training. Precision and recall exist "
                         "where the unlabelled set has hidden labels; an absent bar means that no "
                         "pseudo label (precision) or no object (recall) was seen.");
    bl_rep_method_legend(f, r);
    enum { SIDE_BY_SIDE = 24 };
    fprintf(f, "<div class=\"grid%s\">\n", r->n_classes <= SIDE_BY_SIDE ? " g2" : "");
    for (int s = 0; s < 3 && r->n_classes <= REP_EACH_CLASS; s++)
        if (any_state(r, &list[s], 1)) quality_bars(f, r, list[s]);
    fputs("</div>\n", f);
    quality_table(f, r);
    fputs("<p class=\"about\">Over training, averaged over a fifteenth of the run; colours "
          "from the most frequent class to the rarest:</p>\n",
          f);
    line_legend(f, r);
    for (int s = 0; s < 4; s++) state_row(f, r, list[s]);
    bl_rep_section_end(f);
}
