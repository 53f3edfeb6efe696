/* A run folder on disk: who works in it, which files in it are a run's, and taking those away. */
#ifndef BALLAST_TRAIN_RUN_FOLDER_H
#define BALLAST_TRAIN_RUN_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/lock.h"

typedef struct bl_run_folder {
    char *dir;
    bl_lock *lock;
    bool made; /* by entering it */
} bl_run_folder;

/* Makes the folder if need be, takes its lock (BL_EIO when another process works there), and
 * removes temporary files that killed processes left. `dir` may also be a sweep's. */
bl_status bl_run_folder_enter(const char *dir, bl_run_folder *f);
/* Gives the lock up; a folder that was made on entering and is empty goes too. Safe on zeroes. */
void bl_run_folder_leave(bl_run_folder *f);

/* Whether there is anything that a run left, and nothing else: an empty folder counts. */
bool bl_run_folder_blank(const char *dir);
/* Whether evaluations were written: a run makes its first checkpoint before them. */
bool bl_run_folder_has_results(const char *dir);
/* Removes everything that a run writes, config.json first, so that a half-cleared folder holds no
 * run. What no run writes stays and is named in a warning. */
bl_status bl_run_folder_clear(const char *dir);
/* Removes evaluations and samples of iterations after `iter`, of that one too when `inclusive`: a
 * run resumed there makes them again. */
bl_status bl_run_folder_cut(const char *dir, int64_t iter, bool inclusive);

#endif
