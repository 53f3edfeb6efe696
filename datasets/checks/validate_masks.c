/* The "segmentation" values of a COCO file. Data sets keep masks only when asked to, and clipped to
 * their image, so the file is streamed once more. */
#include <math.h>
#include <string.h>

#include "core/fs.h"
#include "datasets/annotations/coco_record.h"
#include "datasets/checks/validate_checks.h"

static const bl_check broken = {
    "mask-broken", "masks that cannot be read",
    "detectors do not use them, but evaluating masks stops there: correct or remove them",
    BL_SEVERITY_WARNING};
static const bl_check outside = {
    "mask-outside", "masks whose polygons leave their image",
    "what lies outside is cut off; correct them if they are many or far outside",
    BL_SEVERITY_WARNING};
static const bl_check size = {"mask-size", "masks of another size than their image",
                              "they overlap with no detection: make them again",
                              BL_SEVERITY_WARNING};
static const bl_check empty = {"mask-empty", "masks without a pixel",
                               "no detection can match them: correct or remove them",
                               BL_SEVERITY_WARNING};
static const bl_check area = {
    "mask-area", "areas that are not their mask's, by more than a tenth and 16 square pixels",
    "area decides small, medium and large in evaluation: recompute it, unless a box's is meant",
    BL_SEVERITY_WARNING};

#define AT(member) offsetof(coco_record, member)
enum { AREA_BIT = 1 << 2 };
static const coco_field mask_fields[] = {{"id", ID, false, AT(id)},
                                         {"image_id", ID, false, AT(image_id)},
                                         {"area", REAL, false, AT(area)},
                                         {"segmentation", SEGMENTATION, false, 0},
                                         {0}};

typedef struct scan {
    bl_findings *f;
    const bl_dataset *d;
    const char *label;
    coco_parser p;
    bl_segmentation s;
    bl_id_index images;
} scan;

/* Polygons of four numbers are boxes. */
static bool leaves(const bl_segmentation *s, const bl_image_info *im) {
    if (s->kind != BL_SEGM_POLYGONS) return false;
    bool boxes = s->ends[0] == 4;
    for (int64_t i = 0; i + 1 < s->n_numbers; i += 2) {
        double x = s->numbers[i], y = s->numbers[i + 1];
        if (boxes && i % 4 == 2) {
            x += s->numbers[i - 2];
            y += s->numbers[i - 1];
        }
        if (x < -BL_BOX_SLACK || y < -BL_BOX_SLACK || x > im->width + BL_BOX_SLACK ||
            y > im->height + BL_BOX_SLACK)
            return true;
    }
    return false;
}

static bl_status check_mask(scan *c, const coco_record *rec) {
    bl_segmentation *s = &c->s;
    char id[80];
    int64_t k = bl_id_index_get(&c->images, rec->image_id);
    if (k < 0) return BL_OK; /* the reader has dropped it, and said so */
    bl_image_info in_file = c->d->images[k];
    const bl_image_info *im = &in_file;
    if (im->turned) { /* the file's masks are of the stored pixels */
        in_file.width = c->d->images[k].height;
        in_file.height = c->d->images[k].width;
    }
#define WHERE "annotation id %s in %s"
#define WHERE_ARGS bl_id_show(rec->id, id, sizeof id), im->file
    if (c->p.why[0]) {
        if (strncmp(c->p.why, "\"segmentation\"", 14) == 0) /* else a matter of the reader's */
            bl_findings_add(c->f, &broken, c->label, WHERE ": %s", WHERE_ARGS, c->p.why);
        return BL_OK;
    }
    if (s->kind == BL_SEGM_NONE) return BL_OK;
    if (leaves(s, im))
        bl_findings_add(c->f, &outside, c->label, WHERE " (%dx%d)", WHERE_ARGS, im->width,
                        im->height);
    bl_status status = bl_segmentation_runs(s, im->height, im->width);
    if (status == BL_EFORMAT) {
        bl_findings_add(c->f, &broken, c->label, WHERE ": %s", WHERE_ARGS, bl_error());
        return BL_OK;
    }
    BL_TRY(status);
    const bl_rle *r = &s->runs;
    double pixels = bl_rle_area(r), off = fabs(rec->area - pixels);
    if (r->h != im->height || r->w != im->width)
        bl_findings_add(c->f, &size, c->label, WHERE ": %dx%d, not %dx%d", WHERE_ARGS, r->w, r->h,
                        im->width, im->height);
    else if (pixels == 0)
        bl_findings_add(c->f, &empty, c->label, WHERE, WHERE_ARGS);
    else if ((rec->seen & AREA_BIT) && off > 16 && off > 0.1 * fmax(rec->area, pixels))
        bl_findings_add(c->f, &area, c->label, WHERE ": area %g, mask %g", WHERE_ARGS, rec->area,
                        pixels);
    return BL_OK;
}

static bl_status walk(scan *c) {
    bl_pull *j = c->p.j;
    const char *key;
    bool more;
    BL_TRY(bl_pull_object(j));
    for (;;) {
        BL_TRY(bl_pull_key(j, &key));
        if (!key) return BL_OK;
        if (strcmp(key, "annotations") != 0) {
            BL_TRY(bl_pull_skip(j));
            continue;
        }
        BL_TRY(bl_pull_array(j));
        for (;;) {
            coco_record rec;
            BL_TRY(bl_pull_more(j, &more));
            if (!more) break;
            BL_TRY(bl_coco_record_read(&c->p, mask_fields, &rec));
            BL_TRY(check_mask(c, &rec));
        }
    }
}

bl_status bl_validate_masks(bl_findings *f, const bl_dataset *d, const char *label) {
    if (d->source != BL_SOURCE_COCO || !bl_exists(d->name)) return BL_OK;
    scan c = {.f = f, .d = d, .label = label};
    c.p.segmentation = &c.s;
    bl_status status = bl_pull_open(d->name, &c.p.j);
    for (int32_t i = 0; i < d->n_images && status == BL_OK; i++) {
        int64_t stored;
        bl_id image = {d->images[i].id, d->images[i].id_text};
        status = bl_id_index_add(&c.images, image, i, &stored);
    }
    if (status == BL_OK) status = walk(&c);
    bl_pull_close(c.p.j);
    bl_segmentation_free(&c.s);
    bl_id_index_free(&c.images);
    if (status == BL_OK || status == BL_ENOMEM) return status;
    /* The reader passes over masks without a look at their numbers. */
    bl_findings_add(f, &broken, label, "%s", bl_error());
    return BL_OK;
}
