/* Learning-rate schedules: pure functions of the iteration. */
#ifndef BALLAST_NN_SCHEDULE_H
#define BALLAST_NN_SCHEDULE_H

#include "core/schema.h"

typedef enum bl_schedule_kind {
    BL_SCHEDULE_STEP,
    BL_SCHEDULE_COSINE,
    BL_SCHEDULE_CONSTANT,
    BL_SCHEDULE_COSINE_ANNEALING
} bl_schedule_kind;
typedef struct bl_schedule_config {
    int32_t kind; /* bl_schedule_kind */
    /* STEP: fractions of the total (< 1) or iterations (>= 1) at which lr *= gamma */
    bl_reals steps;
    double gamma;
    int64_t warmup;      /* iterations of linear warm-up */
    double warmup_ratio; /* its start, as a fraction of lr */
    int64_t every;       /* the rate changes at multiples of so many iterations: epochs */
    double cycles;       /* COSINE: max(0, cos(pi * cycles * t / total)); 7/16 is FixMatch's */
} bl_schedule_config;
extern const bl_schema bl_schedule_schema;

/* Learning-rate multiplier at iteration t of total. COSINE_ANNEALING is (1 + cos(pi t / total)) / 2
 * (Loshchilov and Hutter, SGDR, ICLR 2017, eq. 5 with one period and a minimum of 0; PyTorch's
 * CosineAnnealingLR, which cRT and MoCo use). */
double bl_schedule_factor(const bl_schedule_config *c, int64_t t, int64_t total);

#endif
