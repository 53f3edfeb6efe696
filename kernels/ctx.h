/* The execution context: device, kernel table, memory, tape and mode. One per stream of work, and
 * every op takes one: no model, no parameter and no setting is global.
 *
 *   training:   bl_step_begin(ctx, true);   y = ops...;  bl_backward(ctx, ...);  bl_step_end(ctx)
 *   inference:  bl_step_begin(ctx, false);  y = ops...;  bl_step_end(ctx)
 *
 * Both may nest on one context through bl_no_grad(): inside, ops record nothing and save nothing. */
#ifndef BALLAST_KERNELS_CTX_H
#define BALLAST_KERNELS_CTX_H

#include "core/arena.h"
#include "kernels/tensor.h"

typedef struct bl_kernels bl_kernels; /* kernels/kernels.h */
typedef struct bl_tape bl_tape;       /* kernels/tape.h */
typedef struct bl_plans bl_plans;     /* a backend's plan cache (opaque) */
typedef struct bl_backend bl_backend; /* kernels/backend.h */

typedef struct bl_ctx {
    const bl_backend *backend;
    bl_device *dev;
    const bl_kernels *k;
    bl_pool *pool;
    bl_arena *arena; /* step arena: tensor structs, tape nodes, host-side lists */
    bl_tape *tape;
    bl_plans *plans;
    bool record;   /* ops record on the tape when an input needs a gradient */
    int32_t cb;    /* preferred channel block of activations: 16, 8, or C on CUDA (0 = C) */
    bl_dtype maps; /* type of activations with pixels: BL_F32, or 16 bits; matrices are fp32 */
    struct bl_live *live; /* tensors of the step that may still hold storage (tensor.c) */
} bl_ctx;

/* How a GPU stores activations and multiplies; sums, parameters and losses are fp32 in all of them.
 * The CPU computes in fp32 alone: tf32 changes nothing there, and bl_ctx_create refuses the 16-bit
 * ones (plain C, backend "ref", takes them). */
typedef enum bl_precision {
    BL_PRECISION_FP32, /* as it stands */
    BL_PRECISION_TF32, /* inputs rounded to 10 bits of mantissa: tensor cores */
    BL_PRECISION_BF16, /* activations and gradients in bf16: 8 bits of exponent, 7 of mantissa */
    BL_PRECISION_FP16, /* likewise in fp16: 5 and 10; small gradients need loss scaling */
    BL_PRECISIONS
} bl_precision;
const char *bl_precision_name(bl_precision p); /* "fp32", "tf32", "bf16", "fp16" */
/* The type of activations; and whether they have 16 bits. */
bl_dtype bl_precision_maps(bl_precision p);
bool bl_precision_is_half(bl_precision p);

typedef struct bl_ctx_options {
    const char *device;  /* "cpu", "cuda:N", "auto" = cuda:0 when there is one, else cpu */
    const char *backend; /* "auto" = fastest; "ref" = plain C on the CPU (tests, odd machines) */
    const char *tuning_file; /* keeps timed plan choices between runs; NULL = memory only */
    int deterministic;       /* 1: plans are chosen in a fixed order, not by timing them */
    bl_precision precision;
    bool graphs; /* a GPU's work is collected and replayed as graphs; one such context a thread,
                  * which is used and destroyed by the thread that made it */
} bl_ctx_options;

/* opt may be NULL: auto, auto, no file, deterministic. */
bl_status bl_ctx_create(const bl_ctx_options *opt, bl_ctx **out);
void bl_ctx_destroy(bl_ctx *ctx);
/* One line per cached plan of the backend (none where it has no plans), for doctor and logs. */
void bl_ctx_describe_plans(const bl_ctx *ctx, void (*line)(void *arg, const char *text), void *arg);

/* What graphs have done so far; all 0 without. A list is a stretch of work that was collected. */
typedef struct bl_graph_stats {
    int64_t graphs;           /* kept */
    int64_t replayed, direct; /* lists */
    int64_t replayed_commands, direct_commands;
} bl_graph_stats;
bl_graph_stats bl_ctx_graph_stats(const bl_ctx *ctx);

void bl_step_begin(bl_ctx *ctx, bool record);
void bl_step_end(bl_ctx *ctx); /* drops every live tensor of the step, clears tape and arena */
/* Switches recording off (returns the old value) and back. */
bool bl_no_grad(bl_ctx *ctx);
void bl_set_grad(bl_ctx *ctx, bool old);

/* New uninitialised tensor (cb = 0: the context's preferred block, for h*w == 1 && cb == 0: 1). */
bl_status bl_tensor_new(bl_ctx *ctx, int64_t n, int64_t c, int64_t h, int64_t w, int32_t cb,
                        bl_dtype dtype, bl_tensor **out);
/* A tensor over device memory that is not the context's and outlives the step. */
bl_status bl_tensor_over(bl_ctx *ctx, const void *data, int64_t n, int64_t c, int64_t h, int64_t w,
                         int32_t cb, bl_dtype dtype, bl_tensor **out);
bl_status bl_tensor_zero(bl_ctx *ctx, bl_tensor *t);
/* Drops the caller's reference to the storage (the struct stays). Leaves and NULL: no effect. */
void bl_tensor_drop(bl_ctx *ctx, bl_tensor *t);
/* Planar host array (N,C,H,W row-major) -> new fp32 tensor with block cb; and a tensor of any float
 * type back. */
bl_status bl_tensor_from_host(bl_ctx *ctx, const float *src, int64_t n, int64_t c, int64_t h,
                              int64_t w, int32_t cb, bl_tensor **out);
bl_status bl_tensor_to_host(bl_ctx *ctx, const bl_tensor *t, float *dst);
/* Pieces of device memory -> host, with one wait for all of them. */
typedef struct bl_part {
    void *host;
    const void *device;
    size_t bytes;
} bl_part;
bl_status bl_to_host_parts(bl_ctx *ctx, const bl_part *part, int n);

/* A host list of n rows of c values -> a new tensor (n, c) with block 1, and any such list back. */
bl_status bl_upload(bl_ctx *ctx, bl_dtype dtype, int64_t n, int64_t c, const void *src,
                    bl_tensor **out);
bl_status bl_download(bl_ctx *ctx, const bl_tensor *list, void *dst);

/* Number of values that are NaN or infinite (padding included, so a broken kernel shows). */
bl_status bl_tensor_count_nonfinite(bl_ctx *ctx, const bl_tensor *t, int64_t *count);

#endif
