#include "datasets/annotations/frame.h"

#include "datasets/images/orientation.h"

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
