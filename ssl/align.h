/* Distribution alignment of pseudo-labels as a plug-in (Berthelot et al., ReMixMatch, ICLR 2020):
 * balance/alignment.h on the weak predictions of the standard head. */
#ifndef BALLAST_SSL_ALIGN_H
#define BALLAST_SSL_ALIGN_H

#include "core/schema.h"
#include "ssl/class_learner.h"

typedef struct bl_align_config {
    int32_t mean;   /* bl_alignment_mean */
    int64_t window; /* batches */
    double decay;
    bool uniform; /* target: uniform instead of the labelled prior */
    double power; /* of the target, renormalised (CReST+) */
} bl_align_config;
extern const bl_schema bl_align_schema;
extern const bl_class_plugin_type bl_align_plugin;

#endif
