/* Pseudo-label counts in windows: what the model has been labelling lately, published at window
 * ends so that everything inside a window sees the same numbers.
 *
 * DASO (Oh et al., CVPR 2022) counts all final labels of 100 iterations and starts afresh; SeMi
 * (2025) counts kept labels from the start of training and publishes once an epoch. */
#ifndef BALLAST_BALANCE_LABEL_COUNTS_H
#define BALLAST_BALANCE_LABEL_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef struct bl_label_counts bl_label_counts;

/* fresh: a window starts from zero; else counts go on accumulating. */
bl_status bl_label_counts_create(int n_classes, bool fresh, bl_label_counts **out);
void bl_label_counts_destroy(bl_label_counts *c);

/* Counts n labels; those with keep[i] == 0 are left out (keep NULL: all count). BL_EINVAL for a
 * label outside [0, n_classes), with nothing counted. */
bl_status bl_label_counts_add(bl_label_counts *c, const int32_t *labels, const uint8_t *keep,
                              int64_t n);

/* Ends a window: the counts so far become the published ones. */
void bl_label_counts_publish(bl_label_counts *c);

/* Published counts (n_classes), zeros before the first publication; windows published so far. */
const double *bl_label_counts_values(const bl_label_counts *c);
int64_t bl_label_counts_published(const bl_label_counts *c);

/* Published counts as a distribution: w_k = m_k / sum m. `otherwise` in every place before the
 * first publication and when nothing was counted. */
void bl_label_counts_share(const bl_label_counts *c, double otherwise, double *w);

/* DASO's blend weight: v_k = m_k^(1/T), divided by its largest entry; the more often a class is
 * predicted, the larger. Zeros before the first publication and when nothing was counted. Oh et
 * al., eq. 5. */
void bl_label_counts_blend(const bl_label_counts *c, double temperature, double *v);

/* Everything a checkpoint must keep: 2 n_classes + 1 numbers (*n), readable and
 * writable in place. */
double *bl_label_counts_state(bl_label_counts *c, int64_t *n);

#endif
