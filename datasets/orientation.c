#include "datasets/orientation.h"

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

void bl_orientation_box(int orientation, double width, double height, bl_ann *a) {
    double left = a->x, top = a->y, w = a->w, h = a->h;
    double right = width - left - w, bottom = height - top - h; /* room on the other sides */
    bool mirror_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool mirror_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    double x = mirror_x ? right : left, y = mirror_y ? bottom : top;
    bool swap = bl_orientation_swaps(orientation);
    a->x = swap ? y : x;
    a->y = swap ? x : y;
    a->w = swap ? h : w;
    a->h = swap ? w : h;
}

static bool holds_all(const bl_dataset *d, const bl_image_info *im, int32_t width, int32_t height) {
    const bl_image_info frame = {.width = width, .height = height};
    const bl_ann *first = &d->anns[im->first_ann];
    for (const bl_ann *a = first; a < first + im->n_anns; a++)
        if (bl_ann_outside(a, &frame)) return false;
    return true;
}

bl_frame bl_orientation_frame(const bl_dataset *d, const bl_image_info *im,
                              const bl_image_header *file) {
    if (!bl_orientation_swaps(file->orientation) || file->width == file->height || im->n_anns == 0)
        return BL_FRAME_UPRIGHT;
    bool upright = holds_all(d, im, file->height, file->width);
    bool stored = holds_all(d, im, file->width, file->height);
    if (upright != stored) return stored ? BL_FRAME_STORED : BL_FRAME_UPRIGHT;
    bool says_stored = im->width == file->width && im->height == file->height;
    return says_stored ? BL_FRAME_UNCLEAR : BL_FRAME_UPRIGHT;
}
