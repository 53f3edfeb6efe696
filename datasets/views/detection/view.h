/* Training views: what one decoded image becomes for the student and for the teacher.
 *
 * Soft Teacher (Xu et al., ICCV 2021) views: every view is resized (short side uniform in a range,
 * long side capped) and flipped with probability 1/2, each view drawing its own geometry. A
 * labelled view adds one colour operation; the strong view adds, in random order, one colour and
 * one geometric operation, then erases patches. The affine map from original to view pixels is
 * kept, so that boxes can be moved between views. Colour operations have PIL semantics.
 *
 * Unbiased Teacher (Liu et al., ICLR 2021): the blurred view is the weak view itself, changed in its
 * pixels alone: colour jitter, grey, Gaussian blur, random erasing, each with a probability. */
#ifndef BALLAST_DATASETS_VIEWS_DETECTION_VIEW_H
#define BALLAST_DATASETS_VIEWS_DETECTION_VIEW_H

#include <stdbool.h>

#include "core/geom.h"
#include "core/rng.h"
#include "core/schema.h"
#include "datasets/annotations/dataset.h"
#include "datasets/images/image.h"

typedef enum bl_view_kind {
    BL_VIEW_TEST,     /* resize only, to the test scale */
    BL_VIEW_WEAK,     /* resize, flip */
    BL_VIEW_LABELLED, /* resize, flip, one colour op */
    BL_VIEW_STRONG,   /* resize, flip, {colour, geometric} in random order, erase */
    BL_VIEW_BLURRED /* the weak view of the same sample with jittered colours, blur, erased patches */
} bl_view_kind;

/* Settings (section "view"). */
typedef struct bl_view_config {
    int64_t min_side,
        max_side;      /* training: short side uniform integer in [min_side, max_side], px */
    int64_t long_side; /* cap of the long side, px */
    int64_t test_short, test_long;
    double flip;         /* probability */
    bool labelled_color; /* the labelled view's colour op */
    bool strong_color, strong_geometry;
    double translate, rotate, shear; /* fraction of the side; degrees; degrees */
    int64_t erase_max;               /* 1..erase_max patches; 0 = none */
    double erase_ratio;              /* each patch: ratio ~ U(0, erase_ratio) of both sides */
    int64_t fill;                    /* 125 */
    double jitter; /* blurred view: brightness, contrast, saturation; hue a quarter */
    double jitter_p, grey_p, blur_p; /* probabilities */
    double blur_max;                 /* sigma ~ U(0.1, blur_max), px */
    bool random_erasing;             /* three rectangles of noise, likely, less and least likely */
} bl_view_config;
extern const bl_schema bl_view_schema;

typedef struct bl_view {
    bl_image image; /* not padded */
    bl_affine from_original;
    bl_view_kind kind;
    /* Ground truth in view pixels: clipped, degenerate ones dropped; in the
     * loader slot's memory. */
    int32_t n_boxes;
    bl_box *boxes;
    int32_t *labels; /* contiguous category */
    uint8_t *ignore; /* crowd or ignore region: not an object, not background either */
    int32_t *ann;    /* index into the data set's anns */
} bl_view;

/* Makes a view of `src` (the decoded original of d->images[image]). All randomness comes from
 * `rng`. Boxes: axis-aligned hull of the mapped corners, clipped to the view, kept when both sides
 * exceed min_box px (1.0 by default in training; boxes with original w or h < 1 or area <= 0 are
 * dropped). Memory of boxes etc. from `arena`; the image is malloc'd: bl_view_free() frees it. */
bl_status bl_view_make(const bl_view_config *cfg, bl_view_kind kind, const bl_image *src,
                       const bl_dataset *d, int32_t image, bl_rng *rng, bl_arena *arena,
                       bl_view *out);
void bl_view_free(bl_view *v);

/* Scaled size: mmdetection's rule, s = min(long/max(w,h), short/min(w,h)), int(side*s + 0.5). */
void bl_view_size(int32_t width, int32_t height, int64_t short_side, int64_t long_side, int32_t *w,
                  int32_t *h);

/* From view a's pixels to view b's: b * a^-1; zero when a's map has no inverse. */
bl_affine bl_view_map(const bl_view *a, const bl_view *b);
/* Moves a box from view a's pixels to view b's: hull of the corners under b * a^-1,
 * clipped to b. */
bl_box bl_view_map_box(const bl_view *a, const bl_view *b, bl_box box);

#endif
