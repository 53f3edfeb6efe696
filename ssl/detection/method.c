/* The list of plug-ins that a detection run asks for. */
#include "ssl/detection/method.h"

#include <string.h>

#include "ssl/detection/learner.h"

/* Before main, so that the schema is whole whoever loads a configuration first. */
__attribute__((constructor)) static void add_all(void) {
    bl_detection_add_plugins();
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

bl_status bl_method_classifier(const bl_method_config *cfg, int32_t classes,
                               bl_roi_classifier *out) {
    bl_type_list list;
    *out = (bl_roi_classifier){0};
    BL_TRY(bl_method_types(cfg, &list));
    for (int i = 0; i < list.n; i++) {
        const bl_detection_plugin_type *type = bl_detection_type_of(list.v[i]);
        if (type->classifier) type->classifier(cfg, classes, out);
    }
    return BL_OK;
}

/* detector.frozen: each beginning must name something, or a slip would train everything. */
static bl_status freeze(const bl_detector_config *detector, bl_store *store) {
    for (int32_t i = 0; i < detector->frozen.n; i++) {
        int64_t n;
        bl_store_freeze(store, detector->frozen.v[i], &n);
        if (n == 0)
            return bl_fail(BL_ECONFIG,
                           "detector.frozen[%d]: no tensor's name begins with \"%s\"; they begin "
                           "with backbone., neck., rpn_head. or roi_head.bbox_head.",
                           (int)i, detector->frozen.v[i]);
    }
    if (detector->frozen.n > 0 && bl_store_params(store) == 0)
        return bl_fail(BL_ECONFIG, "detector.frozen: nothing is left to train");
    return BL_OK;
}

bl_status bl_method_detector(const bl_method_config *cfg, const bl_detector_config *detector,
                             int32_t classes, bl_store *store, bl_detector **out) {
    bl_type_list list;
    bl_roi_classifier classifier;
    BL_TRY(bl_method_types(cfg, &list));
    BL_TRY(bl_method_classifier(cfg, classes, &classifier));
    BL_TRY(bl_detector_create_with(detector, classes, &classifier, store, out));
    for (int i = 0; i < list.n; i++) {
        const bl_detection_plugin_type *type = bl_detection_type_of(list.v[i]);
        if (type->declare) BL_TRY(type->declare(cfg, *out, store));
    }
    return freeze(detector, store);
}
