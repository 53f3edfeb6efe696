/* Which items of a group make up its part of a batch: a pure function of (seed, group, list,
 * cursor), where the cursor counts the items drawn so far. Not thread-safe. */
#ifndef BALLAST_DATASETS_LOADING_CLASSIFICATION_SAMPLER_H
#define BALLAST_DATASETS_LOADING_CLASSIFICATION_SAMPLER_H

#include "datasets/loading/classification/loader.h"

typedef struct bl_classify_sampler {
    uint64_t seed, stream;
    bl_classify_order order;
    int32_t n_items, n_classes;
    int32_t n;     /* length of the list, copies counted */
    int32_t *list; /* items in ascending order, each as often as it is copied */
    int32_t *order_of_pass;
    int64_t pass;         /* that order_of_pass holds; -1: none */
    int32_t *by_class;    /* the list, class by class */
    int32_t *class_start; /* [n_classes + 1] */
    int32_t n_present;    /* classes with items */
    int32_t *present;
    double *cumulative; /* [n_items] of the weights; NULL: no weights */
} bl_classify_sampler;

/* `label_of`: n_items labels, for BL_ORDER_BALANCED; borrowed until the next change of the list. */
bl_status bl_classify_sampler_init(bl_classify_sampler *s, uint64_t seed, uint64_t stream,
                                   bl_classify_order order, int32_t n_items, int32_t n_classes,
                                   const int32_t *labels);
void bl_classify_sampler_free(bl_classify_sampler *s);

/* Rebuilds the list from copies (NULL: one each) and labels. BL_EINVAL when nothing is left, or
 * when the order is BALANCED and no item has a label. The sampler is unchanged then. */
bl_status bl_classify_sampler_set(bl_classify_sampler *s, const int32_t *copies,
                                  const int32_t *labels);
bl_status bl_classify_sampler_weights(bl_classify_sampler *s, const double *weights);

/* The cursor at the start of the pass after the one that `cursor` of a list of `n` stood in. */
int64_t bl_classify_sampler_next_pass(const bl_classify_sampler *s, int64_t cursor, int32_t n);

/* The `n` items at the cursor. */
bl_status bl_classify_sampler_draw(bl_classify_sampler *s, int64_t cursor, int32_t n,
                                   int32_t *items);

#endif
