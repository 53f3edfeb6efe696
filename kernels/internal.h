/* Helpers shared by the op files of this folder; not part of its interface. */
#ifndef BALLAST_KERNELS_INTERNAL_H
#define BALLAST_KERNELS_INTERNAL_H

#include "kernels/kernels.h"
#include "kernels/ops.h"
#include "kernels/tape.h"

/* "(2,64,7,7)" for messages; valid until the end of the full expression. */
typedef struct bl_shape_text {
    char s[96];
} bl_shape_text;
bl_shape_text bl_shape(const bl_tensor *t);

/* Same logical shape; the layouts may differ. */
bool bl_same_shape(const bl_tensor *a, const bl_tensor *b);
/* Shape, layout and type of `like`, uninitialised; the gradient-free struct belongs to the step. */
bl_status bl_tensor_like(bl_ctx *ctx, const bl_tensor *like, bl_tensor **out);
/* A second tensor over t's storage (its own reference). */
bl_status bl_tensor_share(bl_ctx *ctx, bl_tensor *t, bl_tensor **out);
/* BL_EINVAL unless t is an fp32 scalar. */
bl_status bl_scalar_check(const bl_tensor *t);
/* A new scalar tensor with this value. */
bl_status bl_scalar_new(bl_ctx *ctx, float value, bl_tensor **out);
/* The channel block of a convolution's output of c channels. */
int32_t bl_out_block(const bl_ctx *ctx, const bl_tensor *x, int64_t c);
/* *y = x when it has block cb and this type already, else a copy that has (recorded: its gradient
 * is converted back); *made tells whether to drop it. */
bl_status bl_as(bl_ctx *ctx, bl_tensor *x, int32_t cb, bl_dtype dtype, bl_tensor **y, bool *made);
/* Likewise of block cb and of x's own type; of the block and type that convolutions take; and a
 * planar fp32 one. */
bl_status bl_as_block(bl_ctx *ctx, bl_tensor *x, int32_t cb, bl_tensor **y, bool *made);
bl_status bl_as_map(bl_ctx *ctx, bl_tensor *x, bl_tensor **y, bool *made);
bl_status bl_as_matrix(bl_ctx *ctx, bl_tensor *x, bl_tensor **y, bool *made);
/* *y = t, or a copy of another type that is not recorded. */
bl_status bl_cast(bl_ctx *ctx, bl_tensor *t, bl_dtype dtype, bl_tensor **y, bool *made);

/* The factor of negative values: 1 none, 0 relu, `slope` leaky (must be in [0,1)). */
bl_status bl_act_factor(const char *op, bl_act act, float slope, float *factor);

/* Releases the caller's storage reference of out->grad and forgets it. */
void bl_grad_release(bl_ctx *ctx, bl_tensor *t);
/* Adds dy to t's gradient; the first contribution shares dy's storage instead of copying. */
bl_status bl_grad_pass(bl_ctx *ctx, bl_tensor *t, bl_tensor *dy);
/* The gradients of n maps a kernel adds into: zeroed when new, NULL where none is needed. */
bl_status bl_grad_target_maps(bl_ctx *ctx, bl_tensor *const *maps, int n, bl_tensor **dmaps);
/* dy where y > 0, else factor*dy: in place when only this node holds dy, else in a new tensor, to
 * be dropped by the caller when *g != dy. */
bl_status bl_grad_masked(bl_ctx *ctx, const bl_tensor *y, bl_tensor *dy, float factor,
                         bl_tensor **g);

/* Loss ops: backward of a loss whose saved[i] is the gradient of in[i] for a seed of 1, or NULL. */
bl_status bl_loss_backward(bl_ctx *ctx, bl_node *node);
/* Makes *x a planar matrix, d a matrix of its shape and `sum` the scalar for the loss. */
bl_status bl_loss_open(bl_ctx *ctx, const char *name, bl_tensor **x, bl_tensor **d, bl_tensor **sum,
                       bool *made);
/* The loss's node; drops d, and x when it was made by bl_loss_open. */
bl_status bl_loss_close(bl_ctx *ctx, const bl_op *op, bl_tensor *x, bool made, bl_tensor *d,
                        bl_tensor *sum, bl_tensor **loss);
/* A device copy of an optional list; *data stays NULL for NULL. */
bl_status bl_loss_list(bl_ctx *ctx, bl_dtype dtype, int64_t n, int64_t c, const void *src,
                       bl_tensor **t, void **data);

bl_status bl_tape_create(bl_tape **out);
void bl_tape_clear(bl_ctx *ctx); /* releases everything saved */
void bl_tape_destroy(bl_tape *t);
void bl_live_clear(bl_ctx *ctx); /* drops every tensor of the step */

#endif
