/* The "method" section of a classification run: a base learner, a list of plug-ins, and a section
 * of settings for each. Sources and equations: docs/methods.md; complete sets of values:
 * configs/class.
 *
 * A new algorithm adds its header and section here, and its type to the list in class_method.c. */
#ifndef BALLAST_SSL_CLASS_METHOD_H
#define BALLAST_SSL_CLASS_METHOD_H

#include "core/schema.h"
#include "ssl/abc.h"
#include "ssl/align.h"
#include "ssl/bacon.h"
#include "ssl/class_learner.h"
#include "ssl/class_supervised.h"
#include "ssl/count_estimate.h"
#include "ssl/crest.h"
#include "ssl/darp.h"
#include "ssl/daso.h"
#include "ssl/fixmatch.h"
#include "ssl/flexmatch.h"
#include "ssl/freematch.h"
#include "ssl/gradient_balance.h"
#include "ssl/logit_adjust.h"
#include "ssl/moco.h"
#include "ssl/rotation.h"
#include "ssl/semi.h"
#include "ssl/softmatch.h"

typedef enum bl_ema_buffers { BL_EMA_AVERAGE, BL_EMA_COPY } bl_ema_buffers;

/* The moving average of the student, which is evaluated. */
typedef struct bl_class_ema_config {
    double keep;     /* rate; 0 = none: the student itself is evaluated */
    bool warmup;     /* min(keep, 1 - 1/(t+1)) */
    int32_t buffers; /* bl_ema_buffers: batch-norm statistics */
} bl_class_ema_config;

struct bl_class_method_config {
    const char *name;   /* base learner */
    bl_strings plugins; /* in order */
    int64_t epoch;      /* iterations of a nominal epoch, for schedules that count in epochs */
    const char *pseudo_labels; /* run folder or checkpoint that labels the unlabelled images; "" */
    bl_class_ema_config ema;
    bl_class_supervised_config supervised;
    bl_fixmatch_config fixmatch;
    bl_moco_config moco;
    bl_logit_adjust_config la;
    bl_align_config da;
    bl_gradient_balance_config gb;
    bl_abc_config abc;
    bl_daso_config daso;
    bl_semi_config semi;
    bl_bacon_config bacon;
    bl_flexmatch_config flexmatch;
    bl_freematch_config freematch;
    bl_softmatch_config softmatch;
    bl_darp_plugin_config darp;
    bl_crest_config crest;
    bl_count_estimate_config counts;
};
extern const bl_schema bl_class_method_schema;

/* What a learner is built from. Everything outlives it. */
typedef struct bl_class_env {
    const bl_classifier_config *model;
    const bl_class_view_config *views;
    bl_class_items labelled, unlabelled; /* with label lists; unlabelled.n 0 = none */
    bl_class_items validation;           /* set aside; may be empty */
    int32_t joined; /* entries at the end of labelled that are the unlabelled images, without label;
                       0 or unlabelled.n: what several generations need to train */
    const uint8_t *is_labelled;
    int32_t batch_labelled, batch_unlabelled;
    uint64_t seed;
    int64_t iterations; /* of the run */
    double (*lr_at)(const void *arg, int64_t t);
    const void *lr_arg;
    bl_ctx *ctx;
} bl_class_env;

/* The i-th type of the registry, base learners and plug-ins alike; NULL beyond the end. */
const bl_class_plugin_type *bl_class_plugin_type_at(int i);

/* Heads, views and order that the list asks for. BL_ECONFIG for names that do not exist (with a
 * suggestion), stand twice, or are no base learner or no plug-in. */
bl_status bl_class_method_needs(const bl_class_method_config *cfg, int32_t classes,
                                bl_class_needs *out);
bl_status bl_class_learner_create(const bl_class_method_config *cfg, const bl_class_env *env,
                                  bl_learner **out);
const bl_class_world *bl_class_learner_world(const bl_learner *l);

/* Generations that the list divides the run into: the most that one of its plug-ins asks for; 1 for
 * names that do not exist. */
int64_t bl_class_method_generations(const bl_class_method_config *cfg);
/* BL_ECONFIG when a run of so many iterations does not divide into them. */
bl_status bl_class_method_check_length(const bl_class_method_config *cfg, int64_t iterations);
/* For predictions of a checkpoint: the labelled images of its generation by class, which post-hoc
 * adjustments go by, where they are not those given ("generation.counts" of its state). */
bl_status bl_class_learner_set_counts(bl_learner *l, const double *counts, int64_t n);

#endif
