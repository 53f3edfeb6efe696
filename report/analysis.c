#include "report/analysis.h"

#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"

static bl_status load_class_names(rep_report *r, rep_analysis *a, struct json_object *root) {
    struct json_object *list;
    int n = bl_rep_array(root, "classes", &list);
    a->classes = BL_NEW_ARRAY(r->arena, const char *, n + 1);
    if (!a->classes) return BL_ENOMEM;
    for (int k = 0; k < n; k++) {
        struct json_object *c = json_object_array_get_idx(list, (size_t)k);
        const char *name = json_object_is_type(c, json_type_string) ? json_object_get_string(c)
                                                                    : bl_rep_string(c, "name");
        if (!(a->classes[k] = bl_arena_strdup(r->arena, name))) return BL_ENOMEM;
    }
    a->n_classes = n;
    return BL_OK;
}

static void add_cell(rep_analysis *a, int row, int column, double count) {
    if (!(count > 0) || row < 0 || column < 0 || row > a->n_classes || column > a->n_classes)
        return;
    a->cells[a->n_cells++] = (rep_confused){row, column, count};
    a->row_sum[row] += count;
    a->column_sum[column] += count;
    if (row == a->n_classes || column == a->n_classes) a->background = true;
}

/* `key`: rows of counts, or "confusion_sparse": [row, column, count] each. */
static bl_status load_confusion(rep_report *r, rep_analysis *a, struct json_object *root,
                                const char *key) {
    struct json_object *dense, *sparse;
    int rows = bl_rep_array(root, key, &dense), n = bl_rep_array(root, "confusion_sparse", &sparse);
    int64_t most = n;
    for (int i = 0; i < rows; i++) {
        struct json_object *row = json_object_array_get_idx(dense, (size_t)i);
        if (json_object_is_type(row, json_type_array))
            most += (int64_t)json_object_array_length(row);
    }
    a->cells = BL_NEW_ARRAY(r->arena, rep_confused, most + 1);
    a->row_sum = BL_NEW_ARRAY(r->arena, double, a->n_classes + 1);
    a->column_sum = BL_NEW_ARRAY(r->arena, double, a->n_classes + 1);
    if (!a->cells || !a->row_sum || !a->column_sum) return BL_ENOMEM;
    a->background = rows == a->n_classes + 1;
    for (int i = 0; i < rows; i++) {
        struct json_object *row = json_object_array_get_idx(dense, (size_t)i);
        if (!json_object_is_type(row, json_type_array)) continue;
        size_t columns = json_object_array_length(row);
        for (size_t j = 0; j < columns && j <= (size_t)a->n_classes; j++)
            add_cell(a, i, (int)j, bl_rep_value(json_object_array_get_idx(row, j)));
    }
    for (int i = 0; i < n; i++) {
        struct json_object *cell = json_object_array_get_idx(sparse, (size_t)i);
        double v[3];
        if (!json_object_is_type(cell, json_type_array) || json_object_array_length(cell) != 3)
            continue;
        for (int j = 0; j < 3; j++) v[j] = bl_rep_value(json_object_array_get_idx(cell, (size_t)j));
        if (v[0] >= 0 && v[0] <= a->n_classes && v[1] >= 0 && v[1] <= a->n_classes)
            add_cell(a, (int)v[0], (int)v[1], v[2]);
    }
    return BL_OK;
}

static void load_tide(rep_analysis *a, struct json_object *root) {
    static const char *const keys[REP_ERRORS] = {"cls", "loc",  "both", "dupe",
                                                 "bkg", "miss", "fp",   "fn"};
    struct json_object *tide = bl_rep_get(root, "tide"), *gain = bl_rep_get(tide, "dAP"),
                       *count = bl_rep_get(tide, "counts");
    a->ap50 = bl_rep_score(tide, "AP50");
    for (int e = 0; e < REP_ERRORS; e++) {
        a->gain[e] = bl_rep_score(gain, keys[e]);
        a->count[e] = bl_rep_score(count, keys[e]);
        a->has_tide = a->has_tide || !isnan(a->gain[e]);
    }
}

static bl_status load_calibration(rep_report *r, rep_analysis *a, struct json_object *root) {
    struct json_object *calibration = bl_rep_get(root, "calibration"), *list;
    int n = bl_rep_array(calibration, "bins", &list);
    a->ece = bl_rep_score(calibration, "ece");
    a->bins = BL_NEW_ARRAY(r->arena, rep_bin, n + 1);
    if (!a->bins) return BL_ENOMEM;
    for (int i = 0; i < n; i++) {
        struct json_object *b = json_object_array_get_idx(list, (size_t)i);
        rep_bin bin = {bl_rep_score(b, "lo"), bl_rep_score(b, "hi"), bl_rep_score(b, "count"),
                       bl_rep_score(b, "mean_score"), bl_rep_score(b, "precision")};
        if (bin.lo >= 0 && bin.hi > bin.lo && bin.hi <= 1.0001) a->bins[a->n_bins++] = bin;
    }
    return BL_OK;
}

/* Pictures make pages large: small ones only, and so many bytes of them in all. */
enum { MAX_THUMBNAIL = 128 << 10, ALL_THUMBNAILS = 3 << 20, MAX_COSTLY = 2000 };

static bl_status costly_image(rep_report *r, rep_analysis *a, const rep_model *m,
                              struct json_object *o, const char *class_name, size_t *bytes) {
    char sha256[65];
    rep_costly c = {class_name,
                    bl_arena_strdup(r->arena, bl_rep_string(o, "file_name")),
                    NULL,
                    bl_rep_score(o, "cost"),
                    bl_rep_score(o, "fp"),
                    bl_rep_score(o, "fn")};
    if (c.file && !*c.file)
        c.file = bl_arena_printf(r->arena, "image %.0f", bl_rep_number(o, "image_id"));
    if (!c.file) return BL_ENOMEM;
    if (*bytes < ALL_THUMBNAILS)
        BL_TRY(bl_rep_image(r->arena, m->dir, bl_rep_string(o, "thumbnail"), MAX_THUMBNAIL,
                            &c.data_uri, sha256));
    if (c.data_uri) *bytes += strlen(c.data_uri);
    a->costly[a->n_costly++] = c;
    return BL_OK;
}

static bl_status load_costly(rep_report *r, rep_analysis *a, const rep_model *m,
                             struct json_object *root) {
    struct json_object *list, *images;
    int n = bl_rep_array(root, "costly", &list);
    size_t bytes = 0;
    a->costly = BL_NEW_ARRAY(r->arena, rep_costly, MAX_COSTLY);
    if (!a->costly) return BL_ENOMEM;
    for (int k = 0; k < n; k++) {
        struct json_object *c = json_object_array_get_idx(list, (size_t)k);
        char *name = bl_arena_strdup(r->arena, bl_rep_string(c, "class"));
        int n_images = bl_rep_array(c, "images", &images);
        if (!name) return BL_ENOMEM;
        for (int i = 0; i < n_images && a->n_costly < MAX_COSTLY; i++)
            BL_TRY(
                costly_image(r, a, m, json_object_array_get_idx(images, (size_t)i), name, &bytes));
    }
    return BL_OK;
}

static bl_status fill(rep_report *r, rep_analysis *a, const rep_model *m,
                      struct json_object *root) {
    a->iou = bl_rep_score(root, "iou");
    a->score_threshold = bl_rep_score(root, "score_threshold");
    load_tide(a, root);
    BL_TRY(load_class_names(r, a, root));
    BL_TRY(load_confusion(r, a, root, bl_rep_get(root, "matrix") ? "matrix" : "confusion"));
    BL_TRY(load_calibration(r, a, root));
    return load_costly(r, a, m, root);
}

bl_status bl_rep_load_analysis(rep_report *r, rep_model *m) {
    static const char *const files[] = {"analysis.json", "confusion.json"}; /* of a classifier */
    for (int i = 0; i < 2; i++) {
        const char *const parts[] = {files[i], NULL};
        char *path = bl_rep_path(r->arena, m->dir, parts);
        if (!path) return BL_ENOMEM;
        if (!bl_exists(path)) continue;
        bl_json doc = {0};
        BL_TRY(bl_json_load(path, &doc));
        m->analysis = BL_NEW(r->arena, rep_analysis);
        bl_status status = m->analysis ? fill(r, m->analysis, m, doc.root) : BL_ENOMEM;
        bl_json_free(&doc);
        return status;
    }
    return BL_OK;
}

const rep_analysis *bl_rep_analysis_of(const rep_run *run) {
    const rep_model *m = bl_rep_main_model(run);
    return m ? m->analysis : NULL;
}
