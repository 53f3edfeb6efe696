#include "train/classification/evaluate.h"

#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/log.h"
#include "core/parallel.h"
#include "ssl/classification/pass.h"
#include "train/classification/model.h"

typedef struct {
    bl_accuracy *accuracy;
    const int32_t *label;
    int32_t k, d;
    float *features, *logits; /* NULL: not kept */
    const volatile int *cancel;
} collector;

static bl_status collect(void *arg, int32_t first, int32_t n, const float *logits,
                         const float *features) {
    collector *c = arg;
    if (c->cancel && *c->cancel) return bl_fail(BL_ECANCELLED, "stopped");
    for (int32_t i = 0; i < n; i++)
        bl_accuracy_add(c->accuracy, c->label[first + i], logits + (size_t)i * (size_t)c->k);
    if (!c->features) return BL_OK;
    memcpy(c->features + (size_t)first * (size_t)c->d, features,
           sizeof *features * (size_t)n * (size_t)c->d);
    memcpy(c->logits + (size_t)first * (size_t)c->k, logits,
           sizeof *logits * (size_t)n * (size_t)c->k);
    return BL_OK;
}

static bl_status write_features(const bl_classify_evaluation *e, const collector *c, int32_t n) {
    char *path = bl_path_join(e->dir, "features.safetensors");
    if (!path) return bl_no_memory(NULL);
    bl_status status =
        bl_classify_features_write(path, n, c->d, c->features, c->k, c->logits, c->label);
    free(path);
    return status;
}

bl_status bl_classify_evaluate(const bl_classify_evaluation *e, bl_accuracy *out) {
    const bl_classify_set *test = e->data->sets.test;
    bl_classify_items items = e->data->validation;
    if (!e->validation)
        items = (bl_classify_items){.set = test, .n = test->n, .label = test->labels};
    if (e->limit > 0 && e->limit < items.n) items.n = (int32_t)e->limit;
    collector c = {.accuracy = out,
                   .label = items.label,
                   .k = e->world->classes,
                   .d = e->world->dim,
                   .cancel = e->cancel};
    bl_status status;
    *out = (bl_accuracy){0};
    BL_TRY_DONE(bl_accuracy_create(e->world->classes, out));
    if (e->features && e->dir) {
        c.features = malloc(sizeof(float) * (size_t)items.n * (size_t)c.d);
        c.logits = malloc(sizeof(float) * (size_t)items.n * (size_t)c.k);
        if (!c.features || !c.logits) {
            status = bl_no_memory("for features");
            goto done;
        }
    }
    BL_TRY_DONE(bl_classify_pass(e->world, e->ctx, e->model, &items, e->batch, collect, &c));
    BL_TRY_DONE(bl_accuracy_finish(out, e->data->labelled_counts));
    bl_classify_results r = {.accuracy = out,
                             .names = (const char *const *)items.set->class_names,
                             .labelled = e->data->labelled_counts,
                             .unlabelled = e->data->unlabelled_counts,
                             .model = e->name,
                             .iter = e->iter};
    if (e->dir) BL_TRY_DONE(bl_classify_results_write(e->dir, &r));
    if (c.features) BL_TRY_DONE(write_features(e, &c, items.n));
    if (e->table) bl_classify_results_print(e->table, &r, e->all_classes);
done:
    free(c.features);
    free(c.logits);
    if (status != BL_OK) bl_accuracy_free(out);
    return status;
}

/* The weights go to model 0 of a learner made for the purpose, whichever they are. */
static bl_status evaluate_one(const bl_run_config *cfg, const bl_classify_run_data *data,
                              bl_ctx *ctx, int model, const bl_eval_options *opt, FILE *f) {
    bl_learner *l = NULL;
    bl_accuracy a = {0};
    char *dir = NULL;
    bl_status status;
    int64_t iter;
    bl_classify_env env = bl_classify_env_make(cfg, data, ctx);
    BL_TRY_DONE(bl_classify_model_open(cfg, &env, opt->checkpoint, !opt->no_verify,
                                       model ? "teacher" : "student", &iter, &l));
    const char *name = l->model[model].name;
    if (opt->out_dir && !(dir = bl_path_join(opt->out_dir, name))) {
        status = bl_no_memory(NULL);
        goto done;
    }
    bl_classify_evaluation e = {.world = bl_classify_learner_world(l),
                                .data = data,
                                .ctx = ctx,
                                .name = name,
                                .iter = iter,
                                .batch = cfg->run.eval_batch,
                                .dir = dir,
                                .features = cfg->run.features,
                                .table = f,
                                .all_classes = opt->per_class};
    BL_TRY_DONE(bl_classify_evaluate(&e, &a));
    if (dir) BL_INFO("results in %s", dir);
done:
    bl_accuracy_free(&a);
    if (l) l->ops->destroy(l);
    free(dir);
    return status;
}

bl_status bl_classify_evaluate_checkpoint(const bl_run_config *cfg, const bl_eval_options *opt,
                                          FILE *f) {
    bl_classify_run_data data = {0};
    bl_ctx *ctx = NULL;
    bl_status status;
    bl_set_threads((int)cfg->run.threads);
    BL_TRY_DONE(bl_classify_run_data_open(cfg, &data));
    if (!data.sets.test) {
        status = bl_fail(BL_ECONFIG, "%s has no test images", data.sets.train->name);
        goto done;
    }
    bl_ctx_options co = bl_run_ctx_options(&cfg->run);
    BL_TRY_DONE(bl_ctx_create(&co, &ctx));
    const char *want = opt->model                       ? opt->model
                       : cfg->class_method.ema.keep > 0 ? "teacher"
                                                        : "student";
    for (int m = 1; m >= 0 && status == BL_OK; m--) {
        const char *name = m ? "teacher" : "student";
        bool both = strcmp(want, "both") == 0 && (m == 0 || cfg->class_method.ema.keep > 0);
        if (both || strcmp(want, name) == 0) status = evaluate_one(cfg, &data, ctx, m, opt, f);
    }
done:
    bl_ctx_destroy(ctx);
    bl_classify_run_data_close(&data);
    return status;
}
