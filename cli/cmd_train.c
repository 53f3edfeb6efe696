#include <stddef.h>
#include <stdlib.h>

#include "cli/command.h"

typedef struct options {
    const char *out, *resume;
    bool overwrite, skip_bad, no_verify;
    int64_t seed, threads, stop_after;
} options;

#define AT(field) offsetof(options, field)
static const bl_option table[] = {
    {BL_CLI_OUT(AT(out), "DIR", "Run folder to write. Required, except with RUN --resume.")},
    {.name = "resume",
     .type = BL_OPTION_MAYBE,
     .offset = AT(resume),
     .value = "WHICH]",
     .doc = "Continue from the folder's last checkpoint, as if never stopped; =previous from the "
            "one before, =FILE from that one, =auto from the last whole one, or start."},
    {BL_CLI_NO_VERIFY(AT(no_verify))},
    {BL_CLI_FLAG("overwrite", AT(overwrite), "Start anew in an existing run folder.")},
    {.name = "seed",
     .type = BL_OPTION_INT,
     .offset = AT(seed),
     .value = "N",
     .min = 0,
     .max = 9007199254740992.0,
     .doc = "Same as run.seed=N."},
    {BL_CLI_THREADS(AT(threads), "Same as run.threads=N.")},
    {BL_CLI_FLAG("skip-bad", AT(skip_bad),
                 "Go on without unreadable images and broken annotations, and report them.")},
    {.name = "stop-after",
     .type = BL_OPTION_INT,
     .offset = AT(stop_after),
     .value = "N",
     .min = 1,
     .max = 1e12,
     .doc = "Checkpoint and stop after N iterations in total; --resume goes on."},
    {0}};

static const options defaults = {.seed = -1, .threads = -1};

/* Settings of the options that are short for one, after the user's own words. */
static bl_status collect_settings(const options *o, const bl_words *w, bl_arena *arena,
                                  const char ***out, int *n) {
    const char **all = BL_NEW_ARRAY(arena, const char *, w->n_settings + 4);
    if (!all) return BL_ENOMEM;
    *n = 0;
    for (int i = 0; i < w->n_settings; i++) all[(*n)++] = w->settings[i];
    if (o->seed >= 0) all[(*n)++] = bl_arena_printf(arena, "run.seed=%lld", (long long)o->seed);
    if (o->threads >= 0)
        all[(*n)++] = bl_arena_printf(arena, "run.threads=%lld", (long long)o->threads);
    if (o->skip_bad) {
        all[(*n)++] = "data.skip_bad=true";
        all[(*n)++] = "loader.skip_bad=true";
    }
    for (int i = 0; i < *n; i++)
        if (!all[i]) return BL_ENOMEM;
    *out = all;
    return BL_OK;
}

static const char *resume_from(const options *o) {
    return o->resume && *o->resume ? o->resume : NULL;
}

static bl_status run(const bl_invocation *in) {
    const options *o = in->options;
    if (o->resume && o->overwrite)
        return bl_fail(BL_ECONFIG, "--resume and --overwrite exclude each other");
    bl_status status = BL_OK;
    bl_arena *arena = bl_arena_create(0);
    char *line = bl_cli_command_line(in);
    const char **settings = NULL;
    int n = 0;
    bl_run_config cfg;
    const char *run_dir, *out = o->out;
    if (!arena || !line) BL_TRY_DONE(bl_no_memory("for the configuration"));
    BL_TRY_DONE(collect_settings(o, &in->words, arena, &settings, &n));
    BL_TRY_DONE(bl_cli_load_config(in->words.positional[0], settings, n, arena, &cfg, &run_dir));
    if (!out && o->resume) out = run_dir;
    if (!out) BL_TRY_DONE(bl_fail(BL_ECONFIG, "--out DIR is required"));
    BL_TRY_DONE(bl_train(&cfg, &(bl_train_options){.out_dir = out,
                                                   .resume = o->resume != NULL,
                                                   .resume_from = resume_from(o),
                                                   .no_verify = o->no_verify,
                                                   .overwrite = o->overwrite,
                                                   .stop_after = o->stop_after,
                                                   .command_line = line,
                                                   .cancel = bl_cli_watch_signals()}));
done:
    free(line);
    bl_arena_destroy(arena);
    return status;
}

const bl_command bl_train_command = {
    .name = "train",
    .summary = "Train a detector or a classifier into a run folder.",
    .synopsis = "CONFIG|RUN --out DIR [OPTIONS] [KEY.PATH=VALUE]...",
    .details =
        "CONFIG is a JSON file, or a run folder whose configuration is used again. Settings on\n"
        "the command line win over the file; \"ballast config --doc\" lists all of them.\n"
        "\n"
        "The run folder holds the resolved configuration, a log, metrics, checkpoints and\n"
        "evaluations. Ctrl-C writes a checkpoint and stops; --resume continues bit by bit as if\n"
        "the run had never stopped. Then what decides results must be as before; threads,\n"
        "workers, intervals, kept checkpoints and the place of the data may change, and\n"
        "run.iterations may grow.\n",
    .examples =
        "  ballast train configs/demo/full.json --out runs/full\n"
        "  ballast train runs/full --resume\n"
        "  ballast train configs/demo/full.json --out runs/full --resume=auto    # in a job "
        "script\n"
        "  ballast train configs/coco/full_r50_10pct.json --out runs/coco data.root=/data/coco \\\n"
        "      optim.lr=0.005 --skip-bad\n",
    .options = table,
    .settings = BL_SETTINGS_DOTTED,
    .min_words = 1,
    .max_words = 1,
    .options_size = sizeof(options),
    .defaults = &defaults,
    .run = run,
};
