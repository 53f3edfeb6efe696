#include <stddef.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/report.h"
#include "train/sweep.h"

typedef struct options {
    const char *out;
    int64_t jobs;
    bool table, check;
} options;

#define AT(field) offsetof(options, field)
static const bl_option table[] = {
    {BL_CLI_TEXT("out", AT(out), "DIR", "Folder of the runs and of the table."), .letter = 'o',
     .required = true},
    {.name = "jobs",
     .letter = 'j',
     .type = BL_OPTION_INT,
     .offset = AT(jobs),
     .value = "N",
     .max = 4096,
     .doc = "Runs at once; they share the cores out. Default: one on all cores."},
    {BL_CLI_FLAG("table", AT(table), "Train nothing; print the table of what is there.")},
    {BL_CLI_FLAG("check", AT(check), "Train nothing; only load the configuration of every run.")},
    {0}};

static bl_status run(const bl_invocation *in) {
    const options *o = in->options;
    bl_status status = BL_OK;
    bl_sweep sweep;
    bl_arena *arena = bl_arena_create(0);
    char *line = bl_cli_command_line(in);
    if (!arena || !line) BL_TRY_DONE(bl_no_memory("for the sweep"));
    BL_TRY_DONE(bl_sweep_load(in->words.positional[0], arena, &sweep));
    bl_sweep_options opt = {.out_dir = o->out,
                            .settings = {.n = in->words.n_settings, .v = in->words.settings},
                            .table_only = o->table,
                            .jobs = (int)o->jobs,
                            .command_line = line,
                            .cancel = bl_cli_watch_signals()};
    if (o->check) {
        BL_TRY_DONE(bl_sweep_check(&sweep, &opt));
        goto done;
    }
    BL_TRY_DONE(bl_sweep_execute(&sweep, &opt));
    BL_TRY_DONE(bl_sweep_print(&sweep, &opt, stdout));
    fflush(stdout);
    BL_TRY_DONE(
        bl_cli_report_sweep(o->out, sweep.baseline < 0 ? NULL : sweep.run[sweep.baseline].name));
done:
    free(line);
    bl_arena_destroy(arena);
    return status;
}

const bl_command bl_sweep_command = {
    .name = "sweep",
    .summary = "Run a list of configurations with several seeds; print the table.",
    .synopsis = "SWEEP --out DIR [OPTIONS] [KEY.PATH=VALUE]...",
    .details =
        "SWEEP is a JSON file:\n"
        "\n"
        "  {\"seeds\": [1, 2, 3],\n"
        "   \"statistic\": \"median20\",\n"
        "   \"runs\": [{\"name\": \"FixMatch\", \"config\": \"fixmatch.json\"},\n"
        "            {\"name\": \"FixMatch + LA\", \"config\": \"fixmatch_la.json\"}]}\n"
        "\n"
        "\"grid\": {\"method.gbr.beta\": [0.3, 0.5, 1], \"sampling\": {\"random\": [], \"RFS\":\n"
        "[\"method.rfs=0.5\"]}} spreads every run over all combinations of values and of named\n"
        "lists of settings; a run's own \"grid\" wins, {} for none. \"baseline\": the name of the\n"
        "run that the others are compared with, seed by seed, with a paired t-test.\n"
        "In settings \"{seed}\" stands for the seed's number (data.root=data/seed{seed}).\n"
        "\"settings\", of the sweep or of a run, and settings on the command line win over the\n"
        "configurations. \"statistic\" says what stands for a classification run: last, best,\n"
        "median20 (default) or mean20 of its evaluations. Started again, a sweep leaves finished\n"
        "runs alone and continues the interrupted one. Runs go to DIR/NAME/seedN; the table to\n"
        "DIR/sweep.md, sweep.csv and sweep.json: mean and sample standard deviation over seeds;\n"
        "a report of all runs, as \"ballast report DIR\" writes it, to DIR/sweep.html.\n",
    .examples = "  ballast sweep configs/class/quick.json --out runs/quick\n"
                "  ballast sweep configs/class/quick.json --out runs/quick --table\n"
                "  ballast sweep configs/demo/ablation.json --out runs/ablation -j 2\n",
    .options = table,
    .settings = BL_SETTINGS_DOTTED,
    .min_words = 1,
    .max_words = 1,
    .options_size = sizeof(options),
    .run = run,
};
