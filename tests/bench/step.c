#include "tests/bench/step.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

double bench_now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

double bench_peak_mb(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024.0;
}

int bench_ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

bl_status bench_context(const char *device, const char *precision, bl_ctx **out) {
    int p = BL_PRECISION_FP32;
    const char *plus = precision ? strchr(precision, '+') : NULL;
    bool graphs = plus && strcmp(plus, "+graphs") == 0;
    char name[16];
    *out = NULL;
    if (graphs) {
        snprintf(name, sizeof name, "%.*s", (int)(plus - precision), precision);
        precision = name;
    }
    while (precision && p < BL_PRECISIONS && strcmp(precision, bl_precision_name(p)) != 0) p++;
    if (p == BL_PRECISIONS)
        return bl_fail(BL_ECONFIG,
                       "precision \"%s\" is not known; use fp32, tf32, bf16 or fp16, any of them "
                       "with +graphs",
                       precision);
    const bl_ctx_options opt = {
        .device = device, .deterministic = 1, .precision = (bl_precision)p, .graphs = graphs};
    return bl_ctx_create(&opt, out);
}

static bench_counter *counter(bl_ctx *ctx) {
    return (bench_counter *)ctx->k;
}

static double conv_flop(const bl_conv_shape *s) {
    return 2.0 * s->n * s->oc * s->oh * s->ow * s->ic * s->kh * s->kw;
}

static bl_status conv_fwd(bl_ctx *ctx, const bl_conv_shape *s, const void *x, const float *w,
                          const float *b, bool relu, void *y) {
    counter(ctx)->flop += conv_flop(s);
    return counter(ctx)->inner->conv_fwd(ctx, s, x, w, b, relu, y);
}

static bl_status conv_bwd_data(bl_ctx *ctx, const bl_conv_shape *s, const void *dy, const float *w,
                               void *dx, float beta) {
    counter(ctx)->flop += conv_flop(s);
    return counter(ctx)->inner->conv_bwd_data(ctx, s, dy, w, dx, beta);
}

static bl_status conv_bwd_weights(bl_ctx *ctx, const bl_conv_shape *s, const void *x,
                                  const void *dy, float *dw, float *db) {
    counter(ctx)->flop += conv_flop(s);
    return counter(ctx)->inner->conv_bwd_weights(ctx, s, x, dy, dw, db);
}

static bl_status matmul(bl_ctx *ctx, bool ta, bool tb, int64_t m, int64_t n, int64_t k, bl_dtype in,
                        const void *a, const void *b, float beta, bl_dtype out, void *c) {
    counter(ctx)->flop += 2.0 * (double)m * (double)n * (double)k;
    return counter(ctx)->inner->matmul(ctx, ta, tb, m, n, k, in, a, b, beta, out, c);
}

void bench_count_begin(bl_ctx *ctx, bench_counter *c) {
    *c = (bench_counter){.k = *ctx->k, .inner = ctx->k};
    c->k.conv_fwd = conv_fwd;
    c->k.conv_bwd_data = conv_bwd_data;
    c->k.conv_bwd_weights = conv_bwd_weights;
    c->k.matmul = matmul;
    ctx->k = &c->k;
}

void bench_count_end(bl_ctx *ctx, bench_counter *c) {
    ctx->k = c->inner;
}
