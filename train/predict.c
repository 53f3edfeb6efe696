/* Prediction on image files. Of a detector: COCO-style results with file names, and pictures with
 * boxes drawn. */
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/parallel.h"
#include "train/checkpoint.h"
#include "train/class_predict.h"
#include "train/infer.h"

static const double LEAST_SCORE = 0.3;

typedef struct {
    const bl_predict_options *opt;
    struct json_object *classes, *list;
} predict_job;

static const char *class_name(const predict_job *j, int32_t c) {
    struct json_object *o = json_object_array_get_idx(j->classes, (size_t)c), *name = NULL;
    return o && json_object_object_get_ex(o, "name", &name) ? json_object_get_string(name) : "";
}

/* A hue per class, far apart for neighbouring indices (golden angle). */
static void class_colour(int32_t c, uint8_t rgb[3]) {
    for (int i = 0; i < 3; i++) {
        double phase = 2.399963 * c + i * 2.094395;
        rgb[i] = (uint8_t)(140 + 110 * cos(phase));
    }
}

static void draw_box(bl_image *img, bl_box b, const uint8_t rgb[3]) {
    enum { THICK = 2 };
    int x1 = (int)fmaxf(0, b.x1), y1 = (int)fmaxf(0, b.y1);
    int x2 = (int)fminf((float)img->width - 1, b.x2), y2 = (int)fminf((float)img->height - 1, b.y2);
    for (int y = y1; y <= y2; y++)
        for (int x = x1; x <= x2; x++)
            if (x < x1 + THICK || x > x2 - THICK || y < y1 + THICK || y > y2 - THICK)
                memcpy(&img->rgb[3 * ((int64_t)y * img->width + x)], rgb, 3);
}

static bl_status draw(const predict_job *j, int32_t index, const bl_image *original,
                      const bl_boxes *b) {
    const char *file = j->opt->images[index], *slash = strrchr(file, '/');
    char name[320];
    snprintf(name, sizeof name, "%04d_%.280s.jpg", (int)index, slash ? slash + 1 : file);
    char *path = bl_path_join(j->opt->draw_dir, name);
    bl_image copy = {0};
    bl_status status = path ? bl_image_copy(original, &copy) : bl_fail(BL_ENOMEM, "out of memory");
    for (int32_t k = b->n - 1; status == BL_OK && k >= 0; k--) {
        uint8_t rgb[3];
        class_colour(b->label[k], rgb);
        draw_box(&copy, b->box[k], rgb);
    }
    if (status == BL_OK) status = bl_jpeg_write(path, &copy, 90);
    bl_image_free(&copy);
    free(path);
    return status;
}

static bl_status keep(void *arg, int32_t index, const bl_image *original, const bl_boxes *b) {
    predict_job *j = arg;
    for (int32_t k = 0; k < b->n; k++) {
        struct json_object *o = json_object_new_object(), *box = json_object_new_array(), *cls, *id;
        const bl_box *q = &b->box[k];
        const double v[4] = {q->x1, q->y1, (double)q->x2 - q->x1, (double)q->y2 - q->y1};
        for (int i = 0; i < 4; i++) json_object_array_add(box, json_object_new_double(v[i]));
        json_object_object_add(o, "file_name", json_object_new_string(j->opt->images[index]));
        cls = json_object_array_get_idx(j->classes, (size_t)b->label[k]);
        if (cls && json_object_object_get_ex(cls, "id", &id))
            json_object_object_add(o, "category_id", json_object_get(id));
        json_object_object_add(o, "category", json_object_new_string(class_name(j, b->label[k])));
        json_object_object_add(o, "bbox", box);
        json_object_object_add(o, "score", json_object_new_double(b->score[k]));
        json_object_array_add(j->list, o);
    }
    return j->opt->draw_dir && original->rgb ? draw(j, index, original, b) : BL_OK;
}

/* Class names come from classes.json of the run folder that holds the checkpoint. */
static bl_status read_classes(const char *checkpoint, bl_json *doc, struct json_object **classes) {
    char *run = bl_checkpoint_run_dir(checkpoint);
    char *path = run ? bl_path_join(run, "classes.json") : NULL;
    bl_status status = path ? bl_json_load(path, doc) : bl_fail(BL_ENOMEM, "out of memory");
    if (status == BL_OK && (!json_object_object_get_ex(doc->root, "classes", classes) ||
                            !json_object_is_type(*classes, json_type_array))) {
        status = bl_fail(BL_EFORMAT, "%s: no \"classes\" list", path);
        bl_json_free(doc);
    }
    free(run);
    free(path);
    return status;
}

static bl_status detect(const bl_run_config *cfg, const bl_predict_options *opt) {
    if (opt->set || opt->probabilities)
        return bl_fail(BL_ECONFIG, "--set and --probabilities are for classifiers");
    if (!opt->out && !opt->draw_dir)
        return bl_fail(BL_ECONFIG, "nothing to write: give --out FILE, --draw DIR or both");
    bl_json doc = {0};
    predict_job j = {.opt = opt};
    bl_store *store = NULL;
    bl_detector *det = NULL;
    bl_ctx *ctx = NULL;
    char *ckpt = NULL;
    int64_t iter, classes;
    bool has_teacher;
    BL_TRY(read_classes(opt->checkpoint, &doc, &j.classes));
    bl_status status;
    j.list = json_object_new_array();
    ckpt = bl_is_dir(opt->checkpoint) ? bl_checkpoint_named(opt->checkpoint, "last_checkpoint")
                                      : strdup(opt->checkpoint);
    if (!ckpt) {
        status = bl_fail_context(BL_EIO, "%s has no checkpoint", opt->checkpoint);
        goto done;
    }
    BL_TRY_DONE(bl_checkpoint_info(ckpt, &iter, &classes, &has_teacher));
    bl_set_threads((int)cfg->run.threads);
    bl_ctx_options co = bl_run_ctx_options(&cfg->run);
    BL_TRY_DONE(bl_ctx_create(&co, &ctx));
    BL_TRY_DONE(bl_store_create(&store));
    BL_TRY_DONE(bl_detector_create(&cfg->detector, (int32_t)json_object_array_length(j.classes),
                                   store, &det));
    BL_TRY_DONE(bl_store_finish(store, ctx, 0, false));
    BL_TRY_DONE(bl_checkpoint_load_weights(ckpt, ctx, store,
                                           opt->model    ? opt->model
                                           : has_teacher ? "teacher"
                                                         : "student",
                                           false, NULL));
    if (opt->draw_dir) BL_TRY_DONE(bl_mkdirs(opt->draw_dir));
    bl_infer in = {.ctx = ctx,
                   .detector = det,
                   .view = &cfg->view,
                   .batch = cfg->run.eval_batch,
                   .score_threshold =
                       opt->score_threshold >= 0 ? opt->score_threshold : LEAST_SCORE,
                   .skip_bad = opt->skip_bad || cfg->data.skip_bad};
    BL_TRY_DONE(
        bl_infer_run(&in, (char *const *)opt->images, opt->n_images, "predicting:", keep, &j));
    if (opt->out) BL_TRY_DONE(bl_json_save(j.list, opt->out));
    BL_INFO("%d detections in %d images", (int)json_object_array_length(j.list), opt->n_images);
done:
    json_object_put(j.list);
    bl_detector_destroy(det);
    bl_store_destroy(store);
    bl_ctx_destroy(ctx);
    free(ckpt);
    bl_json_free(&doc);
    return status;
}

bl_status bl_predict(const bl_run_config *cfg, const bl_predict_options *opt) {
    if (opt->n_images == 0 && !opt->set)
        return bl_fail(BL_ECONFIG, "nothing to predict: name image files or folders%s",
                       cfg->task == BL_TASK_CLASSIFICATION ? ", or give --set" : "");
    return cfg->task == BL_TASK_CLASSIFICATION ? bl_class_predict(cfg, opt) : detect(cfg, opt);
}
