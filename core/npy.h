/* NumPy's .npy format, versions 1 to 3, C order: enough for arrays of bytes and integers. */
#ifndef BALLAST_CORE_NPY_H
#define BALLAST_CORE_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

enum { BL_NPY_MAX_DIMS = 8 };

typedef struct bl_npy {
    char kind; /* 'u' unsigned, 'i' signed, 'f' floating point, 'b' bool */
    int bytes; /* of an element, little-endian */
    int ndim;
    int64_t shape[BL_NPY_MAX_DIMS];
    int64_t count;       /* elements */
    const uint8_t *data; /* count * bytes, in the caller's memory, not necessarily aligned */
} bl_npy;

/* Looks through a file in memory. BL_EFORMAT, naming `name` and the byte, for anything that is not
 * exactly one array; BL_EUNSUPPORTED for big-endian, Fortran order and other element types. */
bl_status bl_npy_parse(const uint8_t *data, size_t size, const char *name, bl_npy *out);

/* Element i of an integer or bool array. */
int64_t bl_npy_integer(const bl_npy *a, int64_t i);

#endif
