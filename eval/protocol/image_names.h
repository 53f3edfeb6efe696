/* Finding the images of a data set by the names of their files, for results that name them so. */
#ifndef BALLAST_EVAL_PROTOCOL_IMAGE_NAMES_H
#define BALLAST_EVAL_PROTOCOL_IMAGE_NAMES_H

#include "core/strmap.h"
#include "datasets/annotations/dataset.h"

/* Zero-initialise; built at the first look-up. */
typedef struct bl_image_names {
    bl_arena *arena;
    bl_strpool pool;
    bl_strmap *names; /* (form, name) -> first image of that name */
    uint8_t *twice;   /* [forms][n_images] other images have that image's name too */
} bl_image_names;

/* The image whose file is called `name`: the whole path or what of it follows a folder; else its
 * last part; else that without its ending. -1 when there is none, or more than one. */
bl_status bl_image_names_find(bl_image_names *n, const bl_dataset *d, const char *name,
                              int32_t *image);
/* The one image whose name without ending is that number, whatever zeros stand before it. */
bl_status bl_image_names_find_number(bl_image_names *n, const bl_dataset *d, int64_t number,
                                     int32_t *image);
void bl_image_names_free(bl_image_names *n);

#endif
