/* One supervised training step of a classification network, timed: forward, backward and update on
 * fixed random images.
 *
 *   bench_network BATCH SIDE CLASSES STEPS DEVICE PRECISION [KEY=VALUE]...
 *
 * The settings are those of a run's section "model"; ResNet-50 on photographs is
 * backbone=resnet depth=50 small_images=false. Prints one JSON object;
 * scripts/bench/network_step.py is the same step in PyTorch. */
#include <stdio.h>
#include <stdlib.h>

#include "core/rng.h"
#include "kernels/tape.h"
#include "nn/classifier.h"
#include "nn/store.h"
#include "tests/bench/step.h"

enum { WARMUP = 3, MAX_STEPS = 1000, MAX_BATCH = 4096 };

typedef struct bench {
    bl_ctx *ctx;
    bl_store *store;
    bl_classifier *model;
    int32_t batch, side, classes;
    float *images;
    int32_t *labels;
} bench;

static bl_status build(bench *b, char **argv, int argc, bl_arena *arena) {
    bl_classifier_config cfg;
    BL_TRY(
        bl_config_load(&bl_classifier_schema, NULL, (const char *const *)argv, argc, arena, &cfg));
    BL_TRY(bl_store_create(&b->store));
    const bl_head_spec head = {.name = "f", .out = b->classes};
    BL_TRY(bl_classifier_create(&cfg, &head, 1, b->store, &b->model));
    BL_TRY(bl_store_finish(b->store, b->ctx, 1, true));
    int64_t n = (int64_t)b->batch * 3 * b->side * b->side;
    b->images = malloc((size_t)n * sizeof *b->images);
    b->labels = malloc((size_t)b->batch * sizeof *b->labels);
    if (!b->images || !b->labels) return bl_no_memory("for %d images", b->batch);
    bl_rng r = bl_rng_make(1, 1);
    for (int64_t i = 0; i < n; i++) b->images[i] = bl_rng_range(&r, -2, 2);
    for (int32_t i = 0; i < b->batch; i++) b->labels[i] = i % b->classes;
    return BL_OK;
}

static bl_status step(bench *b) {
    bl_tensor *x, *z, *y, *loss;
    const float one = 1;
    bl_status status = BL_OK;
    bl_step_begin(b->ctx, true);
    BL_TRY_DONE(bl_tensor_from_host(b->ctx, b->images, b->batch, 3, b->side, b->side, 1, &x));
    BL_TRY_DONE(bl_classifier_extract(b->ctx, b->model, true, x, &z));
    BL_TRY_DONE(bl_classifier_apply(b->ctx, b->model, 0, z, &y));
    BL_TRY_DONE(bl_softmax_loss(b->ctx, y, b->labels, NULL, 0, 1.0f / (float)b->batch, &loss));
    BL_TRY_DONE(bl_backward(b->ctx, &loss, &one, 1));
done:
    bl_step_end(b->ctx);
    if (status != BL_OK) return status;
    BL_TRY(bl_store_sgd(b->store, b->ctx, &(bl_sgd){.lr = 1e-3f, .momentum = 0.9f, .decay = 1e-4f},
                        NULL));
    return b->ctx->dev->sync(b->ctx->dev);
}

static bl_status run(bench *b, int steps) {
    double times[MAX_STEPS];
    bench_counter count;
    bench_count_begin(b->ctx, &count);
    bl_status status = step(b);
    bench_count_end(b->ctx, &count);
    BL_TRY(status);
    for (int i = 1; i < WARMUP; i++) BL_TRY(step(b));
    for (int i = 0; i < steps; i++) {
        double t = bench_now_ms();
        BL_TRY(step(b));
        times[i] = bench_now_ms() - t;
    }
    qsort(times, (size_t)steps, sizeof *times, bench_ascending);
    printf("{\"kernels\": \"%s\", \"parameters\": %lld, \"gflop\": %.3f, \"median_ms\": %.3f, "
           "\"min_ms\": %.3f, \"peak_mb\": %.1f}\n",
           b->ctx->k->name, (long long)bl_store_params(b->store), count.flop * 1e-9,
           times[steps / 2], times[0], bench_peak_mb());
    return BL_OK;
}

int main(int argc, char **argv) {
    if (argc < 7) {
        fprintf(stderr, "usage: bench_network BATCH SIDE CLASSES STEPS DEVICE PRECISION "
                        "[KEY=VALUE]...\n");
        return 2;
    }
    bench b = {.batch = atoi(argv[1]), .side = atoi(argv[2]), .classes = atoi(argv[3])};
    int steps = atoi(argv[4]);
    if (b.batch < 1 || b.batch > MAX_BATCH || b.side < 8 || b.side > 4096 || b.classes < 2 ||
        steps < 1 || steps > MAX_STEPS) {
        fprintf(stderr, "bench_network: BATCH, SIDE, CLASSES or STEPS out of range\n");
        return 2;
    }
    bl_arena *arena = bl_arena_create(0);
    bl_status status = bench_context(argv[5], argv[6], &b.ctx);
    if (status == BL_OK) status = build(&b, argv + 7, argc - 7, arena);
    if (status == BL_OK) status = run(&b, steps);
    if (status != BL_OK) fprintf(stderr, "bench_network: %s\n", bl_error());
    bl_classifier_destroy(b.model);
    bl_store_destroy(b.store);
    bl_ctx_destroy(b.ctx);
    bl_arena_destroy(arena);
    free(b.images);
    free(b.labels);
    return status != BL_OK;
}
