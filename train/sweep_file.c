/* Reads a sweep file and spreads its runs over its grid. */
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "train/sweep.h"

static bl_status wrong(const bl_json *doc, const char *at, const char *what) {
    return bl_fail(BL_ECONFIG, "%s:%d: %s: %s", doc->file, bl_json_line(doc, at), at, what);
}

static bl_status known_keys(const bl_json *doc, struct json_object *o, const char *path,
                            const char *const *keys) {
    json_object_object_foreach(o, key, value) {
        (void)value;
        bool known = false;
        for (int i = 0; keys[i] && !known; i++) known = strcmp(keys[i], key) == 0;
        if (known) continue;
        char at[128];
        snprintf(at, sizeof at, "%s%s%.80s", path, *path ? "." : "", key);
        const char *near = bl_did_you_mean(key, keys);
        char what[128];
        snprintf(what, sizeof what, "unknown key%s%s%s", near ? ", did you mean \"" : "",
                 near ? near : "", near ? "\"?" : "");
        return wrong(doc, at, what);
    }
    return BL_OK;
}

/* A missing key leaves an empty list. */
static bl_status read_strings(const bl_json *doc, struct json_object *o, const char *path,
                              const char *key, bl_arena *arena, bl_strings *out) {
    struct json_object *a;
    *out = (bl_strings){0};
    if (!json_object_object_get_ex(o, key, &a)) return BL_OK;
    char at[128];
    snprintf(at, sizeof at, "%s%s%s", path, *path ? "." : "", key);
    if (!json_object_is_type(a, json_type_array)) return wrong(doc, at, "expected an array");
    out->n = (int32_t)json_object_array_length(a);
    out->v = BL_NEW_ARRAY(arena, const char *, out->n + 1);
    if (!out->v) return BL_ENOMEM;
    for (int32_t i = 0; i < out->n; i++) {
        struct json_object *e = json_object_array_get_idx(a, (size_t)i);
        if (!json_object_is_type(e, json_type_string)) return wrong(doc, at, "expected strings");
        if (!(out->v[i] = bl_arena_strdup(arena, json_object_get_string(e)))) return BL_ENOMEM;
    }
    return BL_OK;
}

static bl_status read_seeds(const bl_json *doc, bl_arena *arena, bl_ints *out) {
    struct json_object *a;
    if (!json_object_object_get_ex(doc->root, "seeds", &a) ||
        !json_object_is_type(a, json_type_array) || json_object_array_length(a) == 0)
        return wrong(doc, "seeds", "expected an array of at least one seed");
    if (json_object_array_length(a) > 1000) return wrong(doc, "seeds", "more than 1000 seeds");
    out->n = (int32_t)json_object_array_length(a);
    out->v = BL_NEW_ARRAY(arena, int64_t, out->n);
    if (!out->v) return BL_ENOMEM;
    for (int32_t i = 0; i < out->n; i++) {
        struct json_object *e = json_object_array_get_idx(a, (size_t)i);
        if (!json_object_is_type(e, json_type_int) || json_object_get_int64(e) < 0)
            return wrong(doc, "seeds", "expected integers from 0");
        out->v[i] = json_object_get_int64(e);
        for (int32_t j = 0; j < i; j++)
            if (out->v[j] == out->v[i]) return wrong(doc, "seeds", "a seed is listed twice");
    }
    return BL_OK;
}

static const char *text_of(struct json_object *o, const char *key) {
    struct json_object *v;
    return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string)
               ? json_object_get_string(v)
               : NULL;
}

/* A name becomes a folder. */
static bool folder_name(const char *s) {
    if (!*s || *s == '.' || strlen(s) > 100) return false;
    for (; *s; s++)
        if (*s == '/' || (unsigned char)*s < ' ') return false;
    return true;
}

static bl_status read_run(const bl_json *doc, struct json_object *o, int32_t i, const char *dir,
                          bl_arena *arena, bl_sweep_run *r) {
    static const char *const keys[] = {"name", "config", "settings", "grid", NULL};
    char at[64];
    snprintf(at, sizeof at, "runs[%d]", (int)i);
    if (!json_object_is_type(o, json_type_object)) return wrong(doc, at, "expected an object");
    BL_TRY(known_keys(doc, o, at, keys));
    const char *name = text_of(o, "name"), *config = text_of(o, "config");
    if (!name || !folder_name(name))
        return wrong(doc, at, "needs a \"name\" that can name a folder");
    if (!config) return wrong(doc, at, "needs a \"config\", the path of a configuration");
    char *path = bl_path_join(dir, config);
    r->name = bl_arena_strdup(arena, name);
    r->config = path ? bl_arena_strdup(arena, path) : NULL;
    free(path);
    if (!r->name || !r->config) return BL_ENOMEM;
    return read_strings(doc, o, at, "settings", arena, &r->settings);
}

/* ---- the grid ---- */

enum { MAX_AXES = 8, MAX_RUNS = 10000 };

/* One axis: its points with a name and the settings that make them. */
typedef struct axis {
    int32_t n;
    const char **label;
    bl_strings *settings;
} axis;

static bl_status new_axis(bl_arena *arena, size_t n, axis *out) {
    *out = (axis){.n = (int32_t)n,
                  .label = BL_NEW_ARRAY(arena, const char *, n),
                  .settings = BL_NEW_ARRAY(arena, bl_strings, n)};
    return out->label && out->settings ? BL_OK : BL_ENOMEM;
}

/* "method.gbr.beta": [0.3, 0.5, 1]: values of a setting. */
static bl_status read_values(const char *key, struct json_object *list, bl_arena *arena,
                             axis *out) {
    const char *name = strncmp(key, "method.", 7) == 0 ? key + 7 : key;
    BL_TRY(new_axis(arena, json_object_array_length(list), out));
    for (int32_t i = 0; i < out->n; i++) {
        struct json_object *e = json_object_array_get_idx(list, (size_t)i);
        const char *text = json_object_is_type(e, json_type_string)
                               ? json_object_get_string(e)
                               : json_object_to_json_string_ext(e, JSON_C_TO_STRING_PLAIN);
        out->label[i] = bl_arena_printf(arena, "%s=%s", name, text);
        out->settings[i] = (bl_strings){1, BL_NEW_ARRAY(arena, const char *, 1)};
        if (!out->label[i] || !out->settings[i].v) return BL_ENOMEM;
        out->settings[i].v[0] = bl_arena_printf(arena, "%s=%s", key, text);
        if (!out->settings[i].v[0]) return BL_ENOMEM;
    }
    return BL_OK;
}

/* "sampling": {"random": [], "RFS": ["method.rfs=0.5"]}: named lists of settings. */
static bl_status read_choices(const bl_json *doc, const char *at, struct json_object *choices,
                              bl_arena *arena, axis *out) {
    BL_TRY(new_axis(arena, (size_t)json_object_object_length(choices), out));
    int32_t i = 0;
    json_object_object_foreach(choices, name, list) {
        (void)list;
        out->label[i] = bl_arena_strdup(arena, name);
        if (!out->label[i]) return BL_ENOMEM;
        BL_TRY(read_strings(doc, choices, at, name, arena, &out->settings[i]));
        i++;
    }
    return BL_OK;
}

static bl_status read_grid(const bl_json *doc, const char *path, struct json_object *grid,
                           bl_arena *arena, axis *v, int *n) {
    *n = 0;
    if (!json_object_is_type(grid, json_type_object))
        return wrong(doc, path, "expected an object of axes: {\"key.path\": [values], ...}");
    if (json_object_object_length(grid) > MAX_AXES) return wrong(doc, path, "more than 8 axes");
    json_object_object_foreach(grid, key, value) {
        char at[192];
        snprintf(at, sizeof at, "%s.%.120s", path, key);
        bool list = json_object_is_type(value, json_type_array);
        if (!list && !json_object_is_type(value, json_type_object))
            return wrong(doc, at,
                         "expected an array of values, or an object of named lists of "
                         "settings");
        BL_TRY(list ? read_values(key, value, arena, &v[*n])
                    : read_choices(doc, at, value, arena, &v[*n]));
        if (v[*n].n == 0) return wrong(doc, at, "needs at least one point");
        *n += 1;
    }
    return BL_OK;
}

/* The run at point `at` of the grid; the last axis changes fastest. */
static bl_status point(const bl_sweep_run *base, const axis *v, int n, int64_t at, bl_arena *arena,
                       bl_sweep_run *out) {
    int32_t index[MAX_AXES], settings = base->settings.n;
    for (int k = n - 1; k >= 0; k--) {
        index[k] = (int32_t)(at % v[k].n);
        at /= v[k].n;
        settings += v[k].settings[index[k]].n;
    }
    *out = (bl_sweep_run){.name = base->name, .config = base->config};
    out->settings.v = BL_NEW_ARRAY(arena, const char *, settings + 1);
    if (!out->settings.v) return BL_ENOMEM;
    for (int32_t i = 0; i < base->settings.n; i++)
        out->settings.v[out->settings.n++] = base->settings.v[i];
    for (int k = 0; k < n; k++) {
        const bl_strings *more = &v[k].settings[index[k]];
        for (int32_t i = 0; i < more->n; i++) out->settings.v[out->settings.n++] = more->v[i];
        out->name = bl_arena_printf(arena, "%s %s", out->name, v[k].label[index[k]]);
        if (!out->name) return BL_ENOMEM;
    }
    return BL_OK;
}

/* The runs of one entry of "runs": itself, or its points of the grid, appended to `out`. */
static bl_status add_runs(const bl_json *doc, struct json_object *entry, int32_t i, const char *dir,
                          bl_arena *arena, bl_sweep *out) {
    bl_sweep_run base;
    BL_TRY(read_run(doc, entry, i, dir, arena, &base));
    axis v[MAX_AXES];
    int n = 0;
    int64_t points = 1;
    char at[64];
    struct json_object *grid;
    snprintf(at, sizeof at, "runs[%d].grid", (int)i);
    if (json_object_object_get_ex(entry, "grid", &grid)) {
        BL_TRY(read_grid(doc, at, grid, arena, v, &n));
    } else if (json_object_object_get_ex(doc->root, "grid", &grid)) {
        BL_TRY(read_grid(doc, "grid", grid, arena, v, &n));
    }
    for (int k = 0; k < n; k++) points = points > MAX_RUNS ? points : points * v[k].n;
    if (points + out->n_runs > MAX_RUNS)
        return wrong(doc, "grid", "more than 10000 runs; use fewer values or fewer axes");
    bl_sweep_run *all = BL_NEW_ARRAY(arena, bl_sweep_run, out->n_runs + points);
    if (!all) return BL_ENOMEM;
    if (out->n_runs) memcpy(all, out->run, sizeof *all * (size_t)out->n_runs);
    out->run = all;
    for (int64_t k = 0; k < points; k++) {
        bl_sweep_run *r = &all[out->n_runs];
        BL_TRY(point(&base, v, n, k, arena, r));
        snprintf(at, sizeof at, "runs[%d]", (int)i);
        if (!folder_name(r->name))
            return wrong(doc, at,
                         "a point of its grid has no name that can name a folder (no "
                         "\"/\", at most 100 characters)");
        for (int32_t j = 0; j < out->n_runs; j++)
            if (strcmp(all[j].name, r->name) == 0)
                return wrong(doc, "runs", "two runs have the same name");
        out->n_runs++;
    }
    return BL_OK;
}

static bl_status find_baseline(const bl_json *doc, bl_sweep *s) {
    struct json_object *name;
    s->baseline = -1;
    if (!json_object_object_get_ex(doc->root, "baseline", &name)) return BL_OK;
    for (int32_t i = 0; i < s->n_runs && json_object_is_type(name, json_type_string); i++)
        if (strcmp(s->run[i].name, json_object_get_string(name)) == 0) s->baseline = i;
    return s->baseline < 0 ? wrong(doc, "baseline", "expected the name of one of the runs") : BL_OK;
}

static bl_status read_all(const bl_json *doc, bl_arena *arena, bl_sweep *out) {
    static const char *const keys[] = {"seeds",    "statistic", "settings", "grid",
                                       "baseline", "runs",      NULL};
    static const char *const statistics[] = {"last", "best", "median20", "mean20", NULL};
    struct json_object *runs, *statistic;
    *out = (bl_sweep){.statistic = "median20"};
    if (!json_object_is_type(doc->root, json_type_object))
        return wrong(doc, "", "the top level must be an object { ... }");
    BL_TRY(known_keys(doc, doc->root, "", keys));
    BL_TRY(read_seeds(doc, arena, &out->seeds));
    BL_TRY(read_strings(doc, doc->root, "", "settings", arena, &out->settings));
    if (json_object_object_get_ex(doc->root, "statistic", &statistic)) {
        out->statistic = NULL;
        for (int i = 0; statistics[i] && json_object_is_type(statistic, json_type_string); i++)
            if (strcmp(statistics[i], json_object_get_string(statistic)) == 0)
                out->statistic = statistics[i];
        if (!out->statistic)
            return wrong(doc, "statistic", "expected last, best, median20 or mean20");
    }
    if (!json_object_object_get_ex(doc->root, "runs", &runs) ||
        !json_object_is_type(runs, json_type_array) || json_object_array_length(runs) == 0)
        return wrong(doc, "runs", "expected an array of at least one run");
    char *dir = bl_path_dir(doc->file);
    bl_status status = dir ? BL_OK : bl_no_memory(NULL);
    for (size_t i = 0; status == BL_OK && i < json_object_array_length(runs); i++)
        status = add_runs(doc, json_object_array_get_idx(runs, i), (int32_t)i, dir, arena, out);
    free(dir);
    return status == BL_OK ? find_baseline(doc, out) : status;
}

bl_status bl_sweep_load(const char *path, bl_arena *arena, bl_sweep *out) {
    bl_json doc = {0};
    bl_status status = bl_json_load(path, &doc);
    if (status == BL_EFORMAT) status = BL_ECONFIG; /* broken JSON that a person wrote */
    if (status == BL_OK) status = read_all(&doc, arena, out);
    bl_json_free(&doc);
    return status;
}
