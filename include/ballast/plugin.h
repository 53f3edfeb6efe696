/* Plug-ins from outside of the tree: a type registered before a configuration is loaded takes part
 * in everything as if it were built in: its section of "method", `method.plugins`, checkpoints,
 * resume, metrics. A program of one's own registers it and calls bl_train (train/train.h);
 * docs/plugins.md has an example for each task.
 *
 * A type, its name and its section outlive the program's last run. BL_EINVAL when the name is taken
 * or there is no room. Not from several threads. */
#ifndef BALLAST_PLUGIN_H
#define BALLAST_PLUGIN_H

#include "core/rows.h"
#include "ssl/classification/method.h"
#include "ssl/detection/learner.h"
#include "train/train.h"

static inline bl_status bl_add_classification_plugin(const bl_classify_plugin_type *type) {
    return bl_registry_add(bl_classify_registry(), &type->plugin);
}

static inline bl_status bl_add_detection_plugin(const bl_detection_plugin_type *type) {
    return bl_registry_add(bl_detection_registry(), &type->plugin);
}

#endif
