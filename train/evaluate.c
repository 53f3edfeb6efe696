#include "train/evaluate.h"

#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/log.h"
#include "core/parallel.h"
#include "eval/analysis/analysis.h"
#include "train/checkpoint.h"
#include "train/classification/evaluate.h"
#include "train/detection/run_data.h"

/* The first n images as a data set of its own, so that the others do not count as missed. */
static bl_status first_images(const bl_dataset *d, int64_t n, bl_dataset **out) {
    int32_t *index = malloc(sizeof *index * (size_t)n);
    if (!index) return bl_no_memory(NULL);
    for (int32_t i = 0; i < n; i++) index[i] = i;
    bl_status status = bl_dataset_subset(d, index, (int32_t)n, out);
    free(index);
    return status;
}

static bl_status write_analysis(const char *dir, const bl_results *r) {
    const bl_analysis_options how = bl_analysis_defaults();
    bl_analysis a;
    BL_TRY(bl_analysis_run(r, &how, &a));
    bl_status status = bl_analysis_write(dir, r, &a, NULL);
    bl_analysis_free(&a);
    return status;
}

bl_status bl_run_protocol(int32_t protocol, const bl_dataset *d, bl_eval_params *out) {
    if (protocol == BL_PROTOCOL_COCO) {
        *out = bl_eval_params_coco();
        return BL_OK;
    }
    *out = protocol == BL_PROTOCOL_LVIS ? bl_eval_params_lvis(BL_IOU_BBOX)
                                        : bl_eval_params_lvis_fixed(BL_IOU_BBOX);
    if (!d || d->federated) return BL_OK;
    return bl_fail(BL_ECONFIG,
                   "run.protocol = %s: no image of %s has \"neg_category_ids\", which LVIS's rules "
                   "need; take run.protocol=coco for data that is annotated for all classes",
                   bl_protocol_names[protocol], d->name);
}

/* All numbers of the protocol, and the AP of each group. */
static bl_status summarise(const bl_eval_result *r, const bl_groups *g, bl_evaluation *out) {
    *out = (bl_evaluation){.AP = bl_eval_summarise(r, NULL).AP};
    out->n_metrics = bl_eval_metrics(r, NULL, out->metric);
    for (int i = 0; i < out->n_metrics; i++) out->metric[i].area = NULL;
    if (!g) return BL_OK;
    uint8_t *mask = calloc((size_t)g->n_classes + 1, 1);
    if (!mask) return bl_no_memory("for %d classes", (int)g->n_classes);
    for (int32_t i = 0; i < g->of.info.n_groups; i++) {
        bl_class_group_mask(&g->of.info, i, g->n_classes, mask);
        out->group_AP[i] = bl_eval_summarise(r, mask).AP;
    }
    free(mask);
    return BL_OK;
}

bl_status bl_evaluate_model(bl_infer *in, const char *model, int64_t iter, const bl_dataset *d,
                            const bl_eval_params *protocol, int64_t limit, const bl_groups *g,
                            const char *dir, FILE *f, bool all_classes, bl_evaluation *out) {
    bl_detections dt = {0};
    bl_eval_result r = {0};
    bl_dataset *part = NULL;
    char *detections = NULL;
    bl_status status;
    char what[64];
    snprintf(what, sizeof what, "evaluating the %s:", model);
    if (limit > 0 && limit < d->n_images) {
        BL_TRY(first_images(d, limit, &part));
        d = part;
    }
    BL_TRY_DONE(bl_infer_dataset(in, d, 0, what, &dt));
    BL_TRY_DONE(bl_infer_go_on(in));
    BL_TRY_DONE(bl_eval_run(d, &dt, protocol, &r));
    BL_TRY_DONE(bl_infer_go_on(in));
    const bl_results results = {.gt = d,
                                .dt = &dt,
                                .eval = &r,
                                .info = g ? &g->of.info : NULL,
                                .model = model,
                                .iter = iter};
    if (dir) {
        BL_TRY_DONE(bl_results_write(dir, &results));
        BL_TRY_DONE(write_analysis(dir, &results));
        detections = bl_path_join(dir, "results.json");
        BL_TRY_DONE(detections ? bl_detections_write(&dt, d, detections) : bl_no_memory(NULL));
    }
    if (f) {
        fprintf(f, "%s, iteration %lld, %d images\n", model, (long long)iter, (int)d->n_images);
        bl_results_print(f, &results);
        bl_results_print_classes(f, &results, all_classes);
    }
    status = summarise(&r, g, out);
done:
    bl_eval_result_free(&r);
    bl_detections_free(&dt);
    free(detections);
    bl_dataset_free(part);
    return status;
}

static bl_status evaluate_one(const bl_run_config *cfg, bl_ctx *ctx, const char *ckpt,
                              const char *model, int64_t iter, const bl_dataset *test,
                              const bl_groups *g, const bl_eval_options *opt, FILE *f) {
    bl_store *store = NULL;
    bl_detector *det = NULL;
    char *dir = NULL;
    bl_status status;
    const char *name = strcmp(model, "student") == 0
                           ? model
                           : bl_learner_average_name(bl_method_uses_unlabelled(&cfg->method));
    BL_TRY_DONE(bl_store_create(&store));
    BL_TRY_DONE(bl_method_detector(&cfg->method, &cfg->detector, test->n_categories, store, &det));
    BL_TRY_DONE(bl_store_finish(store, ctx, 0, false));
    BL_TRY_DONE(bl_checkpoint_load_weights(ckpt, ctx, store, model, false, NULL));
    if (opt->out_dir && !(dir = bl_path_join(opt->out_dir, name))) {
        status = bl_no_memory(NULL);
        goto done;
    }
    bl_infer in = {.ctx = ctx,
                   .detector = det,
                   .view = &cfg->view,
                   .batch = cfg->run.eval_batch,
                   .score_threshold = opt->score_threshold,
                   .exif = cfg->data.exif,
                   .skip_bad = cfg->data.skip_bad};
    bl_evaluation ev;
    bl_eval_params protocol;
    BL_TRY_DONE(bl_run_protocol(cfg->run.protocol, test, &protocol));
    BL_TRY_DONE(
        bl_evaluate_model(&in, name, iter, test, &protocol, 0, g, dir, f, opt->per_class, &ev));
    if (dir) BL_INFO("results in %s", dir);
done:
    free(dir);
    bl_detector_destroy(det);
    bl_store_destroy(store);
    return status;
}

/* The test set with the categories that the run was trained on. */
static bl_status match_classes(const char *classes_file, bl_dataset **test) {
    bl_dataset *classes;
    BL_TRY(bl_groups_classes(classes_file, &classes));
    bl_status status = bl_run_set_match(test, BL_RUN_TEST, classes);
    bl_dataset_free(classes);
    return status;
}

bl_status bl_evaluate_checkpoint(const bl_run_config *cfg, const bl_eval_options *opt, FILE *f) {
    if (cfg->task == BL_TASK_CLASSIFICATION) return bl_classify_evaluate_checkpoint(cfg, opt, f);
    bl_run_data data = {0};
    bl_groups groups = {0};
    bl_ctx *ctx = NULL;
    char *ckpt = NULL, *run_dir = NULL, *classes_file = NULL;
    bl_status status;
    int64_t iter, classes;
    bool has_teacher;
    BL_TRY_DONE(bl_checkpoint_find(opt->checkpoint, !opt->no_verify, &ckpt));
    BL_TRY_DONE(bl_checkpoint_info(ckpt, &iter, &classes, &has_teacher));
    if (!*cfg->data.test) {
        status =
            bl_fail(BL_ECONFIG, "data.test is not set: name the annotation file to evaluate on");
        goto done;
    }
    BL_TRY_DONE(bl_run_data_open(&cfg->data, false, &data));
    run_dir = bl_checkpoint_run_dir(opt->checkpoint);
    classes_file = run_dir ? bl_path_join(run_dir, "classes.json") : NULL;
    bool listed = classes_file && bl_exists(classes_file);
    if (listed) BL_TRY_DONE(match_classes(classes_file, &data.test));
    if (classes && classes != data.test->n_categories) {
        status = bl_fail(BL_EFORMAT, "%s was trained on %lld classes, but %s has %d", ckpt,
                         (long long)classes, data.test->name, (int)data.test->n_categories);
        goto done;
    }
    if (listed) BL_TRY_DONE(bl_groups_read(classes_file, data.test, &groups));
    bl_set_threads((int)cfg->run.threads);
    bl_ctx_options co = bl_run_ctx_options(&cfg->run);
    BL_TRY_DONE(bl_ctx_create(&co, &ctx));
    const char *want = opt->model ? opt->model : has_teacher ? "teacher" : "student";
    const char *const all[] = {"teacher", "student"};
    for (int m = 0; m < 2 && status == BL_OK; m++)
        if (strcmp(want, all[m]) == 0 || (strcmp(want, "both") == 0 && (m == 1 || has_teacher)))
            status = evaluate_one(cfg, ctx, ckpt, all[m], iter, data.test,
                                  groups.n_classes ? &groups : NULL, opt, f);
done:
    bl_ctx_destroy(ctx);
    bl_groups_free(&groups);
    bl_run_data_close(&data);
    free(ckpt);
    free(run_dir);
    free(classes_file);
    return status;
}
