/* The report's reading of evaluation folders: metrics.json, per_class.json, pr.json and
 * analysis.json, in eval/ of a run or written by "ballast score". */
#include <json-c/json.h>
#include <math.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "report/data.h"

/* Numbers of metrics.json that are no metrics. */
static bool is_fact(const char *key) {
    static const char *const facts[] = {"iter",     "images", "detections", "classes",
                                        "max_dets", "schema", "version"};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        if (strcmp(key, facts[i]) == 0) return true;
    return false;
}

static void take_metrics(rep_report *r, struct json_object *o, double out[REP_COLUMNS]) {
    if (!json_object_is_type(o, json_type_object)) return;
    json_object_object_foreach(o, key, value) {
        bool number = value && (json_object_is_type(value, json_type_double) ||
                                json_object_is_type(value, json_type_int));
        if ((value && !number) || is_fact(key)) continue; /* null: undefined, but a metric */
        double v = number ? bl_rep_value(value) : NAN;
        int c = bl_rep_column_add(r->arena, &r->summary, key, v);
        if (c >= 0) out[c] = v < 0 ? NAN : v;
    }
}

static bl_status take_warnings(rep_report *r, rep_model *m, struct json_object *root) {
    enum { MAX_WARNINGS = 40 };
    struct json_object *list;
    int n = bl_rep_array(root, "warnings", &list);
    if (n > MAX_WARNINGS) n = MAX_WARNINGS;
    m->warnings = BL_NEW_ARRAY(r->arena, const char *, n + 1);
    if (!m->warnings) return BL_ENOMEM;
    m->n_warnings = 0;
    for (int i = 0; i < n; i++) {
        struct json_object *w = json_object_array_get_idx(list, (size_t)i);
        const char *text = json_object_is_type(w, json_type_string) ? json_object_get_string(w)
                                                                    : bl_rep_string(w, "message");
        if (!*text) continue;
        if (!(m->warnings[m->n_warnings++] = bl_arena_strdup(r->arena, text))) return BL_ENOMEM;
    }
    return BL_OK;
}

static bl_status load_metrics_json(rep_report *r, rep_model *m, const char *path) {
    bl_json doc = {0};
    BL_TRY(bl_json_load(path, &doc));
    bl_status status = bl_rep_column_describe(r->arena, &r->summary, doc.root);
    struct json_object *groups = bl_rep_get(doc.root, "groups");
    take_metrics(r, doc.root, m->summary);
    if (groups && json_object_is_type(groups, json_type_object)) {
        json_object_object_foreach(groups, name, value) {
            int g = bl_rep_group(r, name);
            if (g >= 0) take_metrics(r, value, m->group[g]);
        }
    }
    m->images = bl_rep_score(doc.root, "images");
    m->detections = bl_rep_score(doc.root, "detections");
    if (isnan(m->iter)) m->iter = bl_rep_score(doc.root, "iter");
    m->protocol = bl_arena_strdup(r->arena, bl_rep_string(doc.root, "protocol"));
    m->truth = bl_arena_strdup(r->arena, bl_rep_string(doc.root, "ground_truth"));
    m->source = bl_arena_strdup(r->arena, bl_rep_string(doc.root, "results"));
    if (!m->protocol || !m->truth || !m->source) status = BL_ENOMEM;
    if (status == BL_OK) status = take_warnings(r, m, doc.root);
    bl_json_free(&doc);
    return status;
}

static const char *group_of(struct json_object *c) {
    const char *group = bl_rep_string(c, "group");
    return *group ? group : bl_rep_string(c, "frequency");
}

static double first_score(struct json_object *o, const char *key, const char *other) {
    double v = bl_rep_score(o, key);
    return isnan(v) ? bl_rep_score(o, other) : v;
}

/* A run without classes.json takes its classes from here. */
static bl_status classes_from(rep_report *r, rep_run *run, struct json_object *list, int n) {
    run->classes = BL_NEW_ARRAY(r->arena, rep_class, n + 1);
    if (!run->classes) return BL_ENOMEM;
    for (int k = 0; k < n; k++) {
        struct json_object *c = json_object_array_get_idx(list, (size_t)k);
        char *name = bl_arena_strdup(r->arena, bl_rep_string(c, "name"));
        if (!name) return BL_ENOMEM;
        run->classes[k] = (rep_class){name, bl_rep_score(c, "train_images"),
                                      first_score(c, "train_boxes", "train_instances"),
                                      bl_rep_group(r, group_of(c))};
    }
    run->n_classes = n;
    return BL_OK;
}

static void take_class(rep_report *r, struct json_object *c, rep_class_result *out) {
    json_object_object_foreach(c, key, value) {
        bool number = value && (json_object_is_type(value, json_type_double) ||
                                json_object_is_type(value, json_type_int));
        if ((value && !number) || strcmp(key, "id") == 0) continue;
        double v = number ? bl_rep_value(value) : NAN;
        int at = bl_rep_column_add(r->arena, &r->per_class, key, v);
        if (at >= 0) out->m[at] = v < 0 ? NAN : v;
    }
}

static bl_status load_per_class(rep_report *r, rep_run *run, rep_model *m, const char *path) {
    bl_json doc = {0};
    BL_TRY(bl_json_load(path, &doc));
    struct json_object *list;
    int n = bl_rep_array(doc.root, "classes", &list);
    bl_status status = bl_rep_column_describe(r->arena, &r->per_class, doc.root);
    if (status == BL_OK && !run->n_classes) status = classes_from(r, run, list, n);
    m->classes = BL_NEW_ARRAY(r->arena, rep_class_result, run->n_classes + 1);
    if (!m->classes) status = BL_ENOMEM;
    for (int k = 0; status == BL_OK && k < run->n_classes; k++)
        for (int i = 0; i < REP_COLUMNS; i++) m->classes[k].m[i] = NAN;
    for (int k = 0; status == BL_OK && k < n; k++) {
        struct json_object *c = json_object_array_get_idx(list, (size_t)k);
        if (!json_object_is_type(c, json_type_object)) continue;
        const char *name = bl_rep_string(c, "name");
        int own = k < run->n_classes && strcmp(run->classes[k].name, name) == 0
                      ? k
                      : bl_rep_class_named(run->classes, run->n_classes, name);
        if (own >= 0) take_class(r, c, &m->classes[own]);
    }
    m->has_classes = status == BL_OK && n > 0;
    bl_json_free(&doc);
    return status;
}

static bl_status curve(bl_arena *a, struct json_object *c, const char *key, double **out) {
    struct json_object *list;
    if (bl_rep_array(c, key, &list) != REP_CURVE) return BL_OK;
    *out = BL_NEW_ARRAY(a, double, REP_CURVE);
    if (!*out) return BL_ENOMEM;
    for (int i = 0; i < REP_CURVE; i++) {
        struct json_object *v = json_object_array_get_idx(list, (size_t)i);
        double x = v ? bl_rep_value(v) : NAN;
        (*out)[i] = x >= 0 && x <= 1 ? x : 0;
    }
    return BL_OK;
}

static bl_status load_curves(rep_report *r, rep_run *run, rep_model *m, const char *path) {
    bl_json doc = {0};
    BL_TRY(bl_json_load(path, &doc));
    struct json_object *list;
    int n = bl_rep_array(doc.root, "classes", &list);
    bl_status status = BL_OK;
    for (int k = 0; status == BL_OK && k < n; k++) {
        struct json_object *c = json_object_array_get_idx(list, (size_t)k);
        int own = bl_rep_class_named(run->classes, run->n_classes, bl_rep_string(c, "name"));
        if (own < 0) continue;
        status = curve(r->arena, c, "precision50", &m->classes[own].p50);
        if (status == BL_OK) status = curve(r->arena, c, "precision75", &m->classes[own].p75);
        m->has_curves = true;
    }
    bl_json_free(&doc);
    return status;
}

static bl_status load_folder(rep_report *r, rep_run *run, rep_model *m, const char *dir) {
    static const struct {
        const char *file;
        bl_status (*one)(rep_report *, rep_model *, const char *);
        bl_status (*classes)(rep_report *, rep_run *, rep_model *, const char *);
    } files[] = {{"metrics.json", load_metrics_json, NULL},
                 {"per_class.json", NULL, load_per_class},
                 {"pr.json", NULL, load_curves}};
    m->dir = bl_arena_strdup(r->arena, dir);
    if (!m->dir) return BL_ENOMEM;
    for (int i = 0; i < 3; i++) {
        const char *const parts[] = {files[i].file, NULL};
        char *path = bl_rep_path(r->arena, dir, parts);
        if (!path) return BL_ENOMEM;
        if (!bl_exists(path) || (i == 2 && !m->has_classes)) continue;
        BL_TRY(files[i].one ? files[i].one(r, m, path) : files[i].classes(r, run, m, path));
    }
    return bl_rep_load_analysis(r, m);
}

static bl_status load_model(rep_report *r, rep_run *run, const char *name) {
    double iter;
    const char *const root[] = {"eval", NULL};
    char *dir = bl_rep_path(r->arena, run->dir, root);
    char *need = bl_arena_printf(r->arena, "%s%smetrics.json", name, *name ? "/" : "");
    if (!dir || !need) return BL_ENOMEM;
    char *last = bl_rep_last_iter(r->arena, dir, need, &iter);
    if (!last) return BL_OK;
    rep_model *m = bl_rep_model_named(run, name);
    m->iter = iter;
    const char *const parts[] = {last, *name ? name : NULL, NULL};
    char *folder = bl_rep_path(r->arena, dir, parts);
    return folder ? load_folder(r, run, m, folder) : BL_ENOMEM;
}

bl_status bl_rep_load_eval(rep_report *r, rep_run *run) {
    static const char *const names[] = {"teacher", "ema", "student", "model", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) BL_TRY(load_model(r, run, names[i]));
    if (!bl_rep_main_model(run)) bl_rep_missing(r, run, "eval/ (per-class results and curves)");
    return BL_OK;
}

bl_status bl_rep_load_score(rep_report *r, rep_run *run) {
    rep_model *m = bl_rep_model_named(run, "");
    BL_TRY(load_folder(r, run, m, run->dir));
    if (!m->has_classes) bl_rep_missing(r, run, "per_class.json (results by class)");
    if (!m->has_curves) bl_rep_missing(r, run, "pr.json (precision-recall curves)");
    if (!m->analysis) bl_rep_missing(r, run, "analysis.json (error analysis)");
    return BL_OK;
}
