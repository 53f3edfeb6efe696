#include "datasets/views/detection/view.h"

#include <stdlib.h>
#include <string.h>

#include "datasets/images/pil_blur.h"
#include "datasets/images/pil_color.h"
#include "datasets/views/augment_color.h"
#include "datasets/views/augment_geometry.h"
#include "datasets/views/color_jitter.h"
#include "datasets/views/random_erasing.h"

#define INT(name) #name, BL_T_INT, offsetof(bl_view_config, name)
#define REAL(name) #name, BL_T_REAL, offsetof(bl_view_config, name)
#define BOOL(name) #name, BL_T_BOOL, offsetof(bl_view_config, name)
static const bl_field fields[] = {
    {INT(min_side), "400", 1, BL_IMAGE_MAX_SIDE, NULL, "px",
     "Training: least length of the short side.", NULL},
    {INT(max_side), "1200", 1, BL_IMAGE_MAX_SIDE, NULL, "px",
     "Training: greatest length of the short side.", NULL},
    {INT(long_side), "1333", 1, BL_IMAGE_MAX_SIDE, NULL, "px", "Training: cap of the long side.",
     NULL},
    {INT(test_short), "800", 1, BL_IMAGE_MAX_SIDE, NULL, "px", "Testing: length of the short side.",
     NULL},
    {INT(test_long), "1333", 1, BL_IMAGE_MAX_SIDE, NULL, "px", "Testing: cap of the long side.",
     NULL},
    {REAL(flip), "0.5", 0, 1, NULL, NULL, "Probability of a left-right flip.", NULL},
    {BOOL(labelled_color), "true", 0, 0, NULL, NULL, "The labelled view gets one colour operation.",
     NULL},
    {BOOL(strong_color), "true", 0, 0, NULL, NULL, "The strong view gets one colour operation.",
     NULL},
    {BOOL(strong_geometry), "true", 0, 0, NULL, NULL,
     "The strong view gets one geometric operation.", NULL},
    {REAL(translate), "0.1", 0, 1, NULL, "of the side", "Greatest translation.", NULL},
    {REAL(rotate), "30", 0, 180, NULL, "degrees", "Greatest rotation.", NULL},
    {REAL(shear), "30", 0, 80, NULL, "degrees", "Greatest shear angle.", NULL},
    {INT(erase_max), "4", 0, 64, NULL, NULL,
     "The strong view loses 1 to this many patches; 0 = none.", NULL},
    {REAL(erase_ratio), "0.2", 0, 1, NULL, "of the side", "Greatest side of an erased patch.",
     NULL},
    {INT(fill), "125", 0, 255, NULL, NULL, "Grey level of erased and uncovered pixels.", NULL},
    {REAL(jitter), "0.4", 0, 1, NULL, NULL,
     "The blurred view: reach of brightness, contrast and saturation; hue turns by a quarter of "
     "it.",
     NULL},
    {REAL(jitter_p), "0.8", 0, 1, NULL, NULL, "The blurred view: probability of that.", NULL},
    {REAL(grey_p), "0.2", 0, 1, NULL, NULL, "The blurred view: probability of losing all colour.",
     NULL},
    {REAL(blur_p), "0.5", 0, 1, NULL, NULL, "The blurred view: probability of blur.", NULL},
    {REAL(blur_max), "2", 0.1, 100, NULL, "px", "The blurred view: greatest sigma of the blur.",
     NULL},
    {BOOL(random_erasing), "true", 0, 0, NULL, NULL,
     "The blurred view: up to three rectangles become noise.", NULL},
    {0}};

const bl_schema bl_view_schema = {"view", "Training and test views of an image.",
                                  sizeof(bl_view_config), fields};

static const float min_box = 1.0f; /* px, of a side after clipping to the view */

void bl_view_size(int32_t width, int32_t height, int64_t short_side, int64_t long_side, int32_t *w,
                  int32_t *h) {
    double longer = width > height ? width : height, shorter = width > height ? height : width;
    double a = (double)long_side / longer, b = (double)short_side / shorter, s = a < b ? a : b;
    int32_t rw = (int32_t)(width * s + 0.5), rh = (int32_t)(height * s + 0.5);
    *w = rw > 0 ? rw : 1;
    *h = rh > 0 ? rh : 1;
}

void bl_view_free(bl_view *v) {
    bl_image_free(&v->image);
}

bl_affine bl_view_map(const bl_view *a, const bl_view *b) {
    bl_affine back;
    if (!bl_affine_inverse(a->from_original, &back)) return (bl_affine){{0}};
    return bl_affine_mul(b->from_original, back);
}

bl_box bl_view_map_box(const bl_view *a, const bl_view *b, bl_box box) {
    box = bl_affine_box(bl_view_map(a, b), box);
    return bl_box_clip(box, (float)b->image.width, (float)b->image.height);
}

/* Resizes (when the size changes at all) and mirrors (when drawn), in as few passes
 * as there are. */
static bl_status resize_flip(const bl_image *src, int32_t w, int32_t h, bool flip, bl_view *out) {
    out->from_original =
        (bl_affine){{(float)w / (float)src->width, 0, 0, 0, (float)h / (float)src->height, 0}};
    if (w != src->width || h != src->height) {
        BL_TRY(bl_image_resize(src, w, h, &out->image));
        if (flip) bl_image_flip(&out->image);
    } else {
        BL_TRY(flip ? bl_image_flip_copy(src, &out->image) : bl_image_copy(src, &out->image));
    }
    if (flip)
        out->from_original =
            bl_affine_mul((bl_affine){{-1, 0, (float)w, 0, 1, 0}}, out->from_original);
    return BL_OK;
}

static bl_status change_geometry(const bl_view_config *cfg, bl_rng *rng, bl_view *v) {
    bl_affine map = bl_geometry_random(v->image.width, v->image.height, (float)cfg->translate,
                                       (float)cfg->rotate, (float)cfg->shear, rng);
    bl_image warped = {0};
    BL_TRY(bl_image_warp(&v->image, map, (uint8_t)cfg->fill, &warped));
    bl_image_free(&v->image);
    v->image = warped;
    v->from_original = bl_affine_mul(map, v->from_original);
    return BL_OK;
}

static bl_status strengthen(const bl_view_config *cfg, bl_rng *rng, bl_view *v) {
    bool color_first = bl_rng_below(rng, 2) == 0;
    for (int k = 0; k < 2; k++) {
        bool color = (k == 0) == color_first;
        if (color && cfg->strong_color) BL_TRY(bl_color_random(&v->image, rng));
        if (!color && cfg->strong_geometry) BL_TRY(change_geometry(cfg, rng, v));
    }
    bl_image_erase_random(&v->image, (int)cfg->erase_max, (float)cfg->erase_ratio,
                          (uint8_t)cfg->fill, rng);
    return BL_OK;
}

static bl_status blur(const bl_view_config *cfg, bl_rng *rng, bl_image *img) {
    size_t longer = (size_t)(img->width > img->height ? img->width : img->height);
    uint8_t *scratch = malloc(9 * longer);
    if (!scratch) return bl_no_memory("for a view");
    float sigma = bl_rng_range(rng, 0.1f, (float)cfg->blur_max);
    bl_pil_gaussian_blur(img->rgb, img->width, img->height, sigma, scratch);
    free(scratch);
    return BL_OK;
}

/* Liu et al., "Unbiased Teacher for Semi-Supervised Object Detection", ICLR 2021, table 6. */
static bl_status change_pixels(const bl_view_config *cfg, bl_rng *rng, bl_image *img) {
    static const bl_erasing patches[] = {{0.7f, 0.05f, 0.2f, 0.3f, 3.3f},
                                         {0.5f, 0.02f, 0.2f, 0.1f, 6},
                                         {0.3f, 0.02f, 0.2f, 0.05f, 8}};
    const bl_pixel_ops *ops = bl_pixel_ops_best();
    size_t n = (size_t)img->width * (size_t)img->height;
    if (bl_rng_uniform(rng) < (float)cfg->jitter_p)
        bl_color_jitter(ops, img->rgb, n, (float)cfg->jitter, (float)(cfg->jitter / 4), rng);
    if (bl_rng_uniform(rng) < (float)cfg->grey_p) bl_pil_grey(ops, img->rgb, n);
    if (bl_rng_uniform(rng) < (float)cfg->blur_p) BL_TRY(blur(cfg, rng, img));
    for (int k = 0; k < 3 && cfg->random_erasing; k++) bl_random_erasing(img, &patches[k], rng);
    return BL_OK;
}

static bl_status map_boxes(const bl_dataset *d, int32_t image, bl_arena *arena, bl_view *v) {
    const bl_image_info *info = &d->images[image];
    int32_t n = info->n_anns;
    if (n == 0) return BL_OK;
    v->boxes = BL_NEW_ARRAY(arena, bl_box, n);
    v->labels = BL_NEW_ARRAY(arena, int32_t, n);
    v->ignore = BL_NEW_ARRAY(arena, uint8_t, n);
    v->ann = BL_NEW_ARRAY(arena, int32_t, n);
    if (!v->boxes || !v->labels || !v->ignore || !v->ann) return BL_ENOMEM;
    for (int32_t a = info->first_ann; a < info->first_ann + n; a++) {
        const bl_ann *ann = &d->anns[a];
        if (!(ann->w >= 1) || !(ann->h >= 1) || !(ann->area > 0)) continue;
        /* What lies outside the image is not seen: clip before a rotation widens the hull. */
        bl_box box = bl_box_clip(bl_ann_box(ann), (float)info->width, (float)info->height);
        if (!(box.x2 > box.x1) || !(box.y2 > box.y1)) continue;
        box = bl_affine_box(v->from_original, box);
        box = bl_box_clip(box, (float)v->image.width, (float)v->image.height);
        if (!(box.x2 - box.x1 > min_box) || !(box.y2 - box.y1 > min_box)) continue;
        v->boxes[v->n_boxes] = box;
        v->labels[v->n_boxes] = ann->category;
        v->ignore[v->n_boxes] = ann->iscrowd || ann->ignore;
        v->ann[v->n_boxes] = a;
        v->n_boxes++;
    }
    return BL_OK;
}

static bl_status make(const bl_view_config *cfg, const bl_image *src, const bl_dataset *d,
                      int32_t image, bl_rng *rng, bl_arena *arena, bl_view *out) {
    bool test = out->kind == BL_VIEW_TEST, flip = false;
    int64_t short_side = cfg->test_short, long_side = cfg->test_long;
    int32_t w, h;
    if (!test) {
        if (cfg->max_side < cfg->min_side)
            return bl_fail(BL_ECONFIG, "view.max_side: %lld is below view.min_side = %lld",
                           (long long)cfg->max_side, (long long)cfg->min_side);
        short_side =
            cfg->min_side + bl_rng_below(rng, (uint32_t)(cfg->max_side - cfg->min_side + 1));
        long_side = cfg->long_side;
        flip = bl_rng_uniform(rng) < (float)cfg->flip;
    }
    bl_view_size(src->width, src->height, short_side, long_side, &w, &h);
    BL_TRY(resize_flip(src, w, h, flip, out));
    if (out->kind == BL_VIEW_LABELLED && cfg->labelled_color)
        BL_TRY(bl_color_random(&out->image, rng));
    if (out->kind == BL_VIEW_STRONG) BL_TRY(strengthen(cfg, rng, out));
    if (out->kind == BL_VIEW_BLURRED) BL_TRY(change_pixels(cfg, rng, &out->image));
    return map_boxes(d, image, arena, out);
}

bl_status bl_view_make(const bl_view_config *cfg, bl_view_kind kind, const bl_image *src,
                       const bl_dataset *d, int32_t image, bl_rng *rng, bl_arena *arena,
                       bl_view *out) {
    *out = (bl_view){.kind = kind};
    const bl_image_info *info = &d->images[image];
    if (src->width != info->width || src->height != info->height)
        return bl_image_size_differs(d, info, src->width, src->height);
    bl_status status = make(cfg, src, d, image, rng, arena, out);
    if (status != BL_OK) bl_view_free(out);
    return status;
}
