/* A list of configurations, each run with several seeds, and the table of what came out.
 *
 * A sweep file: {"seeds": [1, 2, 3], "statistic": "median20", "settings": ["run.iterations=1000"],
 *   "grid": {"method.gbr.beta": [0.3, 1], "sampling": {"random": [], "RFS": ["method.rfs=0.5"]}},
 *   "baseline": "FixMatch",
 *   "runs": [{"name": "FixMatch", "config": "fixmatch.json", "settings": ["optim.lr=0.1"],
 *             "grid": {}}, ...]}
 * Configurations are relative to the file; settings of the sweep come first, then those of the run,
 * then those of the grid. An axis of the grid is a setting with values, or a name with choices,
 * which are lists of settings; every run is spread over all combinations, called "<name>
 * gbr.beta=0.3 RFS", unless it has a grid of its own ({}: it is not spread). In settings "{seed}"
 * stands for the seed's number, as in data.root=data/seed{seed}. The run with seed s
 * goes to <out>/<name>/seed<s>. What is finished is left alone, what was interrupted is continued,
 * so a sweep can be stopped and started at any time. Against the baseline the table has differences
 * paired by seed. */
#ifndef BALLAST_TRAIN_SWEEP_H
#define BALLAST_TRAIN_SWEEP_H

#include "train/train.h"

typedef struct bl_sweep_run {
    const char *name, *config;
    bl_strings settings;
} bl_sweep_run;

typedef struct bl_sweep {
    bl_ints seeds;
    const char *statistic; /* of classification runs: last, best, median20, mean20 */
    bl_strings settings;
    bl_sweep_run *run; /* the grid spread out */
    int32_t n_runs;
    int32_t baseline; /* what the others are compared with; -1 = nothing */
} bl_sweep;

/* Reads a sweep file; strings live in `arena`. BL_ECONFIG names line and key. */
bl_status bl_sweep_load(const char *path, bl_arena *arena, bl_sweep *out);

typedef struct bl_sweep_options {
    const char *out_dir;
    bl_strings settings; /* further settings, for every run; the last word */
    bool table_only;     /* train nothing */
    int jobs;            /* runs at once, each in a process of its own when more than 1 */
    const char *command_line;
    const volatile int *cancel;
} bl_sweep_options;

/* Loads the configuration of every run; BL_ECONFIG names the first that is wrong. */
bl_status bl_sweep_check(const bl_sweep *s, const bl_sweep_options *opt);
/* Checks all runs, since the last may start days after the first, and trains what is not finished;
 * after every run writes <out>/sweep.json, sweep.csv and sweep.md, mean and sample standard
 * deviation over the seeds that are finished. With several jobs, runs share the cores out
 * (run.threads, unless a setting says otherwise) and write to their own log.txt alone. */
bl_status bl_sweep_execute(const bl_sweep *s, const bl_sweep_options *opt);
/* The Markdown table as it stands. */
bl_status bl_sweep_print(const bl_sweep *s, const bl_sweep_options *opt, FILE *f);

#endif
