/* Long-tailed training sets made from balanced ones: how many images of each class, and which.
 *
 * Two families of constructions. The semi-supervised one (FixMatch-era protocols: ReMixMatch, DARP,
 * CReST, ABC, DASO, USB): N_k = floor(N_1 g_l^(-(k-1)/(K-1))) labelled images and M_k unlabelled
 * ones, where the M_k follow the same order, are equal, or are arranged another way. And that of
 * Yang and Xu (NeurIPS 2020): exponential or step profile, an unlabelled set of five times the
 * labelled size with a ratio rho_U of its own, and a share of it that belongs to none of the
 * classes. Both are described in docs/classification-data.md. */
#ifndef BALLAST_DATASETS_LONGTAIL_H
#define BALLAST_DATASETS_LONGTAIL_H

#include <stdbool.h>

#include "core/schema.h"
#include "datasets/class_set.h"

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

typedef enum bl_longtail_pick {
    BL_LONGTAIL_SHUFFLED,  /* a permutation of each class's images, from the seed */
    BL_LONGTAIL_FILE_ORDER /* as they stand in the data set; the seed does not matter */
} bl_longtail_pick;

/* counts[n_classes]: floor(head * ratio^(-k/(K-1))) in double precision, the last class directly as
 * floor(head / ratio) (exponential); or head for the first K/2 classes and floor(head / ratio) for
 * the others (step). ratio >= 1. */
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
    int64_t labelled_head;      /* N_1; 0 = every image of the training set is labelled */
    double labelled_ratio;      /* gamma_l or rho, >= 1 */
    int64_t unlabelled_head;    /* M_1; 0 = no unlabelled images from the training set */
    double unlabelled_ratio;    /* gamma_u or rho_U, >= 1; 0 = as the labelled ratio */
    int32_t unlabelled_order;   /* bl_longtail_order */
    double unlabelled_multiple; /* > 0: D_U of so many times the labelled size instead of M_1 */
    double relevance;           /* share of D_U that belongs to the classes, 0..1 */
    double labelled_fraction;   /* > 0: label round(fraction * n_k) of each class instead, and
                                   leave the natural imbalance; unlabelled is the whole set */
    bool unlabelled_includes_labelled;
    int32_t pick; /* bl_longtail_pick */
    int64_t seed;
} bl_longtail_config;
extern const bl_schema bl_longtail_schema;

/* Which images of a training set are labelled and which are unlabelled. */
typedef struct bl_longtail {
    int32_t n_classes;
    int64_t *labelled_counts, *unlabelled_counts; /* [n_classes]; unlabelled: by true label, with
                                                     the labelled images if they are included */
    int32_t n_labelled, n_unlabelled;
    int32_t *labelled,
        *unlabelled;      /* image indices, class by class in the order they were picked */
    uint8_t *is_labelled; /* [n_unlabelled] 1: this unlabelled image is labelled too */
    int32_t n_irrelevant; /* of n_unlabelled, at the end: indices into the other set, plus
                             the size of the first (as bl_class_set_join numbers them) */
} bl_longtail;

/* Picks per class, in class order: the first N_k of the class's (shuffled) images are labelled, the
 * next M_k unlabelled; with unlabelled_includes_labelled the unlabelled list of a class starts with
 * its labelled images. Images without a label are never picked. `irrelevant`: images of none of the
 * classes, for relevance < 1; else NULL. BL_ECONFIG when a class has too few images, naming it,
 * what it has and what is asked. */
bl_status bl_longtail_make(const bl_longtail_config *cfg, const bl_class_set *train,
                           const bl_class_set *irrelevant, bl_longtail **out);
void bl_longtail_free(bl_longtail *l);

/* The chosen indices as JSON ("ballast-longtail-1"), atomic: settings, the set's name, size and a
 * checksum of its labels, counts, indices. */
bl_status bl_longtail_write(const bl_longtail *l, const bl_longtail_config *cfg,
                            const bl_class_set *train, const char *path);
/* Reads them back for the same training set: BL_EFORMAT when the file is damaged, when an index is
 * out of range or listed twice, or when the set has other labels now. */
bl_status bl_longtail_read(const char *path, const bl_class_set *train, bl_longtail **out);

#endif
