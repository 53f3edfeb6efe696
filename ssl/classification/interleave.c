#include "ssl/classification/interleave.h"

bl_status bl_interleaved_features(bl_classify_step *s, bl_classify_branch *weak,
                                  bl_classify_branch *strong) {
    bl_tensor *part[2 + BL_CLASSIFY_MAX_STRONG] = {s->x.z, s->weak.z}, *all, *mixed;
    int32_t labelled = s->x.n, n = s->weak.n, views = 1 + s->n_strong;
    if (labelled < 1 || n % labelled != 0)
        return bl_fail(BL_EINVAL,
                       "%d unlabelled rows cannot be interleaved with %d labelled ones: not a "
                       "multiple",
                       (int)n, (int)labelled);
    int32_t size = views * (n / labelled) + 1, rows = labelled * size;
    int32_t *from = BL_NEW_ARRAY(s->ctx->arena, int32_t, rows);
    if (!from) return BL_ENOMEM;
    for (int32_t r = 0; r < rows; r++) from[r] = r % labelled * size + r / labelled;
    for (int v = 0; v < s->n_strong; v++) part[2 + v] = s->strong[v].z;
    BL_TRY(bl_concat(s->ctx, part, 1 + views, &all));
    BL_TRY(bl_rows(s->ctx, all, from, rows, &mixed));
    for (int v = 0; v < views; v++) {
        bl_classify_branch *to = v == 0 ? weak : &strong[v - 1];
        *to = (bl_classify_branch){.n = n};
        BL_TRY(bl_slice(s->ctx, mixed, labelled + (int64_t)v * n, n, &to->z));
    }
    bl_tensor_drop(s->ctx, all);
    bl_tensor_drop(s->ctx, mixed);
    return BL_OK;
}
