/* Distribution alignment of pseudo-labels as a plug-in (Berthelot et al., ReMixMatch, ICLR 2020):
 * balance/alignment.h on the weak predictions of the standard head. */

#include <stdlib.h>

#include "balance/alignment.h"
#include "balance/class_prior.h"
#include "core/rows.h"
#include "ssl/classification/method.h"

typedef struct bl_align_config {
    int32_t mean;   /* bl_alignment_mean */
    int64_t window; /* batches */
    double decay;
    bool uniform; /* target: uniform instead of the labelled prior */
    double power; /* of the target, renormalised (CReST+) */
} bl_align_config;

static const char *const means[] = {"batches", "rows", "average", NULL};
static const bl_field fields[] = {
    BL_ROW_ENUM(
        bl_align_config, mean, "\"batches\"", means,
        "Running mean of predictions: of the last batches, of their rows, or a moving average."),
    BL_ROW_INT(bl_align_config, window, "128", 1, 100000, "batches",
               "Batches remembered (batches, rows)."),
    BL_ROW_REAL(bl_align_config, decay, "0.999", 0, 1, NULL, "Keep rate (average)."),
    BL_ROW_BOOL(bl_align_config, uniform, "false",
                "Align to the uniform distribution instead of the labelled prior."),
    BL_ROW_REAL(bl_align_config, power, "1", 0, 1, NULL,
                "Exponent that flattens the target (CReST+)."),
    BL_ROWS_END};
static const bl_schema section = {"method.da", "Distribution alignment (plug-in \"da\").",
                                  sizeof(bl_align_config), fields};

typedef struct {
    bl_plugin base;
    bl_alignment *alignment;
} align;

static bl_status refine(bl_plugin *p, bl_classify_step *s, bl_classify_pseudo *q) {
    (void)s;
    align *a = (align *)p;
    bl_alignment_observe(a->alignment, q->p, q->n);
    bl_alignment_apply(a->alignment, q->p, q->n);
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    int64_t len;
    double *v = bl_alignment_state(((align *)p)->alignment, &len);
    return bl_state_numbers(io, "da.mean", v, len);
}

static void destroy(bl_plugin *p) {
    bl_alignment_destroy(((align *)p)->alignment);
    free(p);
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    const bl_align_config *c = bl_classify_settings(cfg, "da");
    align *a = calloc(1, sizeof *a);
    double *target = calloc((size_t)w->classes, sizeof *target);
    bl_status status;
    if (!a || !target) {
        status = bl_no_memory("for distribution alignment");
        goto done;
    }
    bl_alignment_config ac = {.n_classes = w->classes,
                              .mean = (bl_alignment_mean)c->mean,
                              .window = (int)c->window,
                              .decay = c->decay};
    BL_TRY_DONE(bl_alignment_create(&ac, &a->alignment));
    bl_prior_power(w->prior, w->classes, c->uniform ? 0 : c->power, target);
    BL_TRY_DONE(bl_alignment_set_target(a->alignment, target));
    *out = &a->base;
done:
    free(target);
    if (status != BL_OK && a) destroy(&a->base);
    return status;
}

const bl_classify_plugin_type bl_align_plugin = {
    .plugin = {.name = "da", .section = &section, .state = state, .destroy = destroy},
    .create = create,
    .refine = refine};
