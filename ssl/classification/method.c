/* The "method" section of a classification run, and what a list of plug-ins asks for. */
#include "ssl/classification/method.h"

#include <string.h>

#include "core/rows.h"

static const char *const buffer_names[] = {"average", "copy", NULL};
static const bl_field ema_fields[] = {
    BL_ROW_REAL(bl_classify_ema_config, keep, "0.999", 0, 1, NULL,
                "Keep rate of the moving average of the weights, which is evaluated; 0 = evaluate "
                "the trained "
                "weights themselves."),
    BL_ROW_BOOL(bl_classify_ema_config, warmup, "true",
                "Warm the rate up as min(keep, 1 - 1/(t+1))."),
    BL_ROW_ENUM(bl_classify_ema_config, buffers, "\"average\"", buffer_names,
                "Batch-norm statistics of the average: averaged likewise, or copied."),
    BL_ROWS_END};
static const bl_schema ema_schema = {"method.ema", "The moving average of the weights.",
                                     sizeof(bl_classify_ema_config), ema_fields};

enum { OWN_ROWS = 5 };
bl_field bl_classify_method_rows[OWN_ROWS + BL_MAX_PLUGIN_TYPES + 1] = {
    BL_ROW_STRING(
        bl_classify_method_config, name, "\"supervised\"",
        "The base learner: supervised, fixmatch; rotation and moco pre-train without labels."),
    BL_ROW_STRINGS(bl_classify_method_config, plugins,
                   "What is added to it, in order: la, da, gb, abc, daso, semi, bacon, flexmatch, "
                   "freematch, softmatch, darp, crest, counts."),
    BL_ROW_PERIOD(bl_classify_method_config, epoch, "500", 1, 1e9,
                  "Length of a nominal epoch, for schedules and samplers that count in epochs."),
    BL_ROW_STRING(
        bl_classify_method_config, pseudo_labels, "\"\"",
        "Run folder or checkpoint of a trained model whose predictions become the labels of the "
        "unlabelled images (self-training; base learner supervised). Empty = none."),
    BL_ROW_SECTION(bl_classify_method_config, ema, &ema_schema)};
const bl_schema bl_classify_method_schema = {"method", "The base learner and what is added to it.",
                                             sizeof(bl_classify_method_config),
                                             bl_classify_method_rows};

const void *bl_classify_settings(const bl_classify_method_config *cfg, const char *name) {
    return bl_registry_settings(bl_classify_registry(), &cfg->plugin, name);
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

bl_status bl_classify_need_head(bl_classify_needs *n, const bl_head_spec *spec) {
    for (int i = 0; i < n->n_heads; i++)
        if (strcmp(n->head[i].name, spec->name) == 0) return BL_OK;
    if (n->n_heads == BL_CLASSIFY_MAX_HEADS)
        return bl_fail(BL_EINVAL, "no room for head \"%s\": at most %d", spec->name,
                       BL_CLASSIFY_MAX_HEADS);
    n->head[n->n_heads++] = *spec;
    return BL_OK;
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
