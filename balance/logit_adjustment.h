/* Logit adjustment and label-dependent margins: terms that shift the decision boundary of a softmax
 * classifier by class frequency.
 *
 * Logit adjustment (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021; the loss
 * form is the balanced softmax of Ren et al., NeurIPS 2020) comes in three forms, all made of the
 * same term tau ln pi_k:
 *   loss:         cross-entropy on z + tau ln pi; raw logits at test time;
 *   post-hoc:     train plainly, predict with z - tau ln pi;
 *   pseudo-label: pseudo-labels from z - tau ln pi, training and test raw.
 * bl_softmax_rows() takes the terms as its offset.
 *
 * LDAM (Cao et al., NeurIPS 2019): margins m_k = C / n_k^(1/4), the largest of them `largest`; the
 * loss is cross-entropy on s (z - m_y onehot(y)) with z a cosine. */
#ifndef BALLAST_BALANCE_LOGIT_ADJUSTMENT_H
#define BALLAST_BALANCE_LOGIT_ADJUSTMENT_H

#include <stdint.h>

#include "core/status.h"

/* offset_k = tau ln(pi_k + floor). tau > 0 for the loss form, tau < 0 for the other two. `floor`:
 * 1e-12 keeps classes without a sample finite. `pi` of n_classes; classes beyond the priors (the
 * background of a detector) are not touched and stay what the caller set, usually 0. */
void bl_logit_offsets(const double *pi, int n_classes, double tau, double floor, double *offset);

/* The margins, `largest` 0.5 in the paper. BL_EINVAL when a class has no sample: its margin would
 * be infinite. */
bl_status bl_ldam_margins(const int64_t *counts, int n_classes, double largest, double *margin);

#endif
