/* Estimating the unlabelled class counts while a classifier trains on the labelled images
 * (plug-in "counts"; Kim et al., DARP, NeurIPS 2020; balance/count_estimate.h), for methods that
 * want to be told them: method.darp.counts.
 *
 * Every so often the averaged model (the student where there is none) predicts the images set aside
 * (longtail.validation; every class needs some) and all unlabelled ones, without augmentation. An
 * estimate counts when no class comes out below 0 and the matrix is well conditioned; the mean of
 * those is the result, in the "class" lines and at the end in the log. */
#ifndef BALLAST_SSL_COUNT_ESTIMATE_H
#define BALLAST_SSL_COUNT_ESTIMATE_H

#include "core/schema.h"
#include "ssl/class_learner.h"

typedef struct bl_count_estimate_config {
    int64_t every;
    double condition;
} bl_count_estimate_config;
extern const bl_schema bl_count_estimate_schema;
extern const bl_class_plugin_type bl_count_estimate_plugin;

#endif
