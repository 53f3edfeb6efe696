/* One FixMatch step of a WRN-28-2 classifier, timed: views of random images, forward of one batch,
 * pseudo-labels, backward, update and moving average.
 *
 *   bench_classifier LABELLED UNLABELLED STEPS THREADS [DEVICE [PRECISION [VIEWS]]]
 *
 * The unlabelled images are seen twice, weak and strong. VIEWS: cpu (the default) or device, as the
 * key views.device; "views" is then the time to draw their numbers. Prints one JSON object.
 * scripts/bench-classifier runs it against PyTorch and Pillow. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/parallel.h"
#include "datasets/views/classification/view.h"
#include "kernels/kernels.h"
#include "kernels/resident.h"
#include "kernels/tape.h"
#include "nn/classifier.h"
#include "tests/bench/step.h"

enum { SIDE = 32, PIXELS = 3 * SIDE * SIDE, CLASSES = 10, SET = 1000, PARTS = 64 };
enum { VIEWS, FORWARD, LOSSES, BACKWARD, UPDATE, PHASES };
enum { WARMUP = 2, MAX_STEPS = 1000, MAX_BATCH = 4096 };
static const char *const phase_names[PHASES] = {"views", "forward", "losses", "backward", "update"};

typedef struct bench {
    bl_ctx *ctx;
    bl_store *student, *average;
    bl_classifier *model, *average_model;
    bl_classify_set *set;
    bl_classify_view_config views;
    int labelled, unlabelled, batch;
    int64_t step;
    float *images;
    bool on_device; /* who makes the views: */
    bl_resident *resident;
    bl_view_plan *plan;
    bl_view_step *steps;
    double phase[PHASES];
} bench;

static void die_unless(bl_status s) {
    if (s == BL_OK) return;
    fprintf(stderr, "bench_classifier: %s\n", bl_error());
    exit(1);
}

/* Rows of the batch: labelled weak, unlabelled weak, unlabelled strong. Index = part
 * of the rows. */
static void make_views(void *arg, int64_t begin, int64_t end) {
    bench *b = arg;
    bl_classify_views *v;
    die_unless(bl_classify_views_create(&b->views, b->set, &v));
    int64_t last = end * b->batch / PARTS;
    for (int64_t i = begin * b->batch / PARTS; i < last; i++) {
        bl_rng r = bl_rng_make(1, bl_rng_key((uint64_t)b->step, (uint64_t)i, 0));
        bool strong = i >= b->labelled + b->unlabelled;
        bl_classify_view_kind kind = strong ? BL_CLASSIFY_STRONG : BL_CLASSIFY_WEAK;
        int64_t image = (b->step * b->batch + i) % SET, first = i * BL_CLASSIFY_MAX_STEPS;
        if (b->on_device) {
            bl_classify_view_draw(v, kind, &r, &b->plan[i], b->steps + first, NULL);
            b->plan[i].image = (int32_t)image;
            b->plan[i].first = (int32_t)first;
        } else {
            bl_classify_view_make(v, kind, bl_classify_image(b->set, image), b->set->mean,
                                  b->set->std, &r, b->images + i * PIXELS, NULL);
        }
    }
    bl_classify_views_destroy(v);
}

/* The batch's pixels as a tensor. */
static bl_status input(bench *b, bl_tensor **x) {
    if (!b->on_device) return bl_tensor_from_host(b->ctx, b->images, b->batch, 3, SIDE, SIDE, 1, x);
    float mean[3], std[3];
    int32_t n_steps = 0;
    for (int c = 0; c < 3; c++) {
        mean[c] = 255 * b->set->mean[c];
        std[c] = 255 * b->set->std[c];
    }
    for (int i = 0; i < b->batch; i++) { /* closed up, as the loader does */
        memmove(b->steps + n_steps, b->steps + b->plan[i].first,
                sizeof *b->steps * (size_t)b->plan[i].steps);
        b->plan[i].first = n_steps;
        n_steps += b->plan[i].steps;
    }
    return bl_make_views(b->ctx, bl_resident_tensor(b->resident), b->plan, b->batch, b->steps,
                         n_steps, mean, std, x);
}

static void take(bench *b, int phase, double *since) {
    double t = bench_now_ms();
    b->phase[phase] += t - *since;
    *since = t;
}

static void one_step(bench *b) {
    static float p[MAX_BATCH * CLASSES], mask[MAX_BATCH];
    static int32_t label[MAX_BATCH], pseudo[MAX_BATCH];
    bl_ctx *ctx = b->ctx;
    double t = bench_now_ms();
    bl_parallel_for(PARTS, 1, make_views, b);
    take(b, VIEWS, &t);
    bl_tensor *x, *z, *y, *part[3], *loss[2];
    bl_step_begin(ctx, true);
    die_unless(input(b, &x));
    die_unless(bl_classifier_extract(ctx, b->model, true, x, &z));
    die_unless(bl_classifier_apply(ctx, b->model, 0, z, &y));
    take(b, FORWARD, &t);
    int64_t n = b->labelled, u = b->unlabelled;
    die_unless(bl_slice(ctx, y, 0, n, &part[0]));
    die_unless(bl_slice(ctx, y, n, u, &part[1]));
    die_unless(bl_slice(ctx, y, n + u, u, &part[2]));
    die_unless(bl_softmax_to_host(ctx, part[1], p));
    for (int64_t i = 0; i < n; i++) label[i] = (int32_t)(i % CLASSES);
    for (int64_t i = 0; i < u; i++) {
        pseudo[i] = 0;
        for (int32_t k = 1; k < CLASSES; k++)
            if (p[i * CLASSES + k] > p[i * CLASSES + pseudo[i]]) pseudo[i] = k;
        mask[i] = p[i * CLASSES + pseudo[i]] >= 0.2f; /* random weights: keep some */
    }
    die_unless(bl_softmax_loss(ctx, part[0], label, NULL, 0, 1.0f / (float)n, &loss[0]));
    die_unless(bl_softmax_loss(ctx, part[2], pseudo, mask, 0, 1.0f / (float)u, &loss[1]));
    take(b, LOSSES, &t);
    const float seeds[] = {1, 1};
    die_unless(bl_backward(ctx, loss, seeds, 2));
    bl_step_end(ctx);
    take(b, BACKWARD, &t);
    const bl_sgd sgd = {.lr = 0.03f, .momentum = 0.9f, .decay = 5e-4f, .nesterov = true};
    die_unless(bl_store_sgd(b->student, ctx, &sgd, NULL));
    die_unless(bl_store_ema(b->average, b->student, ctx, 0.999f, false));
    die_unless(ctx->dev->sync(ctx->dev));
    take(b, UPDATE, &t);
    b->step++;
}

static void settings(const bl_schema *schema, void *out) {
    bl_arena *a = bl_arena_create(0);
    die_unless(bl_config_load(schema, NULL, NULL, 0, a, out));
    bl_arena_destroy(a);
}

static void build(bench *b, const char *device, const char *precision) {
    const bl_head_spec head = {.name = "f", .out = CLASSES};
    bl_classifier_config cfg;
    settings(&bl_classifier_schema, &cfg);
    settings(&bl_classify_view_schema, &b->views);
    die_unless(bench_context(device, precision, &b->ctx));
    bl_store **store[] = {&b->student, &b->average};
    bl_classifier **model[] = {&b->model, &b->average_model};
    for (int i = 0; i < 2; i++) {
        die_unless(bl_store_create(store[i]));
        die_unless(bl_classifier_create(&cfg, &head, 1, *store[i], model[i]));
        die_unless(bl_store_finish(*store[i], b->ctx, 1, i == 0));
    }
    die_unless(bl_classify_set_create("random", SET, SIDE, SIDE, CLASSES, &b->set));
    bl_rng r = bl_rng_make(2, 2);
    for (int64_t i = 0; i < (int64_t)SET * PIXELS; i++)
        b->set->pixels[i] = (uint8_t)(bl_rng_u32(&r) >> 24);
    bl_classify_set_measure(b->set);
    size_t rows = (size_t)b->batch;
    b->images = malloc(rows * PIXELS * sizeof(float));
    b->plan = malloc(rows * sizeof *b->plan);
    b->steps = malloc(rows * BL_CLASSIFY_MAX_STEPS * sizeof *b->steps);
    die_unless(bl_resident_create(b->ctx, SET, 3, SIDE, SIDE, 3, BL_U8, &b->resident));
    die_unless(bl_resident_write(b->resident, 0, SET, b->set->pixels));
    if (!b->images || !b->plan || !b->steps) die_unless(bl_no_memory("for %d images", b->batch));
}

int main(int argc, char **argv) {
    if (argc < 5 || argc > 8) {
        fprintf(stderr, "usage: bench_classifier LABELLED UNLABELLED STEPS THREADS "
                        "[DEVICE [PRECISION [VIEWS]]]\n");
        return 2;
    }
    static double times[MAX_STEPS];
    bench b = {.labelled = atoi(argv[1]), .unlabelled = atoi(argv[2])};
    int steps = atoi(argv[3]), threads = atoi(argv[4]);
    b.batch = b.labelled + 2 * b.unlabelled;
    b.on_device = argc > 7 && !strcmp(argv[7], "device");
    if (argc > 7 && !b.on_device && strcmp(argv[7], "cpu") != 0) {
        fprintf(stderr, "bench_classifier: views are made by cpu or device, not \"%s\"\n", argv[7]);
        return 2;
    }
    if (b.labelled < 1 || b.unlabelled < 1 || b.batch > MAX_BATCH || steps < 1 ||
        steps > MAX_STEPS || threads < 1) {
        fprintf(stderr, "bench_classifier: sizes out of range\n");
        return 2;
    }
    bl_set_threads(threads);
    build(&b, argc > 5 ? argv[5] : NULL, argc > 6 ? argv[6] : NULL);
    bench_counter count;
    bench_count_begin(b.ctx, &count);
    one_step(&b);
    bench_count_end(b.ctx, &count);
    for (int i = 1; i < WARMUP; i++) one_step(&b);
    memset(b.phase, 0, sizeof b.phase);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < steps; i++) {
        double t = bench_now_ms();
        one_step(&b);
        times[i] = bench_now_ms() - t;
    }
    getrusage(RUSAGE_SELF, &after);
    qsort(times, (size_t)steps, sizeof *times, bench_ascending);
    double cpu = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1e3 +
                 (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec) * 1e-3;
    printf("{\"kernels\": \"%s\", \"parameters\": %lld, \"gflop\": %.3f, \"min_ms\": %.3f, "
           "\"median_ms\": %.3f, "
           "\"cpu_ms\": %.3f, \"peak_mb\": %.1f, \"phases\": {",
           b.ctx->k->name, (long long)bl_store_params(b.student), count.flop * 1e-9, times[0],
           times[steps / 2], cpu / steps, (double)after.ru_maxrss / 1024);
    for (int i = 0; i < PHASES; i++)
        printf("%s\"%s\": %.3f", i ? ", " : "", phase_names[i], b.phase[i] / steps);
    printf("}}\n");
    bl_classify_set_free(b.set);
    bl_classifier_destroy(b.model);
    bl_classifier_destroy(b.average_model);
    bl_store_destroy(b.student);
    bl_store_destroy(b.average);
    bl_resident_destroy(b.resident);
    bl_ctx_destroy(b.ctx);
    free(b.images);
    free(b.plan);
    free(b.steps);
    return 0;
}
