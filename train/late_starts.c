/* Warm-ups that are longer than the run: what they delay would never happen, without a word. */
#include <stdio.h>
#include <string.h>

#include "balance/gradient_balance.h"
#include "balance/thresholds.h"
#include "train/rehearse.h"
#include "train/task.h"

typedef struct {
    int64_t length;
    void (*say)(void *arg, const char *line);
    void *arg;
    int n;
} search;

static void look(search *s, const char *section, const bl_field *f, const void *values) {
    int64_t v;
    char line[256];
    if (f->type != BL_T_START) return;
    memcpy(&v, (const char *)values + f->offset, sizeof v);
    if (v < s->length) return;
    snprintf(line, sizeof line,
             "%s.%s = %lld, but the run is over after %lld iterations; lower it, or give it as a "
             "fraction of the run such as 0.1",
             section, f->key, (long long)v, (long long)s->length);
    s->say(s->arg, line);
    s->n++;
}

/* Both are in every list of detection, also where they change nothing. */
static bool idle(const bl_schema *schema, const void *values) {
    const bl_gbr_section *gbr = values;
    const bl_gbt_section *gbt = values;
    if (schema == &bl_gbr_schema) return !gbr->enabled;
    return schema == &bl_gbt_schema && gbt->mode == BL_THRESHOLD_FIXED && !(gbt->prior_cap > 0);
}

static void walk(search *s, const char *name, const bl_schema *schema, const void *values) {
    char below[128];
    if (idle(schema, values)) return;
    for (const bl_field *f = schema->fields; f->key; f++) {
        look(s, name, f, values);
        if (f->type != BL_T_SECTION) continue;
        snprintf(below, sizeof below, "%s.%s", name, f->key);
        walk(s, below, f->section, (const char *)values + f->offset);
    }
}

/* Of the plug-ins in the list; the sections of others are there, too, but mean nothing. */
static void walk_plugins(search *s, const bl_registry *r, const bl_plugin_settings *settings,
                         const bl_type_list *list) {
    for (int i = 0; i < list->n; i++) {
        const bl_schema *schema = list->v[i]->section;
        const char *key = schema ? strrchr(schema->name, '.') : NULL;
        if (key) walk(s, schema->name, schema, bl_registry_settings(r, settings, key + 1));
    }
}

int bl_run_late_starts(const bl_run_config *cfg, void (*say)(void *arg, const char *line),
                       void *arg) {
    search s = {bl_run_generation(cfg), say, arg, 0};
    const bl_method_config *m = &cfg->method;
    bl_type_list list = {.n = 0};
    walk(&s, "schedule", &bl_schedule_schema, &cfg->schedule);
    if (cfg->task == BL_TASK_CLASSIFICATION) {
        const bl_classify_method_config *c = &cfg->class_method;
        if (bl_registry_resolve(bl_classify_registry(), &c->plugin, c->name, &c->plugins, &list) ==
            BL_OK)
            walk_plugins(&s, bl_classify_registry(), &c->plugin, &list);
    } else {
        if (m->rfs > 0) walk(&s, "method", &bl_method_schema, m);
        if (bl_method_types(m, &list) == BL_OK)
            walk_plugins(&s, bl_detection_registry(), &m->plugin, &list);
    }
    return s.n;
}
