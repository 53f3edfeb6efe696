/* Box regression targets (Girshick et al., CVPR 2014, eq. 6-9) with normalisation and bounded
 * scales. */
#ifndef BALLAST_DETECTOR_BOX_CODER_H
#define BALLAST_DETECTOR_BOX_CODER_H

#include "detector/boxes.h"

typedef struct bl_box_coder {
    float std[4];        /* deltas are divided by these */
    float max_log_ratio; /* bound of dw and dh when decoding */
    bool symmetric;      /* also bounded below */
} bl_box_coder;

/* (dx, dy, dw, dh) that take `from` to `to`. A side below 1e-6 px counts as 1e-6, so the result is
 * finite. */
void bl_box_encode(const bl_box_coder *c, bl_box from, bl_box to, float delta[4]);
/* The inverse, unclipped. NaN deltas give NaN boxes. */
bl_box bl_box_decode(const bl_box_coder *c, bl_box from, const float delta[4]);

#endif
