/* The report's reading of metrics.jsonl (docs/run-folder.md). */
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "report/data.h"

/* The list's series of that key, added if new; NULL without memory. */
static rep_series *series_of(bl_arena *a, rep_series_list *list, const char *key) {
    rep_series *s = (rep_series *)bl_rep_series_find(list, key);
    if (s) return s;
    if (list->n == list->cap) {
        int cap = list->cap ? 2 * list->cap : 16;
        rep_series *v = BL_NEW_ARRAY(a, rep_series, cap);
        if (!v) return NULL;
        if (list->n) memcpy(v, list->v, (size_t)list->n * sizeof *v);
        list->v = v;
        list->cap = cap;
    }
    s = &list->v[list->n];
    *s = (rep_series){.key = bl_arena_strdup(a, key)};
    if (!s->key) return NULL;
    list->n++;
    return s;
}

/* Every number of a line, but for the iteration. `scores`: negative means undefined. */
static bl_status numbers(bl_arena *a, rep_series_list *list, struct json_object *o, bool scores) {
    double iter = bl_rep_number(o, "iter");
    json_object_object_foreach(o, key, value) {
        if (strcmp(key, "kind") == 0 || strcmp(key, "iter") == 0) continue;
        rep_series *s;
        double y = value ? bl_rep_value(value) : NAN;
        if (isnan(y) || (scores && y < 0)) continue;
        if (!(s = series_of(a, list, key))) return BL_ENOMEM;
        BL_TRY(bl_rep_push(a, &s->x, iter));
        BL_TRY(bl_rep_push(a, &s->y, y));
    }
    return BL_OK;
}

/* The array `key` of a line, or that of a plug-in: keys of plug-ins carry their names, "gb_weight". */
static int state_array(struct json_object *o, const char *key, struct json_object **list) {
    int n = bl_rep_array(o, key, list);
    if (n > 0) return n;
    json_object_object_foreach(o, name, value) {
        (void)value;
        const char *tail = strrchr(name, '_');
        if (tail && strcmp(tail + 1, key) == 0) return bl_rep_array(o, name, list);
    }
    return n;
}

static bl_status class_line(rep_report *r, rep_run *run, struct json_object *o) {
    BL_TRY(bl_rep_push(r->arena, &run->state_iter, bl_rep_number(o, "iter")));
    for (int s = 0; s < REP_STATES; s++) {
        struct json_object *list;
        int n = state_array(o, bl_rep_state_keys[s], &list);
        for (int k = 0; k < run->n_classes; k++) {
            struct json_object *v = k < n ? json_object_array_get_idx(list, (size_t)k) : NULL;
            double x = v ? bl_rep_value(v) : NAN;
            BL_TRY(bl_rep_push(r->arena, &run->state[s], x < 0 && s != REP_LOGIT ? NAN : x));
        }
    }
    return numbers(r->arena, &run->train, o, false); /* of all classes: "mask_rate", ... */
}

static bl_status eval_line(rep_report *r, rep_run *run, struct json_object *o) {
    rep_model *m = bl_rep_model_named(run, bl_rep_string(o, "model"));
    return m ? numbers(r->arena, &m->evals, o, true) : BL_OK;
}

/* Where eval/ has no detail, the last evaluation of metrics.jsonl stands in. */
static void fall_back_on_lines(rep_report *r, rep_model *m) {
    double last = NAN;
    for (int i = 0; i < m->evals.n; i++)
        last = fmax(last, m->evals.v[i].x.v[m->evals.v[i].x.n - 1]);
    if (isnan(last) || m->iter >= last) return;
    if (!isnan(m->iter)) m->has_classes = m->has_curves = false; /* of an older iteration */
    m->dir = NULL;
    m->iter = last;
    for (int c = 0; c < REP_COLUMNS; c++) {
        m->summary[c] = NAN;
        for (int g = 0; g < REP_MAX_GROUPS; g++) m->group[g][c] = NAN;
    }
    for (int i = 0; i < m->evals.n; i++) {
        const rep_series *s = &m->evals.v[i];
        if (s->x.v[s->x.n - 1] < last) continue;
        double v = s->y.v[s->y.n - 1];
        bool of_group = false;
        for (int g = 0; g < r->n_groups; g++) { /* "AP_minority" */
            size_t tail = strlen(r->groups[g]), n = strlen(s->key);
            if (n < tail + 2 || s->key[n - tail - 1] != '_' ||
                strcmp(s->key + n - tail, r->groups[g]) != 0)
                continue;
            char *key = bl_arena_printf(r->arena, "%.*s", (int)(n - tail - 1), s->key);
            int c = key ? bl_rep_column_find(&r->summary, key) : -1;
            if (c < 0) continue;
            m->group[g][c] = v;
            of_group = true;
        }
        int c = of_group ? -1 : bl_rep_column_add(r->arena, &r->summary, s->key, v);
        if (c >= 0) m->summary[c] = v;
    }
}

bl_status bl_rep_load_metrics(rep_report *r, rep_run *run) {
    const char *const parts[] = {"metrics.jsonl", NULL};
    char *path = bl_rep_path(r->arena, run->dir, parts), *data;
    size_t size;
    if (!path) return BL_ENOMEM;
    if (!bl_exists(path)) {
        bl_rep_missing(r, run, "metrics.jsonl (losses, results and class state over training)");
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
        const char *kind = bl_rep_string(doc.root, "kind");
        if (strcmp(kind, "train") == 0) status = numbers(r->arena, &run->train, doc.root, false);
        if (strcmp(kind, "class") == 0) status = class_line(r, run, doc.root);
        if (strcmp(kind, "eval") == 0) status = eval_line(r, run, doc.root);
        bl_json_free(&doc);
    }
    free(data);
    for (int m = 0; m < REP_MODELS; m++)
        if (run->model[m].name) fall_back_on_lines(r, &run->model[m]);
    return status;
}
