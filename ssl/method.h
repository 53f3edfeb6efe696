/* The "method" section: which learner, and the balancing it uses. Defaults are those of Soft
 * Teacher (Xu et al., ICCV 2021) and of gradient-based sampling (Li et al., ICCV 2023); iteration
 * counts are for the 180k schedule and must be scaled to shorter ones. */
#ifndef BALLAST_SSL_METHOD_H
#define BALLAST_SSL_METHOD_H

#include "core/schema.h"
#include "detector/faster_rcnn.h"
#include "ssl/learner.h"

typedef enum bl_method_name { BL_METHOD_SUPERVISED, BL_METHOD_SOFT_TEACHER } bl_method_name;

typedef struct bl_teacher_section {
    double ema;                  /* keep rate */
    double unsup_weight;         /* factor of all unlabelled losses */
    int64_t burn_in;             /* iterations before unlabelled losses start */
    int64_t ramp;                /* iterations over which unsup_weight then rises linearly */
    double candidate_score;      /* detections considered at all */
    double rpn_score, cls_score; /* pseudo boxes for the RPN and for RoI classification */
    double reg_variance;         /* box-jitter uncertainty below which a box teaches regression */
    int64_t jitter_times;
    double jitter_scale;
    bool background_weight; /* weight background RoIs by the teacher's background probability */
} bl_teacher_section;

typedef struct bl_gbr_section { /* gradient-based reweighting */
    bool enabled;
    int64_t warmup;
    double beta;       /* exponent of the weights on the labelled branch */
    double accumulate; /* EMA keep rate of the gradient matrix */
    double lr;         /* solver's learning rate; 0 = the detector's */
    bool direct;       /* solve the linear system instead of the online iteration */
} bl_gbr_section;

typedef struct bl_gbt_section { /* gradient-based thresholds */
    int32_t mode;               /* fixed, w_only, code */
    int64_t warmup;
    double lower, upper;
    double prior_cap;   /* labels a class may get, as a multiple of the labelled prior; 0 = any */
    int64_t cap_window; /* unlabelled images over which they are counted */
} bl_gbt_section;

typedef struct bl_crs_section { /* class-rebalancing sampling of unlabelled images */
    bool enabled;
    int64_t warmup;
    double alpha;
    int64_t save_every, rebuild_every;
} bl_crs_section;

typedef struct bl_method_config {
    int32_t name;       /* bl_method_name */
    double focal;       /* exponent of the RoI classification loss, 0 = cross-entropy */
    int64_t rfs_warmup; /* iterations before labelled repeats start */
    double rfs;         /* repeat-factor threshold for labelled images; 0 = off */
    bl_teacher_section teacher;
    bl_gbr_section gbr;
    bl_gbt_section gbt;
    bl_crs_section crs;
} bl_method_config;
extern const bl_schema bl_method_schema, bl_gbr_schema, bl_gbt_schema;

/* What a learner may know of its surroundings. Data sets are for class counts and, where unlabelled
 * images carry hidden boxes, for measuring pseudo-label quality only. */
typedef struct bl_learner_env {
    const bl_detector_config *detector;
    const bl_dataset *labelled, *unlabelled; /* unlabelled may be NULL */
    uint64_t seed;
    int64_t iterations;
    double (*lr_at)(const void *arg, int64_t t); /* the schedule, for solvers that follow it */
    const void *lr_arg;
    bl_ctx *ctx;
} bl_learner_env;

bl_status bl_learner_create(const bl_method_config *cfg, const bl_learner_env *env,
                            bl_learner **out);

#endif
