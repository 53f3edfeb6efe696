#include "ssl/darp.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "balance/darp.h"
#include "ssl/class_method.h"

#define AT(member) offsetof(bl_darp_plugin_config, member)
static const bl_field fields[] = {
    {"start", BL_T_REAL, AT(start), "0.4", 0, 1, NULL, "of the run",
     "Pseudo-labels stay plain until then.", NULL},
    {"every", BL_T_INT, AT(every), "10", 1, 1e9, NULL, "iterations",
     "How often all pseudo-labels are refined (100 for CIFAR-100 and STL-10).", NULL},
    {"alpha", BL_T_REAL, AT(alpha), "2", 0, 1000, NULL, NULL,
     "Of a class, alpha times its believed number of images may keep its label; 0 = all.", NULL},
    {"rounds", BL_T_INT, AT(rounds), "10", 1, 10000, NULL, NULL,
     "Alternations of a refinement (20 for CIFAR-100 and STL-10).", NULL},
    {"tolerance", BL_T_REAL, AT(tolerance), "0.001", 1e-15, 1, NULL, NULL,
     "Accuracy of a refinement's dual variables.", NULL},
    {"counts", BL_T_REALS, AT(counts), "[]", 0, 1e12, NULL, NULL,
     "Unlabelled images of each class, in proportion; empty = as the labelled ones.", NULL},
    {0}};
#undef AT
const bl_schema bl_darp_schema = {"method.darp",
                                  "Distribution-aligning refinement (plug-in \"darp\").",
                                  sizeof(bl_darp_plugin_config), fields};

typedef struct {
    bl_class_plugin base;
    const bl_darp_plugin_config *cfg;
    int64_t images, start;
    int32_t classes;
    double *raw, *refined; /* [images][K] */
    double *target;        /* [K] */
    bool ready;            /* refined has been made */
} darp;

/* The rows of a step's images, from or to a matrix over all images. */
static double *row_of(double *all, const bl_class_step *s, int32_t i, int32_t k) {
    return all + (int64_t)s->unlabelled->item[i] * k;
}

static bl_status refine(bl_class_plugin *p, bl_class_step *s, bl_class_pseudo *q) {
    darp *d = (darp *)p;
    int32_t k = d->classes;
    size_t row = sizeof(double) * (size_t)k;
    if (q->head != 0) return BL_OK;
    for (int32_t i = 0; i < q->n; i++) memcpy(row_of(d->raw, s, i, k), q->p + (int64_t)i * k, row);
    if (s->t < d->start) return BL_OK;
    if (!d->ready || (s->t - d->start) % d->cfg->every == 0) {
        bl_darp_config c = {d->cfg->alpha, (int)d->cfg->rounds, d->cfg->tolerance};
        BL_TRY(bl_darp_refine(&c, d->raw, d->images, (int)k, d->target, d->refined));
        d->ready = true;
    }
    for (int32_t i = 0; i < q->n; i++)
        memcpy(q->p + (int64_t)i * k, row_of(d->refined, s, i, k), row);
    return BL_OK;
}

static bl_status save(bl_class_plugin *p, bl_arena *arena, bl_state_array *out, int cap, int *n) {
    darp *d = (darp *)p;
    int64_t all = d->images * d->classes;
    double ready = d->ready;
    BL_TRY(bl_state_put(arena, "darp.raw", d->raw, all, out, cap, n));
    BL_TRY(bl_state_put(arena, "darp.refined", d->refined, all, out, cap, n));
    return bl_state_put(arena, "darp.ready", &ready, 1, out, cap, n);
}

static bl_status load(bl_class_plugin *p, const bl_state_array *in, int n) {
    darp *d = (darp *)p;
    int64_t all = d->images * d->classes;
    double ready;
    BL_TRY(bl_state_get(in, n, "darp.raw", d->raw, all));
    BL_TRY(bl_state_get(in, n, "darp.refined", d->refined, all));
    BL_TRY(bl_state_get(in, n, "darp.ready", &ready, 1));
    d->ready = ready != 0;
    return BL_OK;
}

static void destroy(bl_class_plugin *p) {
    darp *d = (darp *)p;
    free(d->raw), free(d->refined), free(d->target);
    free(d);
}

static const bl_class_hooks hooks = {
    .name = "darp", .refine = refine, .save = save, .load = load, .destroy = destroy};

static bl_status needs(const bl_class_method_config *cfg, int32_t classes, bl_class_needs *n) {
    (void)n;
    const bl_reals *counts = &cfg->darp.counts;
    double sum = 0;
    for (int i = 0; i < counts->n; i++) sum += counts->v[i];
    if (counts->n != 0 && (counts->n != classes || !(sum > 0)))
        return bl_fail(BL_ECONFIG,
                       "method.darp.counts: %d numbers, sum %g; expected one for each of %d "
                       "classes, not all 0",
                       counts->n, sum, (int)classes);
    return BL_OK;
}

static void set_target(darp *d, const bl_class_world *w) {
    const bl_reals *counts = &d->cfg->counts;
    double sum = 0;
    for (int32_t c = 0; c < d->classes; c++)
        sum += d->target[c] = counts->n ? counts->v[c] : w->prior[c];
    for (int32_t c = 0; c < d->classes; c++) d->target[c] *= (double)d->images / sum;
}

static bl_status create(const bl_class_method_config *cfg, bl_class_world *w,
                        bl_class_plugin **out) {
    darp *d = calloc(1, sizeof *d);
    if (!d) return bl_fail(BL_ENOMEM, "out of memory for DARP");
    size_t all = (size_t)w->unlabelled.n * (size_t)w->classes;
    d->base.hooks = &hooks, d->cfg = &cfg->darp;
    d->images = w->unlabelled.n, d->classes = w->classes;
    d->start = (int64_t)(cfg->darp.start * (double)w->iterations);
    d->raw = calloc(all + 1, sizeof *d->raw);
    d->refined = calloc(all + 1, sizeof *d->refined);
    d->target = calloc((size_t)w->classes, sizeof *d->target);
    if (!d->raw || !d->refined || !d->target) {
        destroy(&d->base);
        return bl_fail(BL_ENOMEM, "out of memory for the pseudo-labels of %d images",
                       (int)w->unlabelled.n);
    }
    for (size_t i = 0; i < all; i++) d->raw[i] = 1.0 / w->classes;
    set_target(d, w);
    *out = &d->base;
    return BL_OK;
}

const bl_class_plugin_type bl_darp_plugin = {
    .name = "darp", .unlabelled = true, .needs = needs, .create = create};
