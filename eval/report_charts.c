/* The report's plots of results: AP over training, AP by class, precision-recall curves. */
#include <math.h>
#include <string.h>

#include "eval/report_html.h"
#include "eval/report_sections.h"
#include "eval/report_svg.h"

/* ---- AP over training ---- */

static double eval_value(const rep_eval *e, int group) {
    return group < 0 ? e->summary[0] : e->group[group];
}

static void ap_extent(const rep_report *r, double *last, double *best, int *points) {
    *last = *best = 0;
    *points = 0;
    for (int i = 0; i < r->n_runs; i++)
        for (int m = 0; m < 2; m++)
            for (int e = 0; e < r->runs[i].model[m].n_evals; e++) {
                const rep_eval *one = &r->runs[i].model[m].evals[e];
                *last = fmax(*last, one->iter);
                *best = fmax(*best, one->summary[0]);
                for (int g = 0; g < r->n_groups; g++) *best = fmax(*best, one->group[g]);
                *points = e + 1 > *points ? e + 1 : *points;
            }
}

/* One line of evaluations with a dot and a tooltip each. */
static void ap_line(const svg_plot *p, const rep_report *r, int run, const rep_model *m,
                    int group) {
    enum { MAX_POINTS = 400 };
    double x[MAX_POINTS], y[MAX_POINTS];
    int n = m->n_evals < MAX_POINTS ? m->n_evals : MAX_POINTS;
    const rep_eval *e = m->evals + (m->n_evals - n);
    char style[64], title[256];
    for (int i = 0; i < n; i++) x[i] = e[i].iter, y[i] = eval_value(&e[i], group);
    bool main = m == rep_main_model(&r->runs[run]);
    snprintf(style, sizeof style, "class=\"ln r%d%s\"", run % SVG_RUN_COLOURS,
             main ? "" : " thin dash");
    snprintf(title, sizeof title, "%s, %s", r->runs[run].label, m->name);
    svg_line(p, x, y, n, 0, style, title);
    for (int i = 0; main && n <= 60 && i < n; i++) {
        if (isnan(x[i]) || isnan(y[i])) continue;
        fprintf(p->f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\" class=\"b%d\"><title>",
                svg_px(p, x[i]), svg_py(p, y[i]), run % SVG_RUN_COLOURS);
        html_text(p->f, title);
        fprintf(p->f, ": %.1f at iteration %.0f</title></circle>", 100 * y[i], x[i]);
    }
}

void rep_ap_over_training(FILE *f, const rep_report *r) {
    double last, best;
    int points;
    ap_extent(r, &last, &best, &points);
    if (points < 2) return;
    rep_section_begin(f, "training", "AP over training",
                      "Teacher solid, student dashed; a run without a teacher has only its one "
                      "model, drawn solid.");
    rep_run_legend(f, r);
    fputs("<div class=\"grid g2\">\n", f);
    for (int g = -1; g < r->n_groups; g++) {
        svg_plot p = {
            .f = f, .width = 360, .height = 230, .left = 46, .top = 8, .right = 352, .bottom = 192};
        p.x = svg_range(0, last, false, SVG_ITERATIONS, "iteration");
        p.y = svg_range(0, best, false, SVG_PERCENT, "AP");
        fputs("<figure><figcaption>", f);
        html_text(f, g < 0 ? "all classes" : r->groups[g]);
        fputs("</figcaption>", f);
        svg_begin(&p, "AP against training iteration, a line per run and model");
        svg_axes(&p, 5, 5);
        for (int i = r->n_runs - 1; i >= 0; i--)
            for (int m = 1; m >= 0; m--)
                if (r->runs[i].model[m].n_evals) ap_line(&p, r, i, &r->runs[i].model[m], g);
        svg_end(&p);
        fputs("</figure>\n", f);
    }
    fputs("</div>\n", f);
    rep_section_end(f);
}

/* ---- AP by class ---- */

typedef struct bars {
    svg_plot p;
    double slot, bar;   /* widths */
    double strip, base; /* training counts: top and bottom of their strip */
} bars;

/* One shade a stretch of classes of the same group, with the group's name where there is room for
 * it. */
static void slot_shades(const bars *b, const rep_report *r) {
    FILE *f = b->p.f;
    for (int k = 0, from = 0; k < r->n_classes; k++) {
        int group = r->classes[k].group;
        if (k + 1 < r->n_classes && r->classes[k + 1].group == group) continue;
        double x = b->p.left + from * b->slot, width = (k + 1 - from) * b->slot;
        from = k + 1;
        if (group < 0) continue;
        fprintf(f, "<path class=\"shade%d\" d=\"M%.1f %.1fh%.2fV%.1fh-%.2fz\"/>", group % 4, x,
                b->p.top, width, b->base, width);
        if (width < 50) continue;
        fprintf(f, "<text x=\"%.1f\" y=\"%.1f\">", x + 5, b->p.top + 13);
        html_text(f, r->groups[group]);
        fputs("</text>", f);
    }
    fputc('\n', f);
}

static void class_slot(const bars *b, const rep_report *r, int k, double most) {
    FILE *f = b->p.f;
    const rep_class *c = &r->classes[k];
    double x = b->p.left + k * b->slot, inner = b->bar * r->n_runs;
    fputs("<g", f);
    html_attr(f, "data-class", c->name);
    fputc('>', f);
    for (int i = 0; i < r->n_runs; i++) {
        double v = rep_class_metric(r, &r->runs[i], k, REP_AP);
        if (isnan(v)) continue;
        double top = svg_py(&b->p, v), bx = x + (b->slot - inner) / 2 + i * b->bar;
        double height = fmax(b->p.bottom - top, .75); /* zero still shows */
        fprintf(
            f,
            "<rect class=\"bar b%d\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"><title>",
            i % SVG_RUN_COLOURS, bx, b->p.bottom - height, fmax(b->bar - .8, .6), height);
        html_text(f, c->name);
        fputs(", ", f);
        html_text(f, r->runs[i].label);
        fprintf(f, ": AP %.1f, AP50 ", 100 * v);
        html_percent(f, rep_class_metric(r, &r->runs[i], k, REP_AP50));
        fputs("</title></rect>", f);
    }
    if (r->by_frequency && c->train_boxes > 0) {
        double h = (b->base - b->strip - 15) * log10(1 + c->train_boxes) / log10(1 + most);
        fprintf(f,
                "<rect class=\"freq\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"><title>",
                x + b->slot * .25, b->strip, b->slot * .5, h);
        html_text(f, c->name);
        fprintf(f, ": %.0f training boxes</title></rect>", c->train_boxes);
        if (b->slot >= 30)
            fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" class=\"m\">%.0f</text>", x + b->slot / 2,
                    b->strip + h + 11, c->train_boxes);
    }
    fprintf(f, "<text class=\"c e\" transform=\"translate(%.1f %.1f) rotate(-38)\">",
            x + b->slot / 2 + 4, b->base + 12);
    html_short_text(f, c->name, REP_LABEL);
    fputs("</text></g>\n", f);
}

void rep_class_bars(FILE *f, const rep_report *r) {
    double best = 0, most = 1;
    for (int k = 0; k < r->n_classes; k++) {
        most = fmax(most, r->classes[k].train_boxes);
        for (int i = 0; i < r->n_runs; i++)
            best = fmax(best, rep_class_metric(r, &r->runs[i], k, REP_AP));
    }
    bool any = false;
    for (int i = 0; i < r->n_runs; i++)
        any = any || (rep_main_model(&r->runs[i]) && rep_main_model(&r->runs[i])->has_classes);
    if (!any) return;
    rep_section_begin(
        f, "classes", "AP by class",
        r->by_frequency
            ? "Classes from the most to the least frequent in the labelled training set; the grey "
              "bars below the axis show that frequency (boxes, logarithmic)."
            : "Classes in file order: training frequencies are not recorded.");
    rep_run_legend(f, r);
    double need = r->n_classes * fmax(18, 7.0 * r->n_runs + 5), names = rep_longest_name(r);
    bars b = {.p = {.f = f, .width = fmax(1120, need + 60), .height = 400, .top = 6}};
    b.p.left = fmax(44, 4.4 * names - need / r->n_classes / 2);
    b.p.right = b.p.width - 6, b.p.bottom = 245;
    b.strip = b.p.bottom + 6, b.base = r->by_frequency ? b.strip + 62 : b.p.bottom;
    b.slot = (b.p.right - b.p.left) / r->n_classes;
    b.bar = fmin(b.slot * .8 / r->n_runs, 34);
    b.p.height = b.base + 14 + 4.3 * names;
    b.p.x = (svg_axis){0, r->n_classes, false, SVG_PLAIN, NULL};
    b.p.y = svg_range(0, best > 0 ? best * 1.08 : 1, false, SVG_PERCENT, "AP");
    fprintf(f, "<div class=\"scroll%s\"><figure>", b.p.width > 1120 ? " wide" : "");
    svg_begin(&b.p,
              "AP of every class as grouped bars, a bar per run, most frequent class first; the "
              "table below has the numbers");
    slot_shades(&b, r);
    svg_axes(&b.p, 0, 5);
    if (r->by_frequency)
        fprintf(f, "<text transform=\"translate(9 %.1f) rotate(-90)\" class=\"m l\">boxes</text>",
                (b.strip + b.base) / 2);
    for (int k = 0; k < r->n_classes; k++) class_slot(&b, r, k, most);
    svg_end(&b.p);
    fputs("</figure></div>\n", f);
    rep_section_end(f);
}

/* ---- precision-recall curves ---- */

/* Interpolated precision; beyond the highest recall it is 0, shown by one vertical stroke. */
static void pr_line(const svg_plot *p, const double *precision, int run, bool strict,
                    const char *title) {
    double x[REP_CURVE + 1], y[REP_CURVE + 1];
    int n = 0;
    while (n < REP_CURVE && precision[n] > 0) x[n] = n / 100.0, y[n] = precision[n], n++;
    if (n == 0) return;
    if (n < REP_CURVE) x[n] = x[n - 1], y[n] = 0, n++;
    char style[64];
    snprintf(style, sizeof style, "class=\"ln r%d%s\"", run % SVG_RUN_COLOURS,
             strict ? " thin dot" : "");
    svg_line(p, x, y, n, 0, style, title);
}

static void pr_panel(FILE *f, const rep_report *r, int k) {
    const rep_class *c = &r->classes[k];
    svg_plot p = {
        .f = f, .width = 184, .height = 158, .left = 24, .top = 6, .right = 178, .bottom = 126};
    p.x = (svg_axis){0, 1, false, SVG_PLAIN, "recall"};
    p.y = (svg_axis){0, 1, false, SVG_PLAIN, NULL};
    fputs("<figure", f);
    html_attr(f, "data-class", c->name);
    fputs("><figcaption>", f);
    html_text(f, c->name);
    if (!isnan(c->train_boxes)) {
        fputs("<small>", f);
        html_count(f, c->train_boxes);
        fputs(" boxes</small>", f);
    }
    fputs("</figcaption>", f);
    svg_begin(&p, "Precision against recall of this class, a line per run");
    svg_axes(&p, 2, 2);
    for (int i = r->n_runs - 1; i >= 0; i--) {
        const rep_class_result *one = rep_class_of(&r->runs[i], rep_main_model(&r->runs[i]), k);
        char title[256];
        if (!one) continue;
        snprintf(title, sizeof title, "%s: AP75 %.1f", r->runs[i].label, 100 * one->m[REP_AP75]);
        if (one->p75) pr_line(&p, one->p75, i, true, title);
        snprintf(title, sizeof title, "%s: AP50 %.1f", r->runs[i].label, 100 * one->m[REP_AP50]);
        if (one->p50) pr_line(&p, one->p50, i, false, title);
    }
    svg_end(&p);
    fputs("</figure>\n", f);
}

void rep_pr_curves(FILE *f, const rep_report *r) {
    enum { OPEN_UP_TO = 40 };
    bool any = false;
    for (int i = 0; i < r->n_runs; i++)
        any = any || (rep_main_model(&r->runs[i]) && rep_main_model(&r->runs[i])->has_curves);
    if (!any) return;
    rep_section_begin(
        f, "pr", "Precision and recall",
        "Interpolated precision against recall at IoU 0.50 (solid) and 0.75 (dotted), "
        "most frequent class first.");
    rep_run_legend(f, r);
    if (r->n_classes > OPEN_UP_TO)
        fprintf(f, "<details><summary>%d classes</summary>\n", r->n_classes);
    fputs("<div class=\"grid g4\">\n", f);
    for (int k = 0; k < r->n_classes; k++) pr_panel(f, r, k);
    fputs("</div>\n", f);
    if (r->n_classes > OPEN_UP_TO) fputs("</details>\n", f);
    rep_section_end(f);
}
