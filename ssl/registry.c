/* Names of plug-ins, their sections, and which of them can stand in one list. */
#include <string.h>

#include "ssl/plugin.h"

static int place(const bl_registry *r, const char *name) {
    for (int i = 0; i < r->n; i++)
        if (strcmp(r->type[i]->name, name) == 0) return i;
    return -1;
}

/* "method.gbr": "gbr". */
static const char *section_key(const bl_plugin_type *type) {
    const char *dot = type->section ? strrchr(type->section->name, '.') : NULL;
    return dot ? dot + 1 : type->name;
}

bl_status bl_registry_add(bl_registry *r, const bl_plugin_type *type) {
    bl_field *row = r->rows;
    for (; row->key; row++)
        if (type->section && strcmp(row->key, section_key(type)) == 0) break;
    if (row->key || place(r, type->name) >= 0)
        return bl_fail(BL_EINVAL, "plug-in \"%s\": the name is taken", type->name);
    if (r->n == BL_MAX_PLUGIN_TYPES)
        return bl_fail(BL_EINVAL, "plug-in \"%s\": at most %d can be registered", type->name,
                       BL_MAX_PLUGIN_TYPES);
    if (type->section)
        *row = (bl_field){.key = section_key(type),
                          .type = BL_T_BOXED,
                          .offset = r->settings + (size_t)r->n * sizeof(void *),
                          .doc = "",
                          .section = type->section};
    r->type[r->n++] = type;
    return BL_OK;
}

const void *bl_registry_settings(const bl_registry *r, const bl_plugin_settings *s,
                                 const char *key) {
    for (int i = 0; i < r->n; i++)
        if (r->type[i]->section && strcmp(section_key(r->type[i]), key) == 0) return s->section[i];
    return NULL;
}

static bl_status unknown(const bl_registry *r, const char *name, bool base) {
    const char *names[BL_MAX_PLUGIN_TYPES + 1] = {0};
    char list[1024] = "";
    int n = 0;
    size_t at = 0;
    for (int i = 0; i < r->n; i++)
        if (r->type[i]->base == base) names[n++] = r->type[i]->name;
    for (int i = 0; i < n && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", names[i]);
    const char *near = bl_did_you_mean(name, names);
    return bl_fail(BL_ECONFIG, "method.%s: there is no \"%s\"%s%s%s (%s)",
                   base ? "name" : "plugins", name, near ? ", did you mean \"" : "",
                   near ? near : "", near ? "\"?" : "", list);
}

static const char *claimed(unsigned claims) {
    static const char *const what[] = {
        "which pseudo-labels teach", "what the pseudo-labels are",
        "how the method predicts",   "how often unlabelled images are drawn",
        "the classification loss",   "class weights in the loss"};
    int bit = 0;
    while (!(claims & 1u << bit)) bit++;
    return what[bit];
}

static bool acts(const bl_registry *r, const bl_plugin_settings *s, const bl_plugin_type *type) {
    return !type->active || type->active(s->section[place(r, type->name)]);
}

/* Whether type a has claimed what type b needs as it usually is. */
static bl_status check_refused(const bl_registry *r, const bl_plugin_settings *s,
                               const bl_plugin_type *a, const bl_plugin_type *b) {
    unsigned refused = acts(r, s, a) && acts(r, s, b) ? a->claims & b->refuses : 0;
    if (!refused) return BL_OK;
    return bl_fail(BL_ECONFIG,
                   "method.plugins: %s and %s exclude each other: %s decides %s, and %s needs that "
                   "as it is without; take one",
                   b->name, a->name, a->name, claimed(refused), b->name);
}

/* The list's last type against those before it. */
static bl_status check_last(const bl_registry *r, const bl_plugin_settings *s,
                            const bl_type_list *list) {
    const bl_plugin_type *type = list->v[list->n - 1];
    bool found = !type->after;
    for (int i = 0; i < list->n - 1; i++) {
        const bl_plugin_type *other = list->v[i];
        unsigned both = acts(r, s, type) && acts(r, s, other) ? type->claims & other->claims : 0;
        if (other == type)
            return bl_fail(BL_ECONFIG, "method.plugins: \"%s\" is listed twice", type->name);
        if (both)
            return bl_fail(BL_ECONFIG,
                           "method.plugins: %s and %s exclude each other: both decide %s; take one",
                           other->name, type->name, claimed(both));
        BL_TRY(check_refused(r, s, type, other));
        BL_TRY(check_refused(r, s, other, type));
        found |= type->after && strcmp(other->name, type->after) == 0;
    }
    if (found) return BL_OK;
    return bl_fail(BL_ECONFIG, "method.plugins: %s builds on %s: list \"%s\" before it", type->name,
                   type->after, type->after);
}

static bl_status append(const bl_registry *r, const bl_plugin_settings *s, const char *name,
                        bool base, bl_type_list *out) {
    int i = place(r, name);
    if (i < 0 || r->type[i]->base != base) return unknown(r, name, base);
    if (out->n == BL_MAX_PLUGINS)
        return bl_fail(BL_ECONFIG, "method.plugins: no room for \"%s\", at most %d", name,
                       BL_MAX_PLUGINS - 1);
    out->v[out->n++] = r->type[i];
    return check_last(r, s, out);
}

bl_status bl_registry_resolve(const bl_registry *r, const bl_plugin_settings *settings,
                              const char *base, const bl_strings *plugins, bl_type_list *out) {
    out->n = 0;
    BL_TRY(append(r, settings, base, true, out));
    for (int32_t i = 0; i < plugins->n; i++) BL_TRY(append(r, settings, plugins->v[i], false, out));
    return BL_OK;
}
