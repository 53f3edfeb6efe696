/* Soft Teacher (Xu et al., "End-to-End Semi-Supervised Object Detection with Soft Teacher", ICCV
 * 2021), with the gradient-based balancing of Li et al. (ICCV 2023) when enabled. */
#ifndef BALLAST_SSL_SOFT_TEACHER_H
#define BALLAST_SSL_SOFT_TEACHER_H

#include "ssl/method.h"

bl_status bl_soft_teacher_create(const bl_method_config *cfg, const bl_learner_env *env,
                                 bl_learner **out);

#endif
