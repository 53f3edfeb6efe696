/* The kernel table: raw, non-differentiable kernels behind every op. A backend is one filled table.
 *
 * bl_kernels_init_ref() fills every slot with plain C (the oracle); faster implementations
 * overwrite slots in ascending order of CPU features (dav1d's scheme); a slot is never NULL.
 * Pointers are device pointers; on the CPU device they are host pointers. Structs (tensors,
 * attributes) are the host's and hold for the call alone. Tensors carry their shapes; `beta` is 0
 * (write) or 1 (accumulate). Kernels keep channel padding zero.
 *
 * Maps (void pointers with a bl_dtype, and tensors) are fp32 or, in a context of 16-bit precision,
 * BL_BF16 or BL_F16; all maps of a call have one type unless a slot says otherwise. Values are
 * widened when read, computed with in fp32 (sums: fp32 or double) and rounded to nearest even when
 * stored. Everything else (float pointers) is fp32. Slots of the CPU backend see fp32 alone. */
#ifndef BALLAST_KERNELS_KERNELS_H
#define BALLAST_KERNELS_KERNELS_H

#include "kernels/lists.h"
#include "kernels/ops.h"

typedef struct bl_conv_shape {
    int32_t n, ic, ih, iw, icb, oc, oh, ow, ocb, kh, kw, stride, pad, dilation;
    bl_dtype dtype; /* of x, y and their gradients */
} bl_conv_shape;

typedef struct bl_adam_kernel {
    float lr, beta1, beta2, epsilon, decay, square_fix, gscale;
} bl_adam_kernel;

/* How pixels become floats: (pixel - mean) / std of each channel, in pixel units. */
typedef struct bl_pixel_scale {
    float mean[3], std[3];
} bl_pixel_scale;
/* Arguments of the list slots: those of kernels/lists.h as device pointers. They go to kernels as
 * they are, so they have no padding. */
typedef struct bl_gt_kernel {
    const bl_box *box; /* [images][cap] */
    const int32_t *label;
    const uint8_t *ignore;
    const int32_t *count; /* [images] */
    int64_t cap, images;
} bl_gt_kernel;
typedef struct bl_candidates_kernel {
    const bl_box *box; /* [n] when shared, else [images][n] */
    const uint8_t *valid;
    int64_t n, own, shared; /* shared: a flag */
} bl_candidates_kernel;
typedef struct bl_samples_kernel {
    int32_t *image, *index, *gt, *count;
    int64_t n;
} bl_samples_kernel;
/* Candidates for proposals, image-major, levels in order: those of level l stand from first[l] to
 * first[l+1] within an image's `per_image`. pos: as `topk` gives it. */
typedef struct bl_proposals_kernel {
    const int32_t *pos;
    int64_t first[BL_ANCHOR_LEVELS_MAX + 1], per_image, images;
    const bl_size *size; /* [images] */
    int32_t levels;
    float least;
} bl_proposals_kernel;

struct bl_kernels {
    const char *name; /* "ref", "avx2", "avx512+onednn" */

    /* Convolution: x (n,ic,ih,iw) in blocks of icb, w OIHW, y (n,oc,oh,ow) in blocks of ocb.
     *
     *   fwd           y = act(conv(x, w) + b), act: ReLU when `relu`
     *   bwd_data      dx = the gradient + beta dx
     *   bwd_weights   dw and db (may be NULL) are added to; canonical layout
     *
     * With 16-bit maps w is rounded to their type, and so is what is added to dw. */
    bl_status (*conv_fwd)(bl_ctx *, const bl_conv_shape *, const void *x, const float *w,
                          const float *b, bool relu, void *y);
    bl_status (*conv_bwd_data)(bl_ctx *, const bl_conv_shape *, const void *dy, const float *w,
                               void *dx, float beta);
    bl_status (*conv_bwd_weights)(bl_ctx *, const bl_conv_shape *, const void *x, const void *dy,
                                  float *dw, float *db);
    /* dy <- dy where y > 0 else 0 (slope for leaky) over n values; out may alias dy. */
    void (*act_bwd)(bl_dtype, const void *y, const void *dy, float slope, void *out, int64_t n);

    /* per-channel statistics over (n,h,w): mean, biased variance [C] (fixed-chunk reduction). */
    void (*bn_stats)(const bl_tensor *x, float *mean, float *var);
    /* Running statistics [c] after a batch of `count` values a channel, see shared/norm.h. */
    void (*bn_running)(int64_t c, double count, float momentum, const float *mean, const float *var,
                       float *running_mean, float *running_var);
    /* The folded map of c channels into arrays of `padded` entries, zero from c on:
     *
     *   mean_out = mean             rstd  = 1/sqrt(var + eps)
     *   scale    = gamma*rstd       shift = beta - scale*mean
     *
     * mean_out may be mean, rstd may be var. */
    void (*bn_fold)(int64_t c, int64_t padded, const float *mean, const float *var,
                    const float *gamma, const float *beta, float eps, float *mean_out, float *rstd,
                    float *scale, float *shift);
    /* Constants of bn_bwd_apply, padded likewise: a = gamma*rstd and, where b is not NULL (batch
     * statistics), b and k from the sums of bn_bwd_reduce. */
    void (*bn_bwd_fold)(int64_t c, int64_t padded, double count, const float *gamma,
                        const float *mean, const float *rstd, const float *sum_g,
                        const float *sum_gx, float *a, float *b, float *k);
    /* y = act(x*scale[c] + shift[c] + skip), slope 0 = relu, 1 = none; y may alias x. scale/shift
     * have bl_blocks*cb entries, zero in the padding. skip may be NULL. */
    void (*affine_act)(const bl_tensor *x, const float *scale, const float *shift,
                       const bl_tensor *skip, float slope, bl_tensor *y);
    /* With g = dy*act'(y), into padded arrays:
     *
     *   sum_g[c] = sum g,   sum_gx[c] = sum g*(x - mean[c])*rstd[c] */
    void (*bn_bwd_reduce)(const bl_tensor *x, const bl_tensor *y, const bl_tensor *dy,
                          const float *mean, const float *rstd, float slope, float *sum_g,
                          float *sum_gx);
    /* dx (+)= g*a[c] + x*b[c] + k[c] (batch norm's input gradient with folded constants; x, b, k
     * may be NULL: then only g*a); dskip (+)= g when not NULL. */
    void (*bn_bwd_apply)(const bl_tensor *x, const bl_tensor *y, const bl_tensor *dy,
                         const float *a, const float *b, const float *k, float slope, bl_tensor *dx,
                         float beta_dx, bl_tensor *dskip, float beta_dskip);
    /* GroupNorm: stats per (n, group): mean, rstd [N*groups]. The op folds them to per-(n,c)
     * scale/shift. gn_bwd adds to dgamma and dbeta. */
    void (*gn_fwd)(const bl_tensor *x, const float *gamma, const float *beta, int32_t groups,
                   float eps, const bl_tensor *skip, float slope, bl_tensor *y, float *mean,
                   float *rstd);
    void (*gn_bwd)(const bl_tensor *x, const bl_tensor *y, const bl_tensor *dy, const float *gamma,
                   int32_t groups, const float *mean, const float *rstd, float slope, bl_tensor *dx,
                   float beta_dx, bl_tensor *dskip, float beta_dskip, float *dgamma, float *dbeta);

    /* Pooling; `arg`, laid out as y, receives each output element's flat input position h*W+w. */
    void (*max_pool_fwd)(const bl_tensor *x, int32_t k, int32_t stride, int32_t pad, bl_tensor *y,
                         int32_t *arg);
    void (*max_pool_bwd)(const bl_tensor *dy, const int32_t *arg, int32_t k, int32_t stride,
                         int32_t pad, bl_tensor *dx, float beta);
    /* Here y and dy are fp32, whatever x and dx are. */
    void (*avg_pool_fwd)(const bl_tensor *x, bl_tensor *y);
    void (*avg_pool_bwd)(const bl_tensor *dy, bl_tensor *dx, float beta);
    void (*upsample_add_fwd)(const bl_tensor *fine, const bl_tensor *coarse, bl_tensor *y);
    void (*upsample_bwd)(const bl_tensor *dy, bl_tensor *dcoarse, float beta);
    /* y(n, first+c, i, j) = x(n, c, i*stride, j*stride), 0 in other channels; and its adjoint. */
    void (*shortcut_fwd)(const bl_tensor *x, int32_t stride, int64_t first, bl_tensor *y);
    void (*shortcut_bwd)(const bl_tensor *dy, int32_t stride, int64_t first, bl_tensor *dx,
                         float beta);
    /* y = a*x + b*y over n values; b = 0: y is not read. */
    void (*axpby)(bl_dtype, float a, const void *x, float b, void *y, int64_t n);
    /* The same over floats, with the factor *a on the device. */
    void (*axpby_at)(const float *a, const float *x, float b, float *y, int64_t n);
    void (*add)(bl_dtype, const void *a, const void *b, void *y, int64_t n);
    /* Change of layout and type between tensors of one logical shape; beta 1 accumulates. */
    bl_status (*reorder)(bl_ctx *, const bl_tensor *src, bl_tensor *dst, float beta);

    /* C[m,n] = op(A) op(B) + beta*C, row-major; trans flags as in BLAS. A and B are of type `in`, C
     * is of type `out`: that of A and B, or fp32. */
    bl_status (*matmul)(bl_ctx *, bool ta, bool tb, int64_t m, int64_t n, int64_t k, bl_dtype in,
                        const void *a, const void *b, float beta, bl_dtype out, void *c);
    void (*bias_act)(bl_dtype, void *y, const float *bias, bool relu, int64_t rows,
                     int64_t cols); /* in place */
    void (*col_sum)(bl_dtype, const void *x, int64_t rows, int64_t cols,
                    float *out); /* out += column sums */

    /* y = x / norm row by row, norm[i] = max(|x_i|, eps), negative where eps was larger; dx (+)=
     * (dy - y <y,dy>)/norm, dy/norm where eps was larger. */
    void (*l2_normalize)(const float *x, int64_t rows, int64_t cols, float eps, float *y,
                         float *norm);
    void (*l2_normalize_bwd)(const float *y, const float *norm, const float *dy, int64_t rows,
                             int64_t cols, float *dx, float beta);

    /* Lists are fp32, maps of any type. A location, or a box, of level -1 reads as zeros and takes
     * no gradient. */
    void (*gather)(const bl_tensor *const *maps, int n_maps, const bl_loc *loc, int64_t count,
                   int32_t per, float *out);
    void (*scatter_add)(const float *dy, const bl_loc *loc, int64_t count, int32_t per, int n_maps,
                        bl_tensor *const *dmaps);
    void (*roi_align_fwd)(const bl_tensor *const *maps, int n_maps, const bl_box *rois,
                          const int32_t *batch, const int32_t *level, int64_t count,
                          const bl_roi_attr *, bl_tensor *out);
    /* adds into dmaps (NULL entries skipped). */
    void (*roi_align_bwd)(const bl_tensor *dy, const bl_box *rois, const int32_t *batch,
                          const int32_t *level, int64_t count, const bl_roi_attr *, int n_maps,
                          bl_tensor *const *dmaps);

    /* losses: *value = the scaled sum, added up in double, on the device; d (same shape as x)
     * receives the gradient of the scaled sum, zero where a row or column is ignored. Matrices are
     * planar. weight may be NULL. Without rows the value is 0. */
    void (*softmax_loss)(const float *logits, int64_t n, int64_t k, const int32_t *label,
                         const float *weight, const bl_softmax_attr *, float scale, float *d,
                         float *value);
    void (*soft_target_loss)(const float *logits, int64_t n, int64_t k, const float *target,
                             const float *weight, const bl_softmax_attr *, float scale, float *d,
                             float *value);
    void (*entropy_loss)(const float *logits, int64_t n, int64_t k, const float *weight,
                         float scale, float *d, float *value);
    /* s (n,nq) holds q.queue; becomes the gradient with respect to it; d (n,c) receives the part of
     * q's gradient that comes from the keys. */
    void (*info_nce)(const float *q, const float *keys, int64_t n, int64_t c, int64_t nq,
                     float temperature, float scale, float *s, float *d, float *value);
    void (*sigmoid_bce)(const float *x, int64_t n, const float *target, const float *weight,
                        float scale, float *d, float *value);
    void (*smooth_l1)(const float *x, int64_t n, int64_t k, const int32_t *first,
                      const float *target, const float *weight, int32_t per, float beta,
                      float scale, float *d, float *value);
    void (*softmax)(const float *logits, int64_t n, int64_t k, float *out);
    /* The sums of bl_class_gradients_list into m (k x k doubles, overwritten); a row of logits that
     * is not finite makes its label's row of m NaN somewhere. */
    bl_status (*class_gradients)(const float *logits, int64_t n, int64_t k, const int32_t *label,
                                 const float *weight, const bl_class_gradient_attr *, double *m);

    /* As bl_nms; candidates of group BL_NMS_OUT take no part. The number kept goes to *kept (device
     * memory). */
    bl_status (*nms)(const bl_box *box, const float *score, const int32_t *group, int64_t n,
                     float thr, int64_t max_out, int32_t *keep, int32_t *kept);
    /* The k best of one image, best first: pos = (y*w + x)*c + channel; returns min(k, c*h*w). */
    int64_t (*topk)(const bl_tensor *map, int64_t image, int64_t k, int32_t *pos, float *score);

    /* The lists of kernels/lists.h. `sample` fills all places of rows and returns how many of them
     * are worth working on: the used ones where that is known without waiting, else all; -1 when
     * out of memory. */
    void (*anchors)(const bl_anchor_grid *g, int32_t images, const bl_size *size, int32_t multiple,
                    bl_box *box, uint8_t *valid);
    void (*candidates)(const bl_gt_kernel *gt, const bl_box *proposals, const int32_t *count,
                       int64_t cap, int64_t own, bl_box *box, uint8_t *valid);
    bl_status (*match)(const bl_candidates_kernel *c, const bl_gt_kernel *gt,
                       const bl_match_rule *rule, int32_t *match);
    int64_t (*sample)(const int32_t *match, int32_t images, int64_t n, const bl_sample_attr *a,
                      const bl_samples_kernel *rows);
    void (*anchor_targets)(const bl_anchor_grid *g, const bl_box_coder *coder,
                           const bl_samples_kernel *rows, const bl_gt_kernel *gt, float normaliser,
                           bl_loc *loc, float *object, float *weight, int32_t *first, float *delta);
    void (*roi_targets)(const bl_candidates_kernel *c, const bl_box_coder *coder,
                        const bl_samples_kernel *rows, const bl_gt_kernel *gt, int32_t classes,
                        bl_box *roi, int32_t *label, float *weight, float *share, int32_t *first,
                        float *delta);
    /* out[i] = v[i] * u[i] / max(normaliser, 1), u NULL: 1; the normaliser is the sum of v, or the
     * number of its positive entries. */
    void (*row_weights)(const float *v, const float *u, int64_t n, bool positive, float *out);
    /* Rows of one label, in order, their boxes mapped by map[image] and clipped to size[image];
     * places behind them: row and to_image -1. Returns a number of rows as `sample` does. */
    int64_t (*map_rows)(const int32_t *label, int32_t wanted, const bl_box *box,
                        const int32_t *image, int64_t n, const bl_affine *map, const bl_size *size,
                        int32_t *row, bl_box *to_box, int32_t *to_image);
    /* to[row[i]] = x[i, column] of x (n,k), where row[i] >= 0. */
    void (*scatter_column)(const float *x, int64_t n, int64_t k, int64_t column, const int32_t *row,
                           float *to);
    void (*levels)(const bl_box *box, const int32_t *image, int64_t n, const bl_level_rule *rule,
                   int32_t *level);
    /* Boxes of all candidates; group: the level, BL_NMS_OUT for those that are dropped. */
    void (*decode)(const bl_proposals_kernel *p, const bl_anchor_grid *g, const bl_box_coder *coder,
                   const bl_tensor *const *reg, const float *logit, bl_box *box, int32_t *group);
    /* Entries of box, logit [images][per_image] that keep[images][post] names, of which image i has
     * count[i]; zeros behind them. */
    void (*kept)(int32_t images, int64_t per_image, int64_t post, const int32_t *keep,
                 const int32_t *count, const bl_box *box, const float *logit, bl_box *out,
                 float *score);

    /* flat stores. sgd: g' = g*gscale + wd[i-range]*w; m = mu*m + g'; w -= lr*(nesterov ? g' + mu*m
     * : m). `decay` is constant over the range. Then the caller zeroes g. */
    void (*sgd)(float *w, float *m, const float *g, int64_t n, float lr, float mu, float decay,
                float gscale, bool nesterov);
    /* Adam: g' = g*gscale + decay*w; m = b1*m + (1-b1)*g'; v = b2*v + (1-b2)*g'^2;
     * w -= lr * m / (sqrt(v * square_fix) + epsilon); lr holds the correction of m. */
    void (*adam)(float *w, float *m, float *v, const float *g, int64_t n, const bl_adam_kernel *a);
    /* t = keep*t + (1-keep)*s */
    void (*ema)(float *t, const float *s, int64_t n, float keep);
    /* Into one number on the device; over a number of chunks fixed by n. */
    void (*sum_squares)(const float *x, int64_t n, double *sum);
    void (*count_nonfinite)(const float *x, int64_t n, int64_t *count);

    /* View n of out (N,3,H,W) as plan[n] and its steps make it of one of `images`, interleaved
     * 8-bit RGB of H x W px: the pixels of datasets/views/classification/view.h to the bit, then
     * scaled. */
    bl_status (*views)(const uint8_t *images, const bl_view_plan *plan, const bl_view_step *step,
                       const bl_pixel_scale *scale, bl_tensor *out);
    /* Image n of out (N,3,H,W) from the n-th of a list on the device. */
    void (*inputs)(const bl_device_image *image, const bl_input_attr *attr, bl_tensor *out);
};

/* Fills every slot with plain C. */
void bl_kernels_init_ref(bl_kernels *k);
/* Overwrites slots with the fastest implementations of this CPU (oneDNN, AVX2, AVX-512). */
void bl_kernels_init_cpu(bl_kernels *k);
/* Plan cache of the CPU backend (timed choices; oneDNN primitives). tuning_file may be NULL. */
bl_status bl_plans_create_cpu(const char *tuning_file, int deterministic, bl_plans **out);
void bl_plans_destroy_cpu(bl_plans *p);
/* One line per cached plan, for `ballast doctor` and logs: "conv fwd 2x64x56x56 -> 64 3x3/1:
 * jit_wino..., 0.41 ms". */
void bl_plans_describe_cpu(const bl_plans *p, void (*line)(void *arg, const char *text), void *arg);
/* CPU features in words, e.g. "avx512f avx512bw avx512vl fma"; preferred channel block 16 or 8. */
const char *bl_cpu_features(void);
int32_t bl_cpu_block(void);
/* Name and version of the library behind the CPU's convolutions and matrix products, e.g.
 * "oneDNN 2.6.3". */
void bl_cpu_library(char *buf, size_t size);

#endif
