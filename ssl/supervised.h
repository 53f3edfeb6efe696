/* Supervised Faster R-CNN on the labelled images only; the baseline, and with method.rfs and
 * method.gbr the supervised form of the balancing. An EMA copy of the weights is kept and evaluated
 * as the "teacher", so that the baseline is compared with semi-supervised runs on equal terms. */
#ifndef BALLAST_SSL_SUPERVISED_H
#define BALLAST_SSL_SUPERVISED_H

#include "ssl/method.h"

bl_status bl_supervised_create(const bl_method_config *cfg, const bl_learner_env *env,
                               bl_learner **out);

#endif
