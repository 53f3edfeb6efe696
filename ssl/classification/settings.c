/* The "method" section of a classification run, and where each plug-in finds its own. */
#include <stddef.h>
#include <string.h>

#include "core/rows.h"
#include "ssl/classification/method.h"

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
static bl_field rows[OWN_ROWS + BL_MAX_PLUGIN_TYPES + 1] = {
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
                                             sizeof(bl_classify_method_config), rows};

bl_registry *bl_classify_registry(void) {
    static bl_registry r = {.rows = rows, .settings = offsetof(bl_classify_method_config, plugin)};
    return &r;
}

const void *bl_classify_settings(const bl_classify_method_config *cfg, const char *name) {
    return bl_registry_settings(bl_classify_registry(), &cfg->plugin, name);
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
