/* Threaded, prefetching, exactly resumable batches of small images for classification.
 *
 * A loader has one to four groups (usually labelled and unlabelled images); each draws its own
 * items from its own list, in its own order, and makes its own list of views of every item. A batch
 * is one block of float rows, normalised and planar (NCHW, cb = 1): first every view of group 0
 * (all items' view 0, then all items' view 1, ...), then group 1, and so on; so the whole of it, or
 * any view, is one contiguous tensor. With views.device = device a batch holds, row by row in the
 * same order, the plans of its views instead of pixels: drawn from the same numbers, for
 * bl_make_views (kernels/ops.h) to make the same pixels from.
 *
 * Batches are a pure function of (seed, settings of the groups, position): the worker count does
 * not matter, and going anywhere costs at most one shuffle a group. Randomness of a view is keyed
 * by (seed, step, group and slot, view). */
#ifndef BALLAST_DATASETS_LOADING_CLASSIFICATION_LOADER_H
#define BALLAST_DATASETS_LOADING_CLASSIFICATION_LOADER_H

#include "datasets/views/classification/view.h"

enum { BL_CLASSIFY_MAX_GROUPS = 4, BL_CLASSIFY_MAX_VIEWS = 4 };

typedef enum bl_classify_order {
    BL_ORDER_SHUFFLED,    /* passes without replacement, a new order each; the end of a pass and the
                             start of the next may share a batch, nothing is dropped */
    BL_ORDER_REPLACEMENT, /* independent draws: by the weights if given, else by the copies */
    BL_ORDER_BALANCED,    /* a class uniformly, of those that have items, then one of its items */
    BL_ORDER_SEQUENTIAL   /* 0, 1, 2, ... and again from 0 */
} bl_classify_order;

typedef struct bl_classify_group {
    const bl_classify_set *set; /* must outlive the loader */
    int32_t n;                  /* items: */
    const int32_t *images;      /* [n] indices into the set; NULL = all its images (n = set->n) */
    const int32_t *labels;      /* [n] instead of the set's (pseudo-labels); NULL = the set's */
    const uint8_t *is_labelled; /* [n] copied into batches; NULL = `labelled` for all */
    bool labelled;
    int32_t batch; /* items a batch, >= 1 */
    bl_classify_order order;
    int32_t n_views; /* 1..BL_CLASSIFY_MAX_VIEWS */
    bl_classify_view_kind views[BL_CLASSIFY_MAX_VIEWS];
} bl_classify_group; /* the arrays are copied */

/* Settings (section "loader" of a classification run). */
typedef struct bl_classify_loader_config {
    int64_t workers;  /* threads; 0 = the calling thread makes the views */
    int64_t prefetch; /* batches made ahead */
} bl_classify_loader_config;
extern const bl_schema bl_classify_loader_schema;

typedef struct bl_classify_part {
    int32_t n, n_views;
    int32_t first_row[BL_CLASSIFY_MAX_VIEWS]; /* rows [first_row[v], first_row[v] + n) are view v */
    int32_t *item;        /* [n] index into the group's list, 0..group.n-1: per-image state
                             of algorithms is indexed by it */
    int32_t *image;       /* [n] index into the set */
    int32_t *label;       /* [n], or BL_CLASSIFY_UNKNOWN; of unlabelled items it is the truth, for
                                   diagnosis only */
    uint8_t *is_labelled; /* [n] */
    uint8_t *turn;        /* [n_views][n] quarter turns of rotation views, else 0 */
} bl_classify_part;

typedef struct bl_classify_batch {
    int64_t step;
    int64_t place; /* 0..bl_classify_loader_places() - 1: no two batches that exist share one */
    int32_t n_groups;
    bl_classify_part part[BL_CLASSIFY_MAX_GROUPS];
    int64_t rows;          /* sum of n * n_views */
    int32_t height, width; /* of the views, px */
    float *pixels;         /* [rows][3][height][width]; NULL when the batch holds plans: */
    bl_view_plan *plan;    /* [rows]; .image counts through bl_classify_loader_sets */
    bl_view_step *steps;   /* of all rows, row by row: */
    int32_t n_steps;
    float mean[3], std[3]; /* of the rows' normalisation, in pixel units (0..255) */
} bl_classify_batch;

/* Pixels of view v of group g: part.n rows of a batch of pixels. */
static inline float *bl_classify_rows(const bl_classify_batch *b, int g, int v) {
    return b->pixels + (size_t)b->part[g].first_row[v] * 3 * (size_t)b->height * (size_t)b->width;
}

/* Before `step`; plain integers, stored in checkpoints. */
typedef struct bl_classify_pos {
    int64_t step;
    int64_t cursor[BL_CLASSIFY_MAX_GROUPS]; /* items drawn so far */
} bl_classify_pos;

typedef struct bl_classify_loader bl_classify_loader;

/* All groups' sets must give views of the same size. The normalisation of all groups is `mean`,
 * `std` (NULL: those of the first group's set). No work starts before the first
 * bl_classify_loader_next. BL_ECONFIG for views->device = device and a view that cannot be
 * planned. */
bl_status bl_classify_loader_create(const bl_classify_loader_config *cfg,
                                    const bl_classify_view_config *views,
                                    const bl_classify_group *groups, int n_groups,
                                    const float *mean, const float *std, uint64_t seed,
                                    bl_classify_loader **out);
void bl_classify_loader_destroy(bl_classify_loader *l);

/* Batches that can exist at a time. */
int64_t bl_classify_loader_places(const bl_classify_loader *l);
/* `ready` is called with every batch once it is made, by whichever thread made its last view; a
 * failure is that of the batch. Not every batch made is handed out. Before the first
 * bl_classify_loader_next. */
typedef bl_status (*bl_classify_ready_fn)(void *arg, const bl_classify_batch *b);
void bl_classify_loader_on_ready(bl_classify_loader *l, bl_classify_ready_fn ready, void *arg);

/* The next batch; valid until released. */
bl_status bl_classify_loader_next(bl_classify_loader *l, bl_classify_batch **out);
void bl_classify_loader_release(bl_classify_loader *l, bl_classify_batch *b);

/* Position before the batch that bl_classify_loader_next will return next; and going there. To
 * resume: set the copies and labels that were in force, then seek. */
bl_classify_pos bl_classify_loader_tell(const bl_classify_loader *l);
bl_status bl_classify_loader_seek(bl_classify_loader *l, const bl_classify_pos *pos);

/* Changes a group from the next batch on; what was made ahead is dropped and redone. `copies`: how
 * often each item stands in the list (0 = left out; deferred re-sampling, CReST); the current pass
 * is abandoned for the next. BL_EINVAL when nothing is left. */
bl_status bl_classify_loader_set_copies(bl_classify_loader *l, int group, const int32_t *copies);
/* `weights`: what BL_ORDER_REPLACEMENT draws items by, >= 0, not all 0; NULL = back
 * to the copies. */
bl_status bl_classify_loader_set_weights(bl_classify_loader *l, int group, const double *weights);
/* `labels` as in bl_classify_group. */
bl_status bl_classify_loader_set_labels(bl_classify_loader *l, int group, const int32_t *labels);
bl_status bl_classify_loader_set_order(bl_classify_loader *l, int group, bl_classify_order order);

/* The sets that plans count through, the images of one behind those of the other: each set of the
 * groups once, in the order of the groups. Returns how many; 0 for batches of pixels. */
int bl_classify_loader_sets(const bl_classify_loader *l,
                            const bl_classify_set *out[BL_CLASSIFY_MAX_GROUPS]);

/* Batches that make one pass over a group's list, rounded up. */
int64_t bl_classify_loader_pass(const bl_classify_loader *l, int group);

#endif
