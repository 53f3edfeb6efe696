/* Long-tailed training sets made from balanced ones: how many images of each class, and which.
 *
 * Two families of constructions. The semi-supervised one (FixMatch-era protocols: ReMixMatch, DARP,
 * CReST, ABC, DASO, USB): N_k = floor(N_1 g_l^(-(k-1)/(K-1))) labelled images and M_k unlabelled
 * ones, where the M_k follow the same order, are equal, or are arranged another way. And that of
 * Yang and Xu (NeurIPS 2020): exponential or step profile, an unlabelled set of five times the
 * labelled size with a ratio rho_U of its own, and a share of it that belongs to none of the
 * classes. Both are described in docs/classification-data.md. */
#ifndef BALLAST_DATASETS_SPLITS_LONGTAIL_H
#define BALLAST_DATASETS_SPLITS_LONGTAIL_H

#include <stdbool.h>

#include "core/schema.h"
#include "datasets/sets/image_set.h"

typedef enum bl_longtail_profile { BL_LONGTAIL_EXPONENTIAL, BL_LONGTAIL_STEP } bl_longtail_profile;

/* How the unlabelled counts M_1 >= ... >= M_K are dealt to the classes. */
typedef enum bl_longtail_order {
    BL_LONGTAIL_CONSISTENT, /* class k gets M_k */
    BL_LONGTAIL_UNIFORM,    /* every class gets M_1 (the ratio is not used) */
    BL_LONGTAIL_REVERSED,   /* class k gets M_(K+1-k) */
    BL_LONGTAIL_MIDDLE,     /* the most common classes in the middle: ranks ...,4,2,0,1,3,5,... */
    BL_LONGTAIL_HEAD_TAIL,  /* ... at both ends: ranks 1,3,5,...,4,2,0 */
    BL_LONGTAIL_RANDOM      /* a permutation drawn from the seed */
} bl_longtail_order;

/* Which images of a class are picked, and in which order. */
typedef enum bl_longtail_pick {
    BL_LONGTAIL_SHUFFLED,   /* a permutation of the class's images from (seed, class) */
    BL_LONGTAIL_FILE_ORDER, /* as they stand in the data set; the seed does not matter */
    BL_LONGTAIL_NUMPY /* numpy.random.seed(seed) and shuffle, class after class with one generator:
                         the images of the LDAM-DRW and imbalanced-semi-self code (seed 0) */
} bl_longtail_pick;

/* counts[n_classes], in double precision, ratio >= 1:
 *
 *   exponential   floor(head * ratio^(-k/(K-1))), of the last class directly floor(head / ratio)
 *   step          head for the first K/2 classes, floor(head / ratio) for the others */
bl_status bl_longtail_counts(bl_longtail_profile profile, int64_t head, double ratio,
                             int32_t n_classes, int64_t *counts);
/* Rearranges counts that stand in falling order. `seed` matters for BL_LONGTAIL_RANDOM only. */
bl_status bl_longtail_arrange(bl_longtail_order order, uint64_t seed, int32_t n_classes,
                              int64_t *counts);
/* D_U of Yang and Xu: T = multiple * sum of labelled counts; f = T div K;
 * u_k = trunc(f * (1/ratio)^(k/(K-1))); counts = trunc(u_k * T / sum u). */
bl_status bl_longtail_multiple(double multiple, double ratio, int32_t n_classes,
                               const int64_t *labelled, int64_t *counts);

/* Settings (section "longtail"). */
typedef struct bl_longtail_config {
    int32_t profile;            /* bl_longtail_profile, of the labelled counts */
    int64_t labelled_head;      /* N_1; 0 = every image is labelled, with the set's own imbalance */
    double labelled_ratio;      /* gamma_l or rho, >= 1 */
    double labelled_fraction;   /* > 0: round(fraction * n_k) images of each class instead of N_k */
    int64_t unlabelled_head;    /* M_1; 0 = no unlabelled images (unless one of the next two) */
    double unlabelled_ratio;    /* gamma_u or rho_U, >= 1; 0 = as the labelled ratio */
    int32_t unlabelled_order;   /* bl_longtail_order */
    double unlabelled_multiple; /* > 0: D_U of so many times the labelled size instead of M_1 */
    double relevance;           /* share of D_U that belongs to the classes, 0..1 */
    bool unlabelled_rest;       /* every image that is not labelled instead of M_1 */
    bool unlabelled_includes_labelled;
    double validation; /* > 0: round(validation * n_k) images of each class are set aside */
    int32_t pick;      /* bl_longtail_pick */
    int64_t seed;
} bl_longtail_config;
extern const bl_schema bl_longtail_schema;

/* Which images of a training set are labelled and which are unlabelled. */
typedef struct bl_longtail {
    int32_t n_classes;
    int64_t *labelled_counts;   /* [n_classes] */
    int64_t *unlabelled_counts; /* [n_classes], by true label; images without one count nowhere */
    int32_t n_labelled, n_unlabelled;
    int32_t *labelled;   /* indices into the training set, class by class in the order of picking */
    int32_t *unlabelled; /* into the pool, the same; images of no class come last */
    uint8_t *is_labelled; /* [n_unlabelled] 1: this image is in `labelled` too */
    int32_t n_validation;
    int32_t *validation; /* into the training set: neither labelled nor unlabelled */
} bl_longtail;

/* Picks per class, in class order. `pool`: where unlabelled images come from; NULL = the training
 * set itself: the first N_k of a class's (shuffled) images are labelled, the next M_k unlabelled,
 * and with unlabelled_includes_labelled the class's unlabelled list starts with its labelled
 * images. A pool without any label (STL-10) is taken whole. Images without a label are never
 * labelled ones; they are the irrelevant part of D_U when relevance < 1 (join them to the pool with
 * bl_classify_set_join). The images set aside for validation are the last of each class's order, so
 * that setting some aside does not change which ones are labelled and unlabelled. BL_ECONFIG when a
 * class has too few images, naming it, what it has and what is asked. */
bl_status bl_longtail_make(const bl_longtail_config *cfg, const bl_classify_set *train,
                           const bl_classify_set *pool, bl_longtail **out);
void bl_longtail_free(bl_longtail *l);

/* The picked indices as JSON ("ballast-longtail-1"), atomic: settings, both sets' names, sizes and
 * checksums of labels, counts, indices. */
bl_status bl_longtail_write(const bl_longtail *l, const bl_longtail_config *cfg,
                            const bl_classify_set *train, const bl_classify_set *pool,
                            const char *path);
/* Reads them back for the same sets: BL_EFORMAT when the file is damaged, when an index is out of
 * range or listed twice, or when a set has another size or other labels now. */
bl_status bl_longtail_read(const char *path, const bl_classify_set *train,
                           const bl_classify_set *pool, bl_longtail **out);

#endif
