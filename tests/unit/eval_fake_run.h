/* A small run folder in the layout of docs/run-folder.md, for the tests of reports: real evaluation
 * files (made by the evaluator), hand-made metrics, and class names that try to break
 * out of HTML. */
#ifndef BALLAST_TESTS_EVAL_FAKE_RUN_H
#define BALLAST_TESTS_EVAL_FAKE_RUN_H

#include <ftw.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/log.h"
#include "datasets/images/image.h"
#include "eval/results/results.h"
#include "tests/check.h"

enum { FAKE_CLASSES = 4 };
static const char *const fake_names[FAKE_CLASSES] = {
    "zebra", "<script>alert(1)</script>", "a\" onload=\"alert(2)", "ring & 'cross' </title>"};
static const int64_t fake_boxes[FAKE_CLASSES] = {40, 300, 7, 90};
static const uint8_t fake_group[FAKE_CLASSES] = {1, 0, 1, 0};
static const char *const fake_groups[2] = {"majority", "minority"};

static inline int fake_remove(const char *path, const struct stat *st, int type, struct FTW *walk) {
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}
static inline void fake_remove_all(const char *dir) {
    nftw(dir, fake_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline bl_dataset *fake_ground_truth(void) {
    bl_category categories[FAKE_CLASSES];
    bl_image_info images[6];
    bl_ann anns[6 * FAKE_CLASSES];
    for (int k = 0; k < FAKE_CLASSES; k++)
        categories[k] = (bl_category){.id = k + 1, .name = fake_names[k], .supercategory = ""};
    for (int i = 0; i < 6; i++)
        images[i] = (bl_image_info){.id = i + 1, .file = "x.jpg", .width = 400, .height = 400};
    for (int i = 0; i < 6 * FAKE_CLASSES; i++)
        anns[i] = (bl_ann){.id = i + 1,
                           .x = 90.0 * (i % 4),
                           .y = 20,
                           .w = 60,
                           .h = 60,
                           .area = 3600,
                           .image = i / FAKE_CLASSES,
                           .category = i % FAKE_CLASSES};
    bl_dataset parts = {.name = "fake",
                        .image_dir = "",
                        .categories = categories,
                        .images = images,
                        .anns = anns,
                        .n_categories = FAKE_CLASSES,
                        .n_images = 6,
                        .n_anns = 6 * FAKE_CLASSES};
    bl_dataset *gt;
    CHECK_OK(bl_dataset_build(&parts, &gt));
    return gt;
}

/* Finds `good` of the six objects of class 0, one less of each next class, and a wrong box before
 * them. */
static inline bl_detections fake_detections(const bl_dataset *gt, int good) {
    bl_detections dt = {0};
    for (int k = 0; k < FAKE_CLASSES; k++) {
        bl_detection wrong = {200, 300, 30, 30, .65, 0, k};
        CHECK_OK(bl_detections_add(&dt, &wrong));
        for (int i = 0; i < good - k && i < 6; i++) {
            const bl_ann *a = &gt->anns[i * FAKE_CLASSES + k];
            bl_detection d = {a->x + 4, a->y, a->w, a->h, .9 - .1 * i, a->image, a->category};
            CHECK_OK(bl_detections_add(&dt, &d));
        }
    }
    return dt;
}

static inline char *fake_path(const char *dir, const char *rest) {
    char *p = bl_path_join(dir, rest);
    CHECK(p != NULL);
    return p;
}

static inline void fake_write(const char *dir, const char *name, const char *text) {
    char *path = fake_path(dir, name);
    CHECK_OK(bl_write_file(path, text, strlen(text)));
    free(path);
}

static inline void fake_eval(const char *dir, const char *model, int iter, int good) {
    bl_class_info info = {.train_images = fake_boxes,
                          .train_boxes = fake_boxes,
                          .group = fake_group,
                          .group_names = fake_groups,
                          .n_groups = 2};
    char sub[96];
    snprintf(sub, sizeof sub, "eval/iter_%08d/%s", iter, model);
    char *path = fake_path(dir, sub);
    bl_dataset *gt = fake_ground_truth();
    bl_detections dt = fake_detections(gt, good);
    const bl_eval_params protocol = bl_eval_params_coco();
    bl_eval_result r;
    CHECK_OK(bl_eval_run(gt, &dt, &protocol, &r));
    const bl_results results = {
        .gt = gt, .dt = &dt, .eval = &r, .info = &info, .model = model, .iter = iter};
    CHECK_OK(bl_results_write(path, &results));
    bl_eval_result_free(&r);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
    free(path);
}

static inline void fake_metrics(const char *dir) {
    char *path = fake_path(dir, "metrics.jsonl");
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    for (int it = 10; it <= 1000; it += 10) {
        fprintf(
            f,
            "{\"kind\": \"train\", \"iter\": %d, \"lr\": 0.01, \"loss\": %g, \"sup_roi_cls\": %g, "
            "\"grad_norm\": null, \"time\": 0.25}\n",
            it, 500.0 / it, 100.0 / it);
        if (it % 50 == 0)
            fprintf(f,
                    "{\"kind\": \"class\", \"iter\": %d, \"weight\": [1, 0.5, 2, 1.2, 1], "
                    "\"threshold\": [0.7, 0.9, 0.5, 0.8], \"pseudo\": [3, 40, 0, 9], "
                    "\"candidates\": [9, 50, 4, 20], \"kept\": [0.33, 0.8, 0, 0.45], "
                    "\"precision\": [0.8, 0.9, null, 0.7], \"recall\": [0.3, 0.6, 0, null]}\n",
                    it);
        if (it % 500 == 0)
            for (int m = 0; m < 2; m++)
                fprintf(
                    f,
                    "{\"kind\": \"eval\", \"iter\": %d, \"model\": \"%s\", \"AP\": %g, \"AP50\": "
                    "0.5, \"APs\": -1, \"AP_majority\": 0.4, \"AP_minority\": 0.2}\n",
                    it, m ? "student" : "teacher", it / 4000.0);
    }
    fputs("{\"kind\": \"train\", \"iter\": 1010, \"lo", f); /* a line still being written */
    fclose(f);
    free(path);
}

static inline void fake_samples(const char *dir) {
    char *sub = fake_path(dir, "samples/iter_00001000");
    CHECK_OK(bl_mkdirs(sub));
    bl_image img;
    CHECK_OK(bl_image_alloc(32, 24, &img));
    for (int i = 0; i < 32 * 24 * 3; i++) img.rgb[i] = (uint8_t)(i * 7);
    char *path = fake_path(sub, "test_000.jpg");
    CHECK_OK(bl_jpeg_write(path, &img, 85));
    bl_image_free(&img);
    fake_write(
        sub, "samples.json",
        "{\"samples\": [{\"file\": \"test_000.jpg\", \"width\": 32, \"height\": 24, \"set\": "
        "\"test\", \"truth\": [{\"box\": [2, 2, 20, 20], \"label\": 1}], \"predictions\": "
        "[{\"box\": [3, 2, 21, 19], \"label\": 2, \"score\": 0.75}], \"pseudo\": [{\"box\": "
        "[1, 2, null, 4], \"label\": 0, \"score\": 1}]},"
        "{\"file\": \"../../config.json\", \"width\": 32, \"height\": 24, \"set\": \"test\"},"
        "{\"file\": \"absent.jpg\", \"width\": 32, \"height\": 24, \"set\": \"test\"}]}");
    free(path);
    free(sub);
}

/* `good`: quality of the detections; it and `seed` stand in the configuration, so that runs of the
 * same quality are seeds of one method. */
static inline void fake_run(const char *dir, int good, int seed) {
    char text[512];
    CHECK_OK(bl_mkdirs(dir));
    fake_write(
        dir, "classes.json",
        "{\"classes\": ["
        "{\"id\": 1, \"name\": \"zebra\", \"train_images\": 30, \"train_boxes\": 40, \"group\": "
        "\"minority\"},"
        "{\"id\": 2, \"name\": \"<script>alert(1)</script>\", \"train_images\": 200, "
        "\"train_boxes\": 300, \"group\": \"majority\"},"
        "{\"id\": 3, \"name\": \"a\\\" onload=\\\"alert(2)\", \"train_images\": 7, "
        "\"train_boxes\": 7, \"group\": \"minority\"},"
        "{\"id\": 4, \"name\": \"ring & 'cross' </title>\", \"train_images\": 60, "
        "\"train_boxes\": 90, \"group\": \"majority\"}], \"groups\": [\"majority\", "
        "\"minority\"]}");
    snprintf(text, sizeof text,
             "{\"run\": {\"seed\": %d, \"note\": \"</pre><script>x()</script>\"}, "
             "\"learner\": {\"quality\": %d}}",
             seed, good);
    fake_write(dir, "config.json", text);
    fake_write(dir, "provenance.json", "{\"commit\": \"0123abc\"}");
    fake_eval(dir, "teacher", 500, good - 1);
    fake_eval(dir, "teacher", 1000, good);
    fake_eval(dir, "student", 1000, good - 1);
    fake_metrics(dir);
    fake_samples(dir);
}

#endif
