/* The "method" section's tables, and the one place that maps names to plug-ins. */
#include "ssl/class_method.h"

#include <stddef.h>
#include <string.h>

static const bl_class_plugin_type *const types[] = {
    &bl_class_supervised_plugin,
    &bl_fixmatch_plugin,
    &bl_logit_adjust_plugin,
    &bl_align_plugin,
    &bl_gradient_balance_plugin,
    &bl_abc_plugin,
    &bl_daso_plugin,
    &bl_semi_plugin,
    &bl_bacon_plugin,
    &bl_flexmatch_plugin,
    &bl_freematch_plugin,
    &bl_softmatch_plugin,
    &bl_darp_plugin,
    &bl_crest_plugin,
    &bl_count_estimate_plugin,
    &bl_rotation_plugin,
    &bl_moco_plugin,
};
enum { N_TYPES = sizeof types / sizeof *types };

const bl_class_plugin_type *bl_class_plugin_type_at(int i) {
    return i >= 0 && i < N_TYPES ? types[i] : NULL;
}

static const char *const buffer_names[] = {"average", "copy", NULL};
#define AT(member) offsetof(bl_class_ema_config, member)
static const bl_field ema_fields[] = {
    {"keep", BL_T_REAL, AT(keep), "0.999", 0, 1, NULL, NULL,
     "Keep rate of the moving average of the weights, which is evaluated; 0 = evaluate the trained "
     "weights themselves.",
     NULL},
    {"warmup", BL_T_BOOL, AT(warmup), "true", 0, 0, NULL, NULL,
     "Warm the rate up as min(keep, 1 - 1/(t+1)).", NULL},
    {"buffers", BL_T_ENUM, AT(buffers), "\"average\"", 0, 0, buffer_names, NULL,
     "Batch-norm statistics of the average: averaged likewise, or copied.", NULL},
    {0}};
#undef AT
static const bl_schema ema_schema = {"method.ema", "The moving average of the weights.",
                                     sizeof(bl_class_ema_config), ema_fields};

#define AT(member) offsetof(bl_class_method_config, member)
static const bl_field fields[] = {
    {"name", BL_T_STRING, AT(name), "\"supervised\"", 0, 0, NULL, NULL,
     "The base learner: supervised, fixmatch; rotation and moco pre-train without labels.", NULL},
    {"plugins", BL_T_STRINGS, AT(plugins), "[]", 0, 0, NULL, NULL,
     "What is added to it, in order: la, da, gb, abc, daso, semi, bacon, flexmatch, "
     "freematch, softmatch, darp, crest, counts.",
     NULL},
    {"epoch", BL_T_INT, AT(epoch), "500", 1, 1e9, NULL, "iterations",
     "Length of a nominal epoch, for schedules and samplers that count in epochs.", NULL},
    {"pseudo_labels", BL_T_STRING, AT(pseudo_labels), "\"\"", 0, 0, NULL, NULL,
     "Run folder or checkpoint of a trained model whose predictions become the labels of the "
     "unlabelled images (self-training; base learner supervised). Empty = none.",
     NULL},
    {"ema", BL_T_SECTION, AT(ema), NULL, 0, 0, NULL, NULL, "", &ema_schema},
    {"supervised", BL_T_SECTION, AT(supervised), NULL, 0, 0, NULL, NULL, "",
     &bl_class_supervised_schema},
    {"fixmatch", BL_T_SECTION, AT(fixmatch), NULL, 0, 0, NULL, NULL, "", &bl_fixmatch_schema},
    {"moco", BL_T_SECTION, AT(moco), NULL, 0, 0, NULL, NULL, "", &bl_moco_schema},
    {"la", BL_T_SECTION, AT(la), NULL, 0, 0, NULL, NULL, "", &bl_logit_adjust_schema},
    {"da", BL_T_SECTION, AT(da), NULL, 0, 0, NULL, NULL, "", &bl_align_schema},
    {"gb", BL_T_SECTION, AT(gb), NULL, 0, 0, NULL, NULL, "", &bl_gradient_balance_schema},
    {"abc", BL_T_SECTION, AT(abc), NULL, 0, 0, NULL, NULL, "", &bl_abc_schema},
    {"daso", BL_T_SECTION, AT(daso), NULL, 0, 0, NULL, NULL, "", &bl_daso_schema},
    {"semi", BL_T_SECTION, AT(semi), NULL, 0, 0, NULL, NULL, "", &bl_semi_schema},
    {"bacon", BL_T_SECTION, AT(bacon), NULL, 0, 0, NULL, NULL, "", &bl_bacon_schema},
    {"flexmatch", BL_T_SECTION, AT(flexmatch), NULL, 0, 0, NULL, NULL, "", &bl_flexmatch_schema},
    {"freematch", BL_T_SECTION, AT(freematch), NULL, 0, 0, NULL, NULL, "", &bl_freematch_schema},
    {"softmatch", BL_T_SECTION, AT(softmatch), NULL, 0, 0, NULL, NULL, "", &bl_softmatch_schema},
    {"darp", BL_T_SECTION, AT(darp), NULL, 0, 0, NULL, NULL, "", &bl_darp_schema},
    {"crest", BL_T_SECTION, AT(crest), NULL, 0, 0, NULL, NULL, "", &bl_crest_schema},
    {"counts", BL_T_SECTION, AT(counts), NULL, 0, 0, NULL, NULL, "", &bl_count_estimate_schema},
    {0}};
#undef AT
const bl_schema bl_class_method_schema = {"method", "The base learner and what is added to it.",
                                          sizeof(bl_class_method_config), fields};

static bl_status find(const char *name, bool base, const bl_class_plugin_type **out) {
    const char *names[N_TYPES + 1] = {0};
    int n = 0;
    for (int i = 0; i < N_TYPES; i++) {
        if (types[i]->base != base) continue;
        if (strcmp(types[i]->name, name) == 0) {
            *out = types[i];
            return BL_OK;
        }
        names[n++] = types[i]->name;
    }
    char list[512] = "";
    for (int i = 0, at = 0; i < n && at < (int)sizeof list; i++)
        at += snprintf(list + at, sizeof list - (size_t)at, "%s%s", i ? ", " : "", names[i]);
    const char *near = bl_did_you_mean(name, names);
    return bl_fail(BL_ECONFIG, "method.%s: there is no \"%s\"%s%s%s (%s)",
                   base ? "name" : "plugins", name, near ? ", did you mean \"" : "",
                   near ? near : "", near ? "\"?" : "", list);
}

/* What a plug-in builds on must stand before it; `list` holds the n types up to it. */
static bl_status check_order(const bl_class_plugin_type *const *list, int n) {
    const bl_class_plugin_type *type = list[n - 1];
    if (!type->after) return BL_OK;
    for (int i = 0; i < n - 1; i++)
        if (strcmp(list[i]->name, type->after) == 0) return BL_OK;
    return bl_fail(BL_ECONFIG, "method.plugins: %s builds on %s: list \"%s\" before it", type->name,
                   type->after, type->after);
}

/* The list's types, base first. */
static bl_status resolve(const bl_class_method_config *cfg,
                         const bl_class_plugin_type *list[BL_CLASS_MAX_PLUGINS], int *n) {
    if (cfg->plugins.n >= BL_CLASS_MAX_PLUGINS)
        return bl_fail(BL_ECONFIG, "method.plugins: %d of them, at most %d", (int)cfg->plugins.n,
                       BL_CLASS_MAX_PLUGINS - 1);
    BL_TRY(find(cfg->name, true, &list[0]));
    *n = 1;
    for (int32_t i = 0; i < cfg->plugins.n; i++) {
        BL_TRY(find(cfg->plugins.v[i], false, &list[*n]));
        for (int j = 0; j < *n; j++)
            if (list[j] == list[*n])
                return bl_fail(BL_ECONFIG, "method.plugins: \"%s\" stands twice",
                               cfg->plugins.v[i]);
        (*n)++;
        BL_TRY(check_order(list, *n));
    }
    return BL_OK;
}

int64_t bl_class_method_generations(const bl_class_method_config *cfg) {
    int64_t most = 1;
    for (int32_t i = 0; i < cfg->plugins.n; i++)
        for (int t = 0; t < N_TYPES; t++)
            if (types[t]->generations && strcmp(types[t]->name, cfg->plugins.v[i]) == 0 &&
                types[t]->generations(cfg) > most)
                most = types[t]->generations(cfg);
    return most;
}

bl_status bl_class_method_check_length(const bl_class_method_config *cfg, int64_t iterations) {
    int64_t n = bl_class_method_generations(cfg);
    if (iterations % n == 0) return BL_OK;
    return bl_fail(BL_ECONFIG, "run.iterations = %lld is no multiple of the %lld generations",
                   (long long)iterations, (long long)n);
}

bl_status bl_class_need_head(bl_class_needs *n, const bl_head_spec *spec) {
    for (int i = 0; i < n->n_heads; i++)
        if (strcmp(n->head[i].name, spec->name) == 0) return BL_OK;
    if (n->n_heads == BL_CLASS_MAX_HEADS)
        return bl_fail(BL_EINVAL, "no room for head \"%s\": at most %d", spec->name,
                       BL_CLASS_MAX_HEADS);
    n->head[n->n_heads++] = *spec;
    return BL_OK;
}

static bl_status check_views(const bl_class_plugin_type *type, const bl_class_needs *n) {
    if (!type->unlabelled || (n->unlabelled && n->strong >= 1)) return BL_OK;
    return bl_fail(BL_ECONFIG,
                   "method.plugins: %s learns from weak and strong views of unlabelled images; the "
                   "base learner (method.name) makes none: use fixmatch",
                   type->name);
}

bl_status bl_class_method_needs(const bl_class_method_config *cfg, int32_t classes,
                                bl_class_needs *out) {
    const bl_class_plugin_type *list[BL_CLASS_MAX_PLUGINS];
    int n;
    BL_TRY(resolve(cfg, list, &n));
    *out = (bl_class_needs){.n_heads = 1,
                            .labelled_view = {BL_CLASS_WEAK, BL_CLASS_STRONG},
                            .unlabelled_view = {BL_CLASS_WEAK, BL_CLASS_STRONG, BL_CLASS_STRONG}};
    out->head[0] = (bl_head_spec){.name = "f", .kind = BL_HEAD_LINEAR, .out = classes};
    for (int i = 0; i < n; i++) {
        BL_TRY(check_views(list[i], out));
        if (list[i]->needs) BL_TRY(list[i]->needs(cfg, classes, out));
    }
    if (*cfg->pseudo_labels && !out->labels_unlabelled)
        return bl_fail(BL_ECONFIG,
                       "method.pseudo_labels: base learner %s does not train on fixed "
                       "pseudo-labels; use supervised",
                       cfg->name);
    return BL_OK;
}

bl_status bl_class_plugins_create(const bl_class_method_config *cfg, bl_class_world *w) {
    const bl_class_plugin_type *list[BL_CLASS_MAX_PLUGINS];
    int n;
    BL_TRY(resolve(cfg, list, &n));
    for (int i = 0; i < n; i++) {
        BL_TRY(list[i]->create(cfg, w, &w->plugin[w->n_plugins]));
        w->n_plugins++;
    }
    return BL_OK;
}
