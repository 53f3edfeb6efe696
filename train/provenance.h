/* What a number's reader needs to reproduce it: versions, machine, command line, data checksums. */
#ifndef BALLAST_TRAIN_PROVENANCE_H
#define BALLAST_TRAIN_PROVENANCE_H

#include "kernels/ctx.h"
#include "train/train.h"

bl_status bl_provenance_write(const char *run_dir, const bl_run_config *cfg,
                              const bl_run_data *data, const bl_ctx *ctx, const char *command_line);

#endif
