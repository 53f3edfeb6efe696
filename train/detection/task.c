/* Detection as the loop sees it: annotated images, Faster R-CNN learners, COCO AP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "ssl/detection/learner.h"
#include "train/detection/samples.h"
#include "train/evaluate.h"
#include "train/provenance.h"
#include "train/send_ahead.h"
#include "train/task.h"

typedef struct {
    bl_task base;
    const bl_run_config *cfg;
    bl_run_data data;
    bl_groups groups;
    bl_loader *loader;
    bl_ctx *ctx;
    bl_send_ahead *ahead; /* NULL: pixels go to the device when a step asks for them */
} detection;

_Static_assert(sizeof(bl_loader_pos) <= sizeof(int64_t[BL_POS_WORDS]), "a position has room");

static void describe(const bl_task *k, char *out, size_t size) {
    const detection *d = (const detection *)k;
    char held[32] = "";
    if (d->data.validation)
        snprintf(held, sizeof held, "; validation %d", (int)d->data.validation->n_images);
    snprintf(out, size, "labelled %d images, %lld boxes, %d classes; unlabelled %d%s; test %d",
             (int)d->data.labelled->n_images, (long long)d->data.labelled->n_anns,
             (int)d->groups.n_classes, d->data.unlabelled ? (int)d->data.unlabelled->n_images : 0,
             held, d->data.test ? (int)d->data.test->n_images : 0);
}

static bl_status record(bl_task *k, const char *run_dir) {
    const detection *d = (const detection *)k;
    char *path = bl_path_join(run_dir, "classes.json");
    if (!path) return bl_no_memory(NULL);
    bl_status status = bl_groups_write(&d->groups, d->data.labelled, path);
    free(path);
    return status;
}

static void provenance(const bl_task *k, struct json_object **sets) {
    const detection *d = (const detection *)k;
    bl_provenance_add_dataset(sets, "labelled", d->data.labelled);
    bl_provenance_add_dataset(sets, "unlabelled", d->data.unlabelled);
    bl_provenance_add_dataset(sets, "validation", d->data.validation);
    bl_provenance_add_dataset(sets, "test", d->data.test);
}

static void log_line(void *arg, const char *text) {
    (void)arg;
    BL_INFO("%s", text);
}

static bl_status create_learner(bl_task *k, bl_ctx *ctx, bl_learner **l) {
    detection *d = (detection *)k;
    d->ctx = ctx;
    const bl_run_config *cfg = d->cfg;
    bl_learner_env env = {.detector = &cfg->detector,
                          .labelled = d->data.labelled,
                          .unlabelled = d->data.unlabelled,
                          .seed = (uint64_t)cfg->run.seed,
                          .iterations = cfg->run.iterations,
                          .parts = (int32_t)cfg->run.accumulate,
                          .lr_at = bl_run_lr,
                          .lr_arg = cfg,
                          .ctx = ctx};
    BL_TRY(bl_learner_create(&cfg->method, &env, l));
    bl_detector_describe((*l)->model[0].model, log_line, NULL);
    return BL_OK;
}

/* The views of a batch, as bytes. */
static bl_status send(void *arg, const bl_batch *b) {
    bl_send_ahead *ahead = arg;
    bl_parcel *p = bl_send_ahead_parcels(ahead, b->place);
    for (int32_t i = 0; i < b->n; i++) {
        for (int32_t v = 0; v < b->samples[i].n_views; v++) {
            const bl_image *m = &b->samples[i].views[v].image;
            p[i * BL_LOADER_MAX_VIEWS + v] =
                (bl_parcel){.src = m->rgb, .bytes = 3 * (size_t)m->width * (size_t)m->height};
        }
    }
    return bl_send_ahead_go(ahead, b->place);
}

static bl_status send_ahead(detection *d, int64_t batch) {
    if (!d->cfg->run.prefetch_device) return BL_OK;
    BL_TRY(bl_send_ahead_create(d->ctx, bl_loader_places(d->loader),
                                (int32_t)batch * BL_LOADER_MAX_VIEWS, &d->ahead));
    bl_loader_on_ready(d->loader, send, d->ahead);
    return BL_OK;
}

static bl_status create_loader(bl_task *k, const bl_learner *learner) {
    detection *d = (detection *)k;
    const bl_detection_needs *l = &bl_detection_learner_world(learner)->needs;
    bl_loader_config lc = d->cfg->loader;
    bool mixed = l->n_unlabelled_views > 0;
    if (!mixed) {
        lc.batch = lc.labelled;
        lc.binomial = false; /* supervised: the same labelled images a step */
    }
    if (mixed && lc.labelled >= lc.batch)
        return bl_fail(
            BL_ECONFIG,
            "loader.labelled = %lld leaves no place for unlabelled images in loader.batch = %lld, "
            "which method.name = %s learns from; lower it or raise loader.batch",
            (long long)lc.labelled, (long long)lc.batch, learner->name);
    lc.skip_bad = d->cfg->data.skip_bad;
    BL_TRY(bl_loader_create(&lc, &d->cfg->view, d->data.labelled, l->labelled_views,
                            l->n_labelled_views, mixed ? d->data.unlabelled : NULL,
                            l->unlabelled_views, l->n_unlabelled_views, (uint64_t)d->cfg->run.seed,
                            &d->loader));
    return send_ahead(d, lc.batch);
}

static int32_t images(const bl_task *k, bool labelled) {
    const bl_run_data *data = &((const detection *)k)->data;
    return labelled ? data->labelled->n_images : data->unlabelled ? data->unlabelled->n_images : 0;
}

static bl_status set_repeats(bl_task *k, bool labelled, const int32_t *copies) {
    return bl_loader_set_repeats(((detection *)k)->loader, labelled, copies);
}

static bl_status next(bl_task *k, bl_step_input *in) {
    detection *d = (detection *)k;
    bl_batch *batch;
    BL_TRY(bl_loader_next(d->loader, &batch));
    *in = (bl_step_input){.batch = batch};
    return d->ahead ? bl_send_ahead_take(d->ahead, batch->place, &in->sent) : BL_OK;
}

static void release(bl_task *k, bl_step_input *in) {
    detection *d = (detection *)k;
    const bl_batch *b = in->batch;
    if (d->ahead) bl_send_ahead_release(d->ahead, b->place);
    bl_loader_release(d->loader, (bl_batch *)b);
}

static void describe_batch(const bl_task *k, const bl_step_input *in, char *out, size_t size) {
    const detection *t = (const detection *)k;
    const bl_batch *b = in->batch;
    size_t at = (size_t)snprintf(out, size, "image ids");
    for (int32_t i = 0; i < b->n && at < size; i++) {
        const bl_dataset *d = b->samples[i].labelled ? t->data.labelled : t->data.unlabelled;
        int n =
            snprintf(out + at, size - at, " %lld", (long long)d->images[b->samples[i].image].id);
        at += n > 0 ? (size_t)n : 0;
    }
}

static void tell(const bl_task *k, int64_t pos[BL_POS_WORDS]) {
    bl_loader_pos p = bl_loader_tell(((const detection *)k)->loader);
    memset(pos, 0, sizeof *pos * BL_POS_WORDS);
    memcpy(pos, &p, sizeof p);
}

static bl_status seek(bl_task *k, const int64_t pos[BL_POS_WORDS]) {
    bl_loader_pos p;
    memcpy(&p, pos, sizeof p);
    return bl_loader_seek(((detection *)k)->loader, &p);
}

static int64_t skipped(const bl_task *k) {
    return bl_loader_skipped(((const detection *)k)->loader);
}

static bool has_test(const bl_task *k) {
    return ((const detection *)k)->data.test != NULL;
}

static int64_t validation(const bl_task *k) {
    const bl_dataset *d = ((const detection *)k)->data.validation;
    return d ? d->n_images : 0;
}

static int64_t test(const bl_task *k) {
    const bl_dataset *d = ((const detection *)k)->data.test;
    return d ? d->n_images : 0;
}

/* "rare 0.1234  common 0.2345", as much of it as fits. */
static void describe_groups(const bl_class_info *info, const bl_evaluation *ev, char *out,
                            size_t size) {
    size_t at = 0;
    out[0] = 0;
    for (int32_t i = 0; i < info->n_groups && at < size; i++) {
        int n = snprintf(out + at, size - at, "  %s %.4f", info->group_names[i], ev->group_AP[i]);
        at += n > 0 ? (size_t)n : 0;
    }
}

static bl_status log_evaluation(const detection *d, const bl_task_evaluation *e,
                                const bl_evaluation *ev) {
    const char *model = e->learner->model[e->model].name;
    const bl_class_info *info = &d->groups.of.info;
    double ap50 = -1;
    char key[128], groups[256];
    bl_metrics_begin(e->metrics);
    bl_metrics_number(e->metrics, "iter", (double)e->iter);
    bl_metrics_string(e->metrics, "kind", e->validation ? "validation" : "eval");
    bl_metrics_string(e->metrics, "model", model);
    for (int i = 0; i < ev->n_metrics; i++) {
        bl_metrics_number(e->metrics, ev->metric[i].key, ev->metric[i].value);
        if (strcmp(ev->metric[i].key, "AP50") == 0) ap50 = ev->metric[i].value;
    }
    for (int32_t i = 0; i < info->n_groups; i++) {
        snprintf(key, sizeof key, "AP_%s", info->group_names[i]);
        bl_metrics_number(e->metrics, key, ev->group_AP[i]);
    }
    describe_groups(info, ev, groups, sizeof groups);
    BL_INFO("%s at %lld%s: AP %.4f  AP50 %.4f%s", model, (long long)e->iter,
            e->validation ? ", validation" : "", ev->AP, ap50, groups);
    return bl_metrics_end(e->metrics);
}

static bl_status write_samples(const detection *d, const bl_task_evaluation *e, bl_infer *in) {
    if (d->cfg->run.samples == 0) return BL_OK;
    const bl_detection_world *w = bl_detection_learner_world(e->learner);
    char *dir = bl_step_folder(e->run_dir, "samples", e->iter, NULL);
    if (!dir) return BL_ENOMEM;
    bl_status status =
        bl_samples_write(in, dir, (int32_t)d->cfg->run.samples, d->data.test,
                         e->learner->uses_unlabelled ? d->data.unlabelled : NULL, 0.3, w->theta);
    free(dir);
    return status;
}

static bl_status evaluate(bl_task *k, const bl_task_evaluation *e) {
    const detection *d = (const detection *)k;
    const bl_learner_model *model = &e->learner->model[e->model];
    bl_infer in = {.ctx = e->ctx,
                   .detector = model->model,
                   .view = &d->cfg->view,
                   .batch = d->cfg->run.eval_batch,
                   .score_threshold = -1,
                   .cancel = e->cancel,
                   .exif = d->cfg->data.exif,
                   .skip_bad = d->cfg->data.skip_bad};
    char *dir =
        bl_step_folder(e->run_dir, e->validation ? "validation" : "eval", e->iter, model->name);
    if (!dir) return BL_ENOMEM;
    bl_evaluation ev = {0};
    bl_eval_params protocol;
    const bl_dataset *set = e->validation ? d->data.validation : d->data.test;
    bl_status status = bl_run_protocol(d->cfg->run.protocol, set, &protocol);
    if (status == BL_OK)
        status = bl_evaluate_model(&in, model->name, e->iter, set, &protocol,
                                   e->last || e->validation ? 0 : d->cfg->run.eval_limit,
                                   &d->groups, dir, NULL, false, &ev);
    free(dir);
    if (status == BL_OK) status = log_evaluation(d, e, &ev);
    if (status == BL_OK && e->last && !e->validation && e->main) status = write_samples(d, e, &in);
    *e->score = ev.AP;
    return status;
}

static bl_status finish(bl_task *k, const char *run_dir) {
    (void)k;
    (void)run_dir;
    return BL_OK;
}

static void close_task(bl_task *k) {
    detection *d = (detection *)k;
    bl_loader_destroy(d->loader);
    bl_send_ahead_destroy(d->ahead);
    bl_groups_free(&d->groups);
    bl_run_data_close(&d->data);
    free(d);
}

static const bl_task_ops ops = {.describe = describe,
                                .record = record,
                                .provenance = provenance,
                                .create_learner = create_learner,
                                .create_loader = create_loader,
                                .images = images,
                                .set_repeats = set_repeats,
                                .next = next,
                                .release = release,
                                .describe_batch = describe_batch,
                                .tell = tell,
                                .seek = seek,
                                .skipped = skipped,
                                .has_test = has_test,
                                .validation = validation,
                                .test = test,
                                .measure = "AP",
                                .evaluate = evaluate,
                                .finish = finish,
                                .close = close_task};

bl_status bl_detection_task_open(const bl_run_config *cfg, bl_task **out) {
    detection *d = calloc(1, sizeof *d);
    if (!d) return bl_no_memory(NULL);
    d->base.ops = &ops;
    d->cfg = cfg;
    bl_status status = bl_run_data_open(&cfg->data, true, &d->data);
    if (status == BL_OK) status = bl_groups_make(&cfg->data, d->data.labelled, &d->groups);
    bl_eval_params protocol;
    if (status == BL_OK) status = bl_run_protocol(cfg->run.protocol, d->data.test, &protocol);
    if (status == BL_OK) status = bl_run_protocol(cfg->run.protocol, d->data.validation, &protocol);
    if (status != BL_OK) {
        close_task(&d->base);
        return status;
    }
    *out = &d->base;
    return BL_OK;
}
