#include "balance/gradient_balance.h"

#include <math.h>
#include <stdlib.h>

#include "balance/class_weights.h"
#include "balance/gradient_matrix.h"
#include "balance/prior_cap.h"
#include "balance/thresholds.h"
#include "core/rows.h"

static const bl_field gbr_fields[] = {
    BL_ROW_BOOL(bl_gbr_section, enabled, "false",
                "Weight the RoI classification loss by class so that class gradients balance."),
    BL_ROW_START(bl_gbr_section, warmup, "8000", 0, 1e9,
                 "Iterations with all weights 1 while the gradient matrix is averaged."),
    BL_ROW_REAL(bl_gbr_section, beta, "0.5", 0, 1, NULL,
                "Exponent of the weights on the labelled branch (1 on the unlabelled one)."),
    BL_ROW_REAL(bl_gbr_section, accumulate, "0.999", 0, 1, NULL,
                "Keep rate of the gradient matrix and of the mean weight after the warm-up."),
    BL_ROW_REAL(bl_gbr_section, lr, "0", 0, 10, NULL,
                "Learning rate of the online solver; 0 = the detector's, following its schedule."),
    BL_ROW_BOOL(
        bl_gbr_section, direct, "false",
        "Solve the linear system directly at every step instead of the online Jacobi iteration."),
    BL_ROW_REAL(bl_gbr_section, lower, "0.3333333333333333", 1e-9, 1, NULL,
                "Lower bound of the solver's targets and of the weights in the loss."),
    BL_ROW_REAL(bl_gbr_section, upper, "5", 1, 1e9, NULL,
                "Upper bound of both; classes without gradients get it."),
    BL_ROW_REAL(bl_gbr_section, background_upper, "1", 1e-9, 1e9, NULL,
                "Upper bound of the background's target (detection); at least lower."),
    BL_ROW_REAL(bl_gbr_section, momentum, "0.9", 0, 0.999999, NULL,
                "Momentum of the online solver."),
    BL_ROW_REAL(bl_gbr_section, weight_decay, "0.0001", 0, 1, NULL,
                "Weight decay of the online solver, which pulls all weights to 1."),
    BL_ROWS_END};
const bl_schema bl_gbr_schema = {"method.gbr", "Gradient-based reweighting (GbR).",
                                 sizeof(bl_gbr_section), gbr_fields};

static const char *const gbt_modes[] = {"fixed", "w_only", "code", "score",
                                        NULL}; /* bl_threshold_mode */
static const bl_field gbt_fields[] = {
    BL_ROW_ENUM(
        bl_gbt_section, mode, "\"fixed\"", gbt_modes,
        "fixed: the base threshold for every class (detection: teacher.cls_score; classification: "
        "gb.base); w_only: base / weight; score: follows the mean teacher score of the class; "
        "code: the smaller of the two."),
    BL_ROW_START(bl_gbt_section, warmup, "12000", 0, 1e9, "Iterations with the fixed threshold."),
    BL_ROW_REAL(bl_gbt_section, lower, "0.5", 0, 1, NULL, "Lower bound of a class's threshold."),
    BL_ROW_REAL(bl_gbt_section, upper, "0.9", 0, 1, NULL, "Upper bound of a class's threshold."),
    BL_ROW_INT(bl_gbt_section, count, "1000", 1, 1e9, "detections",
               "Length of the moving average of a class's teacher scores (code, score)."),
    BL_ROW_REAL(
        bl_gbt_section, prior_cap, "0", 0, 1000, NULL,
        "Raises a class's threshold, also above upper, so that it gets at most so many times the "
        "pseudo-labels an image that it has labels in a labelled image; 0 = no limit."),
    BL_ROW_INT(bl_gbt_section, cap_window, "1000", 1, 1e9, "images",
               "Unlabelled images over which pseudo-labels are counted for prior_cap."),
    BL_ROWS_END};
const bl_schema bl_gbt_schema = {"method.gbt", "Gradient-based thresholds (GbT).",
                                 sizeof(bl_gbt_section), gbt_fields};

struct bl_gradient_balance {
    const bl_gbr_section *gbr;
    const bl_gbt_section *gbt;
    bl_gradient_matrix *matrix;
    bl_class_weights *weights;
    bl_thresholds *thresholds;
    bl_prior_cap *cap; /* NULL: none */
    double *gradients; /* [rows][rows] */
};

static bl_status create_weights(bl_gradient_balance *b, const bl_gradient_balance_spec *s,
                                int32_t rows) {
    bl_gradient_config gc = bl_gradient_config_default(rows, s->gbr->warmup);
    gc.decay = s->gbr->accumulate;
    BL_TRY(bl_gradient_matrix_create(&gc, &b->matrix));
    bl_class_weights_config wc =
        bl_class_weights_config_default(rows, s->background, s->gbr->warmup);
    wc.solver = s->gbr->direct ? BL_SOLVER_DIRECT : BL_SOLVER_ONLINE;
    /* as far back with several batches an iteration as with one */
    wc.mean_decay = s->parts > 1 ? pow(s->gbr->accumulate, 1.0 / s->parts) : s->gbr->accumulate;
    wc.target_min = s->gbr->lower;
    wc.target_max = s->gbr->upper;
    wc.background_max = s->gbr->background_upper;
    wc.momentum = s->gbr->momentum;
    wc.weight_decay = s->gbr->weight_decay;
    return bl_class_weights_create(&wc, &b->weights);
}

static bl_status create_thresholds(bl_gradient_balance *b, const bl_gradient_balance_spec *s) {
    bl_thresholds_config tc = bl_thresholds_config_default(s->classes, s->gbt->warmup);
    tc.mode = (bl_threshold_mode)s->gbt->mode;
    tc.base = s->base;
    tc.low = s->gbt->lower;
    tc.high = s->gbt->upper;
    tc.count = s->gbt->count;
    BL_TRY(bl_thresholds_create(&tc, &b->thresholds));
    if (!s->allowed) return BL_OK;
    return bl_prior_cap_create(s->classes, s->allowed, s->gbt->cap_window, &b->cap);
}

bl_status bl_gradient_balance_create(const bl_gradient_balance_spec *s, bl_gradient_balance **out) {
    int32_t rows = s->classes + s->background;
    bl_gradient_balance *b = calloc(1, sizeof *b);
    double *gradients = calloc((size_t)rows * (size_t)rows, sizeof *gradients);
    if (!b || !gradients) {
        free(b);
        free(gradients);
        return bl_no_memory("for the balance of %d classes", (int)rows);
    }
    *b = (bl_gradient_balance){.gbr = s->gbr, .gbt = s->gbt, .gradients = gradients};
    bl_status status = create_weights(b, s, rows);
    if (status == BL_OK) status = create_thresholds(b, s);
    if (status == BL_OK) {
        *out = b;
    } else {
        bl_gradient_balance_destroy(b);
    }
    return status;
}

void bl_gradient_balance_destroy(bl_gradient_balance *b) {
    if (!b) return;
    bl_gradient_matrix_destroy(b->matrix);
    bl_class_weights_destroy(b->weights);
    bl_thresholds_destroy(b->thresholds);
    bl_prior_cap_destroy(b->cap);
    free(b->gradients);
    free(b);
}

bl_status bl_gradient_balance_weigh(bl_gradient_balance *b, const int32_t *label, int64_t n,
                                    double beta, float *factor) {
    if (b->gbr->enabled) return bl_class_weights_apply(b->weights, label, n, beta, factor);
    for (int64_t i = 0; i < n; i++) factor[i] = 1;
    return BL_OK;
}

double *bl_gradient_balance_gradients(bl_gradient_balance *b) {
    return b->gradients;
}

bl_status bl_gradient_balance_pull(bl_gradient_balance *b, double lambda, int64_t t) {
    bl_gradient_matrix_update(b->matrix, b->gradients, t);
    return bl_class_weights_pull(b->weights, bl_gradient_matrix_values(b->matrix), lambda, t, NULL);
}

void bl_gradient_balance_step(bl_gradient_balance *b, double lr) {
    bl_class_weights_step(b->weights, b->gbr->lr > 0 ? b->gbr->lr : lr);
}

const double *bl_gradient_balance_weights(const bl_gradient_balance *b) {
    return bl_class_weights_values(b->weights);
}

bl_status bl_gradient_balance_observe(bl_gradient_balance *b, const int32_t *label,
                                      const float *score, int64_t n, bool one_image) {
    BL_TRY(bl_thresholds_observe(b->thresholds, label, score, n));
    if (!b->cap) return BL_OK;
    if (one_image) return bl_prior_cap_observe(b->cap, label, score, n);
    for (int64_t i = 0; i < n; i++) BL_TRY(bl_prior_cap_observe(b->cap, label + i, score + i, 1));
    return BL_OK;
}

bl_status bl_gradient_balance_thresholds(const bl_gradient_balance *b, int64_t t, double *theta) {
    return bl_thresholds_get(b->thresholds, bl_class_weights_values(b->weights), t, theta);
}

void bl_gradient_balance_cap(const bl_gradient_balance *b, int64_t t, double *theta) {
    if (b->cap && t >= b->gbt->warmup) bl_prior_cap_raise(b->cap, theta);
}

bool bl_gradient_balance_capped(const bl_gradient_balance *b) {
    return b->cap != NULL;
}

double *bl_gradient_balance_state(bl_gradient_balance *b, bl_gradient_balance_part part,
                                  int64_t *n) {
    switch (part) {
    case BL_BALANCE_MATRIX:
        return bl_gradient_matrix_state(b->matrix, n);
    case BL_BALANCE_WEIGHTS:
        return bl_class_weights_state(b->weights, n);
    case BL_BALANCE_THRESHOLDS:
        return bl_thresholds_state(b->thresholds, n);
    case BL_BALANCE_CAP:
        return b->cap ? bl_prior_cap_state(b->cap, n) : NULL;
    case BL_BALANCE_PARTS:
        break;
    }
    return NULL;
}
