#include "eval/report_data.h"

#include <dirent.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "eval/report_html.h"

const char *const bl_rep_state_keys[REP_STATES] = {"weight", "threshold", "pseudo",
                                                   "kept",   "precision", "recall"};

bl_status bl_rep_push(bl_arena *a, rep_vec *v, double x) {
    if (v->n == v->cap) {
        int cap = v->cap ? 2 * v->cap : 64;
        double *bigger = BL_NEW_ARRAY(a, double, cap);
        if (!bigger) return BL_ENOMEM;
        if (v->n) memcpy(bigger, v->v, (size_t)v->n * sizeof *bigger);
        v->v = bigger;
        v->cap = cap;
    }
    v->v[v->n++] = x;
    return BL_OK;
}

const rep_series *bl_rep_series_find(const rep_series_list *list, const char *key) {
    for (int i = 0; i < list->n; i++)
        if (strcmp(list->v[i].key, key) == 0) return &list->v[i];
    return NULL;
}

/* ---- JSON ---- */

struct json_object *bl_rep_get(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    if (!o || !json_object_is_type(o, json_type_object)) return NULL;
    return json_object_object_get_ex(o, key, &v) ? v : NULL;
}

double bl_rep_value(struct json_object *o) {
    if (!json_object_is_type(o, json_type_double) && !json_object_is_type(o, json_type_int))
        return NAN;
    double v = json_object_get_double(o);
    return fabs(v) < 1e30 ? v : NAN; /* beyond that it is damage, and would overflow the axes */
}

double bl_rep_number(struct json_object *o, const char *key) {
    struct json_object *v = bl_rep_get(o, key);
    return v ? bl_rep_value(v) : NAN;
}

double bl_rep_score(struct json_object *o, const char *key) {
    double v = bl_rep_number(o, key);
    return v < 0 ? NAN : v;
}

const char *bl_rep_string(struct json_object *o, const char *key) {
    struct json_object *v = bl_rep_get(o, key);
    return v && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

int bl_rep_array(struct json_object *o, const char *key, struct json_object **out) {
    *out = bl_rep_get(o, key);
    if (!*out || !json_object_is_type(*out, json_type_array)) return 0;
    size_t n = json_object_array_length(*out);
    return n < 1 << 24 ? (int)n : 0;
}

/* ---- folders ---- */

char *bl_rep_path(bl_arena *a, const char *dir, const char *const *parts) {
    char *path = bl_arena_strdup(a, dir);
    for (; path && *parts; parts++) path = bl_arena_printf(a, "%s/%s", path, *parts);
    return path;
}

char *bl_rep_last_iter(bl_arena *a, const char *dir, const char *need, double *iter) {
    DIR *d = opendir(dir);
    char *best = NULL;
    *iter = -1;
    if (!d) return NULL;
    for (struct dirent *e; (e = readdir(d));) {
        char *end;
        if (strncmp(e->d_name, "iter_", 5) != 0) continue;
        double n = strtod(e->d_name + 5, &end);
        if (*end || end == e->d_name + 5 || !(n > *iter)) continue;
        const char *const parts[] = {e->d_name, need, NULL};
        char *path = bl_rep_path(a, dir, parts);
        if (!path || !bl_exists(path)) continue;
        best = bl_arena_strdup(a, e->d_name);
        *iter = n;
    }
    closedir(d);
    return best;
}

static const char *image_type(const char *data, size_t size) {
    if (size > 3 && memcmp(data, "\xff\xd8\xff", 3) == 0) return "image/jpeg";
    if (size > 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0) return "image/png";
    return NULL;
}

bl_status bl_rep_image(bl_arena *a, const char *dir, const char *file, size_t limit,
                       const char **uri, char sha256[65]) {
    *uri = NULL;
    if (!*file || *file == '/' || strstr(file, "..")) return BL_OK;
    const char *const parts[] = {file, NULL};
    char *path = bl_rep_path(a, dir, parts), *data;
    size_t size;
    if (!path) return BL_ENOMEM;
    if (!bl_exists(path) || bl_is_dir(path)) return BL_OK;
    bl_status status = bl_read_file(path, limit, &data, &size);
    if (status == BL_ENOMEM) return status;
    if (status != BL_OK) return BL_OK; /* a picture less is no reason to have no report */
    const char *type = image_type(data, size);
    bl_sha256(data, size, sha256);
    if (type) *uri = bl_html_data_uri(a, type, data, size);
    free(data);
    return type && !*uri ? BL_ENOMEM : BL_OK;
}

void bl_rep_missing(rep_report *r, rep_run *run, const char *what) {
    if (run->n_missing < (int)(sizeof run->missing / sizeof *run->missing))
        run->missing[run->n_missing++] = what;
}

int bl_rep_group(rep_report *r, const char *name) {
    if (!*name) return -1;
    for (int g = 0; g < r->n_groups; g++)
        if (strcmp(r->groups[g], name) == 0) return g;
    if (r->n_groups == REP_MAX_GROUPS) return -1;
    char *copy = bl_arena_strdup(r->arena, name);
    if (!copy) return -1;
    r->groups[r->n_groups] = copy;
    return r->n_groups++;
}

int bl_rep_class_named(const rep_class *v, int n, const char *name) {
    for (int k = 0; k < n; k++)
        if (strcmp(v[k].name, name) == 0) return k;
    return -1;
}

/* Models by preference: the first that a run has stands for it. "" is a result without a model. */
static const char *const model_names[REP_MODELS] = {"teacher", "ema", "student", "model", ""};

rep_model *bl_rep_model_named(rep_run *run, const char *name) {
    for (int m = 0; m < REP_MODELS; m++) {
        if (strcmp(name, model_names[m]) != 0) continue;
        rep_model *model = &run->model[m];
        if (model->name) return model;
        *model = (rep_model){
            .name = model_names[m], .iter = NAN, .protocol = "", .truth = "", .source = ""};
        model->images = model->detections = NAN;
        for (int c = 0; c < REP_COLUMNS; c++) {
            model->summary[c] = NAN;
            for (int g = 0; g < REP_MAX_GROUPS; g++) model->group[g][c] = NAN;
        }
        return model;
    }
    return NULL;
}

/* ---- one run ---- */

static bl_status load_classes(rep_report *r, rep_run *run) {
    const char *const parts[] = {"classes.json", NULL};
    char *path = bl_rep_path(r->arena, run->dir, parts);
    if (!path) return BL_ENOMEM;
    if (!bl_exists(path)) {
        bl_rep_missing(r, run, "classes.json (class order and training counts)");
        return BL_OK;
    }
    bl_json doc = {0};
    BL_TRY(bl_json_load(path, &doc));
    bl_status status = BL_OK;
    struct json_object *list, *groups;
    int n_groups = bl_rep_array(doc.root, "groups", &groups);
    for (int g = 0; g < n_groups; g++) {
        struct json_object *name = json_object_array_get_idx(groups, (size_t)g);
        if (json_object_is_type(name, json_type_string))
            bl_rep_group(r, json_object_get_string(name));
    }
    int n = bl_rep_array(doc.root, "classes", &list);
    run->classes = BL_NEW_ARRAY(r->arena, rep_class, n + 1);
    if (!run->classes) status = BL_ENOMEM;
    for (int k = 0; status == BL_OK && k < n; k++) {
        struct json_object *c = json_object_array_get_idx(list, (size_t)k);
        rep_class *out = &run->classes[run->n_classes++];
        out->name = bl_arena_strdup(r->arena, bl_rep_string(c, "name"));
        out->train_images = bl_rep_score(c, "train_images");
        out->train_boxes = bl_rep_score(c, "train_boxes");
        out->group = bl_rep_group(r, bl_rep_string(c, "group"));
        if (!out->name) status = BL_ENOMEM;
    }
    bl_json_free(&doc);
    return status;
}

static bl_status load_text(rep_report *r, rep_run *run, const char *file, const char *missing,
                           const char **out) {
    enum { MAX_TEXT = 4 << 20 };
    const char *const parts[] = {file, NULL};
    char *path = bl_rep_path(r->arena, run->dir, parts), *data;
    size_t size;
    if (!path) return BL_ENOMEM;
    if (!bl_exists(path)) {
        if (missing) bl_rep_missing(r, run, missing);
        return BL_OK;
    }
    BL_TRY(bl_read_file(path, MAX_TEXT, &data, &size));
    *out = bl_arena_strdup(r->arena, data);
    free(data);
    return *out ? BL_OK : BL_ENOMEM;
}

static bool has_file(bl_arena *a, const char *dir, const char *file) {
    const char *const parts[] = {file, NULL};
    char *path = bl_rep_path(a, dir, parts);
    return path && bl_exists(path);
}

static bl_status load_run(rep_report *r, rep_run *run) {
    if (!bl_is_dir(run->dir))
        return bl_fail(BL_EIO,
                       "%s: is no folder; name run folders as written by training, or folders "
                       "written by \"ballast score\"",
                       run->dir);
    run->scored = has_file(r->arena, run->dir, "metrics.json") &&
                  !has_file(r->arena, run->dir, "metrics.jsonl");
    if (run->scored) {
        BL_TRY(bl_rep_load_score(r, run));
        return load_text(r, run, "provenance.json", NULL, &run->provenance);
    }
    BL_TRY(load_classes(r, run));
    BL_TRY(bl_rep_load_eval(r, run));
    BL_TRY(bl_rep_load_metrics(r, run));
    BL_TRY(bl_rep_load_samples(r, run));
    BL_TRY(load_text(r, run, "config.json", "config.json (configuration)", &run->config));
    return load_text(r, run, "provenance.json", "provenance.json (version, machine, data)",
                     &run->provenance);
}

/* ---- all runs ---- */

/* Length of what all paths begin with, up to and with a slash. */
static size_t common_folder(const rep_report *r) {
    size_t n = strlen(r->runs[0].dir);
    for (int i = 1; i < r->n_runs; i++) {
        size_t same = 0;
        while (same < n && r->runs[i].dir[same] == r->runs[0].dir[same]) same++;
        n = same;
    }
    while (n > 0 && r->runs[0].dir[n - 1] != '/') n--;
    return n;
}

static int label_count(const rep_report *r, const char *label) {
    int n = 0;
    for (int i = 0; i < r->n_runs; i++) n += strcmp(r->runs[i].label, label) == 0;
    return n;
}

/* Last part of the path; where those are not unique, what comes after the common part of all
 * paths. */
static bl_status label_runs(rep_report *r, const bl_report_source *sources) {
    for (int i = 0; i < r->n_runs; i++) {
        char *path = bl_arena_strdup(r->arena, r->runs[i].dir);
        if (!path) return BL_ENOMEM;
        size_t n = strlen(path);
        while (n > 1 && path[n - 1] == '/') path[--n] = 0;
        r->runs[i].dir = path;
    }
    size_t common = common_folder(r);
    for (int i = 0; i < r->n_runs; i++) {
        const char *path = r->runs[i].dir, *slash = strrchr(path, '/');
        r->runs[i].label = sources[i].label    ? bl_arena_strdup(r->arena, sources[i].label)
                           : slash && slash[1] ? slash + 1
                                               : path;
        if (!r->runs[i].label) return BL_ENOMEM;
    }
    bool twice = false;
    for (int i = 0; i < r->n_runs; i++) twice = twice || label_count(r, r->runs[i].label) > 1;
    for (int i = 0; i < r->n_runs; i++)
        if (twice && !sources[i].label) r->runs[i].label = r->runs[i].dir + common;
    for (int i = 0; i < r->n_runs; i++) /* the same folder twice */
        if (!*r->runs[i].label || label_count(r, r->runs[i].label) > 1)
            r->runs[i].label = bl_arena_printf(r->arena, "%s (%d)", r->runs[i].label, i + 1);
    for (int i = 0; i < r->n_runs; i++)
        if (!r->runs[i].label) return BL_ENOMEM;
    return BL_OK;
}

static double train_count(const rep_class *c) {
    return isnan(c->train_boxes) ? c->train_images : c->train_boxes;
}

static int by_count(const void *a, const void *b) {
    const rep_class *const *x = a, *const *y = b;
    double p = train_count(*x), q = train_count(*y);
    if (p != q && !(isnan(p) && isnan(q))) {
        if (isnan(p) || isnan(q)) return isnan(p) ? 1 : -1;
        return p < q ? 1 : -1;
    }
    return (*x > *y) - (*x < *y);
}

static bl_status merge_classes(rep_report *r) {
    int total = 0;
    for (int i = 0; i < r->n_runs; i++) total += r->runs[i].n_classes;
    rep_class *all = BL_NEW_ARRAY(r->arena, rep_class, total + 1);
    rep_class **order = BL_NEW_ARRAY(r->arena, rep_class *, total + 1);
    r->classes = BL_NEW_ARRAY(r->arena, rep_class, total + 1);
    if (!all || !order || !r->classes) return BL_ENOMEM;
    int n = 0;
    for (int i = 0; i < r->n_runs; i++)
        for (int k = 0; k < r->runs[i].n_classes; k++) {
            const rep_class *c = &r->runs[i].classes[k];
            /* Runs mostly agree on the order: look there first. */
            int at = k < n && strcmp(all[k].name, c->name) == 0
                         ? k
                         : bl_rep_class_named(all, n, c->name);
            if (at < 0)
                all[n++] = *c;
            else if (isnan(train_count(&all[at])))
                all[at] = *c;
            else if (train_count(c) != train_count(&all[at]) && !isnan(train_count(c)))
                r->runs[i].other_counts = true;
        }
    for (int k = 0; k < n; k++) order[k] = &all[k];
    qsort(order, (size_t)n, sizeof *order, by_count);
    for (int k = 0; k < n; k++) r->classes[k] = *order[k];
    r->n_classes = n;
    r->by_frequency = n > 0 && !isnan(train_count(&r->classes[0]));
    r->count_images = r->by_frequency && isnan(r->classes[0].train_boxes);
    for (int i = 0; i < r->n_runs; i++) {
        rep_run *run = &r->runs[i];
        run->of_class = BL_NEW_ARRAY(r->arena, int, n + 1);
        if (!run->of_class) return BL_ENOMEM;
        for (int k = 0; k < n; k++)
            run->of_class[k] = bl_rep_class_named(run->classes, run->n_classes, r->classes[k].name);
    }
    return BL_OK;
}

/* A metric that has a group's name ("many") is the compared metric of that group. */
static void adopt_group_metrics(rep_report *r) {
    for (int g = 0; g < r->n_groups; g++) {
        int c = bl_rep_column_find(&r->summary, r->groups[g]), primary = r->summary.primary;
        if (primary < 0 || c < 0 || c == primary) continue;
        r->summary.v[c].hidden = true;
        for (int i = 0; i < r->n_runs; i++)
            for (int m = 0; m < REP_MODELS; m++) {
                rep_model *one = &r->runs[i].model[m];
                if (one->name && isnan(one->group[g][primary]))
                    one->group[g][primary] = one->summary[c];
            }
    }
}

bl_status bl_rep_load(rep_report *r, const bl_report_source *sources, int n,
                      const bl_report_options *options) {
    r->title = options->title && *options->title ? bl_arena_strdup(r->arena, options->title)
                                                 : "Ballast report";
    r->summary.primary = r->per_class.primary = -1;
    r->runs = BL_NEW_ARRAY(r->arena, rep_run, n);
    if (!r->runs || !r->title) return BL_ENOMEM;
    r->n_runs = n;
    for (int i = 0; i < n; i++) {
        r->runs[i].dir = sources[i].path;
        if (!sources[i].origin) continue;
        r->runs[i].origin = bl_arena_strdup(r->arena, sources[i].origin);
        if (!r->runs[i].origin) return BL_ENOMEM;
    }
    BL_TRY(label_runs(r, sources));
    for (int i = 0; i < n; i++) BL_TRY(load_run(r, &r->runs[i]));
    bl_rep_column_choose(&r->summary);
    bl_rep_column_choose(&r->per_class);
    adopt_group_metrics(r);
    BL_TRY(merge_classes(r));
    return bl_rep_make_methods(r, options);
}

/* ---- questions ---- */

const rep_model *bl_rep_main_model(const rep_run *run) {
    for (int m = 0; m < REP_MODELS; m++)
        if (run->model[m].name) return &run->model[m];
    return NULL;
}

double bl_rep_summary_value(const rep_model *m, int group, int i) {
    if (!m || i < 0) return NAN;
    return group < 0 ? m->summary[i] : m->group[group][i];
}

const rep_class_result *bl_rep_class_of(const rep_run *run, const rep_model *m, int k) {
    int own = run->of_class[k];
    return m && m->has_classes && own >= 0 ? &m->classes[own] : NULL;
}

double bl_rep_class_metric(const rep_run *run, int k, int column) {
    const rep_class_result *c = bl_rep_class_of(run, bl_rep_main_model(run), k);
    return c && column >= 0 ? c->m[column] : NAN;
}

double bl_rep_train_count(const rep_report *r, int k) {
    return train_count(&r->classes[k]);
}

double bl_rep_state_at(const rep_run *run, rep_state s, int line, int k) {
    int own = run->of_class[k];
    int64_t at = (int64_t)line * run->n_classes + own;
    return own >= 0 && at < run->state[s].n ? run->state[s].v[at] : NAN;
}

bool bl_rep_has_state(const rep_run *run, rep_state s) {
    for (int i = 0; i < run->state[s].n; i++)
        if (!isnan(run->state[s].v[i])) return true;
    return false;
}
