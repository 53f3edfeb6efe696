#include "datasets/images/file_list.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "datasets/images/image_path.h"

void bl_file_list_free(bl_file_list *l) {
    for (int32_t i = 0; i < l->n; i++) free(l->path[i]);
    free(l->path);
    *l = (bl_file_list){0};
}

bl_status bl_file_list_add(bl_file_list *l, char *path) {
    if (path && l->n == l->room) {
        int32_t room = l->room ? 2 * l->room : 256;
        char **grown = realloc(l->path, (size_t)room * sizeof *grown);
        if (grown) {
            l->path = grown;
            l->room = room;
        }
    }
    if (!path || l->n == l->room) {
        free(path);
        return bl_no_memory("for a list of %d files", (int)l->n);
    }
    l->path[l->n++] = path;
    return BL_OK;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bl_status bl_file_list_folder(const char *dir, bl_file_list *folders, bl_file_list *files) {
    bl_file_list *both[2] = {folders, files};
    const int32_t before[2] = {folders->n, files->n};
    DIR *d = opendir(dir);
    if (!d) return bl_fail(BL_EIO, "%s: cannot list the folder", dir);
    bl_status status = BL_OK;
    for (struct dirent *e; status == BL_OK && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        char *path = bl_path_join(dir, e->d_name);
        status = bl_file_list_add(path && bl_is_dir(path) ? folders : files, path);
    }
    closedir(d);
    for (int k = 0; k < 2; k++)
        if (both[k]->n > before[k])
            qsort(both[k]->path + before[k], (size_t)(both[k]->n - before[k]), sizeof(char *),
                  by_bytes);
    return status;
}

static bl_status add_folder(const char *dir, int depth, bl_file_list *out) {
    enum { DEEPEST = 32 }; /* a link may lead back up */
    bl_file_list folders = {0}, files = {0};
    bl_status status = bl_file_list_folder(dir, &folders, &files);
    if (status == BL_OK && folders.n > 0 && depth == DEEPEST)
        status = bl_fail(BL_EFORMAT, "%s: folders nested too deeply", dir);
    for (int32_t i = 0; i < files.n && status == BL_OK; i++) {
        if (!bl_image_ending(files.path[i])) continue;
        status = bl_file_list_add(out, files.path[i]);
        files.path[i] = NULL;
    }
    for (int32_t i = 0; i < folders.n && status == BL_OK; i++)
        status = add_folder(folders.path[i], depth + 1, out);
    bl_file_list_free(&folders);
    bl_file_list_free(&files);
    return status;
}

bl_status bl_file_list_images(const char *const *words, int n, bl_file_list *out) {
    for (int i = 0; i < n; i++) {
        if (!bl_is_dir(words[i])) {
            BL_TRY(bl_file_list_add(out, strdup(words[i])));
            continue;
        }
        int32_t before = out->n;
        BL_TRY(add_folder(words[i], 1, out));
        if (out->n == before)
            return bl_fail(BL_EFORMAT, "%s: no %s file in the folder", words[i], bl_image_endings);
    }
    return BL_OK;
}
