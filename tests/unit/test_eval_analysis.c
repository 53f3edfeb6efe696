/* Error analysis on cases worked out by hand, and against the evaluator on random ones. */
#include "core/json.h"
#include "core/parallel.h"
#include "eval/analysis/analysis.h"
#include "tests/check.h"
#include "tests/unit/eval_fake_run.h"

static const char truth[] =
    "{\"images\": [{\"id\": 1, \"width\": 500, \"height\": 500, \"file_name\": \"1.jpg\"},"
    "{\"id\": 2, \"width\": 500, \"height\": 500, \"file_name\": \"2.jpg\"}],"
    "\"categories\": [{\"id\": 1, \"name\": \"a\"}, {\"id\": 2, \"name\": \"b\"}],"
    "\"annotations\": ["
    "{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [0,0,100,100], \"area\": 10000},"
    "{\"id\": 2, \"image_id\": 1, \"category_id\": 2, \"bbox\": [200,0,100,100], \"area\": 10000},"
    "{\"id\": 3, \"image_id\": 1, \"category_id\": 1, \"bbox\": [0,200,100,100], \"area\": 10000},"
    "{\"id\": 4, \"image_id\": 1, \"category_id\": 1, \"bbox\": [300,300,150,150], \"area\": 9, "
    "\"iscrowd\": 1}]}";

/* x, y, w, h, score, image, category */
static const bl_detection found[] = {
    {0, 0, 100, 100, .9, 0, 0},     /* right */
    {0, 0, 100, 90, .8, 0, 0},      /* a second time */
    {200, 0, 100, 100, .7, 0, 0},   /* a on the b */
    {200, 0, 100, 40, .6, 0, 1},    /* 0.4 of the b */
    {400, 0, 50, 50, .5, 0, 1},     /* nothing there */
    {310, 310, 100, 100, .4, 0, 0}, /* in the crowd */
    {0, 200, 100, 30, .3, 0, 1},    /* b on 0.3 of an a */
    {10, 10, 50, 50, .95, 1, 0},    /* an empty image */
};
enum { N_FOUND = sizeof found / sizeof *found };

static bl_dataset *read_truth(const char *text) {
    bl_dataset *gt;
    CHECK_OK(bl_coco_read_memory(text, strlen(text), "truth", "", NULL, &gt));
    return gt;
}

static bl_detections make(const bl_detection *v, int64_t n) {
    bl_detections dt = {0};
    for (int64_t i = 0; i < n; i++) CHECK_OK(bl_detections_add(&dt, &v[i]));
    return dt;
}

static int64_t cell(const bl_confusion *c, int32_t row, int32_t column) {
    for (int64_t i = 0; i < c->n_cells; i++)
        if (c->cells[i].row == row && c->cells[i].column == column) return c->cells[i].count;
    return 0;
}

static void check_fates(const bl_fates *f) {
    static const uint8_t want[N_FOUND] = {BL_FATE_RIGHT, BL_FATE_DUPE, BL_FATE_CLS,
                                          BL_FATE_LOC,   BL_FATE_BKG,  BL_FATE_IGNORED,
                                          BL_FATE_BOTH,  BL_FATE_BKG};
    static const int32_t fix[N_FOUND] = {0, -1, 1, -1, -1, -1, -1, -1};
    static const int32_t confused[N_FOUND] = {0, -1, 1, -1, -1, BL_CONFUSED_NOT, -1, -1};
    for (int i = 0; i < N_FOUND; i++) {
        CHECK_EQ(f->dt[i], want[i]);
        CHECK_EQ(f->fix[i], fix[i]);
        CHECK_EQ(f->confused[i], confused[i]);
    }
    CHECK_EQ(f->gt[0], BL_OBJECT_FOUND);
    CHECK_EQ(f->gt[1], BL_OBJECT_NEARLY);
    CHECK_EQ(f->gt[2], BL_OBJECT_MISSED);
    CHECK_EQ(f->gt[3], BL_OBJECT_IGNORED);
}

static void check_confusion(const bl_confusion *c) {
    CHECK_EQ(c->n_classes, 2);
    CHECK_EQ(c->n_cells, 5);
    CHECK_EQ(cell(c, 0, 0), 1);
    CHECK_EQ(cell(c, 1, 0), 1);
    CHECK_EQ(cell(c, 2, 0), 2); /* background taken for a */
    CHECK_EQ(cell(c, 2, 1), 3);
    CHECK_EQ(cell(c, 0, 2), 1); /* an a that nothing covers */
}

/* Of a: wrong at .95, right at .9 (precision 1/2), wrong, wrong; two objects. Of b: three wrong. */
static void check_errors(const bl_error_breakdown *e) {
    const bl_error_costs *a = &e->classes[0], *b = &e->classes[1], *all = &e->all;
    CHECK_NEAR(a->ap, .5 * 51 / 101, 1e-12);
    CHECK_NEAR(b->ap, 0, 0);
    CHECK_NEAR(all->ap, .25 * 51 / 101, 1e-12);
    static const int64_t counts[2][BL_ERROR_KINDS] = {{1, 0, 0, 1, 1, 1, 3, 1},
                                                      {0, 1, 1, 0, 1, 0, 3, 1}};
    for (int k = 0; k < BL_ERROR_KINDS; k++) {
        CHECK_EQ(a->count[k], counts[0][k]);
        CHECK_EQ(b->count[k], counts[1][k]);
        CHECK_EQ(all->count[k], counts[0][k] + counts[1][k]);
    }
    CHECK_NEAR(a->gain[BL_ERROR_CLS], 0, 1e-12);
    CHECK_NEAR(b->gain[BL_ERROR_CLS], 1, 1e-12);
    CHECK_NEAR(all->gain[BL_ERROR_CLS], .5, 1e-12);
    CHECK_NEAR(all->gain[BL_ERROR_LOC], 0, 1e-12); /* the b is claimed by a better one */
    CHECK_NEAR(all->gain[BL_ERROR_BOTH], 0, 1e-12);
    CHECK_NEAR(all->gain[BL_ERROR_DUPE], 0, 1e-12);
    CHECK_NEAR(a->gain[BL_ERROR_BKG], .5 * 51 / 101, 1e-12);
    CHECK_NEAR(all->gain[BL_ERROR_BKG], .25 * 51 / 101, 1e-12);
    CHECK_NEAR(a->gain[BL_ERROR_MISS], .5 - .5 * 51 / 101, 1e-12); /* one object is left */
    CHECK_NEAR(b->gain[BL_ERROR_MISS], 0, 1e-12);
    CHECK_NEAR(all->gain[BL_ERROR_FP], .25 * 51 / 101, 1e-12);
    CHECK_NEAR(b->gain[BL_ERROR_FN], -1, 0); /* no object is left */
    CHECK_NEAR(all->gain[BL_ERROR_FN], .5 - .25 * 51 / 101, 1e-12);
}

static void check_calibration(const bl_calibration *c) {
    static const int64_t counts[BL_CALIBRATION_BINS] = {0, 0, 0, 1, 0, 1, 1, 1, 1, 2};
    for (int b = 0; b < BL_CALIBRATION_BINS; b++) CHECK_EQ(c->bins[b].count, counts[b]);
    CHECK_NEAR(c->bins[9].mean_score, .925, 1e-12);
    CHECK_NEAR(c->bins[9].precision, .5, 0);
    CHECK_NEAR(c->bins[8].precision, 0, 0);
    CHECK_NEAR(c->bins[0].precision, -1, 0);
    CHECK_NEAR(c->ece, (.85 + .8 + .7 + .6 + .5 + .3) / 7, 1e-12);
    CHECK_NEAR(c->class_ece[1], (.6 + .5 + .3) / 3, 1e-12);
}

static void check_costly(const bl_costly *c) {
    const bl_costly_image *a = c->images, *b = c->images + c->most;
    CHECK_EQ(c->n[0], 2);
    CHECK_EQ(a[0].image, 0); /* a missed object of two */
    CHECK_NEAR(a[0].cost, .5, 1e-12);
    CHECK_EQ(a[0].fn, 1);
    CHECK_EQ(a[0].fp, 2); /* behind the last true positive: they cost nothing */
    CHECK_EQ(a[1].image, 1);
    CHECK_NEAR(a[1].cost, .25, 1e-12); /* before a true positive at rank 2 */
    CHECK_EQ(a[1].fp, 1);
    CHECK_NEAR(c->ap[0], .25, 1e-12);
    CHECK_EQ(c->n[1], 1);
    CHECK_NEAR(b[0].cost, 1, 1e-12);
    CHECK_EQ(b[0].fp, 3);
}

static void by_hand(void) {
    bl_dataset *gt = read_truth(truth);
    bl_detections dt = make(found, N_FOUND);
    const bl_eval_params p = bl_eval_params_coco();
    bl_analysis_options o = bl_analysis_defaults();
    bl_eval_result eval;
    bl_analysis a;
    CHECK_OK(bl_eval_run(gt, &dt, &p, &eval));
    const bl_results r = {.gt = gt, .dt = &dt, .eval = &eval, .iter = -1};
    CHECK_OK(bl_analysis_run(&r, &o, &a));
    check_fates(&a.fates);
    check_confusion(&a.confusion);
    check_errors(&a.errors);
    check_calibration(&a.calibration);
    check_costly(&a.costly);
    bl_analysis_free(&a);
    o.costly = 0;
    o.fates.score_threshold = 2; /* nobody reaches it: all objects are in the background column */
    CHECK_OK(bl_analysis_run(&r, &o, &a));
    CHECK_EQ(a.confusion.n_cells, 2);
    CHECK_EQ(cell(&a.confusion, 0, 2), 2);
    CHECK_EQ(cell(&a.confusion, 1, 2), 1);
    bl_analysis_free(&a);
    bl_eval_result_free(&eval);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
}

/* The limits of a protocol and its federated rules decide who takes part. */
static void limits(void) {
    static const bl_detection v[] = {{0, 0, 100, 100, .5, 0, 0},
                                     {0, 0, 99, 99, .9, 0, 0},
                                     {200, 0, 100, 100, .7, 0, 1},
                                     {300, 0, 100, 100, .6, 0, 1}};
    const bl_fates_options o = {.iou = .5, .background_iou = .1};
    bl_dataset *gt = read_truth(truth);
    bl_detections dt = make(v, 4);
    bl_eval_params p = bl_eval_params_coco();
    bl_fates f;
    bl_eval_set_max_dets(&p, 1); /* per image and class */
    CHECK_OK(bl_fates_find(gt, &dt, &p, &o, &f));
    CHECK_EQ(f.dt[0], BL_FATE_LEFT_OUT);
    CHECK_EQ(f.dt[1], BL_FATE_RIGHT);
    CHECK_EQ(f.dt[2], BL_FATE_RIGHT);
    CHECK_EQ(f.dt[3], BL_FATE_LEFT_OUT);
    bl_fates_free(&f);
    p = bl_eval_params_coco();
    p.max_dets_per_image = 3;
    CHECK_OK(bl_fates_find(gt, &dt, &p, &o, &f));
    CHECK_EQ(f.dt[0], BL_FATE_LEFT_OUT);
    CHECK_EQ(f.dt[3], BL_FATE_BKG);
    bl_fates_free(&f);
    p = bl_eval_params_coco();
    p.max_dets_per_class = 1; /* over all images */
    CHECK_OK(bl_fates_find(gt, &dt, &p, &o, &f));
    CHECK_EQ(f.dt[0], BL_FATE_LEFT_OUT);
    CHECK_EQ(f.dt[1], BL_FATE_RIGHT);
    bl_fates_free(&f);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
}

static void federated(void) {
    static const char text[] =
        "{\"images\": [{\"id\": 1, \"width\": 500, \"height\": 500, \"file_name\": \"1\", "
        "\"neg_category_ids\": [2], \"not_exhaustive_category_ids\": [1]}],"
        "\"categories\": [{\"id\": 1, \"name\": \"a\"}, {\"id\": 2, \"name\": \"b\"}, "
        "{\"id\": 3, \"name\": \"c\"}], \"annotations\": ["
        "{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [0,0,100,100], "
        "\"area\": 10000}]}";
    static const bl_detection v[] = {{0, 0, 100, 100, .9, 0, 0},  /* right */
                                     {200, 0, 50, 50, .8, 0, 0},  /* perhaps not annotated */
                                     {200, 0, 50, 50, .7, 0, 1},  /* known to be absent */
                                     {200, 0, 50, 50, .6, 0, 2}}; /* nobody looked */
    static const uint8_t want[] = {BL_FATE_RIGHT, BL_FATE_IGNORED, BL_FATE_BKG, BL_FATE_LEFT_OUT};
    const bl_fates_options o = {.iou = .5, .background_iou = .1};
    const bl_eval_params p = bl_eval_params_lvis(BL_IOU_BBOX);
    bl_dataset *gt = read_truth(text);
    bl_detections dt = make(v, 4);
    bl_fates f;
    CHECK_OK(bl_fates_find(gt, &dt, &p, &o, &f));
    for (int i = 0; i < 4; i++) CHECK_EQ(f.dt[i], want[i]);
    bl_fates_free(&f);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
}

/* The same boxes, but masks that share nothing: right by boxes, background by masks. */
static void masks(void) {
    static const char text[] =
        "{\"images\": [{\"id\": 1, \"width\": 100, \"height\": 100, \"file_name\": \"1\"}],"
        "\"categories\": [{\"id\": 1, \"name\": \"a\"}], \"annotations\": [{\"id\": 1, "
        "\"image_id\": 1, \"category_id\": 1, \"bbox\": [0,0,80,80], \"area\": 3200, "
        "\"segmentation\": [[0,0,40,0,40,80,0,80]]}]}";
    static const char results[] =
        "[{\"image_id\": 1, \"category_id\": 1, \"bbox\": [0,0,80,80], \"score\": 0.9, "
        "\"segmentation\": {\"size\": [100,100], \"counts\": [4000,80,20,80,5820]}},"
        "{\"image_id\": 1, \"category_id\": 1, \"bbox\": [50,50,9,9], \"score\": 0.8, "
        "\"segmentation\": {\"size\": [100,100], \"counts\": [0,2000,8000]}}]";
    static const uint8_t want[2][2] = {{BL_FATE_RIGHT, BL_FATE_BKG}, {BL_FATE_BKG, BL_FATE_LOC}};
    const bl_fates_options o = {.iou = .5, .background_iou = .1};
    bl_read_options reading = {.masks = true};
    bl_detections_options dt_reading = {.masks = true};
    bl_dataset *gt;
    bl_detections dt;
    CHECK_OK(bl_coco_read_memory(text, strlen(text), "gt", "", &reading, &gt));
    CHECK_OK(bl_detections_read_memory_with(results, strlen(results), "dt", gt, &dt_reading, &dt));
    for (int segm = 0; segm < 2; segm++) {
        const bl_eval_params p = segm ? bl_eval_params_coco_segm() : bl_eval_params_coco();
        bl_fates f;
        CHECK_OK(bl_fates_find(gt, &dt, &p, &o, &f));
        for (int i = 0; i < 2; i++) CHECK_EQ(f.dt[i], want[segm][i]);
        bl_fates_free(&f);
    }
    bl_detections_free(&dt);
    dt = make(found, 1);
    const bl_eval_params p = bl_eval_params_coco_segm();
    bl_fates f;
    CHECK_FAILS(bl_fates_find(gt, &dt, &p, &o, &f), BL_EINVAL, "masks are to be analysed");
    bl_detections_free(&dt);
    bl_dataset_free(gt);
}

/* ---- random cases ---- */

static uint32_t state;
static double uniform(void) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) / 16777216.0;
}

static bl_dataset *random_truth(int n_classes, int n_images, int n_objects) {
    bl_dataset p = {.name = "random", .image_dir = "", .n_categories = n_classes};
    p.categories = calloc((size_t)n_classes, sizeof *p.categories);
    p.images = calloc((size_t)n_images, sizeof *p.images);
    p.anns = calloc((size_t)n_objects, sizeof *p.anns);
    p.n_images = n_images;
    p.n_anns = n_objects;
    for (int k = 0; k < n_classes; k++)
        p.categories[k] = (bl_category){.id = k + 1, .name = "c", .supercategory = ""};
    for (int i = 0; i < n_images; i++)
        p.images[i] = (bl_image_info){.id = 1000 - i, .file = "f", .width = 400, .height = 400};
    for (int g = 0; g < n_objects; g++) {
        double w = 10 + 90 * uniform(), h = 10 + 90 * uniform();
        p.anns[g] = (bl_ann){
            .id = g + 1, .x = 300 * uniform(), .y = 300 * uniform(), .w = w, .h = h, .area = w * h};
        p.anns[g].image = (int32_t)(uniform() * n_images);
        p.anns[g].category = (int32_t)(uniform() * n_classes);
        p.anns[g].iscrowd = uniform() < .1;
    }
    bl_dataset *out;
    CHECK_OK(bl_dataset_build(&p, &out));
    free(p.categories);
    free(p.images);
    free(p.anns);
    return out;
}

static bl_detections random_detections(const bl_dataset *gt, int n) {
    bl_detections dt = {0};
    for (int i = 0; i < n; i++) {
        const bl_ann *a = &gt->anns[(int)(uniform() * (double)gt->n_anns)];
        bl_detection d = {a->x + 20 * (uniform() - .5),
                          a->y,
                          a->w * (.7 + .5 * uniform()),
                          a->h,
                          floor(uniform() * 50) / 50,
                          a->image,
                          a->category};
        if (uniform() < .3) d.category = (int32_t)(uniform() * gt->n_categories);
        if (uniform() < .3) d.x = 300 * uniform();
        CHECK_OK(bl_detections_add(&dt, &d));
    }
    return dt;
}

/* AP at 0.5 is the evaluator's; costs add up; threads do not matter. */
static void check_random(uint32_t seed) {
    state = seed;
    bl_dataset *gt = random_truth(1 + (int)(seed % 4), 12, 40);
    bl_detections dt = random_detections(gt, 160);
    bl_eval_params p = bl_eval_params_coco();
    p.class_agnostic = seed % 5 == 0;
    bl_analysis_options o = bl_analysis_defaults();
    o.costly = 12; /* all images */
    bl_eval_result eval;
    bl_analysis a, b;
    CHECK_OK(bl_eval_run(gt, &dt, &p, &eval));
    const bl_results r = {.gt = gt, .dt = &dt, .eval = &eval, .iter = -1};
    bl_set_threads(1);
    CHECK_OK(bl_analysis_run(&r, &o, &a));
    bl_set_threads(3);
    CHECK_OK(bl_analysis_run(&r, &o, &b));
    bl_set_threads(0);
    CHECK_NEAR(a.errors.all.ap, bl_eval_summarise(&eval, NULL).AP50, 1e-12);
    CHECK(memcmp(a.errors.classes, b.errors.classes,
                 (size_t)a.errors.n_classes * sizeof *a.errors.classes) == 0);
    CHECK(memcmp(a.fates.dt, b.fates.dt, (size_t)dt.n) == 0);
    int64_t objects = 0, in_cells = 0;
    for (int64_t g = 0; g < gt->n_anns; g++) objects += a.fates.gt[g] != BL_OBJECT_IGNORED;
    for (int64_t i = 0; i < a.confusion.n_cells; i++)
        if (a.confusion.cells[i].row < a.confusion.n_classes)
            in_cells += a.confusion.cells[i].count;
    CHECK_EQ(in_cells, objects);
    for (int32_t k = 0; k < a.costly.n_classes; k++) {
        double sum = 0;
        for (int32_t i = 0; i < a.costly.n[k]; i++) {
            const bl_costly_image *c = &a.costly.images[k * a.costly.most + i];
            CHECK(i == 0 || c[-1].cost >= c->cost);
            CHECK_NEAR(c->cost, b.costly.images[k * a.costly.most + i].cost, 0);
            sum += c->cost;
        }
        if (a.costly.ap[k] >= 0) CHECK_NEAR(sum, 1 - a.costly.ap[k], 1e-12);
    }
    bl_analysis_free(&a);
    bl_analysis_free(&b);
    bl_eval_result_free(&eval);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
}

/* ---- files ---- */

static struct json_object *member(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    if (!json_object_object_get_ex(o, key, &v)) fprintf(stderr, "no member %s\n", key);
    CHECK(v != NULL);
    return v;
}
static struct json_object *at(struct json_object *o, int i) {
    return json_object_array_get_idx(o, (size_t)i);
}

static bl_json load(const char *dir) {
    bl_json doc = {0};
    char *path = fake_path(dir, "analysis.json");
    CHECK_OK(bl_json_load(path, &doc));
    free(path);
    return doc;
}

/* Image 1 exists (and is large), image 2 does not. */
static void files(const char *dir) {
    bl_dataset *gt = read_truth(truth);
    bl_detections dt = make(found, N_FOUND);
    const bl_eval_params p = bl_eval_params_coco();
    bl_analysis_options o = bl_analysis_defaults();
    bl_eval_result eval;
    bl_analysis a;
    bl_image im;
    int64_t unreadable;
    char *jpeg = fake_path(dir, "1.jpg"), *thumb = fake_path(dir, "thumbs/1_1.jpg");
    CHECK_OK(bl_image_alloc(1000, 800, &im));
    CHECK_OK(bl_jpeg_write(jpeg, &im, 90));
    bl_image_free(&im);
    o.image_dir = dir;
    CHECK_OK(bl_eval_run(gt, &dt, &p, &eval));
    const bl_results r = {.gt = gt, .dt = &dt, .eval = &eval, .iter = -1};
    CHECK_OK(bl_analysis_run(&r, &o, &a));
    CHECK_OK(bl_analysis_write(dir, &r, &a, &unreadable));
    CHECK_EQ(unreadable, 1);
    CHECK_OK(bl_image_load(thumb, true, &im));
    CHECK_EQ(im.width, 320);
    CHECK_EQ(im.height, 256);
    int lit = 0; /* the boxes are all there is to see */
    for (int i = 0; i < 320 * 256 * 3; i++) lit += im.rgb[i] > 128;
    CHECK(lit > 300 && lit < 20000);
    bl_image_free(&im);
    bl_json doc = load(dir);
    CHECK_EQ(json_object_array_length(member(doc.root, "confusion")), 3);
    CHECK_EQ(json_object_get_int(at(at(member(doc.root, "confusion"), 2), 1)), 3);
    CHECK_EQ(json_object_get_int(at(at(member(doc.root, "confusion"), 2), 2)), 0);
    CHECK_NEAR(json_object_get_double(member(member(member(doc.root, "tide"), "dAP"), "cls")), .5,
               1e-12);
    CHECK_EQ(json_object_get_int(member(member(member(doc.root, "tide"), "counts"), "fp")), 6);
    CHECK_NEAR(json_object_get_double(member(member(doc.root, "calibration"), "ece")),
               a.calibration.ece, 0);
    struct json_object *images = member(at(member(doc.root, "costly"), 0), "images"), *none;
    CHECK_EQ(json_object_array_length(images), 2);
    CHECK_STR(json_object_get_string(member(at(images, 0), "thumbnail")), "thumbs/1_1.jpg");
    CHECK(!json_object_object_get_ex(at(images, 1), "thumbnail", &none));
    CHECK_EQ(json_object_get_int(member(at(images, 1), "image_id")), 2);
    bl_json_free(&doc);
    CHECK_FAILS(bl_analysis_write("/proc/none", &r, &a, NULL), BL_EIO, "/proc/none");
    bl_analysis_free(&a);
    bl_eval_result_free(&eval);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
    free(jpeg);
    free(thumb);
}

/* Many classes: the confusion is sparse. */
static void sparse(const char *dir) {
    state = 7;
    bl_dataset *gt = random_truth(201, 12, 40);
    bl_detections dt = random_detections(gt, 50);
    const bl_eval_params p = bl_eval_params_coco();
    const bl_analysis_options o = bl_analysis_defaults();
    bl_eval_result eval;
    bl_analysis a;
    CHECK_OK(bl_eval_run(gt, &dt, &p, &eval));
    const bl_results r = {.gt = gt, .dt = &dt, .eval = &eval, .iter = -1};
    CHECK_OK(bl_analysis_run(&r, &o, &a));
    CHECK_OK(bl_analysis_write(dir, &r, &a, NULL));
    bl_json doc = load(dir);
    struct json_object *list = member(doc.root, "confusion_sparse"), *none;
    CHECK(!json_object_object_get_ex(doc.root, "confusion", &none));
    CHECK_EQ(json_object_array_length(list), a.confusion.n_cells);
    CHECK_EQ(json_object_get_int(at(at(list, 0), 2)), a.confusion.cells[0].count);
    bl_json_free(&doc);
    bl_analysis_free(&a);
    bl_eval_result_free(&eval);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
}

int main(void) {
    char dir[] = "/tmp/test_eval_analysis_XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    by_hand();
    limits();
    federated();
    masks();
    for (uint32_t seed = 1; seed <= 60; seed++) check_random(seed);
    files(dir);
    sparse(dir);
    fake_remove_all(dir);
    return 0;
}
