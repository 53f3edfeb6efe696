/* run.init_from: the weights a run starts from, for training and for the check before it. */
#ifndef BALLAST_TRAIN_START_WEIGHTS_H
#define BALLAST_TRAIN_START_WEIGHTS_H

#include "nn/store.h"
#include "train/train.h"

/* Receives what was found, a line at a time. */
typedef void (*bl_start_weights_say)(const char *line);

/* Whether run.init_from (a safetensors file or a run folder, whose last checkpoint counts) fits the
 * model declared in `store`, which may be without memory. Says how many tensors are read, lacking
 * and unused. BL_OK at once when no file is named; else errors name the file (nn/weights.h says
 * which there are). */
bl_status bl_start_weights_check(const bl_run_section *run, const bl_store *store,
                                 bl_start_weights_say say);
/* The same, and reads them. BL_ENUMERIC when a value is not finite. */
bl_status bl_start_weights_load(const bl_run_section *run, bl_ctx *ctx, bl_store *store,
                                bl_start_weights_say say);

#endif
