#include "kernels/internal.h"

enum { MAX_MAPS = BL_NODE_IN, LOC_INTS = sizeof(bl_loc) / sizeof(int32_t) };

typedef struct gather_node {
    int n_maps;
    int32_t per;
} gather_node;

static bl_status gather_backward(bl_ctx *ctx, bl_node *node) {
    const gather_node *a = node->attr;
    bl_tensor *dmaps[MAX_MAPS] = {NULL};
    BL_TRY(bl_grad_target_maps(ctx, node->in, a->n_maps, dmaps));
    ctx->k->scatter_add(bl_f32(node->out->grad), node->saved[0]->data, node->saved[0]->n, a->per,
                        a->n_maps, dmaps);
    return BL_OK;
}

static const bl_op gather_op = {"gather", gather_backward};

static bl_status check(bl_tensor *const *maps, int n_maps, const bl_loc *loc, int64_t count,
                       int32_t per) {
    if (n_maps < 1 || n_maps > MAX_MAPS || count < 0 || per < 1) {
        return bl_fail(BL_EINVAL, "gather: %d maps, %lld locations of %d values are not possible",
                       n_maps, (long long)count, per);
    }
    for (int i = 1; i < n_maps; i++) {
        if (maps[i]->dtype != maps[0]->dtype) {
            return bl_fail(BL_EINVAL, "gather: maps 0 and %d differ in type", i);
        }
    }
    for (int64_t i = 0; i < count; i++) {
        const bl_loc *l = &loc[i];
        const bl_tensor *m = l->level >= 0 && l->level < n_maps ? maps[l->level] : NULL;
        if (!m || l->n < 0 || l->n >= m->n || l->y < 0 || l->y >= m->h || l->x < 0 ||
            l->x >= m->w || l->a < 0 || ((int64_t)l->a + 1) * per > m->c) {
            return bl_fail(BL_EINVAL,
                           "gather: location %lld (image %d, level %d, y %d, x %d, anchor %d) lies "
                           "outside the maps",
                           (long long)i, l->n, l->level, l->y, l->x, l->a);
        }
    }
    return BL_OK;
}

bl_status bl_gather(bl_ctx *ctx, bl_tensor *const *maps, int n_maps, const bl_loc *loc,
                    int64_t count, int32_t per, bl_tensor **out) {
    /* *out stays untouched until the end: it may be an element of maps. */
    BL_TRY(check(maps, n_maps, loc, count, per));
    bl_tensor *list;
    BL_TRY(bl_upload(ctx, BL_I32, count, LOC_INTS, loc, &list));
    BL_TRY(bl_gather_list(ctx, maps, n_maps, list, per, out));
    bl_tensor_drop(ctx, list);
    return BL_OK;
}

bl_status bl_gather_list(bl_ctx *ctx, bl_tensor *const *maps, int n_maps, bl_tensor *loc,
                         int32_t per, bl_tensor **out) {
    bl_tensor *y;
    BL_TRY(bl_tensor_new(ctx, loc->n, per, 1, 1, 1, BL_F32, &y));
    if (loc->n > 0) {
        ctx->k->gather((const bl_tensor *const *)maps, n_maps, loc->data, loc->n, per, bl_f32(y));
    }
    if (bl_tape_wants(ctx, maps, n_maps)) {
        gather_node *attr = BL_NEW(ctx->arena, gather_node);
        if (!attr) return BL_ENOMEM;
        *attr = (gather_node){n_maps, per};
        BL_TRY(bl_tape_push(ctx, &gather_op, maps, n_maps, y, &loc, 1, attr));
    }
    *out = y;
    return BL_OK;
}
