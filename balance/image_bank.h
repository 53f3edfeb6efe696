/* A memory with one row for every training sample: its latest feature and (pseudo-)label, and the
 * mean feature of every class at hand in constant time.
 *
 * Class sums are kept running in double: a row that changes label or feature is subtracted from its
 * old class and added to its new one. A row enters its class's mean once both its label and its
 * feature have been written.
 *
 * Source: Feng et al., "BaCon: Boosting Imbalanced Semi-supervised Learning via Balanced
 * Feature-Level Contrastive Learning", AAAI 2024, section 3.3. */
#ifndef BALLAST_BALANCE_IMAGE_BANK_H
#define BALLAST_BALANCE_IMAGE_BANK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef struct bl_image_bank bl_image_bank;

/* n_rows samples, none written yet; n_classes; features of length dim. */
bl_status bl_image_bank_create(int64_t n_rows, int n_classes, int dim, bl_image_bank **out);
void bl_image_bank_destroy(bl_image_bank *bank);

/* Writes n rows in order: rows[i] gets label labels[i] where set_label[i] is not 0, and feature row
 * i of `features` where set_feature[i] is not 0. BL_EINVAL for a row or label out of range,
 * BL_ENUMERIC for a feature that is not finite; nothing is written then. */
bl_status bl_image_bank_write(bl_image_bank *bank, const int64_t *rows, int64_t n,
                              const int32_t *labels, const uint8_t *set_label,
                              const float *features, const uint8_t *set_feature);

/* The label of a row, -1 before the first; its feature, NULL before the first. */
int32_t bl_image_bank_label(const bl_image_bank *bank, int64_t row);
const float *bl_image_bank_feature(const bl_image_bank *bank, int64_t row);

/* Rows with each label, whether or not they have a feature (n_classes). */
const int64_t *bl_image_bank_counts(const bl_image_bank *bank);

/* The mean feature of every class, n_classes rows of dim; zeros for a class without one, which
 * `present` (n_classes) marks 0. Returns the number of classes that have one. */
int bl_image_bank_centres(const bl_image_bank *bank, float *centres, uint8_t *present);

/* Everything a checkpoint must keep, the running sums included (recomputed ones would differ in the
 * last bits). bl_image_bank_pack returns the number of doubles; `out` may be NULL to ask for it.
 * bl_image_bank_unpack refuses what does not fit (BL_EFORMAT) and then leaves
 * the bank unchanged. */
int64_t bl_image_bank_pack(const bl_image_bank *bank, double *out);
bl_status bl_image_bank_unpack(bl_image_bank *bank, const double *data, int64_t n);

#endif
