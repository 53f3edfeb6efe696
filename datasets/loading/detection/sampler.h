/* Which images make up batch t: a pure function of (seed, repeat lists, position).
 *
 * Two kinds of images, labelled (0) and unlabelled (1); each has a list with repeats per aspect
 * group, shuffled by (seed, kind, group, pass) and consumed without replacement. A position is a
 * few integers, so that going anywhere costs one shuffle a list, not a replay. The mixing is Soft
 * Teacher's (Xu et al., ICCV 2021) semi sampler. Not thread-safe: the loader calls it under its
 * lock. */
#ifndef BALLAST_DATASETS_LOADING_DETECTION_SAMPLER_H
#define BALLAST_DATASETS_LOADING_DETECTION_SAMPLER_H

#include "datasets/loading/detection/loader.h"

typedef struct bl_sampler_list {
    int32_t n;         /* with repeats */
    int32_t *base;     /* images in ascending order, each as often as it is repeated */
    int32_t *shuffled; /* order of pass `pass` */
    int64_t pass;      /* -1: none yet */
} bl_sampler_list;

typedef struct bl_sampler {
    bl_loader_config cfg;
    const bl_dataset *data[2]; /* [1] NULL: labelled only */
    uint64_t seed;
    bool grouped;       /* aspect groups in use */
    int32_t *copies[2]; /* of every image */
    bl_sampler_list lists[2][2];
} bl_sampler;

/* Every image once. Aspect groups are used only if each group that has images at all has both
 * labelled and unlabelled ones; otherwise one kind could never fill a batch, and the groups are
 * merged. */
bl_status bl_sampler_init(bl_sampler *s, const bl_loader_config *cfg, const bl_dataset *labelled,
                          const bl_dataset *unlabelled, uint64_t seed);
void bl_sampler_free(bl_sampler *s);

/* Replaces the repeats of a kind. `pos` moves to the start of the pass after the current one. */
bl_status bl_sampler_set_repeats(bl_sampler *s, int kind, const int32_t *copies,
                                 bl_loader_pos *pos);

/* The batch at *pos: images[0..n) (labelled first), n = cfg.batch; *pos moves behind it. */
bl_status bl_sampler_next(bl_sampler *s, bl_loader_pos *pos, int32_t *images, int32_t *n_labelled);

/* The image that stands in for an unreadable one: the next image of the same kind and aspect group
 * in data set order, of those in the list, that `bad` (one flag an image) does not exclude; -1 when
 * there is none. Needs no position, so that any worker may ask at any time. */
int32_t bl_sampler_substitute(const bl_sampler *s, int kind, int32_t image, const uint8_t *bad);

#endif
