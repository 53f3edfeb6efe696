#include "ssl/classification/flexmatch.h"

#include <stdlib.h>
#include <string.h>

#include "core/rows.h"
#include "ssl/classification/fixmatch.h"
#include "ssl/classification/method.h"

static const bl_field fields[] = {
    BL_ROW_BOOL(bl_flexmatch_config, warmup, "true",
                "Thresholds also stay low while most images have had no sure label yet."),
    BL_ROWS_END};
static const bl_schema section = {"method.flexmatch",
                                  "Class thresholds by learning status (plug-in \"flexmatch\").",
                                  sizeof(bl_flexmatch_config), fields};

enum { NONE = -1 };

typedef struct {
    bl_plugin base;
    const bl_flexmatch_config *cfg;
    double tau;
    int32_t classes, images;
    double *memory;  /* [images] s_j: a class or NONE; numbers that a checkpoint can hold */
    int64_t *counts; /* [1 + K]: of NONE, then of each class */
    double *beta;    /* [K] */
    double *limit;   /* [K] scratch of the report */
} flexmatch;

double bl_flexmatch_threshold(double tau, double beta) {
    return tau * beta / (2 - beta);
}

static double threshold(const flexmatch *f, int32_t c) {
    return bl_flexmatch_threshold(f->tau, f->beta[c]);
}

static void remember(flexmatch *f, int32_t image, int32_t label) {
    f->counts[1 + (int32_t)f->memory[image]]--;
    f->memory[image] = label;
    f->counts[1 + label]++;
}

static void update(flexmatch *f) {
    int64_t most = 0, of_classes = 0;
    for (int32_t c = 0; c <= f->classes; c++) {
        if (f->counts[c] > most) most = f->counts[c];
        if (c > 0 && f->counts[c] > of_classes) of_classes = f->counts[c];
    }
    if (most >= f->images) return; /* all images in one bin say nothing */
    int64_t full = f->cfg->warmup ? most : of_classes;
    for (int32_t c = 0; c < f->classes; c++) f->beta[c] = (double)f->counts[1 + c] / (double)full;
}

static bl_status choose(bl_plugin *p, bl_classify_step *s, bl_classify_pseudo *q) {
    flexmatch *f = (flexmatch *)p;
    for (int32_t i = 0; i < q->n; i++) q->weight[i] = q->confidence[i] >= threshold(f, q->label[i]);
    for (int32_t i = 0; i < q->n; i++)
        if (q->confidence[i] >= f->tau) remember(f, s->unlabelled->item[i], q->label[i]);
    update(f);
    return BL_OK;
}

static bl_status report(bl_plugin *p, int64_t t, bl_metrics *line) {
    (void)t;
    flexmatch *f = (flexmatch *)p;
    for (int32_t c = 0; c < f->classes; c++) f->limit[c] = threshold(f, c);
    bl_metrics_array(line, "flexmatch_threshold", f->limit, f->classes);
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    flexmatch *f = (flexmatch *)p;
    BL_TRY(bl_state_numbers(io, "flexmatch.memory", f->memory, f->images));
    BL_TRY(bl_state_numbers(io, "flexmatch.beta", f->beta, f->classes));
    memset(f->counts, 0, sizeof *f->counts * (size_t)(f->classes + 1));
    for (int32_t i = 0; i < f->images; i++) {
        if (!(f->memory[i] >= NONE && f->memory[i] < f->classes))
            return bl_fail(BL_EFORMAT, "state flexmatch.memory[%d]: no class", (int)i);
        f->counts[1 + (int32_t)f->memory[i]]++;
    }
    return BL_OK;
}

static void destroy(bl_plugin *p) {
    flexmatch *f = (flexmatch *)p;
    free(f->memory);
    free(f->counts);
    free(f->beta);
    free(f->limit);
    free(f);
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    flexmatch *f = calloc(1, sizeof *f);
    if (!f) return bl_no_memory("for FlexMatch");
    size_t k = (size_t)w->classes, n = (size_t)w->unlabelled.n;
    const bl_fixmatch_config *fixmatch = bl_classify_settings(cfg, "fixmatch");
    f->cfg = bl_classify_settings(cfg, "flexmatch");
    f->tau = fixmatch->tau;
    f->classes = w->classes;
    f->images = w->unlabelled.n;
    f->memory = calloc(n + 1, sizeof *f->memory);
    f->counts = calloc(k + 1, sizeof *f->counts);
    f->beta = calloc(k, sizeof *f->beta);
    f->limit = calloc(k, sizeof *f->limit);
    if (!f->memory || !f->counts || !f->beta || !f->limit) {
        destroy(&f->base);
        return bl_no_memory("for FlexMatch");
    }
    for (size_t i = 0; i < n; i++) f->memory[i] = NONE;
    f->counts[0] = f->images;
    *out = &f->base;
    return BL_OK;
}

const bl_classify_plugin_type bl_flexmatch_plugin = {.plugin = {.name = "flexmatch",
                                                                .claims = BL_CLAIM_THRESHOLD,
                                                                .section = &section,
                                                                .report = report,
                                                                .state = state,
                                                                .destroy = destroy},
                                                     .unlabelled = true,
                                                     .create = create,
                                                     .select = choose};
