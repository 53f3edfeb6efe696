/* A memory of feature vectors with a fixed number of slots a class: what the model has seen lately,
 * kept balanced although the data are not. Features are plain float vectors of one length, be they
 * pooled image features of a classifier or RoI features of a detector.
 *
 * Two rules decide what a full class gives up:
 *   fifo:       the oldest entry (queues of labelled features; Oh et al., "DASO", CVPR 2022);
 *   confidence: the entry of lowest confidence, and only for a more confident one; confidences
 *               decay, so that old entries make room ("SeMi", arXiv 2501.06004, section 3.3).
 * Empty slots count as confidence 0 and never enter a prototype. */
#ifndef BALLAST_BALANCE_MEMORY_BANK_H
#define BALLAST_BALANCE_MEMORY_BANK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef enum bl_bank_rule { BL_BANK_FIFO, BL_BANK_CONFIDENCE } bl_bank_rule;

typedef struct bl_bank_config {
    int n_classes;
    int slots; /* a class: 128 (SeMi), 256 (DASO) */
    int dim;   /* length of a feature */
    bl_bank_rule rule;
    bool exempt_fresh; /* a decay spares entries made since the last one (the released SeMi code;
                          the paper decays all) */
} bl_bank_config;

typedef struct bl_memory_bank bl_memory_bank;

bl_status bl_bank_create(const bl_bank_config *config, bl_memory_bank **out);
void bl_bank_destroy(bl_memory_bank *bank);

/* Offers n features (n rows of dim) in order, feature i for class labels[i] with confidence
 * confidences[i] (NULL: 1; read by the confidence rule only); rows with keep[i] == 0 are skipped
 * (keep NULL: none). *accepted (may be NULL) receives how many were stored. BL_EINVAL for a label
 * out of range, BL_ENUMERIC for a feature or confidence that is not finite; nothing
 * is stored then. */
bl_status bl_bank_push(bl_memory_bank *bank, const float *features, const int32_t *labels,
                       const double *confidences, const uint8_t *keep, int64_t n,
                       int64_t *accepted);

/* Multiplies stored confidences by beta (0.99). */
void bl_bank_decay(bl_memory_bank *bank, double beta);

/* Entries of a class; the j-th slot's feature and confidence (slots in no particular order; valid
 * for j < bl_bank_filled()). */
int bl_bank_filled(const bl_memory_bank *bank, int cls);
const float *bl_bank_feature(const bl_memory_bank *bank, int cls, int j);
double bl_bank_confidence(const bl_memory_bank *bank, int cls, int j);

/* The mean entry of every class, n_classes rows of dim; zeros for a class without entries, which
 * `present` (n_classes) marks 0. Returns the number of classes that have one. */
int bl_bank_prototypes(const bl_memory_bank *bank, float *prototypes, uint8_t *present);

/* Everything a checkpoint must keep. bl_bank_pack returns the number of doubles; `out` may be NULL
 * to ask for it. bl_bank_unpack refuses what does not fit the bank (BL_EFORMAT) and then leaves it
 * unchanged. */
int64_t bl_bank_pack(const bl_memory_bank *bank, double *out);
bl_status bl_bank_unpack(bl_memory_bank *bank, const double *data, int64_t n);

#endif
