/* What can be found wrong with a run before it starts. */
#ifndef BALLAST_TRAIN_REHEARSE_H
#define BALLAST_TRAIN_REHEARSE_H

#include "train/train.h"

/* Everything that bl_train does before it touches a folder, with the same code, so that it fails as
 * training would: reads the data, makes models, optimiser state and loader, reads start weights.
 * Takes the memory of a run. */
bl_status bl_train_rehearse(const bl_run_config *cfg);

/* Passes a line to `say` for each warm-up and other start that the run does not outlast, of the
 * schedule and of the method's plug-ins only. Returns how many. */
int bl_run_late_starts(const bl_run_config *cfg, void (*say)(void *arg, const char *line),
                       void *arg);

#endif
