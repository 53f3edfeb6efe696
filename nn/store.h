/* Flat parameter store: every parameter of a model as one named view of parallel buffers.
 *
 *   w   values
 *   g   gradients
 *   m   momentum
 *   v   mean squares (Adam alone)
 *
 * and, in a second region of w, of what is no parameter, such as batch norm's running statistics.
 *
 * SGD, EMA, gradient norm, zeroing and (later) all-reduce are single kernels over ranges of these
 * buffers. Values are canonical fp32 (OIHW convolutions, [M,K] matrices). A model is built in two
 * passes over the same build function: layers declare their tensors with bl_store_add, then
 * bl_store_finish allocates and initialises. The EMA teacher is a second model with a second store
 * of identical layout. */
#ifndef BALLAST_NN_STORE_H
#define BALLAST_NN_STORE_H

#include "core/safetensors.h"
#include "kernels/ctx.h"

typedef enum bl_init {
    BL_INIT_ZERO,
    BL_INIT_ONE,
    BL_INIT_VALUE,           /* std itself, everywhere */
    BL_INIT_NORMAL,          /* N(0, std) */
    BL_INIT_KAIMING_FAN_OUT, /* N(0, sqrt(2/(O*kh*kw))): ResNet convolutions */
    BL_INIT_XAVIER_UNIFORM,  /* U(+-sqrt(6/(fan_in+fan_out))) */
    BL_INIT_UNIFORM,         /* U(+-std) */
    BL_INIT_KAIMING_FAN_IN,  /* N(0, sqrt(2/(I*kh*kw))) */
    BL_INIT_XAVIER_NORMAL,   /* N(0, sqrt(2/(fan_in+fan_out))) */
    BL_INIT_UNIT_ROWS        /* U(-1,1), each row then scaled to unit length: cosine heads */
} bl_init;

typedef struct bl_param_spec {
    const char *name; /* PyTorch-style, e.g. "backbone.layer1.0.conv1.weight"; copied */
    int64_t shape[4]; /* (O,I,kh,kw), (M,K,1,1) or (C,1,1,1) */
    int ndim;         /* as written to checkpoints: 4, 2 or 1 */
    bl_init init;
    float std;
    bool buffer;    /* not a parameter: running statistics */
    bool trainable; /* false: frozen; no gradient */
    bool decay;     /* weight decay applies */
} bl_param_spec;

typedef struct bl_store bl_store;

bl_status bl_store_create(bl_store **out);
void bl_store_destroy(bl_store *s); /* before its context */

/* Declares a tensor; *t points to a bl_tensor that stays valid as long as the store and is usable
 * after bl_store_finish. Duplicate names are BL_EINVAL. Gradients: leaf, needs_grad = trainable.
 * Layout of tensors: (O,I,kh,kw) and (M,K) as n=O,c=I*kh*kw.. : data is the canonical array, cb = 1
 * with n,c,h,w = shape; a (C) vector has n=1,c=C,h=w=1. */
bl_status bl_store_add(bl_store *s, const bl_param_spec *spec, bl_tensor **t);

/* Tensors whose names begin with `prefix` are not trained: no gradient, no decay; running statistics
 * go on. Before bl_store_finish; *n: how many parameters' tensors that were. */
void bl_store_freeze(bl_store *s, const char *prefix, int64_t *n);

/* Allocates on the context's device and initialises from `seed`; each tensor draws from a stream
 * keyed by its name, so that adding a layer does not change the others. with_grad = false
 * (teacher): no g, m buffers. */
bl_status bl_store_finish(bl_store *s, bl_ctx *ctx, uint64_t seed, bool with_grad);

int64_t bl_store_params(const bl_store *s);   /* trainable elements */
int64_t bl_store_count(const bl_store *s);    /* named tensors */
int64_t bl_store_elements(const bl_store *s); /* parameter elements, frozen ones too, buffers not */
/* What the i-th declared tensor was declared as; NULL beyond the end. */
const bl_param_spec *bl_store_spec(const bl_store *s, int64_t i);
/* The tensor of that name, or NULL. */
bl_tensor *bl_store_find(const bl_store *s, const char *name);

/* ---- flat operations ---- */

/* Queues the sum of squares of all gradients into a number on the device, which belongs to the
 * store and is overwritten by the next call. */
bl_status bl_store_grad_squares(bl_store *s, bl_ctx *ctx, const double **squares);

typedef struct bl_sgd {
    float lr, momentum, decay;
    bool nesterov;
    float clip_norm;  /* > 0: scale gradients to at most this global L2 norm */
    float grad_scale; /* gradients are multiplied by this first (1/accumulation steps, 1/loss
                         scale); 0 = 1 */
    const double *grad_squares; /* what bl_store_grad_squares gave, when the caller has read it */
} bl_sgd;
/* One update of all trainable tensors; zeroes the gradients afterwards; *grad_norm (may be NULL)
 * receives the norm before clipping. When the norm is computed (grad_norm given or clipping) and is
 * not finite: BL_ENUMERIC naming the tensor, and nothing changes. Unless the caller has read the
 * sum of squares, computing the norm waits for the device. */
bl_status bl_store_sgd(bl_store *s, bl_ctx *ctx, const bl_sgd *o, double *grad_norm);

/* Adam (Kingma and Ba, ICLR 2015) with L2 decay added to the gradient; the first update makes the
 * buffer of mean squares. Norm, clipping and non-finite gradients as in bl_store_sgd. */
typedef struct bl_adam {
    float lr, beta1, beta2, epsilon, decay;
    float clip_norm, grad_scale; /* as in bl_sgd */
    int64_t step;                /* of this update, from 1: corrects the bias of the means */
    const double *grad_squares;  /* as in bl_sgd */
} bl_adam;
bl_status bl_store_adam(bl_store *s, bl_ctx *ctx, const bl_adam *o, double *grad_norm);
/* Everything (buffers too) times `factor`: the decoupled decay of some Adam recipes. */
bl_status bl_store_scale(bl_store *s, bl_ctx *ctx, float factor);
bl_status bl_store_zero_grad(bl_store *s, bl_ctx *ctx);
/* teacher <- keep*teacher + (1-keep)*student over parameters (frozen ones too). Buffers (BN
 * statistics): copied when copy_buffers, else averaged likewise. Layouts must be identical
 * (checked). */
bl_status bl_store_ema(bl_store *teacher, const bl_store *student, bl_ctx *ctx, float keep,
                       bool copy_buffers);
/* Name of the first tensor with a non-finite value or gradient, or NULL. */
const char *bl_store_first_nonfinite(const bl_store *s, bl_ctx *ctx, bool gradients);

/* ---- checkpoints ---- */

/* What of a tensor a file holds; the last two exist for trainable tensors only. */
typedef enum bl_store_part { BL_STORE_VALUES, BL_STORE_MOMENTUM, BL_STORE_SQUARES } bl_store_part;
/* true when the store has mean squares: after bl_store_adam or their import. */
bool bl_store_has_squares(const bl_store *s);

/* Lists the store's tensors for writing, names prefixed ("student." ...), in host memory taken from
 * `arena`. Appends to out[*n..cap). */
bl_status bl_store_export(const bl_store *s, bl_ctx *ctx, const char *prefix, bl_store_part part,
                          bl_arena *arena, bl_st_tensor *out, int cap, int *n);
/* Reads every tensor of the store, from fp32, fp16, bf16 or fp64; missing ones, and those of
 * another shape or type, are BL_EFORMAT naming the tensor, unless `partial` (weight import): then
 * missing ones keep their values and *n_missing counts them. */
bl_status bl_store_import(bl_store *s, bl_ctx *ctx, const bl_st_file *f, const char *prefix,
                          bl_store_part part, bool partial, int *n_missing);

/* Values from the given tensors: one for each of the store's in order, NULL where it keeps its own
 * (nn/weights.h finds them). Nothing is written unless all fit. */
bl_status bl_store_import_tensors(bl_store *s, bl_ctx *ctx, const bl_st_tensor *const *from);

/* Values from a file that names tensors differently: the first rule whose `ours` begins a tensor's
 * name replaces that beginning by `theirs`; a tensor that no rule fits keeps its name. */
typedef struct bl_rename {
    const char *ours, *theirs;
} bl_rename;
bl_status bl_store_import_renamed(bl_store *s, bl_ctx *ctx, const bl_st_file *f,
                                  const bl_rename *rules, int n_rules, bool partial,
                                  int *n_missing);

#endif
