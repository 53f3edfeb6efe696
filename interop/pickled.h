/* Tensors inside of pickles: what PyTorch's and NumPy's own pickles look like as values, turned
 * into named descriptions. Names are the keys on the way to a tensor, joined by dots; elements of
 * lists are numbered. Objects of any other class are passed over (their tensors too); nothing of
 * them is imported or called.
 *
 * Understood: torch._utils._rebuild_tensor, _v2, _v3, _rebuild_parameter (and _with_state);
 * numpy's _reconstruct with ndarray and dtype, of old and new module names, and _codecs.encode,
 * which protocol 2 writes bytes with. */
#ifndef BALLAST_INTEROP_PICKLED_H
#define BALLAST_INTEROP_PICKLED_H

#include "core/pickle.h"
#include "core/safetensors.h"

typedef struct bl_pickled {
    const char *name;
    bl_st_dtype dtype;
    size_t width; /* bytes of an element */
    int ndim;
    int64_t shape[BL_ST_MAX_DIMS], stride[BL_ST_MAX_DIMS]; /* strides in elements */
    /* A slice of a storage that lies elsewhere: its key (not NUL-terminated), or NULL, and then the
     * bytes themselves. Checked: all elements lie in [0, storage) of it, and they are not more. */
    const char *key;
    size_t key_size;
    int64_t offset, storage; /* first element; elements of the storage */
    const uint8_t *data;     /* of NumPy arrays */
} bl_pickled;

/* A storage that a pickle mentions, in a tensor or elsewhere. */
typedef struct bl_pickled_storage {
    const char *key;
    size_t key_size, width;
    int64_t elements;
} bl_pickled_storage;

/* All tensors below `root`, in the order of the pickle; `foreign` (may be NULL) receives the name
 * of the first class that was passed over, or NULL. `file` stands in messages. */
bl_status bl_pickled_tensors(bl_pickle *root, const char *file, bl_arena *arena, bl_pickled **out,
                             size_t *n, const char **foreign);

/* The storage that a PERSISTENT value stands for; BL_EFORMAT when it is not PyTorch's tuple. */
bl_status bl_pickled_storage_of(const bl_pickle *persistent, const char *file,
                                bl_pickled_storage *out);

#endif
