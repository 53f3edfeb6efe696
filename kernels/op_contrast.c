/* Contrast of feature rows with class centres and reliable negatives. As with the other losses the
 * forward kernel computes the gradient too. */
#include "kernels/internal.h"

static bl_status contrast_backward(bl_ctx *ctx, bl_node *node) {
    bl_tensor *dx;
    float beta, seed;
    BL_TRY(bl_scalar(ctx, node->out->grad, &seed));
    BL_TRY(bl_grad_target(ctx, node->in[0], &dx, &beta));
    if (dx) ctx->k->axpby(seed, bl_f32(node->saved[0]), beta, bl_f32(dx), bl_storage(dx));
    return BL_OK;
}

static const bl_op contrast_op = {"contrast_loss", contrast_backward};

static bl_status check(const bl_tensor *e, const bl_contrast *a) {
    if (e->h != 1 || e->w != 1) {
        return bl_fail(BL_EINVAL, "contrast_loss: input %s is not a matrix (N,D)", bl_shape(e).s);
    }
    if (!(a->negative_temperature > 0 && a->negative_factor >= 0) || a->n_classes < 1) {
        return bl_fail(BL_EINVAL,
                       "contrast_loss: %d classes, temperature %g, factor %g are not possible",
                       a->n_classes, (double)a->negative_temperature, (double)a->negative_factor);
    }
    for (int32_t c = 0; c < a->n_classes; c++) {
        if (!(a->temperature[c] > 0)) {
            return bl_fail(BL_EINVAL, "contrast_loss: the temperature of class %d is %g", c,
                           (double)a->temperature[c]);
        }
    }
    for (int64_t i = 0; i < e->n; i++) {
        if (a->label[i] < 0 || a->label[i] >= a->n_classes) {
            return bl_fail(BL_EINVAL, "contrast_loss: label[%lld] = %d is not in [0,%d)",
                           (long long)i, a->label[i], a->n_classes);
        }
    }
    return BL_OK;
}

/* The factor of every row's loss: 0 where its class has no centre or nothing to be told from. */
static void row_factors(const bl_contrast *a, int64_t n, float scale, float *factor) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        bool usable = a->present[a->label[i]] != 0, negatives = false;
        const uint8_t *row = a->negative + (int64_t)a->label[i] * n;
        for (int64_t j = 0; j < n && !negatives; j++) negatives = row[j] != 0;
        factor[i] = usable && negatives ? a->weight[i] : 0;
        sum += (double)factor[i];
    }
    for (int64_t i = 0; i < n; i++) factor[i] = (float)(scale * (double)factor[i] / (sum + 1e-8));
}

bl_status bl_contrast_loss(bl_ctx *ctx, bl_tensor *e, const bl_contrast *a, float scale,
                           bl_tensor **loss) {
    *loss = NULL;
    BL_TRY(check(e, a));
    int64_t n = e->n, d = e->c, k = a->n_classes;
    float *factor = BL_NEW_ARRAY(ctx->arena, float, n),
          *mask = BL_NEW_ARRAY(ctx->arena, float, k *n);
    if (!factor || !mask) return BL_ENOMEM;
    row_factors(a, n, scale, factor);
    for (int64_t j = 0; j < k * n; j++) mask[j] = a->negative[j] != 0;
    bool made;
    double value = 0;
    bl_tensor *gradient, *unit, *label, *weight, *negative, *centre, *temperature;
    BL_TRY(bl_as_block(ctx, e, 1, &e, &made));
    BL_TRY(bl_tensor_like(ctx, e, &gradient));
    BL_TRY(bl_tensor_new(ctx, n, d + 1, 1, 1, 1, BL_F32, &unit));
    BL_TRY(bl_upload(ctx, BL_I32, n, 1, a->label, &label));
    BL_TRY(bl_upload(ctx, BL_F32, n, 1, factor, &weight));
    BL_TRY(bl_upload(ctx, BL_F32, k, n, mask, &negative));
    BL_TRY(bl_upload(ctx, BL_F32, k, d, a->centre, &centre));
    BL_TRY(bl_upload(ctx, BL_F32, k, 1, a->temperature, &temperature));
    if (n > 0) {
        bl_contrast_rows rows = {.n = n,
                                 .d = d,
                                 .k = k,
                                 .label = label->data,
                                 .weight = bl_f32(weight),
                                 .negative = bl_f32(negative),
                                 .centre = bl_f32(centre),
                                 .temperature = bl_f32(temperature),
                                 .negative_temperature = a->negative_temperature,
                                 .negative_factor = a->negative_factor};
        value = ctx->k->contrast(bl_f32(e), &rows, bl_f32(unit), bl_f32(gradient));
    }
    bl_tensor *lists[] = {unit, label, weight, negative, centre, temperature};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) bl_tensor_drop(ctx, lists[i]);
    BL_TRY(bl_scalar_new(ctx, (float)value, loss));
    if (bl_tape_wants(ctx, &e, 1)) {
        BL_TRY(bl_tape_push(ctx, &contrast_op, &e, 1, *loss, &gradient, 1, NULL));
    }
    bl_tensor_drop(ctx, gradient);
    if (made) bl_tensor_drop(ctx, e);
    return BL_OK;
}
