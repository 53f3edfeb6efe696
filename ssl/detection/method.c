/* The "method" section of a detection run, and the list of plug-ins that it asks for. */
#include "ssl/detection/method.h"

#include <string.h>

#include "core/rows.h"
#include "ssl/detection/learner.h"

enum { OWN_ROWS = 5 };
bl_field bl_method_rows[OWN_ROWS + BL_MAX_PLUGIN_TYPES + 1] = {
    BL_ROW_STRING(bl_method_config, name, "\"supervised\"",
                  "The base learner: supervised, soft_teacher."),
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
                                    sizeof(bl_method_config), bl_method_rows};

const void *bl_method_settings(const bl_method_config *cfg, const char *name) {
    return bl_registry_settings(bl_detection_registry(), &cfg->plugin, name);
}

/* Those that their own settings switch on need not be named, and cannot be. */
static bl_status check_named(const bl_method_config *cfg) {
    const bl_registry *r = bl_detection_registry();
    for (int32_t i = 0; i < cfg->plugins.n; i++)
        for (int k = 0; k < r->n; k++) {
            const bl_detection_plugin_type *type = bl_detection_type_of(r->type[k]);
            if (type->switched_by && strcmp(r->type[k]->name, cfg->plugins.v[i]) == 0)
                return bl_fail(BL_ECONFIG,
                               "method.plugins: \"%s\" is switched on by method.%s; take it off "
                               "the list and set that",
                               cfg->plugins.v[i], type->switched_by);
        }
    return BL_OK;
}

bl_status bl_method_types(const bl_method_config *cfg, bl_type_list *out) {
    const bl_registry *r = bl_detection_registry();
    const char *name[BL_MAX_PLUGINS];
    bl_strings all = {0, name};
    BL_TRY(check_named(cfg));
    for (int i = 0; i < r->n && all.n < BL_MAX_PLUGINS; i++) {
        const bl_detection_plugin_type *type = bl_detection_type_of(r->type[i]);
        if (type->switched_by && type->wanted(cfg)) name[all.n++] = r->type[i]->name;
    }
    for (int32_t i = 0; i < cfg->plugins.n && all.n < BL_MAX_PLUGINS; i++)
        name[all.n++] = cfg->plugins.v[i];
    return bl_registry_resolve(r, &cfg->plugin, cfg->name, &all, out);
}

bool bl_method_uses_unlabelled(const bl_method_config *cfg) {
    bl_type_list list;
    return bl_method_types(cfg, &list) == BL_OK && bl_detection_type_of(list.v[0])->unlabelled;
}

bl_roi_scores_fn bl_method_scores(const bl_method_config *cfg) {
    bl_type_list list;
    if (bl_method_types(cfg, &list) != BL_OK) return NULL;
    for (int i = 0; i < list.n; i++)
        if (bl_detection_type_of(list.v[i])->scores) return bl_detection_type_of(list.v[i])->scores;
    return NULL;
}
