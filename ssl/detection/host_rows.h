/* Rows of the RoI classifier on the host, for losses that are an algorithm of their own: read, loss
 * and gradient computed in double, handed to the tape. Works on any backend; a step waits for the
 * device once more than with a softmax loss. */
#ifndef BALLAST_SSL_DETECTION_HOST_ROWS_H
#define BALLAST_SSL_DETECTION_HOST_ROWS_H

#include <math.h>

#include "ssl/detection/learner.h"

typedef struct bl_host_rows {
    int64_t n, outputs;    /* rows in use (unused ones are the last), logits of each */
    const int32_t *label;  /* [n], K: background */
    const float *z;        /* [n][outputs] */
    const float *weight;   /* [n] of the loss: bl_roi_rows.weight */
    const float *reliable; /* [n] */
    float *gradient;       /* [n][outputs] to be filled: 0 at first */
    bl_branch branch;
} bl_host_rows;

/* In the step's arena. BL_EINVAL when the logits are not `outputs` wide. */
bl_status bl_host_rows_read(bl_detection_step *s, const bl_roi_rows *r, int64_t outputs,
                            bl_host_rows *out);
/* The loss of that value and of h->gradient. */
bl_status bl_host_rows_loss(bl_detection_step *s, const bl_roi_rows *r, const bl_host_rows *h,
                            double value, bl_tensor **loss);

/* ---- what such losses are made of ---- */

static inline double bl_sigmoid(double z) {
    return 1 / (1 + exp(-z));
}
/* Binary cross-entropy of a logit; its gradient is bl_sigmoid(z) - target. */
static inline double bl_sigmoid_loss(double z, double target) {
    return fmax(z, 0) - z * target + log1p(exp(-fabs(z)));
}
/* p = softmax of z[n]; returns ln sum exp z. */
static inline double bl_softmax_row(const float *z, int64_t n, double *p) {
    double top = z[0], sum = 0;
    for (int64_t j = 1; j < n; j++) top = fmax(top, z[j]);
    for (int64_t j = 0; j < n; j++) sum += p[j] = exp(z[j] - top);
    for (int64_t j = 0; j < n; j++) p[j] /= sum;
    return top + log(sum);
}

/* scores[K] of K sigmoids; the background's is 1 - the largest: there is no output for it. */
void bl_scores_of_sigmoids(const bl_roi_logits *in, float *scores);

#endif
