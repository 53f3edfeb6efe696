/* Self-supervised pre-training by rotation (Gidaris et al., ICLR 2018; for imbalanced learning:
 * Yang and Xu, NeurIPS 2020): which quarter turn was each image of the labelled list given? Labels
 * are not used. A later run takes the backbone by run.init_from with run.init_skip = ["head."]. */
#ifndef BALLAST_SSL_ROTATION_H
#define BALLAST_SSL_ROTATION_H

#include "ssl/class_learner.h"

extern const bl_class_plugin_type bl_rotation_plugin;

#endif
