#include "datasets/views/random_erasing.h"

#include <math.h>

enum { TRIES = 10 };

static bool draw(const bl_image *img, const bl_erasing *e, bl_rng *rng, int *w, int *h) {
    float area = (float)img->width * (float)img->height;
    for (int k = 0; k < TRIES; k++) {
        float share = area * bl_rng_range(rng, e->area_min, e->area_max);
        float ratio = expf(bl_rng_range(rng, logf(e->ratio_min), logf(e->ratio_max)));
        *h = (int)rintf(sqrtf(share * ratio));
        *w = (int)rintf(sqrtf(share / ratio));
        if (*h < img->height && *w < img->width) return true;
    }
    return false;
}

void bl_random_erasing(bl_image *img, const bl_erasing *e, bl_rng *rng) {
    int w, h;
    if (bl_rng_uniform(rng) >= e->p || !draw(img, e, rng, &w, &h)) return;
    int y0 = (int)bl_rng_below(rng, (uint32_t)(img->height - h) + 1);
    int x0 = (int)bl_rng_below(rng, (uint32_t)(img->width - w) + 1);
    for (int y = y0; y < y0 + h; y++) {
        uint8_t *row = img->rgb + 3 * ((size_t)y * (size_t)img->width + (size_t)x0);
        for (int i = 0; i < 3 * w; i++) row[i] = (uint8_t)bl_rng_u32(rng);
    }
}
