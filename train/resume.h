/* Continuing a run: from which checkpoint, and whether it is still the same run. */
#ifndef BALLAST_TRAIN_RESUME_H
#define BALLAST_TRAIN_RESUME_H

#include <stdbool.h>
#include <stdint.h>

#include "train/checkpoint.h"
#include "train/task.h"

/* What a run continues from; see bl_train_options.resume_from. */
typedef struct bl_resume_choice {
    const char *run_dir;
    const char *from; /* NULL, "auto", "previous" or a file */
    bool verify;      /* checksums */
} bl_resume_choice;

/* The checkpoint to continue from (malloc'd), undamaged when `verify`; *path NULL when the run has
 * none, so that it starts anew. BL_EFORMAT or BL_EIO names what is damaged and what is whole. */
bl_status bl_resume_choose(const bl_resume_choice *c, char **path);

/* Compares `cfg` with <run_dir>/config.json. What decides results must be equal (BL_ECONFIG names
 * key and both values); what does not may differ and is logged when `iter` >= 0, the iteration that
 * the run continues from. *changed: config.json is to be written anew. */
bl_status bl_resume_same_config(const bl_run_config *cfg, const char *run_dir, int64_t iter,
                                bool *changed);

/* BL_EFORMAT, with the file and both checksums, when the data of `task` are not those that
 * <run_dir>/provenance.json tells of. */
bl_status bl_resume_same_data(const bl_task *task, const char *run_dir);

#endif
