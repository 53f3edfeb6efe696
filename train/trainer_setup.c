/* From a configuration to a trainer that is ready for its first, or next, iteration. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/parallel.h"
#include "kernels/kernels.h"
#include "train/provenance.h"
#include "train/rehearse.h"
#include "train/resume.h"
#include "train/start_weights.h"
#include "train/trainer.h"

static char *in_run(const bl_trainer *t, const char *name) {
    char *p = bl_path_join(t->opt->out_dir, name);
    if (!p) bl_no_memory(NULL);
    return p;
}

/* Replaces config.json by the configuration as it is now. */
static bl_status write_config(const bl_trainer *t) {
    struct json_object *dump = bl_config_dump(bl_run_schema_of(t->cfg->task), t->cfg);
    char *path = in_run(t, "config.json");
    bl_status status =
        dump && path ? bl_json_save(dump, path) : bl_no_memory("for the configuration");
    json_object_put(dump);
    free(path);
    return status;
}

/* ---- the folder, before anything in it is touched ---- */

static bool has_config(const bl_trainer *t) {
    char *path = in_run(t, "config.json");
    bool there = path && bl_exists(path);
    free(path);
    return there;
}

static bl_status has_checkpoints(const char *dir, bool *any) {
    int64_t *iters;
    int n;
    BL_TRY(bl_checkpoint_list(dir, &iters, &n));
    free(iters);
    *any = n > 0;
    return BL_OK;
}

/* A run that is to be continued: t->resume becomes its checkpoint, or stays NULL when it was
 * stopped before its first, by which it starts anew. */
static bl_status choose_checkpoint(bl_trainer *t) {
    const bl_train_options *o = t->opt;
    bl_resume_choice c = {o->out_dir, o->resume_from, !o->no_verify};
    if (!has_config(t)) {
        bool any, automatic = o->resume_from && strcmp(o->resume_from, "auto") == 0;
        BL_TRY(has_checkpoints(o->out_dir, &any));
        if (any)
            return bl_fail(BL_EIO,
                           "%s holds checkpoints, but no config.json, so they cannot be resumed; "
                           "put it back, or take another --out",
                           o->out_dir);
        if (automatic || bl_run_folder_blank(o->out_dir)) return BL_OK;
        return bl_fail(BL_EIO, "%s: no run to resume here (no config.json)", o->out_dir);
    }
    BL_TRY(bl_resume_same_config(t->cfg, o->out_dir, -1, NULL));
    BL_TRY(bl_resume_choose(&c, &t->resume));
    if (!t->resume && bl_run_folder_has_results(o->out_dir))
        return bl_fail(
            BL_EIO,
            "%s holds results of a run, but none of its checkpoints, so there is nothing "
            "to resume from; use --overwrite to replace the run, or another --out",
            o->out_dir);
    if (!t->resume) BL_INFO("%s: stopped before its first checkpoint, starting anew", o->out_dir);
    return BL_OK;
}

static bl_status check_unused(const bl_trainer *t) {
    bool any = false;
    if (t->opt->overwrite) return BL_OK;
    if (has_config(t))
        return bl_fail(BL_EINVAL,
                       "%s already holds a run; use --resume to continue it, --overwrite to "
                       "replace it, or another --out",
                       t->opt->out_dir);
    BL_TRY(has_checkpoints(t->opt->out_dir, &any));
    if (any)
        return bl_fail(BL_EINVAL,
                       "%s holds checkpoints of a run, but no config.json; use --overwrite to "
                       "replace them, or another --out",
                       t->opt->out_dir);
    return BL_OK;
}

/* log.txt of a run that continues; of a new one a temporary file, until the old run may go. */
static bl_status open_log(const bl_trainer *t, char **path) {
    char name[64];
    snprintf(name, sizeof name, t->resume ? "log.txt" : "log.txt.tmp.%ld", (long)getpid());
    *path = in_run(t, name);
    return *path ? bl_log_set_file(*path) : BL_ENOMEM;
}

static bl_status enter_folder(bl_trainer *t, char **log) {
    const bl_train_options *o = t->opt;
    bool automatic = o->resume_from && strcmp(o->resume_from, "auto") == 0;
    if (o->resume && !automatic && !bl_is_dir(o->out_dir))
        return bl_fail(BL_EIO, "%s: no run to resume here (no such folder)", o->out_dir);
    if (!o->resume) BL_TRY(check_unused(t)); /* before the folder is made or locked */
    BL_TRY(bl_run_folder_enter(o->out_dir, &t->folder));
    BL_TRY(o->resume ? choose_checkpoint(t) : check_unused(t));
    return open_log(t, log);
}

/* ---- taking it over ---- */

/* Everything is in place to train: what an older run left goes, the new run's files come,
 * config.json first, since with it the folder holds a run. */
static bl_status start_new(bl_trainer *t, const char *temporary_log) {
    char *log = in_run(t, "log.txt"), *ckpt = in_run(t, "ckpt"),
         *metrics = in_run(t, "metrics.jsonl");
    bl_status status = log && ckpt && metrics ? BL_OK : BL_ENOMEM;
    t->started_new = true;
    if (status == BL_OK) status = bl_run_folder_clear(t->opt->out_dir);
    if (status == BL_OK) status = bl_mkdirs(ckpt);
    if (status == BL_OK) status = write_config(t);
    if (status == BL_OK && rename(temporary_log, log) != 0)
        status =
            bl_fail(BL_EIO, "%s: cannot rename to %s: %s", temporary_log, log, strerror(errno));
    if (status == BL_OK) status = bl_metrics_open(metrics, -1, -1, &t->metrics);
    if (status == BL_OK) status = t->task->ops->record(t->task, t->opt->out_dir);
    if (status == BL_OK)
        status =
            bl_provenance_write(t->opt->out_dir, t->cfg, t->task, t->ctx, t->opt->command_line);
    free(log);
    free(ckpt);
    free(metrics);
    return status;
}

static void log_line(const char *text) {
    BL_INFO("%s", text);
}

/* Weights that the student starts from, if the run names any. */
static bl_status start_weights(bl_trainer *t) {
    return bl_start_weights_load(&t->cfg->run, t->ctx, t->learner->model[0].store, log_line);
}

/* Labels and lists of images that the learner wants in force, as of iteration `iter`. */
static bl_status set_lists(bl_trainer *t, int64_t iter) {
    const bl_learner_ops *ops = t->learner->ops;
    if (ops->labels && ops->labels(t->learner, t->copies))
        BL_TRY(t->task->ops->set_labels(t->task, t->copies));
    for (int labelled = 1; labelled >= 0; labelled--)
        if ((labelled || t->learner->uses_unlabelled) &&
            ops->copies(t->learner, iter, labelled, t->copies))
            BL_TRY(t->task->ops->set_repeats(t->task, labelled, t->copies));
    return BL_OK;
}

bl_status bl_trainer_next_generation(bl_trainer *t) {
    BL_TRY(t->learner->ops->generation(t->learner, t->ctx));
    BL_TRY(start_weights(t));
    return set_lists(t, t->st.iter);
}

/* What the checkpoint says was best must be what best_checkpoint names: the process may have died
 * between the two, or goes back to an older checkpoint. */
static bl_status point_to_best(const bl_trainer *t) {
    int64_t best = (int64_t)t->st.best_iter;
    char *file = bl_checkpoint_path(t->opt->out_dir, best), *pointer = in_run(t, "best_checkpoint");
    bl_status status = file && pointer ? BL_OK : bl_no_memory(NULL);
    if (status == BL_OK && best > 0 && bl_exists(file)) {
        status = bl_trainer_point_to_best(t);
    } else if (status == BL_OK && unlink(pointer) == 0 && best > 0) {
        BL_WARN("%s, the best checkpoint, has been removed", file);
    }
    free(file);
    free(pointer);
    return status;
}

static bl_status check_patience(const bl_trainer *t) {
    if (!t->cfg->run.patience || t->task->ops->validation(t->task) > 0) return BL_OK;
    return bl_fail(BL_ECONFIG,
                   "run.patience needs validation images (%s): ending a run by its test images "
                   "would choose by them",
                   t->cfg->task == BL_TASK_CLASSIFICATION
                       ? "longtail.validation"
                       : "data.validation or data.validation_share");
}

/* Everything as it was when t->resume was written, and nothing of what came after. */
static bl_status restore(bl_trainer *t) {
    const char *dir = t->opt->out_dir;
    bool changed = false;
    char *metrics = in_run(t, "metrics.jsonl");
    if (!metrics) return BL_ENOMEM;
    bl_status status = bl_checkpoint_load(t->resume, t->ctx, t->learner, &t->st);
    if (status == BL_OK && t->st.iter > t->cfg->run.iterations)
        status = bl_fail(BL_ECONFIG, "%s is of iteration %lld, but run.iterations is %lld",
                         t->resume, (long long)t->st.iter, (long long)t->cfg->run.iterations);
    if (status == BL_OK) {
        BL_INFO("resuming from %s, iteration %lld", t->resume, (long long)t->st.iter);
        status = bl_resume_same_config(t->cfg, dir, t->st.iter, &changed);
    }
    if (status == BL_OK && changed) status = write_config(t);
    if (status == BL_OK) status = bl_checkpoint_point(dir, "last_checkpoint", t->st.iter);
    if (status == BL_OK) status = point_to_best(t);
    if (status == BL_OK) /* where the process may have died */
        status = bl_checkpoint_prune(dir, t->cfg->run.keep_checkpoints, t->st.iter,
                                     (int64_t)t->st.best_iter, false);
    if (status == BL_OK) status = bl_run_folder_cut(dir, t->st.iter, t->st.evaluate);
    if (status == BL_OK)
        status = bl_metrics_open(metrics, (long)t->st.iter, t->st.lines, &t->metrics);
    if (status == BL_OK && t->st.lines > bl_metrics_lines(t->metrics))
        BL_WARN("%s: %lld of its %lld lines up to iteration %lld are lost", metrics,
                (long long)(t->st.lines - bl_metrics_lines(t->metrics)), (long long)t->st.lines,
                (long long)t->st.iter);
    free(metrics);
    return status;
}

/* The models and the loader, all of which may still refuse the configuration. */
static bl_status build(bl_trainer *t) {
    const bl_task_ops *ops = t->task->ops;
    BL_TRY(ops->create_learner(t->task, t->ctx, &t->learner));
    if (!t->resume) BL_TRY(start_weights(t));
    BL_TRY(ops->create_loader(t->task, t->learner));
    int32_t most = ops->images(t->task, true);
    if (ops->images(t->task, false) > most) most = ops->images(t->task, false);
    t->copies = calloc((size_t)most + 1, sizeof *t->copies);
    return t->copies ? BL_OK : bl_no_memory(NULL);
}

static void warn_line(void *arg, const char *text) {
    (void)arg;
    BL_WARN("%s", text);
}

/* The device, and everything on it. */
static bl_status assemble(bl_trainer *t) {
    char data[256];
    bl_ctx_options co = bl_run_ctx_options(&t->cfg->run);
    BL_TRY(bl_ctx_create(&co, &t->ctx));
    t->task->ops->describe(t->task, data, sizeof data);
    BL_INFO("%s", data);
    BL_INFO("device    %s, %d threads, kernels %s, precision %s", t->ctx->dev->name, bl_threads(),
            t->ctx->k->name, bl_precision_name(co.precision));
    return build(t);
}

/* What needs no folder and no device. */
static bl_status open_data(bl_trainer *t) {
    bl_set_threads((int)t->cfg->run.threads);
    BL_TRY(bl_task_open(t->cfg, &t->task));
    return check_patience(t);
}

bl_status bl_train_rehearse(const bl_run_config *cfg) {
    bl_trainer t = {.cfg = cfg};
    bl_status status = open_data(&t);
    if (status == BL_OK) status = assemble(&t);
    bl_trainer_close(&t);
    return status;
}

bl_status bl_trainer_open(bl_trainer *t, const bl_run_config *cfg, const bl_train_options *opt) {
    *t = (bl_trainer){.cfg = cfg, .opt = opt};
    t->st.best_score = -1;
    char *log = NULL;
    bl_status status;
    BL_TRY_DONE(open_data(t));
    BL_TRY_DONE(enter_folder(t, &log));
    if (t->resume) BL_TRY_DONE(bl_resume_same_data(t->task, opt->out_dir));
    bl_run_late_starts(cfg, warn_line, NULL);
    BL_TRY_DONE(assemble(t));
    BL_TRY_DONE(t->resume ? restore(t) : start_new(t, log));
    bl_loss_scale_begin(&t->st.loss_scale, &cfg->optim.loss_scale,
                        cfg->run.precision == BL_PRECISION_FP16);
    BL_TRY_DONE(set_lists(t, t->st.iter - 1));
    if (t->resume) BL_TRY_DONE(t->task->ops->seek(t->task, t->st.pos));
done:
    if (status != BL_OK) {
        if (log && !t->resume) unlink(log); /* the temporary one, unless it has its name by now */
        if (t->started_new) bl_trainer_discard(t);
        bl_trainer_close(t);
    }
    free(log);
    return status;
}

void bl_trainer_discard(bl_trainer *t) {
    char *kept = strdup(bl_error()); /* clearing may fail with a message of its own */
    bl_log_set_file(NULL);
    (void)bl_run_folder_clear(t->opt->out_dir);
    if (kept) bl_fail(BL_OK, "%s", kept);
    free(kept);
}

void bl_trainer_close(bl_trainer *t) {
    if (t->learner) t->learner->ops->destroy(t->learner);
    if (t->task) t->task->ops->close(t->task);
    bl_ctx_destroy(t->ctx);
    bl_metrics_close(t->metrics);
    bl_log_set_file(NULL);
    bl_run_folder_leave(&t->folder);
    free(t->copies);
    free(t->resume);
    *t = (bl_trainer){0};
}
