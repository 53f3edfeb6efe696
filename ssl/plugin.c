#include "ssl/plugin.h"

void bl_plugins_add(bl_plugin_list *l, const bl_plugin_type *type, bl_plugin *p) {
    p->type = type;
    l->v[l->n++] = p;
}

void bl_plugins_destroy(bl_plugin_list *l) {
    while (l->n > 0) {
        bl_plugin *p = l->v[--l->n];
        p->type->destroy(p);
    }
}

#define EACH(l, hook, ...)                                                                         \
    for (int i_ = 0; i_ < (l)->n; i_++)                                                            \
        if ((l)->v[i_]->type->hook) BL_TRY((l)->v[i_]->type->hook((l)->v[i_], __VA_ARGS__))

bl_status bl_plugins_prepare(const bl_plugin_list *l, bl_ctx *ctx, int64_t t, bool changed[2]) {
    EACH(l, prepare, ctx, t, changed);
    return BL_OK;
}

bl_status bl_plugins_before_step(const bl_plugin_list *l, bl_ctx *ctx, int64_t t) {
    EACH(l, before_step, ctx, t);
    return BL_OK;
}

bl_status bl_plugins_after_step(const bl_plugin_list *l, bl_ctx *ctx, int64_t t) {
    EACH(l, after_step, ctx, t);
    return BL_OK;
}

bl_status bl_plugins_report(const bl_plugin_list *l, int64_t t, bl_metrics *line) {
    EACH(l, report, t, line);
    return BL_OK;
}

bl_status bl_plugins_state(const bl_plugin_list *l, bl_state_io *io) {
    EACH(l, state, io);
    return BL_OK;
}

bool bl_plugins_copies(const bl_plugin_list *l, int64_t t, bool labelled, int32_t *copies) {
    for (int i = 0; i < l->n; i++) {
        bl_plugin *p = l->v[i];
        if (p->type->copies && p->type->copies(p, t, labelled, copies)) return true;
    }
    return false;
}

bool bl_plugins_report_something(const bl_plugin_list *l) {
    for (int i = 0; i < l->n; i++)
        if (l->v[i]->type->report) return true;
    return false;
}
