#include "kernels/ctx.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/internal.h"

enum { REF_BLOCK = 8 };

/* Fills the table and the plan cache for the backend's name. */
static bl_status open_backend(bl_ctx *ctx, const bl_ctx_options *opt) {
    const char *backend = opt->backend ? opt->backend : "auto";
    bool ref = !strcmp(backend, "ref");
    if (!ref && strcmp(backend, "auto") != 0) {
        return bl_fail(BL_EINVAL, "unknown backend \"%s\"; use \"auto\" or \"ref\"", backend);
    }
    bl_kernels *k = malloc(sizeof *k);
    if (!k) return bl_fail(BL_ENOMEM, "out of memory: cannot create a context");
    ctx->k = k;
    bl_kernels_init_ref(k);
    ctx->cb = REF_BLOCK;
    if (ref) return BL_OK;
    bl_kernels_init_cpu(k);
    ctx->cb = bl_cpu_block();
    return bl_plans_create_cpu(opt->tuning_file, opt->deterministic, &ctx->plans);
}

bl_status bl_ctx_create(const bl_ctx_options *opt, bl_ctx **out) {
    static const bl_ctx_options defaults = {.deterministic = 1};
    if (!opt) opt = &defaults;
    *out = NULL;
    bl_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx) return bl_fail(BL_ENOMEM, "out of memory: cannot create a context");
    bl_status status;
    BL_TRY_DONE(bl_device_open(opt->device, &ctx->dev));
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
    if (ctx->plans) bl_plans_destroy_cpu(ctx->plans);
    free((void *)ctx->k);
    bl_device_close(ctx->dev);
    free(ctx);
}

void bl_step_begin(bl_ctx *ctx, bool record) {
    ctx->record = record;
}

void bl_step_end(bl_ctx *ctx) {
    ctx->record = false;
    bl_tape_clear(ctx);
    bl_live_clear(ctx);
    bl_arena_reset(ctx->arena);
}

bool bl_no_grad(bl_ctx *ctx) {
    bool old = ctx->record;
    ctx->record = false;
    return old;
}

void bl_set_grad(bl_ctx *ctx, bool old) {
    ctx->record = old;
}
