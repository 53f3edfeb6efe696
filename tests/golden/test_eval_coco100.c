/* The COCO API's example results on 100 images of val2014: the twelve numbers and eight classes, as
 * computed by pycocotools; any number of threads. */
#include "core/fs.h"
#include "core/parallel.h"
#include "eval/protocol/evaluator.h"
#include "tests/check.h"

#define DATA BALLAST_SHARED_DATA "/coco-eval-golden/"

static const double summary[12] = {0.5045806987249628,  0.6969727247299577, 0.5729816669904824,
                                   0.5856257209410443,  0.5193996948036719, 0.5013978986347466,
                                   0.38681277964578054, 0.5936795762842003, 0.595352982877607,
                                   0.6398109626113442,  0.5664205978994309, 0.5642905982905982};

static const double segm[12] = {0.3195452758576433, 0.5622883972521636, 0.2989265341208678,
                                0.3873740315997838, 0.3101827240336948, 0.3269339071005138,
                                0.2682297225711534, 0.4154486811490637, 0.4168394992198818,
                                0.4694498622754236, 0.3767592266619726, 0.3814715099715099};

static const double agnostic[12] = {0.5952384471295459,  0.8801081126055128, 0.6678978279400766,
                                    0.5934831511276096,  0.6089303842909735, 0.6036353185164051,
                                    0.09048192771084337, 0.5066265060240964, 0.6780722891566265,
                                    0.6658476658476659,  0.6900000000000001, 0.6907103825136612};

static const struct {
    int64_t id, n_gt, n_det;
    double AP, AP50, AP75, AR100;
} classes[] = {
    {1, 250, 201, 0.5326060142444453, 0.7883423914530756, 0.5959104841563797, 0.604},
    {3, 19, 15, 0.5199068835454973, 0.7188118811881188, 0.5986798679867986, 0.5789473684210525},
    {10, 16, 16, 0.6340824851715942, 0.8257425742574259, 0.601980198019802, 0.74375},
    {16, 26, 17, 0.4098344760946683, 0.5242230105363478, 0.5242230105363478, 0.4923076923076922},
    {44, 21, 19, 0.40545538764402755, 0.7425742574257426, 0.39586590237971164, 0.5476190476190477},
    {47, 36, 28, 0.5055840611533681, 0.7503536067892502, 0.4826679096481077, 0.5638888888888889},
    {62, 45, 43, 0.6325426339133257, 0.9020823370351346, 0.7356647203181857, 0.68},
    {84, 17, 11, 0.5725382538253825, 0.6435643564356436, 0.5364536453645363, 0.6},
};

static void check_classes(const bl_dataset *gt, const bl_class_result *per) {
    int valid = 0, zero = 0;
    double sum = 0;
    for (int32_t k = 0; k < gt->n_categories; k++)
        if (per[k].AP > -1) {
            valid++;
            sum += per[k].AP;
            zero += per[k].AP == 0;
        }
    CHECK_EQ(valid, 70);
    CHECK_EQ(zero, 2);
    CHECK_NEAR(sum / valid, summary[0], 1e-12);
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        int32_t k = 0;
        while (k < gt->n_categories && gt->categories[k].id != classes[i].id) k++;
        CHECK(k < gt->n_categories);
        CHECK_EQ(per[k].n_gt, classes[i].n_gt);
        CHECK_EQ(per[k].n_det, classes[i].n_det);
        CHECK_NEAR(per[k].AP, classes[i].AP, 1e-12);
        CHECK_NEAR(per[k].AP50, classes[i].AP50, 1e-12);
        CHECK_NEAR(per[k].AP75, classes[i].AP75, 1e-12);
        CHECK_NEAR(per[k].AR, classes[i].AR100, 1e-12);
        CHECK_EQ(per[k].tp + per[k].fn, per[k].n_gt);
    }
}

static void check_summary(const bl_eval_result *r, const double expected[12]) {
    bl_eval_summary s = bl_eval_summarise(r, NULL);
    const double got[12] = {s.AP,  s.AP50, s.AP75,  s.APs, s.APm, s.APl,
                            s.AR1, s.AR10, s.AR100, s.ARs, s.ARm, s.ARl};
    for (int i = 0; i < 12; i++) CHECK_NEAR(got[i], expected[i], 1e-12);
}

static void check_same(const bl_eval_result *a, const bl_eval_result *b) {
    size_t n = (size_t)(a->T * a->R * a->K * a->A * a->M);
    double *v[6];
    for (int i = 0; i < 6; i++) v[i] = malloc(n * sizeof **v);
    bl_eval_expand(a, v[0], v[1], v[2]);
    bl_eval_expand(b, v[3], v[4], v[5]);
    for (int i = 0; i < 3; i++)
        CHECK(memcmp(v[i], v[i + 3], (i < 2 ? n : n / (size_t)a->R) * sizeof **v) == 0);
    for (int i = 0; i < 6; i++) free(v[i]);
}

/* The result with one thread, which is that with any number of threads. */
static bl_eval_result run(const bl_dataset *gt, const bl_detections *dt, const bl_eval_params *p) {
    bl_eval_result first, r;
    bl_set_threads(1);
    CHECK_OK(bl_eval_run(gt, dt, p, &first));
    for (int threads = 2; threads <= 3; threads++) {
        bl_set_threads(threads);
        CHECK_OK(bl_eval_run(gt, dt, p, &r));
        check_same(&first, &r);
        bl_eval_result_free(&r);
    }
    return first;
}

static void boxes(const bl_dataset *gt) {
    bl_detections dt;
    CHECK_OK(bl_detections_read(DATA "instances_val2014_fakebbox100_results.json", gt, &dt));
    CHECK_EQ(dt.n, 734);
    bl_eval_params p = bl_eval_params_coco();
    bl_eval_result r = run(gt, &dt, &p);
    check_summary(&r, summary);
    bl_class_result *per = calloc((size_t)gt->n_categories, sizeof *per);
    CHECK_OK(bl_eval_per_class(&r, gt, &dt, per));
    check_classes(gt, per);
    free(per);
    bl_eval_result_free(&r);
    bl_eval_set_max_dets(&p, 10);
    CHECK_OK(bl_eval_run(gt, &dt, &p, &r));
    CHECK_NEAR(bl_eval_summarise(&r, NULL).AP, 0.5029898351678436, 1e-12);
    bl_eval_result_free(&r);
    p = bl_eval_params_coco();
    p.class_agnostic = true;
    CHECK_OK(bl_eval_run(gt, &dt, &p, &r));
    check_summary(&r, agnostic);
    bl_eval_result_free(&r);
    bl_detections_free(&dt);
}

static void masks(const bl_dataset *gt) {
    const bl_eval_params p = bl_eval_params_coco_segm();
    bl_detections_options o = {.masks = true};
    bl_detections dt;
    CHECK_OK(
        bl_detections_read_with(DATA "instances_val2014_fakesegm100_results.json", gt, &o, &dt));
    bl_eval_result r = run(gt, &dt, &p);
    check_summary(&r, segm);
    bl_eval_result_free(&r);
    bl_dataset plain = *gt;
    plain.masks = NULL;
    CHECK_FAILS(bl_eval_run(&plain, &dt, &p, &r), BL_EINVAL, "has no mask");
    bl_detections_free(&dt);
    CHECK_OK(bl_detections_read(DATA "instances_val2014_fakebbox100_results.json", gt, &dt));
    CHECK_FAILS(bl_eval_run(gt, &dt, &p, &r), BL_EINVAL, "detection 0 has no mask");
    bl_detections_free(&dt);
}

int main(void) {
    if (!bl_exists(DATA "instances_val2014_100.json")) SKIP("no COCO example results in " DATA);
    bl_dataset *gt;
    bl_read_options with_masks = {.masks = true};
    CHECK_OK(bl_coco_read(DATA "instances_val2014_100.json", "", &with_masks, &gt));
    CHECK_EQ(gt->n_images, 100);
    boxes(gt);
    masks(gt);
    bl_dataset_free(gt);
    return 0;
}
