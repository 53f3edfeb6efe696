/* What happens at intervals and at the end of training: evaluations, example images, checkpoints.
 */
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "train/samples.h"
#include "train/trainer.h"

/* Weights that are not finite are never written: the last good checkpoint stays the one to return
 * to. */
static bl_status check_finite(bl_trainer *t) {
    for (int m = 0; m < 2; m++) {
        const bl_learner_model *model = &t->learner->model[m];
        const char *name =
            model->store ? bl_store_first_nonfinite(model->store, t->ctx, false) : NULL;
        if (name)
            return bl_fail(
                BL_ENUMERIC,
                "iteration %lld: %s of the %s is not finite, no checkpoint written; lower "
                "optim.lr or set optim.clip_norm",
                (long long)t->st.iter, name, model->name);
    }
    return BL_OK;
}

bl_status bl_trainer_checkpoint(bl_trainer *t) {
    BL_TRY(check_finite(t));
    char *path = bl_checkpoint_path(t->opt->out_dir, t->st.iter);
    if (!path) return bl_fail(BL_ENOMEM, "out of memory");
    t->st.pos = bl_loader_tell(t->loader);
    bl_status status = bl_checkpoint_save(path, t->ctx, t->learner, &t->st);
    free(path);
    BL_TRY(status);
    BL_TRY(bl_checkpoint_point(t->opt->out_dir, "last_checkpoint", t->st.iter));
    return bl_checkpoint_prune(t->opt->out_dir, t->cfg->run.keep_checkpoints,
                               (int64_t)t->st.best_iter);
}

static char *step_folder(const bl_trainer *t, const char *what, const char *leaf) {
    char name[96];
    snprintf(name, sizeof name, "%s/iter_%08lld%s%s", what, (long long)t->st.iter, leaf ? "/" : "",
             leaf ? leaf : "");
    char *p = bl_path_join(t->opt->out_dir, name);
    if (!p) bl_fail(BL_ENOMEM, "out of memory");
    return p;
}

static bl_status log_evaluation(bl_trainer *t, const char *model, const bl_evaluation *ev) {
    const struct {
        const char *key;
        double v;
    } all[] = {{"AP", ev->all.AP},
               {"AP50", ev->all.AP50},
               {"AP75", ev->all.AP75},
               {"APs", ev->all.APs},
               {"APm", ev->all.APm},
               {"APl", ev->all.APl},
               {"AR1", ev->all.AR1},
               {"AR10", ev->all.AR10},
               {"AR100", ev->all.AR100},
               {"ARs", ev->all.ARs},
               {"ARm", ev->all.ARm},
               {"ARl", ev->all.ARl},
               {"AP_majority", ev->majority.AP},
               {"AP_minority", ev->minority.AP}};
    bl_metrics_begin(t->metrics);
    bl_metrics_number(t->metrics, "iter", (double)t->st.iter);
    bl_metrics_string(t->metrics, "kind", "eval");
    bl_metrics_string(t->metrics, "model", model);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        bl_metrics_number(t->metrics, all[i].key, all[i].v);
    BL_INFO("%s at %lld: AP %.4f  AP50 %.4f  majority %.4f  minority %.4f", model,
            (long long)t->st.iter, ev->all.AP, ev->all.AP50, ev->majority.AP, ev->minority.AP);
    return bl_metrics_end(t->metrics);
}

static bl_status write_samples(bl_trainer *t, bl_infer *in) {
    if (t->cfg->run.samples == 0) return BL_OK;
    double *theta = calloc((size_t)t->groups.n_classes + 1, sizeof *theta);
    char *dir = step_folder(t, "samples", NULL);
    bl_status status = BL_OK;
    if (!theta || !dir) {
        status = bl_fail(BL_ENOMEM, "out of memory");
    } else {
        bool pseudo = t->learner->n_unlabelled_views > 0;
        t->learner->ops->thresholds(t->learner, theta);
        status = bl_samples_write(in, dir, (int32_t)t->cfg->run.samples, t->data.test,
                                  pseudo ? t->data.unlabelled : NULL, 0.3, theta);
    }
    free(theta), free(dir);
    return status;
}

bl_status bl_trainer_evaluate(bl_trainer *t, bool last) {
    bool best = false;
    for (int m = 1; m >= 0; m--) {
        const bl_learner_model *model = &t->learner->model[m];
        bool teacher = m == 1 || !t->learner->model[1].store;
        if (!model->store || (!teacher && !t->cfg->run.eval_student)) continue;
        bl_infer in = {.ctx = t->ctx,
                       .detector = model->model,
                       .view = &t->cfg->view,
                       .batch = t->cfg->run.eval_batch,
                       .score_threshold = -1,
                       .skip_bad = t->cfg->data.skip_bad};
        char *dir = step_folder(t, "eval", model->name);
        if (!dir) return BL_ENOMEM;
        bl_evaluation ev = {0};
        bl_status status =
            bl_evaluate_model(&in, model->name, t->st.iter, t->data.test,
                              last ? 0 : t->cfg->run.eval_limit, &t->groups, dir, NULL, &ev);
        free(dir);
        if (status == BL_OK) status = log_evaluation(t, model->name, &ev);
        if (status == BL_OK && last && teacher) status = write_samples(t, &in);
        BL_TRY(status);
        if (teacher && ev.all.AP > t->st.best_ap) {
            t->st.best_ap = ev.all.AP, t->st.best_iter = (double)t->st.iter;
            best = true;
        }
    }
    if (!best) return BL_OK;
    /* The best must exist as a file. Only now: a run resumed from it would not repeat this
     * evaluation. */
    BL_TRY(bl_trainer_checkpoint(t));
    return bl_checkpoint_point(t->opt->out_dir, "best_checkpoint", t->st.iter);
}
