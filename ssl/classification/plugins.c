/* The plug-ins of classification: one line each. */
#include <stddef.h>

#include "ssl/classification/method.h"

#define PLUGINS(X)                                                                                 \
    X(bl_classify_supervised_plugin)                                                               \
    X(bl_fixmatch_plugin)                                                                          \
    X(bl_moco_plugin)                                                                              \
    X(bl_rotation_plugin)                                                                          \
    X(bl_logit_adjust_plugin)                                                                      \
    X(bl_align_plugin)                                                                             \
    X(bl_gradient_balance_plugin)                                                                  \
    X(bl_abc_plugin)                                                                               \
    X(bl_daso_plugin)                                                                              \
    X(bl_semi_plugin)                                                                              \
    X(bl_bacon_plugin)                                                                             \
    X(bl_flexmatch_plugin)                                                                         \
    X(bl_freematch_plugin)                                                                         \
    X(bl_softmatch_plugin)                                                                         \
    X(bl_darp_plugin)                                                                              \
    X(bl_crest_plugin)                                                                             \
    X(bl_count_estimate_plugin)

#define DECLARE(name) extern const bl_classify_plugin_type name;
PLUGINS(DECLARE)
#define ENTRY(name) &name.plugin,

void bl_classify_add_plugins(void) {
    static const bl_plugin_type *const all[] = {PLUGINS(ENTRY)};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        bl_registry_add(bl_classify_registry(), all[i]);
}
