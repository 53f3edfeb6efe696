/* Weights that other programs wrote, behind the handle of a safetensors file.
 *
 * Read: safetensors, also in shards (model.safetensors.index.json); PyTorch's zip files (1.6 and
 * later) and the pickles before them; pickles of NumPy arrays (detectron2's model zoo). Told by
 * content, not by the name. Nothing in a pickle is executed (core/pickle.h), and memory is bounded
 * by the size of the file. Tensors keep the names the file gives them: keys joined by dots, e.g.
 * "state_dict.backbone.conv1.weight". */
#ifndef BALLAST_INTEROP_WEIGHT_FILE_H
#define BALLAST_INTEROP_WEIGHT_FILE_H

#include "core/safetensors.h"

typedef enum bl_weight_file_kind {
    BL_WEIGHT_FILE_SAFETENSORS,
    BL_WEIGHT_FILE_SHARDS,
    BL_WEIGHT_FILE_TORCH_ZIP,
    BL_WEIGHT_FILE_TORCH_LEGACY,
    BL_WEIGHT_FILE_PICKLE
} bl_weight_file_kind;
/* "safetensors", "PyTorch file (zip)", ... */
const char *bl_weight_file_kind_name(bl_weight_file_kind kind);

/* Opens by content; kind may be NULL. Close with bl_st_close. A file without any tensor, a damaged
 * one and one of an unknown kind are BL_EFORMAT with what it seems to be. */
bl_status bl_weight_file_open(const char *path, bl_st_file **out, bl_weight_file_kind *kind);
/* The same over memory that outlives the handle (tests, fuzzing); no shards. */
bl_status bl_weight_file_open_memory(const void *data, size_t size, const char *name,
                                     bl_st_file **out, bl_weight_file_kind *kind);

#endif
