#include "tests/grad/gradcheck.h"

/* Classes: 0 with two rows, 1 with two of which one counts, 2 without a centre, 3 without
 * negatives, 4 without rows. */
static const int32_t label[] = {0, 1, 0, 2, 1, 3, 3};
static const float weight[] = {1, 1, 0.5f, 1, 0, 1, 1};
static const uint8_t present[] = {1, 1, 0, 1, 1};
static const uint8_t negative[5][7] = {{0, 1, 0, 1, 0, 0, 1},
                                       {1, 0, 0, 1, 0, 1, 0},
                                       {1, 1, 0, 0, 0, 0, 0},
                                       {0, 0, 0, 0, 0, 0, 0},
                                       {1, 1, 1, 1, 1, 1, 1}};
static const float centre[] = {1, 2, -1, 0.5f, -1, 1, 0, 0, 0, 1, 1, 1, 2, 2, 2};
static const float temperature[] = {0.4f, 0.5f, 0.5f, 0.5f, 0.5f};
static const bl_contrast contrast_case = {5,           label, weight, negative[0], centre, present,
                                          temperature, 0.6f,  3};

static bl_status contrast(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    return bl_contrast_loss(ctx, in[0], arg, 0.7f, out);
}

/* Two classes, two rows of unit length: worked out by hand. */
static void value(bl_ctx *ctx) {
    static const float e[4] = {2, 0, 0, 3}, c[4] = {4, 0, 3, 4}, tau[2] = {0.5f, 1}, r[2] = {1, 1};
    static const int32_t y[2] = {0, 1};
    static const uint8_t all[2] = {1, 1}, neg[4] = {0, 1, 1, 0};
    bl_contrast a = {2, y, r, neg, c, all, tau, 0.1f, 64};
    bl_tensor *x, *loss;
    float got;
    bl_step_begin(ctx, false);
    CHECK_OK(bl_tensor_from_host(ctx, e, 2, 2, 1, 1, 1, &x));
    CHECK_OK(bl_contrast_loss(ctx, x, &a, 1, &loss));
    CHECK_OK(bl_scalar(ctx, loss, &got));
    double first = log((exp(2) + 64) / exp(2)), second = log((exp(0.8) + 64) / exp(0.8));
    CHECK_NEAR(got, (first + second) / 2, 1e-6);
    a.weight = (const float[]){0, 0}; /* nothing reliable: no loss */
    CHECK_OK(bl_contrast_loss(ctx, x, &a, 1, &loss));
    CHECK_OK(bl_scalar(ctx, loss, &got));
    CHECK_NEAR(got, 0, 0);
    a.label = (const int32_t[]){0, 2};
    CHECK_FAILS(bl_contrast_loss(ctx, x, &a, 1, &loss), BL_EINVAL, "label[1] = 2");
    bl_step_end(ctx);
}

static void all(bl_ctx *ctx) {
    const gc_case cases[] = {
        {"contrast", {gc_map(7, 3, 1, 1, 1)}, 1, contrast, &contrast_case, 0, 0},
        {"contrast, blocked", {gc_map(7, 3, 1, 1, 8)}, 1, contrast, &contrast_case, 0, 0},
        {"contrast, no rows", {gc_map(0, 3, 1, 1, 1)}, 1, contrast, &contrast_case, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) gc_check(ctx, &cases[i]);
    value(ctx);
}

int main(void) {
    return gc_main(all);
}
