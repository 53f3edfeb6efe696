/* safetensors reader and writer, safe on hostile input. A file is
 *
 *   8 bytes   length of the header, little-endian
 *   header    JSON: {name: {dtype, shape, data_offsets}, "__metadata__": {string: string}}
 *   the rest  raw bytes
 *
 * The reader checks: header <= file and <= 100 MB, no duplicate names, known dtypes, shape product
 * * size == span (with overflow checks), spans in range without overlap or holes. Nothing is
 * copied: tensors point into a read-only mapping. */
#ifndef BALLAST_CORE_SAFETENSORS_H
#define BALLAST_CORE_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

enum { BL_ST_MAX_DIMS = 8 };
typedef enum bl_st_dtype {
    BL_ST_F32,
    BL_ST_F16,
    BL_ST_BF16,
    BL_ST_F64,
    BL_ST_I32,
    BL_ST_I64,
    BL_ST_U8,
    BL_ST_OTHER
} bl_st_dtype;

typedef struct bl_st_tensor {
    const char *name;
    bl_st_dtype dtype;
    int ndim;
    int64_t shape[BL_ST_MAX_DIMS];
    const void *data; /* little-endian, row-major; not necessarily aligned */
    size_t bytes;
} bl_st_tensor;

typedef struct bl_st_file bl_st_file;

bl_status bl_st_open(const char *path, bl_st_file **out);
/* The same over memory that outlives the handle (tests, fuzzing); `name` for messages. */
bl_status bl_st_open_memory(const void *data, size_t size, const char *name, bl_st_file **out);
/* The same handle over n tensors that another format's reader found; `release` frees `owner`, to
 * which names and data belong, when the handle is closed (on failure at once). Duplicate names are
 * BL_EFORMAT. */
bl_status bl_st_wrap(const char *name, const bl_st_tensor *tensors, int n,
                     void (*release)(void *owner), void *owner, bl_st_file **out);
void bl_st_close(bl_st_file *f);
int bl_st_count(const bl_st_file *f);
const bl_st_tensor *bl_st_at(const bl_st_file *f, int i);
const bl_st_tensor *bl_st_find(const bl_st_file *f, const char *name); /* NULL if absent; O(1) */
const char *bl_st_metadata(const bl_st_file *f, const char *key);      /* NULL if absent */

/* A sealed file ends in one more tensor, BL_ST_SEAL, four bytes: the CRC-32 (of zlib and PNG,
 * little-endian) of everything before them, header included. Other programs read it as any
 * tensor; bl_st_count, _at and _find leave it out. */
#define BL_ST_SEAL "checksum.crc32"
bool bl_st_sealed(const bl_st_file *f);
/* BL_EFORMAT unless the file is sealed and its bytes are those that were sealed; reads all of it.
 */
bl_status bl_st_verify(const bl_st_file *f);

/* Writes atomically. `metadata`: n_meta pairs key, value (2*n_meta strings). */
bl_status bl_st_write(const char *path, const bl_st_tensor *tensors, int n,
                      const char *const *metadata, int n_meta);
/* The same with a seal. */
bl_status bl_st_write_sealed(const char *path, const bl_st_tensor *tensors, int n,
                             const char *const *metadata, int n_meta);

#endif
