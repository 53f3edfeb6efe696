#include "eval/report.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "eval/report_html.h"
#include "eval/report_sections.h"

/* "sha256-<base64>" of the script: with it, the page's policy lets this script run and no other,
 * whatever a class name or a path might smuggle in. */
static void script_hash(char out[64]) {
    char hex[65];
    uint8_t digest[32];
    bl_sha256(rep_script, strlen(rep_script), hex);
    for (int i = 0; i < 32; i++) {
        unsigned v;
        sscanf(hex + 2 * i, "%2x", &v);
        digest[i] = (uint8_t)v;
    }
    strcpy(out, "sha256-");
    html_base64(digest, 32, out + 7);
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
    html_text(f, r->title);
    fprintf(f, "</title>\n<style>%s</style>\n</head>\n<body>\n<header>\n<h1>", rep_css);
    html_text(f, r->title);
    fputs("</h1>\n", f);
}

/* One paragraph that says what the reader looks at. */
static void introduction(FILE *f, const rep_report *r) {
    fputs("<p>Object detection report of ", f);
    if (r->n_runs == 1) {
        fputs("the training run <strong>", f);
        html_text(f, r->runs[0].label);
        fputs("</strong>", f);
    } else {
        fprintf(f, "%d training runs side by side; differences refer to the first, <strong>",
                r->n_runs);
        html_text(f, r->runs[0].label);
        fputs("</strong>", f);
    }
    fputs(
        ". AP is COCO average precision on the test set (IoU 0.50:0.95, 101 recall points, at most "
        "100 detections per image and class), in percent. Where a run has a teacher (the moving "
        "average of the student), plots and comparisons show the teacher.</p>\n",
        f);
    if (r->n_groups > 0 && r->n_classes > 0) {
        fprintf(f, "<p class=\"about\">%d classes", r->n_classes);
        for (int g = 0; g < r->n_groups; g++) {
            int members = 0;
            for (int k = 0; k < r->n_classes; k++) members += r->classes[k].group == g;
            fprintf(f, "%s %d ", g ? "," : ":", members);
            html_text(f, r->groups[g]);
        }
        if (r->by_frequency) {
            double most = r->classes[0].train_boxes, least = most;
            for (int k = 0; k < r->n_classes; k++)
                if (r->classes[k].train_boxes < least) least = r->classes[k].train_boxes;
            fputs("; labelled boxes per class from ", f);
            html_count(f, most);
            fputs(" down to ", f);
            html_count(f, least);
        }
        fputs(".</p>\n", f);
    }
}

static const struct {
    const char *id, *name;
    void (*write)(FILE *f, const rep_report *r);
} sections[] = {
    {"results", "Results", rep_summary_table},
    {"training", "AP over training", rep_ap_over_training},
    {"classes", "AP by class", rep_class_bars},
    {"differences", "Gains", rep_class_table},
    {"pr", "Precision and recall", rep_pr_curves},
    {"state", "Weights and thresholds", rep_class_state},
    {"pseudo", "Pseudo labels", rep_pseudo_quality},
    {"losses", "Losses", rep_losses},
    {"examples", "Examples", rep_examples},
    {"details", "All metrics", rep_class_details},
    {"settings", "Settings", rep_differences},
    {"provenance", "Provenance", rep_provenance},
};
enum { SECTIONS = sizeof sections / sizeof *sections };

static bl_status body(FILE *f, const rep_report *r) {
    /* Sections leave themselves out when they have nothing to show; the menu names those that came.
     */
    char *text[SECTIONS] = {0};
    size_t size[SECTIONS] = {0};
    bl_status status = BL_OK;
    for (int i = 0; i < SECTIONS && status == BL_OK; i++) {
        FILE *part = open_memstream(&text[i], &size[i]);
        if (part) sections[i].write(part, r);
        if (!part || fclose(part) != 0) status = bl_fail(BL_ENOMEM, "no memory for the report");
    }
    if (status == BL_OK) {
        fputs("<nav aria-label=\"Sections\">", f);
        for (int i = 0; i < SECTIONS; i++)
            if (size[i]) fprintf(f, "<a href=\"#%s\">%s</a>", sections[i].id, sections[i].name);
        fputs("</nav>\n<p class=\"tools\"><label for=\"filter\">Show classes that contain "
              "</label><input id=\"filter\" type=\"search\" autocomplete=\"off\"></p>\n"
              "</header>\n<main>\n",
              f);
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
    bl_status status = body(o.f, r);
    fprintf(o.f,
            "<footer>Written by Ballast. This file is complete in itself and loads nothing from a "
            "network.</footer>\n<script>%s</script>\n</body>\n</html>\n",
            rep_script);
    if (status != BL_OK) {
        bl_outfile_abort(&o);
        return status;
    }
    return bl_outfile_commit(&o);
}

bl_status bl_report_write(const char *const *run_dirs, int n_runs, const char *title,
                          const char *out_html) {
    if (n_runs < 1) return bl_fail(BL_EINVAL, "a report needs at least one run folder");
    rep_report r = {.arena = bl_arena_create(0)};
    if (!r.arena) return bl_fail(BL_ENOMEM, "no memory for the report");
    /* Numbers in SVG and CSS have a point, whatever the host's locale says. */
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t old = c ? uselocale(c) : (locale_t)0;
    bl_status status = rep_load(&r, run_dirs, n_runs, title ? title : "Ballast report");
    if (status == BL_OK) status = write_page(&r, out_html);
    if (c) {
        uselocale(old);
        freelocale(c);
    }
    bl_arena_destroy(r.arena);
    return status;
}
