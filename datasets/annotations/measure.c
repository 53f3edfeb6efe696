#include "datasets/annotations/measure.h"

#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/parallel.h"
#include "datasets/annotations/frame.h"
#include "datasets/images/orientation.h"

typedef struct header {
    bl_image_header file;
    bl_status status;
    bool missing;
} header;

typedef struct job {
    const bl_dataset *d;
    header *headers;
} job;

static void open_range(void *arg, int64_t begin, int64_t end) {
    const job *j = arg;
    for (int64_t i = begin; i < end; i++) {
        header *h = &j->headers[i];
        char *path = bl_dataset_path(j->d, (int32_t)i);
        h->missing = path && !bl_exists(path);
        h->status = path ? bl_image_read_header(path, &h->file) : BL_ENOMEM;
        free(path);
    }
}

/* Again, on this thread, for its message. */
static bl_status fail_unreadable(const bl_dataset *d, const bl_measure *how, int32_t first,
                                 int32_t bad, int32_t missing) {
    bl_image_header h;
    char *path = bl_dataset_path(d, first);
    bl_status status = BL_OK;
    if (!path) {
        status = bl_no_memory("for %s", d->name);
    } else if (missing == d->n_images && !bl_is_dir(d->image_dir)) {
        status = bl_fail(BL_ECONFIG, "%s: %s does not exist; the images of %s are looked for there",
                         how->dir_key, d->image_dir, d->name);
    } else if (missing == d->n_images) {
        status =
            bl_fail(BL_ECONFIG, "%s: none of the %d images of %s is in %s; the first would be %s",
                    how->dir_key, (int)d->n_images, d->name, d->image_dir, path);
    } else {
        status = bl_image_read_header(path, &h);
        if (status == BL_OK) status = bl_fail(BL_EIO, "%s changes while it is read", path);
        char *why = strdup(bl_error()); /* the message is rewritten from itself */
        status = bl_fail(status,
                         "%s (%d of the %d images of %s cannot be read; --skip-bad goes on without "
                         "them)",
                         why ? why : path, (int)bad, (int)d->n_images, d->name);
        free(why);
    }
    free(path);
    return status;
}

static bl_status check_readable(const bl_dataset *d, const bl_measure *how, const header *headers) {
    int32_t first = -1, bad = 0, missing = 0;
    for (int32_t i = 0; i < d->n_images; i++) {
        if (headers[i].status == BL_OK) continue;
        if (headers[i].status == BL_ENOMEM)
            return bl_no_memory("for %s (to open %s)", d->name, d->images[i].file);
        if (first < 0) first = i;
        bad++;
        missing += headers[i].missing;
    }
    bool none = d->n_images > 0 && missing == d->n_images;
    return bad && (none || !how->skip_bad) ? fail_unreadable(d, how, first, bad, missing) : BL_OK;
}

#define EXIF_TEXT                                                                                  \
    "%s: image %s is stored as %dx%d with EXIF orientation %d, so it is %dx%d upright; "
#define EXIF_ARGS d->name, im->file, f->width, f->height, f->orientation, f->height, f->width

static bl_status fail_unclear(const bl_dataset *d, const bl_image_info *im,
                              const bl_image_header *f) {
    return bl_fail(BL_EFORMAT,
                   EXIF_TEXT
                   "its annotation says %dx%d and its boxes fit both, so which of the two "
                   "they are of cannot be told: correct the width and height there, or "
                   "set data.exif=false to use images as stored",
                   EXIF_ARGS, im->width, im->height);
}

static bl_status fail_ignored(const bl_dataset *d, const bl_image_info *im,
                              const bl_image_header *f) {
    return bl_fail(BL_EFORMAT,
                   EXIF_TEXT "its annotation says the latter, but data.exif=false uses images as "
                             "stored: set data.exif=true",
                   EXIF_ARGS);
}

static int64_t count_outside(const bl_dataset *d, const bl_image_info *im) {
    int64_t n = 0;
    for (int32_t k = 0; k < im->n_anns; k++) n += bl_ann_outside(&d->anns[im->first_ann + k], im);
    return n;
}

static void set_size(bl_dataset *d, bl_image_info *im, int32_t width, int32_t height) {
    d->n_clipped -= count_outside(d, im);
    im->width = width;
    im->height = height;
    d->n_clipped += count_outside(d, im);
}

static void turn_boxes(bl_dataset *d, bl_image_info *im, const bl_image_header *f) {
    d->n_clipped -= count_outside(d, im);
    for (int32_t k = 0; k < im->n_anns; k++)
        bl_orientation_box(f->orientation, f->width, f->height, &d->anns[im->first_ann + k]);
    d->n_clipped += count_outside(d, im);
    im->turned = true;
}

static bl_status take_size(bl_dataset *d, bl_image_info *im, int32_t width, int32_t height,
                           bl_measure *how) {
    if (im->width == width && im->height == height) return BL_OK;
    bool known = im->width > 0;
    if (known && d->source != BL_SOURCE_VOC)
        return how->skip_bad ? BL_OK : bl_image_size_differs(d, im, width, height);
    how->n_corrected += known;
    set_size(d, im, width, height);
    return BL_OK;
}

/* Of an image whose stored and upright shapes differ. */
static bl_status take_upright(bl_dataset *d, bl_image_info *im, const bl_image_header *f,
                              bl_measure *how) {
    bl_frame frame = bl_orientation_frame(d, im, f);
    if (frame == BL_FRAME_UNCLEAR) return how->skip_bad ? BL_OK : fail_unclear(d, im, f);
    if (im->width == f->width && im->height == f->height)
        set_size(d, im, f->height, f->width);
    else
        BL_TRY(take_size(d, im, f->height, f->width, how));
    bool passed_over = im->width != f->height || im->height != f->width;
    if (frame == BL_FRAME_UPRIGHT || passed_over) return BL_OK;
    turn_boxes(d, im, f);
    how->n_turned++;
    return BL_OK;
}

static bl_status take_header(bl_dataset *d, bl_image_info *im, const bl_image_header *f,
                             bl_measure *how) {
    bool swaps = bl_orientation_swaps(f->orientation) && f->width != f->height;
    if (swaps && !how->ignore_exif) return take_upright(d, im, f, how);
    bool latter = swaps && im->width == f->height && im->height == f->width;
    if (latter && d->source != BL_SOURCE_VOC && !how->skip_bad) return fail_ignored(d, im, f);
    return take_size(d, im, f->width, f->height, how);
}

static bl_status leave_out(bl_dataset **d, bl_measure *how) {
    int32_t *keep = malloc(sizeof *keep * ((size_t)(*d)->n_images + 1)), n = 0;
    bl_dataset *rest;
    if (!keep) return bl_no_memory("for %s", (*d)->name);
    for (int32_t i = 0; i < (*d)->n_images; i++)
        if ((*d)->images[i].width > 0) keep[n++] = i;
    how->n_left_out = (*d)->n_images - n;
    bl_status status = how->n_left_out ? bl_dataset_subset(*d, keep, n, &rest) : BL_OK;
    if (status == BL_OK && how->n_left_out) {
        bl_dataset_free(*d);
        *d = rest;
    }
    free(keep);
    return status;
}

bl_status bl_dataset_measure(bl_dataset **d, bl_measure *how) {
    job j = {*d, calloc((size_t)(*d)->n_images + 1, sizeof(header))};
    if (!j.headers) return bl_no_memory("for %s", (*d)->name);
    (*d)->ignore_exif = how->ignore_exif;
    bl_parallel_for((*d)->n_images, 8, open_range, &j);
    bl_status status = check_readable(*d, how, j.headers);
    for (int32_t i = 0; i < (*d)->n_images && status == BL_OK; i++)
        if (j.headers[i].status == BL_OK)
            status = take_header(*d, &(*d)->images[i], &j.headers[i].file, how);
    free(j.headers);
    return status == BL_OK ? leave_out(d, how) : status;
}
