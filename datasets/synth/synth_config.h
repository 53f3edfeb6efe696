/* Settings of the scene generator (synth.h). */
#ifndef BALLAST_DATASETS_SYNTH_SYNTH_CONFIG_H
#define BALLAST_DATASETS_SYNTH_SYNTH_CONFIG_H

#include <stdint.h>

#include "core/schema.h"

enum { BL_SYNTH_MAX_OBJECTS = 32 }; /* in an image */

/* Where the two classes of a look-alike family stand in the order of frequency. */
typedef enum bl_lookalikes {
    BL_LOOKALIKES_APART,   /* one common, one rare: the rare one's errors go to the common one */
    BL_LOOKALIKES_TOGETHER /* neighbours: common families and rare families */
} bl_lookalikes;

/* How frequency falls with the rank r of a class, of n classes and an imbalance of m. */
typedef enum bl_tail {
    BL_TAIL_EXPONENTIAL, /* m^(-r / (n - 1)) (Cui et al., CVPR 2019) */
    BL_TAIL_STEP         /* the first half equal, the others an m-th (Cao et al., NeurIPS 2019) */
} bl_tail;

/* Settings (section "synth"). */
typedef struct bl_synth_config {
    int64_t width, height; /* px */
    int64_t classes;       /* even, 2..32 */
    int64_t pairs;         /* families of two look-alikes among them; -1 = all classes in pairs */
    int64_t labelled, unlabelled, test; /* images */
    double imbalance; /* frequency of the most common class over the rarest, labelled set */
    double unlabelled_imbalance;      /* the same for the unlabelled set; 0 = as the labelled set */
    int32_t tail;                     /* bl_tail */
    int64_t min_instances;            /* of each class in the labelled set */
    int32_t lookalikes;               /* bl_lookalikes */
    int64_t objects_min, objects_max; /* objects an image */
    double size_min, size_max;        /* diameter of an object, px, log-uniform */
    double rotation;                  /* +- degrees */
    double clutter;                   /* 0 none, 1 usual */
    double occlusion;                 /* probability that an object is put over others */
    double max_hidden;                /* no object is hidden by more than this fraction */
    double contrast; /* least colour distance between an object and its background, 0..255 */
    double noise;    /* standard deviation of pixel noise, at most (per image uniform), 0..255 */
    int64_t quality; /* JPEG */
    int64_t seed;
} bl_synth_config;
extern const bl_schema bl_synth_schema;

/* Pairs of look-alikes: `pairs` with -1 resolved. */
static inline int bl_synth_pairs(const bl_synth_config *cfg) {
    return (int)(cfg->pairs < 0 ? cfg->classes / 2 : cfg->pairs);
}

/* Frequency rank (0 = most common) of category c. With lookalikes "apart", in every family one
 * member is in the first half and one in the second; which one alternates, so that being rare does
 * not go with a more complex outline. With "together" a family's ranks are adjacent and every other
 * family is among the common ones. */
int bl_synth_rank(const bl_synth_config *cfg, int c);

#endif
