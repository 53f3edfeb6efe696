/* What the timings of training steps share. */
#ifndef BALLAST_BENCH_STEP_H
#define BALLAST_BENCH_STEP_H

#include "kernels/ctx.h"
#include "kernels/kernels.h"

double bench_now_ms(void);
double bench_peak_mb(void); /* of this process, host memory */
int bench_ascending(const void *a, const void *b);

/* A deterministic context by names; NULL = "auto" and "fp32". A precision may end in "+graphs". */
bl_status bench_context(const char *device, const char *precision, bl_ctx **out);

/* Counts the multiplications and additions of a context's convolutions and matrix products, two a
 * product, by standing before its kernel table. All else in a step is small beside them. */
typedef struct bench_counter {
    bl_kernels k; /* first: the context points to it */
    const bl_kernels *inner;
    double flop;
} bench_counter;
void bench_count_begin(bl_ctx *ctx, bench_counter *c);
void bench_count_end(bl_ctx *ctx, bench_counter *c);

#endif
