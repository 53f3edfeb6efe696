/* From 8-bit pixels to the planes of floats that a network reads. */
#ifndef BALLAST_DATASETS_VIEWS_NORMALISE_H
#define BALLAST_DATASETS_VIEWS_NORMALISE_H

#include <stdbool.h>

#include "datasets/images/image.h"

/* Normalises into a float tensor slot, NCHW planar of padded size (pad_w, pad_h):
 * (pixel - mean[c]) / std[c]. The image is first padded to a multiple of `multiple` with 0 and that
 * padding is normalised too (training; it becomes -mean/std); the rest of the slot is 0. multiple =
 * 1 for test views. bgr: swap channels first. */
void bl_view_normalise(const bl_image *img, const float mean[3], const float std[3], bool bgr,
                       int multiple, int32_t pad_w, int32_t pad_h, float *dst);

#endif
