/* The table of a sweep; internal to train/. */
#ifndef BALLAST_TRAIN_SWEEP_TABLE_H
#define BALLAST_TRAIN_SWEEP_TABLE_H

#include "train/sweep.h"

/* <out>/<name>/seed<s> (malloc'd; NULL with a message). */
char *bl_sweep_folder(const bl_sweep *s, const bl_sweep_options *opt, int32_t run, int32_t seed);
/* sweep.json, sweep.csv and sweep.md, of the runs that have results. */
bl_status bl_sweep_write_tables(const bl_sweep *s, const bl_sweep_options *opt);

#endif
