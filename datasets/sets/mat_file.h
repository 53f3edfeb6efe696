/* Arrays of MATLAB files, read by libmatio. It is loaded when a file is opened: it brings HDF5, and
 * with it curl and Kerberos, which no run without such a file needs. */
#ifndef BALLAST_DATASETS_SETS_MAT_FILE_H
#define BALLAST_DATASETS_SETS_MAT_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

enum { BL_MAT_MAX_RANK = 4 };

/* A variable, column-major. Owned by its file. */
typedef struct bl_mat_array {
    size_t dims[BL_MAT_MAX_RANK]; /* of the rank that was asked for */
    size_t elements;
    bool bytes;   /* uint8 */
    bool doubles; /* neither: another type, `data` is not to be read */
    const void *data;
} bl_mat_array;

typedef struct bl_mat_file bl_mat_file;

/* BL_EFORMAT when it is not a MATLAB file; BL_EBACKEND, naming the package, without libmatio. */
bl_status bl_mat_open(const char *path, bl_mat_file **out);
void bl_mat_close(bl_mat_file *f);

/* Reads the variable `name` of `rank` dimensions and at most `most` elements. */
bl_status bl_mat_read(bl_mat_file *f, const char *name, int rank, double most, bl_mat_array *out);

#endif
