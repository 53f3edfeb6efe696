/* Lists of files: what a folder holds, and the images that words of a command line mean. */
#ifndef BALLAST_DATASETS_IMAGES_FILE_LIST_H
#define BALLAST_DATASETS_IMAGES_FILE_LIST_H

#include <stdint.h>

#include "core/status.h"

/* malloc'd paths; zero it to start. */
typedef struct bl_file_list {
    char **path;
    int32_t n, room;
} bl_file_list;
void bl_file_list_free(bl_file_list *l);
/* Takes `path` (malloc'd), also on failure; NULL is BL_ENOMEM. */
bl_status bl_file_list_add(bl_file_list *l, char *path);

/* Adds the sub-folders and files of `dir`, each in byte order of the names. Hidden ones (names that
 * begin with a dot) are passed over. BL_EIO when `dir` cannot be listed. */
bl_status bl_file_list_folder(const char *dir, bl_file_list *folders, bl_file_list *files);

/* Adds n words: a file as it is; for a folder the files in it that end like images (see
 * bl_image_ending), those of its sub-folders behind them. BL_EFORMAT for a folder
 * without any, or nested deeper than 32 levels. Files are not opened. */
bl_status bl_file_list_images(const char *const *words, int n, bl_file_list *out);

#endif
