/* Configuration and provenance: what differs between the runs, and everything in full. */
#include <stdlib.h>
#include <string.h>

#include "report/html.h"
#include "report/sections.h"

/* Runs without a configuration (score folders) have no column. */
typedef struct compared {
    rep_settings s;
    int run;
} compared;

static void difference_row(FILE *f, const compared *c, int n, const char *key) {
    fputs("<tr><th scope=\"row\"><code>", f);
    bl_html_text(f, key);
    fputs("</code></th>", f);
    for (int i = 0; i < n; i++) {
        const char *value = bl_rep_setting_find(&c[i].s, key);
        fputs("<td class=\"t\">", f);
        bl_html_text(f, value ? value : "\xe2\x80\x93");
        fputs("</td>", f);
    }
    fputs("</tr>\n", f);
}

static bool differs(const compared *c, int n, const char *key) {
    const char *first = bl_rep_setting_find(&c[0].s, key);
    for (int i = 1; i < n; i++) {
        const char *other = bl_rep_setting_find(&c[i].s, key);
        if (!first != !other || (first && strcmp(first, other) != 0)) return true;
    }
    return false;
}

void bl_rep_differences(FILE *f, const rep_report *r) {
    compared *c = BL_NEW_ARRAY(r->arena, compared, r->n_runs);
    int n = 0, rows = 0;
    for (int i = 0; c && i < r->n_runs; i++) {
        rep_settings s = bl_rep_settings_of(r->arena, r->runs[i].config);
        if (s.n) c[n++] = (compared){s, i};
    }
    if (n < 2) return;
    bl_rep_section_begin(f, "settings", "Settings that differ", NULL);
    bl_rep_scroll_begin(f, "", "Settings that differ");
    fputs("<table class=\"facts\"><caption>Every configuration key whose value is not the same in "
          "all runs that have a configuration.</caption>\n<thead><tr><th scope=\"col\">Key</th>",
          f);
    for (int i = 0; i < n; i++) {
        fputs("<th scope=\"col\">", f);
        bl_rep_run_name(f, r, c[i].run);
        fputs("</th>", f);
    }
    fputs("</tr></thead>\n<tbody>\n", f);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < c[i].s.n; k++) {
            const char *key = c[i].s.v[k].key;
            bool seen = false;
            for (int j = 0; j < i; j++) seen = seen || bl_rep_setting_find(&c[j].s, key);
            if (seen || !differs(c, n, key)) continue;
            difference_row(f, c, n, key);
            rows++;
        }
    if (!rows) fprintf(f, "<tr><td class=\"t\" colspan=\"%d\">none</td></tr>\n", n + 1);
    fputs("</tbody></table>", f);
    bl_rep_scroll_end(f);
    bl_rep_section_end(f);
}

static void block(FILE *f, const char *heading, const char *text) {
    if (!text) return;
    fprintf(f, "<h3>%s</h3><pre>", heading);
    bl_html_text(f, text);
    fputs("</pre>\n", f);
}

void bl_rep_provenance(FILE *f, const rep_report *r) {
    bl_rep_section_begin(f, "provenance", "Provenance and configuration", NULL);
    for (int i = 0; i < r->n_runs; i++) {
        const rep_run *run = &r->runs[i];
        fputs("<details><summary>", f);
        bl_rep_run_name(f, r, i);
        fprintf(f, "</summary>\n<p class=\"about\">%s: <code>",
                run->origin   ? "Result"
                : run->scored ? "Score folder"
                              : "Run folder");
        bl_html_text(f, run->origin ? run->origin : run->dir);
        fputs("</code></p>\n", f);
        block(f, "Provenance", run->provenance);
        block(f, "Configuration", run->config);
        fputs("</details>\n", f);
    }
    for (int i = 0; i < r->n_runs; i++) {
        const rep_run *run = &r->runs[i];
        if (!run->n_missing) continue;
        fputs("<p class=\"about\">Not in ", f);
        bl_html_text(f, run->label);
        fputs(": ", f);
        for (int m = 0; m < run->n_missing; m++) {
            if (m) fputs("; ", f);
            bl_html_text(f, run->missing[m]);
        }
        fputs(".</p>\n", f);
    }
    bl_rep_section_end(f);
}
