/* The report's tables by class: methods side by side, and every metric of a run. */
#include <math.h>
#include <string.h>

#include "report/html.h"
#include "report/sections.h"

static void class_head(FILE *f, const rep_report *r, int k) {
    const rep_class *c = &r->classes[k];
    fputs("<tr", f);
    bl_rep_class_mark(f, k);
    fputs("><th scope=\"row\">", f);
    bl_html_text(f, c->name);
    fputs("</th>", f);
    if (r->n_groups) {
        fputs("<td class=\"t\">", f);
        bl_html_text(f, c->group >= 0 ? r->groups[c->group] : "");
        fputs("</td>", f);
    }
    if (r->by_frequency) bl_rep_cell(f, REP_COUNT, bl_rep_train_count(r, k), NULL);
}

static void class_headings(FILE *f, const rep_report *r) {
    bl_rep_heading(f, false, NULL, "Class");
    if (r->n_groups) bl_rep_heading(f, false, NULL, "Group");
    if (r->by_frequency)
        bl_rep_heading(f, true, "In the labelled training set",
                       bl_rep_text(r, "Train %s", bl_rep_count_unit(r)));
}

/* Long tables scroll inside a frame, so that their heading stays in view. */
static void frame_begin(FILE *f, const rep_report *r, const char *label) {
    enum { TALL = 30 };
    bl_rep_scroll_begin(f, r->n_classes > TALL ? "tall" : "", label);
}

/* ---- methods side by side ---- */

static void difference_cell(FILE *f, const rep_column *c, rep_gain g) {
    bl_html_cell_begin(f, g.value, bl_rep_tone(c, g.value));
    bl_rep_put_difference(f, c->format, g.value);
    if (!isnan(g.error))
        fprintf(f, "<span class=\"sd\">\xe2\x80\xaf\xc2\xb1\xe2\x80\xaf%.1f</span>", 100 * g.error);
    fputs("</td>", f);
}

static rep_stat row_stat(const rep_report *r, int method, int k, int group) {
    return k >= 0 ? bl_rep_method_class(r, method, k, r->per_class.primary)
                  : bl_rep_method_summary(r, method, group, r->summary.primary);
}

/* One class (k >= 0), or a mean from the summary. */
static void value_cells(FILE *f, const rep_report *r, int k, int group) {
    const rep_column *c =
        k >= 0 ? &r->per_class.v[r->per_class.primary] : &r->summary.v[r->summary.primary];
    double best = NAN;
    for (int m = 0; m < r->n_methods; m++) best = fmax(best, row_stat(r, m, k, group).mean);
    for (int m = 0; m < r->n_methods; m++) {
        rep_stat s = row_stat(r, m, k, group);
        bl_rep_stat_cell(f, c, s, r->n_methods > 1 && s.mean == best && best > 0);
    }
    rep_stat base = row_stat(r, r->baseline, k, group);
    for (int m = 0; m < r->n_methods; m++)
        if (m != r->baseline)
            difference_cell(f, c, bl_rep_difference(row_stat(r, m, k, group), base));
}

/* The table's last rows: means over all classes and over a group's. */
static void mean_row(FILE *f, const rep_report *r, const char *name, int group) {
    fputs("<tr><th scope=\"row\">", f);
    bl_html_text(f, name);
    fputs("</th>", f);
    if (r->n_groups) fputs("<td></td>", f);
    if (r->by_frequency) fputs("<td></td>", f);
    value_cells(f, r, -1, group);
    fputs("</tr>\n", f);
}

static void comparison_head(FILE *f, const rep_report *r) {
    const char *name = bl_rep_class_metric_name(r);
    fputs("<thead><tr>", f);
    class_headings(f, r);
    for (int m = 0; m < r->n_methods; m++) {
        bl_rep_heading_begin(f, true, bl_rep_text(r, "%s", name));
        bl_rep_method_name(f, r, m);
        bl_rep_heading_end(f);
    }
    for (int m = 0; m < r->n_methods; m++) {
        if (m == r->baseline) continue;
        bl_rep_heading_begin(f, true, "Difference to the baseline in points");
        fputs("\xce\x94 ", f);
        bl_rep_method_name(f, r, m);
        bl_rep_heading_end(f);
    }
    fputs("</tr></thead>\n", f);
}

void bl_rep_class_table(FILE *f, const rep_report *r) {
    if (!bl_rep_any_classes(r) || r->n_methods < 2) return; /* one: its full table says more */
    bl_rep_section_begin(f, "differences", "Classes side by side", NULL);
    frame_begin(f, r, "Table of classes");
    fputs("<table class=\"sortable\"><caption>", f);
    bl_html_text(f, bl_rep_class_metric_name(r));
    fputs(" of every class in percent; \xce\x94: difference to ", f);
    bl_html_text(f, r->methods[r->baseline].label);
    fputs(" in points", f);
    if (r->seeds)
        fputs("; several seeds: mean \xc2\xb1 standard deviation, differences \xc2\xb1 standard "
              "error",
              f);
    fputs(".</caption>\n", f);
    comparison_head(f, r);
    fputs("<tbody>\n", f);
    for (int k = 0; k < r->n_classes; k++) {
        class_head(f, r, k);
        value_cells(f, r, k, -1);
        fputs("</tr>\n", f);
    }
    fputs("</tbody>\n<tfoot>\n", f);
    mean_row(f, r, bl_rep_text(r, "%s, all classes", bl_rep_primary_name(r)), -1);
    for (int g = 0; g < r->n_groups; g++)
        if (!isnan(bl_rep_method_summary(r, r->baseline, g, r->summary.primary).mean))
            mean_row(f, r, bl_rep_text(r, "%s, %s", bl_rep_primary_name(r), r->groups[g]), g);
    fputs("</tfoot></table>", f);
    bl_rep_scroll_end(f);
    bl_rep_section_end(f);
}

/* ---- every metric of every class ---- */

/* Not the training counts, which every table begins with, nor what is undefined everywhere. */
static bool worth_a_column(const rep_report *r, const rep_run *run, const rep_model *m, int c) {
    const char *key = r->per_class.v[c].key;
    if (strcmp(key, r->count_images ? "train_images" : "train_boxes") == 0) return false;
    if (strcmp(key, "train_instances") == 0) return false;
    for (int k = 0; k < run->n_classes; k++)
        if (!isnan(m->classes[k].m[c])) return true;
    return false;
}

static void details_table(FILE *f, const rep_report *r, int run, const rep_model *m) {
    bool show[REP_COLUMNS], open = r->n_runs == 1 && m == bl_rep_main_model(&r->runs[run]);
    for (int c = 0; c < r->per_class.n; c++) show[c] = worth_a_column(r, &r->runs[run], m, c);
    fprintf(f, "<details%s><summary>", open ? " open" : "");
    bl_rep_run_name(f, r, run);
    fprintf(f, "%s%s</summary>\n", *m->name ? ", " : "", m->name);
    frame_begin(f, r, bl_rep_text(r, "All metrics by class, %s %s", r->runs[run].label, m->name));
    fputs("<table class=\"sortable\"><caption>All metrics of each class, ", f);
    bl_html_text(f, r->runs[run].label);
    fprintf(f, "%s%s", *m->name ? ", " : "", m->name);
    if (!isnan(m->iter)) {
        fputs(", iteration ", f);
        bl_html_count(f, m->iter);
    }
    fputs(". Percent, except counts.</caption>\n<thead><tr>", f);
    class_headings(f, r);
    for (int c = 0; c < r->per_class.n; c++)
        if (show[c]) bl_rep_heading(f, true, r->per_class.v[c].title, r->per_class.v[c].name);
    fputs("</tr></thead>\n<tbody>\n", f);
    for (int k = 0; k < r->n_classes; k++) {
        const rep_class_result *one = bl_rep_class_of(&r->runs[run], m, k);
        if (!one) continue;
        class_head(f, r, k);
        for (int c = 0; c < r->per_class.n; c++)
            if (show[c]) bl_rep_cell(f, r->per_class.v[c].format, one->m[c], NULL);
        fputs("</tr>\n", f);
    }
    fputs("</tbody></table>", f);
    bl_rep_scroll_end(f);
    fputs("</details>\n", f);
}

void bl_rep_class_details(FILE *f, const rep_report *r) {
    /* A page of many classes and runs stays small enough to open: what does not fit is left to the
     * folders' CSV files. */
    enum { ALL_MODELS_UP_TO = 200, MAX_CELLS = 130000 };
    if (!bl_rep_any_classes(r)) return;
    bl_rep_section_begin(f, "details", "All metrics by class",
                         "One table per run and model. The same numbers are in the run folders as "
                         "per_class.csv.");
    int64_t cells = 0, left_out = 0;
    for (int i = 0; i < r->n_runs; i++)
        for (int m = 0; m < REP_MODELS; m++) {
            const rep_model *one = &r->runs[i].model[m];
            if (!one->name || !one->has_classes) continue;
            cells += (int64_t)r->per_class.n * r->n_classes;
            bool minor = one != bl_rep_main_model(&r->runs[i]) && r->n_classes > ALL_MODELS_UP_TO;
            if (minor || (cells > MAX_CELLS && i > 0))
                left_out++;
            else
                details_table(f, r, i, one);
        }
    if (left_out)
        fprintf(f,
                "<p class=\"about\">%lld more table%s of %d classes left out to keep this page "
                "small; see per_class.csv.</p>\n",
                (long long)left_out, left_out == 1 ? "" : "s", r->n_classes);
    bl_rep_section_end(f);
}
