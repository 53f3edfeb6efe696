/* A generated set of small images, drawn by the program: the embedded default for classification.
 *
 * Up to twenty classes, some or all in look-alike pairs (a disc and a notched disc, a plus and a
 * tee, stripes across and along the same outline, ...). An image is one object of random colour,
 * place, size, tilt and softness before a textured background with clutter and noise. Colour says
 * nothing about the class. Every image is a pure function of (config, split, index): the same for
 * any thread count, and any two splits are disjoint draws of the same world. Labels are balanced:
 * image i has class i mod classes; a long tail is made afterwards (longtail.h). */
#ifndef BALLAST_DATASETS_SETS_GENERATED_H
#define BALLAST_DATASETS_SETS_GENERATED_H

#include "core/schema.h"
#include "datasets/sets/image_set.h"

enum { BL_CLASSIFY_SYNTH_MAX = 20 };

/* Settings (section "synthetic"). */
typedef struct bl_classify_synth_config {
    int64_t classes;     /* 2..20 */
    int64_t pairs;       /* of look-alikes; -1 = classes/2. classes - pairs is at most 10 */
    int64_t train, test; /* images */
    int64_t size;        /* px, of both sides */
    double clutter;      /* 0 none, 1 usual */
    double noise;        /* greatest standard deviation of the pixel noise, 0..255 */
    double rotation;     /* +- degrees */
    int64_t seed;
} bl_classify_synth_config;
extern const bl_schema bl_classify_synth_schema;

typedef enum bl_classify_split { BL_CLASSIFY_TRAIN, BL_CLASSIFY_TEST } bl_classify_split;

/* mean and std of both splits are those of the first 2,000 training images. */
bl_status bl_classify_synth(const bl_classify_synth_config *cfg, bl_classify_split split,
                            bl_classify_set **out);

#endif
