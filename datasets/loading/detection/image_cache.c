#include "datasets/loading/detection/image_cache.h"

#include <pthread.h>
#include <stdlib.h>

struct bl_image_cache {
    const bl_dataset *data;
    pthread_mutex_t lock;
    bl_image *images; /* rgb NULL: not kept; never changes once set */
    size_t bytes, budget;
};

bl_status bl_image_cache_create(const bl_dataset *d, size_t budget, bl_image_cache **out) {
    bl_image_cache *c = calloc(1, sizeof *c);
    if (c) c->images = calloc((size_t)(d->n_images ? d->n_images : 1), sizeof *c->images);
    if (!c || !c->images) {
        free(c);
        return bl_no_memory("for %s (the image cache's table)", d->name);
    }
    c->data = d;
    c->budget = budget;
    pthread_mutex_init(&c->lock, NULL);
    *out = c;
    return BL_OK;
}

void bl_image_cache_destroy(bl_image_cache *c) {
    if (!c) return;
    for (int32_t i = 0; i < c->data->n_images; i++) bl_image_free(&c->images[i]);
    free(c->images);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

bl_status bl_image_cache_get(bl_image_cache *c, int32_t i, bl_image *own, const bl_image **kept) {
    *own = (bl_image){0};
    pthread_mutex_lock(&c->lock);
    bool hit = c->images[i].rgb != NULL;
    pthread_mutex_unlock(&c->lock);
    *kept = &c->images[i];
    if (hit) return BL_OK;
    char *path = bl_dataset_path(c->data, i);
    if (!path) return bl_no_memory("for %s (a path)", c->data->name);
    bl_status status = bl_image_load(path, !c->data->ignore_exif, own);
    free(path);
    if (status != BL_OK) return bl_fail_context(status, "%s", c->data->name);
    size_t size = (size_t)own->width * (size_t)own->height * 3;
    pthread_mutex_lock(&c->lock);
    if (!c->images[i].rgb && c->bytes + size <= c->budget) {
        c->images[i] = *own;
        c->bytes += size;
        *own = (bl_image){0};
    }
    pthread_mutex_unlock(&c->lock);
    if (own->rgb) *kept = own;
    return BL_OK;
}
