/* The report's reading of a run folder: metrics.jsonl, eval/, samples/ (docs/run-folder.md). */
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "eval/report_data.h"
#include "eval/report_html.h"

static rep_model *model_named(rep_run *run, const char *name) {
    static const char *const names[2] = {"teacher", "student"};
    for (int m = 0; m < 2; m++)
        if (strcmp(name, names[m]) == 0) {
            if (!run->model[m].name) {
                run->model[m].name = names[m];
                run->model[m].iter = NAN;
            }
            return &run->model[m];
        }
    return NULL;
}

/* ---- metrics.jsonl ---- */

static bl_status train_line(rep_report *r, rep_run *run, struct json_object *o) {
    double iter = rep_number(o, "iter");
    json_object_object_foreach(o, key, value) {
        if (strcmp(key, "kind") == 0 || strcmp(key, "iter") == 0) continue;
        rep_series *s = (rep_series *)rep_find(run, key);
        if (!s) {
            if (run->n_train == run->cap_train) {
                int cap = run->cap_train ? 2 * run->cap_train : 16;
                rep_series *v = BL_NEW_ARRAY(r->arena, rep_series, cap);
                if (!v) return BL_ENOMEM;
                if (run->n_train) memcpy(v, run->train, (size_t)run->n_train * sizeof *v);
                run->train = v, run->cap_train = cap;
            }
            s = &run->train[run->n_train++];
            *s = (rep_series){.key = bl_arena_strdup(r->arena, key)};
            if (!s->key) return BL_ENOMEM;
        }
        double y = value ? rep_value(value) : NAN;
        if (isnan(y)) continue;
        BL_TRY(rep_push(r->arena, &s->x, iter));
        BL_TRY(rep_push(r->arena, &s->y, y));
    }
    return BL_OK;
}

static bl_status class_line(rep_report *r, rep_run *run, struct json_object *o) {
    BL_TRY(rep_push(r->arena, &run->state_iter, rep_number(o, "iter")));
    for (int s = 0; s < REP_STATES; s++) {
        struct json_object *list;
        int n = rep_array(o, rep_state_keys[s], &list);
        for (int k = 0; k < run->n_classes; k++) {
            struct json_object *v = k < n ? json_object_array_get_idx(list, (size_t)k) : NULL;
            double x = v ? rep_value(v) : NAN;
            BL_TRY(rep_push(r->arena, &run->state[s], x < 0 ? NAN : x));
        }
        if (s == REP_WEIGHT && n == run->n_classes + 1) {
            if (!run->background_weight) run->background_weight = BL_NEW(r->arena, double);
            if (!run->background_weight) return BL_ENOMEM;
            *run->background_weight = rep_value(json_object_array_get_idx(list, (size_t)n - 1));
        }
    }
    return BL_OK;
}

static bl_status eval_line(rep_report *r, rep_run *run, struct json_object *o) {
    rep_model *m = model_named(run, rep_string(o, "model"));
    if (!m) return BL_OK;
    if (m->n_evals == m->cap_evals) {
        int cap = m->cap_evals ? 2 * m->cap_evals : 32;
        rep_eval *v = BL_NEW_ARRAY(r->arena, rep_eval, cap);
        if (!v) return BL_ENOMEM;
        if (m->n_evals) memcpy(v, m->evals, (size_t)m->n_evals * sizeof *v);
        m->evals = v, m->cap_evals = cap;
    }
    rep_eval *e = &m->evals[m->n_evals++];
    e->iter = rep_number(o, "iter");
    for (int i = 0; i < REP_SUMMARY; i++) e->summary[i] = rep_score(o, rep_summary_keys[i]);
    for (int g = 0; g < REP_MAX_GROUPS; g++) {
        char key[160];
        e->group[g] = NAN;
        if (g >= r->n_groups) continue;
        snprintf(key, sizeof key, "AP_%s", r->groups[g]);
        e->group[g] = rep_score(o, key);
    }
    return BL_OK;
}

/* Where eval/ has no detail, the last line of metrics.jsonl stands in. */
static void fall_back_on_lines(rep_run *run) {
    for (int i = 0; i < 2; i++) {
        rep_model *m = &run->model[i];
        if (!m->name || !m->n_evals || m->iter >= m->evals[m->n_evals - 1].iter) continue;
        const rep_eval *last = &m->evals[m->n_evals - 1];
        bool newer = !isnan(m->iter);
        m->iter = last->iter;
        memcpy(m->summary, last->summary, sizeof m->summary);
        for (int g = 0; g < REP_MAX_GROUPS; g++) {
            for (int k = 0; k < REP_SUMMARY; k++) m->group[g][k] = NAN;
            m->group[g][0] = last->group[g];
        }
        if (newer) m->has_classes = m->has_curves = false; /* they belong to an older iteration */
    }
}

bl_status rep_load_metrics(rep_report *r, rep_run *run) {
    const char *const parts[] = {"metrics.jsonl", NULL};
    char *path = rep_path(r->arena, run->dir, parts), *data;
    size_t size;
    if (!path) return BL_ENOMEM;
    if (!bl_exists(path)) {
        rep_missing(r, run, "metrics.jsonl (losses, AP and class state over training)");
        return BL_OK;
    }
    BL_TRY(bl_read_file(path, (size_t)1 << 30, &data, &size));
    bl_status status = BL_OK;
    int number = 0;
    for (char *p = data, *end; status == BL_OK && p < data + size; p = end + 1) {
        end = memchr(p, '\n', (size_t)(data + size - p));
        number++;
        if (!end) break; /* still being written */
        if (end == p) continue;
        bl_json doc = {0};
        status = bl_json_parse(p, (size_t)(end - p), path, &doc);
        if (status != BL_OK) {
            bl_fail_context(status, "line %d", number);
            break;
        }
        const char *kind = rep_string(doc.root, "kind");
        if (strcmp(kind, "train") == 0) status = train_line(r, run, doc.root);
        if (strcmp(kind, "class") == 0) status = class_line(r, run, doc.root);
        if (strcmp(kind, "eval") == 0) status = eval_line(r, run, doc.root);
        bl_json_free(&doc);
    }
    free(data);
    fall_back_on_lines(run);
    return status;
}

/* ---- eval/ ---- */

static bl_status load_metrics_json(rep_report *r, rep_model *m, const char *path) {
    bl_json doc = {0};
    BL_TRY(bl_json_load(path, &doc));
    struct json_object *groups = rep_get(doc.root, "groups");
    for (int i = 0; i < REP_SUMMARY; i++) m->summary[i] = rep_score(doc.root, rep_summary_keys[i]);
    for (int g = 0; g < REP_MAX_GROUPS; g++)
        for (int i = 0; i < REP_SUMMARY; i++) m->group[g][i] = NAN;
    if (groups && json_object_is_type(groups, json_type_object)) {
        json_object_object_foreach(groups, name, value) {
            int g = rep_group(r, name);
            for (int i = 0; g >= 0 && i < REP_SUMMARY; i++)
                m->group[g][i] = rep_score(value, rep_summary_keys[i]);
        }
    }
    bl_json_free(&doc);
    return BL_OK;
}

/* A run without classes.json takes its classes from here. */
static bl_status classes_from(rep_report *r, rep_run *run, struct json_object *list, int n) {
    run->classes = BL_NEW_ARRAY(r->arena, rep_class, n + 1);
    if (!run->classes) return BL_ENOMEM;
    for (int k = 0; k < n; k++) {
        struct json_object *c = json_object_array_get_idx(list, (size_t)k);
        char *name = bl_arena_strdup(r->arena, rep_string(c, "name"));
        if (!name) return BL_ENOMEM;
        run->classes[k] =
            (rep_class){name, rep_score(c, "train_images"), rep_score(c, "train_boxes"),
                        rep_group(r, rep_string(c, "group"))};
    }
    run->n_classes = n;
    return BL_OK;
}

static int class_named(const rep_run *run, const char *name) {
    for (int k = 0; k < run->n_classes; k++)
        if (strcmp(run->classes[k].name, name) == 0) return k;
    return -1;
}

static bl_status load_per_class(rep_report *r, rep_run *run, rep_model *m, const char *path) {
    bl_json doc = {0};
    BL_TRY(bl_json_load(path, &doc));
    struct json_object *list;
    int n = rep_array(doc.root, "classes", &list);
    bl_status status = run->n_classes ? BL_OK : classes_from(r, run, list, n);
    m->classes = BL_NEW_ARRAY(r->arena, rep_class_result, run->n_classes + 1);
    if (!m->classes) status = BL_ENOMEM;
    for (int k = 0; status == BL_OK && k < run->n_classes; k++)
        for (int i = 0; i < REP_METRICS; i++) m->classes[k].m[i] = NAN;
    for (int k = 0; status == BL_OK && k < n; k++) {
        struct json_object *c = json_object_array_get_idx(list, (size_t)k);
        int own = class_named(run, rep_string(c, "name"));
        for (int i = 0; own >= 0 && i < REP_METRICS; i++)
            m->classes[own].m[i] = rep_score(c, rep_metric_keys[i]);
    }
    m->has_classes = status == BL_OK && n > 0;
    bl_json_free(&doc);
    return status;
}

static bl_status curve(bl_arena *a, struct json_object *c, const char *key, double **out) {
    struct json_object *list;
    if (rep_array(c, key, &list) != REP_CURVE) return BL_OK;
    *out = BL_NEW_ARRAY(a, double, REP_CURVE);
    if (!*out) return BL_ENOMEM;
    for (int i = 0; i < REP_CURVE; i++) {
        struct json_object *v = json_object_array_get_idx(list, (size_t)i);
        double x = v ? rep_value(v) : NAN;
        (*out)[i] = x >= 0 && x <= 1 ? x : 0;
    }
    return BL_OK;
}

static bl_status load_curves(rep_report *r, rep_run *run, rep_model *m, const char *path) {
    bl_json doc = {0};
    BL_TRY(bl_json_load(path, &doc));
    struct json_object *list;
    int n = rep_array(doc.root, "classes", &list);
    bl_status status = BL_OK;
    for (int k = 0; status == BL_OK && k < n; k++) {
        struct json_object *c = json_object_array_get_idx(list, (size_t)k);
        int own = class_named(run, rep_string(c, "name"));
        if (own < 0) continue;
        status = curve(r->arena, c, "precision50", &m->classes[own].p50);
        if (status == BL_OK) status = curve(r->arena, c, "precision75", &m->classes[own].p75);
        m->has_curves = true;
    }
    bl_json_free(&doc);
    return status;
}

static bl_status load_model(rep_report *r, rep_run *run, const char *name) {
    double iter;
    const char *const root[] = {"eval", NULL};
    char *dir = rep_path(r->arena, run->dir, root);
    char *need = bl_arena_printf(r->arena, "%s/metrics.json", name);
    if (!dir || !need) return BL_ENOMEM;
    char *last = rep_last_iter(r->arena, dir, need, &iter);
    if (!last) return BL_OK;
    rep_model *m = model_named(run, name);
    m->iter = iter;
    const char *const files[] = {"metrics.json", "per_class.json", "pr.json"};
    for (int i = 0; i < 3; i++) {
        const char *const parts[] = {last, name, files[i], NULL};
        char *path = rep_path(r->arena, dir, parts);
        if (!path) return BL_ENOMEM;
        if (i == 2 && !m->has_classes) continue;
        if (!bl_exists(path)) continue;
        BL_TRY(i == 0   ? load_metrics_json(r, m, path)
               : i == 1 ? load_per_class(r, run, m, path)
                        : load_curves(r, run, m, path));
    }
    return BL_OK;
}

bl_status rep_load_eval(rep_report *r, rep_run *run) {
    BL_TRY(load_model(r, run, "teacher"));
    BL_TRY(load_model(r, run, "student"));
    if (!rep_main_model(run)) rep_missing(r, run, "eval/ (per-class results and curves)");
    return BL_OK;
}

/* ---- samples/ ---- */

static bl_status load_boxes(rep_report *r, rep_run *run, struct json_object *o, const char *key,
                            rep_box **out, int *n_out) {
    struct json_object *list;
    int n = rep_array(o, key, &list);
    *out = BL_NEW_ARRAY(r->arena, rep_box, n + 1);
    if (!*out) return BL_ENOMEM;
    for (int i = 0; i < n; i++) {
        struct json_object *b = json_object_array_get_idx(list, (size_t)i), *corners, *label;
        rep_box one = {.score = rep_score(b, "score"), .label = ""};
        if (rep_array(b, "box", &corners) != 4) continue;
        bool finite = true;
        for (int c = 0; c < 4; c++) {
            struct json_object *v = json_object_array_get_idx(corners, (size_t)c);
            one.box[c] = v ? rep_value(v) : NAN;
            finite = finite && isfinite(one.box[c]);
        }
        if (!finite) continue;
        label = rep_get(b, "label"); /* class number or name */
        int64_t k =
            label && json_object_is_type(label, json_type_int) ? json_object_get_int64(label) : -1;
        if (k >= 0 && k < run->n_classes)
            one.label = run->classes[k].name;
        else if (label && json_object_is_type(label, json_type_string))
            one.label = bl_arena_strdup(r->arena, json_object_get_string(label));
        if (!one.label) return BL_ENOMEM;
        (*out)[(*n_out)++] = one;
    }
    return BL_OK;
}

static bl_status load_image(rep_report *r, const char *dir, rep_sample *s) {
    enum { MAX_IMAGE = 8 << 20 };
    const char *const parts[] = {s->file, NULL};
    if (!*s->file || strchr(s->file, '/')) return BL_OK; /* samples lie in their own folder only */
    char *path = rep_path(r->arena, dir, parts), *data;
    size_t size;
    if (!path) return BL_ENOMEM;
    if (!bl_exists(path)) return BL_OK;
    BL_TRY(bl_read_file(path, MAX_IMAGE, &data, &size));
    bl_sha256(data, size, s->sha256);
    s->data_uri = html_data_uri(r->arena, "image/jpeg", data, size);
    free(data);
    return s->data_uri ? BL_OK : BL_ENOMEM;
}

static bl_status load_sample(rep_report *r, rep_run *run, const char *dir, struct json_object *o) {
    static const char *const keys[3] = {"truth", "predictions", "pseudo"};
    rep_sample s = {.width = rep_score(o, "width"), .height = rep_score(o, "height")};
    if (!(s.width > 0 && s.height > 0 && s.width < 1e5 && s.height < 1e5)) return BL_OK;
    s.file = bl_arena_strdup(r->arena, rep_string(o, "file"));
    s.set = bl_arena_strdup(r->arena, rep_string(o, "set"));
    if (!s.file || !s.set) return BL_ENOMEM;
    for (int i = 0; i < 3; i++) BL_TRY(load_boxes(r, run, o, keys[i], &s.box[i], &s.n_box[i]));
    BL_TRY(load_image(r, dir, &s));
    if (s.data_uri) run->samples[run->n_samples++] = s;
    return BL_OK;
}

bl_status rep_load_samples(rep_report *r, rep_run *run) {
    enum { MAX_SAMPLES = 48 };
    const char *const root[] = {"samples", NULL};
    char *dir = rep_path(r->arena, run->dir, root);
    if (!dir) return BL_ENOMEM;
    char *last = rep_last_iter(r->arena, dir, "samples.json", &run->samples_iter);
    if (!last) {
        rep_missing(r, run, "samples/ (example images)");
        return BL_OK;
    }
    const char *const folder[] = {last, NULL}, *const list_file[] = {last, "samples.json", NULL};
    char *sub = rep_path(r->arena, dir, folder), *path = rep_path(r->arena, dir, list_file);
    if (!sub || !path) return BL_ENOMEM;
    bl_json doc = {0};
    BL_TRY(bl_json_load(path, &doc));
    struct json_object *list;
    int n = rep_array(doc.root, "samples", &list);
    if (n > MAX_SAMPLES) n = MAX_SAMPLES;
    bl_status status = BL_OK;
    run->samples = BL_NEW_ARRAY(r->arena, rep_sample, n + 1);
    if (!run->samples) status = BL_ENOMEM;
    for (int i = 0; status == BL_OK && i < n; i++)
        status = load_sample(r, run, sub, json_object_array_get_idx(list, (size_t)i));
    bl_json_free(&doc);
    return status;
}
