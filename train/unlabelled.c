#include "train/unlabelled.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fs.h"
#include "core/log.h"

/* JSON begins with a bracket; a list of files does not. */
static bl_status begins_like_json(const char *path, bool *json) {
    BL_TRY(bl_check_regular(path));
    FILE *f = fopen(path, "rbe");
    if (!f) return bl_fail(BL_EIO, "%s: cannot open", path);
    int c = getc(f);
    while (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0xEF || c == 0xBB || c == 0xBF)
        c = getc(f);
    *json = c == '{' || c == '[';
    fclose(f);
    return BL_OK;
}

static bool is_voc_list(const bl_data_config *c) {
    char name[4096];
    int n = snprintf(name, sizeof name, "%s/ImageSets/Main/%s.txt", *c->root ? c->root : ".",
                     c->unlabelled);
    return c->format == BL_DATA_VOC && n < (int)sizeof name && bl_exists(name);
}

static bl_status open_path(const bl_data_config *c, const char *path, const char *images,
                           bl_read_options *opt, bl_dataset **out) {
    bool json = false;
    if (bl_is_dir(path)) {
        if (*c->unlabelled_image_dir)
            return bl_fail(BL_ECONFIG,
                           "data.unlabelled_image_dir is for lists and annotation files, but "
                           "data.unlabelled is a folder of images itself (%s); leave one of them "
                           "empty",
                           path);
        return bl_images_read(path, NULL, out);
    }
    if (!bl_exists(path))
        return bl_fail(BL_ECONFIG,
                       "data.unlabelled: there is no %s; it may be a folder of images, a list of "
                       "image files, a COCO file%s",
                       path,
                       c->format == BL_DATA_VOC ? " or the name of a list in ImageSets/Main" : "");
    BL_TRY(begins_like_json(path, &json));
    if (!images) images = *c->root ? c->root : ".";
    return json ? bl_coco_read(path, images, opt, out) : bl_images_read(path, images, out);
}

bl_status bl_unlabelled_open(const bl_data_config *c, const char *images, bl_read_options *opt,
                             bl_dataset **out) {
    opt->images_only = true;
    if (is_voc_list(c))
        return bl_voc_read(*c->root ? c->root : ".", c->unlabelled, c->classes.v, c->classes.n,
                           c->voc_one_based, opt, out);
    char *path = bl_path_join(c->root, c->unlabelled);
    bl_status status =
        path ? open_path(c, path, images, opt, out) : bl_no_memory("for data.unlabelled");
    free(path);
    return status;
}

/* A file under whatever name, links followed. */
typedef struct identity {
    dev_t device;
    ino_t inode;
} identity;

static int by_identity(const void *pa, const void *pb) {
    const identity *a = pa, *b = pb;
    if (a->device != b->device) return a->device < b->device ? -1 : 1;
    return (a->inode > b->inode) - (a->inode < b->inode);
}

static bool identify(const bl_dataset *d, int32_t i, identity *out) {
    struct stat st;
    char *path = bl_dataset_path(d, i);
    bool found = path && stat(path, &st) == 0;
    if (found) *out = (identity){st.st_dev, st.st_ino};
    free(path);
    return found;
}

bl_status bl_unlabelled_without(bl_dataset **d, const bl_dataset *other, const char *what) {
    if (!*d || !other || (*d)->source != BL_SOURCE_FOLDER) return BL_OK;
    identity *taken = malloc(sizeof *taken * ((size_t)other->n_images + 1)), id;
    int32_t *keep = malloc(sizeof *keep * ((size_t)(*d)->n_images + 1)), n = 0, n_taken = 0;
    bl_status status = BL_OK;
    bl_dataset *rest;
    if (!taken || !keep) BL_TRY_DONE(bl_no_memory("for %s", (*d)->name));
    for (int32_t i = 0; i < other->n_images; i++) n_taken += identify(other, i, &taken[n_taken]);
    qsort(taken, (size_t)n_taken, sizeof *taken, by_identity);
    for (int32_t i = 0; i < (*d)->n_images; i++)
        if (!identify(*d, i, &id) ||
            !bsearch(&id, taken, (size_t)n_taken, sizeof *taken, by_identity))
            keep[n++] = i;
    if (n == (*d)->n_images) goto done;
    BL_INFO("%s: left out %d of its %d images, which are in the %s set", (*d)->name,
            (int)((*d)->n_images - n), (int)(*d)->n_images, what);
    if (n == 0)
        BL_TRY_DONE(bl_fail(BL_EFORMAT, "data.unlabelled: all images of %s are in the %s set",
                            (*d)->name, what));
    BL_TRY_DONE(bl_dataset_subset(*d, keep, n, &rest));
    bl_dataset_free(*d);
    *d = rest;
done:
    free(taken);
    free(keep);
    return status;
}
