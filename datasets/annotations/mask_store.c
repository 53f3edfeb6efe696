#include "datasets/annotations/mask_store.h"

#include <stdlib.h>

bl_status bl_mask_keep(bl_strpool *pool, const bl_rle *r, bl_mask *out) {
    char small[2048], *text = small;
    size_t bound = bl_rle_string_bound(r);
    if (bound > sizeof small) text = malloc(bound);
    if (!text) return bl_no_memory("for a mask");
    size_t length = bl_rle_to_string(r, text);
    *out = (bl_mask){.text = bl_strpool_add(pool, text, length),
                     .length = (uint32_t)length,
                     .area = bl_rle_area(r),
                     .h = r->h,
                     .w = r->w};
    if (text != small) free(text);
    return out->text ? BL_OK : BL_ENOMEM;
}

bl_status bl_mask_copy(bl_strpool *pool, const bl_mask *m, bl_mask *out) {
    *out = *m;
    if (!m->text) return BL_OK;
    out->text = bl_strpool_add(pool, m->text, m->length);
    return out->text ? BL_OK : BL_ENOMEM;
}

bl_status bl_mask_runs(const bl_mask *m, bl_rle *r) {
    if (!m->text) return bl_fail(BL_EINVAL, "there is no mask");
    return bl_rle_from_string(m->text, m->length, m->h, m->w, r);
}

void bl_mask_put_json(FILE *f, const bl_mask *m) {
    fprintf(f, "{\"size\": [%d, %d], \"counts\": \"", m->h, m->w);
    for (uint32_t i = 0; i < m->length; i++) {
        if (m->text[i] == '\\') fputc('\\', f);
        fputc(m->text[i], f);
    }
    fputs("\"}", f);
}
