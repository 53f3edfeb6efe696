/* DARP as a plug-in (Kim et al., NeurIPS 2020): from a point of training on, pseudo-labels are rows
 * of one matrix over all unlabelled images, refined to the class counts that the unlabelled set is
 * believed to have (balance/darp.h).
 *
 * The raw predictions of an image are kept from the last time it was seen (uniform before); the
 * matrix is refined as a whole every `every` iterations, and read in between. The believed counts
 * are those of the labelled images in proportion, or `counts`, or with `estimate` what plug-in
 * "counts" has found by the time of the first refinement, which then stays: where labelled and
 * unlabelled images are distributed differently the authors give their program an estimate, too,
 * made beforehand by a supervised classifier. */

#include <stdlib.h>
#include <string.h>

#include "balance/darp.h"
#include "core/rows.h"
#include "ssl/classification/method.h"

typedef struct bl_darp_plugin_config {
    double start;  /* share of the iterations that pass before */
    int64_t every; /* iterations between refinements */
    double alpha;
    int64_t rounds;
    double tolerance;
    bl_reals counts; /* of the unlabelled images in proportion, one a class; empty = the labelled */
    bool estimate;   /* instead: from the plug-in "counts" */
} bl_darp_plugin_config;

static const bl_field fields[] = {
    BL_ROW_REAL(bl_darp_plugin_config, start, "0.4", 0, 1, "of the run",
                "Pseudo-labels stay plain until then."),
    BL_ROW_PERIOD(bl_darp_plugin_config, every, "10", 1, 1e9,
                  "How often all pseudo-labels are refined (100 for CIFAR-100 and STL-10)."),
    BL_ROW_REAL(
        bl_darp_plugin_config, alpha, "2", 0, 1000, NULL,
        "Of a class, alpha times its believed number of images may keep its label; 0 = all."),
    BL_ROW_INT(bl_darp_plugin_config, rounds, "10", 1, 10000, NULL,
               "Alternations of a refinement (20 for CIFAR-100 and STL-10)."),
    BL_ROW_REAL(bl_darp_plugin_config, tolerance, "0.001", 1e-15, 1, NULL,
                "Accuracy of a refinement's dual variables."),
    BL_ROW_REALS(bl_darp_plugin_config, counts, "[]", 0, 1e12,
                 "Unlabelled images of each class, in proportion; empty = as the labelled ones."),
    BL_ROW_BOOL(
        bl_darp_plugin_config, estimate, "false",
        "Take them from plug-in \"counts\", which must stand before; until it has an estimate "
        "pseudo-labels stay plain."),
    BL_ROWS_END};
static const bl_schema section = {"method.darp",
                                  "Distribution-aligning refinement (plug-in \"darp\").",
                                  sizeof(bl_darp_plugin_config), fields};

typedef struct {
    bl_plugin base;
    const bl_darp_plugin_config *cfg;
    int64_t images, start;
    int32_t classes;
    double *raw, *refined; /* [images][K] */
    double *target;        /* [K]; all 0 while it waits for an estimate */
    bool ready;            /* refined has been made */
} darp;

/* The rows of a step's images, from or to a matrix over all images. */
static double *row_of(double *all, const bl_classify_step *s, int32_t i, int32_t k) {
    return all + (int64_t)s->unlabelled->item[i] * k;
}

/* The target in proportion to v; none while v is all 0. */
static bool set_target(darp *d, const double *v) {
    double sum = 0;
    for (int32_t c = 0; c < d->classes; c++) sum += v[c];
    for (int32_t c = 0; sum > 0 && c < d->classes; c++)
        d->target[c] = v[c] * (double)d->images / sum;
    return sum > 0;
}

/* Whether the target is known; an estimate is taken once, so that labels do not chase it. */
static bool know_target(darp *d, const bl_classify_step *s) {
    for (int32_t c = 0; c < d->classes; c++)
        if (d->target[c] > 0) return true;
    if (set_target(d, s->world->estimate)) return true;
    if (s->t == d->start)
        BL_WARN(
            "method.darp.estimate: no estimate of the unlabelled counts by iteration %lld, "
            "pseudo-labels stay plain until there is one; method.counts.every or .condition may "
            "be too large or too strict",
            (long long)s->t);
    return false;
}

static bl_status refine(bl_plugin *p, bl_classify_step *s, bl_classify_pseudo *q) {
    darp *d = (darp *)p;
    int32_t k = d->classes;
    size_t row = sizeof(double) * (size_t)k;
    for (int32_t i = 0; i < q->n; i++) memcpy(row_of(d->raw, s, i, k), q->p + (int64_t)i * k, row);
    if (s->t < d->start || !know_target(d, s)) return BL_OK;
    if (!d->ready || (s->t - d->start) % d->cfg->every == 0) {
        bl_darp_config c = {d->cfg->alpha, (int)d->cfg->rounds, d->cfg->tolerance};
        BL_TRY(bl_darp_refine(&c, d->raw, d->images, (int)k, d->target, d->refined));
        d->ready = true;
    }
    for (int32_t i = 0; i < q->n; i++)
        memcpy(q->p + (int64_t)i * k, row_of(d->refined, s, i, k), row);
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    darp *d = (darp *)p;
    int64_t all = d->images * d->classes;
    double ready = d->ready;
    BL_TRY(bl_state_numbers(io, "darp.raw", d->raw, all));
    BL_TRY(bl_state_numbers(io, "darp.refined", d->refined, all));
    BL_TRY(bl_state_numbers(io, "darp.ready", &ready, 1));
    d->ready = ready != 0;
    return d->cfg->estimate ? bl_state_numbers(io, "darp.target", d->target, d->classes) : BL_OK;
}

static void destroy(bl_plugin *p) {
    darp *d = (darp *)p;
    free(d->raw);
    free(d->refined);
    free(d->target);
    free(d);
}

static bool estimated_before(const bl_strings *plugins) {
    for (int32_t i = 0; i < plugins->n && strcmp(plugins->v[i], "darp") != 0; i++)
        if (strcmp(plugins->v[i], "counts") == 0) return true;
    return false;
}

static bl_status needs(const bl_classify_method_config *cfg, int32_t classes,
                       bl_classify_needs *n) {
    (void)n;
    const bl_darp_plugin_config *c = bl_classify_settings(cfg, "darp");
    const bl_reals *counts = &c->counts;
    double sum = 0;
    for (int i = 0; i < counts->n; i++) sum += counts->v[i];
    if (counts->n != 0 && (counts->n != classes || !(sum > 0)))
        return bl_fail(BL_ECONFIG,
                       "method.darp.counts: %d numbers, sum %g; expected one for each of %d "
                       "classes, not all 0",
                       counts->n, sum, (int)classes);
    if (counts->n != 0 && c->estimate)
        return bl_fail(BL_ECONFIG,
                       "method.darp.estimate and method.darp.counts exclude each other: "
                       "%d counts are given; drop one of the two",
                       counts->n);
    return !c->estimate || estimated_before(&cfg->plugins)
               ? BL_OK
               : bl_fail(BL_ECONFIG, "method.darp.estimate: no \"counts\" before \"darp\" in "
                                     "method.plugins; add it, or give method.darp.counts");
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    darp *d = calloc(1, sizeof *d);
    if (!d) return bl_no_memory("for DARP");
    size_t all = (size_t)w->unlabelled.n * (size_t)w->classes;
    d->cfg = bl_classify_settings(cfg, "darp");
    d->images = w->unlabelled.n;
    d->classes = w->classes;
    d->start = (int64_t)(d->cfg->start * (double)w->iterations);
    d->raw = calloc(all + 1, sizeof *d->raw);
    d->refined = calloc(all + 1, sizeof *d->refined);
    d->target = calloc((size_t)w->classes, sizeof *d->target);
    if (!d->raw || !d->refined || !d->target) {
        destroy(&d->base);
        return bl_no_memory("for the pseudo-labels of %d images", (int)w->unlabelled.n);
    }
    for (size_t i = 0; i < all; i++) d->raw[i] = 1.0 / w->classes;
    if (!d->cfg->estimate) set_target(d, d->cfg->counts.n ? d->cfg->counts.v : w->prior);
    *out = &d->base;
    return BL_OK;
}

const bl_classify_plugin_type bl_darp_plugin = {.plugin = {.name = "darp",
                                                           .claims = BL_CLAIM_LABELS,
                                                           .section = &section,
                                                           .state = state,
                                                           .destroy = destroy},
                                                .unlabelled = true,
                                                .needs = needs,
                                                .create = create,
                                                .refine = refine};
