/* The algorithms for 3x3 convolutions side by side: oneDNN's direct and Winograd (where it has one)
 * and our own Winograd, in three directions; a star marks what a deterministic context chooses.
 *
 *   bench_convolutions [--threads N] [--ms BUDGET] [--clock wall|cpu] [--filter TEXT]
 *
 * GFLOP/s by the count of direct convolution, the best of as many runs in turn as fit the budget
 * (default 100 ms for each algorithm). --clock cpu: processor time, for machines that others use
 * too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/parallel.h"
#include "kernels/backend.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/plans.h"
#include "tests/check.h"

static const char *const direction[] = {"forward", "data gradient", "weight gradient"};

typedef struct bench {
    bl_kernels k;
    bl_ctx ctx;
    double budget_ms;
    clockid_t clock;
    float *x, *w, *y;
} bench;

static double now_ms(const bench *b) {
    struct timespec t;
    clock_gettime(b->clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static float *random_array(int64_t n) {
    float *p = aligned_alloc(64, (size_t)(n + 15) / 16 * 64);
    uint64_t s = 1;
    CHECK(p);
    for (int64_t i = 0; i < n; i++) {
        s = s * 6364136223846793005ull + 1442695040888963407ull;
        p[i] = (float)(s >> 40) * 0x1p-23f - 1.0f;
    }
    return p;
}

static double once(bench *b, const bl_conv_shape *s, int dir, bl_plans *plans) {
    b->ctx.plans = plans;
    double t = now_ms(b);
    if (dir == DN_FWD) {
        CHECK_OK(b->k.conv_fwd(&b->ctx, s, b->x, b->w, NULL, true, b->y));
    } else if (dir == DN_BWD_DATA) {
        CHECK_OK(b->k.conv_bwd_data(&b->ctx, s, b->y, b->w, b->x, 0));
    } else {
        CHECK_OK(b->k.conv_bwd_weights(&b->ctx, s, b->x, b->y, b->w, NULL));
    }
    return now_ms(b) - t;
}

/* The algorithm of a deterministic context's plan: what `only` would force. */
static void find_chosen(void *arg, const char *text) {
    int *chosen = arg;
    *chosen = strstr(text, "ballast winograd") ? PLAN_OWN_WINOGRAD : PLAN_DIRECT;
}

static bool available(const bl_conv_shape *s, int alg) {
    if (alg == PLAN_ONEDNN_WINOGRAD) return bl_onednn_has_winograd(s);
    return alg == PLAN_DIRECT || bl_winograd_fitting(s);
}

static void measure(bench *b, const bl_conv_shape *s, int dir) {
    bl_plans *plans[PLAN_ALGS] = {NULL}, *rule;
    double best[PLAN_ALGS], gflop = 2e-6 * s->n * s->oc * s->oh * s->ow * s->ic * 9;
    int chosen = 0, n = 0;
    for (int alg = 0; alg < PLAN_ALGS; alg++) {
        best[alg] = 1e30;
        if (!available(s, alg)) continue;
        CHECK_OK(bl_plans_create_cpu(NULL, 1, &plans[alg]));
        plans[alg]->only = 1u << alg;
        once(b, s, dir, plans[alg]);
        n++;
    }
    CHECK_OK(bl_plans_create_cpu(NULL, 1, &rule));
    once(b, s, dir, rule);
    bl_plans_describe_cpu(rule, find_chosen, &chosen);
    bl_plans_destroy_cpu(rule);
    double end = now_ms(b) + b->budget_ms * n;
    for (int run = 0; run < 3 || (run < 1000 && now_ms(b) < end); run++) {
        for (int alg = 0; alg < PLAN_ALGS; alg++) {
            double ms = plans[alg] ? once(b, s, dir, plans[alg]) : 1e30;
            if (ms < best[alg]) best[alg] = ms;
        }
    }
    printf("%4d x %3d -> %3d, %3dx%-3d  %-15s", s->n, s->ic, s->oc, s->ih, s->iw, direction[dir]);
    for (int alg = 0; alg < PLAN_ALGS; alg++) {
        if (plans[alg]) {
            printf("  %9.1f%c", gflop / best[alg], alg == chosen ? '*' : ' ');
        } else {
            printf("  %9s ", "-");
        }
        bl_plans_destroy_cpu(plans[alg]);
    }
    printf("\n");
    fflush(stdout);
}

static void all_shapes(bench *b, const char *filter) {
    static const int32_t list[][4] = {/* n ic size oc */
                                      {64, 16, 32, 16},  {64, 32, 32, 32},  {64, 64, 16, 64},
                                      {64, 128, 8, 128}, {320, 32, 32, 32}, {320, 128, 8, 128},
                                      {8, 64, 8, 64},    {4, 32, 16, 32},   {2, 64, 128, 64},
                                      {2, 64, 80, 64},   {2, 128, 40, 128}, {2, 256, 20, 256},
                                      {2, 256, 10, 256}, {2, 256, 80, 256}, {2, 256, 64, 256},
                                      {2, 512, 16, 512}, {2, 512, 10, 512}, {1, 64, 16, 64},
                                      {1, 128, 20, 128}, {2, 256, 12, 256}, {4, 48, 12, 96}};
    int32_t cb = bl_cpu_block();
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const int32_t *q = list[i];
        bl_conv_shape s = {q[0], q[1], q[2], q[2], cb, q[3], q[2], q[2], cb, 3, 3, 1, 1, 1, BL_F32};
        char name[64];
        snprintf(name, sizeof name, "%dx%d-%d,%d", s.n, s.ic, s.oc, s.ih);
        if (filter && !strstr(name, filter)) continue;
        int64_t pixels = (int64_t)s.n * s.ih * s.iw;
        b->x = random_array(pixels * ((s.ic + cb - 1) / cb * cb));
        b->y = random_array(pixels * ((s.oc + cb - 1) / cb * cb));
        b->w = random_array((int64_t)s.oc * s.ic * 9);
        for (int dir = DN_FWD; dir <= DN_BWD_WEIGHTS; dir++) measure(b, &s, dir);
        free(b->x);
        free(b->y);
        free(b->w);
    }
}

int main(int argc, char **argv) {
    bench b = {.budget_ms = 100, .clock = CLOCK_MONOTONIC};
    const char *filter = NULL;
    int threads = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--threads")) threads = atoi(argv[i + 1]);
        if (!strcmp(argv[i], "--ms")) b.budget_ms = atof(argv[i + 1]);
        if (!strcmp(argv[i], "--filter")) filter = argv[i + 1];
        if (!strcmp(argv[i], "--clock") && !strcmp(argv[i + 1], "cpu"))
            b.clock = CLOCK_PROCESS_CPUTIME_ID;
    }
    bl_set_threads(threads);
    bl_kernels_init_ref(&b.k);
    bl_kernels_init_cpu(&b.k);
    b.ctx.k = &b.k;
    char library[64];
    bl_cpu_library(library, sizeof library);
    printf("%s, %s, %d threads, GFLOP/s; * what a deterministic context chooses\n", library,
           bl_cpu_features(), bl_threads());
    printf("%-42s  %10s  %10s  %10s\n", "images x channels, size", "direct", "oneDNN's W", "ours");
    all_shapes(&b, filter);
    return 0;
}
