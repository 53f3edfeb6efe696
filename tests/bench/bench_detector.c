/* One training step of the detector, timed: forward, backward and update on fixed random images and
 * boxes.
 *
 *   bench_detector CONFIG BATCH SIZE CLASSES STEPS [KEY.PATH=VALUE]...
 *
 * SIZE is N (square) or HxW. Takes the sections run and detector of a run configuration; prints one
 * JSON object. On a GPU the phases are the host's: work that it has queued counts where it waits.
 * scripts/bench-detector runs it against torchvision with the same model, images, boxes and
 * sampling counts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "core/rng.h"
#include "kernels/kernels.h"
#include "kernels/tape.h"
#include "nn/store.h"
#include "tests/bench/step.h"
#include "train/train.h"

enum { PHASES = 7, BOXES = 8, MAX_STEPS = 1000, WARMUP = 3 };
static const char *const phase_names[PHASES] = {"extract", "rpn",      "rpn_loss", "proposals",
                                                "roi",     "backward", "update"};

typedef struct bench {
    bl_ctx *ctx;
    bl_store *store;
    bl_detector *detector;
    int32_t batch, height, width, classes;
    float *images;
    bl_boxes *gt;
    bl_size *sizes;
    double phase[PHASES];
} bench;

/* Boxes on a coarse grid, sides from 1/16 to 1/2 of the image; the Python side computes the same
 * ones. */
static void fill_boxes(bench *b) {
    for (int i = 0; i < b->batch; i++) {
        bl_boxes *g = &b->gt[i];
        g->n = BOXES;
        g->box = calloc(BOXES, sizeof *g->box);
        g->label = calloc(BOXES, sizeof *g->label);
        for (int k = 0; k < BOXES; k++) {
            float w = (float)b->width * (float)(k + 1) / 16.0f;
            float h = (float)b->height * (float)(k + 1) / 16.0f;
            float x = (float)((k * 37 + i * 11) % 48) / 100.0f * (float)b->width;
            float y = (float)((k * 53 + i * 29) % 48) / 100.0f * (float)b->height;
            g->box[k] = (bl_box){x, y, x + w, y + h};
            g->label[k] = (k * 7 + i) % b->classes;
        }
    }
}

/* Small values: with frozen identity normalisation a random ResNet doubles the variance at every
 * block, and the network is homogeneous, so this keeps its outputs, and with them the proposals,
 * sensible. */
static void fill_images(bench *b) {
    int64_t n = (int64_t)b->batch * 3 * b->height * b->width;
    bl_rng rng = bl_rng_make(1, bl_rng_key(1, 2, 3));
    b->images = malloc((size_t)n * sizeof *b->images);
    for (int64_t i = 0; i < n; i++) b->images[i] = bl_rng_range(&rng, -1.0f, 1.0f) / 64.0f;
}

static bl_status losses(bench *b, int64_t t, bl_tensor *root[4], double *at) {
    bl_ctx *ctx = b->ctx;
    const bl_detector *d = b->detector;
    bl_tensor *x;
    bl_pyramid p;
    bl_rpn_out rpn;
    bl_roi_batch rois;
    bl_roi_out roi;
    bl_box_lists proposals;
    bl_roi_draw draw = {.add_gt = true, .seed = 1, .key = (uint64_t)t};
    BL_TRY(bl_tensor_from_host(ctx, b->images, b->batch, 3, b->height, b->width, 1, &x));
    BL_TRY(bl_detector_extract(ctx, d, true, x, &p));
    at[1] = bench_now_ms();
    BL_TRY(bl_rpn_forward(ctx, d, &p, &rpn));
    at[2] = bench_now_ms();
    BL_TRY(bl_rpn_loss(ctx, d, &rpn, b->gt, b->sizes, 1, (uint64_t)t, &root[0], &root[1], NULL));
    at[3] = bench_now_ms();
    BL_TRY(bl_rpn_proposals(ctx, d, &rpn, b->sizes, true, &proposals));
    at[4] = bench_now_ms();
    BL_TRY(bl_roi_sample(ctx, d, &proposals, b->gt, &draw, &rois));
    BL_TRY(bl_roi_forward_list(ctx, d, &p, rois.target.roi, rois.image, &roi));
    BL_TRY(bl_roi_cls_loss(ctx, d, &rois, rois.target.share, &roi, 0, &root[2]));
    BL_TRY(bl_roi_box_loss(ctx, d, &rois, &roi, &root[3]));
    at[5] = bench_now_ms();
    return BL_OK;
}

static bl_status step(bench *b, int64_t t, double *total) {
    double at[PHASES + 1];
    bl_tensor *root[4];
    float seed[4] = {1, 1, 1, 1}, value[4];
    bl_part part[4];
    bl_status status = BL_OK;
    at[0] = bench_now_ms();
    bl_step_begin(b->ctx, true);
    BL_TRY_DONE(losses(b, t, root, at));
    BL_TRY_DONE(bl_backward(b->ctx, root, seed, 4));
    for (int i = 0; i < 4; i++) part[i] = (bl_part){&value[i], root[i]->data, sizeof value[i]};
    BL_TRY_DONE(bl_to_host_parts(b->ctx, part, 4));
    for (int i = 0; i < 4; i++) {
        if (!isfinite(value[i])) BL_TRY_DONE(bl_fail(BL_ENUMERIC, "loss %d is not finite", i));
    }
    at[6] = bench_now_ms();
    bl_step_end(b->ctx);
    /* The rate is so small that every step does the same work. */
    BL_TRY(bl_store_sgd(b->store, b->ctx, &(bl_sgd){.lr = 1e-12f, .momentum = 0.9f, .decay = 1e-4f},
                        NULL));
    BL_TRY(b->ctx->dev->sync(b->ctx->dev));
    at[7] = bench_now_ms();
    *total = at[7] - at[0];
    for (int i = 0; i < PHASES; i++) b->phase[i] += at[i + 1] - at[i];
    return BL_OK;
done:
    bl_step_end(b->ctx);
    return status;
}

static void print_plan(void *arg, const char *text) {
    fprintf(stderr, "%s\n", text);
}

static bl_status run(int argc, char **argv, bl_arena *arena) {
    bench b = {.batch = atoi(argv[2]), .classes = atoi(argv[4])};
    int steps = atoi(argv[5]);
    int sides = sscanf(argv[3], "%dx%d", &b.height, &b.width);
    if (sides == 1) b.width = b.height;
    bl_run_config cfg;
    double times[MAX_STEPS];
    if (sides < 1 || b.batch < 1 || b.height < 32 || b.width < 32 || b.classes < 1 || steps < 1 ||
        steps > MAX_STEPS)
        return bl_fail(BL_ECONFIG, "bad BATCH, SIZE, CLASSES or STEPS");
    BL_TRY(bl_config_load(&bl_run_schema, argv[1], (const char *const *)argv + 6, argc - 6, arena,
                          &cfg));
    if (cfg.run.threads > 0) bl_set_threads((int)cfg.run.threads);
    b.gt = calloc((size_t)b.batch, sizeof *b.gt);
    b.sizes = calloc((size_t)b.batch, sizeof *b.sizes);
    for (int i = 0; i < b.batch; i++) b.sizes[i] = (bl_size){(float)b.width, (float)b.height};
    fill_boxes(&b);
    fill_images(&b);
    double before = bench_peak_mb();
    bl_ctx_options options = bl_run_ctx_options(&cfg.run);
    BL_TRY(bl_ctx_create(&options, &b.ctx));
    BL_TRY(bl_store_create(&b.store));
    BL_TRY(bl_detector_create(&cfg.detector, b.classes, b.store, &b.detector));
    BL_TRY(bl_store_finish(b.store, b.ctx, 1, true));
    bench_counter count;
    bench_count_begin(b.ctx, &count);
    bl_status status = step(&b, 0, &times[0]);
    bench_count_end(b.ctx, &count);
    BL_TRY(status);
    for (int t = 1; t < WARMUP + steps; t++) {
        if (t == WARMUP) memset(b.phase, 0, sizeof b.phase);
        BL_TRY(step(&b, t, &times[t < WARMUP ? 0 : t - WARMUP]));
    }
    qsort(times, (size_t)steps, sizeof times[0], bench_ascending);
    printf("{\"kernels\": \"%s\", \"parameters\": %lld, \"gflop\": %.3f, \"median_ms\": %.3f, "
           "\"min_ms\": %.3f, \"peak_mb\": %.1f, \"start_mb\": %.1f, \"phases\": {",
           b.ctx->k->name, (long long)bl_store_params(b.store), count.flop * 1e-9, times[steps / 2],
           times[0], bench_peak_mb(), before);
    for (int i = 0; i < PHASES; i++)
        printf("%s\"%s\": %.3f", i ? ", " : "", phase_names[i], b.phase[i] / steps);
    printf("}}\n");
    if (getenv("BENCH_PLANS")) bl_ctx_describe_plans(b.ctx, print_plan, NULL);
    bl_detector_destroy(b.detector);
    bl_store_destroy(b.store);
    bl_ctx_destroy(b.ctx);
    for (int i = 0; i < b.batch; i++) {
        free(b.gt[i].box);
        free(b.gt[i].label);
    }
    free(b.gt);
    free(b.sizes);
    free(b.images);
    return BL_OK;
}

int main(int argc, char **argv) {
    if (argc < 6) {
        fprintf(stderr,
                "usage: bench_detector CONFIG BATCH SIZE CLASSES STEPS [KEY.PATH=VALUE]...\n");
        return 2;
    }
    bl_arena *arena = bl_arena_create(0);
    bl_status status = run(argc, argv, arena);
    bl_arena_destroy(arena);
    if (status != BL_OK) fprintf(stderr, "bench_detector: %s\n", bl_error());
    return status != BL_OK;
}
