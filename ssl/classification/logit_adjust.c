/* Logit adjustment by the labelled prior (Menon et al., ICLR 2021), in its three forms:
 *   loss    labelled logits + tau ln pi in training, raw ones elsewhere ("+ LA" of most tables)
 *   post    training untouched; predictions from logits - tau ln pi
 *   pseudo  pseudo-labels from weak logits - tau ln pi; training and prediction raw */

#include <stdlib.h>

#include "balance/logit_adjustment.h"
#include "core/rows.h"
#include "ssl/classification/method.h"

typedef enum bl_logit_adjust_form { BL_LA_LOSS, BL_LA_POST, BL_LA_PSEUDO } bl_logit_adjust_form;
typedef struct bl_logit_adjust_config {
    int32_t form; /* bl_logit_adjust_form */
    double tau;
} bl_logit_adjust_config;

static const char *const forms[] = {"loss", "post", "pseudo", NULL};
static const bl_field fields[] = {
    BL_ROW_ENUM(bl_logit_adjust_config, form, "\"loss\"", forms,
                "Where tau ln(prior) enters: added in the labelled loss, taken off predictions, or "
                "taken off "
                "the logits that pseudo-labels are made from."),
    BL_ROW_REAL(bl_logit_adjust_config, tau, "1", 0, 10, NULL, "Strength."), BL_ROWS_END};
static const bl_schema section = {"method.la", "Logit adjustment (plug-in \"la\").",
                                  sizeof(bl_logit_adjust_config), fields};

static const double FLOOR = 1e-12; /* classes without a labelled image */

typedef struct {
    bl_plugin base;
    int32_t form;
    double offset[]; /* [K], sign included */
} logit_adjust;

static bl_status adjust(bl_plugin *p, bl_classify_step *s) {
    const logit_adjust *a = (const logit_adjust *)p;
    float *to = a->form == BL_LA_LOSS     ? s->bias.labelled
                : a->form == BL_LA_PSEUDO ? s->bias.weak
                                          : NULL;
    for (int32_t k = 0; to && k < s->world->classes; k++) to[k] += (float)a->offset[k];
    return BL_OK;
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    logit_adjust *a = calloc(1, sizeof *a + sizeof *a->offset * (size_t)w->classes);
    if (!a) return bl_no_memory("for logit adjustment");
    const bl_logit_adjust_config *c = bl_classify_settings(cfg, "la");
    a->form = c->form;
    double tau = a->form == BL_LA_LOSS ? c->tau : -c->tau;
    bl_logit_offsets(w->prior, w->classes, tau, FLOOR, a->offset);
    for (int32_t k = 0; a->form == BL_LA_POST && k < w->classes; k++)
        w->predict_bias[k] += a->offset[k];
    *out = &a->base;
    return BL_OK;
}

const bl_classify_plugin_type bl_logit_adjust_plugin = {
    .plugin = {.name = "la", .section = &section, .destroy = destroy},
    .create = create,
    .adjust = adjust};
