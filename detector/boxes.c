#include "detector/boxes.h"

#include <string.h>

bl_status bl_boxes_new(bl_arena *arena, int32_t n, bool label, bool score, bl_boxes *out) {
    *out = (bl_boxes){.box = BL_NEW_ARRAY(arena, bl_box, n)};
    if (label) out->label = BL_NEW_ARRAY(arena, int32_t, n);
    if (score) out->score = BL_NEW_ARRAY(arena, float, n);
    if (!out->box || (label && !out->label) || (score && !out->score)) return BL_ENOMEM;
    return BL_OK;
}

bl_status bl_boxes_upload(bl_ctx *ctx, const bl_boxes *b, int32_t n, bl_box_lists *out) {
    int64_t cap = 0;
    bool label = false, ignore = false;
    for (int32_t i = 0; i < n; i++) {
        if (b[i].n > cap) cap = b[i].n;
        label |= b[i].label != NULL;
        ignore |= b[i].ignore != NULL;
    }
    *out = (bl_box_lists){.images = n, .cap = cap};
    bl_box *box = BL_NEW_ARRAY(ctx->arena, bl_box, n * cap);
    int32_t *labels = BL_NEW_ARRAY(ctx->arena, int32_t, n * cap);
    int32_t *count = BL_NEW_ARRAY(ctx->arena, int32_t, n);
    uint8_t *ignores = BL_NEW_ARRAY(ctx->arena, uint8_t, n * cap);
    if (!box || !labels || !count || !ignores) return BL_ENOMEM;
    for (int32_t i = 0; i < n; i++) {
        size_t of = (size_t)b[i].n;
        count[i] = b[i].n;
        if (of) memcpy(box + i * cap, b[i].box, of * sizeof *box);
        if (of && b[i].label) memcpy(labels + i * cap, b[i].label, of * sizeof *labels);
        if (of && b[i].ignore) memcpy(ignores + i * cap, b[i].ignore, of);
    }
    BL_TRY(bl_upload(ctx, BL_F32, n * cap, 4, box, &out->box));
    BL_TRY(bl_upload(ctx, BL_I32, n, 1, count, &out->count));
    if (label) BL_TRY(bl_upload(ctx, BL_I32, n * cap, 1, labels, &out->label));
    if (ignore) BL_TRY(bl_upload(ctx, BL_U8, n * cap, 1, ignores, &out->ignore));
    return BL_OK;
}

bl_status bl_boxes_read(bl_ctx *ctx, const bl_box_lists *l, bl_boxes *out) {
    bl_boxes all;
    int32_t *count = BL_NEW_ARRAY(ctx->arena, int32_t, l->images);
    if (!count) return BL_ENOMEM;
    BL_TRY(bl_boxes_new(ctx->arena, (int32_t)(l->images * l->cap), false, l->score != NULL, &all));
    BL_TRY(bl_download(ctx, l->count, count));
    BL_TRY(bl_download(ctx, l->box, all.box));
    if (l->score) BL_TRY(bl_download(ctx, l->score, all.score));
    for (int32_t i = 0; i < l->images; i++) {
        out[i] = (bl_boxes){.n = count[i], .box = all.box + i * l->cap};
        if (l->score) out[i].score = all.score + i * l->cap;
    }
    return BL_OK;
}
