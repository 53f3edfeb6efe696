#include "datasets/views/classification/rand_augment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/images/pil_affine.h"
#include "datasets/images/pil_color.h"

static const char *const names[BL_RA_OPS] = {
    "autocontrast", "brightness",  "color",     "contrast",     "equalize", "identity",
    "posterize",    "rotate",      "sharpness", "shear_x",      "shear_y",  "solarize",
    "translate_x",  "translate_y", "invert",    "solarize_add", "cutout"};

/* The larger pool has no identity. */
static const bl_ra_op large_pool[] = {
    BL_RA_AUTOCONTRAST, BL_RA_BRIGHTNESS,   BL_RA_COLOR,       BL_RA_CONTRAST,
    BL_RA_CUTOUT,       BL_RA_EQUALIZE,     BL_RA_INVERT,      BL_RA_POSTERIZE,
    BL_RA_ROTATE,       BL_RA_SHARPNESS,    BL_RA_SHEAR_X,     BL_RA_SHEAR_Y,
    BL_RA_SOLARIZE,     BL_RA_SOLARIZE_ADD, BL_RA_TRANSLATE_X, BL_RA_TRANSLATE_Y};
enum { LARGE_POOL = sizeof large_pool / sizeof *large_pool };

static const uint8_t grey_mc[3] = {127, 127, 127}, grey_usb[3] = {125, 123, 114};

const char *bl_ra_name(bl_ra_op op) {
    return names[op];
}

bl_status bl_canvas_create(int width, int height, bl_canvas *c) {
    size_t image = 3 * (size_t)width * (size_t)height + BL_PIXEL_SLACK;
    *c = (bl_canvas){.ops = bl_pixel_ops_best(), .width = width, .height = height};
    c->memory = calloc(1, 2 * image + 9 * (size_t)width);
    if (!c->memory) return bl_no_memory("for images of %dx%d pixels (augmentation)", width, height);
    c->image = c->memory;
    c->spare = c->image + image;
    c->rows = c->spare + image;
    return BL_OK;
}

void bl_canvas_free(bl_canvas *c) {
    free(c->memory);
    *c = (bl_canvas){0};
}

/* ---- performing steps ---- */

static void swap(bl_canvas *c) {
    uint8_t *t = c->image;
    c->image = c->spare;
    c->spare = t;
}

static void erase(bl_canvas *c, const bl_view_step *s) {
    int x0 = (int)s->v[0], x1 = (int)s->v[1];
    for (int y = (int)s->v[2]; y <= (int)s->v[3]; y++) {
        uint8_t *p = c->image + 3 * ((size_t)y * (size_t)c->width + (size_t)x0);
        for (int x = x0; x <= x1; x++, p += 3) memcpy(p, s->fill, 3);
    }
}

void bl_canvas_perform(bl_canvas *c, const bl_view_step *s) {
    size_t n = (size_t)c->width * (size_t)c->height;
    const bl_pixel_ops *ops = c->ops;
    double amount = s->v[0];
    switch ((bl_view_op)s->op) {
    case BL_VIEW_AUTOCONTRAST:
        bl_pil_autocontrast(c->image, n);
        break;
    case BL_VIEW_EQUALIZE:
        bl_pil_equalize(c->image, n);
        break;
    case BL_VIEW_BRIGHTNESS:
        bl_pil_brightness(c->image, n, (float)amount);
        break;
    case BL_VIEW_CONTRAST:
        bl_pil_contrast(ops, c->image, n, (float)amount);
        break;
    case BL_VIEW_POSTERIZE:
        bl_pil_posterize(ops, c->image, n, (int)amount);
        break;
    case BL_VIEW_SOLARIZE:
        bl_pil_solarize(ops, c->image, n, amount);
        break;
    case BL_VIEW_INVERT:
        bl_pil_invert(c->image, n);
        break;
    case BL_VIEW_SOLARIZE_ADD:
        bl_pil_solarize_add(ops, c->image, n, (int)amount);
        break;
    case BL_VIEW_COLOR:
        bl_pil_color(ops, c->image, n, (float)amount);
        break;
    case BL_VIEW_SHARPNESS:
        bl_pil_sharpness(ops, c->image, c->width, c->height, (float)amount, c->rows);
        break;
    case BL_VIEW_AFFINE:
        bl_pil_affine(ops, c->image, c->width, c->height, s->v, c->spare);
        swap(c);
        break;
    case BL_VIEW_TURN:
        bl_pil_quarter_turns(c->image, c->width, c->height, (int)amount, c->spare);
        swap(c);
        break;
    case BL_VIEW_CUTOUT:
        erase(c, s);
        break;
    }
}

/* ---- from operations and amounts to steps ---- */

static bl_view_step simple(bl_view_op op, double amount) {
    return (bl_view_step){.op = op, .v = {amount}};
}

static bl_view_step affine(double a0, double a1, double a2, double a3, double a4, double a5) {
    return (bl_view_step){.op = BL_VIEW_AFFINE, .v = {a0, a1, a2, a3, a4, a5}};
}

bool bl_ra_step(bl_ra_op op, double amount, int width, int height, bl_view_step *s) {
    switch (op) {
    case BL_RA_AUTOCONTRAST:
        *s = simple(BL_VIEW_AUTOCONTRAST, 0);
        return true;
    case BL_RA_BRIGHTNESS:
        *s = simple(BL_VIEW_BRIGHTNESS, amount);
        return true;
    case BL_RA_COLOR:
        *s = simple(BL_VIEW_COLOR, amount);
        return true;
    case BL_RA_CONTRAST:
        *s = simple(BL_VIEW_CONTRAST, amount);
        return true;
    case BL_RA_EQUALIZE:
        *s = simple(BL_VIEW_EQUALIZE, 0);
        return true;
    case BL_RA_POSTERIZE:
        *s = simple(BL_VIEW_POSTERIZE, amount);
        return true;
    case BL_RA_ROTATE:
        *s = simple(BL_VIEW_AFFINE, 0);
        bl_pil_rotation(amount, width, height, s->v);
        return true;
    case BL_RA_SHARPNESS:
        *s = simple(BL_VIEW_SHARPNESS, amount);
        return true;
    case BL_RA_SHEAR_X:
        *s = affine(1, amount, 0, 0, 1, 0);
        return true;
    case BL_RA_SHEAR_Y:
        *s = affine(1, 0, 0, amount, 1, 0);
        return true;
    case BL_RA_SOLARIZE:
        *s = simple(BL_VIEW_SOLARIZE, amount);
        return true;
    case BL_RA_TRANSLATE_X:
        *s = affine(1, 0, amount, 0, 1, 0);
        return true;
    case BL_RA_TRANSLATE_Y:
        *s = affine(1, 0, 0, 0, 1, amount);
        return true;
    case BL_RA_INVERT:
        *s = simple(BL_VIEW_INVERT, 0);
        return true;
    case BL_RA_SOLARIZE_ADD:
        *s = simple(BL_VIEW_SOLARIZE_ADD, amount);
        return true;
    default:
        return false;
    }
}

bl_view_step bl_cutout_step(int width, int height, double cx, double cy, double side,
                            const uint8_t fill[3]) {
    double left = cx - side / 2, top = cy - side / 2;
    int x0 = left > 0 ? (int)left : 0, y0 = top > 0 ? (int)top : 0;
    double right = x0 + side, bottom = y0 + side;
    int x1 = right < width ? (int)right : width - 1;
    int y1 = bottom < height ? (int)bottom : height - 1;
    return (bl_view_step){
        .op = BL_VIEW_CUTOUT, .fill = {fill[0], fill[1], fill[2]}, .v = {x0, x1, y0, y1}};
}

bl_view_step bl_cutout_draw(int width, int height, bl_ra_recipe recipe, double side, bl_rng *rng) {
    double cx = (double)bl_rng_uniform(rng) * width, cy = (double)bl_rng_uniform(rng) * height;
    return bl_cutout_step(width, height, cx, cy, side, recipe == BL_RA_USB ? grey_usb : grey_mc);
}

/* level / 30 of a range that starts at `lo`; translations and Cutout in pixels, whatever the
 * image's size. */
static double fixed_amount(bl_ra_op op, int level, int *is_signed) {
    double lo = 0, most = 0;
    switch (op) {
    case BL_RA_BRIGHTNESS:
    case BL_RA_COLOR:
    case BL_RA_CONTRAST:
    case BL_RA_SHARPNESS:
        lo = 0.1;
        most = 1.9;
        break;
    case BL_RA_POSTERIZE:
        most = 4;
        break;
    case BL_RA_ROTATE:
        *is_signed = 1;
        most = 30;
        break;
    case BL_RA_SHEAR_X:
    case BL_RA_SHEAR_Y:
        *is_signed = 1;
        most = 0.3;
        break;
    case BL_RA_SOLARIZE:
        most = 256;
        break;
    case BL_RA_SOLARIZE_ADD:
        most = 110;
        break;
    case BL_RA_TRANSLATE_X:
    case BL_RA_TRANSLATE_Y:
        *is_signed = 1;
        most = 100;
        break;
    case BL_RA_CUTOUT:
        most = 40;
        break;
    default:
        break;
    }
    double v = level / 30.0 * (most - lo) + lo;
    return op == BL_RA_POSTERIZE && v < 1 ? 1 : v;
}

/* Divisions by 10 come last, as in the reference: 3 * 0.3 / 10 is not 3 * 0.03. */
double bl_ra_amount(bl_ra_recipe recipe, bl_ra_op op, int level, int side, int *is_signed) {
    bool large = recipe == BL_RA_LARGE;
    *is_signed = 0;
    if (recipe == BL_RA_FIXED) return fixed_amount(op, level, is_signed);
    switch (op) {
    case BL_RA_BRIGHTNESS:
    case BL_RA_COLOR:
    case BL_RA_CONTRAST:
    case BL_RA_SHARPNESS:
        return large ? level * 1.8 / 10 + 0.1 : level * 0.9 / 10 + 0.05;
    case BL_RA_POSTERIZE:
        return level * 4 / 10 + 4;
    case BL_RA_ROTATE:
        *is_signed = 1;
        return level * 30 / 10;
    case BL_RA_SHEAR_X:
    case BL_RA_SHEAR_Y:
        *is_signed = 1;
        return level * 0.3 / 10;
    case BL_RA_SOLARIZE:
        return 256 - level * 256 / 10;
    case BL_RA_TRANSLATE_X:
    case BL_RA_TRANSLATE_Y:
        *is_signed = 1;
        return (int)(level * (large ? 0.45 : 0.3) / 10 * side);
    case BL_RA_SOLARIZE_ADD:
        *is_signed = 1;
        return level * 110 / 10;
    case BL_RA_CUTOUT:
        return (int)(level * 0.2 / 10 * side);
    default:
        return 0;
    }
}

void bl_ra_range(bl_ra_op op, double *lo, double *hi) {
    double from = 0, to = 0;
    switch (op) {
    case BL_RA_BRIGHTNESS:
    case BL_RA_COLOR:
    case BL_RA_CONTRAST:
    case BL_RA_SHARPNESS:
        from = 0.05;
        to = 0.95;
        break;
    case BL_RA_POSTERIZE:
        from = 4;
        to = 8;
        break;
    case BL_RA_ROTATE:
        from = -30;
        to = 30;
        break;
    case BL_RA_SHEAR_X:
    case BL_RA_SHEAR_Y:
    case BL_RA_TRANSLATE_X:
    case BL_RA_TRANSLATE_Y:
        from = -0.3;
        to = 0.3;
        break;
    case BL_RA_SOLARIZE:
        to = 256;
        break;
    default:
        break;
    }
    *lo = from;
    *hi = to;
}

/* ---- drawing ---- */

static int side_of(int width, int height, bl_ra_op op) {
    if (op == BL_RA_TRANSLATE_X) return width;
    if (op == BL_RA_TRANSLATE_Y) return height;
    return width < height ? width : height;
}

static bool draw_level(bl_ra_recipe recipe, int width, int height, bl_rng *rng, bl_view_step *s) {
    bl_ra_op op = recipe == BL_RA_LARGE ? large_pool[bl_rng_below(rng, LARGE_POOL)]
                                        : (bl_ra_op)bl_rng_below(rng, BL_RA_SMALL_POOL);
    int level = 1 + (int)bl_rng_below(rng, 9), is_signed;
    uint32_t coins = bl_rng_u32(rng); /* applied at all; sign */
    if (!(coins & 1)) return false;
    double amount = bl_ra_amount(recipe, op, level, side_of(width, height, op), &is_signed);
    if (op == BL_RA_CUTOUT) {
        *s = bl_cutout_draw(width, height, recipe, amount, rng);
        return true;
    }
    return bl_ra_step(op, is_signed && (coins & 2) ? -amount : amount, width, height, s);
}

static bool draw_amount(int width, int height, bl_rng *rng, bl_view_step *s) {
    bl_ra_op op = (bl_ra_op)bl_rng_below(rng, BL_RA_SMALL_POOL);
    double lo, hi;
    bl_ra_range(op, &lo, &hi);
    double amount = lo + (hi - lo) * (double)bl_rng_uniform(rng);
    if (op == BL_RA_TRANSLATE_X || op == BL_RA_TRANSLATE_Y) amount *= side_of(width, height, op);
    return bl_ra_step(op, amount, width, height, s);
}

static bool draw_fixed(int level, int width, int height, bl_rng *rng, bl_view_step *s) {
    bl_ra_op op = large_pool[bl_rng_below(rng, LARGE_POOL)];
    int is_signed;
    double amount = bl_ra_amount(BL_RA_FIXED, op, level, 0, &is_signed);
    if (op == BL_RA_CUTOUT) {
        *s = bl_cutout_draw(width, height, BL_RA_USB, amount, rng); /* its grey */
        return true;
    }
    bool negative = is_signed && (bl_rng_u32(rng) & 1);
    return bl_ra_step(op, negative ? -amount : amount, width, height, s);
}

int bl_ra_draw(int width, int height, bl_ra_recipe recipe, int n, int level, bl_rng *rng,
               bl_view_step *steps) {
    int drawn = 0;
    for (int k = 0; k < n; k++) {
        bl_view_step *s = &steps[drawn];
        drawn += recipe == BL_RA_USB     ? draw_amount(width, height, rng, s)
                 : recipe == BL_RA_FIXED ? draw_fixed(level, width, height, rng, s)
                                         : draw_level(recipe, width, height, rng, s);
    }
    return drawn;
}
