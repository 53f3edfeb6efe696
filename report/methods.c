/* Runs as methods: which runs are seeds of the same method, their mean and spread, and which method
 * differences refer to. */
#include <json-c/json.h>
#include <math.h>
#include <string.h>

#include "core/json.h"
#include "report/data.h"

/* ---- configurations as flat lists ---- */

static bool add_setting(bl_arena *a, rep_settings *s, const char *key, const char *value) {
    if (s->n == s->cap) {
        int cap = s->cap ? 2 * s->cap : 128;
        rep_setting *v = BL_NEW_ARRAY(a, rep_setting, cap);
        if (!v) return false;
        if (s->n) memcpy(v, s->v, (size_t)s->n * sizeof *v);
        s->v = v;
        s->cap = cap;
    }
    s->v[s->n] = (rep_setting){bl_arena_strdup(a, key), bl_arena_strdup(a, value)};
    return s->v[s->n].key && s->v[s->n++].value;
}

static void flatten(bl_arena *a, struct json_object *o, const char *prefix, rep_settings *s) {
    if (!json_object_is_type(o, json_type_object)) {
        add_setting(a, s, prefix, json_object_to_json_string_ext(o, JSON_C_TO_STRING_SPACED));
        return;
    }
    json_object_object_foreach(o, key, value) {
        char *path = bl_arena_printf(a, "%s%s%s", prefix, *prefix ? "." : "", key);
        if (path) flatten(a, value, path, s);
    }
}

rep_settings bl_rep_settings_of(bl_arena *a, const char *text) {
    rep_settings s = {0};
    bl_json doc = {0};
    if (!text || bl_json_parse(text, strlen(text), "config.json", &doc) != BL_OK) return s;
    flatten(a, doc.root, "", &s);
    bl_json_free(&doc);
    return s;
}

const char *bl_rep_setting_find(const rep_settings *s, const char *key) {
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->v[i].key, key) == 0) return s->v[i].value;
    return NULL;
}

/* ---- which runs belong together ---- */

/* Settings that do not tell methods apart: the seed, and where and how fast a run is done. With
 * `data`, the files of a split, too. */
static bool is_incidental(const char *key, bool data) {
    static const char *const last_parts[] = {
        "seed",     "fold",        "threads", "device",    "workers",         "prefetch",
        "cache_mb", "tuning_file", "backend", "log_every", "keep_checkpoints"};
    static const char *const files[] = {
        "data.root",      "data.labelled",       "data.unlabelled",      "data.test",
        "data.image_dir", "data.test_image_dir", "data.labelled_indices"};
    const char *dot = strrchr(key, '.'), *last = dot ? dot + 1 : key;
    size_t n = strlen(last);
    if (n > 5 && strcmp(last + n - 5, "_seed") == 0) return true;
    for (size_t i = 0; i < sizeof last_parts / sizeof *last_parts; i++)
        if (strcmp(last, last_parts[i]) == 0) return true;
    for (size_t i = 0; data && i < sizeof files / sizeof *files; i++)
        if (strcmp(key, files[i]) == 0) return true;
    return false;
}

static bool contained(const rep_settings *a, const rep_settings *b, bool data) {
    for (int i = 0; i < a->n; i++) {
        if (is_incidental(a->v[i].key, data)) continue;
        /* Most often both lists have the same keys in the same places. */
        const char *other = i < b->n && strcmp(b->v[i].key, a->v[i].key) == 0
                                ? b->v[i].value
                                : bl_rep_setting_find(b, a->v[i].key);
        if (!other || strcmp(other, a->v[i].value) != 0) return false;
    }
    return true;
}

static bool same_method(const rep_settings *a, const rep_settings *b, bool data) {
    return a->n > 0 && b->n > 0 && contained(a, b, data) && contained(b, a, data);
}

/* What the members' labels begin with, without a trailing "seed", "s" or separators. */
static const char *method_label(rep_report *r, const rep_method *m) {
    const char *first = r->runs[m->runs[0]].label;
    if (m->n == 1) return first;
    size_t n = strlen(first);
    for (int i = 1; i < m->n; i++) {
        const char *other = r->runs[m->runs[i]].label;
        size_t same = 0;
        while (same < n && other[same] && other[same] == first[same]) same++;
        n = same;
    }
    char *label = bl_arena_strdup(r->arena, first);
    if (!label) return NULL;
    label[n] = 0;
    static const char *const tails[] = {"seed", "run", "s"};
    for (bool more = true; more;) {
        more = false;
        while (n > 0 && strchr("_-/. ", label[n - 1])) label[--n] = 0;
        for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
            size_t t = strlen(tails[i]);
            bool separate = n == t || (n > t && strchr("_-/. ", label[n - t - 1]));
            if (n < t || !separate || strcmp(label + n - t, tails[i]) != 0) continue;
            label[n -= t] = 0;
            more = true;
        }
    }
    return n ? label : bl_arena_printf(r->arena, "%s and %d more", first, m->n - 1);
}

static bl_status find_baseline(rep_report *r, const char *wanted) {
    r->baseline = 0;
    if (!wanted) return BL_OK;
    for (int m = 0; m < r->n_methods; m++)
        if (strcmp(r->methods[m].label, wanted) == 0) {
            r->baseline = m;
            return BL_OK;
        }
    for (int i = 0; i < r->n_runs; i++)
        if (strcmp(r->runs[i].label, wanted) == 0 || strcmp(r->runs[i].dir, wanted) == 0) {
            r->baseline = r->runs[i].method;
            return BL_OK;
        }
    char *have = bl_arena_strdup(r->arena, "");
    for (int m = 0; have && m < r->n_methods; m++)
        have = bl_arena_printf(r->arena, "%s%s\"%s\"", have, m ? ", " : "", r->methods[m].label);
    return bl_fail(BL_ECONFIG, "baseline \"%s\" is not in the report; it has %s", wanted,
                   have ? have : "others");
}

bl_status bl_rep_make_methods(rep_report *r, const bl_report_options *options) {
    rep_settings *s = BL_NEW_ARRAY(r->arena, rep_settings, r->n_runs);
    r->methods = BL_NEW_ARRAY(r->arena, rep_method, r->n_runs);
    if (!s || !r->methods) return BL_ENOMEM;
    for (int i = 0; i < r->n_runs; i++) {
        s[i] = bl_rep_settings_of(r->arena, r->runs[i].config);
        int to = -1;
        for (int m = 0; m < r->n_methods && to < 0; m++)
            if (options->grouping != BL_REPORT_GROUP_NONE &&
                same_method(&s[i], &s[r->methods[m].runs[0]],
                            options->grouping == BL_REPORT_GROUP_SEED))
                to = m;
        if (to < 0) {
            to = r->n_methods++;
            r->methods[to].runs = BL_NEW_ARRAY(r->arena, int, r->n_runs);
            if (!r->methods[to].runs) return BL_ENOMEM;
        }
        rep_method *m = &r->methods[to];
        m->runs[m->n++] = i;
        r->runs[i].method = to;
        r->seeds = r->seeds || m->n > 1;
    }
    for (int m = 0; m < r->n_methods; m++) {
        r->methods[m].label = method_label(r, &r->methods[m]);
        if (!r->methods[m].label) return BL_ENOMEM;
    }
    return find_baseline(r, options->baseline);
}

const rep_run *bl_rep_first(const rep_report *r, int method) {
    return &r->runs[r->methods[method].runs[0]];
}

/* ---- mean and spread ---- */

void bl_rep_stat_add(rep_stat *s, double *sum_of_squares, double x) {
    if (isnan(x)) return;
    if (s->n++ == 0) {
        *s = (rep_stat){x, NAN, x, x, 1};
        *sum_of_squares = 0;
        return;
    }
    double before = x - s->mean;
    s->mean += before / s->n;
    *sum_of_squares += before * (x - s->mean);
    s->std = sqrt(*sum_of_squares / (s->n - 1));
    s->lo = fmin(s->lo, x);
    s->hi = fmax(s->hi, x);
}

static const rep_stat nothing = {NAN, NAN, NAN, NAN, 0};

rep_stat bl_rep_method_summary(const rep_report *r, int method, int group, int column) {
    rep_stat s = nothing;
    double squares = 0;
    for (int i = 0; i < r->methods[method].n; i++) {
        const rep_model *m = bl_rep_main_model(&r->runs[r->methods[method].runs[i]]);
        bl_rep_stat_add(&s, &squares, bl_rep_summary_value(m, group, column));
    }
    return s;
}

rep_stat bl_rep_method_class(const rep_report *r, int method, int k, int column) {
    rep_stat s = nothing;
    double squares = 0;
    for (int i = 0; i < r->methods[method].n; i++)
        bl_rep_stat_add(&s, &squares,
                        bl_rep_class_metric(&r->runs[r->methods[method].runs[i]], k, column));
    return s;
}

rep_gain bl_rep_difference(rep_stat a, rep_stat base) {
    rep_gain g = {a.mean - base.mean, NAN};
    if (a.n > 1 && base.n > 1) g.error = sqrt(a.std * a.std / a.n + base.std * base.std / base.n);
    return g;
}
