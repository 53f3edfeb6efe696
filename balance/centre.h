/* A running centre and the sharpened teacher distribution of embeddings around it: a teacher that
 * is centred cannot give every sample the same answer.
 *
 *     teacher = S((e - c) / T),   c <- momentum c + (1 - momentum) mean(rows)
 *
 * Sources: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (DINO), ICCV
 * 2021, where the rows are the embeddings e; SeMi (arXiv 2501.06004), whose program takes the
 * teacher's own distributions, momentum 0.9 and T a fifth of the student's. */
#ifndef BALLAST_BALANCE_CENTRE_H
#define BALLAST_BALANCE_CENTRE_H

#include <stdint.h>

#include "core/status.h"

typedef struct bl_centre bl_centre;

/* Starts at zero. */
bl_status bl_centre_create(int dim, double momentum, bl_centre **out);
void bl_centre_destroy(bl_centre *c);

/* n rows of dim -> n teacher distributions over the dim coordinates. */
void bl_centre_teacher(const bl_centre *c, const float *e, int64_t n, double temperature,
                       double *p);
/* Moves the centre towards the mean of n rows; n = 0 leaves it. */
void bl_centre_update(bl_centre *c, const double *rows, int64_t n);

/* The centre: dim numbers (*n), all a checkpoint must keep, readable and writable in place. */
double *bl_centre_state(bl_centre *c, int64_t *n);

#endif
