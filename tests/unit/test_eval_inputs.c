/* Warnings about inputs: each is given where it is due and only there; and groups of classes. */
#include "eval/protocol/input_checks.h"
#include "eval/results/class_groups.h"
#include "tests/check.h"
#include "tests/unit/eval_fake_run.h"

static const char head[] =
    "{\"images\": [{\"id\": 1, \"width\": 200, \"height\": 200, \"file_name\": \"1.jpg\"},"
    "{\"id\": 2, \"width\": 200, \"height\": 200, \"file_name\": \"2.jpg\"}],"
    "\"categories\": [{\"id\": 1, \"name\": \"cat\"}, {\"id\": 2, \"name\": \"dog\"}, "
    "{\"id\": 3, \"name\": \"zebra\"}], \"annotations\": [";
static const char clean[] =
    "{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [10,10,50,50], \"area\": 2500},"
    "{\"id\": 2, \"image_id\": 2, \"category_id\": 2, \"bbox\": [90,10,50,50], \"area\": 2500}]}";

static bl_dataset *parse(const char *start, const char *annotations) {
    char text[2048];
    bl_dataset *gt;
    snprintf(text, sizeof text, "%s%s", start, annotations);
    CHECK_OK(bl_coco_read_memory(text, strlen(text), "gt.json", "", NULL, &gt));
    return gt;
}

static bl_detections make(const bl_detection *v, int64_t n) {
    bl_detections dt = {0};
    for (int64_t i = 0; i < n; i++) CHECK_OK(bl_detections_add(&dt, &v[i]));
    return dt;
}

static const bl_detection good[] = {{10, 10, 50, 50, .9, 0, 0}, {90, 10, 50, 50, .8, 1, 1}};

/* Runs the checks; `code` must be their only finding, with this count and these
 * words. NULL: none. */
static void expect(const bl_dataset *gt, const bl_detections *dt, const bl_eval_params *p,
                   const bl_dataset *train, const char *code, int64_t count, const char *words) {
    bl_findings f = {0};
    CHECK_OK(bl_input_check(gt, dt, p, train, "dt.json", &f));
    for (int i = 0; i < f.n; i++)
        if (!code || i > 0) fprintf(stderr, "unexpected: %s\n", f.v[i].message);
    CHECK_EQ(f.n, code != NULL);
    if (code) {
        CHECK_STR(f.v[0].code, code);
        CHECK_EQ(f.v[0].count, count);
        if (!strstr(f.v[0].message, words)) fprintf(stderr, "%s\n", f.v[0].message);
        CHECK(strstr(f.v[0].message, words) != NULL);
        CHECK(strchr(f.v[0].message, '\n') == NULL);
    }
    bl_findings_free(&f);
}

static void truth(const char *annotations, const char *code, int64_t count, const char *words) {
    const bl_eval_params p = bl_eval_params_coco();
    bl_dataset *gt = parse(head, annotations);
    bl_detections dt = make(good, 2);
    expect(gt, &dt, &p, NULL, code, count, words);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
}

static void results(const bl_detection *v, int64_t n, const bl_eval_params *p, const char *code,
                    int64_t count, const char *words) {
    const bl_eval_params coco = bl_eval_params_coco();
    bl_dataset *gt = parse(head, clean);
    bl_detections dt = make(v, n);
    expect(gt, &dt, p ? p : &coco, NULL, code, count, words);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
}

static void truths(void) {
    truth(clean, NULL, 0, "");
    truth("{\"id\": 0, \"image_id\": 1, \"category_id\": 1, \"bbox\": [10,10,50,50]}]}",
          "annotation-id-0", 1, "gt.json: 1 annotation with id 0 (image 1)");
    truth("{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [10,10,50,50]},"
          "{\"id\": 5, \"image_id\": 1, \"category_id\": 1, \"bbox\": [10,10,50,50], "
          "\"ignore\": 1}]}",
          "ignore-without-crowd", 1, "first: id 5");
    truth("{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [0.1,0.1,0.5,0.5]}]}",
          "ground-truth-boxes-normalised", 1, "pixels");
    truth("{\"id\": 9, \"image_id\": 1, \"category_id\": 1, \"bbox\": [150,10,90,50]}]}",
          "ground-truth-boxes-outside", 1, "first: annotation 9");
    truth("{\"id\": 9, \"image_id\": 1, \"category_id\": 1, \"bbox\": [150,10,0,50]}]}",
          "ground-truth-boxes-empty", 1, "first: annotation 9");
}

static void detections(void) {
    bl_detection v[40];
    bl_eval_params p = bl_eval_params_coco();
    results(good, 2, NULL, NULL, 0, "");
    results(NULL, 0, NULL, "no-detections", 0, "dt.json: no detections at all");
    results(good, 1, NULL, "images-without-detections", 1, "1 image with objects has no detection");
    memcpy(v, good, sizeof good);
    v[1].score = 1.5;
    results(v, 2, NULL, "scores-outside-0-1", 1, "1.5 of detection 1");
    v[1].score = v[0].score;
    results(v, 2, NULL, "scores-all-equal", 2, "all 2 scores are 0.9");
    v[1].score = .1;
    v[2] = v[0];
    results(v, 3, NULL, "results-twice", 1, "first: detection 2");
    v[2].x = 170;
    results(v, 3, NULL, "boxes-outside", 1, "first: detection 2");
    v[2].x = 10;
    v[2].w = 0;
    results(v, 3, NULL, "boxes-empty", 1, "no width or no height");
    v[2] = v[0];
    v[2].score = .3;
    bl_eval_set_max_dets(&p, 1);
    results(v, 3, &p, "more-than-max-detections", 1, "limit of 1 per image and class");
    p = bl_eval_params_coco();
    p.max_dets_per_image = 1;
    results(v, 3, &p, "more-than-max-detections", 1, "limit of 1 per image do");
    for (int i = 0; i < 2; i++)
        v[i] = (bl_detection){good[i].x / 200, .1, .2, .2, .5 + .1 * i, good[i].image, 0};
    results(v, 2, NULL, "boxes-normalised", 2, "fractions of the image?");
    /* A grid of boxes as corners: seven of sixteen would end outside. */
    for (int i = 0; i < 16; i++) {
        double x = 45 * (i % 4), y = 45 * (i / 4);
        v[i] = (bl_detection){x, y, x + 40, y + 40, .9 - .01 * i, i % 2, 0};
    }
    results(v, 16, NULL, "boxes-are-corners", 12, "x, y, width, height");
    for (int i = 0; i < 16; i++) v[i].w = v[i].h = 30; /* the same boxes as they should be */
    for (int i = 0; i < 16; i++) {
        v[i].x = fmin(v[i].x, 160);
        v[i].y = fmin(v[i].y, 160);
    }
    results(v, 16, NULL, NULL, 0, "");
}

static void training(void) {
    const bl_eval_params p = bl_eval_params_coco();
    bl_dataset *gt = parse(head, clean);
    bl_detections dt = make(good, 2);
    bl_dataset *train = parse(
        "{\"images\": [], \"categories\": [{\"id\": 1, \"name\": \"cat\"}, {\"id\": 2, \"name\": "
        "\"zebra\"}, {\"id\": 3, \"name\": \"dog\"}], \"annotations\": [",
        "]}");
    expect(gt, &dt, &p, gt, NULL, 0, "");
    expect(gt, &dt, &p, train, "categories-differ", 2, "id 2 is \"dog\" here and \"zebra\"");
    bl_dataset_free(train);
    train = parse("{\"images\": [], \"categories\": [{\"id\": 1, \"name\": \"cat\"}, {\"id\": 2, "
                  "\"name\": \"dog\"}], \"annotations\": [",
                  "]}");
    expect(gt, &dt, &p, train, "categories-not-in-training", 1, "first: \"zebra\"");
    bl_dataset_free(train);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
}

/* ---- groups ---- */

static void groups_of_training(void) {
    bl_dataset *gt = parse(head, clean);
    bl_class_groups g;
    bl_class_groups_source from = {.minority_ratio = .2};
    CHECK_OK(bl_class_groups_make(gt, &from, &g));
    CHECK_EQ(g.info.n_groups, 0);
    CHECK(g.info.train_boxes == NULL);
    bl_class_groups_free(&g);
    from.train = gt; /* one box of cat and of dog, none of zebra */
    CHECK_OK(bl_class_groups_make(gt, &from, &g));
    CHECK_EQ(g.info.n_groups, 2);
    CHECK_EQ(g.info.train_boxes[1], 1);
    CHECK_EQ(g.info.train_images[2], 0);
    CHECK_STR(g.info.group_names[g.info.group[0]], "majority");
    CHECK_STR(g.info.group_names[g.info.group[2]], "minority");
    uint8_t mask[3];
    CHECK_EQ(bl_class_group_mask(&g.info, 0, 3, mask), 2);
    CHECK(mask[0] && mask[1] && !mask[2]);
    bl_class_groups_free(&g);
    bl_dataset_free(gt);
}

static void groups_of_lvis(void) {
    bl_dataset *gt = parse(
        "{\"images\": [], \"categories\": [{\"id\": 1, \"name\": \"a\", \"frequency\": \"f\", "
        "\"image_count\": 200, \"instance_count\": 900}, {\"id\": 2, \"name\": \"b\", "
        "\"frequency\": \"r\", \"image_count\": 3, \"instance_count\": 4}], \"annotations\": [",
        "]}");
    const bl_class_groups_source from = {.minority_ratio = .2};
    bl_class_groups g;
    CHECK_OK(bl_class_groups_make(gt, &from, &g));
    CHECK_EQ(g.info.n_groups, 3);
    CHECK_STR(g.info.group_names[g.info.group[0]], "frequent");
    CHECK_STR(g.info.group_names[g.info.group[1]], "rare");
    CHECK_EQ(g.info.train_images[1], 3);
    CHECK_EQ(g.info.train_boxes[0], 900);
    bl_class_groups_free(&g);
    bl_dataset_free(gt);
}

static void groups_of_list(void) {
    bl_dataset *gt = parse(head, clean);
    bl_class_groups g;
    const char *names[] = {"dog", "zebra", "dog"};
    bl_class_groups_source from = {.train = gt, .minority = names, .n_minority = 2};
    CHECK_OK(bl_class_groups_make(gt, &from, &g));
    CHECK_EQ(g.info.n_groups, 2);
    CHECK_STR(g.info.group_names[g.info.group[0]], "majority");
    CHECK_STR(g.info.group_names[g.info.group[1]], "minority");
    CHECK_STR(g.info.group_names[g.info.group[2]], "minority");
    bl_class_groups_free(&g);
    from.n_minority = 3;
    CHECK_FAILS(bl_class_groups_make(gt, &from, &g), BL_ECONFIG, "\"dog\" is listed twice");
    names[0] = "zbra";
    CHECK_FAILS(bl_class_groups_make(gt, &from, &g), BL_ECONFIG, "did you mean \"zebra\"");
    bl_dataset_free(gt);
}

static void groups_of_file(const char *dir) {
    bl_dataset *gt = parse(head, clean);
    char *path = fake_path(dir, "groups.json");
    const bl_class_groups_source from = {.file = path, .minority_ratio = .2};
    bl_class_groups g;
    uint8_t mask[3];
    fake_write(dir, "groups.json", "{\"pets\": [\"cat\", 2], \"all\": [1, 2, 3], \"none\": []}");
    CHECK_OK(bl_class_groups_make(gt, &from, &g));
    CHECK_EQ(g.info.n_groups, 3);
    CHECK_EQ(bl_class_group_mask(&g.info, 0, 3, mask), 2);
    CHECK_EQ(bl_class_group_mask(&g.info, 1, 3, mask), 3);
    CHECK_EQ(bl_class_group_mask(&g.info, 2, 3, mask), 0);
    CHECK_STR(g.info.group_names[g.info.group[0]], "pets"); /* of two groups the first */
    CHECK_STR(g.info.group_names[g.info.group[2]], "all");
    bl_class_groups_free(&g);
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"{\"pets\": [\"cat\", \"zbra\"]}",
         "\"pets\"[1]: no category \"zbra\" in gt.json; did you mean \"zebra\"?"},
        {"{\"pets\": [7]}", "\"pets\"[0]: no category has id 7"},
        {"{\"pets\": [1.5]}", "neither a class name nor a category id"},
        {"{\"pets\": \"cat\"}", "\"pets\" is not a list"},
        {"[\"cat\"]", "expected an object"},
        {"{}", "0 groups"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fake_write(dir, "groups.json", bad[i].text);
        CHECK_FAILS(bl_class_groups_make(gt, &from, &g), BL_ECONFIG, bad[i].message);
    }
    fake_write(dir, "groups.json", "{\"pets\": [");
    CHECK(bl_class_groups_make(gt, &from, &g) != BL_OK);
    free(path);
    bl_dataset_free(gt);
}

/* Areas as exporters leave them; of the second box, the area is given. */
static void areas(void) {
    static const struct {
        const char *first, *second, *words; /* NULL: nothing to say */
    } cases[] = {
        {"1.0", "1.0", "the \"area\" of 2 of 2 annotations is at most 1 although their boxes"},
        {"0", "0.01", "at most 1 although their boxes"},
        {"40000", "40000", "of 2 of 2 annotations is larger than their boxes (first: id 1"},
        {"1500", "1500", "all equal although their boxes differ"},
        {"2500", "20000", NULL}, /* of 1 and of 2 of 2: right */
        {"1", "10000", NULL},    /* half of them only */
        {"null", "null", NULL},  /* width times height */
        {"2601", "20301", NULL}, /* counts the last pixel too */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[400];
        snprintf(text, sizeof text,
                 "{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [10,10,50,50], "
                 "\"area\": %s}, {\"id\": 2, \"image_id\": 2, \"category_id\": 2, \"bbox\": "
                 "[0,0,200,100], \"area\": %s}]}",
                 cases[i].first, cases[i].second);
        truth(text, cases[i].words ? "areas" : NULL, 2, cases[i].words);
    }
}

/* Masks of another size than their image have no IoU: the reference's -1, which matches nothing. */
static void sizes_of_masks(void) {
    static const char results[] =
        "[{\"image_id\":1,\"category_id\":1,\"score\":0.9,\"segmentation\":"
        "{\"size\":[%d,%d],\"counts\":[0,%d]}}]";
    static const struct {
        int h, w;
        const char *words; /* NULL: nothing to say */
    } cases[] = {{20, 30, NULL},
                 {30, 20, "is 20 wide and 30 high, the image 30 and 20; \"size\" is [height"},
                 {10, 15, "1 of 1 masks have another size than their image (first: detection 0"}};
    static const char *const sizes[] = {"\"width\":30,\"height\":20", "\"x\":0"};
    for (int known = 0; known < 2; known++)
        for (size_t i = 0; i < 3; i++) {
            char text[600];
            bl_dataset *gt;
            bl_detections dt;
            bl_read_options how = {.evaluation = true, .masks = true};
            bl_detections_options o = {.masks = true};
            const bl_eval_params p = bl_eval_params_coco_segm();
            snprintf(text, sizeof text,
                     "{\"images\":[{\"id\":1,%s}],\"categories\":[{\"id\":1}],\"annotations\":[{"
                     "\"id\":1,\"image_id\":1,\"category_id\":1,\"segmentation\":{\"size\":[20,30],"
                     "\"counts\":[0,600]}}]}",
                     sizes[known]);
            CHECK_OK(bl_coco_read_memory(text, strlen(text), "gt", "", &how, &gt));
            snprintf(text, sizeof text, results, cases[i].h, cases[i].w, cases[i].h * cases[i].w);
            CHECK_OK(bl_detections_read_memory_with(text, strlen(text), "dt", gt, &o, &dt));
            bl_findings f = {0};
            CHECK_OK(bl_input_check(gt, &dt, &p, NULL, "dt", &f));
            bool said = f.n > 0 && strcmp(f.v[0].code, "mask-size") == 0;
            CHECK_EQ(said, cases[i].words != NULL);
            if (said) CHECK(strstr(f.v[0].message, cases[i].words) != NULL);
            bl_findings_free(&f);
            bl_eval_result r;
            CHECK_OK(bl_eval_run(gt, &dt, &p, &r));
            CHECK_NEAR(bl_eval_recall(&r, 0, 0, 0, 2), cases[i].words ? 0 : 1, 0);
            bl_eval_result_free(&r);
            bl_detections_free(&dt);
            bl_dataset_free(gt);
        }
}

int main(void) {
    areas();
    sizes_of_masks();
    char dir[] = "/tmp/test_eval_inputs_XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    truths();
    detections();
    training();
    groups_of_training();
    groups_of_lvis();
    groups_of_list();
    groups_of_file(dir);
    fake_remove_all(dir);
    return 0;
}
