/* Prediction on image files. Of a detector: COCO-style results with file names, and pictures with
 * boxes drawn. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/parallel.h"
#include "datasets/images/draw.h"
#include "train/checkpoint.h"
#include "train/classification/predict.h"
#include "train/detection/infer.h"
#include "train/picture_names.h"
#include "train/predict_out.h"

static const double LEAST_SCORE = 0.3;
enum { JPEG_QUALITY = 92 };

typedef struct {
    const bl_predict_options *opt;
    bl_predictions found;
    const char **class_names; /* by label */
    int32_t n_classes;
    const char **pictures; /* file names in draw_dir; NULL: none are drawn */
} predict_job;

static bl_status draw(const predict_job *j, int32_t index, const bl_image *original,
                      const bl_boxes *b) {
    char *path = bl_path_join(j->opt->draw_dir, j->pictures[index]);
    bl_drawn_box *drawn = malloc(((size_t)b->n + 1) * sizeof *drawn);
    bl_image picture = {0};
    bl_status status = path && drawn ? BL_OK : bl_no_memory("for a picture");
    for (int32_t k = 0; status == BL_OK && k < b->n; k++)
        drawn[k] = (bl_drawn_box){b->box[k], b->label[k], b->score[k]};
    if (status == BL_OK)
        status = bl_draw_detections(original, drawn, b->n, j->class_names, j->n_classes, &picture);
    if (status == BL_OK) status = bl_jpeg_write(path, &picture, JPEG_QUALITY);
    bl_image_free(&picture);
    free(drawn);
    free(path);
    return status;
}

static bl_status keep(void *arg, int32_t index, const bl_image *original, const bl_boxes *b) {
    predict_job *j = arg;
    BL_TRY(bl_predictions_add(&j->found, index, b));
    return j->pictures && original->rgb ? draw(j, index, original, b) : BL_OK;
}

/* Class names come from classes.json of the run folder that holds the checkpoint. */
static bl_status read_classes(const char *checkpoint, bl_json *doc, struct json_object **classes) {
    char *run = bl_checkpoint_run_dir(checkpoint);
    char *path = run ? bl_path_join(run, "classes.json") : NULL;
    bl_status status = path ? bl_json_load(path, doc) : bl_no_memory(NULL);
    if (status == BL_OK && (!json_object_object_get_ex(doc->root, "classes", classes) ||
                            !json_object_is_type(*classes, json_type_array))) {
        status = bl_fail(BL_EFORMAT, "%s: no \"classes\" list", path);
        bl_json_free(doc);
    }
    free(run);
    free(path);
    return status;
}

static bl_status take_classes(predict_job *j, struct json_object *list, bl_arena *arena) {
    j->n_classes = (int32_t)json_object_array_length(list);
    bl_predict_class *c = BL_NEW_ARRAY(arena, bl_predict_class, j->n_classes + 1);
    j->class_names = BL_NEW_ARRAY(arena, const char *, j->n_classes + 1);
    if (!c || !j->class_names) return BL_ENOMEM;
    for (int32_t i = 0; i < j->n_classes; i++) {
        struct json_object *o = json_object_array_get_idx(list, (size_t)i), *id, *name;
        c[i].id = json_object_object_get_ex(o, "id", &id) ? json_object_get_int64(id) : i;
        bool named = json_object_object_get_ex(o, "name", &name) &&
                     json_object_is_type(name, json_type_string);
        c[i].name = named ? bl_arena_strdup(arena, json_object_get_string(name)) : "";
        if (!c[i].name) return BL_ENOMEM;
        j->class_names[i] = c[i].name;
    }
    j->found.classes = c;
    return BL_OK;
}

/* The folder, and a name in it for each image. */
static bl_status plan_pictures(predict_job *j, bl_arena *arena) {
    const bl_predict_options *o = j->opt;
    if (!o->draw_dir) return BL_OK;
    j->pictures = BL_NEW_ARRAY(arena, const char *, o->n_images + 1);
    if (!j->pictures) return BL_ENOMEM;
    BL_TRY(bl_picture_names(o->images, o->n_images, arena, j->pictures));
    return bl_mkdirs(o->draw_dir);
}

/* ---- images of the run ---- */

static bl_status choose_set(const char *name, const bl_run_data *data, const bl_dataset **out) {
    *out = strcmp(name, "labelled") == 0     ? data->labelled
           : strcmp(name, "unlabelled") == 0 ? data->unlabelled
           : strcmp(name, "validation") == 0 ? data->validation
           : strcmp(name, "test") == 0       ? data->test
                                             : NULL;
    return *out ? BL_OK : bl_fail(BL_ECONFIG, "--set %s: the run has no such images", name);
}

/* The paths of a data set's images become the images to predict, known by the set's names and ids. */
static bl_status take_set(const bl_dataset *d, bl_arena *arena, bl_predict_options *opt,
                          bl_predictions *found) {
    const char **paths = BL_NEW_ARRAY(arena, const char *, d->n_images + 1);
    const char **files = BL_NEW_ARRAY(arena, const char *, d->n_images + 1);
    bl_id *ids = BL_NEW_ARRAY(arena, bl_id, d->n_images + 1);
    if (!paths || !files || !ids) return BL_ENOMEM;
    for (int32_t i = 0; i < d->n_images; i++) {
        char *path = bl_dataset_path(d, i);
        paths[i] = path ? bl_arena_strdup(arena, path) : NULL;
        free(path);
        if (!paths[i]) return bl_no_memory("for image paths");
        files[i] = d->images[i].file;
        ids[i] = (bl_id){d->images[i].id, d->images[i].id_text};
    }
    opt->images = paths;
    opt->n_images = d->n_images;
    *found = (bl_predictions){.images = files, .n_images = d->n_images, .ids = ids};
    return BL_OK;
}

static bl_status detect(const bl_run_config *cfg, const bl_predict_options *opt,
                        const bl_predictions *known) {
    bl_json doc = {0};
    struct json_object *classes_list;
    predict_job j = {.opt = opt, .found = *known};
    double least = opt->score_threshold >= 0 ? opt->score_threshold : LEAST_SCORE;
    bl_arena *arena = bl_arena_create(0);
    if (!arena) return BL_ENOMEM;
    bl_store *store = NULL;
    bl_detector *det = NULL;
    bl_ctx *ctx = NULL;
    char *ckpt = NULL;
    int64_t iter, classes;
    bool has_teacher;
    bl_status status;
    BL_TRY_DONE(read_classes(opt->checkpoint, &doc, &classes_list));
    BL_TRY_DONE(take_classes(&j, classes_list, arena));
    BL_TRY_DONE(bl_checkpoint_find(opt->checkpoint, !opt->no_verify, &ckpt));
    BL_TRY_DONE(bl_checkpoint_info(ckpt, &iter, &classes, &has_teacher));
    bl_set_threads((int)cfg->run.threads);
    bl_ctx_options co = bl_run_ctx_options(&cfg->run);
    BL_TRY_DONE(bl_ctx_create(&co, &ctx));
    BL_TRY_DONE(bl_store_create(&store));
    BL_TRY_DONE(bl_method_detector(&cfg->method, &cfg->detector, j.n_classes, store, &det));
    BL_TRY_DONE(bl_store_finish(store, ctx, 0, false));
    BL_TRY_DONE(bl_checkpoint_load_weights(ckpt, ctx, store,
                                           opt->model    ? opt->model
                                           : has_teacher ? "teacher"
                                                         : "student",
                                           false, NULL));
    BL_TRY_DONE(plan_pictures(&j, arena));
    bl_infer in = {.ctx = ctx,
                   .detector = det,
                   .view = &cfg->view,
                   .batch = cfg->run.eval_batch,
                   .score_threshold = least,
                   .exif = cfg->data.exif,
                   .skip_bad = opt->skip_bad || cfg->data.skip_bad};
    BL_TRY_DONE(
        bl_infer_run(&in, (char *const *)opt->images, opt->n_images, "predicting:", keep, &j));
    if (opt->out) BL_TRY_DONE(bl_predictions_write(&j.found, opt->out));
    if (!opt->out && opt->table) bl_predictions_print(&j.found, least, opt->table);
    if (in.n_skipped) BL_WARN("left out %lld images that cannot be read", (long long)in.n_skipped);
    int read = (int)(opt->n_images - in.n_skipped);
    BL_INFO("%lld detection%s in %d image%s%s%s", (long long)j.found.n, j.found.n == 1 ? "" : "s",
            read, read == 1 ? "" : "s", opt->draw_dir ? ", drawn in " : "",
            opt->draw_dir ? opt->draw_dir : "");
done:
    bl_predictions_free(&j.found);
    bl_detector_destroy(det);
    bl_store_destroy(store);
    bl_ctx_destroy(ctx);
    free(ckpt);
    bl_json_free(&doc);
    bl_arena_destroy(arena);
    return status;
}

static bl_status detect_set(const bl_run_config *cfg, const bl_predict_options *opt) {
    bl_predict_options own = *opt;
    bl_predictions known = {.images = opt->images, .n_images = opt->n_images};
    bl_run_data data = {0};
    const bl_dataset *d;
    bl_arena *arena = bl_arena_create(0);
    bl_status status = arena ? BL_OK : BL_ENOMEM;
    if (status == BL_OK)
        status = bl_run_data_open(&cfg->data, strcmp(opt->set, "test") != 0, &data);
    if (status == BL_OK) status = choose_set(opt->set, &data, &d);
    if (status == BL_OK) status = take_set(d, arena, &own, &known);
    if (status == BL_OK) status = detect(cfg, &own, &known);
    bl_run_data_close(&data);
    bl_arena_destroy(arena);
    return status;
}

static bl_status detect_any(const bl_run_config *cfg, const bl_predict_options *opt) {
    const bl_predictions known = {.images = opt->images, .n_images = opt->n_images};
    if (opt->probabilities) return bl_fail(BL_ECONFIG, "--probabilities is for classifiers");
    if (opt->set && opt->n_images > 0)
        return bl_fail(BL_ECONFIG, "give images or --set %s, not both", opt->set);
    return opt->set ? detect_set(cfg, opt) : detect(cfg, opt, &known);
}

bl_status bl_predict(const bl_run_config *cfg, const bl_predict_options *opt) {
    if (opt->n_images == 0 && !opt->set)
        return bl_fail(BL_ECONFIG,
                       "nothing to predict: name image files or folders, or give --set");
    return cfg->task == BL_TASK_CLASSIFICATION ? bl_classify_predict(cfg, opt)
                                               : detect_any(cfg, opt);
}
