/* What happens at intervals and at the end of training: evaluations, checkpoints. */
#include <stdlib.h>
#include <string.h>

#include "train/best.h"
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

bl_status bl_trainer_point_to_best(const bl_trainer *t) {
    const bl_task_ops *ops = t->task->ops;
    bool average = t->learner->model[1].store != NULL, held = ops->validation(t->task) > 0;
    bl_best best = {.iter = (int64_t)t->st.best_iter,
                    .score = t->st.best_score,
                    .measure = ops->measure,
                    .model = t->learner->model[average].name,
                    .set = held ? "validation" : "test",
                    .images = held ? ops->validation(t->task) : ops->test(t->task)};
    BL_TRY(bl_best_write(t->opt->out_dir, &best));
    return bl_checkpoint_point(t->opt->out_dir, "best_checkpoint", best.iter);
}

bl_status bl_trainer_checkpoint(bl_trainer *t) {
    const char *dir = t->opt->out_dir;
    int64_t best = (int64_t)t->st.best_iter;
    BL_TRY(check_finite(t));
    char *path = bl_checkpoint_path(dir, t->st.iter);
    if (!path) return bl_no_memory(NULL);
    t->task->ops->tell(t->task, t->st.pos);
    t->st.lines = bl_metrics_lines(t->metrics);
    bl_status status = bl_metrics_sync(t->metrics);
    if (status == BL_OK) status = bl_checkpoint_save(path, t->ctx, t->learner, &t->st);
    free(path);
    BL_TRY(status);
    BL_TRY(bl_checkpoint_point(dir, "last_checkpoint", t->st.iter));
    if (best == t->st.iter) BL_TRY(bl_trainer_point_to_best(t));
    return bl_checkpoint_prune(dir, t->cfg->run.keep_checkpoints, t->st.iter, best, true);
}

/* One model after the other on the validation or the test images; *main: the score of the one that
 * stands for the run. */
static bl_status evaluate_set(bl_trainer *t, bool validation, bool last, double *main) {
    for (int m = 1; m >= 0; m--) {
        bool stands = m == 1 || !t->learner->model[1].store;
        if (!t->learner->model[m].store || (!stands && !t->cfg->run.eval_student)) continue;
        double score = 0;
        BL_TRY(t->task->ops->evaluate(t->task, &(bl_task_evaluation){.learner = t->learner,
                                                                     .model = m,
                                                                     .ctx = t->ctx,
                                                                     .run_dir = t->opt->out_dir,
                                                                     .metrics = t->metrics,
                                                                     .iter = t->st.iter,
                                                                     .cancel = t->opt->cancel,
                                                                     .last = last,
                                                                     .validation = validation,
                                                                     .main = stands,
                                                                     .score = &score}));
        if (stands) *main = score;
    }
    return BL_OK;
}

/* Evaluations fall on multiples of the interval, so that how many the best is past needs no memory
 * of its own. */
bool bl_trainer_out_of_patience(const bl_trainer *t) {
    int64_t patience = t->cfg->run.patience, every = t->cfg->run.eval_every;
    if (!patience || !every || t->st.best_iter <= 0) return false;
    return t->st.iter / every - (int64_t)t->st.best_iter / every >= patience;
}

/* The validation images choose where there are any; *better: than all before. */
static bl_status choose(bl_trainer *t, bool *last, bool *better) {
    const bl_task_ops *ops = t->task->ops;
    bool held = ops->validation(t->task) > 0;
    double score = 0, tested = 0;
    *better = false;
    if (held) {
        BL_TRY(evaluate_set(t, true, *last, &score));
        *better = score > t->st.best_score;
        if (!*better && bl_trainer_out_of_patience(t)) *last = true;
    }
    if (ops->has_test(t->task) && (!held || *last || t->cfg->run.eval_test))
        BL_TRY(evaluate_set(t, false, *last, &tested));
    if (!held) {
        score = tested;
        *better = score > t->st.best_score;
    }
    if (*better) {
        t->st.best_score = score;
        t->st.best_iter = (double)t->st.iter;
    }
    return BL_OK;
}

bl_status bl_trainer_evaluate(bl_trainer *t, bool *last, bool *best) {
    if (!t->st.evaluate) { /* else resumed where it was due */
        t->st.evaluate = true;
        BL_TRY(bl_trainer_checkpoint(t));
    }
    BL_TRY(choose(t, last, best));
    t->st.evaluate = false;
    return BL_OK;
}
