/* Packs many short strings densely into an arena (whose own blocks are 64-byte aligned). */
#ifndef BALLAST_CORE_STRPOOL_H
#define BALLAST_CORE_STRPOOL_H

#include <stddef.h>

#include "core/arena.h"

typedef struct bl_strpool {
    bl_arena *arena;
    char *block;
    size_t left;
} bl_strpool;

/* A copy of s[0..len) with a NUL behind it; NULL when out of memory (the message is set). */
const char *bl_strpool_add(bl_strpool *p, const char *s, size_t len);

#endif
