/* The report's first table: every method's results, with differences, spread, and what the numbers
 * are (protocol, data, version). */
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "report/html.h"
#include "report/sections.h"

/* Columns: the compared metric of all classes and of each group, then the rest of the summary. */
typedef struct column {
    int group, key; /* group -1: all classes */
} column;
enum { MAX_SHOWN = REP_COLUMNS + REP_MAX_GROUPS };

static bool has_values(const rep_report *r, column c) {
    if (r->summary.v[c.key].hidden) return false;
    for (int i = 0; i < r->n_runs; i++)
        for (int m = 0; m < REP_MODELS; m++)
            if (r->runs[i].model[m].name &&
                !isnan(bl_rep_summary_value(&r->runs[i].model[m], c.group, c.key)))
                return true;
    return false;
}

/* A metric that is undefined everywhere (say APl without large objects) has no column. */
static int make_columns(const rep_report *r, column *c) {
    int n = 0, primary = r->summary.primary;
    for (int g = -1; g < r->n_groups; g++) {
        c[n] = (column){g, primary};
        if (has_values(r, c[n])) n++;
    }
    for (int i = 0; i < r->summary.n; i++) {
        c[n] = (column){-1, i};
        if (i != primary && has_values(r, c[n])) n++;
    }
    return n;
}

/* Best mean of the methods; methods that agree, or found nothing, have no best. */
static double best_of(const rep_report *r, column c) {
    const rep_column *metric = &r->summary.v[c.key];
    double lo = NAN, hi = NAN;
    for (int m = 0; m < r->n_methods; m++) {
        double v = bl_rep_method_summary(r, m, c.group, c.key).mean;
        lo = fmin(lo, v);
        hi = fmax(hi, v);
    }
    if (!(hi > lo) || metric->format == REP_COUNT) return NAN;
    return metric->lower ? lo : hi;
}

static void small_difference(FILE *f, const rep_column *c, double v) {
    if (isnan(v)) return;
    fprintf(f, "<small class=\"%s\">", bl_rep_tone(c, v));
    bl_rep_put_difference(f, c->format, v);
    fputs("</small>", f);
}

static void method_cell(FILE *f, const rep_report *r, int method, column c) {
    const rep_column *metric = &r->summary.v[c.key];
    rep_stat s = bl_rep_method_summary(r, method, c.group, c.key);
    double unit = metric->format == REP_PERCENT ? 100 : 1;
    bl_html_cell_begin(f, s.mean, !isnan(s.mean) && s.mean == best_of(r, c) ? "best" : NULL);
    bl_rep_put(f, metric->format, s.mean);
    if (s.n > 1)
        fprintf(
            f,
            "<span class=\"sd\" title=\"%d runs from %.4g to %.4g\">\xe2\x80\xaf\xc2\xb1\xe2\x80"
            "\xaf%.*f</span>",
            s.n, unit * s.lo, unit * s.hi, metric->format == REP_NUMBER ? 3 : 1, unit * s.std);
    if (method != r->baseline)
        small_difference(
            f, metric,
            bl_rep_difference(s, bl_rep_method_summary(r, r->baseline, c.group, c.key)).value);
    if (s.n > 1 && c.key == r->summary.primary)
        fprintf(f, "<small class=\"range\">%.1f\xe2\x80\x93%.1f</small>", unit * s.lo, unit * s.hi);
    fputs("</td>", f);
}

static void model_cells(FILE *f, const rep_model *m, bool models, bool iterations) {
    if (models) {
        fputs("<td class=\"t\">", f);
        bl_html_text(f, m && m->name && *m->name ? m->name : "\xe2\x80\x93");
        fputs("</td>", f);
    }
    if (iterations) bl_rep_cell(f, REP_COUNT, m ? m->iter : NAN, NULL);
}

static void method_row(FILE *f, const rep_report *r, int method, const column *columns, int n,
                       bool models, bool iterations) {
    fputs("<tr><th scope=\"row\">", f);
    bl_rep_method_name(f, r, method);
    if (r->methods[method].n > 1)
        fprintf(f, "<span class=\"tag\">%d seeds</span>", r->methods[method].n);
    if (method == r->baseline && r->n_methods > 1) fputs("<span class=\"tag\">baseline</span>", f);
    fputs("</th>", f);
    model_cells(f, bl_rep_main_model(bl_rep_first(r, method)), models, iterations);
    for (int c = 0; c < n; c++) method_cell(f, r, method, columns[c]);
    fputs("</tr>\n", f);
}

/* A single seed, or another model of the run. */
static void minor_row(FILE *f, const rep_report *r, int run, const rep_model *m,
                      const column *columns, int n, bool models, bool iterations) {
    fputs("<tr class=\"minor\"><th scope=\"row\">", f);
    bl_rep_run_name(f, r, run);
    fputs("</th>", f);
    model_cells(f, m, models, iterations);
    for (int c = 0; c < n; c++)
        bl_rep_cell(f, r->summary.v[columns[c].key].format,
                    bl_rep_summary_value(m, columns[c].group, columns[c].key), NULL);
    fputs("</tr>\n", f);
}

static void table_head(FILE *f, const rep_report *r, const column *columns, int n, bool models,
                       bool iterations) {
    fputs("<thead><tr>", f);
    bl_rep_heading(f, false, NULL, r->seeds ? "Method" : "Run");
    if (models) bl_rep_heading(f, false, "Whose predictions were evaluated", "Model");
    if (iterations) bl_rep_heading(f, true, "Finished training iterations", "Iteration");
    for (int c = 0; c < n; c++) {
        const rep_column *metric = &r->summary.v[columns[c].key];
        const char *group = columns[c].group >= 0 ? r->groups[columns[c].group] : NULL;
        bool brief = group && strlen(metric->name) > 6; /* the first column has the name */
        bl_rep_heading_begin(
            f, true,
            group ? bl_rep_text(r, "%s of the classes in \"%s\"", metric->name, group)
                  : metric->title);
        bl_html_text(f, brief ? group : metric->name);
        fputs("</button>", f);
        if (group && !brief) {
            fputs("<small>", f);
            bl_html_text(f, group);
            fputs("</small>", f);
        }
        fputs("</th>", f);
    }
    fputs("</tr></thead>\n", f);
}

static void caption(FILE *f, const rep_report *r) {
    fputs("<caption>Results at each run\xe2\x80\x99s last evaluation, in percent unless it is a "
          "count. ",
          f);
    if (r->n_methods > 1) {
        fputs("Small signed numbers: difference to ", f);
        bl_html_text(f, r->methods[r->baseline].label);
        fputs(" in points. Bold: best of a column. ", f);
    }
    if (r->seeds)
        fputs("Several seeds: mean \xc2\xb1 sample standard deviation, below it the range; the "
              "single runs in grey. ",
              f);
    fputs("\xe2\x80\x93: undefined.</caption>\n", f);
}

/* ---- what the numbers are ---- */

static const char *protocol_of(const rep_run *run) {
    const rep_model *m = bl_rep_main_model(run);
    return m ? m->protocol : "";
}

/* 12 digits of the checksum of the test annotations, "" if unknown. */
static const char *test_data(const rep_report *r, const rep_run *run) {
    const char *data = "";
    bl_json doc = {0};
    if (!run->provenance ||
        bl_json_parse(run->provenance, strlen(run->provenance), "provenance.json", &doc) != BL_OK)
        return data;
    struct json_object *test = bl_rep_get(bl_rep_get(doc.root, "data"), "test");
    if (test) data = bl_rep_text(r, "%.12s", bl_rep_string(test, "sha256"));
    bl_json_free(&doc);
    return data;
}

static void warning_box(FILE *f, const char *text) {
    fputs("<p class=\"warn\" role=\"note\"><strong>Careful:</strong> ", f);
    bl_html_text(f, text);
    fputs("</p>\n", f);
}

/* Numbers of different protocols or test sets must not be compared in silence. */
static void comparability(FILE *f, const rep_report *r) {
    bool protocols = false, images = false, data = false;
    const char *first_data = "";
    double first_images = NAN;
    for (int i = 0; i < r->n_runs; i++) {
        const rep_model *m = bl_rep_main_model(&r->runs[i]);
        const char *sha = test_data(r, &r->runs[i]);
        if (!m) continue;
        protocols = protocols || strcmp(protocol_of(&r->runs[i]), protocol_of(&r->runs[0])) != 0;
        if (isnan(first_images)) first_images = m->images;
        images = images || (!isnan(m->images) && m->images != first_images);
        if (!*first_data) first_data = sha;
        data = data || (*sha && strcmp(sha, first_data) != 0);
    }
    if (protocols)
        warning_box(f, "the evaluation protocols differ; their numbers must not be compared.");
    if (images) warning_box(f, "the runs were evaluated on different numbers of images.");
    if (data)
        warning_box(f, "the runs were evaluated on different test annotations (checksums below).");
}

/* What is known of a run besides its numbers, in words. */
enum {
    FACT_PROTOCOL,
    FACT_TRUTH,
    FACT_SOURCE,
    FACT_IMAGES,
    FACT_DETECTIONS,
    FACT_BEST,
    FACT_SEED,
    FACT_VERSION,
    FACT_STARTED,
    FACT_DEVICE,
    FACT_DATA,
    FACTS
};
static const struct {
    const char *name;
    bool number;
} fact_columns[FACTS] = {[FACT_PROTOCOL] = {"Protocol", false},
                         [FACT_TRUTH] = {"Ground truth", false},
                         [FACT_SOURCE] = {"Results", false},
                         [FACT_IMAGES] = {"Evaluated images", true},
                         [FACT_DETECTIONS] = {"Detections", true},
                         [FACT_BEST] = {"Best checkpoint", false},
                         [FACT_SEED] = {"Seed", true},
                         [FACT_VERSION] = {"Version", false},
                         [FACT_STARTED] = {"Started", false},
                         [FACT_DEVICE] = {"Device", false},
                         [FACT_DATA] = {"Test data (SHA-256)", false}};

static const char *count_text(const rep_report *r, double v) {
    return isnan(v) ? "" : bl_rep_text(r, "%.0f", v);
}

/* Which checkpoint is the best, and what chose it. */
static const char *best_text(const rep_report *r, const rep_run *run) {
    bl_json doc = {0};
    if (!run->best || bl_json_parse(run->best, strlen(run->best), "best.json", &doc) != BL_OK)
        return "";
    const char *set = bl_rep_string(doc.root, "set");
    bool tested = strcmp(set, "test") == 0;
    const char *text = bl_rep_text(
        r, "iteration %.0f, chosen by %.40s %.4f of the %.20s on %.0f %.20s images%s",
        bl_rep_number(doc.root, "iter"), bl_rep_string(doc.root, "measure"),
        bl_rep_number(doc.root, "score"), bl_rep_string(doc.root, "model"),
        bl_rep_number(doc.root, "images"), set, tested ? ", which flatters it there" : "");
    bl_json_free(&doc);
    return text;
}

static void find_facts(const rep_report *r, int i, const char *out[FACTS]) {
    const rep_run *run = &r->runs[i];
    const rep_model *m = bl_rep_main_model(run);
    bl_json doc = {0};
    bool known = run->provenance && bl_json_parse(run->provenance, strlen(run->provenance),
                                                  "provenance.json", &doc) == BL_OK;
    struct json_object *p = known ? doc.root : NULL;
    const char *commit = bl_rep_string(p, "commit"), *device = bl_rep_string(p, "device");
    out[FACT_PROTOCOL] = m ? m->protocol : "";
    out[FACT_TRUTH] = m ? m->truth : "";
    out[FACT_SOURCE] = m ? m->source : "";
    out[FACT_IMAGES] = count_text(r, m ? m->images : NAN);
    out[FACT_DETECTIONS] = count_text(r, m ? m->detections : NAN);
    out[FACT_BEST] = best_text(r, run);
    out[FACT_SEED] = count_text(r, bl_rep_number(p, "seed"));
    out[FACT_VERSION] = bl_rep_text(r, "%.30s%s%.14s", bl_rep_string(p, "ballast_version"),
                                    *commit ? " " : "", commit);
    out[FACT_STARTED] = bl_rep_text(r, "%.10s", bl_rep_string(p, "started"));
    out[FACT_DEVICE] =
        bl_rep_text(r, "%.40s%s%.30s", device, *device ? " " : "", bl_rep_string(p, "kernels"));
    out[FACT_DATA] = test_data(r, run);
    bl_json_free(&doc);
}

static void facts_table(FILE *f, const rep_report *r, const char *const *facts) {
    bool show[FACTS] = {false};
    for (int i = 0; i < r->n_runs; i++)
        for (int c = 0; c < FACTS; c++) show[c] = show[c] || *facts[i * FACTS + c];
    bl_rep_scroll_begin(f, "", "Protocol and provenance of every run");
    fputs("<table class=\"facts\"><caption>Protocol and provenance of every run; the full record "
          "is at the end.</caption>\n<thead><tr><th scope=\"col\">Run</th>",
          f);
    for (int c = 0; c < FACTS; c++)
        if (show[c])
            fprintf(f, "<th scope=\"col\"%s>%s</th>", fact_columns[c].number ? " class=\"n\"" : "",
                    fact_columns[c].name);
    fputs("</tr></thead>\n<tbody>\n", f);
    for (int i = 0; i < r->n_runs; i++) {
        fputs("<tr><th scope=\"row\">", f);
        bl_rep_run_name(f, r, i);
        fputs("</th>", f);
        for (int c = 0; c < FACTS; c++) {
            const char *text = facts[i * FACTS + c];
            if (!show[c]) continue;
            fputs(fact_columns[c].number ? "<td>" : "<td class=\"t\">", f);
            if (c == FACT_IMAGES || c == FACT_DETECTIONS)
                bl_html_count(f, *text ? strtod(text, NULL) : NAN);
            else
                bl_html_text(f, *text ? text : "\xe2\x80\x93");
            fputs("</td>", f);
        }
        fputs("</tr>\n", f);
    }
    fputs("</tbody></table>", f);
    bl_rep_scroll_end(f);
}

static void facts(FILE *f, const rep_report *r) {
    const char **v = BL_NEW_ARRAY(r->arena, const char *, r->n_runs *FACTS);
    fputs("<h3>What these numbers are</h3>\n", f);
    comparability(f, r);
    for (int i = 0; v && i < r->n_runs; i++) find_facts(r, i, v + i * FACTS);
    if (v) facts_table(f, r, v);
    for (int i = 0; i < r->n_runs; i++) {
        const rep_model *m = bl_rep_main_model(&r->runs[i]);
        for (int w = 0; m && w < m->n_warnings; w++)
            warning_box(f, r->n_runs > 1
                               ? bl_rep_text(r, "%s: %s", r->runs[i].label, m->warnings[w])
                               : m->warnings[w]);
    }
}

void bl_rep_summary_table(FILE *f, const rep_report *r) {
    column columns[MAX_SHOWN];
    int n_models = 0;
    bool models = false, iterations = false;
    for (int i = 0; i < r->n_runs; i++) {
        const rep_model *m = bl_rep_main_model(&r->runs[i]);
        n_models += m != NULL;
        models = models || (m && *m->name);
        iterations = iterations || (m && !isnan(m->iter));
    }
    if (!n_models || r->summary.primary < 0) return;
    int n = make_columns(r, columns);
    bl_rep_section_begin(f, "results", "Results", NULL);
    bl_rep_scroll_begin(f, "", "Table of results");
    fputs("<table class=\"sortable summary\">", f);
    caption(f, r);
    table_head(f, r, columns, n, models, iterations);
    fputs("<tbody>\n", f);
    for (int m = 0; m < r->n_methods; m++) {
        method_row(f, r, m, columns, n, models, iterations);
        for (int j = 0; j < r->methods[m].n; j++) {
            int run = r->methods[m].runs[j];
            const rep_model *main = bl_rep_main_model(&r->runs[run]);
            for (int k = 0; k < REP_MODELS; k++) {
                const rep_model *one = &r->runs[run].model[k];
                if (one->name && (r->methods[m].n > 1 ? one == main : one != main))
                    minor_row(f, r, run, one, columns, n, models, iterations);
            }
        }
    }
    fputs("</tbody></table>", f);
    bl_rep_scroll_end(f);
    facts(f, r);
    bl_rep_section_end(f);
}
