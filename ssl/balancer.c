#include "ssl/balancer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "balance/class_weights.h"
#include "balance/gradient_matrix.h"
#include "balance/prior_cap.h"
#include "balance/repeat_factor.h"
#include "balance/resampling.h"
#include "balance/thresholds.h"

struct bl_balancer {
    bl_method_config cfg;
    int32_t classes, rows; /* foreground; with background */
    bool solve;            /* GbR or GbT needs class weights */
    bl_gradient_matrix *matrix;
    bl_class_weights *weights;
    bl_thresholds *thresholds;
    bl_prior_cap *cap; /* NULL: none */
    bl_crs_pool *pool; /* NULL without CrS */
    double *theta;     /* [classes] of this iteration */
    double *matrix_scratch;

    /* Repeat lists: NULL = one copy each. */
    int32_t *labelled_copies, *unlabelled_copies;
    int32_t n_labelled, n_unlabelled;
    int64_t *labelled_counts; /* images a class, for CrS */
    bool rebuilt;             /* since the last report */
    int64_t rebuilt_at;
};

/* Class lists of a data set's images for repeat factors; crowds count as the reference does. */
static bl_status image_classes(const bl_dataset *d, bl_image_classes *out, int64_t **offsets,
                               int32_t **classes) {
    *offsets = malloc(sizeof **offsets * ((size_t)d->n_images + 1));
    *classes = malloc(sizeof **classes * ((size_t)d->n_anns + 1));
    if (!*offsets || !*classes) return bl_fail(BL_ENOMEM, "out of memory for class lists");
    for (int32_t i = 0; i < d->n_images; i++) (*offsets)[i] = d->images[i].first_ann;
    (*offsets)[d->n_images] = d->n_anns;
    for (int64_t a = 0; a < d->n_anns; a++) (*classes)[a] = d->anns[a].category;
    *out = (bl_image_classes){d->n_images, *offsets, *classes};
    return BL_OK;
}

/* Repeat factors of labelled images (fixed) and the counts that CrS needs. */
static bl_status count_labelled(bl_balancer *b, const bl_dataset *d) {
    int64_t *offsets = NULL;
    int32_t *classes = NULL;
    bl_image_classes lists;
    double *r = calloc((size_t)b->classes, sizeof *r);
    double *factor = calloc((size_t)d->n_images + 1, sizeof *factor);
    b->labelled_counts = calloc((size_t)b->classes, sizeof *b->labelled_counts);
    b->n_labelled = d->n_images;
    bl_status status = image_classes(d, &lists, &offsets, &classes);
    if (status == BL_OK && (!r || !factor || !b->labelled_counts))
        status = bl_fail(BL_ENOMEM, "out of memory");
    if (status == BL_OK) status = bl_class_image_counts(&lists, b->classes, b->labelled_counts);
    if (status == BL_OK && b->cfg.rfs > 0) {
        b->labelled_copies = calloc((size_t)d->n_images + 1, sizeof *b->labelled_copies);
        if (!b->labelled_copies) status = bl_fail(BL_ENOMEM, "out of memory");
        bl_repeat_factors(b->labelled_counts, b->classes, d->n_images, b->cfg.rfs, r);
        bl_image_factors(&lists, r, factor);
        for (int32_t i = 0; status == BL_OK && i < d->n_images; i++)
            b->labelled_copies[i] = (int32_t)bl_repeat_copies(factor[i], BL_ROUND_CEIL, 0, 0, i);
    }
    free(offsets), free(classes), free(r), free(factor);
    return status;
}

/* How often a labelled image holds each class, times the cap; a class without labels counts as one
 * instance, else it could never be labelled. */
static bl_status create_cap(bl_balancer *b, const bl_dataset *d) {
    double *expected = calloc((size_t)b->classes, sizeof *expected);
    if (!expected) return bl_fail(BL_ENOMEM, "out of memory for class balancing");
    for (int64_t a = 0; a < d->n_anns; a++) expected[d->anns[a].category] += !d->anns[a].iscrowd;
    for (int32_t c = 0; c < b->classes; c++)
        expected[c] = b->cfg.gbt.prior_cap * fmax(expected[c], 1) / fmax(d->n_images, 1);
    bl_status status = bl_prior_cap_create(b->classes, expected, b->cfg.gbt.cap_window, &b->cap);
    free(expected);
    return status;
}

bl_status bl_balancer_create(const bl_method_config *cfg, int32_t n_classes,
                             const bl_learner_env *env, bl_balancer **out) {
    bl_balancer *b = calloc(1, sizeof *b);
    if (!b) return bl_fail(BL_ENOMEM, "out of memory for class balancing");
    b->cfg = *cfg, b->classes = n_classes, b->rows = n_classes + 1;
    b->solve = cfg->gbr.enabled || cfg->gbt.mode != BL_THRESHOLD_FIXED;
    bl_status status = BL_OK;
    b->theta = calloc((size_t)n_classes, sizeof *b->theta);
    b->matrix_scratch = calloc((size_t)b->rows * (size_t)b->rows, sizeof(double));
    if (!b->theta || !b->matrix_scratch) {
        status = bl_fail(BL_ENOMEM, "out of memory for class balancing");
        goto done;
    }
    bl_gradient_config gc = bl_gradient_config_default(b->rows, cfg->gbr.warmup);
    gc.decay = cfg->gbr.accumulate;
    BL_TRY_DONE(bl_gradient_matrix_create(&gc, &b->matrix));

    bl_class_weights_config wc = bl_class_weights_config_default(b->rows, true, cfg->gbr.warmup);
    wc.solver = cfg->gbr.direct ? BL_SOLVER_DIRECT : BL_SOLVER_ONLINE;
    wc.mean_decay = cfg->gbr.accumulate;
    BL_TRY_DONE(bl_class_weights_create(&wc, &b->weights));

    bl_thresholds_config tc = bl_thresholds_config_default(n_classes, cfg->gbt.warmup);
    tc.mode = (bl_threshold_mode)cfg->gbt.mode, tc.use_weights = true;
    tc.base = cfg->teacher.cls_score, tc.low = cfg->gbt.lower, tc.high = cfg->gbt.upper;
    BL_TRY_DONE(bl_thresholds_create(&tc, &b->thresholds));
    for (int32_t c = 0; c < n_classes; c++) b->theta[c] = tc.base;

    BL_TRY_DONE(count_labelled(b, env->labelled));
    if (cfg->gbt.prior_cap > 0) BL_TRY_DONE(create_cap(b, env->labelled));
    if (cfg->crs.enabled && env->unlabelled) {
        b->n_unlabelled = env->unlabelled->n_images;
        bl_crs_config cc = {.n_classes = n_classes,
                            .n_images = b->n_unlabelled,
                            .alpha = cfg->crs.alpha,
                            .total = env->iterations,
                            .warmup = cfg->crs.warmup,
                            .save_every = cfg->crs.save_every,
                            .rebuild_every = cfg->crs.rebuild_every};
        BL_TRY_DONE(bl_crs_create(&cc, &b->pool));
    }
    *out = b;
done:
    if (status != BL_OK) bl_balancer_destroy(b);
    return status;
}

void bl_balancer_destroy(bl_balancer *b) {
    if (!b) return;
    bl_gradient_matrix_destroy(b->matrix);
    bl_class_weights_destroy(b->weights);
    bl_thresholds_destroy(b->thresholds);
    bl_prior_cap_destroy(b->cap);
    bl_crs_destroy(b->pool);
    free(b->theta), free(b->matrix_scratch);
    free(b->labelled_copies), free(b->unlabelled_copies), free(b->labelled_counts);
    free(b);
}

bl_status bl_balancer_factors(bl_balancer *b, bl_ctx *ctx, bl_branch branch, const bl_tensor *label,
                              bl_tensor **u) {
    *u = NULL;
    if (!b->cfg.gbr.enabled) return BL_OK;
    int64_t n = label->n, used = 0;
    double beta = branch == BL_BRANCH_LABELLED ? b->cfg.gbr.beta : 1.0;
    int32_t *y = BL_NEW_ARRAY(ctx->arena, int32_t, n);
    float *factor = BL_NEW_ARRAY(ctx->arena, float, n);
    if (!y || !factor) return BL_ENOMEM;
    BL_TRY(bl_download(ctx, label, y));
    while (used < n && y[used] >= 0) used++; /* unused rows are the last ones */
    BL_TRY(bl_class_weights_apply(b->weights, y, used, beta, factor));
    return bl_upload(ctx, BL_F32, n, 1, factor, u);
}

bl_status bl_balancer_observe(bl_balancer *b, bl_ctx *ctx, bl_branch branch, int64_t t,
                              bl_tensor *logits, const bl_tensor *label, const bl_tensor *v) {
    if (!b->solve) return BL_OK;
    double lambda = branch == BL_BRANCH_LABELLED ? 1.0 : b->cfg.teacher.unsup_weight;
    bl_class_gradient_attr attr = bl_class_gradient_default();
    attr.focal = b->cfg.focal, attr.scale *= lambda;
    bl_status status = bl_class_gradients_list(ctx, logits, label, v, &attr, b->matrix_scratch);
    /* Logits that are not finite are the loop's to judge, by the loss they make; here they must not
     * poison the average that outlives the step. */
    if (status == BL_ENUMERIC) return BL_OK;
    BL_TRY(status);
    bl_gradient_matrix_update(b->matrix, b->matrix_scratch, t);
    return bl_class_weights_pull(b->weights, bl_gradient_matrix_values(b->matrix), lambda, t, NULL);
}

bl_status bl_balancer_step(bl_balancer *b, double lr) {
    if (b->solve) bl_class_weights_step(b->weights, b->cfg.gbr.lr > 0 ? b->cfg.gbr.lr : lr);
    return BL_OK;
}

bl_status bl_balancer_detections(bl_balancer *b, int64_t t, int32_t image, const int32_t *label,
                                 const float *score, int32_t n) {
    BL_TRY(bl_thresholds_observe(b->thresholds, label, score, n));
    if (b->cap) BL_TRY(bl_prior_cap_observe(b->cap, label, score, n));
    if (!b->pool) return BL_OK;
    return bl_crs_record(b->pool, t, image, label, score, n, b->theta);
}

double bl_balancer_threshold(const bl_balancer *b, int32_t cls) {
    return b->theta[cls];
}

bl_status bl_balancer_begin(bl_balancer *b, int64_t t) {
    if (b->pool && bl_crs_save_due(b->pool, t)) bl_crs_save(b->pool, t);
    BL_TRY(bl_thresholds_get(b->thresholds, bl_class_weights_values(b->weights), t, b->theta));
    if (b->cap && t >= b->cfg.gbt.warmup) bl_prior_cap_raise(b->cap, b->theta);
    return BL_OK;
}

/* The rebuild reads the pool as saved before this iteration, so it comes before bl_balancer_begin.
 */
bl_status bl_balancer_resample(bl_balancer *b, int64_t t, bool *changed) {
    *changed = false;
    if (!b->pool || !bl_crs_rebuild_due(b->pool, t) || bl_crs_filled(b->pool) == 0) return BL_OK;
    double *factor = calloc((size_t)b->n_unlabelled + 1, sizeof *factor);
    if (!b->unlabelled_copies)
        b->unlabelled_copies = calloc((size_t)b->n_unlabelled + 1, sizeof *b->unlabelled_copies);
    bl_status status =
        factor && b->unlabelled_copies
            ? bl_crs_factors(b->pool, b->labelled_counts, b->n_labelled, NULL, factor)
            : bl_fail(BL_ENOMEM, "out of memory for class-rebalancing sampling");
    for (int32_t i = 0; status == BL_OK && i < b->n_unlabelled; i++)
        b->unlabelled_copies[i] = (int32_t)bl_repeat_copies(factor[i], BL_ROUND_CEIL, 0, 0, i);
    free(factor);
    b->rebuilt = *changed = status == BL_OK;
    b->rebuilt_at = t;
    return status;
}

bool bl_balancer_labelled_due(const bl_balancer *b, int64_t t) {
    return b->labelled_copies && t == b->cfg.rfs_warmup;
}

bool bl_balancer_copies(const bl_balancer *b, int64_t t, bool labelled, int32_t *copies) {
    const int32_t *from = labelled ? b->labelled_copies : b->unlabelled_copies;
    int32_t n = labelled ? b->n_labelled : b->n_unlabelled;
    if (!from || (labelled && t < b->cfg.rfs_warmup)) return false;
    memcpy(copies, from, sizeof *copies * (size_t)n);
    return true;
}

void bl_balancer_weights(const bl_balancer *b, double *w) {
    memcpy(w, bl_class_weights_values(b->weights), sizeof *w * (size_t)b->rows);
}

bl_status bl_balancer_report(bl_balancer *b, bl_metrics *lines) {
    if (!b->rebuilt) return BL_OK;
    b->rebuilt = false;
    int64_t total = 0;
    int32_t most = 0;
    for (int32_t i = 0; i < b->n_unlabelled; i++) {
        total += b->unlabelled_copies[i];
        if (b->unlabelled_copies[i] > most) most = b->unlabelled_copies[i];
    }
    bl_metrics_begin(lines);
    bl_metrics_number(lines, "iter", (double)b->rebuilt_at);
    bl_metrics_string(lines, "kind", "pool");
    bl_metrics_number(lines, "images", (double)bl_crs_filled(b->pool));
    bl_metrics_number(lines, "copies", (double)total);
    bl_metrics_number(lines, "copies_max", (double)most);
    return bl_metrics_end(lines);
}

/* ---- state ---- */

static bl_status load_copies(bl_balancer *b, const double *v, int64_t len) {
    if (len < 2 || (len != 2 && len != b->n_unlabelled + 2))
        return bl_fail(BL_EFORMAT, "state.crs_copies has %lld numbers, expected 2 or %lld",
                       (long long)len, (long long)b->n_unlabelled + 2);
    b->rebuilt = v[0] != 0;
    b->rebuilt_at = (int64_t)v[1];
    free(b->unlabelled_copies);
    b->unlabelled_copies = NULL;
    if (len == 2) return BL_OK;
    b->unlabelled_copies = calloc((size_t)b->n_unlabelled + 1, sizeof *b->unlabelled_copies);
    if (!b->unlabelled_copies) return bl_fail(BL_ENOMEM, "out of memory");
    for (int32_t i = 0; i < b->n_unlabelled; i++) {
        if (!(v[i + 2] >= 0 && v[i + 2] <= 1e6))
            return bl_fail(BL_EFORMAT, "state.crs_copies[%d] is %g", (int)i, v[i + 2]);
        b->unlabelled_copies[i] = (int32_t)v[i + 2];
    }
    return BL_OK;
}

static bl_status pool_state(bl_balancer *b, bl_state_io *io) {
    double *packed, *list;
    int64_t len = bl_crs_pack(b->pool, NULL);
    BL_TRY(bl_state_packed(io, "crs_pool", &packed, &len));
    if (io->loading) {
        BL_TRY(bl_crs_unpack(b->pool, packed, len));
    } else {
        bl_crs_pack(b->pool, packed);
    }
    len = 2 + (b->unlabelled_copies ? b->n_unlabelled : 0);
    BL_TRY(bl_state_packed(io, "crs_copies", &list, &len));
    if (io->loading) return load_copies(b, list, len);
    list[0] = b->rebuilt;
    list[1] = (double)b->rebuilt_at;
    for (int64_t i = 2; i < len; i++) list[i] = b->unlabelled_copies[i - 2];
    return BL_OK;
}

bl_status bl_balancer_state(bl_balancer *b, bl_state_io *io) {
    int64_t len;
    double *v = bl_gradient_matrix_state(b->matrix, &len);
    BL_TRY(bl_state_numbers(io, "gradient_matrix", v, len));
    v = bl_class_weights_state(b->weights, &len);
    BL_TRY(bl_state_numbers(io, "class_weights", v, len));
    v = bl_thresholds_state(b->thresholds, &len);
    BL_TRY(bl_state_numbers(io, "thresholds", v, len));
    if (b->cap) {
        v = bl_prior_cap_state(b->cap, &len);
        BL_TRY(bl_state_numbers(io, "prior_cap", v, len));
    }
    return b->pool ? pool_state(b, io) : BL_OK;
}
