/* Images without annotations as a data set: those of a folder, or those that a list names. */
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "datasets/annotations/dataset.h"
#include "datasets/images/file_list.h"
#include "datasets/images/image_path.h"

enum { MAX_LIST = 1 << 28 };

static bl_status build(const char *name, bl_source source, const char *dir, const bl_file_list *l,
                       size_t skip, bl_dataset **out) {
    bl_image_info *images = calloc((size_t)l->n + 1, sizeof *images);
    if (!images) return bl_no_memory("for %s (%d images)", name, (int)l->n);
    for (int32_t i = 0; i < l->n; i++)
        images[i] = (bl_image_info){.id = i + 1, .file = l->path[i] + skip};
    const bl_dataset parts = {
        .name = name, .source = source, .image_dir = dir, .images = images, .n_images = l->n};
    bl_status status = bl_dataset_build(&parts, out);
    free(images);
    return status;
}

static bl_status read_folder(const char *path, bl_dataset **out) {
    bl_file_list files = {0};
    bl_status status = bl_file_list_images(&path, 1, &files);
    /* Names below the folder: every path begins with "<path>/". */
    size_t n = strlen(path);
    if (n && path[n - 1] != '/') n++;
    if (status == BL_OK) status = build(path, BL_SOURCE_FOLDER, path, &files, n, out);
    bl_file_list_free(&files);
    return status;
}

/* A line is a name, spaces and all, but for those around it. */
static bl_status split_lines(const char *path, char *text, size_t size, bl_file_list *out) {
    char *line = text, *end;
    if (memchr(text, 0, size))
        return bl_fail(BL_EFORMAT,
                       "%s: is not a text file; expected a folder of images, a list of image "
                       "files (one a line) or a COCO file",
                       path);
    if (strncmp(line, "\xEF\xBB\xBF", 3) == 0) line += 3;
    while ((end = strsep(&line, "\n"))) {
        end += strspn(end, " \t\r");
        size_t n = strlen(end);
        while (n && strchr(" \t\r", end[n - 1])) end[--n] = 0;
        if (n) BL_TRY(bl_file_list_add(out, strdup(end)));
    }
    if (out->n == 0) return bl_fail(BL_EFORMAT, "%s: does not name any image", path);
    return BL_OK;
}

/* Lists are written relative to the images' folder or to their own. */
static bl_status choose_folder(const char *path, const char *image_dir, const char *first,
                               char **dir) {
    char *in_images = bl_image_find(image_dir, first), *own = bl_path_dir(path);
    char *beside = own ? bl_image_find(own, first) : NULL;
    bl_status status = BL_OK;
    if (!in_images || !beside) {
        status = bl_no_memory("for %s", path);
    } else if (!bl_exists(in_images) && bl_exists(beside)) {
        *dir = own;
        own = NULL;
    } else {
        *dir = strdup(image_dir);
        if (!*dir) status = bl_no_memory("for %s", path);
    }
    free(in_images);
    free(beside);
    free(own);
    return status;
}

static bl_status read_list(const char *path, const char *image_dir, bl_dataset **out) {
    bl_file_list files = {0};
    char *text, *dir = NULL;
    size_t size;
    BL_TRY(bl_read_file(path, MAX_LIST, &text, &size));
    bl_status status = split_lines(path, text, size, &files);
    if (status == BL_OK) status = choose_folder(path, image_dir, files.path[0], &dir);
    if (status == BL_OK) status = build(path, BL_SOURCE_LIST, dir, &files, 0, out);
    bl_file_list_free(&files);
    free(text);
    free(dir);
    return status;
}

bl_status bl_images_read(const char *path, const char *image_dir, bl_dataset **out) {
    *out = NULL;
    return bl_is_dir(path) ? read_folder(path, out) : read_list(path, image_dir, out);
}
