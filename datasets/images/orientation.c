#include "datasets/images/orientation.h"

#include <stdlib.h>
#include <string.h>

/* An upright pixel is stored at start + x * right + y * down. */
typedef struct walk {
    int64_t start, right, down;
} walk;

static walk walk_of(int orientation, int64_t w, int64_t h) {
    int64_t last = w * (h - 1);
    switch (orientation) {
    case 2:
        return (walk){w - 1, -1, w};
    case 3:
        return (walk){w * h - 1, -1, -w};
    case 4:
        return (walk){last, 1, -w};
    case 5:
        return (walk){0, w, 1};
    case 6:
        return (walk){last, -w, 1};
    case 7:
        return (walk){w * h - 1, -w, -1};
    case 8:
        return (walk){w - 1, w, -1};
    default:
        return (walk){0, 1, w};
    }
}

bl_status bl_orientation_image(int orientation, bl_image *img) {
    if (orientation < 2 || orientation > 8) return BL_OK;
    bool swap = bl_orientation_swaps(orientation);
    walk go = walk_of(orientation, img->width, img->height);
    bl_image up;
    BL_TRY(bl_image_alloc(swap ? img->height : img->width, swap ? img->width : img->height, &up));
    uint8_t *to = up.rgb;
    for (int64_t y = 0; y < up.height; y++)
        for (int64_t x = 0; x < up.width; x++, to += 3)
            memcpy(to, img->rgb + 3 * (go.start + x * go.right + y * go.down), 3);
    bl_image_free(img);
    *img = up;
    return BL_OK;
}
