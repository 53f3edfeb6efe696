/* Self-supervised pre-training by momentum contrast (MoCo v2: He et al., CVPR 2020; Chen et al.,
 * 2020): two contrast views of each image of the labelled list; the query through the student, the
 * key through the moving average (method.ema: keep 0.999, no warm-up), each with a two-layer
 * projection head, against a queue of earlier keys. Labels are not used. */
#ifndef BALLAST_SSL_MOCO_H
#define BALLAST_SSL_MOCO_H

#include "core/schema.h"
#include "ssl/class_learner.h"

typedef struct bl_moco_config {
    int64_t queue;       /* keys */
    int64_t hidden, dim; /* of the projection head */
    double temperature;
} bl_moco_config;
extern const bl_schema bl_moco_schema;
extern const bl_class_plugin_type bl_moco_plugin;

#endif
