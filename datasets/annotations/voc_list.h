/* Which images a Pascal VOC folder holds, and where. */
#ifndef BALLAST_DATASETS_ANNOTATIONS_VOC_LIST_H
#define BALLAST_DATASETS_ANNOTATIONS_VOC_LIST_H

#include <stdbool.h>

#include "datasets/images/file_list.h"

typedef struct bl_voc_list {
    char *name;        /* for messages: the list's file, or the folder of annotations */
    char *annotations; /* folder of the .xml files: Annotations, or the root itself when it lacks
                          that and holds them */
    char *images;      /* folder of the images: JPEGImages, or the root beside such .xml files */
    bl_file_list ids;  /* image ids: file names without their ending, in the list's order */
} bl_voc_list;

/* Reads ImageSets/Main/<split>.txt, or, when `split` is NULL, takes every annotation file in byte
 * order. `images`: the folder of the images, NULL for the format's own. A line is an image id,
 * blanks inside included; the forms that tools write are understood where no annotation file (or
 * image) has the line's own name: a second word -1, 0 or 1 (lists of one class), quotes, and the
 * ending of an image file. Lines that begin with # are comments. BL_EFORMAT for an id listed twice,
 * or one that leaves the folder. Free the list, also after failure. */
bl_status bl_voc_list_read(const char *root, const char *split, const char *images,
                           bl_voc_list *out);
void bl_voc_list_free(bl_voc_list *l);

/* The folder has lists. */
bool bl_voc_has_lists(const char *root);

/* malloc'd file name of image `id`: the ending of `filename` (<filename> of the annotation; often
 * stale in all but that) when such a file exists, else that of the file that does, else .jpg. */
char *bl_voc_image_file(const bl_voc_list *l, const char *id, const char *filename);

#endif
