/* The coarse-grained tape: define-by-run, one node per fused layer op.
 *
 * An op's forward runs a kernel and, when recording and an input needs a gradient, appends a node
 * with what its backward needs. bl_backward walks the nodes in reverse; each node's saved
 * references are released as soon as it has run, so memory falls while backward proceeds. The first
 * contribution to an activation's gradient writes, later ones add: no zero fill. Leaf gradients
 * accumulate into the flat store. */
#ifndef BALLAST_KERNELS_TAPE_H
#define BALLAST_KERNELS_TAPE_H

#include "kernels/ctx.h"

enum { BL_NODE_IN = 8, BL_NODE_SAVED = 8 };

typedef struct bl_node bl_node;
typedef struct bl_op { /* one static const per op, in the file that implements it */
    const char *name;
    /* Reads node->out->grad, adds to the gradients of the inputs that need one. */
    bl_status (*backward)(bl_ctx *ctx, bl_node *node);
} bl_op;

struct bl_node {
    const bl_op *op;
    bl_tensor *in[BL_NODE_IN];
    bl_tensor *out;
    bl_tensor *saved[BL_NODE_SAVED]; /* retained until the node has run */
    void *attr;                      /* arena memory */
    bl_buf *held[BL_NODE_SAVED];     /* the tape's own references to saved[i]'s storage */
};

/* true when any of the n inputs needs a gradient and the context records. */
bool bl_tape_wants(const bl_ctx *ctx, bl_tensor *const *in, int n);
/* Appends a node; retains saved[0..n_saved) and `out`'s place in the
 * graph; marks out->needs_grad. */
bl_status bl_tape_push(bl_ctx *ctx, const bl_op *op, bl_tensor *const *in, int n_in, bl_tensor *out,
                       bl_tensor *const *saved, int n_saved, void *attr);
/* The gradient tensor of t to write into, created if needed; *beta = 0 (write) or 1 (accumulate).
 * NULL in *grad when t needs none. */
bl_status bl_grad_target(bl_ctx *ctx, bl_tensor *t, bl_tensor **grad, float *beta);

/* Runs backward from several scalar roots, root i seeded with seeds[i] (its weight in the total
 * loss). A root that needs no gradient is skipped. The tape is empty afterwards. */
bl_status bl_backward(bl_ctx *ctx, bl_tensor *const *losses, const float *seeds, int n);

#endif
