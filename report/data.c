/* What every part of loading a report uses: JSON, folders, names, and questions to the data. */
#include "report/data.h"

#include <dirent.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "report/html.h"

const char *const bl_rep_state_keys[REP_STATES] = {"weight",    "threshold", "pseudo",   "kept",
                                                   "precision", "recall",    "positive", "negative",
                                                   "score",     "logit"};

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

double bl_rep_count_of(const rep_class *c) {
    return isnan(c->train_boxes) ? c->train_images : c->train_boxes;
}

double bl_rep_train_count(const rep_report *r, int k) {
    return bl_rep_count_of(&r->classes[k]);
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
