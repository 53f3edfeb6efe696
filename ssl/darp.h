/* DARP as a plug-in (Kim et al., NeurIPS 2020): from a point of training on, pseudo-labels are rows
 * of one matrix over all unlabelled images, refined to the class counts that the unlabelled set is
 * believed to have (balance/darp.h).
 *
 * The raw predictions of an image are kept from the last time it was seen (uniform before); the
 * matrix is refined as a whole every `every` iterations, and read in between. The believed counts
 * are those of the labelled images in proportion, or `counts`. */
#ifndef BALLAST_SSL_DARP_H
#define BALLAST_SSL_DARP_H

#include "core/schema.h"
#include "ssl/class_learner.h"

typedef struct bl_darp_plugin_config {
    double start;  /* share of the iterations that pass before */
    int64_t every; /* iterations between refinements */
    double alpha;
    int64_t rounds;
    double tolerance;
    bl_reals counts; /* of the unlabelled images in proportion, one a class; empty = the labelled */
} bl_darp_plugin_config;
extern const bl_schema bl_darp_schema;
extern const bl_class_plugin_type bl_darp_plugin;

#endif
