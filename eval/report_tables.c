/* The report's tables: runs, classes, differences to the first run. */
#include <math.h>
#include <string.h>

#include "eval/report_html.h"
#include "eval/report_sections.h"
#include "eval/report_svg.h"

void rep_section_begin(FILE *f, const char *id, const char *heading, const char *explanation) {
    fprintf(f, "<section id=\"%s\">\n<h2>%s</h2>\n", id, heading);
    if (explanation) fprintf(f, "<p class=\"about\">%s</p>\n", explanation);
}

void rep_section_end(FILE *f) {
    fputs("</section>\n", f);
}

void rep_run_name(FILE *f, const rep_report *r, int run) {
    fprintf(f, "<span class=\"sw b%d\"></span>", run % SVG_RUN_COLOURS);
    html_text(f, r->runs[run].label);
}

void rep_run_legend(FILE *f, const rep_report *r) {
    if (r->n_runs < 2) return;
    fputs("<ul class=\"legend\">", f);
    for (int i = 0; i < r->n_runs; i++) {
        fputs("<li>", f);
        rep_run_name(f, r, i);
        fputs("</li>", f);
    }
    fputs("</ul>\n", f);
}

void rep_class_legend(FILE *f, const rep_report *r) {
    enum { MAX_NAMES = 30 };
    fputs("<ul class=\"legend ranks\">", f);
    for (int k = 0; k < r->n_classes; k++) {
        /* With very many classes the two ends and the middle explain the scale. */
        if (r->n_classes > MAX_NAMES && k != 0 && k != r->n_classes / 2 && k != r->n_classes - 1)
            continue;
        fprintf(f, "<li><span class=\"sw line\" style=\"background:%s\"></span>",
                svg_rank_colour(k, r->n_classes).hex);
        html_text(f, r->classes[k].name);
        fputs("</li>", f);
    }
    fputs("</ul>\n", f);
}

double rep_longest_name(const rep_report *r) {
    size_t longest = 6;
    for (int k = 0; k < r->n_classes; k++) {
        size_t n = strlen(r->classes[k].name);
        if (n > longest) longest = n;
    }
    return longest > REP_LABEL ? REP_LABEL : (double)longest;
}

/* ---- runs ---- */

static double summary_value(const rep_model *m, int group, int i) {
    return group < 0 ? m->summary[i] : m->group[group][i];
}

/* Columns: AP of all and of each group, then the rest of the summary. */
typedef struct column {
    int group, key; /* group -1: all classes */
} column;

static int make_columns(const rep_report *r, column *c) {
    int n = 0;
    c[n++] = (column){-1, 0};
    for (int g = 0; g < r->n_groups; g++) c[n++] = (column){g, 0};
    for (int i = 1; i < REP_SUMMARY; i++) c[n++] = (column){-1, i};
    return n;
}

/* Best of the runs' main models; a single run has no best, nor have runs that found nothing. */
static double best_of(const rep_report *r, column c) {
    double best = NAN;
    int n = 0;
    for (int i = 0; i < r->n_runs; i++) {
        const rep_model *m = rep_main_model(&r->runs[i]);
        double v = m ? summary_value(m, c.group, c.key) : NAN;
        if (isnan(v)) continue;
        n++;
        if (isnan(best) || v > best) best = v;
    }
    return n > 1 && best > 0 ? best : NAN;
}

static void summary_row(FILE *f, const rep_report *r, int run, const rep_model *m,
                        const column *columns, int n) {
    bool main = m == rep_main_model(&r->runs[run]);
    fprintf(f, "<tr%s><th scope=\"row\">", main ? "" : " class=\"minor\"");
    rep_run_name(f, r, run);
    fprintf(f, "</th><td>%s</td>", m->name);
    html_cell_count(f, m->iter);
    for (int c = 0; c < n; c++) {
        double v = summary_value(m, columns[c].group, columns[c].key);
        html_cell_percent(f, v, main && v == best_of(r, columns[c]) ? "best" : NULL);
    }
    fputs("</tr>\n", f);
}

static const char *const summary_titles[REP_SUMMARY] = {
    "Average precision, mean over IoU 0.50 to 0.95",
    "Average precision at IoU 0.50",
    "Average precision at IoU 0.75",
    "AP of small objects, area at most 32\xc2\xb2 pixels",
    "AP of medium objects, area 32\xc2\xb2 to 96\xc2\xb2 pixels",
    "AP of large objects, area at least 96\xc2\xb2 pixels",
    "Average recall with 1 detection per image and class",
    "Average recall with 10 detections per image and class",
    "Average recall with 100 detections per image and class",
    "Average recall of small objects",
    "Average recall of medium objects",
    "Average recall of large objects"};

static void header_cell(FILE *f, bool number, const char *title) {
    fprintf(f, "<th scope=\"col\"%s", number ? " class=\"n\"" : "");
    if (title) html_attr(f, "title", title);
    fputs("><button type=\"button\">", f);
}

static void header_text(FILE *f, bool number, const char *title, const char *text) {
    header_cell(f, number, title);
    html_text(f, text);
    fputs("</button></th>", f);
}

void rep_summary_table(FILE *f, const rep_report *r) {
    column columns[1 + REP_MAX_GROUPS + REP_SUMMARY];
    int n = make_columns(r, columns), models = 0;
    for (int i = 0; i < r->n_runs; i++) models += rep_main_model(&r->runs[i]) != NULL;
    if (!models) return;
    rep_section_begin(f, "results", "Results", NULL);
    fputs(
        "<div class=\"scroll\"><table class=\"sortable\"><caption>COCO metrics in percent at each "
        "run\xe2\x80\x99s last evaluation. The best run of a column is bold (teacher where there "
        "is one); \xe2\x80\x93 means undefined.</caption>\n<thead><tr>",
        f);
    header_text(f, false, NULL, "Run");
    header_text(f, false, "Whose detections were evaluated", "Model");
    header_text(f, true, "Finished training iterations", "Iteration");
    for (int c = 0; c < n; c++) {
        header_cell(f, true, summary_titles[columns[c].key]);
        html_text(f, rep_summary_keys[columns[c].key]);
        fputs("</button>", f);
        if (columns[c].group >= 0) {
            fputs("<small>", f);
            html_text(f, r->groups[columns[c].group]);
            fputs("</small>", f);
        }
        fputs("</th>", f);
    }
    fputs("</tr></thead>\n<tbody>\n", f);
    for (int i = 0; i < r->n_runs; i++)
        for (int m = 0; m < 2; m++)
            if (r->runs[i].model[m].name) summary_row(f, r, i, &r->runs[i].model[m], columns, n);
    fputs("</tbody></table></div>\n", f);
    rep_section_end(f);
}

/* ---- classes ---- */

static void difference_cell(FILE *f, double v) {
    const char *tone = v >= 0.0005 ? " up" : v <= -0.0005 ? " down" : "";
    fprintf(f, "<td class=\"n%s\" data-v=\"", tone);
    if (!isnan(v)) fprintf(f, "%.17g", v);
    fputs("\">", f);
    html_points(f, v);
    fputs("</td>", f);
}

static void class_head(FILE *f, const rep_report *r, int k) {
    const rep_class *c = &r->classes[k];
    fputs("<tr", f);
    html_attr(f, "data-class", c->name);
    fputs("><th scope=\"row\">", f);
    html_text(f, c->name);
    fputs("</th><td>", f);
    html_text(f, c->group >= 0 ? r->groups[c->group] : "");
    fputs("</td>", f);
    html_cell_count(f, c->train_boxes);
}

static void class_header(FILE *f) {
    header_text(f, false, NULL, "Class");
    header_text(f, false, NULL, "Group");
    header_text(f, true, "Boxes in the labelled training set", "Train boxes");
}

static bool any_class_results(const rep_report *r) {
    for (int i = 0; i < r->n_runs; i++) {
        const rep_model *m = rep_main_model(&r->runs[i]);
        if (m && m->has_classes) return true;
    }
    return false;
}

static void run_header(FILE *f, const rep_report *r, int i, const char *prefix, const char *title) {
    header_cell(f, true, title);
    fputs(prefix, f);
    rep_run_name(f, r, i);
    fputs("</button></th>", f);
}

/* Means over the classes of a group (or all), from the summary; the table's last rows. */
static void mean_row(FILE *f, const rep_report *r, const char *name, int group) {
    fputs("<tr><th scope=\"row\">mean, ", f);
    html_text(f, name);
    fputs("</th><td></td><td></td>", f);
    double base = NAN;
    for (int i = 0; i < r->n_runs; i++) {
        const rep_model *m = rep_main_model(&r->runs[i]);
        double v = m ? summary_value(m, group, 0) : NAN;
        html_cell_percent(f, v, v == best_of(r, (column){group, 0}) ? "best" : NULL);
        if (i == 0) base = v;
    }
    for (int i = 1; i < r->n_runs; i++) {
        const rep_model *m = rep_main_model(&r->runs[i]);
        difference_cell(f, m ? summary_value(m, group, 0) - base : NAN);
    }
    fputs("</tr>\n", f);
}

void rep_class_table(FILE *f, const rep_report *r) {
    if (!any_class_results(r) || r->n_runs < 2) return; /* one run: its full table says more */
    rep_section_begin(f, "differences", "Gain over the first run", NULL);
    fputs("<div class=\"scroll\"><table class=\"sortable\"><caption>AP (IoU 0.50:0.95) in percent",
          f);
    fputs("; \xce\x94: difference to ", f);
    html_text(f, r->runs[0].label);
    fputs(" in points", f);
    fputs(".</caption>\n<thead><tr>", f);
    class_header(f);
    for (int i = 0; i < r->n_runs; i++) run_header(f, r, i, "", "AP in percent");
    for (int i = 1; i < r->n_runs; i++)
        run_header(f, r, i, "\xce\x94 ", "Difference to the first run in points");
    fputs("</tr></thead>\n<tbody>\n", f);
    for (int k = 0; k < r->n_classes; k++) {
        class_head(f, r, k);
        double base = rep_class_metric(r, &r->runs[0], k, REP_AP), best = NAN;
        for (int i = 0; i < r->n_runs; i++)
            best = fmax(best, rep_class_metric(r, &r->runs[i], k, REP_AP));
        for (int i = 0; i < r->n_runs; i++) {
            double v = rep_class_metric(r, &r->runs[i], k, REP_AP);
            html_cell_percent(f, v, v == best && best > 0 ? "best" : NULL);
        }
        for (int i = 1; i < r->n_runs; i++)
            difference_cell(f, rep_class_metric(r, &r->runs[i], k, REP_AP) - base);
        fputs("</tr>\n", f);
    }
    fputs("</tbody>\n<tfoot>\n", f);
    mean_row(f, r, "all classes", -1);
    for (int g = 0; g < r->n_groups; g++) mean_row(f, r, r->groups[g], g);
    fputs("</tfoot></table></div>\n", f);
    rep_section_end(f);
}

/* ---- every metric of every class ---- */

static const struct {
    rep_metric metric;
    bool percent;
    const char *name, *title;
} detail_columns[] = {
    {REP_TEST_BOXES, false, "Test boxes", "Ground-truth boxes in the test set, crowd not counted"},
    {REP_DETECTIONS, false, "Detections", NULL},
    {REP_AP, true, "AP", "Mean over IoU 0.50 to 0.95"},
    {REP_AP50, true, "AP50", NULL},
    {REP_AP75, true, "AP75", NULL},
    {REP_APS, true, "APs", NULL},
    {REP_APM, true, "APm", NULL},
    {REP_APL, true, "APl", NULL},
    {REP_AR, true, "AR100", NULL},
    {REP_F1, true, "F1", "Best F1 at IoU 0.50 over all score thresholds"},
    {REP_F1_SCORE, true, "at score", "Score threshold of the best F1, in percent"},
    {REP_PRECISION, true, "Precision", "At that threshold"},
    {REP_RECALL, true, "Recall", "At that threshold"},
    {REP_TP, false, "TP", "True positives at that threshold"},
    {REP_FP, false, "FP", "False positives at that threshold"},
    {REP_FN, false, "FN", "Missed boxes at that threshold"}};
enum { DETAILS = sizeof detail_columns / sizeof *detail_columns };

static void details_table(FILE *f, const rep_report *r, int run, const rep_model *m) {
    bool open = r->n_runs == 1 && m == rep_main_model(&r->runs[run]);
    fprintf(f, "<details%s><summary>", open ? " open" : "");
    rep_run_name(f, r, run);
    fprintf(f,
            ", %s</summary>\n<div class=\"scroll\"><table class=\"sortable\"><caption>All metrics "
            "of each class, ",
            m->name);
    html_text(f, r->runs[run].label);
    fprintf(f, ", %s, iteration ", m->name);
    html_count(f, m->iter);
    fputs(". Percent, except counts.</caption>\n<thead><tr>", f);
    class_header(f);
    for (int c = 0; c < DETAILS; c++)
        header_text(f, true, detail_columns[c].title, detail_columns[c].name);
    fputs("</tr></thead>\n<tbody>\n", f);
    for (int k = 0; k < r->n_classes; k++) {
        const rep_class_result *one = rep_class_of(&r->runs[run], m, k);
        if (!one) continue;
        class_head(f, r, k);
        for (int c = 0; c < DETAILS; c++) {
            double v = one->m[detail_columns[c].metric];
            if (detail_columns[c].percent)
                html_cell_percent(f, v, NULL);
            else
                html_cell_count(f, v);
        }
        fputs("</tr>\n", f);
    }
    fputs("</tbody></table></div></details>\n", f);
}

void rep_class_details(FILE *f, const rep_report *r) {
    if (!any_class_results(r)) return;
    rep_section_begin(f, "details", "All metrics by class",
                      "One table per run and model; columns sort by a click on their heading. The "
                      "same numbers stand in the run folders as per_class.csv.");
    for (int i = 0; i < r->n_runs; i++)
        for (int m = 0; m < 2; m++)
            if (r->runs[i].model[m].name && r->runs[i].model[m].has_classes)
                details_table(f, r, i, &r->runs[i].model[m]);
    rep_section_end(f);
}
