/* LVIS v0.5, 100 images, against lvis-api 0.5.3 (numpy 2.4), to the last bit: 300 and 5 detections
 * per image, and what the protocol refuses. */
#include "eval/protocol/evaluator.h"
#include "tests/check.h"

#define DATA BALLAST_SHARED_DATA "/lvis-eval-golden/"

enum { NUMBERS = 13 };
static const char *const keys[NUMBERS] = {"AP",  "AP50", "AP75", "APs", "APm", "APl", "APr",
                                          "APc", "APf",  "AR",   "ARs", "ARm", "ARl"};
static const double at_300[NUMBERS] = {
    0.42710389723472253, 0.6168921221338669, 0.43542766254138293, 0.5054699443443942,
    0.42335280124310876, 0.3731002831131974, 0.9999999999999998,  0.48383021394485687,
    0.412797698466991,   0.4955847088894095, 0.536412821009584,   0.47076800976800975,
    0.43128019323671496};
static const double at_5[NUMBERS] = {0.23407517556266902, 0.33422516687759,    0.23913322911238494,
                                     0.2289798444130127,  0.16846725725204095, 0.25308030803080306,
                                     0.9999999999999998,  0.33365236523652364, 0.21046988930698998,
                                     0.25117457248966174, 0.23724394303175816, 0.1844464687359424,
                                     0.2611858753163101};

static void check(const bl_dataset *gt, const bl_detections *dt, int cap,
                  const double expected[NUMBERS]) {
    bl_eval_params p = bl_eval_params_lvis(BL_IOU_BBOX);
    bl_eval_set_max_dets(&p, cap);
    bl_eval_result r;
    bl_eval_metric m[BL_EVAL_MAX_METRICS];
    CHECK_OK(bl_eval_run(gt, dt, &p, &r));
    CHECK_EQ(bl_eval_metrics(&r, NULL, m), NUMBERS);
    for (int i = 0; i < NUMBERS; i++) {
        CHECK_STR(m[i].key, keys[i]);
        CHECK_NEAR(m[i].value, expected[i], 0);
    }
    int defined = 0;
    for (int32_t k = 0; k < r.K; k++) defined += r.n_gt[(int64_t)k * r.A] > 0;
    CHECK_EQ(defined, 190);
    bl_eval_result_free(&r);
}

/* So few detections that neither limit cuts: Fixed AP is the same number. */
static void fixed_ap(const bl_dataset *gt, const bl_detections *dt) {
    const bl_eval_params p = bl_eval_params_lvis_fixed(BL_IOU_BBOX);
    bl_eval_result r;
    CHECK_OK(bl_eval_run(gt, dt, &p, &r));
    CHECK_NEAR(bl_eval_summarise(&r, NULL).AP, at_300[0], 0);
    bl_eval_result_free(&r);
}

static void without_lists(const bl_dataset *gt, const bl_detections *dt) {
    const bl_eval_params p = bl_eval_params_lvis(BL_IOU_BBOX);
    bl_dataset plain = *gt;
    plain.federated = NULL;
    bl_eval_result r;
    CHECK_FAILS(bl_eval_run(&plain, dt, &p, &r), BL_EINVAL, "neg_category_ids");
}

int main(void) {
    FILE *f = fopen(DATA "lvis_val_100.json", "r");
    if (!f) SKIP("no " DATA);
    fclose(f);
    bl_dataset *gt;
    bl_detections dt;
    CHECK_OK(bl_coco_read(DATA "lvis_val_100.json", "", NULL, &gt));
    CHECK_OK(bl_detections_read(DATA "lvis_synth_dets.json", gt, &dt));
    check(gt, &dt, 300, at_300);
    check(gt, &dt, 5, at_5);
    fixed_ap(gt, &dt);
    without_lists(gt, &dt);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
    return 0;
}
