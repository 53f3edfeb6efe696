/* Micro-benchmark of the kernel tables: GFLOP/s or GB/s per kernel on the shapes of a Faster R-CNN
 * R50-FPN step (two images of 320x320) and of small classifiers, with 1 and 2 threads.
 *
 *   bench_kernels [--table ref|base|avx2|avx512] [--filter TEXT] [--threads N[,M...]] [--ms BUDGET]
 *                 [--clock wall|cpu]
 *   bench_kernels --device cuda:N [--filter TEXT] [--ms BUDGET] [--plain]
 *
 * --plain prints detection kernels alone, as "NAME MILLISECONDS GB/s", for scripts. On a
 * GPU every run ends with a wait for the device, which is part of the figure.
 * Every figure is the best of as many runs as fit the budget (default 60 ms per kernel and thread
 * count). The machine's other users slow it down: compare figures of one run only. GB/s count each
 * operand once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/parallel.h"
#include "core/rng.h"
#include "kernels/backend.h"
#include "kernels/cpu/cpu.h"
#include "tests/bench/step.h"
#include "tests/check.h"

enum { THREADS_MAX = 8 };

typedef struct bench {
    bl_kernels k;
    bl_ctx ctx;
    const char *filter;
    double budget_ms;
    int threads[THREADS_MAX], n_threads;
    clockid_t clock;
    float *buf[6]; /* big random arrays, [-1, 1) */
    int64_t buf_n;
    int32_t cb; /* 0 = NHWC */
    bool plain;
} bench;

typedef struct kase {
    const char *name;
    double gflop, gbyte; /* per run; the one that is not 0 gives the figure */
    void (*run)(bench *b, const void *arg);
    const void *arg;
} kase;

static double now_ms(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void run_and_wait(bench *b, const kase *c) {
    c->run(b, c->arg);
    CHECK_OK(b->ctx.dev->sync(b->ctx.dev));
}

static void measure(bench *b, const kase *c) {
    if (b->filter && !strstr(c->name, b->filter)) return;
    printf(b->plain ? "%.*s" : "%-46.*s", b->plain ? (int)strcspn(c->name, " ") : 1000, c->name);
    for (int i = 0; i < b->n_threads; i++) {
        bl_set_threads(b->threads[i]);
        run_and_wait(b, c); /* builds plans, touches memory */
        double best = 1e30, start = now_ms(b->clock);
        int runs = 0;
        do {
            double t = now_ms(b->clock);
            run_and_wait(b, c);
            t = now_ms(b->clock) - t;
            if (t < best) best = t;
        } while (++runs < 3 || (now_ms(b->clock) - start < b->budget_ms && runs < 1000));
        if (b->plain) {
            printf(" %.4f %.2f", best, c->gbyte / best * 1e3);
            continue;
        }
        double figure = (c->gflop > 0 ? c->gflop : c->gbyte) / best * 1e3;
        printf("  %9.3f ms %7.1f %s", best, figure, c->gflop > 0 ? "GFLOP/s" : "GB/s   ");
    }
    printf("\n");
    fflush(stdout);
}

static bl_tensor tensor(bench *b, int i, int64_t n, int64_t c, int64_t h, int64_t w, int32_t cb) {
    bl_tensor t = {.data = b->buf[i], .n = n, .c = c, .h = h, .w = w, .dtype = BL_F32};
    t.cb = cb ? cb : (int32_t)c;
    CHECK(bl_storage(&t) <= b->buf_n);
    return t;
}

/* ---- convolution ---- */

static void conv_fwd(bench *b, const void *arg) {
    CHECK_OK(b->k.conv_fwd(&b->ctx, arg, b->buf[0], b->buf[1], b->buf[2], true, b->buf[3]));
}
static void conv_bwd_data(bench *b, const void *arg) {
    CHECK_OK(b->k.conv_bwd_data(&b->ctx, arg, b->buf[0], b->buf[1], b->buf[3], 0));
}
static void conv_bwd_weights(bench *b, const void *arg) {
    CHECK_OK(b->k.conv_bwd_weights(&b->ctx, arg, b->buf[0], b->buf[1], b->buf[3], b->buf[4]));
}

static void convolutions(bench *b) {
    static const int32_t list[][7] = {
        /* n ic size oc kernel stride pad */
        {2, 3, 320, 64, 7, 2, 3},   {2, 64, 80, 64, 1, 1, 0},    {2, 64, 80, 64, 3, 1, 1},
        {2, 64, 80, 256, 1, 1, 0},  {2, 128, 80, 128, 3, 2, 1},  {2, 128, 40, 128, 3, 1, 1},
        {2, 256, 20, 256, 3, 1, 1}, {2, 1024, 20, 256, 1, 1, 0}, {2, 512, 10, 512, 3, 1, 1},
        {2, 256, 80, 256, 3, 1, 1}, {2, 256, 10, 256, 3, 1, 1},  {2, 256, 80, 12, 1, 1, 0},
        {64, 16, 32, 32, 3, 1, 1},  {64, 32, 32, 32, 3, 1, 1},   {64, 128, 8, 128, 3, 1, 1}};
    static void (*const run[])(bench *, const void *) = {conv_fwd, conv_bwd_data, conv_bwd_weights};
    static const char *const dir[] = {"fwd", "bwd_data", "bwd_weights"};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const int32_t *q = list[i];
        int32_t out = (q[2] + 2 * q[6] - q[4]) / q[5] + 1;
        int32_t icb = q[1] == 3 ? 1 : b->cb ? b->cb : q[1], ocb = b->cb ? b->cb : q[3];
        bl_conv_shape s = {q[0], q[1], q[2], q[2], icb,  q[3], out,   out,
                           ocb,  q[4], q[4], q[5], q[6], 1,    BL_F32};
        double gflop = 2e-9 * s.n * s.oc * s.oh * s.ow * s.ic * s.kh * s.kw;
        for (int d = 0; d < 3; d++) {
            char name[96];
            if (d == 1 && s.ic == 3) continue; /* images need no gradient */
            snprintf(name, sizeof name, "conv_%s %dx%dx%d^2 -> %d %dx%d/%d", dir[d], s.n, s.ic,
                     s.ih, s.oc, s.kh, s.kw, s.stride);
            kase c = {name, gflop, 0, run[d], &s};
            measure(b, &c);
        }
    }
}

/* ---- matrices ---- */

typedef struct product {
    bool ta, tb;
    int64_t m, n, k;
} product;
static void matmul(bench *b, const void *arg) {
    const product *p = arg;
    CHECK_OK(b->k.matmul(&b->ctx, p->ta, p->tb, p->m, p->n, p->k, BL_F32, b->buf[0], b->buf[1], 0,
                         BL_F32, b->buf[3]));
}
static void bias_act(bench *b, const void *arg) {
    (void)arg;
    b->k.bias_act(BL_F32, b->buf[3], b->buf[0], true, 1024, 1024);
}
static void col_sum(bench *b, const void *arg) {
    (void)arg;
    b->k.col_sum(BL_F32, b->buf[0], 1024, 1024, b->buf[3]);
}
static void matrices(bench *b) {
    static const product list[] = {
        {false, true, 512, 1024, 12544}, {false, false, 512, 12544, 1024},
        {true, false, 1024, 12544, 512}, {false, true, 512, 1024, 1024},
        {false, true, 512, 81, 1024},    {true, false, 324, 1024, 512}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const product *p = &list[i];
        char name[96];
        snprintf(name, sizeof name, "matmul %s%s %lldx%lldx%lld", p->ta ? "T" : "N",
                 p->tb ? "T" : "N", (long long)p->m, (long long)p->n, (long long)p->k);
        kase c = {name, 2e-9 * (double)p->m * (double)p->n * (double)p->k, 0, matmul, p};
        measure(b, &c);
    }
    measure(b, &(kase){"bias_act 1024x1024", 0, 8e-9 * 1024 * 1024, bias_act, NULL});
    measure(b, &(kase){"col_sum 1024x1024", 0, 4e-9 * 1024 * 1024, col_sum, NULL});
}

/* ---- flat kernels ---- */

enum { FLAT = 4 << 20 };
static void flat_add(bench *b, const void *arg) {
    (void)arg;
    b->k.add(BL_F32, b->buf[0], b->buf[1], b->buf[3], FLAT);
}
static void flat_axpby(bench *b, const void *arg) {
    (void)arg;
    b->k.axpby(BL_F32, 0.5f, b->buf[0], 0.5f, b->buf[3], FLAT);
}
static void flat_act_bwd(bench *b, const void *arg) {
    (void)arg;
    b->k.act_bwd(BL_F32, b->buf[0], b->buf[1], 0, b->buf[3], FLAT);
}
static void flat_sgd(bench *b, const void *arg) {
    (void)arg;
    b->k.sgd(b->buf[3], b->buf[4], b->buf[0], FLAT, 1e-6f, 0.9f, 1e-4f, 1, true);
}
static void flat_ema(bench *b, const void *arg) {
    (void)arg;
    b->k.ema(b->buf[3], b->buf[0], FLAT, 0.999f);
}
static void flat_sum(bench *b, const void *arg) {
    (void)arg;
    double sum;
    b->k.sum_squares(b->buf[0], FLAT, &sum);
}
static void flat_nonfinite(bench *b, const void *arg) {
    (void)arg;
    int64_t count;
    b->k.count_nonfinite(b->buf[0], FLAT, &count);
}
static void flats(bench *b) {
    double word = 4e-9 * FLAT;
    const kase list[] = {{"add 4M", 0, 3 * word, flat_add, NULL},
                         {"axpby 4M", 0, 3 * word, flat_axpby, NULL},
                         {"act_bwd 4M", 0, 3 * word, flat_act_bwd, NULL},
                         {"sgd 4M", 0, 5 * word, flat_sgd, NULL},
                         {"ema 4M", 0, 3 * word, flat_ema, NULL},
                         {"sum_squares 4M", 0, word, flat_sum, NULL},
                         {"count_nonfinite 4M", 0, word, flat_nonfinite, NULL}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) measure(b, &list[i]);
}

/* ---- normalisation, pooling: 2x256x80x80 ---- */

static void bn_stats(bench *b, const void *arg) {
    bl_tensor x = tensor(b, 0, 2, 256, 80, 80, b->cb);
    (void)arg;
    b->k.bn_stats(&x, b->buf[2], b->buf[2] + 256);
}
static void affine_act(bench *b, const void *arg) {
    bl_tensor x = tensor(b, 0, 2, 256, 80, 80, b->cb), skip = tensor(b, 1, 2, 256, 80, 80, b->cb);
    bl_tensor y = tensor(b, 3, 2, 256, 80, 80, b->cb);
    b->k.affine_act(&x, b->buf[2], b->buf[2] + 256, arg ? &skip : NULL, 0, &y);
}
static void bn_bwd_reduce(bench *b, const void *arg) {
    bl_tensor x = tensor(b, 0, 2, 256, 80, 80, b->cb), y = tensor(b, 1, 2, 256, 80, 80, b->cb);
    bl_tensor dy = tensor(b, 3, 2, 256, 80, 80, b->cb);
    (void)arg;
    b->k.bn_bwd_reduce(&x, &y, &dy, b->buf[2], b->buf[2] + 256, 0, b->buf[4], b->buf[4] + 256);
}
static void bn_bwd_apply(bench *b, const void *arg) {
    bl_tensor x = tensor(b, 0, 2, 256, 80, 80, b->cb), y = tensor(b, 1, 2, 256, 80, 80, b->cb);
    bl_tensor dy = tensor(b, 3, 2, 256, 80, 80, b->cb), dx = tensor(b, 4, 2, 256, 80, 80, b->cb);
    const float *v = b->buf[2];
    b->k.bn_bwd_apply(arg ? &x : NULL, &y, &dy, v, arg ? v : NULL, arg ? v : NULL, 0, &dx, 0, NULL,
                      0);
}
static void gn_fwd(bench *b, const void *arg) {
    bl_tensor x = tensor(b, 0, 2, 256, 80, 80, b->cb), y = tensor(b, 3, 2, 256, 80, 80, b->cb);
    const float *v = b->buf[2];
    (void)arg;
    b->k.gn_fwd(&x, v, v + 256, 32, 1e-5f, NULL, 0, &y, b->buf[4], b->buf[4] + 64);
}
static void gn_bwd(bench *b, const void *arg) {
    bl_tensor x = tensor(b, 0, 2, 256, 80, 80, b->cb), y = tensor(b, 1, 2, 256, 80, 80, b->cb);
    bl_tensor dy = tensor(b, 3, 2, 256, 80, 80, b->cb), dx = tensor(b, 4, 2, 256, 80, 80, b->cb);
    float *s = b->buf[5];
    (void)arg;
    b->k.gn_bwd(&x, &y, &dy, b->buf[2], 32, b->buf[2] + 256, b->buf[2] + 512, 0, &dx, 0, NULL, 0, s,
                s + 256);
}
static void max_fwd(bench *b, const void *arg) {
    bl_tensor x = tensor(b, 0, 2, 64, 160, 160, b->cb), y = tensor(b, 3, 2, 64, 80, 80, b->cb);
    (void)arg;
    b->k.max_pool_fwd(&x, 3, 2, 1, &y, (int32_t *)b->buf[4]);
}
static void max_bwd(bench *b, const void *arg) {
    bl_tensor dx = tensor(b, 5, 2, 64, 160, 160, b->cb), dy = tensor(b, 3, 2, 64, 80, 80, b->cb);
    (void)arg;
    max_fwd(b, NULL); /* positions; its time is part of the figure */
    b->k.max_pool_bwd(&dy, (const int32_t *)b->buf[4], 3, 2, 1, &dx, 0);
}
static void upsample(bench *b, const void *arg) {
    bl_tensor f = tensor(b, 0, 2, 256, 80, 80, b->cb), c = tensor(b, 1, 2, 256, 40, 40, b->cb);
    bl_tensor y = tensor(b, 3, 2, 256, 80, 80, b->cb);
    (void)arg;
    b->k.upsample_add_fwd(&f, &c, &y);
}
static void upsample_bwd(bench *b, const void *arg) {
    bl_tensor f = tensor(b, 0, 2, 256, 80, 80, b->cb), c = tensor(b, 3, 2, 256, 40, 40, b->cb);
    (void)arg;
    b->k.upsample_bwd(&f, &c, 0);
}
static void reorder_in(bench *b, const void *arg) {
    bl_tensor x = tensor(b, 0, 512, 256, 7, 7, b->cb), y = tensor(b, 3, 512, 256, 7, 7, 1);
    (void)arg;
    CHECK_OK(b->k.reorder(&b->ctx, &x, &y, 0));
}
static void reorder_out(bench *b, const void *arg) {
    bl_tensor x = tensor(b, 0, 512, 256, 7, 7, 1), y = tensor(b, 3, 512, 256, 7, 7, b->cb);
    (void)arg;
    CHECK_OK(b->k.reorder(&b->ctx, &x, &y, 0));
}
static void layers(bench *b) {
    double map = 4e-9 * 2 * 256 * 80 * 80, big = 4e-9 * 2 * 64 * 160 * 160,
           list = 4e-9 * 512 * 256 * 49;
    const kase all[] = {{"bn_stats 2x256x80x80", 0, map, bn_stats, NULL},
                        {"affine_act 2x256x80x80", 0, 2 * map, affine_act, NULL},
                        {"affine_act+skip 2x256x80x80", 0, 3 * map, affine_act, "skip"},
                        {"bn_bwd_reduce 2x256x80x80", 0, 3 * map, bn_bwd_reduce, NULL},
                        {"bn_bwd_apply 2x256x80x80", 0, 4 * map, bn_bwd_apply, "x"},
                        {"bn_bwd_apply frozen 2x256x80x80", 0, 3 * map, bn_bwd_apply, NULL},
                        {"gn_fwd 2x256x80x80", 0, 3 * map, gn_fwd, NULL},
                        {"gn_bwd 2x256x80x80", 0, 7 * map, gn_bwd, NULL},
                        {"max_pool_fwd 3/2 2x64x160x160", 0, 1.5 * big, max_fwd, NULL},
                        {"max_pool fwd+bwd 3/2 2x64x160x160", 0, 3 * big, max_bwd, NULL},
                        {"upsample_add_fwd 2x256x80x80", 0, 2.25 * map, upsample, NULL},
                        {"upsample_bwd 2x256x80x80", 0, 1.25 * map, upsample_bwd, NULL},
                        {"reorder blocks to planes 512x256x7x7", 0, 2 * list, reorder_in, NULL},
                        {"reorder planes to blocks 512x256x7x7", 0, 2 * list, reorder_out, NULL}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) measure(b, &all[i]);
}

/* ---- detection ---- */

enum { ROIS = 512, BOXES = 4800 };
typedef struct boxes { /* arrays on the device */
    bl_box *box;
    float *score;
    int32_t *group, *zero, *batch, *level, *keep;
    bl_tensor map[4], dmap[4];
    const bl_tensor *maps[4];
    bl_tensor *dmaps[4];
    bl_roi_attr a;
} boxes;

static void *device_new(bench *b, size_t bytes, const void *host) {
    void *p;
    CHECK_OK(b->ctx.dev->alloc(b->ctx.dev, bytes, &p));
    if (host) CHECK_OK(b->ctx.dev->to_device(b->ctx.dev, p, host, bytes));
    return p;
}

static void make_maps(bench *b, boxes *d) {
    int64_t at = 0;
    d->a = (bl_roi_attr){.size = 7, .sampling = 2, .aligned = true};
    for (int l = 0; l < 4; l++) {
        d->map[l] = tensor(b, 0, 2, 256, 80 >> l, 80 >> l, b->cb);
        d->map[l].data = b->buf[0] + at;
        d->dmap[l] = d->map[l];
        d->dmap[l].data = b->buf[4] + at;
        d->maps[l] = &d->map[l];
        d->dmaps[l] = &d->dmap[l];
        d->a.scale[l] = 0.25f / (float)(1 << l);
        at += bl_storage(&d->map[l]);
    }
    CHECK(at <= b->buf_n);
}

static void make_boxes(bench *b, boxes *d) {
    static bl_box box[BOXES];
    static float score[BOXES];
    static int32_t group[BOXES], batch[BOXES], level[BOXES], zero[BOXES];
    bl_rng r = bl_rng_make(1, 2);
    for (int i = 0; i < BOXES; i++) {
        float size = 8.0f * powf(40.0f, bl_rng_uniform(&r)), ratio = bl_rng_range(&r, 0.7f, 1.4f);
        float w = size * ratio, h = size / ratio;
        float x = bl_rng_range(&r, 0, 320), y = bl_rng_range(&r, 0, 320);
        box[i] = bl_box_clip((bl_box){x - w / 2, y - h / 2, x + w / 2, y + h / 2}, 320, 320);
        score[i] = bl_rng_uniform(&r);
        group[i] = i % 5;
        batch[i] = i % 2;
        level[i] = size < 56 ? 0 : size < 112 ? 1 : size < 224 ? 2 : 3;
    }
    d->box = device_new(b, sizeof box, box);
    d->score = device_new(b, sizeof score, score);
    d->group = device_new(b, sizeof group, group);
    d->batch = device_new(b, sizeof batch, batch);
    d->level = device_new(b, sizeof level, level);
    d->zero = device_new(b, sizeof zero, zero);
    d->keep = device_new(b, BOXES * sizeof *d->keep, NULL);
    make_maps(b, d);
}

static void free_boxes(bench *b, boxes *d) {
    void *all[] = {d->box, d->score, d->group, d->zero, d->batch, d->level, d->keep};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) b->ctx.dev->free(b->ctx.dev, all[i]);
}
static void roi_fwd(bench *b, const void *arg) {
    const boxes *d = arg;
    bl_tensor out = tensor(b, 3, ROIS, 256, 7, 7, b->cb);
    b->k.roi_align_fwd(d->maps, 4, d->box, d->batch, d->level, ROIS, &d->a, &out);
}
static void roi_bwd(bench *b, const void *arg) {
    const boxes *d = arg;
    bl_tensor dy = tensor(b, 3, ROIS, 256, 7, 7, b->cb);
    b->k.roi_align_bwd(&dy, d->box, d->batch, d->level, ROIS, &d->a, 4, d->dmaps);
}
static void nms(bench *b, const void *arg) {
    const boxes *d = arg;
    b->k.nms(d->box, d->score, d->group, BOXES, 0.7f, 1000, d->keep, (int32_t *)b->buf[4]);
}
static void topk(bench *b, const void *arg) {
    bl_tensor map = tensor(b, 0, 2, 3, 200, 304, b->cb);
    (void)arg;
    b->k.topk(&map, 1, 2000, (int32_t *)b->buf[3], b->buf[4]);
}
static void softmax_loss(bench *b, const void *arg) {
    const bl_softmax_attr plain = {0};
    b->k.softmax_loss(b->buf[0], 512, 1204, arg, NULL, &plain, 1, b->buf[3], b->buf[4]);
}
static void detection(bench *b) {
    boxes d;
    make_boxes(b, &d);
    double bins = 4e-9 * ROIS * 256 * 49;
    measure(b, &(kase){"roi_align_fwd 512 RoIs, 256x7x7", 0, bins, roi_fwd, &d});
    measure(b, &(kase){"roi_align_bwd 512 RoIs, 256x7x7", 0, bins, roi_bwd, &d});
    measure(b, &(kase){"nms 4800 boxes, 5 levels", 0, 16e-9 * BOXES, nms, &d});
    measure(b, &(kase){"topk 2000 of 3x200x304", 0, 4e-9 * 3 * 200 * 304, topk, NULL});
    measure(b, &(kase){"softmax_loss 512x1204", 0, 8e-9 * 512 * 1204, softmax_loss, d.zero});
    free_boxes(b, &d);
}

/* ---- command line ---- */

static int table(bench *b, const char *name) {
    static const char *const level[] = {"base", "avx2", "avx512"};
    bl_kernels_init_ref(&b->k);
    b->cb = bl_cpu_block();
    if (!name) {
        bl_kernels_init_cpu(&b->k);
        return 0;
    }
    if (!strcmp(name, "ref")) return 0;
    for (int i = BL_ISA_BASE; i <= (int)bl_cpu_isa(); i++) {
        if (strcmp(name, level[i]) != 0) continue;
        bl_kernels_init_isa(&b->k, (bl_isa)i);
        if (i == BL_ISA_AVX2) b->cb = 8;
        return 0;
    }
    fprintf(stderr, "--table %s: not known, or not available on this processor\n", name);
    return 2;
}

static int usage(void) {
    fprintf(stderr,
            "usage: bench_kernels [--table ref|base|avx2|avx512] [--filter TEXT]\n"
            "                     [--threads N[,M...]] [--ms BUDGET] [--clock wall|cpu]\n"
            "       bench_kernels --device cuda:N [--filter TEXT] [--ms BUDGET] [--plain]\n");
    return 2;
}

/* Big random arrays on the device. */
static void fill_buffers(bench *b) {
    size_t bytes = (size_t)b->buf_n * sizeof(float);
    float *host = malloc(bytes);
    CHECK(host);
    for (int i = 0; i < 6; i++) {
        uint64_t s = (uint64_t)i + 1;
        for (int64_t q = 0; q < b->buf_n; q++) {
            s = s * 6364136223846793005ull + 1442695040888963407ull;
            host[q] = (float)(s >> 40) * 0x1p-23f - 1.0f;
        }
        b->buf[i] = device_new(b, bytes, host);
    }
    free(host);
}

static int run_on_gpu(bench *b, const char *device) {
    bl_ctx *ctx;
    if (bench_context(device, "fp32", &ctx) != BL_OK) {
        fprintf(stderr, "bench_kernels: %s\n", bl_error());
        return 1;
    }
    b->ctx = *ctx;
    b->k = *ctx->k;
    b->cb = 0;
    b->n_threads = 1;
    fill_buffers(b);
    if (!b->plain) {
        printf("table %s on %s, deterministic plans; best of runs\n", b->k.name, ctx->dev->name);
        convolutions(b);
        matrices(b);
        flats(b);
        layers(b);
    }
    detection(b);
    for (int i = 0; i < 6; i++) ctx->dev->free(ctx->dev, b->buf[i]);
    bl_ctx_destroy(ctx);
    return 0;
}

static int run_on_cpu(bench *b, const char *name) {
    if (table(b, name)) return 2;
    b->ctx.k = &b->k;
    CHECK_OK(bl_device_cpu(&b->ctx.dev));
    CHECK_OK(bl_plans_create_cpu(NULL, 1, &b->ctx.plans));
    fill_buffers(b);
    printf("table %s, cpu %s, deterministic plans; best of runs, per thread count:", b->k.name,
           bl_cpu_features());
    for (int i = 0; i < b->n_threads; i++) printf(" %d", b->threads[i]);
    printf("\n");
    convolutions(b);
    matrices(b);
    flats(b);
    layers(b);
    detection(b);
    bl_plans_destroy_cpu(b->ctx.plans);
    for (int i = 0; i < 6; i++) b->ctx.dev->free(b->ctx.dev, b->buf[i]);
    bl_device_close(b->ctx.dev);
    return 0;
}

int main(int argc, char **argv) {
    bench b = {.budget_ms = 60,
               .threads = {1, 2},
               .n_threads = 2,
               .clock = CLOCK_MONOTONIC,
               .buf_n = 14 << 20};
    const char *name = NULL, *device = NULL;
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i];
        if (!strcmp(option, "--plain")) {
            b.plain = true;
            continue;
        }
        const char *v = ++i < argc ? argv[i] : NULL;
        if (!v) return usage();
        if (!strcmp(option, "--table"))
            name = v;
        else if (!strcmp(option, "--device"))
            device = v;
        else if (!strcmp(option, "--filter"))
            b.filter = v;
        else if (!strcmp(option, "--ms"))
            b.budget_ms = atof(v);
        else if (!strcmp(option, "--clock") && !strcmp(v, "cpu")) {
            b.clock = CLOCK_PROCESS_CPUTIME_ID;
            b.n_threads = 1;
        } else if (!strcmp(option, "--clock") && !strcmp(v, "wall"))
            b.clock = CLOCK_MONOTONIC;
        else if (!strcmp(option, "--threads")) {
            b.n_threads = 0;
            for (char *p = (char *)v; *p && b.n_threads < THREADS_MAX; p += *p == ',') {
                int n = (int)strtol(p, &p, 10);
                if (n < 1 || (*p && *p != ',')) return usage();
                b.threads[b.n_threads++] = n;
            }
        } else
            return usage();
    }
    if (b.plain && !device) return usage();
    if (device) return run_on_gpu(&b, device);
    if (b.clock != CLOCK_MONOTONIC && (b.n_threads != 1 || b.threads[0] != 1)) {
        fprintf(stderr, "--clock cpu measures one thread only\n");
        return 2;
    }
    return run_on_cpu(&b, name);
}
