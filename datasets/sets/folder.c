/* Image sets as folders: one sub-folder a class. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/fs.h"
#include "datasets/images/file_list.h"
#include "datasets/images/image.h"
#include "datasets/images/pil_resize.h"
#include "datasets/sets/readers.h"

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* What file managers and archivers leave behind. */
static bool litter(const char *path) {
    static const char *const names[] = {"Thumbs.db", "ehthumbs.db", "desktop.ini", "__MACOSX",
                                        "@eaDir"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(last_part(path), names[i]) == 0) return true;
    return false;
}

static void drop_litter(bl_file_list *l) {
    int32_t kept = 0;
    for (int32_t i = 0; i < l->n; i++) {
        if (litter(l->path[i]))
            free(l->path[i]);
        else
            l->path[kept++] = l->path[i];
    }
    l->n = kept;
}

static bl_status list_folder(const char *dir, bl_file_list *folders, bl_file_list *files) {
    BL_TRY(bl_file_list_folder(dir, folders, files));
    drop_litter(folders);
    drop_litter(files);
    return BL_OK;
}

/* The files of a class go to the end of `files`; sub-folders of it are an error. */
static bl_status add_class(const char *dir, bl_file_list *files, int32_t *n) {
    bl_file_list folders = {0}, own = {0};
    bl_status status = list_folder(dir, &folders, &own);
    if (status == BL_OK && folders.n > 0)
        status =
            bl_fail(BL_EFORMAT, "%s: a class folder holds images, not folders", folders.path[0]);
    for (int32_t i = 0; i < own.n && status == BL_OK; i++) {
        status = bl_file_list_add(files, own.path[i]);
        own.path[i] = NULL;
    }
    *n = own.n;
    bl_file_list_free(&folders);
    bl_file_list_free(&own);
    return status;
}

static bl_status load(const char *path, bool exif, bl_pil_resizer *r, int32_t side, uint8_t *dst) {
    bl_image img;
    BL_TRY(bl_image_load(path, exif, &img));
    bl_status status = bl_pil_resize(r, img.rgb, 3 * (size_t)img.width, img.width, img.height,
                                     BL_PIL_BILINEAR, dst, side, side);
    bl_image_free(&img);
    return status;
}

/* Images that cannot be read fail, or are left out and counted. */
static bl_status load_all(const bl_file_list *files, bool exif, int64_t *n_skipped,
                          bl_classify_set *s) {
    bl_pil_resizer r = {0};
    bl_status status = BL_OK;
    int32_t kept = 0;
    for (int32_t i = 0; i < s->n && status == BL_OK; i++) {
        status = load(files->path[i], exif, &r, s->width, bl_classify_image(s, kept));
        s->labels[kept] = s->labels[i];
        kept += status == BL_OK;
        if (status == BL_OK || status == BL_ENOMEM || !n_skipped) continue;
        ++*n_skipped;
        status = BL_OK;
    }
    bl_pil_resizer_free(&r);
    BL_TRY(status);
    if (kept == 0)
        return bl_fail(BL_EFORMAT, "%s: none of its %d images can be read", s->name, s->n);
    s->n = kept;
    return BL_OK;
}

static bl_status build(const char *dir, const bl_file_list *classes, const int32_t *counts,
                       const bl_file_list *files, int32_t side, bool exif, int64_t *n_skipped,
                       bl_classify_set **out) {
    bl_classify_set *s;
    if (files->n == 0) return bl_fail(BL_EFORMAT, "%s: no image in the folder", dir);
    BL_TRY(bl_classify_set_create(dir, files->n, side, side, classes->n > 0 ? classes->n : 1, &s));
    bl_status status = BL_OK;
    if (classes->n > 0) {
        int32_t at = 0;
        for (int32_t c = 0; c < classes->n; c++) {
            for (int32_t k = 0; k < counts[c]; k++) s->labels[at++] = c;
            char *name = strdup(last_part(classes->path[c]));
            if (!name) status = bl_no_memory("for %s", dir);
            if (!name) break;
            free(s->class_names[c]);
            s->class_names[c] = name;
        }
    }
    if (status == BL_OK) status = load_all(files, exif, n_skipped, s);
    if (status != BL_OK) {
        bl_classify_set_free(s);
        return status;
    }
    bl_classify_set_measure(s);
    *out = s;
    return BL_OK;
}

bl_status bl_classify_folder_read(const char *dir, int32_t size, bool exif, int64_t *n_skipped,
                                  bl_classify_set **out) {
    bl_file_list classes = {0}, files = {0};
    int32_t *counts = NULL;
    bl_status status;
    BL_TRY_DONE(list_folder(dir, &classes, &files));
    if (classes.n > 0 && files.n > 0) {
        status = bl_fail(BL_EFORMAT,
                         "%s: lies beside class folders; put every image into the folder of its "
                         "class",
                         files.path[0]);
        goto done;
    }
    counts = calloc((size_t)classes.n + 1, sizeof *counts);
    if (!counts) status = bl_no_memory("for %s", dir);
    for (int32_t c = 0; c < classes.n && status == BL_OK; c++)
        status = add_class(classes.path[c], &files, &counts[c]);
    if (status == BL_OK) status = build(dir, &classes, counts, &files, size, exif, n_skipped, out);
done:
    bl_file_list_free(&classes);
    bl_file_list_free(&files);
    free(counts);
    return status;
}
