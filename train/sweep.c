/* Runs what a sweep file lists, one after another or several at once. */
#include "train/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/jobs.h"
#include "core/log.h"
#include "core/parallel.h"
#include "train/checkpoint.h"
#include "train/progress.h"
#include "train/run_folder.h"
#include "train/sweep_table.h"

/* Seeds of a long-tailed construction draw sets of their own, as the seeds of published means do,
 * unless the choice is the file's (no seed) or that of a fixed legacy generator, or was given. */
static bool draws_its_split(const bl_run_config *cfg, const char *const *settings, int n) {
    if (cfg->task != BL_TASK_CLASSIFICATION || cfg->longtail.pick != BL_LONGTAIL_SHUFFLED)
        return false;
    for (int i = 0; i < n; i++)
        if (strncmp(settings[i], "longtail.seed=", strlen("longtail.seed=")) == 0) return false;
    return true;
}

/* Cores are shared out. */
static int threads_of_job(int jobs) {
    int share = bl_threads() / jobs;
    return share > 1 ? share : 1;
}

/* A setting with the seed's number for every "{seed}". */
static const char *with_seed(bl_arena *arena, const char *setting, long long seed) {
    const char *at;
    while (setting && (at = strstr(setting, "{seed}")))
        setting = bl_arena_printf(arena, "%.*s%lld%s", (int)(at - setting), setting, seed,
                                  at + strlen("{seed}"));
    return setting;
}

static bl_status load_config(const bl_sweep *s, const bl_sweep_options *opt, int32_t run,
                             int32_t seed, bl_arena *arena, bl_run_config *cfg) {
    const bl_strings *const lists[] = {&s->settings, &s->run[run].settings, &opt->settings};
    long long number = s->seeds.v[seed];
    int n = 0;
    const char **all = BL_NEW_ARRAY(arena, const char *,
                                    s->settings.n + s->run[run].settings.n + opt->settings.n + 3);
    if (!all) return BL_ENOMEM;
    if (opt->jobs > 1) /* the first word: settings may say otherwise */
        all[n++] = bl_arena_printf(arena, "run.threads=%d", threads_of_job(opt->jobs));
    if (n && !all[0]) return BL_ENOMEM;
    for (int l = 0; l < 3; l++)
        for (int32_t i = 0; i < lists[l]->n; i++)
            if (!(all[n++] = with_seed(arena, lists[l]->v[i], number))) return BL_ENOMEM;
    all[n] = bl_arena_printf(arena, "run.seed=%lld", number);
    if (!all[n++]) return BL_ENOMEM;
    BL_TRY(bl_run_config_load(s->run[run].config, all, n, arena, cfg));
    if (!draws_its_split(cfg, all, n)) return BL_OK;
    all[n] = bl_arena_printf(arena, "longtail.seed=%lld", number);
    if (!all[n++]) return BL_ENOMEM;
    return bl_run_config_load(s->run[run].config, all, n, arena, cfg);
}

static bool holds(const char *dir, const char *name) {
    char *path = bl_path_join(dir, name);
    bool there = path && bl_exists(path);
    free(path);
    return there;
}

/* The last checkpoint is that of the last iteration, nothing was left to do when it was saved, and
 * what the table is made of is there. */
static bool finished(const char *dir, const bl_run_config *cfg) {
    if (!holds(dir, "last_checkpoint")) return false;
    if (cfg->task == BL_TASK_CLASSIFICATION && !holds(dir, "summary.json")) return false;
    char *path = bl_checkpoint_named(dir, "last_checkpoint");
    char *want = bl_checkpoint_path(dir, cfg->run.iterations);
    bool done = path && want && strcmp(path, want) == 0 && bl_checkpoint_evaluated(path);
    free(path);
    free(want);
    return done;
}

static bl_status one(const bl_sweep *s, const bl_sweep_options *opt, int32_t run, int32_t seed) {
    bl_arena *arena = bl_arena_create(0);
    char *dir = bl_sweep_folder(s, opt, run, seed);
    bl_run_config *cfg = arena ? BL_NEW(arena, bl_run_config) : NULL;
    bl_status status;
    if (!dir || !cfg) {
        status = bl_no_memory(NULL);
        goto done;
    }
    BL_TRY_DONE(load_config(s, opt, run, seed, arena, cfg));
    if (finished(dir, cfg)) {
        BL_TRY_DONE(bl_train_same_config(cfg, dir));
        BL_INFO("%s: finished", dir);
        goto done;
    }
    BL_INFO("%s: seed %lld, run %d of %d", dir, (long long)s->seeds.v[seed],
            (int)(seed * s->n_runs + run + 1), (int)(s->n_runs * s->seeds.n));
    BL_TRY_DONE(
        bl_train(cfg, &(bl_train_options){.out_dir = dir,
                                          .resume = true,
                                          .resume_from = "auto",
                                          .to_continue = "the same command goes on from there",
                                          .command_line = opt->command_line,
                                          .cancel = opt->cancel}));
done:
    if (status != BL_OK && dir) bl_fail_context(status, "%s", dir);
    free(dir);
    bl_arena_destroy(arena);
    return status;
}

static bl_status check_run(const bl_sweep *s, const bl_sweep_options *opt, int32_t run) {
    bl_arena *arena = bl_arena_create(0);
    bl_run_config *cfg = arena ? BL_NEW(arena, bl_run_config) : NULL;
    bl_status status =
        cfg ? load_config(s, opt, run, 0, arena, cfg) : bl_no_memory("for a configuration");
    if (status != BL_OK) bl_fail_context(status, "run \"%s\"", s->run[run].name);
    bl_arena_destroy(arena);
    return status;
}

bl_status bl_sweep_check(const bl_sweep *s, const bl_sweep_options *opt) {
    for (int32_t run = 0; run < s->n_runs; run++) BL_TRY(check_run(s, opt, run));
    return BL_OK;
}

typedef struct {
    const bl_sweep *s;
    const bl_sweep_options *opt;
    int32_t ended, trained;
    double seconds; /* of those that trained */
} progress;

static const double TRAINED = 2; /* seconds: a run that is finished already takes less */

static bl_status run_job(void *arg, int32_t i) {
    const progress *p = arg;
    return one(p->s, p->opt, i % p->s->n_runs, i / p->s->n_runs);
}

static bl_status job_ended(void *arg, int32_t i, double seconds) {
    progress *p = arg;
    int32_t all = p->s->n_runs * p->s->seeds.n;
    p->ended++;
    if (seconds > TRAINED) {
        p->trained++;
        p->seconds += seconds;
    }
    BL_TRY(bl_sweep_write_tables(p->s, p->opt));
    if (p->opt->jobs <= 1) return BL_OK; /* the run's own lines have said it */
    char eta[32] = "unknown";
    if (p->trained > 0)
        bl_format_duration(p->seconds / p->trained * (all - p->ended) / p->opt->jobs, eta,
                           sizeof eta);
    BL_INFO("%s, seed %lld: done; %d of %d, eta %s", p->s->run[i % p->s->n_runs].name,
            (long long)p->s->seeds.v[i / p->s->n_runs], (int)p->ended, (int)all, eta);
    return BL_OK;
}

/* Seed by seed, so that a table over all methods is there as early as can be. */
static bl_status every_run(const bl_sweep *s, const bl_sweep_options *opt) {
    progress p = {.s = s, .opt = opt};
    return bl_jobs_run(&(bl_jobs){.n = s->n_runs * s->seeds.n,
                                  .at_once = opt->jobs,
                                  .run = run_job,
                                  .ended = job_ended,
                                  .arg = &p,
                                  .cancel = opt->cancel});
}

bl_status bl_sweep_execute(const bl_sweep *s, const bl_sweep_options *opt) {
    if (!opt->table_only) BL_TRY(bl_sweep_check(s, opt));
    if (opt->table_only) { /* also while the sweep runs */
        BL_TRY(bl_mkdirs(opt->out_dir));
        return bl_sweep_write_tables(s, opt);
    }
    bl_run_folder folder;
    BL_TRY(bl_run_folder_enter(opt->out_dir, &folder));
    bl_status status = every_run(s, opt);
    if (status == BL_OK) status = bl_sweep_write_tables(s, opt);
    bl_run_folder_leave(&folder);
    return status;
}
