#include "nn/fpn.h"

#include <stdio.h>
#include <stdlib.h>

enum { LEVELS = 4 };

struct bl_fpn {
    bl_conv_layer lateral[LEVELS], output[LEVELS];
};

static bl_status declare(bl_store *s, const char *prefix, const char *part, int i, int32_t in,
                         int32_t out, int32_t kernel, bl_norm_type norm, int32_t groups,
                         bl_conv_layer *l) {
    char conv[128], bn[128];
    int n = snprintf(conv, sizeof conv, "%s.%s.%d.conv", prefix, part, i);
    if (n < 0 || n >= (int)sizeof conv)
        return bl_fail(BL_EINVAL, "pyramid: the name prefix %.40s is too long", prefix);
    snprintf(bn, sizeof bn, "%s.%s.%d.%s", prefix, part, i, norm == BL_NORMTYPE_GN ? "gn" : "bn");
    bl_conv_spec spec = {.conv_name = conv,
                         .norm_name = bn,
                         .in = in,
                         .out = out,
                         .kernel = kernel,
                         .stride = 1,
                         .pad = kernel / 2,
                         .dilation = 1,
                         .bias = norm == BL_NORMTYPE_NONE,
                         .norm = norm,
                         .groups = groups,
                         .act = BL_ACT_NONE,
                         .init = BL_INIT_XAVIER_UNIFORM,
                         .trainable = true,
                         .decay_norm = true};
    return bl_conv_layer_declare(s, &spec, l);
}

bl_status bl_fpn_create(const int32_t in[4], int32_t channels, bl_norm_type norm, int32_t groups,
                        bl_store *s, const char *prefix, bl_fpn **out) {
    *out = NULL;
    if (channels < 1) return bl_fail(BL_EINVAL, "pyramid: %d channels", channels);
    bl_fpn *f = calloc(1, sizeof *f);
    if (!f) return bl_no_memory("for the pyramid");
    bl_status status = BL_OK;
    for (int i = 0; i < LEVELS && status == BL_OK; i++)
        status = declare(s, prefix, "lateral_convs", i, in[i], channels, 1, norm, groups,
                         &f->lateral[i]);
    for (int i = 0; i < LEVELS && status == BL_OK; i++)
        status =
            declare(s, prefix, "fpn_convs", i, channels, channels, 3, norm, groups, &f->output[i]);
    if (status != BL_OK) {
        bl_fpn_destroy(f);
        return status;
    }
    *out = f;
    return BL_OK;
}

void bl_fpn_destroy(bl_fpn *f) {
    free(f);
}

bl_status bl_fpn_forward(bl_ctx *ctx, const bl_fpn *f, bool train, bl_tensor *const c[4],
                         bl_tensor *p[5]) {
    bl_tensor *above = NULL;
    for (int i = LEVELS - 1; i >= 0; i--) {
        bl_tensor *t = NULL;
        BL_TRY(bl_conv_layer_apply(ctx, &f->lateral[i], train, c[i], NULL, &t));
        bl_tensor_drop(ctx, c[i]);
        if (above) {
            bl_tensor *sum = NULL;
            BL_TRY(bl_upsample_add(ctx, t, above, &sum));
            bl_tensor_drop(ctx, t);
            bl_tensor_drop(ctx, above);
            t = sum;
        }
        BL_TRY(bl_conv_layer_apply(ctx, &f->output[i], train, t, NULL, &p[i]));
        above = t;
    }
    bl_tensor_drop(ctx, above);
    return bl_max_pool(ctx, p[LEVELS - 1], 1, 2, 0, &p[LEVELS]);
}
