/* The "method" section of a classification run: a base learner, a list of plug-ins, and a section
 * of settings for each. Sources and equations: docs/methods.md; complete sets of values:
 * configs/class. */
#ifndef BALLAST_SSL_CLASSIFICATION_METHOD_H
#define BALLAST_SSL_CLASSIFICATION_METHOD_H

#include "core/schema.h"
#include "ssl/classification/learner.h"

typedef enum bl_ema_buffers { BL_EMA_AVERAGE, BL_EMA_COPY } bl_ema_buffers;

/* The moving average of the student, which is evaluated. */
typedef struct bl_classify_ema_config {
    double keep;     /* rate; 0 = none: the student itself is evaluated */
    bool warmup;     /* min(keep, 1 - 1/(t+1)) */
    int32_t buffers; /* bl_ema_buffers: batch-norm statistics */
} bl_classify_ema_config;

struct bl_classify_method_config {
    const char *name;   /* base learner */
    bl_strings plugins; /* in order */
    int64_t epoch;      /* iterations of a nominal epoch, for schedules that count in epochs */
    const char *pseudo_labels; /* run folder or checkpoint that labels the unlabelled images; "" */
    bl_classify_ema_config ema;
    bl_plugin_settings plugin; /* of each plug-in: bl_classify_settings */
};
extern const bl_schema bl_classify_method_schema; /* the registry adds a section of each plug-in */

/* What a learner is built from. Everything outlives it. */
typedef struct bl_classify_env {
    const bl_classifier_config *model;
    const bl_classify_view_config *views;
    bl_classify_items labelled, unlabelled; /* with label lists; unlabelled.n 0 = none */
    bl_classify_items validation;           /* set aside; may be empty */
    int32_t joined; /* entries at the end of labelled that are the unlabelled images, without label;
                       0 or unlabelled.n: what several generations need to train */
    const uint8_t *is_labelled;
    int32_t batch_labelled, batch_unlabelled;
    uint64_t seed;
    int64_t iterations; /* of the run */
    double (*lr_at)(const void *arg, int64_t t);
    const void *lr_arg;
    bl_ctx *ctx;
} bl_classify_env;

/* The plug-ins there are: those of ssl/classification/plugins.c and what has been added since. */
bl_registry *bl_classify_registry(void);
/* Adds those of plugins.c; once, before main. */
void bl_classify_add_plugins(void);
/* The settings of the plug-in of that name, a struct of its own. */
const void *bl_classify_settings(const bl_classify_method_config *cfg, const char *name);

/* Whether the list can work at all (bl_registry_resolve). */
bl_status bl_classify_method_check(const bl_classify_method_config *cfg);
/* Heads, views and order that the list asks for. BL_ECONFIG for names that do not exist (with a
 * suggestion) or cannot stand in one list (bl_registry_resolve). */
bl_status bl_classify_method_needs(const bl_classify_method_config *cfg, int32_t classes,
                                   bl_classify_needs *out);
bl_status bl_classify_learner_create(const bl_classify_method_config *cfg,
                                     const bl_classify_env *env, bl_learner **out);
const bl_classify_world *bl_classify_learner_world(const bl_learner *l);

/* Generations that the list divides the run into: the most that one of its plug-ins asks for; 1 for
 * names that do not exist. */
int64_t bl_classify_method_generations(const bl_classify_method_config *cfg);
/* BL_ECONFIG when a run of so many iterations does not divide into them. */
bl_status bl_classify_method_check_length(const bl_classify_method_config *cfg, int64_t iterations);
/* For predictions of a checkpoint: the labelled images of its generation by class, which post-hoc
 * adjustments go by, where they are not those given ("generation.counts" of its state). */
bl_status bl_classify_learner_set_counts(bl_learner *l, const double *counts, int64_t n);

#endif
