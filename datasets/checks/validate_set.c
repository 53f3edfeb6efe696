#include <stdlib.h>
#include <string.h>

#include "core/strmap.h"
#include "datasets/checks/area_check.h"
#include "datasets/checks/validate_checks.h"

static const bl_check no_images = {"no-images", "data set without images",
                                   "check the annotation file and the split", BL_SEVERITY_ERROR};
static const bl_check no_boxes = {"no-boxes", "data set without boxes",
                                  "fine for unlabelled images and prediction only",
                                  BL_SEVERITY_WARNING};
static const bl_check degenerate = {"degenerate-box", "boxes of no width or height",
                                    "training drops them; remove or correct them",
                                    BL_SEVERITY_WARNING};
static const bl_check outside = {"box-outside", "boxes that reach outside their image",
                                 "training clips them; correct them if they are many",
                                 BL_SEVERITY_WARNING};
static const bl_check corners = {
    "box-corners", "data set whose boxes look like x1, y1, x2, y2",
    "COCO boxes are x, y, width, height: convert them (width = x2 - x1, height = y2 - y1)",
    BL_SEVERITY_ERROR};
static const bl_check ann_id_0 = {
    "annotation-id-0", "annotations with id 0",
    "pycocotools takes id 0 for \"no match\" and scores these objects "
    "as missed: number annotations from 1",
    BL_SEVERITY_WARNING};
static const bl_check category_id_0 = {"category-id-0", "categories with id 0",
                                       "some tools reserve 0 for background; ours does not",
                                       BL_SEVERITY_NOTE};
static const bl_check twice = {"duplicate-box", "boxes given twice (same image, class and corners)",
                               "remove one of each pair", BL_SEVERITY_WARNING};
static const bl_check crowd = {"crowd", "crowd regions",
                               "neither objects nor background: ignored in training and evaluation",
                               BL_SEVERITY_NOTE};
static const bl_check ignored = {"ignore-not-crowd",
                                 "boxes with ignore or difficult set that are not crowds",
                                 "pycocotools overwrites ignore with iscrowd, so other tools will "
                                 "count these objects",
                                 BL_SEVERITY_NOTE};
static const bl_check empty_image = {"empty-image", "images without boxes",
                                     "all of their area is background in training",
                                     BL_SEVERITY_NOTE};
static const bl_check empty_class = {"category-without-boxes", "categories without boxes",
                                     "their AP is undefined, and they cannot be learnt from labels",
                                     BL_SEVERITY_WARNING};
static const bl_check same_name = {"duplicate-category-name", "categories that share their name",
                                   "categories are matched by name: rename or merge them",
                                   BL_SEVERITY_ERROR};
static const bl_check same_file = {
    "duplicate-file", "image entries that name the same file",
    "each file is trained on twice, with different boxes: merge them", BL_SEVERITY_WARNING};
static const bl_check area = {"area", "areas that are not positive or exceed the box",
                              "area decides small, medium and large in evaluation: recompute it",
                              BL_SEVERITY_WARNING};

static const bl_check areas = {
    "areas", "data set whose areas say nothing of the objects' sizes",
    "area decides small, medium and large in evaluation: recompute it, or leave it out",
    BL_SEVERITY_WARNING};

#define BOX "annotation id %lld in %s: [%g, %g, %g, %g]"
#define BOX_ARGS(d, a)                                                                             \
    (long long)(a)->id, (d)->images[(a)->image].file, (a)->x, (a)->y, (a)->w, (a)->h

static void check_boxes(bl_findings *f, const bl_dataset *d, const char *label) {
    for (int64_t i = 0; i < d->n_anns; i++) {
        const bl_ann *a = &d->anns[i];
        const bl_image_info *im = &d->images[a->image];
        if (a->id == 0) bl_findings_add(f, &ann_id_0, label, BOX, BOX_ARGS(d, a));
        if (a->iscrowd) bl_findings_add(f, &crowd, label, BOX, BOX_ARGS(d, a));
        if ((a->ignore || a->difficult) && !a->iscrowd)
            bl_findings_add(f, &ignored, label, BOX, BOX_ARGS(d, a));
        if (bl_ann_degenerate(a))
            bl_findings_add(f, &degenerate, label, BOX, BOX_ARGS(d, a));
        else if (!(a->area > 0) || a->area > 1.01 * a->w * a->h + 1)
            bl_findings_add(f, &area, label, BOX ", area %g", BOX_ARGS(d, a), a->area);
        if (bl_ann_outside(a, im))
            bl_findings_add(f, &outside, label, BOX " in %dx%d", BOX_ARGS(d, a), im->width,
                            im->height);
    }
}

/* Corner boxes read as width and height: every "width" exceeds x, every "height" y, none exceeds
 * the image, and many boxes seem to leave it. True boxes near the right or lower edge break the
 * first rule. */
static void check_corners(bl_findings *f, const bl_dataset *d, const char *label) {
    int64_t n = 0, like_corners = 0, n_outside = 0;
    for (int64_t i = 0; i < d->n_anns; i++) {
        const bl_ann *a = &d->anns[i];
        const bl_image_info *im = &d->images[a->image];
        if (a->iscrowd) continue;
        n++;
        like_corners += a->w > a->x && a->h > a->y && a->w <= im->width + BL_BOX_SLACK &&
                        a->h <= im->height + BL_BOX_SLACK;
        n_outside += bl_ann_outside(a, im);
    }
    if (n >= 10 && like_corners >= 0.99 * (double)n && n_outside >= 0.1 * (double)n)
        bl_findings_add(f, &corners, label,
                        "of %lld boxes %lld leave their image as x, y, width, height, but %lld lie "
                        "inside as corners",
                        (long long)n, (long long)n_outside, (long long)like_corners);
}

static int by_box(const void *pa, const void *pb) {
    const bl_ann *a = *(const bl_ann *const *)pa, *b = *(const bl_ann *const *)pb;
    const double va[] = {a->category, a->x, a->y, a->w, a->h};
    const double vb[] = {b->category, b->x, b->y, b->w, b->h};
    for (int i = 0; i < 5; i++)
        if (va[i] != vb[i]) return va[i] < vb[i] ? -1 : 1;
    return 0;
}

static int by_box_and_place(const void *pa, const void *pb) {
    int c = by_box(pa, pb);
    const bl_ann *a = *(const bl_ann *const *)pa, *b = *(const bl_ann *const *)pb;
    return c ? c : (a > b) - (a < b);
}

static void check_images(bl_findings *f, const bl_dataset *d, const char *label) {
    int32_t most = 0;
    for (int32_t i = 0; i < d->n_images; i++)
        if (d->images[i].n_anns > most) most = d->images[i].n_anns;
    const bl_ann **sorted = malloc(sizeof *sorted * ((size_t)most + 1));
    bl_strmap *files = bl_strmap_create(f->arena);
    if (!sorted || !files) {
        f->status = bl_no_memory("to check %s", label);
        free(sorted);
        return;
    }
    for (int32_t i = 0; i < d->n_images; i++) {
        const bl_image_info *im = &d->images[i];
        if (im->n_anns == 0 && !bl_dataset_is_unlabelled(d))
            bl_findings_add(f, &empty_image, label, "%s (id %lld)", im->file, (long long)im->id);
        for (int32_t k = 0; k < im->n_anns; k++) sorted[k] = &d->anns[im->first_ann + k];
        qsort(sorted, (size_t)im->n_anns, sizeof *sorted, by_box_and_place);
        for (int32_t k = 1; k < im->n_anns; k++)
            if (by_box(&sorted[k - 1], &sorted[k]) == 0)
                bl_findings_add(f, &twice, label, "annotation ids %lld and %lld in %s",
                                (long long)sorted[k - 1]->id, (long long)sorted[k]->id, im->file);
        int64_t first = bl_strmap_add(files, 0, im->file, i);
        if (first >= 0 && first != i)
            bl_findings_add(f, &same_file, label, "%s: image ids %lld and %lld", im->file,
                            (long long)d->images[first].id, (long long)im->id);
    }
    free(sorted);
}

static void check_categories(bl_findings *f, const bl_dataset *d, const char *label) {
    int64_t *boxes = malloc(sizeof *boxes * ((size_t)d->n_categories + 1));
    bl_strmap *names = bl_strmap_create(f->arena);
    if (!boxes || !names) {
        f->status = bl_no_memory("to check %s", label);
        free(boxes);
        return;
    }
    bl_dataset_counts(d, false, NULL, boxes);
    for (int32_t c = 0; c < d->n_categories; c++) {
        const bl_category *k = &d->categories[c];
        if (k->id == 0) bl_findings_add(f, &category_id_0, label, "\"%s\"", k->name);
        if (boxes[c] == 0 && d->n_anns > 0 && !bl_dataset_is_unlabelled(d))
            bl_findings_add(f, &empty_class, label, "\"%s\" (id %lld)", k->name, (long long)k->id);
        int64_t first = bl_strmap_add(names, 0, k->name, c);
        if (first >= 0 && first != c)
            bl_findings_add(f, &same_name, label, "\"%s\": ids %lld and %lld", k->name,
                            (long long)d->categories[first].id, (long long)k->id);
    }
    free(boxes);
}

static void check_areas(bl_findings *f, const bl_dataset *d, const char *label) {
    bl_area_check a = bl_areas_check(d);
    if (a.fault != BL_AREAS_GOOD)
        bl_findings_add(f, &areas, label,
                        "%lld of %lld areas are %s (first: annotation id %lld, %g)",
                        (long long)a.count, (long long)a.n, bl_area_fault_text(a.fault),
                        (long long)a.first, a.area);
}

void bl_validate_set(bl_findings *f, const bl_dataset *d, const char *label) {
    if (d->n_images == 0) bl_findings_add(f, &no_images, label, "%s", d->name);
    if (d->n_images > 0 && d->n_anns == 0 && !bl_dataset_is_unlabelled(d))
        bl_findings_add(f, &no_boxes, label, "%s", d->name);
    check_boxes(f, d, label);
    check_areas(f, d, label);
    check_corners(f, d, label);
    check_images(f, d, label);
    check_categories(f, d, label);
}
