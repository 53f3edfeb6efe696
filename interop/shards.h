/* Safetensors in several files with an index, model.safetensors.index.json, whose "weight_map"
 * tells each tensor's file. Internal to interop/. */
#ifndef BALLAST_INTEROP_SHARDS_H
#define BALLAST_INTEROP_SHARDS_H

#include <stdbool.h>

#include "core/safetensors.h"

bool bl_shards_is_index(const char *path); /* by the name: *.safetensors.index.json */
bl_status bl_shards_open(const char *path, bl_st_file **out);

#endif
