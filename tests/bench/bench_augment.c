/* Speed of the views of small images, on one core:
 *   bench_augment [--ms MILLISECONDS] [--device cuda:N]
 * With a device: of the kernel that makes a batch of views there, from images and draws already
 * there. One line a view: name, nanoseconds an image (the fastest of several rounds, processor time
 * of this thread, so that other work on the machine hardly counts). scripts/bench-augment compares
 * with Pillow. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "datasets/sets/generated.h"
#include "datasets/views/classification/rand_augment.h"
#include "datasets/views/classification/view.h"
#include "tests/bench/step.h"

enum { IMAGES = 256, ROUNDS = 5, SIDE = 32, VIEWS = 1024 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct bench {
    const bl_classify_set *set;
    bl_classify_views *views;
    bl_classify_view_kind kind;
    float *out;
} bench;

static void views(const bench *b, uint64_t round) {
    for (int i = 0; i < IMAGES; i++) {
        bl_rng rng = bl_rng_make(1, bl_rng_key(round, (uint64_t)i, 0));
        bl_classify_view_make(b->views, b->kind, bl_classify_image(b->set, i), b->set->mean,
                              b->set->std, &rng, b->out, NULL);
    }
}

static const bl_classify_view_config settings = {.flip = 0.5,
                                                 .pad = -1,
                                                 .cutout = -1,
                                                 .crop_min = 0.2,
                                                 .jitter = 0.5,
                                                 .jitter_p = 0.8,
                                                 .grey_p = 0.2,
                                                 .blur_p = 0.5};

static int measure(const char *name, const bl_classify_set *set, bl_classify_view_kind kind,
                   int strong, double seconds) {
    bl_classify_view_config cfg = settings;
    cfg.strong = strong;
    bench b = {.set = set, .kind = kind, .out = malloc(3 * 32 * 32 * sizeof(float))};
    if (!b.out || bl_classify_views_create(&cfg, set, &b.views) != BL_OK) return 1;
    double best = 1e9;
    uint64_t at = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now(), spent = 0;
        int64_t done = 0;
        do {
            views(&b, at++);
            done += IMAGES;
            spent = now() - start;
        } while (spent < seconds / ROUNDS);
        if (spent / (double)done < best) best = spent / (double)done;
    }
    printf("%s %.0f\n", name, best * 1e9);
    bl_classify_views_destroy(b.views);
    free(b.out);
    return 0;
}

/* ---- on a device ---- */

typedef struct batch { /* device memory */
    void *images, *plan, *step, *out;
} batch;

static bl_status upload(bl_ctx *ctx, const void *host, size_t bytes, void **out) {
    BL_TRY(ctx->dev->alloc(ctx->dev, bytes, out));
    return host ? ctx->dev->to_device(ctx->dev, *out, host, bytes) : BL_OK;
}

static bl_status make_batch(bl_ctx *ctx, const bl_classify_set *set, bl_classify_view_kind kind,
                            int strong, batch *b) {
    static bl_view_plan plan[VIEWS];
    static bl_view_step step[VIEWS * BL_CLASSIFY_MAX_STEPS];
    bl_classify_view_config cfg = settings;
    cfg.strong = strong;
    bl_classify_views *v;
    BL_TRY(bl_classify_views_create(&cfg, set, &v));
    int32_t steps = 0;
    for (int i = 0; i < VIEWS; i++) {
        bl_rng rng = bl_rng_make(1, (uint64_t)i);
        bl_classify_view_draw(v, kind, &rng, &plan[i], step + steps, NULL);
        plan[i].image = i % IMAGES;
        plan[i].first = steps;
        steps += plan[i].steps;
    }
    bl_classify_views_destroy(v);
    BL_TRY(upload(ctx, set->pixels, IMAGES * bl_classify_image_bytes(set), &b->images));
    BL_TRY(upload(ctx, plan, sizeof plan, &b->plan));
    BL_TRY(upload(ctx, step, sizeof step, &b->step));
    return upload(ctx, NULL, sizeof(float) * VIEWS * 3 * SIDE * SIDE, &b->out);
}

static bl_status time_batch(bl_ctx *ctx, const bl_classify_set *set, const batch *b, double seconds,
                            double *best_ms) {
    bl_pixel_scale scale;
    bl_tensor y = {.data = b->out, .n = VIEWS, .c = 3, .h = SIDE, .w = SIDE, .cb = 1};
    y.dtype = BL_F32;
    for (int c = 0; c < 3; c++) {
        scale.mean[c] = 255 * set->mean[c];
        scale.std[c] = 255 * set->std[c];
    }
    double begin = bench_now_ms();
    *best_ms = 1e30;
    for (int run = 0; run < 3 || bench_now_ms() - begin < 1e3 * seconds; run++) {
        double t = bench_now_ms();
        BL_TRY(ctx->k->views(b->images, b->plan, b->step, &scale, &y));
        BL_TRY(ctx->dev->sync(ctx->dev));
        t = bench_now_ms() - t;
        if (run > 0 && t < *best_ms) *best_ms = t;
    }
    return BL_OK;
}

static bl_status measure_device(bl_ctx *ctx, const char *name, const bl_classify_set *set,
                                bl_classify_view_kind kind, int strong, double seconds) {
    batch b = {0};
    double ms = 0;
    bl_status status = make_batch(ctx, set, kind, strong, &b);
    if (status == BL_OK) status = time_batch(ctx, set, &b, seconds, &ms);
    void *all[] = {b.images, b.plan, b.step, b.out};
    for (int i = 0; i < 4; i++) ctx->dev->free(ctx->dev, all[i]);
    if (status == BL_OK) printf("%s %.1f\n", name, ms * 1e6 / VIEWS);
    return status;
}

static int on_device(const bl_classify_set *set, const char *device, double seconds) {
    bl_ctx *ctx;
    bl_status s = bench_context(device, "fp32", &ctx);
    if (s == BL_OK) s = measure_device(ctx, "weak", set, BL_CLASSIFY_WEAK, 0, seconds);
    if (s == BL_OK)
        s = measure_device(ctx, "ra_mc", set, BL_CLASSIFY_STRONG, BL_STRONG_RA_MC, seconds);
    if (s == BL_OK)
        s = measure_device(ctx, "ra_usb", set, BL_CLASSIFY_STRONG, BL_STRONG_RA_USB, seconds);
    if (s != BL_OK) fprintf(stderr, "bench_augment: %s\n", bl_error());
    bl_ctx_destroy(ctx);
    return s != BL_OK;
}

int main(int argc, char **argv) {
    double seconds = 0.5;
    const char *device = NULL;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--ms") && i + 1 < argc) {
            seconds = atof(argv[++i]) / 1000;
        } else if (!strcmp(argv[i], "--device") && i + 1 < argc) {
            device = argv[++i];
        } else {
            fprintf(stderr, "usage: bench_augment [--ms MILLISECONDS] [--device cuda:N]\n");
            return 2;
        }
    }
    bl_classify_synth_config cfg = {.classes = 10,
                                    .pairs = -1,
                                    .train = IMAGES,
                                    .test = 1,
                                    .size = SIDE,
                                    .clutter = 1,
                                    .noise = 16,
                                    .rotation = 35,
                                    .seed = 1};
    bl_classify_set *set;
    if (bl_classify_synth(&cfg, BL_CLASSIFY_TRAIN, &set) != BL_OK) {
        fprintf(stderr, "%s\n", bl_error());
        return 1;
    }
    if (device) {
        int failed = on_device(set, device, seconds);
        bl_classify_set_free(set);
        return failed;
    }
    int bad = measure("plain", set, BL_CLASSIFY_PLAIN, BL_STRONG_RA_MC, seconds);
    bad |= measure("weak", set, BL_CLASSIFY_WEAK, BL_STRONG_RA_MC, seconds);
    bad |= measure("ra_mc", set, BL_CLASSIFY_STRONG, BL_STRONG_RA_MC, seconds);
    bad |= measure("ra_usb", set, BL_CLASSIFY_STRONG, BL_STRONG_RA_USB, seconds);
    bad |= measure("contrast", set, BL_CLASSIFY_CONTRAST, BL_STRONG_RA_MC, seconds);
    bl_classify_set_free(set);
    return bad;
}
