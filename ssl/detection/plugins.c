/* The plug-ins of detection: one line each. Those that settings switch on run in this order. */
#include <stddef.h>

#include "ssl/detection/learner.h"

#define PLUGINS(X)                                                                                 \
    X(bl_supervised_plugin)                                                                        \
    X(bl_soft_teacher_plugin)                                                                      \
    X(bl_unbiased_teacher_plugin)                                                                  \
    X(bl_gbr_plugin)                                                                               \
    X(bl_gbt_plugin)                                                                               \
    X(bl_label_cap_plugin)                                                                         \
    X(bl_crs_plugin)                                                                               \
    X(bl_rfs_plugin)                                                                               \
    X(bl_class_watch_plugin)                                                                       \
    X(bl_focal_plugin)                                                                             \
    X(bl_eql_plugin)                                                                               \
    X(bl_roi_logit_adjust_plugin)                                                                  \
    X(bl_class_balanced_plugin)                                                                    \
    X(bl_eql_v1_plugin)                                                                            \
    X(bl_sigmoid_focal_plugin)                                                                     \
    X(bl_seesaw_plugin)                                                                            \
    X(bl_bags_plugin)                                                                              \
    X(bl_c2am_plugin)

#define DECLARE(name) extern const bl_detection_plugin_type name;
PLUGINS(DECLARE)
#define ENTRY(name) &name.plugin,

void bl_detection_add_plugins(void) {
    static const bl_plugin_type *const all[] = {PLUGINS(ENTRY)};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        bl_registry_add(bl_detection_registry(), all[i]);
}
