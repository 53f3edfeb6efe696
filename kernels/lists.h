/* Lists of a detection step that stay on the device: ground truth, proposals, sampled anchors and
 * RoIs. No op here records, and none waits for the device.
 *
 * Lists have a capacity, because how much of it is used is known to the device alone. What is not
 * used is marked (image, level, label or first column -1, weight 0) and contributes exactly nothing
 * to any loss or gradient. A backend that knows the used number without waiting, as the CPU does,
 * cuts the list to it (see `sample` in kernels.h): there, nothing is computed
 * for unused entries. */
#ifndef BALLAST_KERNELS_LISTS_H
#define BALLAST_KERNELS_LISTS_H

#include "kernels/ctx.h"
#include "kernels/shared/anchors.h"
#include "kernels/shared/box_coder.h"
#include "kernels/shared/match.h"
#include "kernels/shared/roi_level.h"
#include "kernels/shared/sample.h"

/* Boxes of a batch: `cap` places an image, of which image i uses the first count[i]. Members that a
 * list has no use for are NULL. */
typedef struct bl_box_lists {
    int32_t images;
    int64_t cap;
    bl_tensor *box;    /* (images*cap, 4) */
    bl_tensor *count;  /* (images) BL_I32 */
    bl_tensor *label;  /* (images*cap) BL_I32 */
    bl_tensor *ignore; /* (images*cap) BL_U8: an ignore region, never an object */
    bl_tensor *score;  /* (images*cap) */
} bl_box_lists;
void bl_box_lists_drop(bl_ctx *ctx, bl_box_lists *l);

/* What is matched against ground truth: n boxes an image. */
typedef struct bl_candidates {
    int64_t n;
    bool shared;      /* the same boxes for every image, as anchors are */
    bl_tensor *box;   /* (n, 4) or (images*n, 4) */
    bl_tensor *valid; /* (images*n) BL_U8; NULL: all. Invalid boxes are BL_MATCH_IGNORE */
    int64_t own;      /* the first `own` boxes of an image are its own ground truth: they match
                         themselves, whatever lies around them, or take no part (bl_match_able) */
} bl_candidates;
void bl_candidates_drop(bl_ctx *ctx, bl_candidates *c);

/* All anchors of the grid. sizes: (images, 2), see bl_anchor_valid; NULL: every anchor is valid. */
bl_status bl_list_anchors(bl_ctx *ctx, const bl_anchor_grid *g, const bl_tensor *sizes,
                          int32_t multiple, bl_candidates *out);
/* The gt->cap boxes of the ground truth (when own), then the proposals. */
bl_status bl_list_candidates(bl_ctx *ctx, const bl_box_lists *gt, const bl_box_lists *proposals,
                             bool own, bl_candidates *out);

/* (images*n) BL_I32: the index of the box each candidate stands for, or BL_MATCH_*. */
bl_status bl_list_match(bl_ctx *ctx, const bl_candidates *c, const bl_box_lists *gt,
                        const bl_match_rule *rule, bl_tensor **match);

/* Sampled candidates of a batch: image by image, foreground before background, both in the order of
 * the candidates; unused rows last. */
typedef struct bl_samples {
    int64_t n;
    bl_tensor *image; /* (n) BL_I32, -1: unused */
    bl_tensor *index; /* (n) BL_I32: candidate */
    bl_tensor *gt;    /* (n) BL_I32: box it stands for, -1: background */
    bl_tensor *count; /* (images, 2) BL_I32: drawn foreground and background, whether kept as rows
                         or not */
} bl_samples;
bl_status bl_list_sample(bl_ctx *ctx, const bl_tensor *match, int32_t images, int64_t n,
                         const bl_sample_attr *a, bl_samples *out);
void bl_samples_drop(bl_ctx *ctx, bl_samples *r);

/* What losses need of sampled rows. `weight` is 1/normaliser in used rows, else 0. */
typedef struct bl_anchor_targets {
    bl_tensor *loc;    /* (n, 5) BL_I32: bl_loc */
    bl_tensor *object; /* (n): 1 foreground, 0 background */
    bl_tensor *weight; /* (n) */
    bl_tensor *first;  /* (n) BL_I32: 0 foreground, -1 */
    bl_tensor *delta;  /* (n, 4) encoded boxes; 0 but in foreground rows */
} bl_anchor_targets;
/* normaliser 0: the number of sampled rows, at least 1. */
bl_status bl_list_anchor_targets(bl_ctx *ctx, const bl_anchor_grid *g, const bl_box_coder *coder,
                                 const bl_samples *rows, const bl_box_lists *gt, double normaliser,
                                 bl_anchor_targets *out);
void bl_anchor_targets_drop(bl_ctx *ctx, bl_anchor_targets *t);

typedef struct bl_roi_targets {
    bl_tensor *roi;    /* (n, 4) */
    bl_tensor *label;  /* (n) BL_I32: class, `classes` for background, -1: unused */
    bl_tensor *weight; /* (n): 1, 0 in unused rows */
    bl_tensor *share;  /* (n): 1 / (rows sampled, whether kept or not; at least 1), else 0 */
    bl_tensor *first;  /* (n) BL_I32: 4*label in foreground rows, else -1 */
    bl_tensor *delta;  /* (n, 4) encoded boxes; 0 but in foreground rows */
} bl_roi_targets;
bl_status bl_list_roi_targets(bl_ctx *ctx, const bl_candidates *c, const bl_box_coder *coder,
                              const bl_samples *rows, const bl_box_lists *gt, int32_t classes,
                              bl_roi_targets *out);

/* Weights of a loss's rows: v[i] * u[i] / max(normaliser, 1), where the normaliser is the sum of v
 * or, when `positive`, the number of its positive entries. v, u (n); u NULL: 1. */
bl_status bl_list_weights(bl_ctx *ctx, const bl_tensor *v, const bl_tensor *u, bool positive,
                          bl_tensor **out);

/* Boxes of the rows of one label in the pixels of other images: mapped, hull of the corners,
 * clipped. Unused ones last. */
typedef struct bl_mapped_rows {
    bl_tensor *row;   /* (m) BL_I32, -1: unused */
    bl_tensor *box;   /* (m, 4) */
    bl_tensor *image; /* (m) BL_I32, -1: unused */
} bl_mapped_rows;
/* map, size: host arrays [images]. */
bl_status bl_list_map_rows(bl_ctx *ctx, const bl_tensor *label, int32_t wanted,
                           const bl_tensor *box, const bl_tensor *image, const bl_affine *map,
                           const bl_size *size, int32_t images, bl_mapped_rows *out);
void bl_mapped_rows_drop(bl_ctx *ctx, bl_mapped_rows *m);
/* to[row[i]] = softmax(logits_i)[column] for the rows in use. */
bl_status bl_list_probability(bl_ctx *ctx, const bl_tensor *logits, int64_t column,
                              const bl_tensor *row, bl_tensor *to);

/* (n) BL_I32: the level that pools each of n boxes (n, 4); -1 where image (n) is. */
bl_status bl_list_levels(bl_ctx *ctx, const bl_tensor *box, const bl_tensor *image,
                         const bl_level_rule *rule, bl_tensor **level);

/* From dense maps cls[l] (N,A,h,w), reg[l] (N,4A,h,w) to proposals: the best `pre` anchors of each
 * level, decoded, clipped to sizes (images, 2), those with a side <= least dropped, suppressed
 * within levels at IoU > thr, the best `post` of an image kept. Best first; box, score (sigmoid of
 * the logit) and count are set. */
typedef struct bl_proposal_attr {
    int64_t pre, post;
    float thr, least;
} bl_proposal_attr;
bl_status bl_list_proposals(bl_ctx *ctx, const bl_anchor_grid *g, const bl_box_coder *coder,
                            bl_tensor *const *cls, bl_tensor *const *reg, const bl_tensor *sizes,
                            const bl_proposal_attr *a, bl_box_lists *out);

#endif
