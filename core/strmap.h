/* A hash map from strings to small integers, for names that must be unique: JSON keys, tensor
 * names, class names. Keys live in a scope (any number; 0 if there is only one), so that one map
 * can serve many nested objects. Entries are never removed; the memory belongs to the arena. */
#ifndef BALLAST_CORE_STRMAP_H
#define BALLAST_CORE_STRMAP_H

#include <stdint.h>

#include "core/arena.h"

typedef struct bl_strmap bl_strmap;

/* NULL when out of memory. */
bl_strmap *bl_strmap_create(bl_arena *arena);

/* Adds key -> value, value >= 0; the key is not copied and must live as long as the map. Returns
 * the value that stands in the map afterwards: `value`, or the older one if the key was there. -1:
 * out of memory. */
int64_t bl_strmap_add(bl_strmap *m, uint32_t scope, const char *key, int64_t value);

/* -1 if absent. */
int64_t bl_strmap_get(const bl_strmap *m, uint32_t scope, const char *key);

#endif
