/* The student/teacher pair every detection learner trains: two detectors of identical layout, the
 * second an exponential moving average of the first. */
#ifndef BALLAST_SSL_DETECTION_TEACHER_EMA_H
#define BALLAST_SSL_DETECTION_TEACHER_EMA_H

#include "ssl/detection/method.h"

typedef struct bl_detector_pair {
    bl_store *student_store, *teacher_store;
    bl_detector *student, *teacher;
} bl_detector_pair;

/* Both with the layers and the scores of the method's plug-ins. */
bl_status bl_detector_pair_create(const bl_method_config *cfg, const bl_learner_env *env,
                                  bl_detector_pair *out);
void bl_detector_pair_destroy(bl_detector_pair *p);

/* Keep rate at iteration t. copied_until < 0: min(ema, 1 - 1/(t+1)); t = 0 copies. Else 0 up to that
 * iteration, ema afterwards (Liu et al., Unbiased Teacher, ICLR 2021: burn-in, then an average). */
double bl_ema_keep(double ema, int64_t copied_until, int64_t t);
/* teacher <- keep*teacher + (1-keep)*student, running statistics included. */
bl_status bl_detector_pair_ema(bl_detector_pair *p, bl_ctx *ctx, double keep);

#endif
