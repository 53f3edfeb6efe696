/* What a list of plug-ins is and asks for. */
#include "ssl/classification/method.h"

/* Before main, so that the schema is whole whoever loads a configuration first. */
__attribute__((constructor)) static void add_all(void) {
    bl_classify_add_plugins();
}

static bl_status resolve(const bl_classify_method_config *cfg, bl_type_list *out) {
    return bl_registry_resolve(bl_classify_registry(), &cfg->plugin, cfg->name, &cfg->plugins, out);
}

bl_status bl_classify_method_check(const bl_classify_method_config *cfg) {
    bl_type_list list;
    return resolve(cfg, &list);
}

int64_t bl_classify_method_generations(const bl_classify_method_config *cfg) {
    bl_type_list list;
    int64_t most = 1;
    if (resolve(cfg, &list) != BL_OK) return 1;
    for (int i = 0; i < list.n; i++) {
        const bl_classify_plugin_type *type = (const bl_classify_plugin_type *)list.v[i];
        int64_t n = type->generations ? type->generations(cfg) : 1;
        if (n > most) most = n;
    }
    return most;
}

bl_status bl_classify_method_check_length(const bl_classify_method_config *cfg,
                                          int64_t iterations) {
    int64_t n = bl_classify_method_generations(cfg);
    if (iterations % n == 0) return BL_OK;
    return bl_fail(BL_ECONFIG, "run.iterations = %lld is not a multiple of the %lld generations",
                   (long long)iterations, (long long)n);
}

static bl_status check_views(const bl_classify_plugin_type *type, const bl_classify_needs *n) {
    if (!type->unlabelled || (n->unlabelled && n->strong >= 1)) return BL_OK;
    return bl_fail(BL_ECONFIG,
                   "method.plugins: %s learns from weak and strong views of unlabelled images; the "
                   "base learner (method.name) makes none: use fixmatch",
                   type->plugin.name);
}

bl_status bl_classify_method_needs(const bl_classify_method_config *cfg, int32_t classes,
                                   bl_classify_needs *out) {
    bl_type_list list;
    BL_TRY(resolve(cfg, &list));
    *out = (bl_classify_needs){
        .n_heads = 1,
        .labelled_view = {BL_CLASSIFY_WEAK, BL_CLASSIFY_STRONG},
        .unlabelled_view = {BL_CLASSIFY_WEAK, BL_CLASSIFY_STRONG, BL_CLASSIFY_STRONG}};
    out->head[0] = (bl_head_spec){.name = "f", .kind = BL_HEAD_LINEAR, .out = classes};
    for (int i = 0; i < list.n; i++) {
        const bl_classify_plugin_type *type = (const bl_classify_plugin_type *)list.v[i];
        BL_TRY(check_views(type, out));
        if (type->needs) BL_TRY(type->needs(cfg, classes, out));
    }
    if (*cfg->pseudo_labels && !out->labels_unlabelled)
        return bl_fail(BL_ECONFIG,
                       "method.pseudo_labels: base learner %s does not train on fixed "
                       "pseudo-labels; use supervised",
                       cfg->name);
    return BL_OK;
}

bl_status bl_classify_plugins_create(const bl_classify_method_config *cfg, bl_classify_world *w) {
    bl_type_list list;
    BL_TRY(resolve(cfg, &list));
    for (int i = 0; i < list.n; i++) {
        bl_plugin *p;
        BL_TRY(((const bl_classify_plugin_type *)list.v[i])->create(cfg, w, &p));
        bl_plugins_add(&w->plugins, list.v[i], p);
    }
    return BL_OK;
}
