/* Opening a configuration's data sets, with the checks that must pass before hours of training. */
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/log.h"
#include "datasets/annotations/match.h"
#include "datasets/annotations/measure.h"
#include "datasets/splits/holdout.h"
#include "train/detection/run_data.h"
#include "train/unlabelled.h"

static const char *const set_names[BL_RUN_SETS] = {"labelled", "unlabelled", "validation", "test"};

const char *bl_run_set_name(bl_run_set set) {
    return set_names[set];
}

const char *bl_run_set_file(const bl_data_config *c, bl_run_set set) {
    const char *const files[BL_RUN_SETS] = {c->labelled, c->unlabelled, c->validation, c->test};
    return files[set];
}

/* Which key says where a set's images are, and what it says. */
static const char *dir_key(const bl_data_config *c, bl_run_set set, const char **dir) {
    static const char *const keys[BL_RUN_SETS] = {"data.image_dir", "data.unlabelled_image_dir",
                                                  "data.validation_image_dir",
                                                  "data.test_image_dir"};
    const char *const own[BL_RUN_SETS] = {c->image_dir, c->unlabelled_image_dir,
                                          c->validation_image_dir, c->test_image_dir};
    bool is_own = set == BL_RUN_LABELLED || *own[set];
    *dir = is_own ? own[set] : c->image_dir;
    return is_own ? keys[set] : keys[BL_RUN_LABELLED];
}

/* Where the images are (malloc'd): NULL for the folder of a VOC root. */
static bl_status image_folder(const bl_data_config *c, bl_run_set set, char **out) {
    const char *dir;
    dir_key(c, set, &dir);
    *out = NULL;
    if (!*dir && c->format == BL_DATA_VOC) return BL_OK;
    *out = *dir ? bl_path_join(c->root, dir) : strdup(*c->root ? c->root : ".");
    return *out ? BL_OK : bl_no_memory("for the images' folder");
}

static bl_status check_classes(const bl_data_config *c, const bl_dataset *d) {
    bool same = d->n_categories == c->classes.n;
    for (int32_t i = 0; same && i < c->classes.n; i++)
        same = strcmp(d->categories[i].name, c->classes.v[i]) == 0;
    if (same || c->classes.n == 0 || c->format == BL_DATA_VOC) return BL_OK;
    return bl_fail(BL_ECONFIG,
                   "data.classes: the %d names given differ from the %d categories of %s; leave "
                   "data.classes empty to take the file's",
                   (int)c->classes.n, (int)d->n_categories, d->name);
}

static bl_status read_annotated(const bl_data_config *c, const char *file, const char *images,
                                bl_read_options *opt, bl_dataset **out) {
    if (c->format == BL_DATA_VOC)
        return bl_voc_read(*c->root ? c->root : ".", file, c->classes.v, c->classes.n,
                           c->voc_one_based, opt, out);
    char *path = bl_path_join(c->root, file);
    if (!path) return bl_no_memory("to open %s", file);
    bl_status status = bl_coco_read(path, images, opt, out);
    free(path);
    return status;
}

static bl_status read_set(const bl_data_config *c, bl_run_set set, bl_read_options *opt,
                          bl_dataset **out) {
    char *images;
    BL_TRY(image_folder(c, set, &images));
    opt->image_dir = images;
    bl_status status = set == BL_RUN_UNLABELLED
                           ? bl_unlabelled_open(c, images, opt, out)
                           : read_annotated(c, bl_run_set_file(c, set), images, opt, out);
    free(images);
    return status;
}

static bl_status drop_root(bl_dataset **d) {
    char *root;
    BL_TRY(bl_dataset_drop_root(d, &root));
    if (root)
        BL_INFO("%s: left out the category \"%s\" (id 0): it has no boxes and is the others' "
                "supercategory",
                (*d)->name, root);
    free(root);
    return BL_OK;
}

static bl_status measure(const bl_data_config *c, bl_run_set set, bl_dataset **d) {
    const char *dir;
    bl_measure how = {
        .skip_bad = c->skip_bad, .ignore_exif = !c->exif, .dir_key = dir_key(c, set, &dir)};
    if ((*d)->source == BL_SOURCE_FOLDER) how.dir_key = "data.unlabelled";
    BL_TRY(bl_dataset_measure(d, &how));
    if (how.n_corrected)
        BL_INFO("%s: %lld images have another size than their XML files say; the images' counts",
                (*d)->name, (long long)how.n_corrected);
    if (how.n_turned)
        BL_INFO("%s: the boxes of %lld images are of the stored pixels: turned with the images, as "
                "EXIF's orientation says",
                (*d)->name, (long long)how.n_turned);
    if (how.n_left_out)
        BL_WARN("%s: skipped %lld images that cannot be read", (*d)->name,
                (long long)how.n_left_out);
    return BL_OK;
}

static bl_status drop_empty_images(bl_dataset **d) {
    int32_t *keep = malloc(sizeof *keep * (size_t)((*d)->n_images + 1)), n = 0;
    if (!keep) return bl_no_memory(NULL);
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

bl_status bl_run_set_open(const bl_data_config *c, bl_run_set set, int64_t *skipped,
                          bl_dataset **out) {
    bl_read_options opt = {.skip_bad = c->skip_bad, .sizes_later = true};
    bl_dataset *d = NULL;
    bl_status status;
    *out = NULL;
    BL_TRY(read_set(c, set, &opt, &d));
    BL_TRY_DONE(drop_root(&d));
    if (set != BL_RUN_UNLABELLED) BL_TRY_DONE(check_classes(c, d));
    if (set == BL_RUN_LABELLED && c->drop_empty) BL_TRY_DONE(drop_empty_images(&d));
    if (set == BL_RUN_LABELLED && d->n_categories == 0)
        BL_TRY_DONE(bl_fail(BL_EFORMAT, "%s: no categories", d->name));
    BL_TRY_DONE(measure(c, set, &d));
    d->role = set_names[set];
    if (opt.n_from_zero)
        BL_WARN("%s: %lld objects have a corner at pixel 0, but Pascal VOC counts from 1: these "
                "corners count from 0, so set data.voc_one_based=false",
                d->name, (long long)opt.n_from_zero);
    *skipped += opt.n_skipped;
    if (opt.n_skipped)
        BL_WARN("%s: skipped %lld damaged entries", d->name, (long long)opt.n_skipped);
done:
    if (status == BL_OK)
        *out = d;
    else
        bl_dataset_free(d);
    return status;
}

static void report_match(const bl_dataset *d, const bl_dataset *like, const bl_match *m) {
    if (m->n_moved)
        BL_INFO("%s: categories matched by name with %s: %s", d->name, like->name, m->moved);
    if (m->n_loose)
        BL_WARN("%s: categories matched with %s but for case or spaces: %s", d->name, like->name,
                m->loose);
    if (m->n_absent)
        BL_WARN("%s: has no category %s; nothing is measured for %s here", d->name, m->absent,
                m->n_absent == 1 ? "it" : "them");
    if (m->n_extra)
        BL_INFO("%s: left out %d categories that %s does not have, with %lld boxes: %s", d->name,
                m->n_extra, like->name, (long long)m->n_boxes, m->extra);
}

bl_status bl_run_set_match(bl_dataset **d, bl_run_set set, const bl_dataset *like) {
    bl_match m;
    if (!*d || !like) return BL_OK;
    /* Most unlabelled images come without categories: nothing to say. */
    if (set == BL_RUN_UNLABELLED && (*d)->n_categories == 0) return BL_OK;
    BL_TRY(bl_dataset_match(d, like, set == BL_RUN_UNLABELLED, &m));
    if (set == BL_RUN_UNLABELLED) m.n_absent = 0;
    report_match(*d, like, &m);
    return BL_OK;
}

bl_status bl_run_data_join(bl_run_data *data) {
    BL_TRY(bl_unlabelled_without(&data->unlabelled, data->labelled, "labelled"));
    BL_TRY(bl_unlabelled_without(&data->unlabelled, data->validation, "validation"));
    BL_TRY(bl_unlabelled_without(&data->unlabelled, data->test, "test"));
    BL_TRY(bl_run_set_match(&data->unlabelled, BL_RUN_UNLABELLED, data->labelled));
    BL_TRY(bl_run_set_match(&data->validation, BL_RUN_VALIDATION, data->labelled));
    return bl_run_set_match(&data->test, BL_RUN_TEST, data->labelled);
}

bl_status bl_run_hold_out(const bl_data_config *c, bl_run_data *data) {
    if (!(c->validation_share > 0) || !data->labelled) return BL_OK;
    if (*c->validation)
        return bl_fail(BL_ECONFIG, "data.validation names the validation images already: set "
                                   "data.validation_share=0, or leave data.validation empty");
    BL_TRY(bl_dataset_hold_out(&data->labelled, c->validation_share, &data->validation));
    data->validation->role = set_names[BL_RUN_VALIDATION];
    BL_INFO("%d labelled images set aside for validation, %d left to train on",
            (int)data->validation->n_images, (int)data->labelled->n_images);
    return BL_OK;
}

bl_status bl_run_data_open(const bl_data_config *cfg, bool need_labelled, bl_run_data *out) {
    *out = (bl_run_data){0};
    if (need_labelled && !*cfg->labelled)
        return bl_fail(BL_ECONFIG,
                       "data.labelled is not set: name the annotation file of the labelled images");
    bl_dataset **const to[BL_RUN_SETS] = {&out->labelled, &out->unlabelled, &out->validation,
                                          &out->test};
    bl_status status = BL_OK;
    for (int set = need_labelled ? 0 : BL_RUN_TEST; set < BL_RUN_SETS; set++)
        if (*bl_run_set_file(cfg, (bl_run_set)set))
            BL_TRY_DONE(bl_run_set_open(cfg, (bl_run_set)set, &out->n_skipped, to[set]));
    BL_TRY_DONE(bl_run_hold_out(cfg, out));
    BL_TRY_DONE(bl_run_data_join(out));
done:
    if (status != BL_OK) bl_run_data_close(out);
    return status;
}

void bl_run_data_close(bl_run_data *d) {
    bl_dataset_free(d->labelled);
    bl_dataset_free(d->unlabelled);
    bl_dataset_free(d->validation);
    bl_dataset_free(d->test);
    *d = (bl_run_data){0};
}
