#include "core/idmap.h"

#include <stdlib.h>

#include "core/rng.h"

static struct bl_idmap_slot *probe(const bl_idmap *m, int64_t id) {
    size_t i = bl_mix64((uint64_t)id) & (m->cap - 1);
    while (m->slots[i].value >= 0 && m->slots[i].id != id) i = (i + 1) & (m->cap - 1);
    return &m->slots[i];
}

int64_t bl_idmap_get(const bl_idmap *m, int64_t id) {
    return m->cap ? probe(m, id)->value : -1;
}

static bl_status grow(bl_idmap *m) {
    bl_idmap bigger = {.cap = m->cap ? m->cap * 2 : 64, .n = m->n};
    bigger.slots = malloc(bigger.cap * sizeof *bigger.slots);
    if (!bigger.slots) return bl_no_memory("for %zu ids", bigger.cap);
    for (size_t i = 0; i < bigger.cap; i++) bigger.slots[i].value = -1;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].value >= 0) *probe(&bigger, m->slots[i].id) = m->slots[i];
    free(m->slots);
    *m = bigger;
    return BL_OK;
}

bl_status bl_idmap_add(bl_idmap *m, int64_t id, int64_t value, int64_t *stored) {
    if (4 * (m->n + 1) > 3 * m->cap) BL_TRY(grow(m));
    struct bl_idmap_slot *s = probe(m, id);
    if (s->value < 0) {
        *s = (struct bl_idmap_slot){id, value};
        m->n++;
    }
    *stored = s->value;
    return BL_OK;
}

void bl_idmap_free(bl_idmap *m) {
    free(m->slots);
    *m = (bl_idmap){0};
}
