/* Decoded images of a data set, kept in memory up to a number of bytes. Thread-safe.
 *
 * What is in stays in: with shuffled passes every image is equally likely to come next, so that
 * evicting one for another (LRU) would only lower the hit rate. */
#ifndef BALLAST_DATASETS_LOADING_DETECTION_IMAGE_CACHE_H
#define BALLAST_DATASETS_LOADING_DETECTION_IMAGE_CACHE_H

#include "datasets/annotations/dataset.h"
#include "datasets/images/image.h"

typedef struct bl_image_cache bl_image_cache;

/* `d` must outlive the cache. `budget`: bytes of pixels. */
bl_status bl_image_cache_create(const bl_dataset *d, size_t budget, bl_image_cache **out);
void bl_image_cache_destroy(bl_image_cache *c);

/* The decoded image i of the data set: from memory (*kept, valid until destroy), or read from its
 * file into *own, with *kept = own, which the caller frees; own->rgb is NULL in the first case and
 * when the image was kept. */
bl_status bl_image_cache_get(bl_image_cache *c, int32_t i, bl_image *own, const bl_image **kept);

#endif
