#include "train/classification/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/log.h"
#include "ssl/classification/pass.h"
#include "train/checkpoint.h"
#include "train/task.h"

bl_classify_env bl_classify_env_make(const bl_run_config *cfg, const bl_classify_run_data *data,
                                     bl_ctx *ctx) {
    bl_classify_env env = {.model = &cfg->model,
                           .views = &cfg->views,
                           .batch_labelled = (int32_t)cfg->batch.labelled,
                           .batch_unlabelled = (int32_t)cfg->batch.unlabelled,
                           .seed = (uint64_t)cfg->run.seed,
                           .iterations = cfg->run.iterations,
                           .lr_at = bl_run_lr,
                           .lr_arg = cfg,
                           .ctx = ctx};
    if (data) {
        env.labelled = data->labelled;
        env.unlabelled = data->unlabelled;
        env.is_labelled = data->split->is_labelled;
        env.validation = data->validation;
    }
    return env;
}

static bl_status learns_classes(const bl_run_config *cfg, int32_t classes) {
    bl_classify_needs needs;
    BL_TRY(bl_classify_method_needs(&cfg->class_method, classes, &needs));
    return needs.pretext ? bl_fail(BL_ECONFIG,
                                   "method.name %s pre-trains without labels: it predicts no "
                                   "classes; start a supervised run from it (run.init_from)",
                                   cfg->class_method.name)
                         : BL_OK;
}

bl_status bl_classify_model_open(const bl_run_config *cfg, const bl_classify_env *env,
                                 const char *checkpoint, bool verify, const char *model,
                                 int64_t *iter, bl_learner **out) {
    const bl_classify_set *set = env->labelled.set;
    BL_TRY(learns_classes(cfg, set->n_classes));
    char *path;
    BL_TRY(bl_checkpoint_find(checkpoint, verify, &path));
    bl_learner *l = NULL;
    double *counts = NULL;
    int64_t at, classes, n_counts;
    bool has_teacher;
    bl_status status;
    BL_TRY_DONE(bl_checkpoint_info(path, &at, &classes, &has_teacher));
    if (classes && classes != set->n_classes) {
        status = bl_fail(BL_EFORMAT, "%s was trained on %lld classes, but %s has %d", path,
                         (long long)classes, set->name, (int)set->n_classes);
        goto done;
    }
    BL_TRY_DONE(bl_classify_learner_create(&cfg->class_method, env, &l));
    BL_TRY_DONE(bl_checkpoint_load_weights(path, env->ctx, l->model[0].store,
                                           model         ? model
                                           : has_teacher ? "teacher"
                                                         : "student",
                                           false, NULL));
    if (bl_classify_method_generations(&cfg->class_method) > 1) {
        BL_TRY_DONE(bl_checkpoint_state(path, "generation.counts", &counts, &n_counts));
        BL_TRY_DONE(bl_classify_learner_set_counts(l, counts, n_counts));
    }
    if (iter) *iter = at;
    *out = l;
done:
    if (status != BL_OK && l) l->ops->destroy(l);
    free(path);
    free(counts);
    return status;
}

/* ---- self-training ---- */

bl_status bl_pseudo_set_join(const bl_classify_run_data *d, bl_pseudo_set *p) {
    const bl_classify_items *x = &d->labelled, *u = &d->unlabelled;
    int32_t shift = 0;
    *p = (bl_pseudo_set){.items.set = u->set, .accuracy = NAN};
    if (u->set != x->set) {
        BL_TRY(bl_classify_set_join(x->set, u->set, false, &p->joined));
        p->items.set = p->joined;
        shift = x->set->n;
    }
    size_t n = (size_t)x->n + (size_t)u->n;
    p->image = malloc(sizeof *p->image * n);
    p->label = malloc(sizeof *p->label * n);
    p->is_labelled = malloc(n);
    if (!p->image || !p->label || !p->is_labelled) return bl_no_memory("for pseudo-labels");
    for (int32_t i = 0; i < x->n; i++) {
        p->image[i] = x->image[i];
        p->label[i] = x->label[i];
        p->is_labelled[i] = 1;
    }
    for (int32_t i = 0; i < u->n; i++) {
        p->image[x->n + i] = u->image[i] + shift;
        p->label[x->n + i] = BL_CLASSIFY_UNKNOWN;
        p->is_labelled[x->n + i] = 0;
    }
    p->items.n = (int32_t)n;
    p->items.image = p->image;
    p->items.label = p->label;
    return BL_OK;
}

typedef struct {
    int32_t *label;
    const int32_t *truth;
    int32_t k;
    int64_t known, right;
} labelling;

static bl_status take_argmax(void *arg, int32_t first, int32_t n, const float *logits,
                             const float *features) {
    (void)features;
    labelling *l = arg;
    for (int32_t i = 0; i < n; i++) {
        const float *z = logits + (size_t)i * (size_t)l->k;
        int32_t best = 0, truth = l->truth[first + i];
        for (int32_t c = 1; c < l->k; c++)
            if (z[c] > z[best]) best = c;
        l->label[first + i] = best;
        l->known += truth >= 0;
        l->right += truth == best;
    }
    return BL_OK;
}

bl_status bl_pseudo_set_make(const bl_run_config *cfg, const bl_classify_run_data *data,
                             bl_ctx *ctx, bl_pseudo_set *out) {
    const char *from = cfg->class_method.pseudo_labels;
    *out = (bl_pseudo_set){0};
    if (data->unlabelled.n == 0)
        return bl_fail(BL_ECONFIG,
                       "method.pseudo_labels is set, but there are no unlabelled images");
    bl_arena *arena = bl_arena_create(0);
    bl_learner *l = NULL;
    char *run = bl_checkpoint_run_dir(from),
         *config = run ? bl_path_join(run, "config.json") : NULL;
    bl_status status;
    if (!arena || !config) {
        status = bl_no_memory(NULL);
        goto done;
    }
    bl_run_config *own = BL_NEW(arena, bl_run_config);
    if (!own) {
        status = BL_ENOMEM;
        goto done;
    }
    BL_TRY_DONE(bl_run_config_load(config, NULL, 0, arena, own));
    if (own->task != BL_TASK_CLASSIFICATION) {
        status = bl_fail(BL_ECONFIG, "%s is not a classification run", run);
        goto done;
    }
    own->class_method.pseudo_labels = ""; /* its weights are all that is wanted */
    bl_classify_env env = bl_classify_env_make(own, data, ctx);
    BL_TRY_DONE(bl_classify_model_open(own, &env, from, true, NULL, NULL, &l));
    BL_TRY_DONE(bl_pseudo_set_join(data, out));
    labelling job = {.label = out->label + data->labelled.n,
                     .truth = data->unlabelled.label,
                     .k = data->sets.train->n_classes};
    BL_TRY_DONE(bl_classify_pass(bl_classify_learner_world(l), ctx, 0, &data->unlabelled,
                                 cfg->run.eval_batch, take_argmax, &job));
    out->accuracy = job.known ? (double)job.right / (double)job.known : NAN;
    BL_INFO("%d unlabelled images labelled by %s, %.2f %% of %lld known labels right",
            (int)data->unlabelled.n, from, 100 * out->accuracy, (long long)job.known);
done:
    if (l) l->ops->destroy(l);
    free(run);
    free(config);
    bl_arena_destroy(arena);
    if (status != BL_OK) {
        bl_pseudo_set_free(out);
        bl_fail_context(status, "method.pseudo_labels");
    }
    return status;
}

void bl_pseudo_set_free(bl_pseudo_set *p) {
    bl_classify_set_free(p->joined);
    free(p->image);
    free(p->label);
    free(p->is_labelled);
    *p = (bl_pseudo_set){0};
}
