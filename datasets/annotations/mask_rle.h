/* Binary masks as run lengths, with the arithmetic of the COCO mask API (pycocotools.mask), to the
 * last bit.
 *
 * A mask of h rows and w columns is read column by column; counts[0] pixels are 0, the next
 * counts[1] are 1, the next 0, and so on (a run may be empty; the first is when the mask starts
 * with 1). A mask is *whole* when its sides are 1..BL_IMAGE_MAX_SIDE and its runs add up to h*w;
 * every function that makes a mask makes a whole one, and every function that takes one expects
 * that (bl_rle_check tells). The compressed string is the API's: a run is stored as the difference
 * to the run two before it (from the fourth on), in groups of 5 bits, lowest first, each a
 * character from '0' (48) to 'o' (111) whose bit 5 says that more follow. */
#ifndef BALLAST_DATASETS_ANNOTATIONS_MASK_RLE_H
#define BALLAST_DATASETS_ANNOTATIONS_MASK_RLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Zero-initialise to let functions fill it; they reuse its memory. cap 0: counts are borrowed. */
typedef struct bl_rle {
    int32_t h, w;
    int64_t n, cap;
    uint32_t *counts;
} bl_rle;

void bl_rle_free(bl_rle *r);
/* Room for n counts; what is there stays. */
bl_status bl_rle_reserve(bl_rle *r, int64_t n);
/* BL_EFORMAT with a message when the mask is not whole. */
bl_status bl_rle_check(const bl_rle *r);

/* mask[x*h + y], zero or not. BL_EFORMAT when a side is out of range. */
bl_status bl_rle_encode(const uint8_t *mask, int32_t h, int32_t w, bl_rle *out);
/* Writes h*w bytes, 0 or 1, column by column. */
void bl_rle_decode(const bl_rle *r, uint8_t *mask);

/* From a list of `n` runs as JSON gives them: BL_EFORMAT unless all are whole numbers >= 0 and the
 * mask is whole. */
bl_status bl_rle_from_counts(const double *counts, int64_t n, int32_t h, int32_t w, bl_rle *out);
/* From the compressed string s[0..len): BL_EFORMAT when it is cut, has other characters or negative
 * runs, or the mask is not whole. */
bl_status bl_rle_from_string(const char *s, size_t len, int32_t h, int32_t w, bl_rle *out);
/* Writes the compressed string, without a terminating NUL; returns its length. buf has room for
 * bl_rle_string_bound(r) characters. */
size_t bl_rle_to_string(const bl_rle *r, char *buf);
static inline size_t bl_rle_string_bound(const bl_rle *r) {
    return 7 * (size_t)r->n; /* differences have 32 bits at most */
}

/* A polygon of n corners x, y, filled by even-odd crossing after the API's rounding to fifths of a
 * pixel. Corners may lie outside; fewer than three make an empty mask. BL_EFORMAT for coordinates
 * that are not finite or beyond BL_MAX_COORDINATE, sides out of range, and polygons that cross
 * columns more than 2^24 times. */
bl_status bl_rle_from_polygon(const double *xy, int64_t n, int32_t h, int32_t w, bl_rle *out);
/* The polygon of a box x, y, width, height. */
bl_status bl_rle_from_box(const double box[4], int32_t h, int32_t w, bl_rle *out);

/* Union, or intersection, of n masks; `out` is none of them. BL_EINVAL for n = 0 or masks of
 * different sizes (pycocotools returns a mask of size 0 x 0). Masks with empty runs are merged
 * properly; pycocotools may cut them off, or not return. */
bl_status bl_rle_merge(const bl_rle *masks, int64_t n, bool intersect, bl_rle *out);

uint32_t bl_rle_area(const bl_rle *r);
/* x, y, width, height of the smallest box around the mask; zeros for a mask of a single run. (As in
 * pycocotools, a mask whose runs of 1 are all empty has no meaningful box.) */
void bl_rle_to_box(const bl_rle *r, double box[4]);

/* IoU of a detection d and an object g whose boxes (bl_rle_to_box) are given: 0 when these do not
 * meet, else -1 when the sizes differ, else intersection over union, or over d's area when g is a
 * crowd. */
double bl_rle_iou(const bl_rle *d, const double d_box[4], const bl_rle *g, const double g_box[4],
                  bool crowd);
/* All pairs: out[k*m + i] of detection i of m and object k of n, as pycocotools lays them out.
 * crowd: n flags, or NULL. BL_ENOMEM only. */
bl_status bl_rle_ious(const bl_rle *d, int64_t m, const bl_rle *g, int64_t n, const uint8_t *crowd,
                      double *out);

#endif
