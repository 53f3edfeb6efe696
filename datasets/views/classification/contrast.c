#include "datasets/views/classification/contrast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/images/pil_blur.h"
#include "datasets/images/pil_color.h"
#include "datasets/views/augment_geometry.h"
#include "datasets/views/color_jitter.h"

bl_status bl_contrast_create(const bl_classify_view_config *cfg, int width, int height,
                             int out_width, int out_height, bl_contrast *c) {
    *c = (bl_contrast){.cfg = *cfg,
                       .ops = bl_pixel_ops_best(),
                       .width = width,
                       .height = height,
                       .out_width = out_width,
                       .out_height = out_height};
    size_t longer = (size_t)(out_width > out_height ? out_width : out_height);
    c->image = malloc(3 * (size_t)out_width * (size_t)out_height + BL_PIXEL_SLACK);
    c->scratch = malloc(9 * longer);
    if (!c->image || !c->scratch) return bl_no_memory("for the views");
    return bl_pil_resizer_reserve(&c->resizer, width, height, BL_PIL_BILINEAR, out_width,
                                  out_height);
}

void bl_contrast_free(bl_contrast *c) {
    free(c->image);
    free(c->scratch);
    bl_pil_resizer_free(&c->resizer);
    *c = (bl_contrast){0};
}

void bl_contrast_crop(const bl_contrast *c, bl_rng *rng, int *x, int *y, int *w, int *h) {
    const double low = 3.0 / 4, high = 4.0 / 3;
    double area = (double)c->width * c->height;
    for (int attempt = 0; attempt < 10; attempt++) {
        double share = c->cfg.crop_min + (1 - c->cfg.crop_min) * (double)bl_rng_uniform(rng);
        double ratio = exp(log(low) + (log(high) - log(low)) * (double)bl_rng_uniform(rng));
        *w = (int)rint(sqrt(area * share * ratio));
        *h = (int)rint(sqrt(area * share / ratio));
        if (*w < 1 || *h < 1 || *w > c->width || *h > c->height) continue;
        *x = (int)bl_rng_below(rng, (uint32_t)(c->width - *w) + 1);
        *y = (int)bl_rng_below(rng, (uint32_t)(c->height - *h) + 1);
        return;
    }
    double ratio = (double)c->width / c->height;
    *w = c->width;
    *h = c->height;
    if (ratio < low) *h = (int)rint(*w / low);
    if (ratio > high) *w = (int)rint(*h * high);
    *x = (c->width - *w) / 2;
    *y = (c->height - *h) / 2;
}

const uint8_t *bl_contrast_make(bl_contrast *c, const uint8_t *image, bl_rng *rng) {
    int x, y, w, h;
    size_t stride = 3 * (size_t)c->width, n = (size_t)c->out_width * (size_t)c->out_height;
    bl_contrast_crop(c, rng, &x, &y, &w, &h);
    /* Cannot fail: there is room for every crop. */
    (void)bl_pil_resize(&c->resizer, image + (size_t)y * stride + 3 * (size_t)x, stride, w, h,
                        BL_PIL_BILINEAR, c->image, c->out_width, c->out_height);
    bl_image view = {c->out_width, c->out_height, c->image};
    if (bl_rng_uniform(rng) < (float)c->cfg.flip) bl_image_flip(&view);
    if (bl_rng_uniform(rng) < (float)c->cfg.jitter_p)
        bl_color_jitter(c->ops, c->image, n, (float)(0.8 * c->cfg.jitter),
                        (float)(0.2 * c->cfg.jitter), rng);
    if (bl_rng_uniform(rng) < (float)c->cfg.grey_p) bl_pil_grey(c->ops, c->image, n);
    if (bl_rng_uniform(rng) < (float)c->cfg.blur_p)
        bl_pil_gaussian_blur(c->image, c->out_width, c->out_height, bl_rng_range(rng, 0.1f, 2.0f),
                             c->scratch);
    return c->image;
}
