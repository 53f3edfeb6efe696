#include "ssl/detection/image_classes.h"

#include <stdlib.h>

bl_status bl_image_classes_of(const bl_dataset *d, bl_image_classes *out, void **memory) {
    size_t n = (size_t)d->n_images + 1;
    int64_t *offsets = malloc(sizeof *offsets * n + sizeof(int32_t) * ((size_t)d->n_anns + 1));
    if (!offsets) return bl_no_memory("for class lists");
    int32_t *classes = (int32_t *)(offsets + n);
    for (int32_t i = 0; i < d->n_images; i++) offsets[i] = d->images[i].first_ann;
    offsets[d->n_images] = d->n_anns;
    for (int64_t a = 0; a < d->n_anns; a++) classes[a] = d->anns[a].category;
    *out = (bl_image_classes){d->n_images, offsets, classes};
    *memory = offsets;
    return BL_OK;
}
