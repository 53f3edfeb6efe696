/* Bump allocator: many small objects with one common end of life.
 *
 * Memory comes in chunks; a pointer stays valid until the arena is reset to a mark taken before it,
 * or destroyed. All blocks are 64-byte aligned and zeroed. Not thread-safe: one arena, one thread.
 * Under AddressSanitizer freed ranges are poisoned. */
#ifndef BALLAST_CORE_ARENA_H
#define BALLAST_CORE_ARENA_H

#include <stddef.h>

typedef struct bl_arena bl_arena;
typedef struct bl_arena_mark {
    void *chunk;
    size_t used;
} bl_arena_mark;

/* `chunk_bytes`: size of a chunk, 0 for a default (256 KiB). NULL when out of memory. */
bl_arena *bl_arena_create(size_t chunk_bytes);
void bl_arena_destroy(bl_arena *a);

/* NULL when out of memory (the message is set). Size 0 returns a valid unique pointer. */
void *bl_arena_alloc(bl_arena *a, size_t bytes);
/* count*size with overflow check. */
void *bl_arena_array(bl_arena *a, size_t count, size_t size);
char *bl_arena_strdup(bl_arena *a, const char *s);
char *bl_arena_printf(bl_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

bl_arena_mark bl_arena_save(const bl_arena *a);
void bl_arena_restore(bl_arena *a, bl_arena_mark m); /* frees everything allocated after the mark */
void bl_arena_reset(bl_arena *a);                    /* frees everything, keeps the chunks */
size_t bl_arena_bytes(const bl_arena *a);            /* bytes handed out now */

#define BL_NEW(arena, type) ((type *)bl_arena_alloc((arena), sizeof(type)))
#define BL_NEW_ARRAY(arena, type, n) ((type *)bl_arena_array((arena), (size_t)(n), sizeof(type)))

#endif
