/* Pascal VOC average precision: random cases computed by the kit's rule in
 * scripts/golden/voc_rule.py (another file of them may be named as the argument), and small ones by
 * hand. */
#include "core/fs.h"
#include "eval/protocol/voc_ap.h"
#include "tests/check.h"

enum { MAX = 64 };

typedef struct scene {
    bl_category categories[MAX];
    bl_image_info images[MAX];
    bl_ann anns[MAX];
    bl_detection dets[MAX];
    int n_categories, n_images, n_anns, n_dets;
} scene;

static bl_dataset *build(scene *s) {
    for (int i = 0; i < s->n_categories; i++)
        s->categories[i] = (bl_category){.id = i + 1, .name = "c", .supercategory = ""};
    for (int i = 0; i < s->n_images; i++)
        s->images[i] = (bl_image_info){.id = i + 1, .file = "f", .width = 500, .height = 500};
    const bl_dataset parts = {.name = "voc",
                              .image_dir = "",
                              .categories = s->categories,
                              .images = s->images,
                              .anns = s->anns,
                              .n_categories = s->n_categories,
                              .n_images = s->n_images,
                              .n_anns = s->n_anns};
    bl_dataset *gt;
    CHECK_OK(bl_dataset_build(&parts, &gt));
    return gt;
}

static double run(scene *s, const bl_voc_params *p, bl_voc_class *out) {
    bl_dataset *gt = build(s);
    bl_detections dt = {.n = s->n_dets, .v = s->dets};
    double mean;
    CHECK_OK(bl_voc_evaluate(gt, &dt, p, out, &mean));
    bl_dataset_free(gt);
    return mean;
}

/* ---- random cases ---- */

static char *at;

static double number(void) {
    char *end;
    double v = strtod(at, &end);
    CHECK(end > at);
    at = end;
    return v;
}

static void one_case(void) {
    static scene s;
    bl_voc_class out[MAX];
    bl_voc_params p = {.plus_one = true};
    p.eleven_points = number() != 0;
    p.iou = number();
    s.n_categories = (int)number();
    s.n_images = (int)number();
    s.n_anns = (int)number();
    s.n_dets = (int)number();
    CHECK(s.n_anns <= MAX && s.n_dets <= MAX);
    for (int i = 0; i < s.n_anns; i++) {
        bl_ann *a = &s.anns[i];
        *a = (bl_ann){.id = i + 1, .image = (int32_t)number()};
        a->category = (int32_t)number();
        a->x = number();
        a->y = number();
        a->w = number();
        a->h = number();
        bool difficult = number() != 0; /* either flag means the same */
        a->difficult = difficult && i % 2;
        a->ignore = difficult && !(i % 2);
    }
    for (int i = 0; i < s.n_dets; i++) {
        bl_detection *d = &s.dets[i];
        d->image = (int32_t)number();
        d->category = (int32_t)number();
        d->x = number();
        d->y = number();
        d->w = number();
        d->h = number();
        d->score = number();
    }
    double mean = run(&s, &p, out);
    for (int c = 0; c < s.n_categories; c++) {
        CHECK_NEAR(out[c].AP, number(), 1e-14);
        CHECK_EQ(out[c].n_gt, number());
        CHECK_EQ(out[c].tp, number());
        CHECK_EQ(out[c].fp, number());
    }
    CHECK_NEAR(mean, number(), 1e-14);
}

static void random_cases(const char *path) {
    size_t size;
    char *text;
    int n = 0;
    CHECK_OK(bl_read_file(path, (size_t)1 << 30, &text, &size));
    for (at = text; strncmp(at, "case ", 5) == 0; n++) {
        at += 5;
        one_case();
        at += strspn(at, "\n");
    }
    CHECK(*at == 0 && n >= 50);
    free(text);
}

/* ---- by hand ---- */

static void by_hand(void) {
    scene s = {.n_categories = 3, .n_images = 2, .n_anns = 3, .n_dets = 4};
    /* class 0: two objects, hit, duplicate, miss; class 1: difficult only; class 2: nothing */
    s.anns[0] = (bl_ann){.id = 1, .x = 10, .y = 10, .w = 9, .h = 9};
    s.anns[1] = (bl_ann){.id = 2, .x = 10, .y = 10, .w = 9, .h = 9, .image = 1};
    s.anns[2] = (bl_ann){.id = 3, .x = 50, .y = 50, .w = 9, .h = 9, .category = 1, .difficult = 1};
    s.dets[0] = (bl_detection){10, 10, 9, 9, .9, 0, 0};
    s.dets[1] = (bl_detection){10, 10, 9, 9, .8, 0, 0};
    s.dets[2] =
        (bl_detection){10, 15, 9, 4, .7, 1, 0}; /* 5 of 10 rows: half, counted inclusively */
    s.dets[3] = (bl_detection){50, 50, 9, 9, .7, 0, 1};
    bl_voc_class out[3];
    bl_voc_params p = bl_voc_params_07();
    double mean = run(&s, &p, out);
    CHECK_NEAR(out[0].AP, (6 * 1. + 5 * 2 / 3.) / 11, 1e-15);
    CHECK_NEAR(mean, out[0].AP, 0);
    CHECK_NEAR(out[0].best.f1, 0.8, 1e-15);
    CHECK_NEAR(out[0].best.score, 0.7, 0);
    CHECK_EQ(out[0].best.fn, 0);
    CHECK_NEAR(out[0].precision, 2 / 3., 1e-15);
    CHECK_NEAR(out[0].recall, 1, 0);
    CHECK_EQ(out[0].n_images, 2);
    CHECK_NEAR(out[1].AP, -1, 0);
    CHECK_EQ(out[1].n_difficult, 1);
    CHECK_EQ(out[1].n_det, 1);
    CHECK_EQ(out[1].tp + out[1].fp, 0);
    CHECK_NEAR(out[2].AP, -1, 0);
    p = bl_voc_params_12();
    run(&s, &p, out);
    CHECK_NEAR(out[0].AP, 0.5 + 0.5 * 2 / 3, 1e-15);
    p.plus_one = false; /* 4 of 9 rows */
    run(&s, &p, out);
    CHECK_NEAR(out[0].AP, 0.5, 1e-15);
    s.n_dets = 0;
    CHECK_NEAR(run(&s, &p, out), 0, 0);
    CHECK_NEAR(out[0].best.f1, 0, 0);
    s.n_anns = 0;
    CHECK_NEAR(run(&s, &p, out), -1, 0);
}

static void refuses(void) {
    scene s = {.n_categories = 1, .n_images = 1, .n_dets = 1};
    bl_dataset *gt = build(&s);
    bl_voc_class out[1];
    bl_voc_params p = bl_voc_params_07();
    bl_detection d = {0, 0, 1, 1, .5, 0, 1};
    bl_detections dt = {.n = 1, .v = &d};
    double mean;
    CHECK_FAILS(bl_voc_evaluate(gt, &dt, &p, out, &mean), BL_EINVAL, "category 1 of 1");
    d.category = 0;
    d.score = NAN;
    CHECK_FAILS(bl_voc_evaluate(gt, &dt, &p, out, &mean), BL_EINVAL, "detection 0 is not finite");
    p.iou = 0;
    CHECK_FAILS(bl_voc_evaluate(gt, &dt, &p, out, &mean), BL_EINVAL, "IoU threshold 0");
    bl_dataset_free(gt);
}

int main(int argc, char **argv) {
    random_cases(argc > 1 ? argv[1] : BALLAST_SOURCE_DIR "/tests/golden/voc_rule.txt");
    by_hand();
    refuses();
    return 0;
}
