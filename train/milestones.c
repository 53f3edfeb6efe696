/* What happens at intervals and at the end of training: evaluations, checkpoints. */
#include <stdlib.h>
#include <string.h>

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
    const char *dir = t->opt->out_dir;
    int64_t best = (int64_t)t->st.best_iter;
    BL_TRY(check_finite(t));
    char *path = bl_checkpoint_path(dir, t->st.iter);
    if (!path) return bl_fail(BL_ENOMEM, "out of memory");
    t->task->ops->tell(t->task, t->st.pos);
    t->st.lines = bl_metrics_lines(t->metrics);
    bl_status status = bl_metrics_sync(t->metrics);
    if (status == BL_OK) status = bl_checkpoint_save(path, t->ctx, t->learner, &t->st);
    free(path);
    BL_TRY(status);
    BL_TRY(bl_checkpoint_point(dir, "last_checkpoint", t->st.iter));
    if (best == t->st.iter) BL_TRY(bl_checkpoint_point(dir, "best_checkpoint", best));
    return bl_checkpoint_prune(dir, t->cfg->run.keep_checkpoints, t->st.iter, best, true);
}

static bl_status evaluate_model(bl_trainer *t, int model, bool chooses, bool last, double *score) {
    return t->task->ops->evaluate(t->task, &(bl_task_evaluation){.learner = t->learner,
                                                                 .model = model,
                                                                 .ctx = t->ctx,
                                                                 .run_dir = t->opt->out_dir,
                                                                 .metrics = t->metrics,
                                                                 .iter = t->st.iter,
                                                                 .last = last,
                                                                 .chooses = chooses,
                                                                 .cancel = t->opt->cancel,
                                                                 .score = score});
}

bl_status bl_trainer_evaluate(bl_trainer *t, bool last, bool *best) {
    *best = false;
    if (!t->st.evaluate) { /* else resumed where it was due */
        t->st.evaluate = true;
        BL_TRY(bl_trainer_checkpoint(t));
    }
    for (int m = 1; m >= 0; m--) {
        bool teacher = m == 1 || !t->learner->model[1].store;
        if (!t->learner->model[m].store || (!teacher && !t->cfg->run.eval_student)) continue;
        double score = 0;
        BL_TRY(evaluate_model(t, m, teacher, last, &score));
        if (teacher && score > t->st.best_score) {
            t->st.best_score = score;
            t->st.best_iter = (double)t->st.iter;
            *best = true;
        }
    }
    t->st.evaluate = false;
    return BL_OK;
}
