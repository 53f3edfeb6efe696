#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/parallel.h"
#include "core/strmap.h"
#include "datasets/checks/validate_checks.h"
#include "datasets/images/image.h"

static const bl_check missing = {"missing-file", "images whose file does not exist",
                                 "check the image folder, or remove the entries",
                                 BL_SEVERITY_ERROR};
static const bl_check unreadable = {"broken-file", "images that cannot be read",
                                    "fetch them again, remove them, or train with skip_bad",
                                    BL_SEVERITY_ERROR};
static const bl_check size_differs = {
    "size-mismatch", "images whose size differs from the annotations",
    "boxes would be placed wrongly: correct the annotations or fetch the right images",
    BL_SEVERITY_ERROR};
static const bl_check same_content = {"duplicate-content", "images with the content of another one",
                                      "each counts twice in training: keep one",
                                      BL_SEVERITY_WARNING};

typedef struct job {
    const bl_validate_config *cfg;
    const bl_dataset *d;
    bl_file_result *results;
} job;

static bl_status open_image(const bl_validate_config *cfg, const char *path, bool exif,
                            bl_file_result *r) {
    if (cfg->decode) {
        bl_image img;
        BL_TRY(bl_image_load(path, exif, &img));
        r->width = img.width;
        r->height = img.height;
        bl_image_free(&img);
    } else {
        BL_TRY(bl_image_size(path, exif, &r->width, &r->height));
    }
    return cfg->checksums ? bl_sha256_file(path, r->sha256) : BL_OK;
}

static void check_range(void *arg, int64_t begin, int64_t end) {
    const job *j = arg;
    for (int64_t i = begin; i < end; i++) {
        bl_file_result *r = &j->results[i];
        char *path = bl_dataset_path(j->d, (int32_t)i);
        r->status = BL_ENOMEM;
        if (path) {
            r->missing = !bl_exists(path);
            r->status = r->missing ? BL_EIO : open_image(j->cfg, path, !j->d->ignore_exif, r);
        }
        /* The message belongs to this thread: keep it for the report. */
        if (r->status != BL_OK) r->message = strdup(r->missing && path ? path : bl_error());
        free(path);
    }
}

void bl_validate_files(bl_findings *f, const bl_validate_config *cfg, const bl_dataset *d,
                       const char *label, bl_file_result *results) {
    job j = {cfg, d, results};
    bl_parallel_for(d->n_images, 4, check_range, &j);
    bl_strmap *contents = bl_strmap_create(f->arena);
    if (!contents) {
        f->status = BL_ENOMEM;
        return;
    }
    for (int32_t i = 0; i < d->n_images; i++) {
        const bl_image_info *im = &d->images[i];
        const bl_file_result *r = &results[i];
        if (r->status == BL_ENOMEM || (r->status != BL_OK && !r->message)) {
            f->status = bl_no_memory("to check %s", im->file);
            return;
        }
        if (r->status != BL_OK) {
            bl_findings_add(f, r->missing ? &missing : &unreadable, label, "%s", r->message);
            continue;
        }
        if (r->width != im->width || r->height != im->height)
            bl_findings_add(f, &size_differs, label, "%s is %dx%d, annotated as %dx%d%s", im->file,
                            r->width, r->height, im->width, im->height,
                            r->width == im->height && r->height == im->width
                                ? " (width and height exchanged)"
                                : "");
        if (!*r->sha256) continue;
        int64_t first = bl_strmap_add(contents, 0, r->sha256, i);
        if (first >= 0 && first != i && strcmp(d->images[first].file, im->file) != 0)
            bl_findings_add(f, &same_content, label, "%s and %s", d->images[first].file, im->file);
    }
}
