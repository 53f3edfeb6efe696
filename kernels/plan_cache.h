/* A bounded map from a problem's key to a backend's plan for it; the least recently used plan makes
 * room. Keys are arrays of int32 of one length (structs of int32 without padding). */
#ifndef BALLAST_KERNELS_PLAN_CACHE_H
#define BALLAST_KERNELS_PLAN_CACHE_H

#include "core/status.h"

typedef struct bl_plan_cache bl_plan_cache;

/* `bytes` is the size of a key, `max` how many plans are kept; `drop` frees one. */
bl_status bl_plan_cache_create(int bytes, int max, void (*drop)(void *plan), bl_plan_cache **out);
void bl_plan_cache_destroy(bl_plan_cache *c); /* NULL is fine */
/* The plan of this key, or NULL. */
void *bl_plan_cache_find(bl_plan_cache *c, const void *key);
/* Takes the plan, and drops it when there is no memory. The key must not be in the cache. */
bl_status bl_plan_cache_insert(bl_plan_cache *c, const void *key, void *plan);
/* Calls `fn` with every plan, in no particular order. */
void bl_plan_cache_each(const bl_plan_cache *c, void (*fn)(void *arg, const void *plan), void *arg);

#endif
