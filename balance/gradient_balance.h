/* Gradient-based balancing of one classifier: GbR and GbT of Li et al., "Gradient-based Sampling for
 * Class Imbalanced Semi-supervised Object Detection", ICCV 2023, put together from their parts.
 *
 *   GbR  class weights of the loss, so that class gradients balance (gradient_matrix.h,
 *        class_weights.h)
 *   GbT  thresholds of pseudo-labels by class (thresholds.h), with a limit by the labelled prior
 *        (prior_cap.h)
 *
 * The same object serves a detector's RoI classifier, whose last class is the background, and a
 * classifier of whole images. Who computes class gradients, and when each of this acts, is the
 * learner's matter. */
#ifndef BALLAST_BALANCE_GRADIENT_BALANCE_H
#define BALLAST_BALANCE_GRADIENT_BALANCE_H

#include "core/schema.h"

typedef struct bl_gbr_section { /* gradient-based reweighting */
    bool enabled;
    int64_t warmup;
    double beta;       /* exponent of the weights on the labelled branch */
    double accumulate; /* keep rate of the gradient matrix */
    double lr;         /* solver's learning rate; 0 = the model's */
    bool direct;       /* solve the linear system instead of the online iteration */
    /* bounds of the solver's targets and of the weights in the loss; the background's own upper
     * one */
    double lower, upper, background_upper;
    double momentum, weight_decay; /* of the online solver */
} bl_gbr_section;

typedef struct bl_gbt_section { /* gradient-based thresholds */
    int32_t mode;               /* bl_threshold_mode: fixed, w_only, code, score */
    int64_t warmup;
    double lower, upper;
    int64_t count;      /* detections that a class's mean score goes back to */
    double prior_cap;   /* labels a class may get, as a multiple of the labelled prior; 0 = any */
    int64_t cap_window; /* unlabelled images over which they are counted */
} bl_gbt_section;
extern const bl_schema bl_gbr_schema, bl_gbt_schema;

typedef struct bl_gradient_balance bl_gradient_balance;
typedef struct bl_gradient_balance_spec {
    int32_t classes;           /* with a threshold each */
    bool background;           /* one class more, the last, with a weight and no threshold */
    const bl_gbr_section *gbr; /* outlives the object */
    const bl_gbt_section *gbt; /* the same */
    double base;               /* threshold that GbT starts from */
    int32_t parts; /* batches of an iteration, which bl_gradient_balance_weigh is called for each;
                      0: one */
    const double *allowed; /* [classes] labels of each class that an image may get, > 0: of the
                                   prior cap; NULL: any number */
} bl_gradient_balance_spec;

bl_status bl_gradient_balance_create(const bl_gradient_balance_spec *spec,
                                     bl_gradient_balance **out);
void bl_gradient_balance_destroy(bl_gradient_balance *b);

/* ---- GbR ---- */

/* factor[i] = clamp(w)^beta / m of label[i], m a running mean over rows; ones without GbR. To be
 * called before the gradients of the same rows are pulled (weights lag by one call). */
bl_status bl_gradient_balance_weigh(bl_gradient_balance *b, const int32_t *label, int64_t n,
                                    double beta, float *factor);
/* Room for the class gradients of a batch, rows x rows (rows: classes and background), for
 * bl_gradient_balance_pull, which takes them into the average with the loss's weight lambda. */
double *bl_gradient_balance_gradients(bl_gradient_balance *b);
bl_status bl_gradient_balance_pull(bl_gradient_balance *b, double lambda, int64_t t);
/* The solver's step at an iteration's end, with the model's learning rate. */
void bl_gradient_balance_step(bl_gradient_balance *b, double lr);
/* w [rows], in place for the object's life; ones during warm-up. */
const double *bl_gradient_balance_weights(const bl_gradient_balance *b);

/* ---- GbT ---- */

/* n pseudo-labels before any filter: of one image, or of an image each. */
bl_status bl_gradient_balance_observe(bl_gradient_balance *b, const int32_t *label,
                                      const float *score, int64_t n, bool one_image);
/* theta [classes] of iteration t: by GbT alone; then raised by the prior cap, if there is one and
 * the warm-up is over. */
bl_status bl_gradient_balance_thresholds(const bl_gradient_balance *b, int64_t t, double *theta);
void bl_gradient_balance_cap(const bl_gradient_balance *b, int64_t t, double *theta);
bool bl_gradient_balance_capped(const bl_gradient_balance *b);

/* Everything a checkpoint must keep, readable and writable in place: *n numbers of each part; NULL
 * for one that this object has not. */
typedef enum bl_gradient_balance_part {
    BL_BALANCE_MATRIX,
    BL_BALANCE_WEIGHTS,
    BL_BALANCE_THRESHOLDS,
    BL_BALANCE_CAP,
    BL_BALANCE_PARTS
} bl_gradient_balance_part;
double *bl_gradient_balance_state(bl_gradient_balance *b, bl_gradient_balance_part part,
                                  int64_t *n);

#endif
