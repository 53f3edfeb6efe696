/* Where the image of an entry is: names in annotation files were written on other machines. */
#ifndef BALLAST_DATASETS_IMAGES_IMAGE_PATH_H
#define BALLAST_DATASETS_IMAGES_IMAGE_PATH_H

#include <stdbool.h>

/* Ends like an image file (.jpg, .jpeg, .png, .bmp, .tif, .tiff, .webp, in either case). */
bool bl_image_ending(const char *path);
/* The endings in words, for messages. */
extern const char bl_image_endings[];

/* The path of an image that an annotation file calls `file` (malloc'd, NULL when out of memory).
 * The first of these that exists below `dir`, or the first when none does: as written; with
 * backslashes as slashes; with %20 and the like decoded; both; the last part of the name alone
 * (folders that exist only where the file was written, the folder in LVIS's "coco_url"). */
char *bl_image_find(const char *dir, const char *file);

#endif
