/* The "method" section of a detection run: a base learner, what is added to it, and a section of
 * settings for each. Defaults are those of Soft Teacher (Xu et al., ICCV 2021) and of gradient-based
 * sampling (Li et al., ICCV 2023); iteration counts are for the 180k schedule and must be scaled to
 * shorter ones. */
#ifndef BALLAST_SSL_DETECTION_METHOD_H
#define BALLAST_SSL_DETECTION_METHOD_H

#include "core/schema.h"
#include "datasets/loading/detection/loader.h"
#include "detector/faster_rcnn.h"
#include "ssl/learner.h"
#include "ssl/plugin.h"

typedef struct bl_method_config {
    const char *name;          /* base learner */
    bl_strings plugins;        /* beside those that their own settings switch on */
    double focal;              /* exponent of the RoI classification loss, 0 = cross-entropy */
    double rfs;                /* repeat-factor threshold for labelled images; 0 = off */
    int64_t rfs_warmup;        /* iterations before labelled repeats start */
    bl_plugin_settings plugin; /* of each plug-in: bl_method_settings */
} bl_method_config;
extern const bl_schema bl_method_schema; /* the registry adds a section of each plug-in */

/* The plug-ins there are: those of ssl/detection/plugins.c and what has been added since. */
bl_registry *bl_detection_registry(void);
/* Adds those of plugins.c; once, before main. */
void bl_detection_add_plugins(void);
/* The settings in section method.<name>, a struct of the plug-in's own. */
const void *bl_method_settings(const bl_method_config *cfg, const char *name);
/* The types of the method: its base learner, those that settings switch on in the order of the
 * registry, then method.plugins. Errors as bl_registry_resolve. */
bl_status bl_method_types(const bl_method_config *cfg, bl_type_list *out);
/* Whether the base learner learns from unlabelled images. */
bool bl_method_uses_unlabelled(const bl_method_config *cfg);
/* The method's RoI classifier for K classes, as its plug-ins want it. */
bl_status bl_method_classifier(const bl_method_config *cfg, int32_t classes,
                               bl_roi_classifier *out);
/* The method's detector in a store that is not finished, with the layers of its plug-ins and its
 * way to scores: the same model wherever it is trained, evaluated or asked. */
bl_status bl_method_detector(const bl_method_config *cfg, const bl_detector_config *detector,
                             int32_t classes, bl_store *store, bl_detector **out);

/* What a learner may know of its surroundings. Data sets are for class counts and, where unlabelled
 * images carry hidden boxes, for measuring pseudo-label quality only. */
typedef struct bl_learner_env {
    const bl_detector_config *detector;
    const bl_dataset *labelled, *unlabelled; /* unlabelled may be NULL */
    uint64_t seed;
    int64_t iterations;
    int32_t parts; /* batches of an iteration (bl_step_input); 0: one */
    double (*lr_at)(const void *arg, int64_t t); /* the schedule, for solvers that follow it */
    const void *lr_arg;
    bl_ctx *ctx;
} bl_learner_env;

bl_status bl_learner_create(const bl_method_config *cfg, const bl_learner_env *env,
                            bl_learner **out);

#endif
