/* Arithmetic on rows of class scores: softmax, arg-max, entropy, sharpening. Everything that works
 * on pseudo-label distributions builds on these few functions.
 *
 * Rows hold n_classes numbers and follow each other without gaps. Logits are float, as networks
 * give them; probabilities are double, so that chained steps (adjust, align, blend) lose nothing.
 * Input and output may be the same array where the types agree. */
#ifndef BALLAST_BALANCE_SIMPLEX_H
#define BALLAST_BALANCE_SIMPLEX_H

#include <stdint.h>

/* p_i = softmax((z_i + offset) / temperature) for n rows. offset: n_classes numbers added to every
 * row (logit adjustment), NULL = 0. temperature > 0; 1 is the plain softmax. */
void bl_softmax_rows(const float *logits, int64_t n, int n_classes, const double *offset,
                     double temperature, double *p);

/* The index of the largest entry, the first one of equals; n_classes >= 1. */
int bl_argmax(const double *row, int n_classes);

/* label[i] = bl_argmax(p_i), top[i] = its value. Either may be NULL. */
void bl_argmax_rows(const double *p, int64_t n, int n_classes, int32_t *label, double *top);

/* -sum_k p_k ln p_k with every p_k clamped to [1e-8, 1 - 1e-8], as the SeMi code does; the row need
 * not sum to 1. */
double bl_entropy(const double *p, int n_classes);

/* p_k <- p_k^(1/temperature), renormalised (MixMatch, ReMixMatch). A row of zeros stays
 * as it is. */
void bl_sharpen_rows(double *p, int64_t n, int n_classes, double temperature);

/* p <- p / sum p. A row of zeros stays as it is. */
void bl_normalize(double *p, int n);

#endif
