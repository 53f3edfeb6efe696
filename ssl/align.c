#include "ssl/align.h"

#include <stddef.h>
#include <stdlib.h>

#include "balance/alignment.h"
#include "balance/class_prior.h"
#include "ssl/class_method.h"

static const char *const means[] = {"batches", "rows", "average", NULL};
#define AT(member) offsetof(bl_align_config, member)
static const bl_field fields[] = {
    {"mean", BL_T_ENUM, AT(mean), "\"batches\"", 0, 0, means, NULL,
     "Running mean of predictions: of the last batches, of their rows, or a moving average.", NULL},
    {"window", BL_T_INT, AT(window), "128", 1, 100000, NULL, "batches",
     "Batches remembered (batches, rows).", NULL},
    {"decay", BL_T_REAL, AT(decay), "0.999", 0, 1, NULL, NULL, "Keep rate (average).", NULL},
    {"uniform", BL_T_BOOL, AT(uniform), "false", 0, 0, NULL, NULL,
     "Align to the uniform distribution instead of the labelled prior.", NULL},
    {"power", BL_T_REAL, AT(power), "1", 0, 1, NULL, NULL,
     "Exponent that flattens the target (CReST+).", NULL},
    {0}};
#undef AT
const bl_schema bl_align_schema = {"method.da", "Distribution alignment (plug-in \"da\").",
                                   sizeof(bl_align_config), fields};

typedef struct {
    bl_class_plugin base;
    bl_alignment *alignment;
} align;

static bl_status refine(bl_class_plugin *p, bl_class_step *s, bl_class_pseudo *q) {
    (void)s;
    align *a = (align *)p;
    if (q->head != 0) return BL_OK;
    bl_alignment_observe(a->alignment, q->p, q->n);
    bl_alignment_apply(a->alignment, q->p, q->n);
    return BL_OK;
}

static bl_status save(bl_class_plugin *p, bl_arena *arena, bl_state_array *out, int cap, int *n) {
    int64_t len;
    const double *v = bl_alignment_state(((align *)p)->alignment, &len);
    return bl_state_put(arena, "da.mean", v, len, out, cap, n);
}

static bl_status load(bl_class_plugin *p, const bl_state_array *in, int n) {
    int64_t len;
    double *v = bl_alignment_state(((align *)p)->alignment, &len);
    return bl_state_get(in, n, "da.mean", v, len);
}

static void destroy(bl_class_plugin *p) {
    bl_alignment_destroy(((align *)p)->alignment);
    free(p);
}

static const bl_class_hooks hooks = {
    .name = "da", .refine = refine, .save = save, .load = load, .destroy = destroy};

static bl_status create(const bl_class_method_config *cfg, bl_class_world *w,
                        bl_class_plugin **out) {
    const bl_align_config *c = &cfg->da;
    align *a = calloc(1, sizeof *a);
    double *target = calloc((size_t)w->classes, sizeof *target);
    bl_status status;
    if (!a || !target) {
        status = bl_fail(BL_ENOMEM, "out of memory for distribution alignment");
        goto done;
    }
    a->base.hooks = &hooks;
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

const bl_class_plugin_type bl_align_plugin = {.name = "da", .create = create};
