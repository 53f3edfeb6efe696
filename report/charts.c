/* The report's plots of overall results: over training, and by group of classes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/html.h"
#include "report/sections.h"
#include "report/svg.h"

/* ---- over training ---- */

/* Of a group: "<metric>_<group>", or the group's name alone. */
static const rep_series *group_series(const rep_report *r, const rep_model *m, int group) {
    const char *primary = r->summary.v[r->summary.primary].key;
    if (group < 0) return bl_rep_series_find(&m->evals, primary);
    const rep_series *s =
        bl_rep_series_find(&m->evals, bl_rep_text(r, "%s_%s", primary, r->groups[group]));
    return s ? s : bl_rep_series_find(&m->evals, r->groups[group]);
}

typedef struct extent {
    double last, lo, hi;
    int points;
} extent;

static void widen(extent *e, const rep_series *s) {
    for (int i = 0; s && i < s->x.n; i++) {
        if (isnan(s->x.v[i])) continue;
        e->last = fmax(e->last, s->x.v[i]);
        e->lo = fmin(e->lo, s->y.v[i]);
        e->hi = fmax(e->hi, s->y.v[i]);
    }
    if (s && s->x.n > e->points) e->points = s->x.n;
}

/* One line of evaluations; dots where they are few. */
static void model_line(const svg_plot *p, const rep_report *r, int run, const rep_model *m,
                       const rep_series *s, rep_format format) {
    int method = r->runs[run].method;
    char style[64];
    bool main = m == bl_rep_main_model(&r->runs[run]), several = r->methods[method].n > 1;
    snprintf(style, sizeof style, "class=\"ln r%d%s%s\"", method % SVG_COLOURS,
             main ? "" : " thin dash", several ? " faint" : "");
    const char *title = bl_rep_text(r, "%s%s%s", r->runs[run].label, *m->name ? ", " : "", m->name);
    bl_svg_line(p, s->x.v, s->y.v, s->y.n, 400, style, title);
    for (int i = 0; main && !several && s->y.n <= 60 && i < s->y.n; i++) {
        if (isnan(s->x.v[i])) continue;
        const char *name =
            bl_svg_marker(p->f, method, bl_svg_px(p, s->x.v[i]), bl_svg_py(p, s->y.v[i]), 2.6);
        fputs("><title>", p->f);
        bl_html_text(p->f, title);
        fputs(": ", p->f);
        bl_rep_put(p->f, format, s->y.v[i]);
        fprintf(p->f, " at iteration %.0f</title></%s>", s->x.v[i], name);
    }
}

/* Mean and range over a method's seeds, at the iterations of its first run. */
static void seeds_line(const svg_plot *p, const rep_report *r, int method, int group) {
    const rep_model *first = bl_rep_main_model(bl_rep_first(r, method));
    const rep_series *base = first ? group_series(r, first, group) : NULL;
    if (!base || r->methods[method].n < 2) return;
    double *mean = BL_NEW_ARRAY(r->arena, double, 3 * base->x.n + 1);
    if (!mean) return;
    double *lo = mean + base->x.n, *hi = lo + base->x.n;
    for (int i = 0; i < base->x.n; i++) {
        rep_stat s = {NAN, NAN, NAN, NAN, 0};
        double squares = 0;
        for (int j = 0; j < r->methods[method].n; j++) {
            const rep_model *m = bl_rep_main_model(&r->runs[r->methods[method].runs[j]]);
            const rep_series *one = m ? group_series(r, m, group) : NULL;
            for (int k = 0; one && k < one->x.n; k++)
                if (one->x.v[k] == base->x.v[i]) bl_rep_stat_add(&s, &squares, one->y.v[k]);
        }
        mean[i] = s.mean;
        lo[i] = s.lo;
        hi[i] = s.hi;
    }
    char style[64];
    snprintf(style, sizeof style, "class=\"band b%d\"", method % SVG_COLOURS);
    bl_svg_band(p, base->x.v, lo, hi, base->x.n, style);
    snprintf(style, sizeof style, "class=\"ln r%d\"", method % SVG_COLOURS);
    bl_svg_line(p, base->x.v, mean, base->x.n, 400, style,
                bl_rep_text(r, "%s, mean of the seeds", r->methods[method].label));
}

static void training_panel(FILE *f, const rep_report *r, int group, extent e) {
    const rep_column *c = &r->summary.v[r->summary.primary];
    svg_plot p = bl_svg_panel(f, 230);
    p.x = bl_svg_range(0, e.last, false, SVG_ITERATIONS, "iteration");
    p.y = bl_svg_range(fmin(0, e.lo), e.hi * 1.04, false,
                       c->format == REP_PERCENT ? SVG_PERCENT : SVG_PLAIN, c->name);
    const char *what = group < 0 ? "all classes" : r->groups[group];
    fputs("<figure><figcaption>", f);
    bl_html_text(f, what);
    fputs("</figcaption>", f);
    bl_svg_begin(&p, bl_rep_text(r,
                                 "Line chart: %s of %s against training iteration, a line per run. "
                                 "At the end: %s.",
                                 c->name, what, bl_rep_values(r, group, r->summary.primary)));
    bl_svg_axes(&p, 5, 5);
    for (int i = r->n_runs - 1; i >= 0; i--)
        for (int m = REP_MODELS - 1; m >= 0; m--) {
            const rep_model *one = &r->runs[i].model[m];
            const rep_series *s = one->name ? group_series(r, one, group) : NULL;
            bool extra = one != bl_rep_main_model(&r->runs[i]) && r->seeds;
            if (s && !extra) model_line(&p, r, i, one, s, c->format);
        }
    for (int m = r->n_methods - 1; m >= 0; m--) seeds_line(&p, r, m, group);
    bl_svg_end(&p);
    fputs("</figure>\n", f);
}

/* Every other metric that the evaluations logged, main models only. */
static void other_panel(FILE *f, const rep_report *r, int column) {
    const rep_column *c = &r->summary.v[column];
    extent e = {0, INFINITY, -INFINITY, 0};
    for (int i = 0; i < r->n_runs; i++) {
        const rep_model *m = bl_rep_main_model(&r->runs[i]);
        if (m) widen(&e, bl_rep_series_find(&m->evals, c->key));
    }
    if (e.points < 2) return;
    svg_plot p = bl_svg_panel(f, 200);
    p.x = bl_svg_range(0, e.last, false, SVG_ITERATIONS, "iteration");
    p.y = bl_svg_range(fmin(0, e.lo), e.hi, false,
                       c->format == REP_PERCENT ? SVG_PERCENT : SVG_PLAIN, NULL);
    fputs("<figure><figcaption>", f);
    bl_html_text(f, c->name);
    fputs("</figcaption>", f);
    bl_svg_begin(&p, bl_rep_text(r, "Line chart: %s against training iteration. At the end: %s.",
                                 c->name, bl_rep_values(r, -1, column)));
    bl_svg_axes(&p, 5, 4);
    for (int i = r->n_runs - 1; i >= 0; i--) {
        const rep_model *m = bl_rep_main_model(&r->runs[i]);
        const rep_series *s = m ? bl_rep_series_find(&m->evals, c->key) : NULL;
        if (s) model_line(&p, r, i, m, s, c->format);
    }
    bl_svg_end(&p);
    fputs("</figure>\n", f);
}

/* How training ends: one evaluation is noise where a test set is small, and the best one is chosen
 * on the test set. Semi-supervised work reports the median of the last 20. */
enum { END_LAST, END_BEST, END_MEDIAN, END_MEAN, ENDS, WINDOW = 20, FEWEST = 5 };

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool run_ends(const rep_report *r, const rep_run *run, double out[ENDS]) {
    const rep_model *m = bl_rep_main_model(run);
    const rep_column *c = &r->summary.v[r->summary.primary];
    const rep_series *s = m ? bl_rep_series_find(&m->evals, c->key) : NULL;
    if (!s || s->y.n < FEWEST) return false;
    double last[WINDOW], sum = 0;
    int n = s->y.n < WINDOW ? s->y.n : WINDOW;
    out[END_LAST] = out[END_BEST] = s->y.v[s->y.n - 1];
    for (int i = 0; i < s->y.n; i++)
        out[END_BEST] = c->lower ? fmin(out[END_BEST], s->y.v[i]) : fmax(out[END_BEST], s->y.v[i]);
    for (int i = 0; i < n; i++) sum += last[i] = s->y.v[s->y.n - n + i];
    qsort(last, (size_t)n, sizeof *last, ascending);
    out[END_MEDIAN] = (last[(n - 1) / 2] + last[n / 2]) / 2;
    out[END_MEAN] = sum / n;
    return true;
}

static bool method_ends(const rep_report *r, int method, rep_stat out[ENDS]) {
    double squares[ENDS] = {0}, v[ENDS];
    for (int e = 0; e < ENDS; e++) out[e] = (rep_stat){NAN, NAN, NAN, NAN, 0};
    for (int i = 0; i < r->methods[method].n; i++)
        if (run_ends(r, &r->runs[r->methods[method].runs[i]], v))
            for (int e = 0; e < ENDS; e++) bl_rep_stat_add(&out[e], &squares[e], v[e]);
    return out[0].n > 0;
}

static void ends_table(FILE *f, const rep_report *r) {
    static const char *const names[ENDS] = {"Last", "Best", "Median of the last 20",
                                            "Mean of the last 20"};
    const rep_column *c = &r->summary.v[r->summary.primary];
    rep_stat s[ENDS];
    bool any = false;
    for (int m = 0; m < r->n_methods; m++) any = any || method_ends(r, m, s);
    if (!any) return;
    bl_rep_scroll_begin(f, "", "Table: how training ends");
    fputs("<table class=\"sortable\"><caption>How training ends: ", f);
    bl_html_text(f, c->name);
    fprintf(f,
            " over the evaluations%s. The best is chosen on the test set and flatters.</caption>\n"
            "<thead><tr>",
            r->seeds ? ", mean \xc2\xb1 standard deviation over the seeds" : "");
    bl_rep_heading(f, false, NULL, "Run");
    for (int e = 0; e < ENDS; e++) bl_rep_heading(f, true, NULL, names[e]);
    fputs("</tr></thead>\n<tbody>\n", f);
    for (int m = 0; m < r->n_methods; m++) {
        if (!method_ends(r, m, s)) continue;
        fputs("<tr><th scope=\"row\">", f);
        bl_rep_method_name(f, r, m);
        fputs("</th>", f);
        for (int e = 0; e < ENDS; e++) bl_rep_stat_cell(f, c, s[e], false);
        fputs("</tr>\n", f);
    }
    fputs("</tbody></table>", f);
    bl_rep_scroll_end(f);
}

void bl_rep_over_training(FILE *f, const rep_report *r) {
    extent all = {0, INFINITY, -INFINITY, 0};
    bool group[REP_MAX_GROUPS] = {0};
    if (r->summary.primary < 0) return;
    for (int i = 0; i < r->n_runs; i++)
        for (int m = 0; m < REP_MODELS; m++)
            for (int g = -1; g < r->n_groups && r->runs[i].model[m].name; g++) {
                const rep_series *s = group_series(r, &r->runs[i].model[m], g);
                widen(&all, s);
                if (g >= 0) group[g] = group[g] || s;
            }
    if (all.points < 2) return;
    bool teachers = false;
    for (int i = 0; i < r->n_runs; i++)
        teachers = teachers || (r->runs[i].model[0].name && r->runs[i].model[2].name);
    bl_rep_section_begin(
        f, "training", bl_rep_text(r, "%s over training", bl_rep_primary_name(r)),
        r->seeds   ? "Several seeds of a method: their mean in a band from the lowest to the "
                     "highest, the single runs faint."
        : teachers ? "Teacher solid, student dashed; a run without a teacher has only its one "
                     "model, drawn solid."
                   : NULL);
    bl_rep_method_legend(f, r);
    fputs("<div class=\"grid g2\">\n", f);
    for (int g = -1; g < r->n_groups; g++)
        if (g < 0 || group[g]) training_panel(f, r, g, all);
    fputs("</div>\n", f);
    ends_table(f, r);
    fputs("<details><summary>Other metrics over training</summary>\n<div class=\"grid g2\">\n", f);
    for (int c = 0; c < r->summary.n; c++)
        if (c != r->summary.primary && !r->summary.v[c].hidden) other_panel(f, r, c);
    fputs("</div></details>\n", f);
    bl_rep_section_end(f);
}

/* ---- by group ---- */

/* A group's value of the summary; without one, the mean over its classes. */
static rep_stat group_stat(const rep_report *r, int method, int group) {
    rep_stat s = bl_rep_method_summary(r, method, group, r->summary.primary);
    if (group < 0 || s.n > 0) return s;
    double squares = 0;
    for (int i = 0; i < r->methods[method].n; i++) {
        double sum = 0;
        int n = 0;
        for (int k = 0; k < r->n_classes; k++) {
            double v =
                bl_rep_class_metric(&r->runs[r->methods[method].runs[i]], k, r->per_class.primary);
            if (r->classes[k].group == group && !isnan(v)) {
                sum += v;
                n++;
            }
        }
        if (n) bl_rep_stat_add(&s, &squares, sum / n);
    }
    return s;
}

static void group_slot(const svg_plot *p, const rep_report *r, int group, double x, double slot,
                       double bar) {
    FILE *f = p->f;
    const rep_column *c = &r->summary.v[r->summary.primary];
    double from = x + (slot - bar * r->n_methods) / 2;
    int members = 0;
    for (int k = 0; k < r->n_classes; k++) members += group < 0 || r->classes[k].group == group;
    for (int m = 0; m < r->n_methods; m++) {
        rep_stat s = group_stat(r, m, group);
        if (isnan(s.mean)) continue;
        double bx = from + m * bar, top = bl_svg_py(p, fmax(s.mean, 0));
        double height = fmax(p->bottom - top, .75), centre = bx + (bar - 1) / 2;
        fprintf(f,
                "<rect class=\"bar b%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                "height=\"%.1f\"><title>",
                m % SVG_COLOURS, bx, p->bottom - height, fmax(bar - 1.5, .6), height);
        bl_html_text(f, r->methods[m].label);
        fputs(": ", f);
        bl_rep_put(f, c->format, s.mean);
        fputs("</title></rect>", f);
        double above = top;
        if (s.n > 1) {
            bl_svg_whisker(p, centre, s.mean - s.std, s.mean + s.std);
            above = fmin(above, bl_svg_py(p, fmin(s.mean + s.std, p->y.hi)));
        }
        if (bar >= 24) {
            fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" class=\"m c\">", centre, above - 4);
            bl_rep_put(f, c->format, s.mean);
            fputs("</text>", f);
        }
    }
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" class=\"m c\">", x + slot / 2, p->bottom + 15);
    bl_html_short_text(f, group < 0 ? "all classes" : r->groups[group], 18);
    fprintf(f, "</text><text x=\"%.1f\" y=\"%.1f\" class=\"m\">%d class%s</text>\n", x + slot / 2,
            p->bottom + 29, members, members == 1 ? "" : "es");
}

void bl_rep_group_bars(FILE *f, const rep_report *r) {
    if (r->n_groups < 1 || r->summary.primary < 0) return;
    const rep_column *c = &r->summary.v[r->summary.primary];
    double best = 0;
    int shown[REP_MAX_GROUPS + 1], n = 0;
    for (int g = -1; g < r->n_groups; g++) {
        double of_group = NAN;
        for (int m = 0; m < r->n_methods; m++) {
            rep_stat s = group_stat(r, m, g);
            of_group = fmax(of_group, s.n > 1 ? s.mean + s.std : s.mean);
        }
        if (isnan(of_group)) continue;
        shown[n++] = g;
        best = fmax(best, of_group);
    }
    if (n < 2) return;
    bl_rep_section_begin(f, "groups", bl_rep_text(r, "%s by group of classes", c->name),
                         r->seeds ? "Whiskers: one standard deviation over the seeds." : NULL);
    bl_rep_method_legend(f, r);
    double slot = fmax(110, 34.0 * r->n_methods + 24);
    svg_plot p = {.f = f,
                  .width = 52 + slot * n,
                  .height = 270,
                  .left = 46,
                  .top = 18,
                  .right = 46 + slot * n,
                  .bottom = 232};
    p.x = (svg_axis){0, n, false, SVG_PLAIN, NULL};
    p.y = bl_svg_range(0, best > 0 ? best * 1.05 : 1, false,
                       c->format == REP_PERCENT ? SVG_PERCENT : SVG_PLAIN, c->name);
    bl_rep_scroll_begin(f, "", "Chart by group");
    fputs("<figure>", f);
    const char *text = "";
    for (int i = 0; i < n; i++)
        text =
            bl_rep_text(r, "%s %s: %s.", text, shown[i] < 0 ? "all classes" : r->groups[shown[i]],
                        bl_rep_values(r, shown[i], r->summary.primary));
    bl_svg_begin(&p, bl_rep_text(r, "Bar chart: %s by group of classes.%s", c->name, text));
    bl_svg_axes(&p, 0, 5);
    for (int i = 0; i < n; i++)
        group_slot(&p, r, shown[i], p.left + i * slot, slot, fmin(34, slot * .84 / r->n_methods));
    bl_svg_end(&p);
    fputs("</figure>", f);
    bl_rep_scroll_end(f);
    bl_rep_section_end(f);
}
