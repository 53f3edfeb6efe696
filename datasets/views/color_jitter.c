#include "datasets/views/color_jitter.h"

#include "datasets/images/pil_color.h"

void bl_color_jitter(const bl_pixel_ops *ops, uint8_t *rgb, size_t n, float reach, float turn,
                     bl_rng *rng) {
    int32_t order[4] = {0, 1, 2, 3};
    bl_rng_shuffle(rng, order, 4);
    float factor[3], lo = 1 - reach;
    for (int k = 0; k < 3; k++) factor[k] = bl_rng_range(rng, lo > 0 ? lo : 0, 1 + reach);
    float hue = bl_rng_range(rng, -turn, turn);
    for (int k = 0; k < 4; k++) switch (order[k]) {
        case 0:
            bl_pil_brightness(rgb, n, factor[0]);
            break;
        case 1:
            bl_pil_contrast(ops, rgb, n, factor[1]);
            break;
        case 2:
            bl_pil_color(ops, rgb, n, factor[2]);
            break;
        default:
            bl_pil_hue(rgb, n, (int)(hue * 255));
            break;
        }
}
