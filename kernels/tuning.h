/* A tuning file: which candidate won a timing, by the name of the problem, kept between runs.
 *
 * JSON: the fields that identify what the timings are worth (processor or device, library version),
 * and "plans", an object of problem name -> choice. */
#ifndef BALLAST_KERNELS_TUNING_H
#define BALLAST_KERNELS_TUNING_H

#include "core/status.h"

typedef struct bl_tuning bl_tuning;

typedef struct bl_tuning_id {
    const char *field, *value; /* "cpu": "avx512f ...", "onednn": "2.6.3" */
} bl_tuning_id;

/* Reads `path` when it exists. Its choices are taken when all `n` identifying fields are equal;
 * timings of another machine or library are worth nothing here, so the file is then written anew.
 * A file that is not JSON is an error, since it may be something the user needs. */
bl_status bl_tuning_open(const char *path, const bl_tuning_id *ids, int n, bl_tuning **out);
/* The choice under this name; NULL when there is none, or `t` is NULL. Valid until it is replaced
 * or the file closed. */
const char *bl_tuning_get(const bl_tuning *t, const char *name);
/* Remembers a choice; nothing when `t` is NULL. */
void bl_tuning_set(bl_tuning *t, const char *name, const char *choice);
/* Writes the file when there is something new, and frees. Best effort: a training run must not fail
 * because its tuning could not be kept. NULL is fine. */
void bl_tuning_close(bl_tuning *t);

#endif
