#include "core/strpool.h"

#include <string.h>

enum { BLOCK = 1 << 16 };

const char *bl_strpool_add(bl_strpool *p, const char *s, size_t len) {
    char *out;
    if (len + 1 > BLOCK / 4) {
        out = bl_arena_alloc(p->arena, len + 1);
        if (!out) return NULL;
    } else {
        if (p->left < len + 1) {
            p->block = bl_arena_alloc(p->arena, BLOCK);
            if (!p->block) {
                p->left = 0;
                return NULL;
            }
            p->left = BLOCK;
        }
        out = p->block;
        p->block += len + 1;
        p->left -= len + 1;
    }
    memcpy(out, s, len);
    out[len] = 0;
    return out;
}
