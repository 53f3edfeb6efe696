/* Differentiable operations: the vocabulary networks are written in. Each is one tape node.
 *
 * Conventions: fp32; x is (N,C,H,W) with any cb unless said otherwise, convolutions use x's cb
 * when it is a real block (8, 16), else the context's preferred one; ops that keep the channels
 * keep x's cb; inputs are never freed or modified unless the op says "in place". Weights are stored
 * canonically (OIHW, or [M,K] matrices), whatever layout a backend computes in: backends reorder,
 * at under 2 % of a step, and stores, checkpoints, EMA and optimisers stay layout-free. Shapes that
 * do not fit are BL_EINVAL. N = 0 is valid everywhere and yields empty outputs and zero losses. */
#ifndef BALLAST_KERNELS_OPS_H
#define BALLAST_KERNELS_OPS_H

#include "core/geom.h"
#include "kernels/ctx.h"
#include "kernels/shared/anchors.h"
#include "kernels/shared/view_steps.h"

typedef enum bl_act { BL_ACT_NONE, BL_ACT_RELU, BL_ACT_LEAKY } bl_act;

/* ---- convolution ---- */

typedef struct bl_conv_attr {
    int32_t stride, pad, dilation; /* square; dilation 1 = dense */
    bl_act act;                    /* applied to the output: NONE or RELU */
} bl_conv_attr;
/* w (O,I,kh,kw) leaf, b (O) leaf or NULL. */
bl_status bl_conv2d(bl_ctx *ctx, bl_tensor *x, bl_tensor *w, bl_tensor *b, const bl_conv_attr *a,
                    bl_tensor **y);

/* ---- normalisation (+ skip) (+ activation), fused ---- */

typedef enum bl_norm_kind {
    BL_NORM_BATCH,      /* of the batch; running ones: r <- (1-momentum) r + momentum batch */
    BL_NORM_BATCH_EVAL, /* running statistics; gamma and beta may be trained */
    BL_NORM_GROUP       /* GroupNorm over `groups` groups of channels, per image */
} bl_norm_kind;
typedef struct bl_norm {
    bl_norm_kind kind;
    bl_tensor *gamma, *beta;               /* (C) leaves */
    bl_tensor *running_mean, *running_var; /* (C) buffers; NULL for GROUP */
    int32_t groups;
    float eps, momentum;
    bool keep_input; /* never in place: x is used again */
} bl_norm;
/* y = act(norm(x) + skip); skip (same shape) or NULL. slope: LEAKY only. With BATCH_EVAL and
 * untrained gamma/beta the op works in place on x's storage when nothing else holds it, so *y may
 * share it: the caller must not use x afterwards, or sets keep_input. Running variance uses the
 * unbiased estimate (as PyTorch). */
bl_status bl_norm_act(bl_ctx *ctx, bl_tensor *x, const bl_norm *norm, bl_tensor *skip, bl_act act,
                      float slope, bl_tensor **y);

/* ---- pooling, resampling, elementwise ---- */

bl_status bl_max_pool(bl_ctx *ctx, bl_tensor *x, int32_t kernel, int32_t stride, int32_t pad,
                      bl_tensor **y);
bl_status bl_avg_pool_global(bl_ctx *ctx, bl_tensor *x, bl_tensor **y); /* (N,C,1,1), cb 1 */
bl_status bl_relu(bl_ctx *ctx, bl_tensor *x, bl_tensor **y);
bl_status bl_add(bl_ctx *ctx, bl_tensor *a, bl_tensor *b, bl_tensor **y);
/* x in another channel block (0: the context's preferred one); differentiable. Ops call it
 * themselves when two inputs differ in layout or when they need a planar one. */
bl_status bl_reorder(bl_ctx *ctx, bl_tensor *x, int32_t cb, bl_tensor **y);
/* y = fine + nearest-upsampled coarse (index floor(i*Hc/Hf)); the FPN top-down step. */
bl_status bl_upsample_add(bl_ctx *ctx, bl_tensor *fine, bl_tensor *coarse, bl_tensor **y);

/* Parameter-free shortcut of CIFAR ResNets (He et al., CVPR 2016, option A): every stride-th row
 * and column of x, with zero channels added up to `channels`, half of them (rounded
 * down) in front. */
bl_status bl_shortcut(bl_ctx *ctx, bl_tensor *x, int32_t stride, int64_t channels, bl_tensor **y);

/* ---- matrices ---- */

/* x (N,C,H,W) flattened to (N, C*H*W) in canonical order, w [M, C*H*W] leaf, b [M] leaf or NULL ->
 * act(x w^T + b), (N,M,1,1) cb 1. */
bl_status bl_linear(bl_ctx *ctx, bl_tensor *x, bl_tensor *w, bl_tensor *b, bl_act act,
                    bl_tensor **y);

/* y = x / max(|x|, eps) for every row of x (N,C). */
bl_status bl_l2_normalize(bl_ctx *ctx, bl_tensor *x, float eps, bl_tensor **y);
/* y = factor * x. */
bl_status bl_scale(bl_ctx *ctx, bl_tensor *x, float factor, bl_tensor **y);
/* x's values without its history: no gradient passes. Shares x's storage, so x must not be worked
 * on in place afterwards. */
bl_status bl_detach(bl_ctx *ctx, bl_tensor *x, bl_tensor **y);
/* Images [first, first+count) of x, and several tensors (n <= 8) joined along N. */
bl_status bl_slice(bl_ctx *ctx, bl_tensor *x, int64_t first, int64_t count, bl_tensor **y);
bl_status bl_concat(bl_ctx *ctx, bl_tensor *const *x, int n, bl_tensor **y);
/* Rows index[0..count) of x (N,C), any order, repeats allowed. */
bl_status bl_rows(bl_ctx *ctx, bl_tensor *x, const int32_t *index, int64_t count, bl_tensor **y);

/* ---- detection: dense maps to lists ---- */

/* out[i, j] = maps[level](n, a*per + j, y, x), (count, per, 1, 1) cb 1. Backward scatters. n_maps
 * <= 8. */
bl_status bl_gather(bl_ctx *ctx, bl_tensor *const *maps, int n_maps, const bl_loc *loc,
                    int64_t count, int32_t per, bl_tensor **out);
/* The same at locations on the device, (count, 5) BL_I32, which are not checked. */
bl_status bl_gather_list(bl_ctx *ctx, bl_tensor *const *maps, int n_maps, bl_tensor *loc,
                         int32_t per, bl_tensor **out);

/* RoIAlign over all pyramid levels (Lin et al., FPN, CVPR 2017; He et al., Mask R-CNN, ICCV 2017).
 * rois[i] in image pixels of image batch[i], pooled from maps[level[i]] with scale[level]; out
 * (count, C, size, size). sampling 0 = adaptive ceil(bin); aligned = half-pixel. n_maps <= 8. The
 * lists are host memory and are copied. */
typedef struct bl_roi_attr {
    int32_t size, sampling;
    bool aligned;
    float scale[8];
} bl_roi_attr;
bl_status bl_roi_align(bl_ctx *ctx, bl_tensor *const *maps, int n_maps, const bl_box *rois,
                       const int32_t *batch, const int32_t *level, int64_t count,
                       const bl_roi_attr *a, bl_tensor **out);
/* The same with lists on the device, which are not checked: rois (count, 4), batch and level
 * (count) BL_I32. A box of level -1 gives zeros. */
bl_status bl_roi_align_list(bl_ctx *ctx, bl_tensor *const *maps, int n_maps, bl_tensor *rois,
                            bl_tensor *batch, bl_tensor *level, const bl_roi_attr *a,
                            bl_tensor **out);

/* ---- losses: scalar tensors (1,1,1,1). Lists are host memory and are copied. ---- */

/* Weighted softmax cross-entropy or focal loss of logits (N,K), q_i = softmax(z_i)[label[i]]:
 *
 *   scale * sum_i weight[i] * (1-q_i)^focal * (-ln q_i)
 *
 * label in [0,K), -1: row ignored; weight NULL = 1; focal = 0 is cross-entropy. */
bl_status bl_softmax_loss(bl_ctx *ctx, bl_tensor *logits, const int32_t *label, const float *weight,
                          float focal, float scale, bl_tensor **loss);
/* What may happen to logits z before the softmax: z'_k = gain * (z_k - margin_y [k =
 * y]) + bias_k. */
typedef struct bl_softmax_attr {
    float gain;        /* LDAM's s, 1/temperature; 0 = 1 */
    const float *bias; /* [K]: tau * ln(prior) adjusts logits (Menon et al., ICLR 2021); NULL = 0 */
    const float *margin; /* [K]: LDAM's margins (Cao et al., NeurIPS 2019); NULL = 0. Hard labels */
    float focal;         /* exponent; hard labels */
    bool weight_in_focal; /* l = weight * (-ln q): (1 - e^-l)^focal * l, as the published code of
                             class-balanced focal loss has it */
} bl_softmax_attr;
/* The same with adjusted logits. A mean weighted by class divides by the sum of the rows' weights:
 * put that into `scale`. */
bl_status bl_adjusted_softmax_loss(bl_ctx *ctx, bl_tensor *logits, const int32_t *label,
                                   const float *weight, const bl_softmax_attr *attr, float scale,
                                   bl_tensor **loss);
/* Cross-entropy with soft targets: scale * sum_i weight[i] * sum_k -target[i*K+k] ln
 * softmax(z'_i)_k. Targets need not sum to 1. attr (gain and bias only) or NULL. */
bl_status bl_soft_target_loss(bl_ctx *ctx, bl_tensor *logits, const float *target,
                              const float *weight, const bl_softmax_attr *attr, float scale,
                              bl_tensor **loss);
/* Entropy of the predictions: scale * sum_i weight[i] * sum_k -p_k ln p_k,
 * p = softmax(logits_i). */
bl_status bl_entropy_loss(bl_ctx *ctx, bl_tensor *logits, const float *weight, float scale,
                          bl_tensor **loss);
/* InfoNCE (van den Oord et al., 2018) as in MoCo (He et al., CVPR 2020): row i of q (N,D) should be
 * closer to its key (keys (N,D)) than to any row of the queue (Q,D):
 *
 *   scale * sum_i -ln( e^{q_i.k_i/T} / (e^{q_i.k_i/T} + sum_j e^{q_i.n_j/T}) )
 *
 * Gradient to q only. */
bl_status bl_info_nce_loss(bl_ctx *ctx, bl_tensor *q, const bl_tensor *keys, const bl_tensor *queue,
                           float temperature, float scale, bl_tensor **loss);
/* A loss that the caller computed: its value, and its gradient grad[i] (planar host array, copied)
 * with respect to each of the n <= 8 matrices x[i] (N,C); grad[i] NULL: none. Algorithms with a
 * loss of their own (contrastive ones over pairs and banks) use this instead of a chain of small
 * ops. */
bl_status bl_given_loss(bl_ctx *ctx, bl_tensor *const *x, const float *const *grad, int n,
                        double value, bl_tensor **loss);
/* sum_i weight[i] * BCE(sigmoid(x_i), target_i) * scale; x (N,1), target in [0,1]. */
bl_status bl_sigmoid_bce_loss(bl_ctx *ctx, bl_tensor *x, const float *target, const float *weight,
                              float scale, bl_tensor **loss);
/* Smooth L1 (beta 0 = L1) over chosen columns: row i, columns first[i]..first[i]+per-1 of x (N,K)
 * against target[i*per..]; first[i] < 0: row ignored; weight NULL = 1. */
bl_status bl_smooth_l1_loss(bl_ctx *ctx, bl_tensor *x, const int32_t *first, const float *target,
                            const float *weight, int32_t per, float beta, float scale,
                            bl_tensor **loss);

/* The three losses of detection with lists on the device, which are not checked: label and first
 * BL_I32. */
bl_status bl_softmax_loss_list(bl_ctx *ctx, bl_tensor *logits, const bl_tensor *label,
                               const bl_tensor *weight, float focal, float scale, bl_tensor **loss);
bl_status bl_sigmoid_bce_loss_list(bl_ctx *ctx, bl_tensor *x, const bl_tensor *target,
                                   const bl_tensor *weight, float scale, bl_tensor **loss);
bl_status bl_smooth_l1_loss_list(bl_ctx *ctx, bl_tensor *x, const bl_tensor *first,
                                 const bl_tensor *target, const bl_tensor *weight, int32_t per,
                                 float beta, float scale, bl_tensor **loss);

/* The value of a scalar on the host (synchronises). */
bl_status bl_scalar(bl_ctx *ctx, const bl_tensor *loss, float *value);

/* ---- views of small images ---- */

/* n views of images (N,3,H,W), BL_U8 with cb = 3 (interleaved RGB), normalised as (pixel - mean) /
 * std with mean and std in pixel units: (n,3,H,W), planar, or interleaved where the context's
 * activations are NHWC. Plans and their steps (host memory, copied) are what
 * bl_classify_view_draw() in datasets/views/classification/view.h draws. */
bl_status bl_make_views(bl_ctx *ctx, const bl_tensor *images, const bl_view_plan *plan, int64_t n,
                        const bl_view_step *step, int64_t n_steps, const float mean[3],
                        const float std[3], bl_tensor **out);

/* n images in device memory as (n,3,h,w), each in the upper left corner, as bl_view_normalise() in
 * datasets/views/detection/view.h makes them; planar, or interleaved where the context's
 * activations are NHWC. The list itself is host memory, copied. BL_EINVAL for an image larger than
 * h x w. */
bl_status bl_make_inputs(bl_ctx *ctx, const bl_device_image *image, int64_t n,
                         const bl_input_attr *attr, int64_t h, int64_t w, bl_tensor **out);

/* ---- without gradient ---- */

/* Row-wise softmax of (N,K): a new matrix, or a host array [N*K]. */
bl_status bl_softmax(bl_ctx *ctx, const bl_tensor *logits, bl_tensor **out);
bl_status bl_softmax_to_host(bl_ctx *ctx, const bl_tensor *logits, float *out);
enum { BL_NMS_OUT = INT32_MIN }; /* a group whose boxes take no part */
/* Batched NMS on host lists: boxes of equal `group` (NULL: all) suppress each other.
 * score-descending order, ties by lower index; suppress when IoU > thr. keep[] receives up to
 * max_out indices in score order. */
bl_status bl_nms(bl_ctx *ctx, const bl_box *box, const float *score, const int32_t *group,
                 int64_t n, float thr, int64_t max_out, int32_t *keep, int64_t *n_keep);
/* The k largest of map(n, a, y, x) per image of one level (all a*h*w entries when fewer): locations
 * (a fastest, then x, y: mmdetection's order), scores; ties by lower position. loc/score have room
 * for k per image; count per image in *n_out (the same for all images). */
bl_status bl_topk(bl_ctx *ctx, const bl_tensor *map, int32_t level, int64_t k, bl_loc *loc,
                  float *score, int64_t *n_out);

/* The class-to-class gradients of one batch, for balance/gradient_matrix.h (Li et al.,
 * "Gradient-based Sampling for Class Imbalanced Semi-supervised Object Detection", ICCV 2023,
 * supplement eq. 1, and the released implementation). For every row i of the logits (N,K) with
 * label y_i and weight v_i (NULL: 1), to the host matrix m (K x K, row-major, overwritten):
 *
 *     p_i = softmax(z_i) + offset,  t_i = p_i[y_i],  g_i = |d/dt focal loss| at t_i
 *
 *     m[y_i][y_i] -= scale v_i g_i t_i (1 - t_i) / N
 *     m[y_i][j]   += scale v_i g_i t_i p_i[j] / N      for j != y_i
 *
 * N = 0 gives zeros. BL_EINVAL for a label out of [0, K), BL_ENUMERIC, with m undefined, for a
 * logit or weight that is not finite. */
typedef struct bl_class_gradient_attr {
    double focal;  /* e >= 0 of the focal loss (1-t)^e (-ln t): 1 in the released code, 1.5 for
                      Unbiased Teacher; 0 is cross-entropy */
    double offset; /* added to every probability, not renormalised: 1e-5 */
    double scale;  /* 100 times the branch's loss weight */
} bl_class_gradient_attr;
/* The released constants: focal exponent 1, offset 1e-5, scale 100. */
bl_class_gradient_attr bl_class_gradient_default(void);
bl_status bl_class_gradients(bl_ctx *ctx, bl_tensor *logits, const int32_t *label,
                             const float *weight, const bl_class_gradient_attr *attr, double *m);
/* The same with lists on the device, which are not checked: label (N) BL_I32, weight (N). Rows of
 * label -1 do not count: N is the number of the others. */
bl_status bl_class_gradients_list(bl_ctx *ctx, bl_tensor *logits, const bl_tensor *label,
                                  const bl_tensor *weight, const bl_class_gradient_attr *attr,
                                  double *m);

#endif
