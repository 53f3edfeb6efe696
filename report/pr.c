/* The report's precision-recall curves: means over classes, and of every class. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/html.h"
#include "report/sections.h"
#include "report/svg.h"

/* Which classes a panel averages over. */
typedef struct choice {
    int k, group; /* k >= 0: one class; else group, -1 for all */
} choice;

static bool chosen(const rep_report *r, choice c, int k) {
    return c.k >= 0 ? k == c.k : c.group < 0 || r->classes[k].group == c.group;
}

/* Interpolated precision, mean over the chosen classes with ground truth and over the method's
 * runs. */
static bool mean_curve(const rep_report *r, int method, choice c, bool strict,
                       double out[REP_CURVE]) {
    int n = 0;
    memset(out, 0, REP_CURVE * sizeof *out);
    for (int i = 0; i < r->methods[method].n; i++) {
        const rep_run *run = &r->runs[r->methods[method].runs[i]];
        int from = c.k >= 0 ? c.k : 0, to = c.k >= 0 ? c.k + 1 : r->n_classes;
        for (int k = from; k < to; k++) {
            const rep_class_result *one = bl_rep_class_of(run, bl_rep_main_model(run), k);
            const double *p = one ? (strict ? one->p75 : one->p50) : NULL;
            if (!p || !chosen(r, c, k)) continue;
            for (int j = 0; j < REP_CURVE; j++) out[j] += p[j];
            n++;
        }
    }
    for (int j = 0; n && j < REP_CURVE; j++) out[j] /= n;
    return n > 0;
}

/* Beyond the highest recall the precision is 0, shown by one vertical stroke. Points on a straight
 * line are left out. */
static void pr_line(const svg_plot *p, const double *precision, const char *style,
                    const char *title) {
    double x[REP_CURVE + 1], y[REP_CURVE + 1];
    int n = 0;
    for (int j = 0; j < REP_CURVE && precision[j] > 0; j++) {
        bool flat = n > 1 && j + 1 < REP_CURVE && precision[j] == y[n - 1] &&
                    precision[j + 1] == precision[j];
        if (flat) continue;
        x[n] = j / 100.0;
        y[n++] = precision[j];
    }
    if (n == 0) return;
    if (precision[REP_CURVE - 1] <= 0) {
        x[n] = x[n - 1];
        y[n] = 0;
        n++;
    }
    bl_svg_line(p, x, y, n, 0, style, title);
}

static double mean_of(const double *precision) {
    double sum = 0;
    for (int j = 0; j < REP_CURVE; j++) sum += precision[j];
    return sum / REP_CURVE;
}

static void curves(const svg_plot *p, const rep_report *r, choice c) {
    double precision[REP_CURVE];
    for (int strict = 1; strict >= 0; strict--)
        for (int m = r->n_methods - 1; m >= 0; m--) {
            char style[64];
            if (!mean_curve(r, m, c, strict, precision)) continue;
            snprintf(style, sizeof style, "class=\"ln r%d%s\"", m % SVG_COLOURS,
                     strict ? " thin dot" : "");
            pr_line(p, precision, style,
                    bl_rep_text(r, "%s: AP%d %.1f", r->methods[m].label, strict ? 75 : 50,
                                100 * mean_of(precision)));
        }
}

/* "supervised AP50 45.2, ..." */
static const char *areas(const rep_report *r, choice c) {
    const char *text = "";
    double precision[REP_CURVE];
    for (int m = 0; m < r->n_methods; m++)
        if (mean_curve(r, m, c, false, precision))
            text = bl_rep_text(r, "%s%s%s AP50 %.1f", text, *text ? ", " : "", r->methods[m].label,
                               100 * mean_of(precision));
    return text;
}

static void mean_panel(FILE *f, const rep_report *r, int group) {
    const char *what = group < 0 ? "mean of all classes" : r->groups[group];
    choice c = {-1, group};
    if (!*areas(r, c)) return;
    svg_plot p = bl_svg_panel(f, 250);
    p.x = (svg_axis){0, 1, false, SVG_PLAIN, "recall"};
    p.y = (svg_axis){0, 1, false, SVG_PLAIN, "precision"};
    fputs("<figure><figcaption>", f);
    bl_html_text(f, what);
    fputs("</figcaption>", f);
    bl_svg_begin(&p, bl_rep_text(r, "Precision-recall curves, %s: %s.", what, areas(r, c)));
    bl_svg_axes(&p, 5, 5);
    curves(&p, r, c);
    bl_svg_end(&p);
    fputs("</figure>\n", f);
}

static void class_panel(FILE *f, const rep_report *r, int k) {
    const rep_class *c = &r->classes[k];
    choice one = {k, -1};
    svg_plot p = {
        .f = f, .width = 184, .height = 158, .left = 24, .top = 6, .right = 178, .bottom = 126};
    p.x = (svg_axis){0, 1, false, SVG_PLAIN, "recall"};
    p.y = (svg_axis){0, 1, false, SVG_PLAIN, NULL};
    const char *text = areas(r, one);
    if (!*text) return; /* no ground truth: no curve */
    fputs("<figure", f);
    bl_rep_class_mark(f, k);
    fputs("><figcaption>", f);
    bl_html_text(f, c->name);
    if (!isnan(bl_rep_train_count(r, k))) {
        fputs("<small>", f);
        bl_html_count(f, bl_rep_train_count(r, k));
        fprintf(f, " %s</small>", bl_rep_count_unit(r));
    }
    fputs("</figcaption>", f);
    bl_svg_begin(&p, bl_rep_text(r, "Precision-recall curves of %s: %s.", c->name, text));
    bl_svg_axes(&p, 2, 2);
    curves(&p, r, one);
    bl_svg_end(&p);
    fputs("</figure>\n", f);
}

/* With very many classes: those whose value changes most between methods; of one method, equally
 * spaced ranks of frequency. */
typedef struct interest {
    int k;
    double score;
} interest;

static int by_score(const void *a, const void *b) {
    const interest *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return (x->k > y->k) - (x->k < y->k);
}

static int by_class(const void *a, const void *b) {
    const interest *x = a, *y = b;
    return (x->k > y->k) - (x->k < y->k);
}

static int interesting(const rep_report *r, interest *v, int wanted) {
    int n = 0;
    for (int k = 0; k < r->n_classes; k++) {
        double lo = INFINITY, hi = -INFINITY;
        for (int m = 0; m < r->n_methods; m++) {
            double x = bl_rep_method_class(r, m, k, r->per_class.primary).mean;
            if (!isnan(x)) {
                lo = fmin(lo, x);
                hi = fmax(hi, x);
            }
        }
        if (lo <= hi) v[n++] = (interest){k, hi - lo};
    }
    if (n <= wanted) return n;
    if (r->n_methods > 1) {
        qsort(v, (size_t)n, sizeof *v, by_score);
    } else {
        for (int i = 0; i < wanted; i++) v[i] = v[(int64_t)i * (n - 1) / (wanted - 1)];
    }
    qsort(v, (size_t)wanted, sizeof *v, by_class);
    return wanted;
}

void bl_rep_pr_curves(FILE *f, const rep_report *r) {
    enum { OPEN_UP_TO = 40, SOME = 48 };
    bool any = false;
    for (int i = 0; i < r->n_runs; i++)
        any = any || (bl_rep_main_model(&r->runs[i]) && bl_rep_main_model(&r->runs[i])->has_curves);
    interest *v = BL_NEW_ARRAY(r->arena, interest, r->n_classes + 1);
    if (!any || !v) return;
    int n = interesting(r, v, r->n_classes > REP_EACH_CLASS ? SOME : r->n_classes);
    bl_rep_section_begin(
        f, "pr", "Precision and recall",
        "Interpolated precision against recall at IoU 0.50 (solid) and 0.75 (dotted).");
    bl_rep_method_legend(f, r);
    fputs("<div class=\"grid g2\">\n", f);
    for (int g = -1; g < r->n_groups; g++) mean_panel(f, r, g);
    fputs("</div>\n", f);
    fprintf(f, "<details%s><summary>", r->n_classes <= OPEN_UP_TO ? " open" : "");
    if (n < r->n_classes)
        fprintf(f, "%d of %d classes%s", n, r->n_classes,
                r->n_methods > 1 ? ": those that differ most between the runs" : "");
    else
        fputs("Every class", f);
    fputs(", most frequent first</summary>\n<div class=\"grid g4\">\n", f);
    for (int i = 0; i < n; i++) class_panel(f, r, v[i].k);
    fputs("</div></details>\n", f);
    bl_rep_section_end(f);
}
