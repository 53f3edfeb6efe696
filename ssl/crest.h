/* CReST and CReST+ as a plug-in (Wei et al., CVPR 2021; balance/generations.h): training runs in
 * generations, each from fresh weights on the labelled images and those that the model of the
 * generation before labelled with confidence; pseudo-labels within a generation are aligned to the
 * labelled prior, flattened further in each (CReST+).
 *
 * Candidates are all unlabelled images that are not in the labelled list as well, predicted without
 * augmentation by the averaged model (by the student where there is none), before any post-hoc
 * adjustment. Each generation chooses anew; chosen images stay in the unlabelled list. */
#ifndef BALLAST_SSL_CREST_H
#define BALLAST_SSL_CREST_H

#include "core/schema.h"
#include "ssl/class_learner.h"

typedef struct bl_crest_config {
    int64_t generations;
    double alpha;
    bool align;     /* CReST+ */
    double t_min;   /* power of the target in the last generation */
    int64_t window; /* batches that the mean prediction remembers */
} bl_crest_config;
extern const bl_schema bl_crest_schema;
extern const bl_class_plugin_type bl_crest_plugin;

#endif
