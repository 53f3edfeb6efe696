/* Opening a configuration's data sets, with the checks that must pass before hours of training. */
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/log.h"
#include "train/train.h"

static bl_status open_coco(const bl_data_config *c, const char *file, bool test,
                           bl_read_options *opt, bl_dataset **out) {
    char *path = bl_path_join(c->root, file);
    const char *dir = test && *c->test_image_dir ? c->test_image_dir : c->image_dir;
    char *images = *dir ? bl_path_join(c->root, dir) : strdup(*c->root ? c->root : ".");
    bl_status status = BL_OK;
    if (!path || !images)
        status = bl_fail(BL_ENOMEM, "out of memory opening %s", file);
    else
        status = bl_coco_read(path, images, opt, out);
    free(path);
    free(images);
    if (status != BL_OK || c->classes.n == 0) return status;

    bl_dataset *d = *out;
    bool same = d->n_categories == c->classes.n;
    for (int32_t i = 0; same && i < c->classes.n; i++)
        same = strcmp(d->categories[i].name, c->classes.v[i]) == 0;
    if (same) return BL_OK;
    status = bl_fail(BL_ECONFIG,
                     "data.classes: the %d names given differ from the %d categories of %s; leave "
                     "data.classes empty to take the file's",
                     (int)c->classes.n, (int)d->n_categories, d->name);
    bl_dataset_free(d);
    *out = NULL;
    return status;
}

static bl_status open_one(const bl_data_config *c, const char *file, bool test, int64_t *skipped,
                          bl_dataset **out) {
    *out = NULL;
    if (!*file) return BL_OK;
    bl_read_options opt = {.skip_bad = c->skip_bad};
    if (c->format == 0) {
        BL_TRY(open_coco(c, file, test, &opt, out));
    } else {
        BL_TRY(bl_voc_read(*c->root ? c->root : ".", file, c->classes.v, c->classes.n,
                           c->voc_one_based, &opt, out));
    }
    *skipped += opt.n_skipped;
    if (opt.n_skipped)
        BL_WARN("%s: skipped %lld damaged entries", (*out)->name, (long long)opt.n_skipped);
    return BL_OK;
}

static bl_status drop_empty_images(bl_dataset **d) {
    int32_t *keep = malloc(sizeof *keep * (size_t)((*d)->n_images + 1)), n = 0;
    if (!keep) return bl_fail(BL_ENOMEM, "out of memory");
    for (int32_t i = 0; i < (*d)->n_images; i++)
        if ((*d)->images[i].n_anns > 0) keep[n++] = i;
    bl_status status = BL_OK;
    if (n == 0) {
        status = bl_fail(BL_EFORMAT, "%s: none of its %d images has a box, nothing to train on",
                         (*d)->name, (int)(*d)->n_images);
    } else if (n < (*d)->n_images) {
        bl_dataset *sub;
        BL_INFO("%s: %d images without boxes left out", (*d)->name, (int)((*d)->n_images - n));
        status = bl_dataset_subset(*d, keep, n, &sub);
        if (status == BL_OK) {
            bl_dataset_free(*d);
            *d = sub;
        }
    }
    free(keep);
    return status;
}

/* Class indices must mean the same thing in every file; an unlabelled file may come without
 * categories. */
static bl_status same_classes(const bl_dataset *a, const bl_dataset *b) {
    if (!a || !b || b->n_categories == 0) return BL_OK;
    if (a->n_categories != b->n_categories)
        return bl_fail(BL_EFORMAT, "%s has %d categories but %s has %d; class lists must be equal",
                       a->name, (int)a->n_categories, b->name, (int)b->n_categories);
    for (int32_t i = 0; i < a->n_categories; i++)
        if (a->categories[i].id != b->categories[i].id ||
            strcmp(a->categories[i].name, b->categories[i].name) != 0)
            return bl_fail(BL_EFORMAT, "category %d is %lld \"%s\" in %s but %lld \"%s\" in %s",
                           (int)i, (long long)a->categories[i].id, a->categories[i].name, a->name,
                           (long long)b->categories[i].id, b->categories[i].name, b->name);
    return BL_OK;
}

bl_status bl_run_data_open(const bl_data_config *cfg, bool need_labelled, bl_run_data *out) {
    *out = (bl_run_data){0};
    if (need_labelled && !*cfg->labelled)
        return bl_fail(BL_ECONFIG,
                       "data.labelled is not set: name the annotation file of the labelled images");
    bl_status status;
    if (need_labelled) {
        BL_TRY_DONE(open_one(cfg, cfg->labelled, false, &out->n_skipped, &out->labelled));
        if (cfg->drop_empty) BL_TRY_DONE(drop_empty_images(&out->labelled));
        BL_TRY_DONE(open_one(cfg, cfg->unlabelled, false, &out->n_skipped, &out->unlabelled));
        BL_TRY_DONE(same_classes(out->labelled, out->unlabelled));
        if (out->labelled->n_categories == 0) {
            status = bl_fail(BL_EFORMAT, "%s: no categories", out->labelled->name);
            goto done;
        }
    }
    BL_TRY_DONE(open_one(cfg, cfg->test, true, &out->n_skipped, &out->test));
    BL_TRY_DONE(same_classes(out->labelled, out->test));
done:
    if (status != BL_OK) bl_run_data_close(out);
    return status;
}

void bl_run_data_close(bl_run_data *d) {
    bl_dataset_free(d->labelled);
    bl_dataset_free(d->unlabelled);
    bl_dataset_free(d->test);
    *d = (bl_run_data){0};
}
