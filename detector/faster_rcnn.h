/* Faster R-CNN with FPN (Ren et al., NeurIPS 2015; Lin et al., CVPR 2017), cut so that supervised
 * training, teachers and pseudo-label losses compose the same stages:
 *
 *   images -> extract -> pyramid -> rpn_forward -> { rpn_loss, proposals }
 *   proposals + boxes -> roi_sample -> roi_forward -> { softmax loss, box loss } | detections
 *
 * Defaults are mmdetection's; `style` names the column of differences (anchors, matching,
 * normalisers, clamps, RoIAlign, level rule): reference implementations are data, not code paths. Host lists live in the context's step arena; a training step's lists
 * stay on the device (kernels/lists.h). */
#ifndef BALLAST_DETECTOR_FASTER_RCNN_H
#define BALLAST_DETECTOR_FASTER_RCNN_H

#include "core/schema.h"
#include "detector/boxes.h"
#include "kernels/ops.h"
#include "nn/resnet.h"

enum { BL_PYRAMID_LEVELS = 5, BL_ROI_LEVELS = 4 };

typedef enum bl_detector_style {
    BL_STYLE_MMDET,
    BL_STYLE_TORCHVISION,
    BL_STYLE_DETECTRON2,
    BL_STYLE_COUNT
} bl_detector_style;

/* Section "detector". */
typedef struct bl_detector_config {
    int32_t style;
    int32_t depth;     /* bl_resnet_depth: small, r18, r34, r50, r101 */
    int32_t norm;      /* backbone: bl_norm_type */
    int32_t head_norm; /* FPN */
    int64_t gn_groups;
    int64_t frozen_stages;
    bl_strings frozen; /* beginnings of names of tensors that are not trained */
    bool stride_in_1x1;
    int64_t width, blocks; /* small */
    int64_t fpn_channels, fc_channels;
    double anchor_scale;    /* 8: side = scale * stride */
    bl_reals anchor_ratios; /* h/w */
    /* RPN */
    double ignore_iof; /* share of an anchor or RoI in a crowd or ignore region; < 0: the style's */
    double rpn_pos_iou, rpn_neg_iou, rpn_min_pos_iou;
    int64_t rpn_batch; /* 256 */
    double rpn_pos_fraction;
    int64_t rpn_pre_nms_train, rpn_pre_nms_test;
    int64_t rpn_post_nms_train; /* 0 = the style's */
    int64_t rpn_post_nms_test;
    double rpn_nms;
    /* RoI */
    double roi_pos_iou;
    int64_t roi_batch; /* 512 */
    double roi_pos_fraction;
    int64_t roi_size;     /* 7 */
    int64_t roi_sampling; /* 0 = adaptive, -1 = the style's */
    double finest_scale;  /* 56 */
    double box_beta;      /* smooth L1; 0 = L1, -1 = the style's */
    /* test */
    double score_threshold; /* strict > */
    double nms;
    int64_t max_detections;
    /* input */
    bl_reals mean, std;
    bool bgr;
    int64_t pad_multiple; /* 32 */
} bl_detector_config;
extern const bl_schema bl_detector_schema;

typedef struct bl_detector bl_detector;

/* RoI logits on their way to scores. */
typedef struct bl_roi_logits {
    const float *z; /* [n][outputs], host */
    int64_t n, outputs;
    int32_t classes;     /* K */
    const float *memory; /* what bl_detector_set_memory put; NULL: the classifier has none */
} bl_roi_logits;
/* Writes scores [n][K+1]: of the K classes, then of the background. */
typedef void (*bl_roi_scores_fn)(const bl_roi_logits *in, float *scores);
/* How the RoI classifier differs from K + 1 logits of a linear layer, scored by softmax: that is
 * what zeros mean. */
typedef struct bl_roi_classifier {
    int64_t outputs; /* logits of a RoI; 0: K + 1 */
    double scale;    /* > 0: logits are scale cos(feature, weights of the output) + bias */
    double prior;    /* > 0: biases start where a sigmoid is that; 0: at 0 */
    bool no_bias;
    int64_t memory; /* numbers that scores depend on beside logits, saved with the model as the
                        buffer "roi_head.bbox_head.score_memory", 0 at first */
    bl_roi_scores_fn scores; /* NULL: softmax; needs K + 1 outputs */
} bl_roi_classifier;

/* Declares all parameters in `store` (names as mmdetection: backbone., neck., rpn_head.,
 * roi_head.bbox_head.). n_classes foreground classes; background has index n_classes. cfg is copied
 * (arrays too), so is classifier, NULL: the usual one. */
bl_status bl_detector_create_with(const bl_detector_config *cfg, int32_t n_classes,
                                  const bl_roi_classifier *classifier, bl_store *store,
                                  bl_detector **out);
bl_status bl_detector_create(const bl_detector_config *cfg, int32_t n_classes, bl_store *store,
                             bl_detector **out);
void bl_detector_destroy(bl_detector *d);
/* What was given, with the style's values in place. */
const bl_detector_config *bl_detector_get_config(const bl_detector *d);
int32_t bl_detector_classes(const bl_detector *d);
/* Puts the classifier's numbers [memory] into a finished store. BL_EINVAL when it has none. */
bl_status bl_detector_set_memory(bl_ctx *ctx, const bl_detector *d, const float *memory);
/* The scores of logits (n, outputs), [n][K+1] in the step's arena. */
bl_status bl_roi_scores(bl_ctx *ctx, const bl_detector *d, const bl_tensor *logits, float **scores);
bool bl_detector_scores_by_softmax(const bl_detector *d);
/* One line per part: shape, parameters; for the start of the log. */
void bl_detector_describe(const bl_detector *d, void (*line)(void *, const char *), void *arg);

typedef struct bl_pyramid {
    bl_tensor *map[BL_PYRAMID_LEVELS];
    int32_t stride[BL_PYRAMID_LEVELS];
    int32_t n; /* images */
} bl_pyramid;
/* images (N,3,H,W) cb 1, normalised, H and W multiples of 32. train: batch statistics for BN. */
bl_status bl_detector_extract(bl_ctx *ctx, const bl_detector *d, bool train, bl_tensor *images,
                              bl_pyramid *out);

typedef struct bl_rpn_out {
    bl_tensor *cls[BL_PYRAMID_LEVELS]; /* (N, A, h, w) logits */
    bl_tensor *reg[BL_PYRAMID_LEVELS]; /* (N, 4A, h, w) deltas */
    int32_t stride[BL_PYRAMID_LEVELS];
    int32_t n;
} bl_rpn_out;
bl_status bl_rpn_forward(bl_ctx *ctx, const bl_detector *d, const bl_pyramid *p, bl_rpn_out *out);

/* Classification and box losses against boxes gt[n] (labels unused): match anchors, sample, sum /
 * number of sampled anchors. `seed`, `key`: the sampler's random stream. counts, unless NULL: the
 * sampled foreground and background anchors, (images, 2) BL_I32 on the device. */
bl_status bl_rpn_loss(bl_ctx *ctx, const bl_detector *d, const bl_rpn_out *r, const bl_boxes *gt,
                      const bl_size *size, uint64_t seed, uint64_t key, bl_tensor **cls,
                      bl_tensor **box, bl_tensor **counts);
/* Proposals per image, best first, with score. train selects the pre/post NMS
 * limits. No gradient. */
bl_status bl_rpn_proposals(bl_ctx *ctx, const bl_detector *d, const bl_rpn_out *r,
                           const bl_size *size, bool train, bl_box_lists *out);

/* Sampled RoIs of a whole batch, on the device (kernels/lists.h): rows image by image, foreground
 * first, unused ones last. */
typedef struct bl_roi_batch {
    int64_t n;
    bl_tensor *image;      /* (n) BL_I32, -1: unused */
    bl_tensor *gt;         /* (n) BL_I32: index into that image's gt boxes, -1 for background */
    bl_tensor *count;      /* (images, 2) BL_I32: sampled foreground and background rows */
    bl_roi_targets target; /* boxes, labels, box targets */
} bl_roi_batch;
typedef struct bl_roi_draw {
    bool add_gt;          /* the images' boxes are candidates, too */
    bool foreground_only; /* background rows are sampled but left out */
    uint64_t seed, key;   /* the sampler's random stream */
} bl_roi_draw;
/* Assigns proposals and samples roi_batch per image. */
bl_status bl_roi_sample(bl_ctx *ctx, const bl_detector *d, const bl_box_lists *proposals,
                        const bl_boxes *gt, const bl_roi_draw *draw, bl_roi_batch *out);

typedef struct bl_roi_out {
    bl_tensor *feature; /* (n, fc_channels): input of the two predictors (memory banks use it) */
    bl_tensor *logits;  /* (n, n_classes+1), or as many as the classifier has outputs */
    bl_tensor *deltas;  /* (n, 4*n_classes) */
} bl_roi_out;
/* RoIAlign + two FC layers + predictors on any RoIs. */
bl_status bl_roi_forward(bl_ctx *ctx, const bl_detector *d, const bl_pyramid *p, const bl_box *roi,
                         const int32_t *image, int32_t n, bl_roi_out *out);
/* The same with lists on the device: roi (n, 4), image (n) BL_I32, -1: unused. */
bl_status bl_roi_forward_list(bl_ctx *ctx, const bl_detector *d, const bl_pyramid *p,
                              bl_tensor *roi, bl_tensor *image, bl_roi_out *out);
/* Box loss over foreground rows: sum / number of sampled RoIs, at least 1. */
bl_status bl_roi_box_loss(bl_ctx *ctx, const bl_detector *d, const bl_roi_batch *rois,
                          const bl_roi_out *r, bl_tensor **loss);
/* Classification loss: sum_i weight_i * focal_i; weight (n) holds the normaliser
 * (rois->target.share, bl_list_weights). BL_EINVAL for a classifier of another width than K + 1,
 * whose loss is its own. */
bl_status bl_roi_cls_loss(bl_ctx *ctx, const bl_detector *d, const bl_roi_batch *rois,
                          const bl_tensor *weight, const bl_roi_out *r, double focal,
                          bl_tensor **loss);

/* Regressed box of class c for each RoI i: decode(deltas[i, c]), clipped to size[image[i]]. Host
 * arrays. */
bl_status bl_roi_decode(bl_ctx *ctx, const bl_detector *d, const bl_box *roi, const int32_t *image,
                        int32_t n, const float *deltas_host, const int32_t *cls,
                        const bl_size *size, bl_box *out);
/* Detections: score > threshold, class-wise NMS, at most max_detections per image,
 * score-descending. */
bl_status bl_roi_detections(bl_ctx *ctx, const bl_detector *d, const bl_box *roi,
                            const int32_t *image, int32_t n, const bl_roi_out *r,
                            const bl_size *size, int32_t n_images, double score_threshold,
                            bl_boxes *out);

/* The whole inference path (no gradient, running statistics). train_proposals: the training limits,
 * as the Soft Teacher's teacher uses. pyramid_out (may be NULL) keeps the features for further RoI
 * queries. */
bl_status bl_detector_predict(bl_ctx *ctx, const bl_detector *d, bl_tensor *images,
                              const bl_size *size, bool train_proposals, double score_threshold,
                              bl_pyramid *pyramid_out, bl_boxes *out);

#endif
