/* Semantic class distributions: how near a feature is to the mean feature of every class.
 *
 * distance: S(-|z - c_k| / T)     ("SeMi", arXiv 2501.06004, eq. 8; T = 0.1)
 * cosine:   S(cos(z, c_k) / T)    (Oh et al., "DASO", CVPR 2022, eq. 2; T = 0.05)
 * over the classes that have a prototype; the others get 0. */
#ifndef BALLAST_BALANCE_PROTOTYPES_H
#define BALLAST_BALANCE_PROTOTYPES_H

#include <stdint.h>

typedef enum bl_similarity { BL_SIMILARITY_DISTANCE, BL_SIMILARITY_COSINE } bl_similarity;

/* n rows of dim -> n rows of n_classes. `present` as bl_bank_prototypes gives it (NULL: all).
 * Without any prototype all rows are zeros. Norms below 1e-8 count as 1e-8 (a zero vector has
 * cosine 0). */
void bl_semantic_rows(bl_similarity similarity, const float *features, int64_t n, int dim,
                      const float *prototypes, const uint8_t *present, int n_classes,
                      double temperature, double *p);

#endif
