/* A toy batch and single checks whose values an independent program computed in double precision;
 * here the fp32 ops do, so they are equal to a few units of the seventh digit. */
#include "kernels/ops.h"
#include "tests/check.h"

static const float z[] = {2, -1, 0.5f, 0, 0.1f, 0.2f, -0.3f, 1.5f, -0.5f, 1, 0.25f, -2};
static const int32_t label[] = {2, 3, 0};
/* Class-balanced weights of counts 1000, 300, 40, 5 with beta 0.9999, and LDAM's margins. */
static const double cb[] = {0.01831247, 0.05896432, 0.43653638, 3.48618683};
static const float margin[] = {0.132957397424f, 0.179652055982f, 0.297301778751f, 0.5f};

static double loss_of(bl_ctx *ctx, const float *x, const int32_t *y, const float *w, int64_t n,
                      int64_t k, const bl_softmax_attr *a, double scale) {
    bl_tensor *t, *loss;
    float value;
    bl_step_begin(ctx, false);
    CHECK_OK(bl_tensor_from_host(ctx, x, n, k, 1, 1, 1, &t));
    CHECK_OK(bl_adjusted_softmax_loss(ctx, t, y, w, a, (float)scale, &loss));
    CHECK_OK(bl_scalar(ctx, loss, &value));
    bl_step_end(ctx);
    return value;
}

#define NEAR(got, want) CHECK_NEAR(got, want, 4e-7 * fabs(want))

static void toy_batch(bl_ctx *ctx) {
    float w[3], cosine[12], adjust[4];
    double sum = 0;
    for (int i = 0; i < 3; i++) sum += w[i] = (float)cb[label[i]];
    const bl_softmax_attr plain = {0};
    static const double ce[] = {1.842349582390, 0.521425829660, 2.056917167795};
    for (int i = 0; i < 3; i++)
        NEAR(loss_of(ctx, z + 4 * i, label + i, NULL, 1, 4, &plain, 1), ce[i]);
    NEAR(loss_of(ctx, z, label, NULL, 3, 4, &plain, 1.0 / 3), 1.473564193282);
    NEAR(loss_of(ctx, z, label, w, 3, 4, &plain, 1 / sum), 0.674875318083);
    NEAR(loss_of(ctx, z, label, w, 3, 4, &plain, 1.0 / 3), 0.886569036209);

    static const struct {
        float gamma;
        double focal, coded, textbook;
    } focal[] = {{0.5f, 1.314472222713, 0.756250554082, 0.643898322602},
                 {1, 1.185417882427, 0.656137243411, 0.482763351106},
                 {2, 0.985154085947, 0.506994335013, 0.299451547696}};
    for (int i = 0; i < 3; i++) {
        bl_softmax_attr a = {.focal = focal[i].gamma};
        NEAR(loss_of(ctx, z, label, NULL, 3, 4, &a, 1.0 / 3), focal[i].focal);
        NEAR(loss_of(ctx, z, label, w, 3, 4, &a, 1.0 / 3), focal[i].textbook);
        a.weight_in_focal = true;
        NEAR(loss_of(ctx, z, label, w, 3, 4, &a, 1.0 / 3), focal[i].coded);
    }

    for (int i = 0; i < 12; i++) cosine[i] = (float)tanh(z[i] / 2.0);
    const bl_softmax_attr ldam = {.gain = 30, .margin = margin};
    static const double each[] = {24.419318169226, 0.352599069213, 25.199836260890};
    for (int i = 0; i < 3; i++) {
        /* The gain of 30 magnifies the rounding of the cosines. */
        CHECK_NEAR(loss_of(ctx, cosine + 4 * i, label + i, NULL, 1, 4, &ldam, 1), each[i], 5e-6);
    }
    NEAR(loss_of(ctx, cosine, label, NULL, 3, 4, &ldam, 1.0 / 3), 16.657251166443);
    CHECK_NEAR(loss_of(ctx, cosine, label, w, 3, 4, &ldam, 1 / sum), 3.133850888939, 2e-6);

    static const double counts[] = {1000, 300, 40, 5};
    for (int k = 0; k < 4; k++) adjust[k] = (float)log(counts[k] / 1345);
    const bl_softmax_attr la = {.bias = adjust};
    static const double adjusted[] = {4.743117607394, 4.219414928463, 0.888015682766};
    static const int post_hoc[] = {3, 3, 2};
    for (int i = 0; i < 3; i++) {
        int best = 0;
        NEAR(loss_of(ctx, z + 4 * i, label + i, NULL, 1, 4, &la, 1), adjusted[i]);
        for (int k = 1; k < 4; k++)
            if (z[4 * i + k] - adjust[k] > z[4 * i + best] - adjust[best]) best = k;
        CHECK_EQ(best, post_hoc[i]);
    }
    NEAR(loss_of(ctx, z, label, NULL, 3, 4, &la, 1.0 / 3), 3.283516072874);
}

/* Logits (2,1,0), priors (.7,.2,.1), class 3; printed to four decimals. */
static void adjustment(bl_ctx *ctx) {
    static const float x[] = {2, 1, 0};
    const int32_t last = 2;
    for (int tau = 1; tau <= 2; tau++) {
        float bias[] = {(float)(tau * log(0.7)), (float)(tau * log(0.2)), (float)(tau * log(0.1))};
        const bl_softmax_attr a = {.bias = bias};
        CHECK_NEAR(loss_of(ctx, x, &last, NULL, 1, 3, &a, 1), tau == 1 ? 4.0632 : 5.9241, 5e-5);
    }
}

/* A masked mean divides by the whole batch: rows of weight 0 count in the divisor only. */
static void masked_mean(bl_ctx *ctx) {
    const float mask[] = {1, 0, 1};
    const bl_softmax_attr plain = {0};
    NEAR(loss_of(ctx, z, label, mask, 3, 4, &plain, 1.0 / 3),
         (1.842349582390 + 2.056917167795) / 3);
}

/* Hard targets are the special case of soft ones; a uniform prediction has entropy ln K. */
static void soft(bl_ctx *ctx) {
    float target[12] = {0}, value;
    const float flat[] = {3, 3, 3, 3};
    for (int i = 0; i < 3; i++) target[4 * i + label[i]] = 1;
    bl_tensor *t, *loss;
    bl_step_begin(ctx, false);
    CHECK_OK(bl_tensor_from_host(ctx, z, 3, 4, 1, 1, 1, &t));
    CHECK_OK(bl_soft_target_loss(ctx, t, target, NULL, NULL, 1.0f / 3, &loss));
    CHECK_OK(bl_scalar(ctx, loss, &value));
    NEAR(value, 1.473564193282);
    CHECK_OK(bl_tensor_from_host(ctx, flat, 1, 4, 1, 1, 1, &t));
    CHECK_OK(bl_entropy_loss(ctx, t, NULL, 1, &loss));
    CHECK_OK(bl_scalar(ctx, loss, &value));
    NEAR(value, log(4));
    bl_step_end(ctx);
}

int main(void) {
    const char *backends[] = {"ref", "auto"};
    for (int i = 0; i < 2; i++) {
        bl_ctx *ctx;
        bl_ctx_options opt = {.backend = backends[i], .deterministic = 1};
        CHECK_OK(bl_ctx_create(&opt, &ctx));
        toy_batch(ctx);
        adjustment(ctx);
        masked_mean(ctx);
        soft(ctx);
        bl_ctx_destroy(ctx);
    }
    return 0;
}
