/* Windows of pooling and index maps of nearest resampling, for host and device code. */
#ifndef BALLAST_KERNELS_SHARED_WINDOW_H
#define BALLAST_KERNELS_SHARED_WINDOW_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernels/shared/hd.h"

typedef struct bl_span {
    int64_t begin, end; /* half open */
} bl_span;

/* The input positions of window `out` on an axis of `size` elements. */
static inline BL_HD bl_span bl_window_inputs(int64_t out, int32_t k, int32_t stride, int32_t pad,
                                             int64_t size) {
    int64_t first = out * stride - pad, last = first + k;
    return (bl_span){first > 0 ? first : 0, last < size ? last : size};
}
/* The windows, of `count`, that contain input position `in`. */
static inline BL_HD bl_span bl_window_outputs(int64_t in, int32_t k, int32_t stride, int32_t pad,
                                              int64_t count) {
    int64_t first = in + pad - k + 1, last = (in + pad) / stride + 1;
    return (bl_span){first > 0 ? (first + stride - 1) / stride : 0, last < count ? last : count};
}
/* true when v takes the lead of a window's maximum from `best` at position arg (-1: none yet): the
 * first of equals leads, a NaN beats all, as in PyTorch. */
static inline BL_HD bool bl_max_leads(float v, float best, int32_t arg) {
    return arg < 0 || v > best || isnan(v);
}

/* Nearest resampling: fine position i reads coarse position floor(i * coarse / fine). */
static inline BL_HD int64_t bl_nearest(int64_t i, int64_t fine, int64_t coarse) {
    return i * coarse / fine;
}
/* The fine positions that read coarse position i. */
static inline BL_HD bl_span bl_nearest_readers(int64_t i, int64_t fine, int64_t coarse) {
    return (bl_span){(i * fine + coarse - 1) / coarse, ((i + 1) * fine + coarse - 1) / coarse};
}

#endif
