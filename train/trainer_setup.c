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
#include "train/start_weights.h"
#include "train/trainer.h"

static char *in_run(const bl_trainer *t, const char *name) {
    char *p = bl_path_join(t->opt->out_dir, name);
    if (!p) bl_fail(BL_ENOMEM, "out of memory");
    return p;
}

/* Where and in which arithmetic a run computes is not what it is: it may move to another device and
 * back, and what a checkpoint holds is fp32 in every precision. */
static bool may_differ(const char *line) {
    static const char *const keys[] = {
        "\"device\":",          "\"backend\":", "\"tuning_file\":",  "\"precision\":",
        "\"prefetch_device\":", "\"graphs\":",  "\"adapt_threads\":"};
    line += strspn(line, " ");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!strncmp(line, keys[i], strlen(keys[i]))) return true;
    }
    return false;
}

/* A resumed run must be the same run: compares the resolved configurations line by line. */
static bl_status same_config(const char *path, const char *now) {
    char *was = NULL;
    size_t size;
    BL_TRY(bl_read_file(path, BL_JSON_MAX_BYTES, &was, &size));
    bl_status status = BL_OK;
    const char *a = was, *b = now;
    for (int line = 1; *a || *b; line++) {
        size_t la = strcspn(a, "\n"), lb = strcspn(b, "\n");
        bool same = la == lb && memcmp(a, b, la) == 0;
        if (!same && !(may_differ(a) && may_differ(b))) {
            status = bl_fail(BL_ECONFIG,
                             "%s:%d: the run was started with '%.*s' but is resumed with '%.*s'; "
                             "resume with the same "
                             "configuration or start a new run folder",
                             path, line, (int)la, a, (int)lb, b);
            break;
        }
        a += la + (a[la] == '\n');
        b += lb + (b[lb] == '\n');
    }
    free(was);
    return status;
}

/* The resolved configuration as config.json holds it (malloc'd). */
static bl_status config_text(const bl_run_config *cfg, char **text, size_t *size) {
    struct json_object *dump = bl_config_dump(bl_run_schema_of(cfg->task), cfg);
    FILE *mem = dump ? open_memstream(text, size) : NULL;
    if (mem) {
        bl_json_print(dump, mem);
        fclose(mem);
    }
    json_object_put(dump);
    return mem ? BL_OK : bl_fail(BL_ENOMEM, "out of memory for the configuration");
}

bl_status bl_train_same_config(const bl_run_config *cfg, const char *run_dir) {
    char *path = bl_path_join(run_dir, "config.json"), *text = NULL;
    size_t size;
    bl_status status = path ? config_text(cfg, &text, &size) : bl_fail(BL_ENOMEM, "out of memory");
    if (status == BL_OK) status = same_config(path, text);
    free(path);
    free(text);
    return status;
}

/* Overwriting starts from nothing: a checkpoint left over could be resumed, or outlive newer ones
 * in pruning. */
static bl_status clear_old_run(const char *dir) {
    static const char *const files[] = {"last_checkpoint", "best_checkpoint", "log.txt"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = bl_path_join(dir, files[i]);
        if (!path) return bl_fail(BL_ENOMEM, "out of memory");
        int gone = unlink(path) == 0 || errno == ENOENT;
        bl_status status =
            gone ? BL_OK : bl_fail(BL_EIO, "%s: cannot remove: %s", path, strerror(errno));
        free(path);
        BL_TRY(status);
    }
    return bl_checkpoint_prune(dir, 0, -1);
}

static bl_status prepare_folder(bl_trainer *t) {
    const bl_train_options *opt = t->opt;
    char *config = in_run(t, "config.json"), *ckpt = in_run(t, "ckpt"), *log = in_run(t, "log.txt");
    char *text = NULL;
    size_t size = 0;
    bl_status status;
    if (!config || !ckpt || !log) {
        status = bl_fail(BL_ENOMEM, "out of memory");
        goto done;
    }
    BL_TRY_DONE(config_text(t->cfg, &text, &size));
    bool exists = bl_exists(config);
    if (opt->resume) {
        if (!exists) {
            status = bl_fail(BL_EIO, "%s: no run to resume here (no config.json)", opt->out_dir);
            goto done;
        }
        BL_TRY_DONE(same_config(config, text));
    } else {
        if (exists && !opt->overwrite) {
            status = bl_fail(
                BL_EINVAL,
                "%s already holds a run; use --resume to continue it, --overwrite to replace "
                "it, or another --out",
                opt->out_dir);
            goto done;
        }
        BL_TRY_DONE(bl_mkdirs(ckpt));
        if (exists) BL_TRY_DONE(clear_old_run(opt->out_dir));
        BL_TRY_DONE(bl_write_file(config, text, size));
    }
    BL_TRY_DONE(bl_log_set_file(log));
done:
    free(config);
    free(ckpt);
    free(log);
    free(text);
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

static bl_status restore(bl_trainer *t) {
    char *path = bl_checkpoint_named(t->opt->out_dir, "last_checkpoint");
    if (!path)
        return bl_fail(
            BL_EIO,
            "%s: no checkpoint to resume from (last_checkpoint is missing or damaged); start anew "
            "with --overwrite",
            t->opt->out_dir);
    bl_status status = bl_checkpoint_load(path, t->ctx, t->learner, &t->st);
    if (status == BL_OK) BL_INFO("resuming from %s, iteration %lld", path, (long long)t->st.iter);
    free(path);
    return status;
}

bl_status bl_trainer_open(bl_trainer *t, const bl_run_config *cfg, const bl_train_options *opt) {
    *t = (bl_trainer){.cfg = cfg, .opt = opt};
    t->st.best_score = -1;
    char *metrics = NULL, data[256];
    bl_status status;
    bl_set_threads((int)cfg->run.threads);
    BL_TRY_DONE(bl_task_open(cfg, &t->task));
    BL_TRY_DONE(prepare_folder(t));
    bl_ctx_options co = bl_run_ctx_options(&cfg->run);
    BL_TRY_DONE(bl_ctx_create(&co, &t->ctx));
    t->task->ops->describe(t->task, data, sizeof data);
    BL_INFO("%s; %s, %d threads, kernels %s, precision %s", data, t->ctx->dev->name, bl_threads(),
            t->ctx->k->name, bl_precision_name(co.precision));
    BL_TRY_DONE(t->task->ops->create_learner(t->task, t->ctx, &t->learner));
    if (!opt->resume) BL_TRY_DONE(start_weights(t));
    BL_TRY_DONE(t->task->ops->create_loader(t->task, t->learner));

    int32_t most = t->task->ops->images(t->task, true);
    if (t->task->ops->images(t->task, false) > most) most = t->task->ops->images(t->task, false);
    t->copies = calloc((size_t)most + 1, sizeof *t->copies);
    metrics = in_run(t, "metrics.jsonl");
    if (!t->copies || !metrics) {
        status = bl_fail(BL_ENOMEM, "out of memory");
        goto done;
    }
    if (opt->resume) BL_TRY_DONE(restore(t));
    bl_loss_scale_begin(&t->st.loss_scale, &cfg->optim.loss_scale,
                        cfg->run.precision == BL_PRECISION_FP16);
    BL_TRY_DONE(bl_metrics_open(metrics, opt->resume ? t->st.iter : -1, &t->metrics));
    if (!opt->resume) {
        BL_TRY_DONE(t->task->ops->record(t->task, opt->out_dir));
        BL_TRY_DONE(bl_provenance_write(opt->out_dir, cfg, t->task, t->ctx, opt->command_line));
    }
    BL_TRY_DONE(set_lists(t, t->st.iter - 1));
    if (opt->resume) BL_TRY_DONE(t->task->ops->seek(t->task, t->st.pos));
done:
    free(metrics);
    if (status != BL_OK) bl_trainer_close(t);
    return status;
}

void bl_trainer_close(bl_trainer *t) {
    if (t->learner) t->learner->ops->destroy(t->learner);
    if (t->task) t->task->ops->close(t->task);
    bl_ctx_destroy(t->ctx);
    bl_metrics_close(t->metrics);
    free(t->copies);
    bl_log_set_file(NULL);
    *t = (bl_trainer){0};
}
