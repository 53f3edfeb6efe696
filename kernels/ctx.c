#include "kernels/ctx.h"

#include <stdlib.h>

#include "kernels/backend.h"
#include "kernels/internal.h"

/* The device, the table and the plan cache of the backend that the names stand for. */
static bl_status open_backend(bl_ctx *ctx, const bl_ctx_options *opt) {
    int index;
    BL_TRY(bl_backend_choose(opt->device, opt->backend, &ctx->backend, &index));
    const bl_backend *b = ctx->backend;
    if (bl_precision_is_half(opt->precision) && !b->half) {
        return bl_fail(BL_EUNSUPPORTED,
                       "precision \"%s\" needs a CUDA device: the CPU computes in fp32; use device "
                       "\"cuda:0\" or precision \"fp32\"",
                       bl_precision_name(opt->precision));
    }
    BL_TRY(b->open(index, &ctx->dev));
    bl_kernels *k = calloc(1, sizeof *k);
    if (!k) return bl_no_memory("to create a context");
    ctx->k = k;
    b->init(k);
    const char *hole = bl_kernels_missing(k);
    if (hole) {
        return bl_fail(BL_EUNSUPPORTED, "the %s backend lacks the kernel \"%s\"; use \"cpu\"",
                       b->name, hole);
    }
    ctx->cb = b->block();
    ctx->maps = bl_precision_maps(opt->precision);
    if (b->plans_create) BL_TRY(b->plans_create(opt, &ctx->plans));
    if (!opt->graphs || !b->defer) return BL_OK;
    BL_TRY(b->defer(ctx->dev, k));
    hole = bl_kernels_missing(k);
    return hole ? bl_fail(BL_EUNSUPPORTED, "the %s backend cannot defer the kernel \"%s\"", b->name,
                          hole)
                : BL_OK;
}

const char *bl_precision_name(bl_precision p) {
    static const char *const name[] = {"fp32", "tf32", "bf16", "fp16"};
    return name[p];
}

bl_dtype bl_precision_maps(bl_precision p) {
    return p == BL_PRECISION_BF16 ? BL_BF16 : p == BL_PRECISION_FP16 ? BL_F16 : BL_F32;
}

bool bl_precision_is_half(bl_precision p) {
    return bl_precision_maps(p) != BL_F32;
}

bl_status bl_ctx_create(const bl_ctx_options *opt, bl_ctx **out) {
    static const bl_ctx_options defaults = {.deterministic = 1};
    if (!opt) opt = &defaults;
    *out = NULL;
    bl_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx) return bl_no_memory("to create a context");
    bl_status status;
    BL_TRY_DONE(open_backend(ctx, opt));
    BL_TRY_DONE(bl_pool_create(ctx->dev, &ctx->pool));
    BL_TRY_DONE(bl_tape_create(&ctx->tape));
    ctx->arena = bl_arena_create(0);
    if (!ctx->arena) BL_TRY_DONE(BL_ENOMEM);
    *out = ctx;
    return BL_OK;
done:
    bl_ctx_destroy(ctx);
    return status;
}

void bl_ctx_destroy(bl_ctx *ctx) {
    if (!ctx) return;
    if (ctx->arena) bl_step_end(ctx);
    bl_tape_destroy(ctx->tape);
    bl_arena_destroy(ctx->arena);
    bl_pool_destroy(ctx->pool);
    if (ctx->plans) ctx->backend->plans_destroy(ctx->plans);
    free((void *)ctx->k);
    bl_device_close(ctx->dev);
    free(ctx);
}

void bl_ctx_describe_plans(const bl_ctx *ctx, void (*line)(void *arg, const char *text),
                           void *arg) {
    if (ctx->plans) ctx->backend->plans_describe(ctx->plans, line, arg);
}

bl_graph_stats bl_ctx_graph_stats(const bl_ctx *ctx) {
    return ctx->backend->graph_stats ? ctx->backend->graph_stats(ctx->dev) : (bl_graph_stats){0};
}

void bl_step_begin(bl_ctx *ctx, bool record) {
    ctx->record = record;
}

void bl_step_end(bl_ctx *ctx) {
    ctx->record = false;
    bl_tape_clear(ctx);
    bl_live_clear(ctx);
    if (!ctx->dev->host_memory) bl_pool_settle(ctx->pool);
    bl_arena_reset(ctx->arena);
}
