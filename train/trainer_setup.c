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
#include "train/trainer.h"

double bl_trainer_lr(const void *arg, int64_t iteration) {
    const bl_run_config *cfg = arg;
    return cfg->optim.lr * bl_schedule_factor(&cfg->schedule, iteration, cfg->run.iterations);
}

static char *in_run(const bl_trainer *t, const char *name) {
    char *p = bl_path_join(t->opt->out_dir, name);
    if (!p) bl_fail(BL_ENOMEM, "out of memory");
    return p;
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
        if (la != lb || memcmp(a, b, la) != 0) {
            status = bl_fail(BL_ECONFIG,
                             "%s:%d: the run was started with '%.*s' but is resumed with '%.*s'; "
                             "resume with the same "
                             "configuration or start a new run folder",
                             path, line, (int)la, a, (int)lb, b);
            break;
        }
        a += la + (a[la] == '\n'), b += lb + (b[lb] == '\n');
    }
    free(was);
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
    struct json_object *dump = bl_config_dump(&bl_run_schema, t->cfg);
    char *text = NULL;
    size_t size = 0;
    bl_status status;
    if (!config || !ckpt || !log || !dump) {
        status = bl_fail(BL_ENOMEM, "out of memory");
        goto done;
    }
    FILE *mem = open_memstream(&text, &size);
    if (!mem) {
        status = bl_fail(BL_ENOMEM, "out of memory");
        goto done;
    }
    bl_json_print(dump, mem);
    fclose(mem);

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
    json_object_put(dump);
    free(config), free(ckpt), free(log), free(text);
    return status;
}

static void log_line(void *arg, const char *text) {
    (void)arg;
    BL_INFO("%s", text);
}

static bl_status make_learner(bl_trainer *t) {
    const bl_run_config *cfg = t->cfg;
    bl_learner_env env = {.detector = &cfg->detector,
                          .labelled = t->data.labelled,
                          .unlabelled = t->data.unlabelled,
                          .seed = (uint64_t)cfg->run.seed,
                          .iterations = cfg->run.iterations,
                          .lr_at = bl_trainer_lr,
                          .lr_arg = cfg,
                          .ctx = t->ctx};
    BL_TRY(bl_learner_create(&cfg->method, &env, &t->learner));
    bl_detector_describe(t->learner->model[0].model, log_line, NULL);
    if (!*cfg->run.init_from || t->opt->resume) return BL_OK;
    int missing = 0;
    BL_TRY(bl_checkpoint_load_weights(cfg->run.init_from, t->ctx, t->learner->model[0].store,
                                      "student", true, &missing));
    BL_INFO("initialised from %s (%d tensors not in it keep their random initialisation)",
            cfg->run.init_from, missing);
    return BL_OK;
}

static bl_status make_loader(bl_trainer *t) {
    const bl_learner *l = t->learner;
    bl_loader_config lc = t->cfg->loader;
    bool mixed = l->n_unlabelled_views > 0;
    if (!mixed)
        lc.batch = lc.labelled,
        lc.binomial = false; /* supervised: the same labelled images a step */
    if (mixed && lc.labelled >= lc.batch)
        return bl_fail(
            BL_ECONFIG,
            "loader.labelled = %lld leaves no place for unlabelled images in loader.batch = %lld, "
            "which method.name = %s learns from; lower it or raise loader.batch",
            (long long)lc.labelled, (long long)lc.batch, l->ops->name);
    lc.skip_bad = t->cfg->data.skip_bad;
    return bl_loader_create(&lc, &t->cfg->view, t->data.labelled, l->labelled_views,
                            l->n_labelled_views, mixed ? t->data.unlabelled : NULL,
                            l->unlabelled_views, l->n_unlabelled_views, (uint64_t)t->cfg->run.seed,
                            &t->loader);
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
    t->st.best_ap = -1;
    char *metrics = NULL, *classes = NULL;
    bl_status status;
    bl_set_threads((int)cfg->run.threads);
    BL_TRY_DONE(bl_run_data_open(&cfg->data, true, &t->data));
    BL_TRY_DONE(bl_groups_make(&cfg->data, t->data.labelled, &t->groups));
    BL_TRY_DONE(prepare_folder(t));
    bl_ctx_options co = {.device = cfg->run.device,
                         .backend = cfg->run.backend,
                         .tuning_file = *cfg->run.tuning_file ? cfg->run.tuning_file : NULL,
                         .deterministic = cfg->run.deterministic};
    BL_TRY_DONE(bl_ctx_create(&co, &t->ctx));
    BL_INFO("labelled %d images, %lld boxes, %d classes; unlabelled %d; test %d; %s, %d threads, "
            "kernels %s",
            (int)t->data.labelled->n_images, (long long)t->data.labelled->n_anns,
            (int)t->groups.n_classes, t->data.unlabelled ? (int)t->data.unlabelled->n_images : 0,
            t->data.test ? (int)t->data.test->n_images : 0, t->ctx->dev->name, bl_threads(),
            t->ctx->k->name);
    BL_TRY_DONE(make_learner(t));
    BL_TRY_DONE(make_loader(t));

    int32_t most = t->data.labelled->n_images;
    if (t->data.unlabelled && t->data.unlabelled->n_images > most)
        most = t->data.unlabelled->n_images;
    t->copies = calloc((size_t)most + 1, sizeof *t->copies);
    metrics = in_run(t, "metrics.jsonl"), classes = in_run(t, "classes.json");
    if (!t->copies || !metrics || !classes) {
        status = bl_fail(BL_ENOMEM, "out of memory");
        goto done;
    }
    if (opt->resume) BL_TRY_DONE(restore(t));
    BL_TRY_DONE(bl_metrics_open(metrics, opt->resume ? t->st.iter : -1, &t->metrics));
    if (!opt->resume) {
        BL_TRY_DONE(bl_groups_write(&t->groups, t->data.labelled, classes));
        BL_TRY_DONE(bl_provenance_write(opt->out_dir, cfg, &t->data, t->ctx, opt->command_line));
    }
    for (int labelled = 1; labelled >= 0; labelled--)
        if ((labelled || t->learner->n_unlabelled_views > 0) &&
            t->learner->ops->copies(t->learner, t->st.iter - 1, labelled, t->copies))
            BL_TRY_DONE(bl_loader_set_repeats(t->loader, labelled, t->copies));
    if (opt->resume) BL_TRY_DONE(bl_loader_seek(t->loader, &t->st.pos));
done:
    free(metrics), free(classes);
    if (status != BL_OK) bl_trainer_close(t);
    return status;
}

void bl_trainer_close(bl_trainer *t) {
    bl_loader_destroy(t->loader);
    if (t->learner) t->learner->ops->destroy(t->learner);
    bl_ctx_destroy(t->ctx);
    bl_metrics_close(t->metrics);
    bl_groups_free(&t->groups);
    bl_run_data_close(&t->data);
    free(t->copies);
    bl_log_set_file(NULL);
    *t = (bl_trainer){0};
}
