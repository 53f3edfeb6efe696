/* The report's error analysis besides the confusion matrix: kinds of errors (TIDE), calibration,
 * the most costly images. */
#include <math.h>
#include <string.h>

#include "report/analysis.h"
#include "report/html.h"
#include "report/sections.h"
#include "report/svg.h"

/* ---- kinds of errors ---- */

static const struct {
    const char *name, *title;
} kinds[REP_ERRORS] = {
    [REP_CLS] = {"Class", "Right place, wrong class"},
    [REP_LOC] = {"Localisation", "Right class, box too far off"},
    [REP_BOTH] = {"Both", "Wrong class and box off"},
    [REP_DUPE] = {"Duplicate", "A second box on an object that is found already"},
    [REP_BKG] = {"Background", "A detection of nothing"},
    [REP_MISS] = {"Missed", "An object without any detection near it"},
    [REP_FALSE_POSITIVE] = {"False positives", "All of them together"},
    [REP_FALSE_NEGATIVE] = {"False negatives", "All of them together"},
};
enum { SIX = REP_MISS + 1 }; /* the kinds that exclude each other */

static const rep_analysis *tide_of(const rep_report *r, int method) {
    const rep_analysis *a = bl_rep_analysis_of(bl_rep_first(r, method));
    return a && a->has_tide ? a : NULL;
}

static void stacked_bar(const svg_plot *p, const rep_report *r, const rep_analysis *a, int method,
                        double y, double h) {
    FILE *f = p->f;
    double at = 0;
    fprintf(f, "<text class=\"e c\" x=\"%.1f\" y=\"%.1f\">", p->left - 8, y + h / 2 + 3.8);
    bl_html_short_text(f, r->methods[method].label, REP_LABEL);
    fputs("</text>", f);
    for (int e = 0; e < SIX; e++) {
        double v = a->gain[e];
        if (!(v > 0)) continue;
        double x0 = bl_svg_px(p, at), x1 = bl_svg_px(p, at += v);
        fprintf(f,
                "<rect class=\"e%d seg\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                "height=\"%.1f\"><title>%s: %.2f points of AP50",
                e, x0, y + 3, fmax(x1 - x0, .5), h - 6, kinds[e].name, 100 * v);
        if (!isnan(a->count[e])) fprintf(f, ", %.0f errors", a->count[e]);
        fputs("</title></rect>", f);
        if (x1 - x0 >= 26)
            fprintf(f, "<text class=\"m t%d\" x=\"%.1f\" y=\"%.1f\">%.1f</text>", e, (x0 + x1) / 2,
                    y + h / 2 + 3.8, 100 * v);
    }
    fputc('\n', f);
}

static void tide_chart(FILE *f, const rep_report *r, int n) {
    double most = 0, names = 4;
    const char *text = "";
    for (int m = 0; m < r->n_methods; m++) {
        const rep_analysis *a = tide_of(r, m);
        double sum = 0;
        if (!a) continue;
        for (int e = 0; e < SIX; e++) sum += isnan(a->gain[e]) ? 0 : a->gain[e];
        most = fmax(most, sum);
        double length = (double)strlen(r->methods[m].label);
        names = fmax(names, fmin(length, REP_LABEL));
        int worst = 0;
        for (int e = 1; e < SIX; e++)
            if (a->gain[e] > a->gain[worst]) worst = e;
        text = bl_rep_text(r, "%s %s: most is lost to %s errors, %.1f points.", text,
                           r->methods[m].label, kinds[worst].name, 100 * a->gain[worst]);
    }
    double h = 32;
    svg_plot p = {.f = f, .width = 900, .height = h * n + 44, .left = 16 + 6.4 * names, .top = 4};
    p.right = 892;
    p.bottom = p.top + h * n;
    p.x = bl_svg_range(0, most > 0 ? most : 1, false, SVG_PERCENT, "points of AP50");
    p.y = (svg_axis){0, n, false, SVG_PLAIN, NULL};
    fputs("<ul class=\"legend\">", f);
    for (int e = 0; e < SIX; e++)
        fprintf(f, "<li title=\"%s\"><span class=\"sw s%d\"></span>%s</li>", kinds[e].title, e,
                kinds[e].name);
    fputs("</ul>", f);
    bl_rep_scroll_begin(f, "", "Chart of error kinds");
    fputs("<figure>", f);
    bl_svg_begin(&p, bl_rep_text(r,
                                 "Stacked bar chart: AP50 lost to six kinds of errors.%s The table "
                                 "below has the numbers.",
                                 text));
    bl_svg_axes(&p, 6, 0);
    int row = 0;
    for (int m = 0; m < r->n_methods; m++)
        if (tide_of(r, m)) stacked_bar(&p, r, tide_of(r, m), m, p.top + h * row++, h);
    bl_svg_end(&p);
    fputs("</figure>", f);
    bl_rep_scroll_end(f);
}

void bl_rep_error_kinds(FILE *f, const rep_report *r) {
    int n = 0;
    for (int m = 0; m < r->n_methods; m++) n += tide_of(r, m) != NULL;
    if (!n) return;
    bl_rep_section_begin(
        f, "errors", "Kinds of errors",
        "TIDE (Bolya et al., 2020): how many points of AP50 would be won if one kind of error were "
        "mended. The kinds exclude each other; their gains do not add up to what is missing.");
    tide_chart(f, r, n);
    bl_rep_scroll_begin(f, "", "Table of error kinds");
    fputs("<table class=\"sortable\"><caption>Points of AP50 that each kind costs, and how many "
          "errors there are.</caption>\n<thead><tr>",
          f);
    bl_rep_heading(f, false, NULL, "Run");
    bl_rep_heading(f, true, NULL, "AP50");
    for (int e = 0; e < REP_ERRORS; e++) bl_rep_heading(f, true, kinds[e].title, kinds[e].name);
    fputs("</tr></thead>\n<tbody>\n", f);
    for (int m = 0; m < r->n_methods; m++) {
        const rep_analysis *a = tide_of(r, m);
        if (!a) continue;
        fputs("<tr><th scope=\"row\">", f);
        bl_rep_method_name(f, r, m);
        fputs("</th>", f);
        bl_rep_cell(f, REP_PERCENT, a->ap50, NULL);
        for (int e = 0; e < REP_ERRORS; e++) {
            bl_html_cell_begin(f, a->gain[e], NULL);
            if (isnan(a->gain[e]))
                bl_html_percent(f, NAN);
            else
                fprintf(f, "%.2f", 100 * a->gain[e]);
            if (!isnan(a->count[e])) {
                fputs("<small>", f);
                bl_html_count(f, a->count[e]);
                fputs("</small>", f);
            }
            fputs("</td>", f);
        }
        fputs("</tr>\n", f);
    }
    fputs("</tbody></table>", f);
    bl_rep_scroll_end(f);
    bl_rep_section_end(f);
}

/* ---- calibration ---- */

static void reliability(FILE *f, const rep_report *r, int method, const rep_analysis *a) {
    svg_plot p = {
        .f = f, .width = 330, .height = 360, .left = 46, .top = 8, .right = 320, .bottom = 244};
    double strip = 300, floor = 336, most = 1;
    p.x = (svg_axis){0, 1, false, SVG_PLAIN, NULL};
    p.y = (svg_axis){0, 1, false, SVG_PLAIN, "share that is right"};
    for (int i = 0; i < a->n_bins; i++) most = fmax(most, a->bins[i].count);
    fputs("<figure><figcaption>", f);
    bl_rep_method_name(f, r, method);
    if (!isnan(a->ece)) fprintf(f, "<small>ECE %.1f %%</small>", 100 * a->ece);
    fputs("</figcaption>", f);
    bl_svg_begin(&p,
                 bl_rep_text(r,
                             "Reliability diagram of %s: share of right detections against their "
                             "score, in %d bins; expected calibration error %.1f percent.",
                             r->methods[method].label, a->n_bins, 100 * a->ece));
    bl_svg_axes(&p, 5, 5);
    fprintf(f, "<path class=\"zero dash\" d=\"M%.1f %.1fL%.1f %.1f\"/>", p.left, p.bottom, p.right,
            p.top);
    int colour = method % SVG_COLOURS;
    for (int i = 0; i < a->n_bins; i++) {
        const rep_bin *b = &a->bins[i];
        double x = bl_svg_px(&p, b->lo), w = bl_svg_px(&p, fmin(b->hi, 1)) - x;
        if (b->count > 0 && !isnan(b->precision)) {
            double top = bl_svg_py(&p, fmin(b->precision, 1));
            fprintf(f,
                    "<rect class=\"bar b%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
                    "<title>score %.2f to %.2f: %.0f detections, mean score %.3f, %.1f %% "
                    "right</title></rect>",
                    colour, x + .5, top, fmax(w - 1, .5), fmax(p.bottom - top, .75), b->lo, b->hi,
                    b->count, b->mean_score, 100 * b->precision);
            if (!isnan(b->mean_score))
                fprintf(f, "<path class=\"gapline\" d=\"M%.1f %.1fV%.1f\"/>",
                        bl_svg_px(&p, fmin(b->mean_score, 1)), top,
                        bl_svg_py(&p, fmin(b->mean_score, 1)));
        }
        if (b->count > 0) {
            double h = (floor - strip) * log10(1 + b->count) / log10(1 + most);
            fprintf(f,
                    "<rect class=\"freq\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                    x + .5, floor - h, fmax(w - 1, .5), h);
        }
    }
    fprintf(f,
            "<text class=\"m l\" x=\"%.1f\" y=\"%.1f\">score</text><text class=\"m l\" x=\"%.1f\" "
            "y=\"%.1f\">number of detections (logarithmic, at most %.0f)</text>",
            (p.left + p.right) / 2, p.bottom + 30, (p.left + p.right) / 2, floor + 16, most);
    bl_svg_end(&p);
    fputs("</figure>\n", f);
}

void bl_rep_calibration(FILE *f, const rep_report *r) {
    int n = 0;
    for (int m = 0; m < r->n_methods; m++) {
        const rep_analysis *a = bl_rep_analysis_of(bl_rep_first(r, m));
        n += a && a->n_bins > 0;
    }
    if (!n) return;
    bl_rep_section_begin(f, "calibration", "Calibration",
                         "Of the detections with a score in a bin, the share that is right. On the "
                         "dashed diagonal the score can be read as a probability; the thin strokes "
                         "are the distance to it.");
    fputs("<div class=\"grid g2\">\n", f);
    for (int m = 0; m < r->n_methods; m++) {
        const rep_analysis *a = bl_rep_analysis_of(bl_rep_first(r, m));
        if (a && a->n_bins) reliability(f, r, m, a);
    }
    fputs("</div>\n", f);
    bl_rep_section_end(f);
}

/* ---- costly images ---- */

static void costly_figure(FILE *f, const rep_costly *c) {
    fputs("<figure class=\"thumb\">", f);
    if (c->data_uri) {
        fprintf(f, "<img src=\"%s\" loading=\"lazy\"", c->data_uri);
        bl_html_attr(f, "alt", c->file);
        fputs(">", f);
    }
    fputs("<figcaption>", f);
    bl_html_short_text(f, c->file, 40);
    fputs("<small>cost ", f);
    bl_html_number(f, c->cost, 3);
    if (!isnan(c->fp)) fprintf(f, ", %.0f FP", c->fp);
    if (!isnan(c->fn)) fprintf(f, ", %.0f FN", c->fn);
    fputs("</small></figcaption></figure>\n", f);
}

static void costly_class(FILE *f, const rep_report *r, const rep_analysis *a, int from, int to) {
    const char *name = a->costly[from].class_name;
    fputs("<div class=\"costly\"", f);
    for (int k = 0; k < r->n_classes; k++)
        if (strcmp(r->classes[k].name, name) == 0) {
            bl_rep_class_mark(f, k);
            break;
        }
    fputs("><h4>", f);
    bl_html_text(f, name);
    fputs("</h4><div class=\"thumbs\">\n", f);
    for (int i = from; i < to; i++) costly_figure(f, &a->costly[i]);
    fputs("</div></div>\n", f);
}

void bl_rep_costly_images(FILE *f, const rep_report *r) {
    int n = 0;
    for (int m = 0; m < r->n_methods; m++) {
        const rep_analysis *a = bl_rep_analysis_of(bl_rep_first(r, m));
        n += a && a->n_costly > 0;
    }
    if (!n) return;
    bl_rep_section_begin(
        f, "costly", "Most costly images",
        "By class, the images whose errors cost most AP: false positives with high "
        "scores and missed objects. In the pictures found objects of the class are white, "
        "missed ones orange, false positives red and dashed. The filter above narrows "
        "the classes down.");
    bool first = true;
    for (int m = 0; m < r->n_methods; m++) {
        const rep_analysis *a = bl_rep_analysis_of(bl_rep_first(r, m));
        if (!a || !a->n_costly) continue;
        fprintf(f, "<details%s><summary>", first ? " open" : "");
        first = false;
        bl_rep_method_name(f, r, m);
        fputs("</summary>\n", f);
        for (int i = 0, to; i < a->n_costly; i = to) {
            for (to = i + 1; to < a->n_costly; to++)
                if (a->costly[to].class_name != a->costly[i].class_name) break;
            costly_class(f, r, a, i, to);
        }
        fputs("</details>\n", f);
    }
    bl_rep_section_end(f);
}
