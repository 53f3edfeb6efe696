/* The "method" section of a detection run, and where each plug-in finds its own. */
#include <stddef.h>

#include "core/rows.h"
#include "ssl/detection/method.h"

enum { OWN_ROWS = 5 };
static bl_field rows[OWN_ROWS + BL_MAX_PLUGIN_TYPES + 1] = {
    BL_ROW_STRING(bl_method_config, name, "\"supervised\"",
                  "The base learner: supervised, soft_teacher, unbiased_teacher."),
    BL_ROW_STRINGS(bl_method_config, plugins,
                   "What is added to it, in order, beside what settings switch on (gbr, gbt, crs, "
                   "rfs, focal); the plug-ins have a section each."),
    BL_ROW_REAL(bl_method_config, focal, "0", 0, 5, NULL,
                "Exponent of the RoI softmax focal loss; 0 = cross-entropy."),
    BL_ROW_REAL(bl_method_config, rfs, "0", 0, 1, NULL,
                "Repeat-factor threshold of labelled images: classes in a smaller fraction of "
                "images are repeated; 0 = off."),
    BL_ROW_START(bl_method_config, rfs_warmup, "0", 0, 1e9,
                 "Iterations before labelled images are repeated: the representation is learnt "
                 "first, the balance later.")};
const bl_schema bl_method_schema = {"method", "The base learner and what is added to it.",
                                    sizeof(bl_method_config), rows};

bl_registry *bl_detection_registry(void) {
    static bl_registry r = {.rows = rows, .settings = offsetof(bl_method_config, plugin)};
    return &r;
}

const void *bl_method_settings(const bl_method_config *cfg, const char *name) {
    return bl_registry_settings(bl_detection_registry(), &cfg->plugin, name);
}
