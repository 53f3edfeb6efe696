/* The report's confusion matrices: heat maps, and the most confused pairs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/analysis.h"
#include "report/html.h"
#include "report/sections.h"
#include "report/svg.h"

enum { MATRIX_CLASSES = 40, PAIRS = 20 };

/* ---- which classes the heat maps show ---- */

/* The same for all methods: report classes, in the report's order. */
typedef struct shown {
    int *of; /* report classes */
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

static int by_class(const void *a, const void *b) {
    const weight *x = a, *y = b;
    return (x->k > y->k) - (x->k < y->k);
}

/* Report class of every class of a matrix, -1 for those it does not know; NULL without memory. */
static int *classes_of(const rep_report *r, const rep_analysis *a) {
    int *of = BL_NEW_ARRAY(r->arena, int, a->n_classes + 1);
    for (int k = 0; of && k < a->n_classes; k++)
        of[k] = bl_rep_class_named(r->classes, r->n_classes, a->classes[k]);
    if (of) of[a->n_classes] = r->n_classes; /* the background */
    return of;
}

static const rep_analysis *matrix_of(const rep_report *r, int method) {
    const rep_analysis *a = bl_rep_analysis_of(bl_rep_first(r, method));
    return a && a->n_cells ? a : NULL;
}

/* The classes with most errors among classes, of all methods together: an error counts for both.
 * Confusion with the background says little about which classes to look at. */
static bool choose(const rep_report *r, shown *s) {
    weight *w = BL_NEW_ARRAY(r->arena, weight, r->n_classes + 1);
    s->of = BL_NEW_ARRAY(r->arena, int, MATRIX_CLASSES);
    if (!w || !s->of) return false;
    for (int k = 0; k < r->n_classes; k++) w[k].k = k;
    for (int m = 0; m < r->n_methods; m++) {
        const rep_analysis *a = matrix_of(r, m);
        const int *of = a ? classes_of(r, a) : NULL;
        for (int i = 0; of && i < a->n_cells; i++) {
            const rep_confused *c = &a->cells[i];
            int row = of[c->row], column = of[c->column];
            if (row == column || row < 0 || column < 0 || row == r->n_classes ||
                column == r->n_classes)
                continue;
            w[row].errors += c->count;
            w[column].errors += c->count;
        }
    }
    qsort(w, (size_t)r->n_classes, sizeof *w, by_errors);
    s->n = r->n_classes < MATRIX_CLASSES ? r->n_classes : MATRIX_CLASSES;
    qsort(w, (size_t)s->n, sizeof *w, by_class);
    for (int i = 0; i < s->n; i++) s->of[i] = w[i].k;
    return s->n > 0;
}

/* ---- heat map ---- */

static const char *name_of(const rep_analysis *a, int k) {
    return k < a->n_classes ? a->classes[k] : "background";
}

typedef struct heat {
    svg_plot p;
    double size;      /* of a cell */
    bool dense;       /* slanted names would run into each other */
    const int *place; /* class of the matrix -> position, -1: not shown */
    int n;            /* positions, the background's among them */
    double most_background;
} heat;

/* Share of the row; of the background's row, there being no true negatives, of
 * its largest entry. */
static double shade(const heat *h, const rep_analysis *a, const rep_confused *c) {
    if (c->row == a->n_classes) return h->most_background > 0 ? c->count / h->most_background : 0;
    return c->count / a->row_sum[c->row];
}

static void heat_cell(const heat *h, const rep_analysis *a, const rep_confused *c) {
    FILE *f = h->p.f;
    int row = h->place[c->row], column = h->place[c->column];
    if (row < 0 || column < 0) return;
    double x = h->p.left + column * h->size, y = h->p.top + row * h->size;
    double share = shade(h, a, c);
    fprintf(f,
            "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
            "fill-opacity=\"%.3f\"><title>",
            c->row == c->column ? "hit" : "heat", x, y, h->size, h->size, .06 + .94 * share);
    bl_html_text(f, name_of(a, c->row));
    fputs(" taken for ", f);
    bl_html_text(f, name_of(a, c->column));
    fprintf(f, ": %.0f", c->count);
    if (c->row < a->n_classes) fprintf(f, " (%.1f %%)", 100 * share);
    fputs("</title></rect>", f);
    bool number = h->size >= 21 && (c->row == a->n_classes || share >= .005);
    if (!number) return;
    fprintf(f, "<text class=\"m%s\" x=\"%.1f\" y=\"%.1f\">", share > .55 ? " inv" : " c",
            x + h->size / 2, y + h->size / 2 + 3.4);
    if (c->row < a->n_classes)
        fprintf(f, "%.0f", 100 * share);
    else if (c->count < 1000)
        fprintf(f, "%.0f", c->count);
    else
        fprintf(f, c->count < 1e4 ? "%.1fk" : "%.0fk", c->count / 1000);
    fputs("</text>", f);
}

static void heat_names(const heat *h, const rep_report *r, const shown *s) {
    FILE *f = h->p.f;
    for (int i = 0; i < h->n; i++) {
        const char *name = i < s->n ? r->classes[s->of[i]].name : "background";
        fprintf(f, "<text class=\"e c\" x=\"%.1f\" y=\"%.1f\">", h->p.left - 6,
                h->p.top + (i + .5) * h->size + 3.6);
        bl_html_short_text(f, name, REP_LABEL);
        fprintf(f, "</text><text class=\"c\" transform=\"translate(%.1f %.1f) rotate(%d)\">",
                h->p.left + (i + .5) * h->size + (h->dense ? 3.8 : 3), h->p.top - 6,
                h->dense ? -90 : -45);
        bl_html_short_text(f, name, REP_LABEL);
        fputs("</text>\n", f);
    }
}

/* Percent of the objects that are found in their class. */
static double percent_right(const rep_analysis *a) {
    double right = 0, all = 0;
    for (int i = 0; i < a->n_cells; i++) {
        const rep_confused *c = &a->cells[i];
        if (c->row == a->n_classes) continue;
        all += c->count;
        if (c->row == c->column) right += c->count;
    }
    return all > 0 ? 100 * right / all : 0;
}

static heat heat_layout(FILE *f, const rep_report *r, const shown *s, const rep_analysis *a,
                        const int *place, double room) {
    size_t longest = a->background ? 10 : 4;
    for (int i = 0; i < s->n; i++) {
        size_t n = strlen(r->classes[s->of[i]].name);
        if (n > longest) longest = n;
    }
    if (longest > REP_LABEL) longest = REP_LABEL;
    double names = 6.1 * (double)longest + 10;
    heat h = {.place = place, .n = s->n + a->background};
    h.size = fmax(14, fmin(32, (room - 1.7 * names) / h.n));
    h.dense = h.size < 22;
    h.p = (svg_plot){.f = f, .left = names + 16, .top = (h.dense ? 1 : .72) * names + 22};
    h.p.right = h.p.left + h.n * h.size;
    h.p.bottom = h.p.top + h.n * h.size;
    h.p.width = h.p.right + (h.dense ? 6 : .72 * names);
    h.p.height = h.p.bottom + 6;
    for (int i = 0; i < a->n_cells; i++)
        if (a->cells[i].row == a->n_classes)
            h.most_background = fmax(h.most_background, a->cells[i].count);
    return h;
}

static void heat_map(FILE *f, const rep_report *r, int method, const shown *s, double room) {
    const rep_analysis *a = matrix_of(r, method);
    int *of = classes_of(r, a), *place = BL_NEW_ARRAY(r->arena, int, a->n_classes + 1);
    if (!of || !place) return;
    for (int k = 0; k <= a->n_classes; k++) {
        place[k] = k == a->n_classes && a->background ? s->n : -1;
        for (int i = 0; i < s->n; i++)
            if (s->of[i] == of[k]) place[k] = i;
    }
    heat h = heat_layout(f, r, s, a, place, room);
    fputs("<figure><figcaption>", f);
    bl_rep_method_name(f, r, method);
    if (r->methods[method].n > 1) {
        fputs("<small>", f);
        bl_html_text(f, bl_rep_first(r, method)->label);
        fputs("</small>", f);
    }
    fputs("</figcaption>", f);
    bl_rep_scroll_begin(f, "wide",
                        bl_rep_text(r, "Confusion matrix of %s", r->methods[method].label));
    bl_svg_begin(&h.p,
                 bl_rep_text(r,
                             "Heat map: confusion matrix of %s, rows ground truth, columns "
                             "prediction. %.1f percent of the objects are found in their class. "
                             "The list of confused pairs has the largest errors.",
                             r->methods[method].label, percent_right(a)));
    fprintf(f,
            "<text class=\"m l\" x=\"%.1f\" y=\"11\">predicted</text><text class=\"m l\" "
            "transform=\"translate(11 %.1f) rotate(-90)\">ground truth</text>",
            (h.p.left + h.p.right) / 2, (h.p.top + h.p.bottom) / 2);
    heat_names(&h, r, s);
    fprintf(f, "<rect class=\"frame\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
            h.p.left, h.p.top, h.n * h.size, h.n * h.size);
    for (int i = 0; i < a->n_cells; i++) heat_cell(&h, a, &a->cells[i]);
    if (a->background) {
        double x = h.p.right - h.size, y = h.p.bottom - h.size;
        fprintf(f, "<path class=\"rule\" d=\"M%.1f %.1fV%.1fM%.1f %.1fH%.1f\"/>", x, h.p.top,
                h.p.bottom, h.p.left, y, h.p.right);
    }
    bl_svg_end(&h.p);
    bl_rep_scroll_end(f);
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
    bl_rep_scroll_begin(f, "",
                        bl_rep_text(r, "Most confused pairs of %s", r->methods[method].label));
    fputs("<table class=\"sortable\"><caption>", f);
    bl_rep_method_name(f, r, method);
    fprintf(f, ": the %d most confused pairs of %d</caption>\n<thead><tr>", n < PAIRS ? n : PAIRS,
            n);
    bl_rep_heading(f, false, NULL, "Ground truth");
    bl_rep_heading(f, false, NULL, "Taken for");
    bl_rep_heading(f, true, NULL, "Count");
    bl_rep_heading(f, true, "Share of the class's ground truth, percent", "Share");
    fputs("</tr></thead>\n<tbody>\n", f);
    for (int i = 0; i < n && i < PAIRS; i++) {
        fputs("<tr><th scope=\"row\">", f);
        bl_html_text(f, a->classes[v[i]->row]);
        fputs("</th><td class=\"t\">", f);
        bl_html_text(f, a->classes[v[i]->column]);
        fputs("</td>", f);
        bl_rep_cell(f, REP_COUNT, v[i]->count, NULL);
        bl_rep_cell(f, REP_PERCENT, v[i]->count / a->row_sum[v[i]->row], NULL);
        fputs("</tr>\n", f);
    }
    fputs("</tbody></table>", f);
    bl_rep_scroll_end(f);
    fputs("</div>", f);
}

/* What the section shows, in words. */
static const char *explanation(const rep_report *r, const rep_analysis *a) {
    const char *about = "Rows: ground truth, columns: prediction. Shade and number: percent of the "
                        "row.";
    if (a->background) {
        const char *iou = isnan(a->iou) ? "" : bl_rep_text(r, ", IoU at least %.2g", a->iou);
        const char *score = isnan(a->score_threshold)
                                ? ""
                                : bl_rep_text(r, ", score at least %.2g", a->score_threshold);
        about = bl_rep_text(r,
                            "%s Detections are matched to objects of any class%s%s. Last column: "
                            "objects that were missed; last row: detections of nothing, as counts.",
                            about, iou, score);
    }
    if (r->n_classes > MATRIX_CLASSES)
        about = bl_rep_text(r, "%s Shown are the %d classes with most confusions among classes.",
                            about, MATRIX_CLASSES);
    return about;
}

void bl_rep_confusion(FILE *f, const rep_report *r) {
    enum { SIDE_BY_SIDE = 26 };
    const rep_analysis *first = NULL;
    shown s;
    int n = 0;
    for (int m = r->n_methods - 1; m >= 0; m--)
        if (matrix_of(r, m)) {
            first = matrix_of(r, m);
            n++;
        }
    if (!first || !choose(r, &s)) return;
    bool pair = n > 1 && s.n <= SIDE_BY_SIDE;
    bl_rep_section_begin(f, "confusion", "Confusion matrix", explanation(r, first));
    fprintf(f, "<div class=\"grid%s\">\n", pair ? " gw" : "");
    for (int m = 0; m < r->n_methods; m++)
        if (matrix_of(r, m)) heat_map(f, r, m, &s, pair ? 560 : 1000);
    fputs("</div>\n<details open><summary>Most confused pairs</summary>\n<div class=\"grid gw\">\n",
          f);
    for (int m = 0; m < r->n_methods; m++)
        if (matrix_of(r, m)) pairs_table(f, r, m, matrix_of(r, m));
    fputs("</div></details>\n", f);
    bl_rep_section_end(f);
}
