/* The error breakdown against the program of TIDE's authors on random cases: every count and every
 * gain, per class and over all. scripts/golden/eval_tide.py wrote the file.
 *
 *     test_eval_tide [FILE]     checks another file of the same format */
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "eval/analysis/error_breakdown.h"
#include "tests/check.h"

static struct json_object *member(struct json_object *o, const char *key) {
    struct json_object *v;
    CHECK(json_object_object_get_ex(o, key, &v));
    return v;
}

static void check_costs(const char *name, struct json_object *want, const bl_error_costs *got) {
    double ap = json_object_get_double(member(want, "ap"));
    if (fabs(ap - got->ap) > 1e-12) fprintf(stderr, "%s: AP\n", name);
    CHECK_NEAR(got->ap, ap, 1e-12);
    for (int e = 0; e < BL_ERROR_KINDS; e++) {
        int64_t count = json_object_get_int64(member(member(want, "count"), bl_error_names[e]));
        double gain = json_object_get_double(member(member(want, "gain"), bl_error_names[e]));
        if (count != got->count[e] || fabs(gain - got->gain[e]) > 1e-12)
            fprintf(stderr, "%s: %s\n", name, bl_error_names[e]);
        CHECK_EQ(got->count[e], count);
        CHECK_NEAR(got->gain[e], gain, 1e-12);
    }
}

static void read_part(struct json_object *o, const char **text, size_t *size) {
    *text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN, size);
}

static void check_case(struct json_object *c) {
    static const bl_fates_options options = {.iou = 0.5, .background_iou = 0.1};
    const char *name = json_object_get_string(member(c, "name")), *text;
    size_t size;
    bl_dataset *gt;
    bl_detections dt;
    bl_eval_params p = bl_eval_params_coco();
    bl_fates f;
    bl_error_breakdown e;
    read_part(member(c, "gt"), &text, &size);
    CHECK_OK(bl_coco_read_memory(text, size, name, "", NULL, &gt));
    read_part(member(c, "dt"), &text, &size);
    CHECK_OK(bl_detections_read_memory(text, size, name, gt, &dt));
    CHECK_OK(bl_fates_find(gt, &dt, &p, &options, &f));
    CHECK_OK(bl_error_breakdown_make(gt, &dt, &p, &f, &e));
    check_costs(name, member(c, "all"), &e.all);
    struct json_object *classes = member(c, "classes");
    CHECK_EQ(json_object_array_length(classes), e.n_classes);
    for (int32_t k = 0; k < e.n_classes; k++)
        check_costs(name, json_object_array_get_idx(classes, (size_t)k), &e.classes[k]);
    bl_error_breakdown_free(&e);
    bl_fates_free(&f);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : BALLAST_SOURCE_DIR "/tests/golden/eval_tide.json";
    bl_json doc;
    CHECK_OK(bl_json_load(path, &doc));
    struct json_object *cases = member(doc.root, "cases");
    size_t n = json_object_array_length(cases);
    CHECK(n >= 1);
    if (argc == 1) CHECK_EQ(n, 25);
    for (size_t i = 0; i < n; i++) check_case(json_object_array_get_idx(cases, i));
    printf("%zu cases agree\n", n);
    bl_json_free(&doc);
    return 0;
}
