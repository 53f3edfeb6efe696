#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/real_text.h"
#include "report/html.h"
#include "report/sections.h"

/* "sha256-<base64>" of the script: with it, the page's policy lets this script run and no other,
 * whatever a class name or a path might smuggle in. */
static void script_hash(char out[64]) {
    char hex[65];
    uint8_t digest[32];
    bl_sha256(bl_rep_script, strlen(bl_rep_script), hex);
    for (int i = 0; i < 32; i++) {
        unsigned v;
        sscanf(hex + 2 * i, "%2x", &v);
        digest[i] = (uint8_t)v;
    }
    strcpy(out, "sha256-");
    bl_html_base64(digest, 32, out + 7);
}

static void head(FILE *f, const rep_report *r) {
    char hash[64];
    script_hash(hash);
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n", f);
    fprintf(f,
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
            "'unsafe-inline'; script-src '%s'; img-src data:; base-uri 'none'; form-action "
            "'none'\">\n",
            hash);
    fputs("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>", f);
    bl_html_text(f, r->title);
    fprintf(f,
            "</title>\n<style>%s</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip "
            "to the results</a>\n<header>\n<h1>",
            bl_rep_css);
    bl_html_text(f, r->title);
    fputs("</h1>\n", f);
}

static void introduction(FILE *f, const rep_report *r) {
    bool scored = true, teachers = false, averages = false;
    for (int i = 0; i < r->n_runs; i++) {
        const rep_model *m = bl_rep_main_model(&r->runs[i]);
        scored = scored && r->runs[i].scored;
        teachers = teachers || (m && strcmp(m->name, "teacher") == 0);
        averages = averages || (m && strcmp(m->name, "ema") == 0);
    }
    const char *what = scored ? "result" : "training run";
    fputs("<p>", f);
    if (r->n_runs == 1) {
        fprintf(f, "Report of the %s <strong>", what);
        bl_html_text(f, r->runs[0].label);
        fputs("</strong>.", f);
    } else if (r->n_methods == 1) {
        fprintf(f, "Report of %d runs of one method, which differ in their seed.", r->n_runs);
    } else {
        fprintf(f, "Report of %d %ss", r->n_runs, what);
        if (r->seeds) fprintf(f, " of %d methods", r->n_methods);
        fputs(" side by side; differences refer to <strong>", f);
        bl_html_text(f, r->methods[r->baseline].label);
        fputs("</strong>.", f);
    }
    if (teachers)
        fputs(" Where a run has a teacher (the moving average of the student), plots and "
              "comparisons show the teacher.",
              f);
    if (averages)
        fputs(" Of a supervised run they show the moving average of its weights (ema).", f);
    fputs("</p>\n", f);
}

static void classes_paragraph(FILE *f, const rep_report *r) {
    if (!r->n_classes) return;
    fprintf(f, "<p class=\"about\">%d classes", r->n_classes);
    for (int g = 0; g < r->n_groups; g++) {
        int members = 0;
        for (int k = 0; k < r->n_classes; k++) members += r->classes[k].group == g;
        fprintf(f, "%s %d ", g ? "," : ":", members);
        bl_html_text(f, r->groups[g]);
    }
    if (r->by_frequency) {
        double most = bl_rep_train_count(r, 0), least = most;
        for (int k = 0; k < r->n_classes; k++)
            if (bl_rep_train_count(r, k) < least) least = bl_rep_train_count(r, k);
        fprintf(f, "; labelled %s per class from ", bl_rep_count_unit(r));
        bl_html_count(f, most);
        fputs(" down to ", f);
        bl_html_count(f, least);
    }
    fputs(".", f);
    const char *before = " Groups, order and frequencies are of the first run; trained on other "
                         "labelled counts: ";
    for (int i = 0; i < r->n_runs; i++) {
        if (!r->runs[i].other_counts) continue;
        fputs(before, f);
        bl_html_text(f, r->runs[i].label);
        before = ", ";
    }
    fputs(before[0] == ',' ? ".</p>\n" : "</p>\n", f);
}

static const struct {
    const char *id, *name;
    void (*write)(FILE *f, const rep_report *r);
} sections[] = {
    {"results", "Results", bl_rep_summary_table},
    {"groups", "Groups", bl_rep_group_bars},
    {"training", "Over training", bl_rep_over_training},
    {"classes", "By class", bl_rep_class_bars},
    {"frequency", "By frequency", bl_rep_frequency},
    {"gains", "Gains and losses", bl_rep_gains},
    {"differences", "Class table", bl_rep_class_table},
    {"pr", "Precision and recall", bl_rep_pr_curves},
    {"confusion", "Confusion", bl_rep_confusion},
    {"errors", "Error kinds", bl_rep_error_kinds},
    {"calibration", "Calibration", bl_rep_calibration},
    {"costly", "Costly images", bl_rep_costly_images},
    {"state", "Weights and thresholds", bl_rep_class_state},
    {"dynamics", "Gradients and scores", bl_rep_class_dynamics},
    {"pseudo", "Pseudo labels", bl_rep_pseudo_quality},
    {"losses", "Losses", bl_rep_losses},
    {"features", "Features", bl_rep_features},
    {"examples", "Examples", bl_rep_examples},
    {"details", "All metrics", bl_rep_class_details},
    {"settings", "Settings", bl_rep_differences},
    {"provenance", "Provenance", bl_rep_provenance},
};
enum { SECTIONS = sizeof sections / sizeof *sections };

static void tools(FILE *f, const rep_report *r) {
    if (!r->n_classes) return;
    fputs("<div class=\"tools\" role=\"search\"><label for=\"filter\">Show classes that "
          "contain</label><input id=\"filter\" type=\"search\" autocomplete=\"off\">",
          f);
    if (r->n_groups > 1) {
        fputs("<label for=\"filter-group\">of</label><select id=\"filter-group\"><option "
              "value=\"\">all groups</option>",
              f);
        for (int g = 0; g < r->n_groups; g++) {
            fprintf(f, "<option value=\"%d\">", g);
            bl_html_text(f, r->groups[g]);
            fputs("</option>", f);
        }
        fputs("</select>", f);
    }
    fputs("<output id=\"shown\" aria-live=\"polite\"></output></div>\n", f);
    bl_rep_class_list(f, r);
}

static bl_status body(FILE *f, const rep_report *r) {
    /* Sections leave themselves out when they have nothing to show; the menu names
     * those that came. */
    char *text[SECTIONS] = {0};
    size_t size[SECTIONS] = {0};
    bl_status status = BL_OK;
    for (int i = 0; i < SECTIONS && status == BL_OK; i++) {
        FILE *part = open_memstream(&text[i], &size[i]);
        if (part) sections[i].write(part, r);
        if (!part || fclose(part) != 0) status = bl_no_memory("for the report");
    }
    if (status == BL_OK) {
        fputs("<nav aria-label=\"Sections\">", f);
        for (int i = 0; i < SECTIONS; i++)
            if (size[i]) fprintf(f, "<a href=\"#%s\">%s</a>", sections[i].id, sections[i].name);
        fputs("</nav>\n</header>\n", f);
        tools(f, r);
        fputs("<main id=\"main\">\n", f);
        for (int i = 0; i < SECTIONS; i++) fwrite(text[i], 1, size[i], f);
        fputs("</main>\n", f);
    }
    for (int i = 0; i < SECTIONS; i++) free(text[i]);
    return status;
}

static bl_status write_page(const rep_report *r, const char *path) {
    bl_outfile o;
    BL_TRY(bl_outfile_open(path, &o));
    head(o.f, r);
    introduction(o.f, r);
    classes_paragraph(o.f, r);
    bl_status status = body(o.f, r);
    fprintf(o.f,
            "<p id=\"said\" class=\"sr\" role=\"status\"></p>\n<footer>Written by "
            "Ballast " BALLAST_VERSION ". This file is complete in itself and loads nothing from a "
            "network.</footer>\n<script>%s</script>\n</body>\n</html>\n",
            bl_rep_script);
    if (status != BL_OK) {
        bl_outfile_abort(&o);
        return status;
    }
    return bl_outfile_commit(&o);
}

bl_status bl_report_open(const bl_report_source *sources, int n, const bl_report_options *options,
                         bl_report **out) {
    static const bl_report_options plain = {0};
    *out = NULL;
    if (n < 1) return bl_fail(BL_EINVAL, "a report needs at least one folder of results");
    bl_arena *arena = bl_arena_create(0);
    rep_report *r = arena ? BL_NEW(arena, rep_report) : NULL;
    if (!r) {
        bl_arena_destroy(arena);
        return bl_no_memory("for the report");
    }
    r->arena = arena;
    bl_point format = bl_point_begin(); /* SVG and CSS */
    bl_status status = bl_rep_load(r, sources, n, options ? options : &plain);
    bl_point_end(format);
    if (status == BL_OK)
        *out = r;
    else
        bl_report_close(r);
    return status;
}

void bl_report_close(bl_report *r) {
    if (r) bl_arena_destroy(r->arena);
}

bl_status bl_report_write_html(bl_report *r, const char *path) {
    bl_point format = bl_point_begin(); /* SVG and CSS */
    bl_status status = write_page(r, path);
    bl_point_end(format);
    return status;
}

bl_status bl_report_write(const char *const *dirs, int n_dirs, const char *title,
                          const char *out_html) {
    if (n_dirs < 1) return bl_fail(BL_EINVAL, "a report needs at least one folder of results");
    bl_report_source *sources = calloc((size_t)n_dirs, sizeof *sources);
    if (!sources) return bl_no_memory("for the report");
    for (int i = 0; i < n_dirs; i++) sources[i].path = dirs[i];
    bl_report_options options = {.title = title};
    bl_report *r;
    bl_status status = bl_report_open(sources, n_dirs, &options, &r);
    if (status == BL_OK) status = bl_report_write_html(r, out_html);
    bl_report_close(r);
    free(sources);
    return status;
}
