/* t-SNE: feature vectors as points of a plane (van der Maaten and Hinton, "Visualizing data using
 * t-SNE", JMLR 2008; with Barnes-Hut's approximation, van der Maaten, JMLR 2014).
 *
 * The same numbers come out for every number of threads: points are random by (seed, index), sums
 * have a fixed order. */
#ifndef BALLAST_REPORT_TSNE_H
#define BALLAST_REPORT_TSNE_H

#include <stdint.h>

#include "core/status.h"

typedef struct bl_tsne_params {
    double perplexity; /* effective number of neighbours; lowered to (n - 1) / 3 if n is small */
    double theta;      /* a cell of width w at distance r counts as one point if w < theta r; 0:
                          exact */
    int iterations;
    uint64_t seed;
} bl_tsne_params;
bl_tsne_params bl_tsne_defaults(void); /* perplexity 30, theta 0.5, 750 iterations, seed 1 */

/* Joint probabilities p_ij = (p_j|i + p_i|j) / 2n as rows of neighbours: row i has the columns
 *
 *   column[start[i] .. start[i + 1]),
 *
 * ascending, with values p. Symmetric, the diagonal absent; sums to 1. */
typedef struct bl_tsne_affinity {
    int64_t n;
    int64_t *start;  /* [n + 1] */
    int32_t *column; /* [start[n]] */
    double *p;
} bl_tsne_affinity;

/* x: [n][d], finite. Gaussians whose widths give every point the perplexity, over all others if
 * n <= 512 and else over its 3 * perplexity nearest. */
bl_status bl_tsne_affinities(const float *x, int64_t n, int64_t d, double perplexity,
                             bl_tsne_affinity *out);
void bl_tsne_affinity_free(bl_tsne_affinity *a);

/* gradient [n][2] of KL(P || Q) at y [n][2]; P's probabilities count `exaggeration` times. Returns
 * KL(P || Q) itself (exaggeration 1; exact for theta 0) in *kl unless that is NULL. */
bl_status bl_tsne_gradient(const bl_tsne_affinity *a, const double *y, double theta,
                           double exaggeration, double *gradient, double *kl);

/* y: [n][2] out, centred. *kl, unless NULL: the divergence that is left. n >= 4, d >= 1. */
bl_status bl_tsne(const float *x, int64_t n, int64_t d, const bl_tsne_params *p, double *y,
                  double *kl);

#endif
