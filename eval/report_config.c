/* Configuration and provenance: what differs between the runs, and everything in full. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "eval/report_html.h"
#include "eval/report_sections.h"

/* Settings of one run as pairs of dotted key and JSON text. */
typedef struct setting {
    const char *key, *value;
} setting;
typedef struct settings {
    setting *v;
    int n, cap;
} settings;

static bool add_setting(bl_arena *a, settings *s, const char *key, const char *value) {
    if (s->n == s->cap) {
        int cap = s->cap ? 2 * s->cap : 128;
        setting *v = BL_NEW_ARRAY(a, setting, cap);
        if (!v) return false;
        if (s->n) memcpy(v, s->v, (size_t)s->n * sizeof *v);
        s->v = v, s->cap = cap;
    }
    s->v[s->n] = (setting){bl_arena_strdup(a, key), bl_arena_strdup(a, value)};
    return s->v[s->n].key && s->v[s->n++].value;
}

static void flatten(bl_arena *a, struct json_object *o, const char *prefix, settings *s) {
    if (!json_object_is_type(o, json_type_object)) {
        add_setting(a, s, prefix, json_object_to_json_string_ext(o, JSON_C_TO_STRING_SPACED));
        return;
    }
    json_object_object_foreach(o, key, value) {
        char *path = bl_arena_printf(a, "%s%s%s", prefix, *prefix ? "." : "", key);
        if (path) flatten(a, value, path, s);
    }
}

static const char *find_setting(const settings *s, const char *key) {
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->v[i].key, key) == 0) return s->v[i].value;
    return NULL;
}

static void difference_row(FILE *f, const settings *s, int n_runs, const char *key) {
    fputs("<tr><th scope=\"row\"><code>", f);
    html_text(f, key);
    fputs("</code></th>", f);
    for (int i = 0; i < n_runs; i++) {
        const char *value = find_setting(&s[i], key);
        fputs("<td>", f);
        html_text(f, value ? value : "\xe2\x80\x93");
        fputs("</td>", f);
    }
    fputs("</tr>\n", f);
}

static bool differs(const settings *s, int n_runs, const char *key) {
    const char *first = find_setting(&s[0], key);
    for (int i = 1; i < n_runs; i++) {
        const char *other = find_setting(&s[i], key);
        if (!first != !other || (first && strcmp(first, other) != 0)) return true;
    }
    return false;
}

void rep_differences(FILE *f, const rep_report *r) {
    if (r->n_runs < 2) return;
    settings *s = BL_NEW_ARRAY(r->arena, settings, r->n_runs);
    if (!s) return;
    for (int i = 0; i < r->n_runs; i++) {
        bl_json doc = {0};
        const char *text = r->runs[i].config;
        if (!text) return; /* named as missing; a comparison would mislead */
        if (bl_json_parse(text, strlen(text), "config.json", &doc) != BL_OK) return;
        flatten(r->arena, doc.root, "", &s[i]);
        bl_json_free(&doc);
    }
    rep_section_begin(f, "settings", "Settings that differ", NULL);
    fputs(
        "<div class=\"scroll\"><table><caption>Every configuration key whose value is not the same "
        "in all runs.</caption>\n<thead><tr><th scope=\"col\">Key</th>",
        f);
    for (int i = 0; i < r->n_runs; i++) {
        fputs("<th scope=\"col\">", f);
        rep_run_name(f, r, i);
        fputs("</th>", f);
    }
    fputs("</tr></thead>\n<tbody>\n", f);
    int rows = 0;
    for (int i = 0; i < r->n_runs; i++)
        for (int k = 0; k < s[i].n; k++) {
            bool seen = false;
            for (int j = 0; j < i; j++) seen = seen || find_setting(&s[j], s[i].v[k].key);
            if (seen || !differs(s, r->n_runs, s[i].v[k].key)) continue;
            difference_row(f, s, r->n_runs, s[i].v[k].key);
            rows++;
        }
    if (!rows) fprintf(f, "<tr><td colspan=\"%d\">none</td></tr>\n", r->n_runs + 1);
    fputs("</tbody></table></div>\n", f);
    rep_section_end(f);
}

static void block(FILE *f, const char *heading, const char *text) {
    if (!text) return;
    fprintf(f, "<h3>%s</h3><pre>", heading);
    html_text(f, text);
    fputs("</pre>\n", f);
}

void rep_provenance(FILE *f, const rep_report *r) {
    rep_section_begin(f, "provenance", "Provenance and configuration", NULL);
    for (int i = 0; i < r->n_runs; i++) {
        const rep_run *run = &r->runs[i];
        fputs("<details><summary>", f);
        rep_run_name(f, r, i);
        fputs("</summary>\n<p class=\"about\">Run folder: <code>", f);
        html_text(f, run->dir);
        fputs("</code></p>\n", f);
        block(f, "Provenance", run->provenance);
        block(f, "Configuration", run->config);
        fputs("</details>\n", f);
    }
    for (int i = 0; i < r->n_runs; i++) {
        const rep_run *run = &r->runs[i];
        if (!run->n_missing) continue;
        fputs("<p class=\"about\">Not in ", f);
        html_text(f, run->label);
        fputs(": ", f);
        for (int m = 0; m < run->n_missing; m++) {
            if (m) fputs("; ", f);
            html_text(f, run->missing[m]);
        }
        fputs(".</p>\n", f);
    }
    rep_section_end(f);
}
