#include "datasets/annotations/coco_refs.h"

#include <stdlib.h>
#include <string.h>

static bl_status grow(coco_refs *t) {
    if (t->n < t->cap) return BL_OK;
    int64_t cap = t->cap ? t->cap + t->cap / 2 : 256;
    coco_ref *v = cap < INT32_MAX ? realloc(t->v, (size_t)cap * sizeof *v) : NULL;
    if (!v) return bl_no_memory("for %lld ids", (long long)cap);
    t->v = v;
    t->cap = cap;
    return BL_OK;
}

bl_status bl_coco_ref(coco_refs *t, bl_id id, bl_strpool *pool, int64_t *number) {
    BL_TRY(grow(t));
    BL_TRY(bl_id_index_add(&t->map, id, t->n, number));
    if (*number < t->n) return BL_OK;
    if (id.text && !(id.text = bl_strpool_add(pool, id.text, strlen(id.text)))) return BL_ENOMEM;
    t->v[t->n++] = (coco_ref){.id = id, .index = -1, .first_use = -1};
    return BL_OK;
}

static int by_text(const void *a, const void *b) {
    const coco_ref *x = *(coco_ref *const *)a, *y = *(coco_ref *const *)b;
    return bl_id_compare_texts(x->id.text, y->id.text);
}

bl_status bl_coco_refs_number_texts(coco_refs *t, const char *name) {
    int64_t n = 0, largest = 0;
    coco_ref **texts = malloc(((size_t)t->n + 1) * sizeof *texts);
    if (!texts) return bl_no_memory("for %s (%lld ids)", name, (long long)t->n);
    for (int64_t i = 0; i < t->n; i++) {
        coco_ref *r = &t->v[i];
        if (r->index < 0) continue;
        if (r->id.text)
            texts[n++] = r;
        else if (r->id.number > largest)
            largest = r->id.number;
    }
    bl_status status = BL_OK;
    if (largest > INT64_MAX - n)
        status = bl_fail(BL_EFORMAT, "%s: no numbers are left above %lld for ids that are texts",
                         name, (long long)largest);
    qsort(texts, (size_t)n, sizeof *texts, by_text);
    for (int64_t i = 0; i < n && status == BL_OK; i++) texts[i]->id.number = largest + 1 + i;
    free(texts);
    return status;
}

void bl_coco_refs_free(coco_refs *t) {
    bl_id_index_free(&t->map);
    free(t->v);
    *t = (coco_refs){0};
}
