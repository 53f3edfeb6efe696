/* The reader of result files on arbitrary bytes; what it accepts is evaluated, and written and read
 * again. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "core/parallel.h"
#include "eval/analysis/analysis.h"
#include "tests/fuzz/fuzz.h"

static bl_dataset *ground_truth(void) {
    bl_category categories[3] = {{.id = 1, .name = "a", .supercategory = ""},
                                 {.id = 2, .name = "b", .supercategory = ""},
                                 {.id = 7, .name = "c", .supercategory = ""}};
    bl_image_info images[3] = {{.id = 3, .file = "3", .width = 100, .height = 100},
                               {.id = 1, .file = "1", .width = 100, .height = 100},
                               {.id = 2, .file = "2", .width = 100, .height = 100}};
    static const int32_t absent[] = {1, 2}, partly[] = {0};
    bl_federated lists[3] = {{.stated = true},
                             {.stated = true, .negative = absent, .n_negative = 2},
                             {.stated = true, .not_exhaustive = partly, .n_not_exhaustive = 1}};
    bl_ann anns[9];
    bl_mask masks[9];
    bl_rle r = {0};
    bl_strpool pool = {.arena = bl_arena_create(0)};
    for (int i = 0; i < 9; i++) {
        HOLDS(bl_rle_from_box((const double[4]){10 * i, 5, 20, 30}, 100, 100, &r) == BL_OK);
        HOLDS(bl_mask_keep(&pool, &r, &masks[i]) == BL_OK);
        anns[i] = (bl_ann){.id = i,
                           .x = 10 * i,
                           .y = 5,
                           .w = 20,
                           .h = 30,
                           .area = 600,
                           .image = i / 3,
                           .category = i % 2,
                           .iscrowd = i % 4 == 3};
    }
    bl_dataset parts = {.name = "gt",
                        .image_dir = "",
                        .categories = categories,
                        .images = images,
                        .anns = anns,
                        .masks = masks,
                        .federated = lists,
                        .n_categories = 3,
                        .n_images = 3,
                        .n_anns = 9};
    bl_dataset *gt;
    HOLDS(bl_dataset_build(&parts, &gt) == BL_OK);
    bl_rle_free(&r);
    bl_arena_destroy(pool.arena);
    return gt;
}

static void check_ranges(const bl_eval_result *r) {
    size_t n = (size_t)(r->T * r->K * r->A * r->M), all = n * (size_t)r->R;
    double *precision = malloc(all * sizeof *precision), *recall = malloc(n * sizeof *recall);
    HOLDS(precision && recall);
    bl_eval_expand(r, precision, NULL, recall);
    for (size_t i = 0; i < n; i++) HOLDS(recall[i] == -1 || (recall[i] >= 0 && recall[i] <= 1));
    for (size_t i = 0; i < all; i++)
        HOLDS(precision[i] == -1 || (precision[i] >= 0 && precision[i] <= 1));
    free(precision);
    free(recall);
    bl_eval_summary s = bl_eval_summarise(r, NULL);
    HOLDS(s.AP >= 0 && s.AP <= 1 && s.AR1 <= s.AR10 && s.AR10 <= s.AR100 && s.AR100 <= 1);
    HOLDS(s.AR >= -1 && s.AR <= 1);
}

/* Under a protocol that the analysis does not follow. */
static void check_protocol(const bl_dataset *gt, const bl_detections *d, bl_eval_params p) {
    bl_eval_result r;
    HOLDS(bl_eval_run(gt, d, &p, &r) == BL_OK);
    check_ranges(&r);
    bl_eval_result_free(&r);
}

/* The analysis agrees with the evaluator, and its parts with each other. */
static void check_analysis(const bl_dataset *gt, const bl_detections *d, const bl_eval_result *r) {
    const bl_results results = {.gt = gt, .dt = d, .eval = r, .iter = -1};
    const bl_analysis_options o = bl_analysis_defaults();
    bl_findings found = {0};
    bl_analysis a;
    HOLDS(bl_input_check(gt, d, &r->params, NULL, "fuzz", &found) == BL_OK);
    bl_findings_free(&found);
    HOLDS(bl_analysis_run(&results, &o, &a) == BL_OK);
    HOLDS(a.errors.all.ap >= 0 && a.errors.all.ap <= 1);
    HOLDS(a.calibration.ece >= -1);
    int64_t objects = 0, rows = 0;
    for (int64_t g = 0; g < gt->n_anns; g++) objects += a.fates.gt[g] != BL_OBJECT_IGNORED;
    for (int64_t i = 0; i < a.confusion.n_cells; i++)
        if (a.confusion.cells[i].row < 3) rows += a.confusion.cells[i].count;
    HOLDS(rows == objects);
    bl_analysis_free(&a);
}

static void round_trip(const bl_detections *d, const bl_dataset *gt) {
    char path[] = "/tmp/fuzz_results_XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) return;
    close(fd);
    bl_detections again;
    bl_detections_options o = {.masks = d->masks != NULL};
    HOLDS(bl_detections_write(d, gt, path) == BL_OK);
    HOLDS(bl_detections_read_with(path, gt, &o, &again) == BL_OK);
    HOLDS(again.n == d->n);
    for (int64_t i = 0; i < d->n; i++) {
        const bl_detection *a = &d->v[i], *b = &again.v[i];
        HOLDS(a->x == b->x && a->y == b->y && a->w == b->w && a->h == b->h &&
              a->score == b->score && a->image == b->image && a->category == b->category);
        HOLDS(!d->masks ||
              (d->masks[i].length == again.masks[i].length &&
               memcmp(d->masks[i].text, again.masks[i].text, d->masks[i].length) == 0));
    }
    bl_detections_free(&again);
    unlink(path);
}

/* Every detection has a whole mask then. */
static void with_masks(const uint8_t *data, size_t size, const bl_dataset *gt) {
    bl_detections d;
    bl_detections_options o = {.masks = true, .skip_unknown = size % 2};
    if (bl_detections_read_memory_with(data, size, "fuzz", gt, &o, &d) != BL_OK) {
        HOLDS(d.v == NULL && d.masks == NULL);
        return;
    }
    bl_rle r = {0};
    for (int64_t i = 0; i < d.n; i++) {
        HOLDS(bl_mask_runs(&d.masks[i], &r) == BL_OK);
        HOLDS(bl_rle_check(&r) == BL_OK && bl_rle_area(&r) == d.masks[i].area);
        HOLDS(d.box_area || bl_detection_area(&d, i) == d.masks[i].area);
    }
    check_protocol(gt, &d, bl_eval_params_coco_segm());
    check_protocol(gt, &d, bl_eval_params_lvis(BL_IOU_SEGM));
    if (d.n < 64) round_trip(&d, gt);
    bl_rle_free(&r);
    bl_detections_free(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bl_dataset *gt; /* made once; lives as long as the process */
    if (!gt) gt = ground_truth();
    with_masks(data, size, gt);
    bl_detections d;
    if (bl_detections_read_memory(data, size, "fuzz", gt, &d) != BL_OK) {
        HOLDS(d.v == NULL && d.n == 0);
        return 0;
    }
    bl_eval_result r;
    for (int honour = 0; honour < 2; honour++) {
        bl_eval_params p = bl_eval_params_coco();
        p.honour_ignore = honour;
        HOLDS(bl_eval_run(gt, &d, &p, &r) == BL_OK);
        check_ranges(&r);
        check_analysis(gt, &d, &r);
        bl_eval_result_free(&r);
    }
    bl_eval_params agnostic = bl_eval_params_coco();
    agnostic.class_agnostic = true;
    check_protocol(gt, &d, agnostic);
    check_protocol(gt, &d, bl_eval_params_lvis(BL_IOU_BBOX));
    check_protocol(gt, &d, bl_eval_params_lvis_fixed(BL_IOU_BBOX));
    if (d.n < 64) round_trip(&d, gt);
    bl_detections_free(&d);
    return 0;
}
