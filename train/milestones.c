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
    BL_TRY(check_finite(t));
    char *path = bl_checkpoint_path(t->opt->out_dir, t->st.iter);
    if (!path) return bl_fail(BL_ENOMEM, "out of memory");
    t->task->ops->tell(t->task, t->st.pos);
    bl_status status = bl_checkpoint_save(path, t->ctx, t->learner, &t->st);
    free(path);
    BL_TRY(status);
    BL_TRY(bl_checkpoint_point(t->opt->out_dir, "last_checkpoint", t->st.iter));
    return bl_checkpoint_prune(t->opt->out_dir, t->cfg->run.keep_checkpoints,
                               (int64_t)t->st.best_iter);
}

bl_status bl_trainer_evaluate(bl_trainer *t, bool last) {
    bool best = false;
    for (int m = 1; m >= 0; m--) {
        bool teacher = m == 1 || !t->learner->model[1].store;
        if (!t->learner->model[m].store || (!teacher && !t->cfg->run.eval_student)) continue;
        double score = 0;
        BL_TRY(t->task->ops->evaluate(t->task, &(bl_task_evaluation){.learner = t->learner,
                                                                     .model = m,
                                                                     .ctx = t->ctx,
                                                                     .run_dir = t->opt->out_dir,
                                                                     .metrics = t->metrics,
                                                                     .iter = t->st.iter,
                                                                     .last = last,
                                                                     .chooses = teacher,
                                                                     .score = &score}));
        if (teacher && score > t->st.best_score) {
            t->st.best_score = score;
            t->st.best_iter = (double)t->st.iter;
            best = true;
        }
    }
    if (!best) return BL_OK;
    /* The best must exist as a file. Only now: a run resumed from it would not repeat this
     * evaluation. */
    BL_TRY(bl_trainer_checkpoint(t));
    return bl_checkpoint_point(t->opt->out_dir, "best_checkpoint", t->st.iter);
}
