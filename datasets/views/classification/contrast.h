/* The view of contrastive learning: resized crop, flip, colour jitter, grey, blur (SimCLR, Chen et
 * al., ICML 2020; MoCo v2, Chen et al., 2020), with torchvision's distributions and Pillow's
 * arithmetic. */
#ifndef BALLAST_DATASETS_VIEWS_CLASSIFICATION_CONTRAST_H
#define BALLAST_DATASETS_VIEWS_CLASSIFICATION_CONTRAST_H

#include "datasets/images/pil_resize.h"
#include "datasets/images/pixel_ops.h"
#include "datasets/views/classification/view.h"

typedef struct bl_contrast {
    bl_classify_view_config cfg;
    const bl_pixel_ops *ops;
    int width, height, out_width, out_height;
    bl_pil_resizer resizer;
    uint8_t *image, *scratch;
} bl_contrast;

bl_status bl_contrast_create(const bl_classify_view_config *cfg, int width, int height,
                             int out_width, int out_height, bl_contrast *c);
void bl_contrast_free(bl_contrast *c);

/* The view, out_width x out_height; valid until the next call. */
const uint8_t *bl_contrast_make(bl_contrast *c, const uint8_t *image, bl_rng *rng);

/* The crop: area uniform in [crop_min, 1], aspect ratio log-uniform in [3/4, 4/3], ten tries, then
 * the largest central crop with an allowed ratio. */
void bl_contrast_crop(const bl_contrast *c, bl_rng *rng, int *x, int *y, int *w, int *h);

#endif
