/* Nineteen small inputs whose answers under pycocotools are known: one per rule of COCOeval. Image
 * 500x500, box B = (100, 100, 50, 50), area field w*h. -1: undefined. */
#include "eval/protocol/evaluator.h"
#include "tests/check.h"

enum { MAX = 128 };

typedef struct scene {
    bl_category categories[2];
    bl_image_info images[2];
    bl_ann anns[8];
    bl_detection dets[MAX];
    int n_categories, n_images, n_anns, n_dets;
} scene;

static scene empty(void) {
    scene s = {.n_categories = 1, .n_images = 1};
    for (int i = 0; i < 2; i++) {
        s.categories[i] =
            (bl_category){.id = i + 1, .name = i ? "two" : "one", .supercategory = ""};
        s.images[i] = (bl_image_info){.id = i + 1, .file = "x.jpg", .width = 500, .height = 500};
    }
    return s;
}

/* Returns the annotation, for further marks. Class and image count from 1. */
static bl_ann *truth(scene *s, int image, int category, double x, double y, double w, double h) {
    bl_ann *a = &s->anns[s->n_anns++];
    *a = (bl_ann){.id = s->n_anns,
                  .x = x,
                  .y = y,
                  .w = w,
                  .h = h,
                  .area = w * h,
                  .image = image - 1,
                  .category = category - 1};
    return a;
}

static void found(scene *s, int image, int category, double score, double x, double y, double w,
                  double h) {
    CHECK(s->n_dets < MAX);
    s->dets[s->n_dets++] = (bl_detection){x, y, w, h, score, image - 1, category - 1};
}

#define B 100, 100, 50, 50
#define WRONG 300, 50, 50, 50

static void evaluate(const scene *s, bool honour_ignore, bl_eval_result *r, bl_class_result *per) {
    scene copy = *s;
    bl_dataset parts = {.name = "probe",
                        .image_dir = "",
                        .categories = copy.categories,
                        .images = copy.images,
                        .anns = copy.anns,
                        .n_categories = s->n_categories,
                        .n_images = s->n_images,
                        .n_anns = s->n_anns};
    bl_detections dt = {.n = s->n_dets, .cap = MAX, .v = copy.dets};
    bl_eval_params p = bl_eval_params_coco();
    p.honour_ignore = honour_ignore;
    bl_dataset *gt;
    CHECK_OK(bl_dataset_build(&parts, &gt));
    CHECK_OK(bl_eval_run(gt, &dt, &p, r));
    if (per) CHECK_OK(bl_eval_per_class(r, gt, &dt, per));
    bl_dataset_free(gt);
}

typedef struct expected {
    double AP, AP50, APs, APm, APl, AR1, AR100;
} expected;

static bl_eval_summary probe(const scene *s, const char *name, expected e) {
    bl_eval_result r;
    evaluate(s, false, &r, NULL);
    bl_eval_summary got = bl_eval_summarise(&r, NULL);
    bl_eval_result_free(&r);
    const double pairs[][2] = {{got.AP, e.AP},      {got.AP50, e.AP50},  {got.APs, e.APs},
                               {got.APm, e.APm},    {got.APl, e.APl},    {got.AR1, e.AR1},
                               {got.AR10, e.AR100}, {got.AR100, e.AR100}};
    for (int i = 0; i < 8; i++) {
        if (!(fabs(pairs[i][0] - pairs[i][1]) <= 1e-12))
            fprintf(stderr, "%s, value %d:\n", name, i);
        CHECK_NEAR(pairs[i][0], pairs[i][1], 1e-12);
    }
    return got;
}

static void matching(void) {
    scene s = empty();
    truth(&s, 1, 1, B);
    found(&s, 1, 1, .9, B);
    probe(&s, "P1", (expected){1, 1, -1, 1, -1, 1, 1});
    scene p2 = s;
    p2.anns[0].id = 0;
    probe(&p2, "P2: annotation id 0 reads as unmatched", (expected){0, 0, -1, 0, -1, 0, 0});
    scene p3 = s;
    truth(&p3, 1, 1, 300, 300, 50, 50)->ignore = 1;
    double half = 51 / 101.0;
    probe(&p3, "P3: ignore without crowd counts", (expected){half, half, -1, half, -1, .5, .5});
    scene p9 = s;
    found(&p9, 1, 1, .8, B);
    probe(&p9, "P9: two on one", (expected){1, 1, -1, 1, -1, 1, 1});
    scene p10 = empty();
    truth(&p10, 1, 1, B);
    found(&p10, 1, 1, .95, WRONG);
    found(&p10, 1, 1, .8, B);
    probe(&p10, "P10: wrong before right", (expected){.5, .5, -1, .5, -1, 0, 1});
    p10.dets[0].score = .8;
    probe(&p10, "P11: tied, wrong listed first", (expected){.5, .5, -1, .5, -1, 0, 1});
    bl_detection t = p10.dets[0];
    p10.dets[0] = p10.dets[1];
    p10.dets[1] = t;
    probe(&p10, "P12: tied, right listed first", (expected){1, 1, -1, 1, -1, 1, 1});
    scene p13 = empty();
    truth(&p13, 1, 1, 0, 0, 100, 100);
    found(&p13, 1, 1, .9, 0, 0, 100, 50);
    bl_eval_summary got =
        probe(&p13, "P13: IoU exactly 0.5", (expected){.1, 1, -1, -1, .1, .1, .1});
    CHECK_NEAR(got.AP75, 0, 0);
    scene p18 = s;
    truth(&p18, 1, 1, 300, 300, 60, 60);
    probe(&p18, "P18: one of two", (expected){half, half, -1, half, -1, .5, .5});
    truth(&p18, 1, 1, 400, 100, 50, 50);
    double third = 34 / 101.0;
    probe(&p18, "P19: one of three", (expected){third, third, -1, third, -1, 1 / 3.0, 1 / 3.0});
}

static void areas_and_crowd(void) {
    scene s = empty();
    truth(&s, 1, 1, 10, 10, 32, 32);
    found(&s, 1, 1, .9, 10, 10, 32, 32);
    probe(&s, "P4: 1024 px is small and medium", (expected){1, 1, 1, 1, -1, 1, 1});
    s = empty();
    truth(&s, 1, 1, 10, 10, 96, 96);
    found(&s, 1, 1, .9, 10, 10, 96, 96);
    probe(&s, "P5: 9216 px is medium and large", (expected){1, 1, -1, 1, 1, 1, 1});
    s = empty();
    truth(&s, 1, 1, B);
    truth(&s, 1, 1, 200, 200, 200, 200)->iscrowd = 1;
    found(&s, 1, 1, .5, B);
    found(&s, 1, 1, .9, 210, 210, 20, 20);
    found(&s, 1, 1, .8, 250, 250, 30, 30);
    probe(&s, "P6: crowd swallows", (expected){1, 1, -1, 1, -1, 0, 1});
    s = empty();
    truth(&s, 1, 1, 10, 10, 20, 20);
    found(&s, 1, 1, .5, 10, 10, 20, 20);
    found(&s, 1, 1, .9, 200, 200, 150, 150);
    probe(&s, "P16: unmatched outside the range", (expected){.5, .5, 1, -1, -1, 0, 1});
}

static void classes_and_images(void) {
    scene s = empty();
    s.n_categories = 2;
    truth(&s, 1, 1, B);
    found(&s, 1, 1, .9, B);
    scene p8 = s;
    found(&p8, 1, 2, .9, B);
    probe(&p8, "P8: class without ground truth", (expected){1, 1, -1, 1, -1, 1, 1});
    truth(&s, 1, 2, B);
    probe(&s, "P7: class without detections", (expected){.5, .5, -1, .5, -1, .5, .5});

    s = empty();
    s.n_images = 2;
    truth(&s, 1, 1, B);
    truth(&s, 2, 1, B);
    double half = 51 / 101.0;
    scene p15 = s;
    found(&s, 2, 1, .9, WRONG);
    found(&s, 1, 1, .9, B);
    probe(&s, "P14: ties resolve by image id", (expected){half, half, -1, half, -1, .5, .5});
    found(&p15, 2, 1, .9, B);
    found(&p15, 1, 1, .9, WRONG);
    double quarter = 51 / 202.0;
    expected late = {quarter, quarter, -1, quarter, -1, .5, .5};
    probe(&p15, "P15: and not by order of the list", late);
    /* The same when the file lists image 2 first: ids decide, not positions. */
    p15.images[0].id = 2;
    p15.images[1].id = 1;
    for (int i = 0; i < 2; i++) {
        p15.anns[i].image ^= 1;
        p15.dets[i].image ^= 1;
    }
    probe(&p15, "P15, images listed in reverse", late);

    s = empty();
    s.n_categories = 2;
    truth(&s, 1, 1, B);
    truth(&s, 1, 2, B);
    for (int i = 0; i < 100; i++) found(&s, 1, 1, .9 - i * 1e-4, WRONG);
    found(&s, 1, 1, .1, B);
    found(&s, 1, 2, .05, B);
    probe(&s, "P17: 100 detections per image and class", (expected){.5, .5, -1, .5, -1, .5, .5});
}

/* Our own additions: VOC's difficult objects and the best-F1 point. */
static void honours_ignore(void) {
    scene s = empty();
    truth(&s, 1, 1, B);
    truth(&s, 1, 1, 300, 300, 50, 50)->ignore = 1;
    found(&s, 1, 1, .9, 300, 300, 50, 50);
    found(&s, 1, 1, .8, 300, 300, 50, 50); /* ignored ground truth is no crowd: taken only once */
    found(&s, 1, 1, .7, B);
    bl_eval_result r;
    bl_class_result per;
    evaluate(&s, true, &r, &per);
    CHECK_EQ(r.n_gt[0], 1);
    CHECK_NEAR(per.AP, .5, 1e-12);
    CHECK_NEAR(per.best_f1, 2 / 3.0, 1e-15);
    CHECK_NEAR(per.best_f1_score, .7, 0);
    CHECK_EQ(per.tp, 1);
    CHECK_EQ(per.fp, 1);
    CHECK_EQ(per.fn, 0);
    CHECK_NEAR(per.precision_at_f1, .5, 0);
    CHECK_NEAR(per.recall_at_f1, 1, 0);
    CHECK_EQ(per.n_det, 3);
    CHECK_EQ(per.n_images, 1);
    bl_eval_result_free(&r);
}

static void best_f1_never_parts_ties(void) {
    scene s = empty();
    truth(&s, 1, 1, B);
    found(&s, 1, 1, .5, B);
    found(&s, 1, 1, .5, WRONG);
    bl_eval_result r;
    bl_class_result per;
    evaluate(&s, false, &r, &per);
    CHECK_EQ(per.tp, 1);
    CHECK_EQ(per.fp, 1); /* the wrong one cannot be cut off */
    CHECK_NEAR(per.best_f1, 2 / 3.0, 1e-15);
    bl_eval_result_free(&r);
}

static void nothing_at_all(void) {
    scene s = empty();
    s.n_categories = 2;
    truth(&s, 1, 1, B);
    probe(&s, "no detections", (expected){0, 0, -1, 0, -1, 0, 0});
    s.n_anns = 0;
    probe(&s, "nothing", (expected){-1, -1, -1, -1, -1, -1, -1});
    bl_eval_result r;
    bl_class_result per[2];
    evaluate(&s, false, &r, per);
    CHECK_NEAR(per[1].best_f1, -1, 0);
    CHECK_NEAR(per[1].recall_at_f1, -1, 0);
    bl_eval_result_free(&r);
    s.n_categories = s.n_images = 0;
    probe(&s, "no categories", (expected){-1, -1, -1, -1, -1, -1, -1});
}

static void masks_select_groups(void) {
    scene s = empty();
    s.n_categories = 2;
    truth(&s, 1, 1, B);
    truth(&s, 1, 2, B);
    found(&s, 1, 1, .9, B);
    bl_eval_result r;
    evaluate(&s, false, &r, NULL);
    const uint8_t first[2] = {1, 0}, second[2] = {0, 1}, none[2] = {0, 0};
    CHECK_NEAR(bl_eval_summarise(&r, first).AP, 1, 1e-12);
    CHECK_NEAR(bl_eval_summarise(&r, second).AP, 0, 0);
    CHECK_NEAR(bl_eval_summarise(&r, none).AP, -1, 0);
    bl_eval_result_free(&r);
}

static void refuses_bad_detections(void) {
    scene s = empty();
    truth(&s, 1, 1, B);
    bl_dataset parts = {.name = "p",
                        .image_dir = "",
                        .categories = s.categories,
                        .images = s.images,
                        .anns = s.anns,
                        .n_categories = 1,
                        .n_images = 1,
                        .n_anns = 1};
    bl_dataset *gt;
    CHECK_OK(bl_dataset_build(&parts, &gt));
    const bl_eval_params protocol = bl_eval_params_coco();
    bl_eval_result r;
    bl_detection d[2] = {{B, .5, 0, 0}, {B, .5, 0, 1}};
    bl_detections dt = {.n = 2, .cap = 2, .v = d};
    CHECK_FAILS(bl_eval_run(gt, &dt, &protocol, &r), BL_EINVAL, "detection 1: category index 1");
    d[1].category = 0;
    d[1].image = -1;
    CHECK_FAILS(bl_eval_run(gt, &dt, &protocol, &r), BL_EINVAL, "detection 1: image index -1");
    d[1].image = 0;
    d[1].score = NAN;
    CHECK_FAILS(bl_eval_run(gt, &dt, &protocol, &r), BL_EINVAL, "detection 1");
    bl_dataset_free(gt);
}

int main(void) {
    matching();
    areas_and_crowd();
    classes_and_images();
    honours_ignore();
    best_f1_never_parts_ties();
    nothing_at_all();
    masks_select_groups();
    refuses_bad_detections();
    return 0;
}
