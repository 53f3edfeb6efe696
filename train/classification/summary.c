/* How a run ended, from its own metrics: robust against any number of interruptions. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "train/classification/evaluate.h"

enum { MODELS = 3, MEASURES = 6, WINDOW = 20 };
/* The later stands for the run. */
static const char *const models[MODELS] = {"student", "ema", "teacher"};
static const char *const measures[MEASURES] = {
    "accuracy", "balanced_accuracy", "geometric_mean", "many", "medium", "few"};

typedef struct {
    double *v[MEASURES], *iter;
    int32_t n, cap;
} series;

static bl_status append(series *s, struct json_object *line) {
    if (s->n == s->cap) {
        int32_t cap = s->cap ? 2 * s->cap : 64;
        for (int m = 0; m <= MEASURES; m++) {
            double **at = m < MEASURES ? &s->v[m] : &s->iter;
            double *grown = realloc(*at, sizeof *grown * (size_t)cap);
            if (!grown) return bl_no_memory("for the summary");
            *at = grown;
        }
        s->cap = cap;
    }
    struct json_object *o;
    for (int m = 0; m < MEASURES; m++)
        s->v[m][s->n] =
            json_object_object_get_ex(line, measures[m], &o) && o ? json_object_get_double(o) : 0;
    s->iter[s->n] = json_object_object_get_ex(line, "iter", &o) ? json_object_get_double(o) : 0;
    s->n++;
    return BL_OK;
}

static bl_status read_line(const char *text, size_t size, const char *path, series s[MODELS]) {
    bl_json line = {0};
    BL_TRY(bl_json_parse(text, size, path, &line));
    struct json_object *kind, *model;
    bl_status status = BL_OK;
    if (json_object_object_get_ex(line.root, "kind", &kind) && bl_json_is(kind, "eval") &&
        json_object_object_get_ex(line.root, "model", &model))
        for (int m = 0; m < MODELS && status == BL_OK; m++)
            if (bl_json_is(model, models[m])) status = append(&s[m], line.root);
    bl_json_free(&line);
    return status;
}

static struct json_object *summary_of(const series *s) {
    struct json_object *o = json_object_new_object();
    bl_json_add(&o, "evaluations", json_object_new_int(s->n));
    for (int m = 0; m < MEASURES; m++) {
        bl_series_summary v = bl_series_summarise(s->v[m], s->n, WINDOW);
        struct json_object *e = json_object_new_object();
        bl_json_add(&e, "last", json_object_new_double(v.last));
        bl_json_add(&e, "best", json_object_new_double(v.best));
        bl_json_add(&e, "best_iter", json_object_new_double(s->iter[v.best_at]));
        bl_json_add(&e, "median20", json_object_new_double(v.median));
        bl_json_add(&e, "mean20", json_object_new_double(v.mean));
        bl_json_add(&o, measures[m], e);
    }
    return o;
}

bl_status bl_classify_summary_write(const char *run_dir) {
    char *from = bl_path_join(run_dir, "metrics.jsonl"),
         *to = bl_path_join(run_dir, "summary.json");
    char *text = NULL;
    size_t size = 0;
    series s[MODELS] = {0};
    struct json_object *root = json_object_new_object(), *all = json_object_new_object();
    bl_status status =
        from && to ? bl_read_file(from, (size_t)1 << 30, &text, &size) : bl_no_memory(NULL);
    for (char *p = text, *end; status == BL_OK && p < text + size; p = end + 1) {
        end = memchr(p, '\n', (size_t)(text + size - p));
        if (!end) break;
        status = read_line(p, (size_t)(end - p), from, s);
    }
    bl_json_add(&root, "protocol", json_object_new_string("classification"));
    for (int m = MODELS - 1; m >= 0; m--)
        if (s[m].n) bl_json_add(&all, models[m], summary_of(&s[m]));
    bl_json_add(&root, "models", all);
    const series *main = s[2].n ? &s[2] : s[1].n ? &s[1] : &s[0];
    if (status == BL_OK && main->n) {
        bl_series_summary v = bl_series_summarise(main->v[1], main->n, WINDOW);
        BL_INFO("balanced accuracy: last %.4f, median of the last %d %.4f, mean %.4f, best %.4f",
                v.last, (int)v.window, v.median, v.mean, v.best);
        status = bl_json_save(root, to);
    }
    json_object_put(root);
    for (int m = 0; m < MODELS; m++) {
        for (int k = 0; k < MEASURES; k++) free(s[m].v[k]);
        free(s[m].iter);
    }
    free(from);
    free(to);
    free(text);
    return status;
}
