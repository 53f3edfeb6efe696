/* The report's confusion matrices: heat maps, and the most confused pairs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/report_analysis.h"
#include "eval/report_html.h"
#include "eval/report_sections.h"
#include "eval/report_svg.h"

enum { MATRIX_CLASSES = 40, PAIRS = 30 };

/* ---- which classes a heat map shows ---- */

/* Classes of the matrix in the report's order; the background last. */
typedef struct shown {
    int *of;    /* index in the matrix */
    int *place; /* matrix index -> position, -1 if not shown */
    int n;
} shown;

typedef struct weight {
    int k;
    double errors;
} weight;

static int by_errors(const void *a, const void *b) {
    const weight *x = a, *y = b;
    if (x->errors != y->errors) return x->errors < y->errors ? 1 : -1;
    return (x->k > y->k) - (x->k < y->k);
}

static int analysis_class(const rep_analysis *a, const char *name) {
    for (int k = 0; k < a->n_classes; k++)
        if (strcmp(a->classes[k], name) == 0) return k;
    return -1;
}

/* Errors between two classes count for both; confusion with the background says little about
 * which classes to look at. */
static bool choose(const rep_report *r, const rep_analysis *a, shown *s) {
    weight *w = BL_NEW_ARRAY(r->arena, weight, a->n_classes + 1);
    bool *use = BL_NEW_ARRAY(r->arena, bool, a->n_classes + 1);
    s->of = BL_NEW_ARRAY(r->arena, int, a->n_classes + 1);
    s->place = BL_NEW_ARRAY(r->arena, int, a->n_classes + 1);
    s->n = 0;
    if (!w || !use || !s->of || !s->place) return false;
    for (int k = 0; k <= a->n_classes; k++) w[k] = (weight){k, 0}, s->place[k] = -1;
    for (int i = 0; i < a->n_cells; i++) {
        const rep_confused *c = &a->cells[i];
        if (c->row == c->column || c->row == a->n_classes || c->column == a->n_classes) continue;
        w[c->row].errors += c->count, w[c->column].errors += c->count;
    }
    qsort(w, (size_t)a->n_classes, sizeof *w, by_errors);
    for (int i = 0; i < a->n_classes && i < MATRIX_CLASSES; i++) use[w[i].k] = true;
    for (int k = 0; k < r->n_classes; k++) {
        int own = analysis_class(a, r->classes[k].name);
        if (own < 0 || !use[own] || s->place[own] >= 0) continue;
        s->place[own] = s->n, s->of[s->n++] = own;
    }
    for (int k = 0; k < a->n_classes; k++) /* classes that the report does not know */
        if (use[k] && s->place[k] < 0) s->place[k] = s->n, s->of[s->n++] = k;
    if (a->background) s->place[a->n_classes] = s->n, s->of[s->n++] = a->n_classes;
    return true;
}

/* ---- heat map ---- */

static const char *name_of(const rep_analysis *a, int k) {
    return k < a->n_classes ? a->classes[k] : "background";
}

/* Share of the row; of the background's row, there being no true negatives, of its largest entry.
 */
static double shade(const rep_analysis *a, const rep_confused *c, double most_background) {
    if (c->row == a->n_classes) return most_background > 0 ? c->count / most_background : 0;
    return c->count / a->row_sum[c->row];
}

static void heat_cell(const svg_plot *p, const rep_analysis *a, const shown *s,
                      const rep_confused *c, double size, double most_background) {
    FILE *f = p->f;
    int row = s->place[c->row], column = s->place[c->column];
    if (row < 0 || column < 0) return;
    double x = p->left + column * size, y = p->top + row * size;
    double share = shade(a, c, most_background);
    fprintf(f,
            "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
            "fill-opacity=\"%.3f\"><title>",
            c->row == c->column ? "hit" : "heat", x, y, size, size, .06 + .94 * share);
    html_text(f, name_of(a, c->row));
    fputs(" taken for ", f);
    html_text(f, name_of(a, c->column));
    fprintf(f, ": %.0f", c->count);
    if (c->row < a->n_classes) fprintf(f, " (%.1f %%)", 100 * share);
    fputs("</title></rect>", f);
    bool number = size >= 21 && (c->row == a->n_classes ? c->count < 1e4 : share >= .005);
    if (!number) return;
    fprintf(f, "<text class=\"m%s\" x=\"%.1f\" y=\"%.1f\">", share > .55 ? " inv" : " c",
            x + size / 2, y + size / 2 + 3.4);
    if (c->row == a->n_classes)
        fprintf(f, c->count < 1000 ? "%.0f" : "%.1fk",
                c->count < 1000 ? c->count : c->count / 1000);
    else
        fprintf(f, "%.0f", 100 * share);
    fputs("</text>", f);
}

static void heat_map(FILE *f, const rep_report *r, int method, const rep_analysis *a) {
    shown s;
    if (!choose(r, a, &s) || s.n == 0) return;
    size_t longest = 4;
    for (int i = 0; i < s.n; i++) {
        size_t n = strlen(name_of(a, s.of[i]));
        if (n > longest) longest = n;
    }
    if (longest > REP_LABEL) longest = REP_LABEL;
    double names = 6.1 * (double)longest + 10;
    double size = fmax(11, fmin(32, (r->n_methods > 1 ? 380.0 : 620.0) / s.n));
    svg_plot p = {.f = f, .left = names + 16, .top = .72 * names + 22};
    p.right = p.left + s.n * size, p.bottom = p.top + s.n * size;
    p.width = p.right + .72 * names * (s.n > 0), p.height = p.bottom + 6;
    fputs("<figure><figcaption>", f);
    rep_method_name(f, r, method);
    if (r->methods[method].n > 1) {
        fputs("<small>", f);
        html_text(f, rep_first(r, method)->label);
        fputs("</small>", f);
    }
    fputs("</figcaption>", f);
    rep_scroll_begin(f, "wide", rep_text(r, "Confusion matrix of %s", r->methods[method].label));
    double right = 0, all = 0, most_background = 0;
    for (int i = 0; i < a->n_cells; i++) {
        const rep_confused *c = &a->cells[i];
        if (c->row == a->n_classes) {
            most_background = fmax(most_background, c->count);
            continue;
        }
        all += c->count;
        if (c->row == c->column) right += c->count;
    }
    svg_begin(&p, rep_text(r,
                           "Heat map: confusion matrix of %s, rows ground truth, columns "
                           "prediction. %.1f percent of the objects are found in their class. The "
                           "list of confused pairs has the largest errors.",
                           r->methods[method].label, all > 0 ? 100 * right / all : 0.0));
    fprintf(f,
            "<text class=\"m l\" x=\"%.1f\" y=\"11\">predicted</text><text class=\"m l\" "
            "transform=\"translate(11 %.1f) rotate(-90)\">ground truth</text>",
            (p.left + p.right) / 2, (p.top + p.bottom) / 2);
    for (int i = 0; i < s.n; i++) {
        fprintf(f, "<text class=\"e c\" x=\"%.1f\" y=\"%.1f\">", p.left - 6,
                p.top + (i + .5) * size + 3.6);
        html_short_text(f, name_of(a, s.of[i]), REP_LABEL);
        fprintf(f, "</text><text class=\"c\" transform=\"translate(%.1f %.1f) rotate(-45)\">",
                p.left + (i + .5) * size + 3, p.top - 6);
        html_short_text(f, name_of(a, s.of[i]), REP_LABEL);
        fputs("</text>\n", f);
    }
    fprintf(f, "<rect class=\"frame\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
            p.left, p.top, s.n * size, s.n * size);
    for (int i = 0; i < a->n_cells; i++) heat_cell(&p, a, &s, &a->cells[i], size, most_background);
    if (a->background) {
        double x = p.right - size, y = p.bottom - size;
        fprintf(f, "<path class=\"rule\" d=\"M%.1f %.1fV%.1fM%.1f %.1fH%.1f\"/>", x, p.top,
                p.bottom, p.left, y, p.right);
    }
    svg_end(&p);
    rep_scroll_end(f);
    fputs("</figure>\n", f);
}

/* ---- pairs ---- */

static int by_count(const void *a, const void *b) {
    const rep_confused *const *x = a, *const *y = b;
    if ((*x)->count != (*y)->count) return (*x)->count < (*y)->count ? 1 : -1;
    return (*x > *y) - (*x < *y);
}

static void pairs_table(FILE *f, const rep_report *r, int method, const rep_analysis *a) {
    const rep_confused **v = BL_NEW_ARRAY(r->arena, const rep_confused *, a->n_cells + 1);
    int n = 0;
    for (int i = 0; v && i < a->n_cells; i++)
        if (a->cells[i].row != a->cells[i].column && a->cells[i].row < a->n_classes &&
            a->cells[i].column < a->n_classes)
            v[n++] = &a->cells[i];
    if (n == 0) return;
    qsort(v, (size_t)n, sizeof *v, by_count);
    fputs("<div>", f);
    rep_scroll_begin(f, "", rep_text(r, "Most confused pairs of %s", r->methods[method].label));
    fputs("<table class=\"sortable\"><caption>", f);
    rep_method_name(f, r, method);
    fprintf(f, ": the %d most confused pairs of %d</caption>\n<thead><tr>", n < PAIRS ? n : PAIRS,
            n);
    rep_heading(f, false, NULL, "Ground truth");
    rep_heading(f, false, NULL, "Taken for");
    rep_heading(f, true, NULL, "Count");
    rep_heading(f, true, "Share of the class's ground truth, percent", "Share");
    fputs("</tr></thead>\n<tbody>\n", f);
    for (int i = 0; i < n && i < PAIRS; i++) {
        fputs("<tr><th scope=\"row\">", f);
        html_text(f, a->classes[v[i]->row]);
        fputs("</th><td class=\"t\">", f);
        html_text(f, a->classes[v[i]->column]);
        fputs("</td>", f);
        rep_cell(f, REP_COUNT, v[i]->count, NULL);
        rep_cell(f, REP_PERCENT, v[i]->count / a->row_sum[v[i]->row], NULL);
        fputs("</tr>\n", f);
    }
    fputs("</tbody></table>", f);
    rep_scroll_end(f);
    fputs("</div>", f);
}

void rep_confusion(FILE *f, const rep_report *r) {
    const rep_analysis *first = NULL;
    bool part = false, background = false;
    for (int m = 0; m < r->n_methods; m++) {
        const rep_analysis *a = rep_analysis_of(rep_first(r, m));
        if (!a || !a->n_cells) continue;
        if (!first) first = a;
        part = part || a->n_classes > MATRIX_CLASSES;
        background = background || a->background;
    }
    if (!first) return;
    const char *about = "Rows: ground truth, columns: prediction. Shade and number: percent of the "
                        "row.";
    if (background) {
        const char *iou = isnan(first->iou) ? "" : rep_text(r, ", IoU at least %.2g", first->iou);
        const char *score = isnan(first->score_threshold)
                                ? ""
                                : rep_text(r, ", score at least %.2g", first->score_threshold);
        about = rep_text(r,
                         "%s Detections are matched to objects of any class%s%s. Last column: "
                         "objects that were missed; last row: detections of nothing, as counts.",
                         about, iou, score);
    }
    if (part)
        about = rep_text(r, "%s Shown are the %d classes with most confusions among classes.",
                         about, MATRIX_CLASSES);
    rep_section_begin(f, "confusion", "Confusion matrix", about);
    fputs("<div class=\"grid gw\">\n", f);
    for (int m = 0; m < r->n_methods; m++) {
        const rep_analysis *a = rep_analysis_of(rep_first(r, m));
        if (a && a->n_cells) heat_map(f, r, m, a);
    }
    fputs("</div>\n<details open><summary>Most confused pairs</summary>\n<div class=\"grid gw\">\n",
          f);
    for (int m = 0; m < r->n_methods; m++) {
        const rep_analysis *a = rep_analysis_of(rep_first(r, m));
        if (a && a->n_cells) pairs_table(f, r, m, a);
    }
    fputs("</div></details>\n", f);
    rep_section_end(f);
}
