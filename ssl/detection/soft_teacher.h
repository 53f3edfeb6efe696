/* Settings of the teacher: how it is averaged and what its boxes may teach. The average is every
 * detection learner's; the rest is Soft Teacher's (Xu et al., ICCV 2021). */
#ifndef BALLAST_SSL_DETECTION_SOFT_TEACHER_H
#define BALLAST_SSL_DETECTION_SOFT_TEACHER_H

#include <stdbool.h>
#include <stdint.h>

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

#endif
