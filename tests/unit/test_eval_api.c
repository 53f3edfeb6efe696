/* The evaluator as a library: ground truth and detections from memory, custom protocols, means over
 * any block of cells, and what it refuses. */
#include "core/parallel.h"
#include "eval/protocol/evaluator.h"
#include "tests/check.h"

enum { CLASSES = 3, IMAGES = 40 };

/* Each image: one object per class; class 0 is always found, class 1 in even images, class 2 never.
 * Detections are as wide as 1/2, 3/4 or all of the object, by image. */
static bl_dataset *truth(void) {
    bl_category categories[CLASSES];
    bl_image_info images[IMAGES];
    bl_ann anns[CLASSES * IMAGES];
    for (int k = 0; k < CLASSES; k++)
        categories[k] = (bl_category){.id = 10 * k, .name = "c", .frequency = "rcf"[k]};
    for (int i = 0; i < IMAGES; i++)
        images[i] = (bl_image_info){.id = 1000 - i, .file = "x", .width = 500, .height = 500};
    for (int i = 0; i < CLASSES * IMAGES; i++)
        anns[i] = (bl_ann){.id = i + 1,
                           .x = 100.0 * (i % CLASSES),
                           .w = 40,
                           .h = 40,
                           .area = 1600,
                           .image = i / CLASSES,
                           .category = i % CLASSES};
    const bl_dataset parts = {.name = "memory",
                              .categories = categories,
                              .images = images,
                              .anns = anns,
                              .n_categories = CLASSES,
                              .n_images = IMAGES,
                              .n_anns = CLASSES * IMAGES};
    bl_dataset *gt;
    CHECK_OK(bl_dataset_build(&parts, &gt));
    return gt;
}

static bl_detections found(void) {
    static const double width[] = {20, 30, 40};
    bl_detections dt = {0};
    for (int i = 0; i < IMAGES; i++)
        for (int k = 0; k < 2; k++) {
            bl_detection d = {.x = 100.0 * k,
                              .w = width[i % 3],
                              .h = 40,
                              .score = 0.5 + 0.01 * i,
                              .image = i,
                              .category = k};
            if (k == 0 || i % 2 == 0) CHECK_OK(bl_detections_add(&dt, &d));
        }
    return dt;
}

static bl_eval_params custom(void) {
    bl_eval_params p = bl_eval_params_coco();
    const double ious[] = {0.75, 0.5, 1};
    memcpy(p.ious, ious, sizeof ious);
    p.n_ious = 3;
    p.areas[1] = (bl_area_range){"tiny", 0, 100};
    p.areas[2] = (bl_area_range){"middling", 1600, 1600};
    p.n_areas = 3;
    p.n_limits = 1;
    p.max_dets[0] = 7;
    return p;
}

static void custom_protocol(const bl_dataset *gt, const bl_detections *dt) {
    const bl_eval_params p = custom();
    bl_eval_result r;
    CHECK_OK(bl_eval_run(gt, dt, &p, &r));
    CHECK(r.T == 3 && r.R == 101 && r.K == CLASSES && r.A == 3 && r.M == 1);
    /* recall of class 0: all at IoU .5, two thirds of them at .75, a third at 1 */
    CHECK_NEAR(bl_eval_recall(&r, 1, 0, 0, 0), 1, 0);
    CHECK_NEAR(bl_eval_recall(&r, 0, 0, 0, 0), 26 / 40.0, 0);
    CHECK_NEAR(bl_eval_recall(&r, 2, 0, 0, 0), 13 / 40.0, 0);
    CHECK_NEAR(bl_eval_recall(&r, 1, 1, 0, 0), 0.5, 0);
    CHECK_NEAR(bl_eval_recall(&r, 1, 2, 0, 0), 0, 0);
    CHECK_NEAR(bl_eval_recall(&r, 1, 0, 1, 0), -1, 0); /* none is tiny */
    CHECK_NEAR(bl_eval_precision(&r, 1, 100, 0, 0, 0), 1, 1e-12);
    CHECK_NEAR(bl_eval_precision(&r, 1, 51, 1, 0, 0), 0, 0);
    /* the first detection that reaches recall .5 is the twentieth best */
    CHECK_NEAR(bl_eval_score(&r, 1, 50, 0, 0, 0), 0.5 + 0.01 * 20, 1e-15);
    CHECK_EQ(r.n_gt[0 * r.A + 0], 40);
    CHECK_EQ(r.n_gt[0 * r.A + 1], 0);
    CHECK_EQ(r.n_gt[0 * r.A + 2], 40);
    bl_eval_metric m[BL_EVAL_MAX_METRICS];
    static const char *const keys[] = {"AP",          "AP50", "AP75",    "AP_tiny",
                                       "AP_middling", "AR7",  "AR_tiny", "AR_middling"};
    CHECK_EQ(bl_eval_metrics(&r, NULL, m), 8);
    for (int i = 0; i < 8; i++) CHECK_STR(m[i].key, keys[i]);
    CHECK_NEAR(m[3].value, -1, 0);
    CHECK_NEAR(m[1].iou_min, 0.5, 0);
    CHECK_NEAR(m[5].iou_max, 1, 0);
    CHECK_STR(m[4].area, "middling");
    /* means: the same by hand */
    const bl_eval_cells c = {.t0 = 1, .t1 = 2, .area = 0, .limit = 0, .k0 = 0, .k1 = 2};
    CHECK_NEAR(bl_eval_mean_recall(&r, &c), 0.75, 0);
    const bl_eval_cells rare = {.t0 = 1, .t1 = 2, .k0 = 0, .k1 = CLASSES, .frequency = 'r'};
    CHECK_NEAR(bl_eval_mean_recall(&r, &rare), 1, 0);
    const uint8_t last[CLASSES] = {0, 0, 1};
    CHECK_NEAR(bl_eval_summarise(&r, last).AP50, 0, 0);
    bl_class_result per[CLASSES];
    CHECK_OK(bl_eval_per_class(&r, gt, dt, per));
    CHECK_EQ(per[0].n_det, 40);
    CHECK_EQ(per[1].n_det, 20);
    CHECK_EQ(per[1].n_images, 40);
    CHECK_NEAR(per[1].best_f1, 2 * 0.5 / 1.5, 1e-15);
    CHECK_NEAR(per[1].APs, -1, 0);
    bl_eval_result_free(&r);
}

static void class_agnostic(const bl_dataset *gt, const bl_detections *dt) {
    bl_eval_params p = bl_eval_params_coco();
    p.class_agnostic = true;
    bl_eval_result r;
    CHECK_OK(bl_eval_run(gt, dt, &p, &r));
    CHECK_EQ(r.K, 1);
    CHECK_EQ(r.n_gt[0], CLASSES * IMAGES);
    CHECK_NEAR(bl_eval_recall(&r, 0, 0, 0, 2), 60 / 120.0, 0);
    CHECK_NEAR(bl_eval_recall(&r, 0, 0, 0, 0), 40 / 120.0, 0); /* one an image */
    bl_class_result per;
    CHECK_OK(bl_eval_per_class(&r, gt, dt, &per));
    CHECK_EQ(per.n_det, 60);
    CHECK_EQ(per.n_images, IMAGES);
    bl_eval_result_free(&r);
}

/* More pairs of area and threshold than fit one pass: each must equal what it gives alone. */
static void many_cells(const bl_dataset *gt, const bl_detections *dt) {
    bl_eval_params p = bl_eval_params_coco();
    p.n_ious = BL_EVAL_MAX_IOUS;
    for (int t = 0; t < p.n_ious; t++) p.ious[t] = t / 63.0;
    bl_eval_result all, one;
    CHECK_OK(bl_eval_run(gt, dt, &p, &all));
    p.n_ious = 1;
    for (int t = 0; t < all.T; t += 7) {
        p.ious[0] = t / 63.0;
        CHECK_OK(bl_eval_run(gt, dt, &p, &one));
        size_t n = (size_t)one.R * (size_t)(one.K * one.A * one.M);
        double *mine = malloc(n * sizeof *mine), *whole = malloc((size_t)all.T * n * sizeof *whole);
        bl_eval_expand(&one, mine, NULL, NULL);
        bl_eval_expand(&all, whole, NULL, NULL);
        CHECK(memcmp(mine, whole + (size_t)t * n, n * sizeof *mine) == 0);
        free(mine);
        free(whole);
        bl_eval_result_free(&one);
    }
    bl_eval_result_free(&all);
}

static void refuse(const bl_dataset *gt, const bl_detections *dt, bl_eval_params p,
                   const char *message) {
    bl_eval_result r;
    CHECK_FAILS(bl_eval_run(gt, dt, &p, &r), BL_EINVAL, message);
    CHECK(r.curves == NULL);
}

static void refusals(const bl_dataset *gt, const bl_detections *dt) {
    const bl_eval_params good = bl_eval_params_coco();
    bl_eval_params p = good;
    p.n_ious = 0;
    refuse(gt, dt, p, "0 IoU thresholds, expected 1 to 64");
    p = good;
    p.n_limits = BL_EVAL_MAX_LIMITS + 1;
    refuse(gt, dt, p, "limits of detections");
    p = good;
    p.ious[3] = 1.5;
    refuse(gt, dt, p, "IoU threshold number 3 is 1.5");
    p = good;
    p.ious[3] = NAN;
    refuse(gt, dt, p, "IoU threshold number 3");
    p = good;
    p.recalls[7] = 0.01;
    refuse(gt, dt, p, "recall point number 7 is below");
    p = good;
    p.areas[2].max = 5;
    refuse(gt, dt, p, "\"medium\" is empty");
    p = good;
    memset(p.areas[1].name, 'x', sizeof p.areas[1].name);
    refuse(gt, dt, p, "area range number 1 has no name");
    p = good;
    p.max_dets[1] = 1;
    refuse(gt, dt, p, "limit of detections number 1 is 1");
    p = good;
    p.max_dets_per_image = -1;
    refuse(gt, dt, p, "negative limit");
    p = bl_eval_params_lvis(BL_IOU_BBOX);
    p.class_agnostic = true;
    refuse(gt, dt, p, "class-agnostic");
}

static void limits(void) {
    bl_eval_params p = bl_eval_params_coco();
    bl_eval_set_max_dets(&p, 300);
    CHECK(p.n_limits == 3 && p.max_dets[0] == 1 && p.max_dets[1] == 10 && p.max_dets[2] == 300);
    bl_eval_set_max_dets(&p, 5);
    CHECK(p.n_limits == 2 && p.max_dets[0] == 1 && p.max_dets[1] == 5);
    p = bl_eval_params_lvis(BL_IOU_BBOX);
    bl_eval_set_max_dets(&p, 5);
    CHECK(p.max_dets_per_image == 5 && p.n_limits == 1 && p.max_dets[0] == 5);
    p = bl_eval_params_lvis_fixed(BL_IOU_BBOX);
    bl_eval_set_max_dets(&p, 500);
    CHECK(p.max_dets_per_class == 500 && p.max_dets_per_image == 0 &&
          p.max_dets[0] == BL_EVAL_UNLIMITED);
}

/* A hundred thousand classes of which one has an object: what is kept is for that one, and little.
 */
static void many_classes(void) {
    enum { MANY = 100000 };
    bl_category *classes = calloc(MANY, sizeof *classes);
    CHECK(classes != NULL);
    for (int k = 0; k < MANY; k++) classes[k] = (bl_category){.id = k + 1, .name = "c"};
    bl_image_info image = {.id = 1, .file = "1"};
    bl_ann ann = {.id = 1, .w = 10, .h = 10, .area = 100, .category = 7};
    const bl_dataset parts = {.name = "many",
                              .image_dir = "",
                              .categories = classes,
                              .images = &image,
                              .anns = &ann,
                              .n_categories = MANY,
                              .n_images = 1,
                              .n_anns = 1};
    bl_dataset *gt;
    bl_detections dt = {0};
    bl_eval_result r;
    const bl_eval_params p = bl_eval_params_coco();
    CHECK_OK(bl_dataset_build(&parts, &gt));
    CHECK_OK(bl_detections_add(&dt, &(bl_detection){0, 0, 10, 9, 0.5, 0, 7}));
    CHECK_OK(bl_eval_run(gt, &dt, &p, &r));
    int kept = 0;
    for (int k = 0; k < MANY; k++) kept += r.curves[k] != NULL;
    CHECK_EQ(kept, 1);
    CHECK_NEAR(bl_eval_summarise(&r, NULL).AP, 0.9, 1e-15); /* IoU 0.9: nine of ten thresholds */
    CHECK_NEAR(bl_eval_precision(&r, 0, 0, 6, 0, 2), -1, 0);
    CHECK_NEAR(bl_eval_recall(&r, 9, 7, 0, 2), 0, 0);
    bl_eval_result_free(&r);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
    free(classes);
}

int main(void) {
    many_classes();
    bl_dataset *gt = truth();
    bl_detections dt = found();
    custom_protocol(gt, &dt);
    class_agnostic(gt, &dt);
    many_cells(gt, &dt);
    refusals(gt, &dt);
    limits();
    bl_detections_free(&dt);
    bl_dataset_free(gt);
    return 0;
}
