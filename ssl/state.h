/* A learner's state, described once for both directions: the same function writes it into a
 * checkpoint and reads it back. State is named arrays of doubles; beside the stores they are all
 * that a resumed run needs. */
#ifndef BALLAST_SSL_STATE_H
#define BALLAST_SSL_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/status.h"

/* One named array of a checkpoint. */
typedef struct bl_state_array {
    const char *name;
    const double *v;
    int64_t n;
} bl_state_array;

typedef struct bl_state_io {
    bool loading;
    bl_arena *arena;   /* saving: holds the arrays */
    bl_state_array *v; /* loading: what the file has; saving: what has been put so far */
    int n, cap;
} bl_state_io;

/* The n numbers at v: put under `name`, or replaced by what the file has there. An array that is
 * missing or of another length is an error that names it. */
bl_status bl_state_numbers(bl_state_io *io, const char *name, double *v, int64_t n);

/* State that is packed into another form. Saving: *v is a new array of *n numbers, to be filled.
 * Loading: *v and *n are what the file has; they are read only and the caller checks them. */
bl_status bl_state_packed(bl_state_io *io, const char *name, double **v, int64_t *n);

/* The named array of `io`, or an error with its name. */
bl_status bl_state_find(const bl_state_io *io, const char *name, const double **v, int64_t *n);

#endif
