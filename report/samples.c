/* The report's reading of samples/: example images with boxes (docs/run-folder.md). */
#include <json-c/json.h>
#include <math.h>
#include <string.h>

#include "core/json.h"
#include "report/data.h"

static bl_status load_boxes(rep_report *r, rep_run *run, struct json_object *o, const char *key,
                            rep_box **out, int *n_out) {
    struct json_object *list;
    int n = bl_rep_array(o, key, &list);
    *out = BL_NEW_ARRAY(r->arena, rep_box, n + 1);
    if (!*out) return BL_ENOMEM;
    for (int i = 0; i < n; i++) {
        struct json_object *b = json_object_array_get_idx(list, (size_t)i), *corners, *label;
        rep_box one = {.score = bl_rep_score(b, "score"), .label = ""};
        if (bl_rep_array(b, "box", &corners) != 4) continue;
        bool finite = true;
        for (int c = 0; c < 4; c++) {
            struct json_object *v = json_object_array_get_idx(corners, (size_t)c);
            one.box[c] = v ? bl_rep_value(v) : NAN;
            finite = finite && isfinite(one.box[c]);
        }
        if (!finite) continue;
        label = bl_rep_get(b, "label"); /* class number or name */
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

static bl_status load_sample(rep_report *r, rep_run *run, const char *dir, struct json_object *o) {
    static const char *const keys[3] = {"truth", "predictions", "pseudo"};
    rep_sample s = {.width = bl_rep_score(o, "width"), .height = bl_rep_score(o, "height")};
    if (!(s.width > 0 && s.height > 0 && s.width < 1e5 && s.height < 1e5)) return BL_OK;
    s.file = bl_arena_strdup(r->arena, bl_rep_string(o, "file"));
    s.set = bl_arena_strdup(r->arena, bl_rep_string(o, "set"));
    if (!s.file || !s.set) return BL_ENOMEM;
    for (int i = 0; i < 3; i++) BL_TRY(load_boxes(r, run, o, keys[i], &s.box[i], &s.n_box[i]));
    enum { MAX_IMAGE = 8 << 20 };
    if (strchr(s.file, '/')) return BL_OK; /* samples lie in their own folder only */
    BL_TRY(bl_rep_image(r->arena, dir, s.file, MAX_IMAGE, &s.data_uri, s.sha256));
    if (s.data_uri) run->samples[run->n_samples++] = s;
    return BL_OK;
}

bl_status bl_rep_load_samples(rep_report *r, rep_run *run) {
    enum { MAX_SAMPLES = 48 };
    const char *const root[] = {"samples", NULL};
    char *dir = bl_rep_path(r->arena, run->dir, root);
    if (!dir) return BL_ENOMEM;
    char *last = bl_rep_last_iter(r->arena, dir, "samples.json", &run->samples_iter);
    if (!last) { /* classifiers, whose classes count no boxes, write none */
        if (run->n_classes == 0 || !isnan(run->classes[0].train_boxes))
            bl_rep_missing(r, run, "samples/ (example images)");
        return BL_OK;
    }
    const char *const folder[] = {last, NULL}, *const list_file[] = {last, "samples.json", NULL};
    char *sub = bl_rep_path(r->arena, dir, folder), *path = bl_rep_path(r->arena, dir, list_file);
    if (!sub || !path) return BL_ENOMEM;
    bl_json doc = {0};
    BL_TRY(bl_json_load(path, &doc));
    struct json_object *list;
    int n = bl_rep_array(doc.root, "samples", &list);
    if (n > MAX_SAMPLES) n = MAX_SAMPLES;
    bl_status status = BL_OK;
    run->samples = BL_NEW_ARRAY(r->arena, rep_sample, n + 1);
    if (!run->samples) status = BL_ENOMEM;
    for (int i = 0; status == BL_OK && i < n; i++)
        status = load_sample(r, run, sub, json_object_array_get_idx(list, (size_t)i));
    bl_json_free(&doc);
    return status;
}
