/* Pieces that the report's sections share: headings, legends, cells. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "report/html.h"
#include "report/sections.h"
#include "report/svg.h"

void bl_rep_section_begin(FILE *f, const char *id, const char *heading, const char *explanation) {
    fprintf(f, "<section id=\"%s\" aria-labelledby=\"h-%s\">\n<h2 id=\"h-%s\">", id, id, id);
    bl_html_text(f, heading);
    fputs("</h2>\n", f);
    if (!explanation) return;
    fputs("<p class=\"about\">", f);
    bl_html_text(f, explanation);
    fputs("</p>\n", f);
}

void bl_rep_section_end(FILE *f) {
    fputs("</section>\n", f);
}

void bl_rep_scroll_begin(FILE *f, const char *css_class, const char *label) {
    fprintf(f, "<div class=\"scroll%s%s\" tabindex=\"0\" role=\"region\"", *css_class ? " " : "",
            css_class);
    bl_html_attr(f, "aria-label", label);
    fputs(">", f);
}

void bl_rep_scroll_end(FILE *f) {
    fputs("</div>\n", f);
}

void bl_rep_mark(FILE *f, int method) {
    fputs("<svg class=\"mk\" viewBox=\"-6 -6 12 12\" aria-hidden=\"true\">", f);
    bl_svg_marker(f, method, 0, 0, 4.6);
    fputs("/></svg>", f);
}

void bl_rep_method_name(FILE *f, const rep_report *r, int method) {
    bl_rep_mark(f, method);
    bl_html_text(f, r->methods[method].label);
}

void bl_rep_run_name(FILE *f, const rep_report *r, int run) {
    bl_rep_mark(f, r->runs[run].method);
    bl_html_text(f, r->runs[run].label);
}

void bl_rep_method_legend(FILE *f, const rep_report *r) {
    if (r->n_methods < 2) return;
    fputs("<ul class=\"legend\">", f);
    for (int i = 0; i < r->n_methods; i++) {
        fputs("<li>", f);
        bl_rep_method_name(f, r, i);
        fputs("</li>", f);
    }
    fputs("</ul>\n", f);
}

void bl_rep_group_legend(FILE *f, const rep_report *r) {
    fputs("<ul class=\"legend ranks\">", f);
    for (int g = 0; g < r->n_groups; g++) {
        fputs("<li><span class=\"sw\"", f);
        bl_svg_rank_style(f, g, r->n_groups);
        fputs("></span>", f);
        bl_html_text(f, r->groups[g]);
        fputs("</li>", f);
    }
    fputs("</ul>\n", f);
}

void bl_rep_class_legend(FILE *f, const rep_report *r) {
    fputs("<ul class=\"legend ranks\">", f);
    for (int k = 0; k < r->n_classes; k++) {
        fputs("<li><span class=\"sw\"", f);
        bl_svg_rank_style(f, k, r->n_classes);
        fputs("></span>", f);
        bl_html_text(f, r->classes[k].name);
        fputs("</li>", f);
    }
    fputs("</ul>\n", f);
}

void bl_rep_class_mark(FILE *f, int k) {
    fprintf(f, " data-k=\"%d\"", k);
}

void bl_rep_class_list(FILE *f, const rep_report *r) {
    fputs("<ol id=\"class-list\" hidden>", f);
    for (int k = 0; k < r->n_classes; k++) {
        fprintf(f, "<li data-g=\"%d\">", r->classes[k].group);
        bl_html_text(f, r->classes[k].name);
    }
    fputs("</ol>\n", f);
}

double bl_rep_longest_name(const rep_report *r) {
    size_t longest = 6;
    for (int k = 0; k < r->n_classes; k++) {
        size_t n = strlen(r->classes[k].name);
        if (n > longest) longest = n;
    }
    return longest > REP_LABEL ? REP_LABEL : (double)longest;
}

const char *bl_rep_primary_name(const rep_report *r) {
    return r->summary.primary < 0 ? "score" : r->summary.v[r->summary.primary].name;
}

const char *bl_rep_class_metric_name(const rep_report *r) {
    return r->per_class.primary < 0 ? "score" : r->per_class.v[r->per_class.primary].name;
}

const char *bl_rep_count_unit(const rep_report *r) {
    return r->count_images ? "images" : "boxes";
}

bool bl_rep_any_classes(const rep_report *r) {
    for (int i = 0; i < r->n_runs; i++) {
        const rep_model *m = bl_rep_main_model(&r->runs[i]);
        if (m && m->has_classes) return r->per_class.primary >= 0;
    }
    return false;
}

const char *bl_rep_text(const rep_report *r, const char *fmt, ...) {
    char text[4096];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const char *copy = bl_arena_strdup(r->arena, text);
    return copy ? copy : "";
}

const char *bl_rep_values(const rep_report *r, int group, int column) {
    char text[2048] = "";
    size_t used = 0;
    for (int m = 0; m < r->n_methods && used < sizeof text - 200; m++) {
        rep_stat s = bl_rep_method_summary(r, m, group, column);
        if (isnan(s.mean)) continue;
        double unit = r->summary.v[column].format == REP_PERCENT ? 100 : 1;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.60s %.4g", used ? ", " : "",
                                 r->methods[m].label, unit * s.mean);
        if (!isnan(s.std))
            used += (size_t)snprintf(text + used, sizeof text - used, " plus or minus %.2g",
                                     unit * s.std);
    }
    return bl_rep_text(r, "%s", text);
}

/* ---- numbers ---- */

void bl_rep_put(FILE *f, rep_format format, double v) {
    if (format == REP_PERCENT)
        bl_html_percent(f, v);
    else if (format == REP_COUNT)
        bl_html_count(f, v);
    else
        bl_html_number(f, v, 4);
}

void bl_rep_put_difference(FILE *f, rep_format format, double v) {
    if (format == REP_PERCENT || isnan(v)) {
        bl_html_points(f, v);
        return;
    }
    fputs(v < 0 ? "\xe2\x88\x92" : v > 0 ? "+" : "", f);
    bl_rep_put(f, format, fabs(v));
}

void bl_rep_cell(FILE *f, rep_format format, double v, const char *css_class) {
    bl_html_cell_begin(f, v, css_class);
    bl_rep_put(f, format, v);
    fputs("</td>", f);
}

void bl_rep_heading_begin(FILE *f, bool number, const char *title) {
    fprintf(f, "<th scope=\"col\"%s", number ? " class=\"n\"" : "");
    if (title) bl_html_attr(f, "title", title);
    fputs("><button type=\"button\">", f);
}

void bl_rep_heading_end(FILE *f) {
    fputs("</button></th>", f);
}

void bl_rep_heading(FILE *f, bool number, const char *title, const char *text) {
    bl_rep_heading_begin(f, number, title);
    bl_html_text(f, text);
    bl_rep_heading_end(f);
}

const char *bl_rep_tone(const rep_column *c, double difference) {
    double least = c->format == REP_PERCENT ? 0.0005 : 0;
    if (isnan(difference) || c->format == REP_COUNT || fabs(difference) <= least) return "";
    return (difference > 0) != c->lower ? "up" : "down";
}

void bl_rep_stat_cell(FILE *f, const rep_column *c, rep_stat s, bool best) {
    bl_html_cell_begin(f, s.mean, best ? "best" : NULL);
    bl_rep_put(f, c->format, s.mean);
    if (s.n > 1)
        fprintf(f, "<span class=\"sd\">\xe2\x80\xaf\xc2\xb1\xe2\x80\xaf%.1f</span>",
                (c->format == REP_PERCENT ? 100 : 1) * s.std);
    fputs("</td>", f);
}
