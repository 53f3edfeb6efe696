/* RandAugment and Cutout on small 8-bit RGB images, with Pillow's arithmetic to the bit
 * (tests/golden/rand_augment_pillow.txt).
 *
 * RandAugment: Cubuk et al., CVPR workshops 2020; the variants are those of the semi-supervised
 * literature (FixMatch and its successors), see docs/classification-data.md. Cutout: DeVries and
 * Taylor, 2017. */
#ifndef BALLAST_DATASETS_VIEWS_CLASSIFICATION_RAND_AUGMENT_H
#define BALLAST_DATASETS_VIEWS_CLASSIFICATION_RAND_AUGMENT_H

#include "core/rng.h"
#include "core/status.h"
#include "datasets/images/pixel_ops.h"
#include "kernels/shared/view_steps.h"

typedef enum bl_ra_op {                     /* amount: */
                        BL_RA_AUTOCONTRAST, /* none */
                        BL_RA_BRIGHTNESS,   /* blend factor */
                        BL_RA_COLOR,        /* blend factor */
                        BL_RA_CONTRAST,     /* blend factor */
                        BL_RA_EQUALIZE,     /* none */
                        BL_RA_IDENTITY,     /* none */
                        BL_RA_POSTERIZE,    /* bits kept */
                        BL_RA_ROTATE,       /* degrees, counter-clockwise */
                        BL_RA_SHARPNESS,    /* blend factor */
                        BL_RA_SHEAR_X,      /* a1 of the affine map */
                        BL_RA_SHEAR_Y,      /* a3 */
                        BL_RA_SOLARIZE,     /* threshold, 0..256 */
                        BL_RA_TRANSLATE_X,  /* px to the left */
                        BL_RA_TRANSLATE_Y,  /* px up */
                        BL_RA_SMALL_POOL,   /* operations of RA-MC and of USB's variant */
                        BL_RA_INVERT = BL_RA_SMALL_POOL,
                        BL_RA_SOLARIZE_ADD, /* added before inverting at 128 */
                        BL_RA_CUTOUT,       /* px; the place is drawn */
                        BL_RA_OPS
} bl_ra_op;

/* "autocontrast", ... */
const char *bl_ra_name(bl_ra_op op);

typedef enum bl_ra_recipe { BL_RA_MC, BL_RA_USB, BL_RA_LARGE, BL_RA_FIXED } bl_ra_recipe;

/* An image that steps change in place (or into a spare buffer, which then becomes the image). */
typedef struct bl_canvas {
    const bl_pixel_ops *ops;
    int width, height;
    uint8_t *image, *spare; /* 3 * width * height bytes and BL_PIXEL_SLACK more, each */
    uint8_t *rows;          /* 9 * width bytes */
    void *memory;
} bl_canvas;
bl_status bl_canvas_create(int width, int height, bl_canvas *c);
void bl_canvas_free(bl_canvas *c);

void bl_canvas_perform(bl_canvas *c, const bl_view_step *s);

/* `op` with the given amount, sign included, on an image of this size. false: nothing to do
 * (identity), or BL_RA_CUTOUT, which needs a place. */
bool bl_ra_step(bl_ra_op op, double amount, int width, int height, bl_view_step *s);

/* The amount of `op` at level 1..9 of RA-MC or of the larger pool, at level 0..30 of the fixed
 * recipe, without sign; side: width for
 * x, height for y (translations), least side (Cutout). `is_signed`: its sign is to be drawn. */
double bl_ra_amount(bl_ra_recipe recipe, bl_ra_op op, int level, int side, int *is_signed);
/* USB's range of `op`; translations as fractions of the side. */
void bl_ra_range(bl_ra_op op, double *lo, double *hi);

/* Draws n operations with replacement; returns how many of them do something, in steps[] (room for
 * n). RA-MC and larger pool: level uniform on 1..9, applied with probability 1/2, sign even; USB:
 * always, amount uniform in its range; fixed: of the larger pool, always, at `level` (which matters
 * here only), sign even. */
int bl_ra_draw(int width, int height, bl_ra_recipe recipe, int n, int level, bl_rng *rng,
               bl_view_step *steps);

/* Fills, like Pillow's ImageDraw.rectangle, columns x0..x1 and rows y0..y1 (both ends included),
 *
 *   x0 = floor(max(0, cx - side/2)),   x1 = floor(min(width, x0 + side)),   and y alike:
 *
 * a square of side + 1 pixels, shifted at the left and upper border, cut off at the others. */
bl_view_step bl_cutout_step(int width, int height, double cx, double cy, double side,
                            const uint8_t fill[3]);
/* With a centre uniform over the image, and the recipe's grey. */
bl_view_step bl_cutout_draw(int width, int height, bl_ra_recipe recipe, double side, bl_rng *rng);

#endif
