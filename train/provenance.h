/* What a number's reader needs to reproduce it: versions, machine, command line, data checksums. */
#ifndef BALLAST_TRAIN_PROVENANCE_H
#define BALLAST_TRAIN_PROVENANCE_H

#include "kernels/ctx.h"
#include "train/task.h"

bl_status bl_provenance_write(const char *run_dir, const bl_run_config *cfg, const bl_task *task,
                              const bl_ctx *ctx, const char *command_line);
/* A data set's entry, with the checksum of its annotation file (VOC sets have none); d
 * may be NULL. */
void bl_provenance_add_dataset(struct json_object **sets, const char *key, const bl_dataset *d);

#endif
