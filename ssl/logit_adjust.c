#include "ssl/logit_adjust.h"

#include <stddef.h>
#include <stdlib.h>

#include "balance/logit_adjustment.h"
#include "ssl/class_method.h"

static const char *const forms[] = {"loss", "post", "pseudo", NULL};
#define AT(member) offsetof(bl_logit_adjust_config, member)
static const bl_field fields[] = {
    {"form", BL_T_ENUM, AT(form), "\"loss\"", 0, 0, forms, NULL,
     "Where tau ln(prior) enters: added in the labelled loss, taken off predictions, or taken off "
     "the logits that pseudo-labels are made from.",
     NULL},
    {"tau", BL_T_REAL, AT(tau), "1", 0, 10, NULL, NULL, "Strength.", NULL},
    {0}};
#undef AT
const bl_schema bl_logit_adjust_schema = {"method.la", "Logit adjustment (plug-in \"la\").",
                                          sizeof(bl_logit_adjust_config), fields};

static const double FLOOR = 1e-12; /* classes without a labelled image */

typedef struct {
    bl_class_plugin base;
    int32_t form;
    double offset[]; /* [K], sign included */
} logit_adjust;

static bl_status adjust(bl_class_plugin *p, bl_class_step *s) {
    const logit_adjust *a = (const logit_adjust *)p;
    float *to = a->form == BL_LA_LOSS     ? s->bias.labelled
                : a->form == BL_LA_PSEUDO ? s->bias.weak
                                          : NULL;
    for (int32_t k = 0; to && k < s->world->classes; k++) to[k] += (float)a->offset[k];
    return BL_OK;
}

static void destroy(bl_class_plugin *p) {
    free(p);
}

static const bl_class_hooks hooks = {.name = "la", .adjust = adjust, .destroy = destroy};

static bl_status create(const bl_class_method_config *cfg, bl_class_world *w,
                        bl_class_plugin **out) {
    logit_adjust *a = calloc(1, sizeof *a + sizeof *a->offset * (size_t)w->classes);
    if (!a) return bl_fail(BL_ENOMEM, "out of memory for logit adjustment");
    a->base.hooks = &hooks, a->form = cfg->la.form;
    double tau = a->form == BL_LA_LOSS ? cfg->la.tau : -cfg->la.tau;
    bl_logit_offsets(w->prior, w->classes, tau, FLOOR, a->offset);
    for (int32_t k = 0; a->form == BL_LA_POST && k < w->classes; k++)
        w->predict_bias[k] += a->offset[k];
    *out = &a->base;
    return BL_OK;
}

const bl_class_plugin_type bl_logit_adjust_plugin = {.name = "la", .create = create};
