/* Supervised classification with the losses and samplers of long-tailed learning: cross-entropy,
 * focal, LDAM; class-balanced re-weighting and re-sampling, both possibly deferred (DRW, DRS);
 * class-aware sampling (classifier re-training). With method.pseudo_labels the unlabelled images
 * join with fixed labels (self-training, Yang and Xu, NeurIPS 2020), weighted by omega. */
#ifndef BALLAST_SSL_CLASS_SUPERVISED_H
#define BALLAST_SSL_CLASS_SUPERVISED_H

#include "core/schema.h"
#include "ssl/class_learner.h"

typedef enum bl_supervised_loss {
    BL_SUPERVISED_CE,
    BL_SUPERVISED_FOCAL,
    BL_SUPERVISED_LDAM
} bl_supervised_loss;

typedef struct bl_class_supervised_config {
    int32_t loss;          /* bl_supervised_loss */
    double gamma;          /* focal */
    bool focal_textbook;   /* class weight outside of the modulator */
    double margin, scale;  /* LDAM: largest margin; factor of the cosines */
    double beta;           /* of the effective number of samples */
    int64_t reweight_from; /* iteration from which class weights act; -1 never, 0 always */
    bool weighted_mean;    /* divide by the batch's sum of weights, not by its size */
    int64_t resample_from; /* iteration from which images are drawn by class weight; -1 never */
    bool class_aware;      /* classes in turn, four images of each (classifier re-training) */
    double omega;          /* weight of pseudo-labelled images */
} bl_class_supervised_config;
extern const bl_schema bl_class_supervised_schema;
extern const bl_class_plugin_type bl_class_supervised_plugin;

#endif
