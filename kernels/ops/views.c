/* Views of small 8-bit images, made on the device. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/internal.h"

enum { PLAN_WORDS = sizeof(bl_view_plan) / 4, STEP_WORDS = sizeof(bl_view_step) / 4 };

static bl_status check_plan(const bl_tensor *images, const bl_view_plan *p, int64_t i,
                            int64_t n_steps) {
    if (p->image < 0 || p->image >= images->n) {
        return bl_fail(BL_EINVAL, "make_views: view %lld wants image %d of %s", (long long)i,
                       p->image, bl_shape(images).s);
    }
    int64_t dx = p->dx < 0 ? -(int64_t)p->dx : p->dx, dy = p->dy < 0 ? -(int64_t)p->dy : p->dy;
    if (p->reflect && (dx >= images->w || dy >= images->h)) {
        return bl_fail(BL_EINVAL, "make_views: view %lld, moved by %d,%d px, cannot be mirrored",
                       (long long)i, p->dx, p->dy);
    }
    if (p->first < 0 || p->steps < 0 || (int64_t)p->first + p->steps > n_steps) {
        return bl_fail(BL_EINVAL, "make_views: view %lld wants %d steps from %d on, of %lld",
                       (long long)i, p->steps, p->first, (long long)n_steps);
    }
    return BL_OK;
}

static bl_status check_step(const bl_tensor *images, const bl_view_step *s, int64_t i) {
    bool known = s->op >= 0 && s->op <= BL_VIEW_CUTOUT, finite = true;
    for (int k = 0; k < 6; k++) finite = finite && fabs(s->v[k]) < 1e6;
    if (known && finite && s->op == BL_VIEW_TURN) {
        int turns = (int)s->v[0];
        known = turns >= 0 && turns <= 3 && (turns % 2 == 0 || images->w == images->h);
    }
    if (known && finite) return BL_OK;
    return bl_fail(BL_EINVAL, "make_views: step %lld (operation %d, %g ...) is not possible on %s",
                   (long long)i, s->op, s->v[0], bl_shape(images).s);
}

/* A batch has more steps or fewer; a power of two of them is sent, so that the same command comes
 * back from batch to batch and is replayed. */
static bl_status upload_steps(bl_ctx *ctx, const bl_view_step *step, int64_t n, bl_tensor **out) {
    int64_t room = 1;
    while (room < n) room *= 2;
    bl_view_step *all = calloc((size_t)room, sizeof *all);
    if (!all) return bl_no_memory("for the steps of %lld views", (long long)n);
    if (n > 0) memcpy(all, step, (size_t)n * sizeof *all);
    bl_status status = bl_upload(ctx, BL_I32, room, STEP_WORDS, all, out);
    free(all);
    return status;
}

bl_status bl_make_views(bl_ctx *ctx, const bl_tensor *images, const bl_view_plan *plan, int64_t n,
                        const bl_view_step *step, int64_t n_steps, const float mean[3],
                        const float std[3], bl_tensor **out) {
    *out = NULL;
    if (images->dtype != BL_U8 || images->c != 3 || images->cb != 3 || n < 0 || n_steps < 0 ||
        images->h * images->w > INT32_MAX / 3) {
        return bl_fail(BL_EINVAL, "make_views: %lld views of %s (block %d) are not possible",
                       (long long)n, bl_shape(images).s, images->cb);
    }
    for (int64_t i = 0; i < n; i++) BL_TRY(check_plan(images, &plan[i], i, n_steps));
    for (int64_t i = 0; i < n_steps; i++) BL_TRY(check_step(images, &step[i], i));
    bl_tensor *y, *plans, *steps;
    int32_t cb = ctx->cb == 0 ? 3 : 1; /* 3 of 8 or 16 channels would be a waste */
    BL_TRY(bl_tensor_new(ctx, n, 3, images->h, images->w, cb, BL_F32, &y));
    BL_TRY(bl_upload(ctx, BL_I32, n, PLAN_WORDS, plan, &plans));
    BL_TRY(upload_steps(ctx, step, n_steps, &steps));
    if (bl_storage(y) > 0) {
        const bl_pixel_scale scale = {{mean[0], mean[1], mean[2]}, {std[0], std[1], std[2]}};
        BL_TRY(ctx->k->views(images->data, plans->data, steps->data, &scale, y));
    }
    bl_tensor_drop(ctx, plans);
    bl_tensor_drop(ctx, steps);
    *out = y;
    return BL_OK;
}
