#include "eval/protocol/input_checks.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/checks/area_check.h"

void bl_finding_add(bl_findings *f, const char *code, int64_t count, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (f->n == BL_MAX_FINDINGS) return;
    char *copy = strdup(text);
    if (copy) f->v[f->n++] = (bl_finding){code, count, copy};
}

void bl_findings_free(bl_findings *f) {
    for (int i = 0; i < f->n; i++) free(f->v[i].message);
    *f = (bl_findings){0};
}

typedef struct check {
    const bl_dataset *gt;
    const bl_detections *dt;
    const bl_eval_params *p;
    const char *results;
    bl_findings *out;
} check;

static const char *s(int64_t n) {
    return n == 1 ? "" : "s";
}
static const char *gt_name(const check *c) {
    return c->gt->name ? c->gt->name : "the ground truth";
}

/* ---- boxes: the same for ground truth and detections ---- */

typedef struct box_counts {
    int64_t n, sized; /* sized: in an image whose size is known */
    int64_t outside, flat, corners;
    int64_t first_outside, first_flat;
    double largest; /* of all coordinates */
} box_counts;

static void count_box(box_counts *b, int64_t i, const double v[4], const bl_image_info *im) {
    b->n++;
    for (int j = 0; j < 4; j++)
        if (v[j] > b->largest) b->largest = v[j];
    if (!(v[2] > 0 && v[3] > 0) && b->flat++ == 0) b->first_flat = i;
    b->corners += v[2] > v[0] && v[3] > v[1];
    if (im->width <= 0 || im->height <= 0) return;
    b->sized++;
    bool outside = v[0] < -BL_BOX_SLACK || v[1] < -BL_BOX_SLACK ||
                   v[0] + v[2] > im->width + BL_BOX_SLACK ||
                   v[1] + v[3] > im->height + BL_BOX_SLACK;
    if (outside && b->outside++ == 0) b->first_outside = i;
}

/* Of boxes written as corners, all have "w" > x and "h" > y, and when their centres lie right of or
 * below the image's they reach outside: about three quarters of them. Real boxes hardly ever do. */
static bool look_like_corners(const box_counts *b) {
    return b->sized >= 8 && b->corners >= b->n - b->n / 100 && b->outside * 5 >= b->sized;
}

static void report_boxes(const check *c, const box_counts *b, const char *file, const char *what,
                         bool truth) {
    if (b->n == 0) return;
    if (b->largest > 0 && b->largest <= 1) {
        bl_finding_add(c->out, truth ? "ground-truth-boxes-normalised" : "boxes-normalised", b->n,
                       "%s: no coordinate of the %" PRId64 " box%s is above 1: fractions of the "
                       "image? COCO boxes are in pixels",
                       file, b->n, b->n == 1 ? "" : "es");
        return;
    }
    if (look_like_corners(b)) {
        bl_finding_add(c->out, truth ? "ground-truth-boxes-are-corners" : "boxes-are-corners",
                       b->outside,
                       "%s: boxes look like x1, y1, x2, y2: %" PRId64 " of %" PRId64 " would reach "
                       "outside their image (first: %s %" PRId64 "); COCO boxes are x, y, width, "
                       "height",
                       file, b->outside, b->n, what, b->first_outside);
        return;
    }
    if (b->outside)
        bl_finding_add(c->out, truth ? "ground-truth-boxes-outside" : "boxes-outside", b->outside,
                       "%s: %" PRId64 " of %" PRId64 " boxes reach outside their image (first: %s "
                       "%" PRId64 ")",
                       file, b->outside, b->n, what, b->first_outside);
    if (b->flat)
        bl_finding_add(c->out, truth ? "ground-truth-boxes-empty" : "boxes-empty", b->flat,
                       "%s: %" PRId64 " of %" PRId64 " boxes have no width or no height (first: %s "
                       "%" PRId64 ")",
                       file, b->flat, b->n, what, b->first_flat);
}

/* ---- ground truth ---- */

static void check_areas(const check *c) {
    bl_area_check a = bl_areas_check(c->gt);
    if (a.fault == BL_AREAS_GOOD || c->p->n_areas < 2) return;
    bl_finding_add(c->out, "areas", a.count,
                   "%s: the \"area\" of %" PRId64 " of %" PRId64 " annotations is %s (first: id "
                   "%" PRId64 ", area %g): results by size go by this field and mean nothing; "
                   "recompute it, or leave it out, and width times height is taken",
                   gt_name(c), a.count, a.n, bl_area_fault_text(a.fault), a.first, a.area);
}

static void check_truth(const check *c) {
    const bl_dataset *d = c->gt;
    box_counts boxes = {0};
    int64_t zero = 0, zero_at = 0, ignore = 0, ignore_id = 0;
    for (int64_t i = 0; i < d->n_anns; i++) {
        const bl_ann *a = &d->anns[i];
        const double v[4] = {a->x, a->y, a->w, a->h};
        if (!a->iscrowd) count_box(&boxes, a->id, v, &d->images[a->image]);
        if (a->id == 0 && zero++ == 0) zero_at = d->images[a->image].id;
        if (a->ignore && !a->iscrowd && ignore++ == 0) ignore_id = a->id;
    }
    if (zero)
        bl_finding_add(c->out, "annotation-id-0", zero,
                       "%s: %" PRId64 " annotation%s with id 0 (image %" PRId64 "): pycocotools, "
                       "and so this evaluation, counts what finds it as wrong; number annotations "
                       "from 1",
                       gt_name(c), zero, s(zero), zero_at);
    if (ignore && !c->p->honour_ignore)
        bl_finding_add(c->out, "ignore-without-crowd", ignore,
                       "%s: %" PRId64 " annotation%s with \"ignore\" but without \"iscrowd\" "
                       "(first: id %" PRId64 "): the COCO protocol counts them; only iscrowd is "
                       "ignored",
                       gt_name(c), ignore, s(ignore), ignore_id);
    report_boxes(c, &boxes, gt_name(c), "annotation", true);
    check_areas(c);
}

/* ---- masks: those of another size have no IoU, and match nothing without a word ---- */

typedef struct mask_counts {
    int64_t n, other, first;
    const bl_mask *mask; /* the first of another size */
    int32_t h, w;        /* what it should have */
} mask_counts;

/* That of the image, or, when that is not known, of the first mask of its ground truth. */
static void size_of_image(const bl_dataset *d, int32_t image, int32_t *h, int32_t *w) {
    const bl_image_info *im = &d->images[image];
    *h = im->height;
    *w = im->width;
    if (*h > 0 && *w > 0) return;
    const bl_mask *m = im->n_anns ? &d->masks[im->first_ann] : NULL;
    *h = m ? m->h : 0;
    *w = m ? m->w : 0;
}

static void count_mask(mask_counts *t, int64_t i, const bl_mask *m, const bl_dataset *gt,
                       int32_t image) {
    int32_t h, w;
    size_of_image(gt, image, &h, &w);
    t->n++;
    if (!m->text || h <= 0 || w <= 0 || (m->h == h && m->w == w) || t->other++ > 0) return;
    t->first = i;
    t->mask = m;
    t->h = h;
    t->w = w;
}

static void report_masks(const check *c, const mask_counts *t, const char *file, const char *what,
                         const char *code) {
    if (t->other == 0) return;
    bool exchanged = t->mask->h == t->w && t->mask->w == t->h;
    bl_finding_add(c->out, code, t->other,
                   "%s: %" PRId64 " of %" PRId64
                   " masks have another size than their image (first: "
                   "%s %" PRId64 " is %d wide and %d high, the image %d and %d%s): they have no "
                   "overlap with anything and are never matched",
                   file, t->other, t->n, what, t->first, t->mask->w, t->mask->h, t->w, t->h,
                   exchanged ? "; \"size\" is [height, width]" : "");
}

static void check_masks(const check *c) {
    mask_counts truth = {0}, found = {0};
    if (c->p->kind != BL_IOU_SEGM || !c->gt->masks) return;
    for (int64_t i = 0; i < c->gt->n_anns; i++)
        count_mask(&truth, c->gt->anns[i].id, &c->gt->masks[i], c->gt, c->gt->anns[i].image);
    for (int64_t i = 0; i < c->dt->n && c->dt->masks; i++)
        count_mask(&found, i, &c->dt->masks[i], c->gt, c->dt->v[i].image);
    report_masks(c, &truth, gt_name(c), "annotation", "ground-truth-mask-size");
    report_masks(c, &found, c->results, "detection", "mask-size");
}

/* ---- detections ---- */

static void check_scores(const check *c) {
    int64_t outside = 0, first = 0;
    bool equal = true;
    for (int64_t i = 0; i < c->dt->n; i++) {
        double v = c->dt->v[i].score;
        if (!(v >= 0 && v <= 1) && outside++ == 0) first = i;
        equal = equal && v == c->dt->v[0].score;
    }
    if (outside)
        bl_finding_add(
            c->out, "scores-outside-0-1", outside,
            "%s: %" PRId64 " score%s outside [0, 1] (first: %g of detection %" PRId64
            "): AP uses their order only, but logits and percentages are often a mistake",
            c->results, outside, s(outside), c->dt->v[first].score, first);
    if (equal && c->dt->n > 1)
        bl_finding_add(c->out, "scores-all-equal", c->dt->n,
                       "%s: all %" PRId64
                       " scores are %g: AP then depends on the order of the file",
                       c->results, c->dt->n, c->dt->v[0].score);
}

static uint64_t mix(uint64_t h, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    h = (h ^ bits) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

static bool same(const bl_detection *a, const bl_detection *b) {
    return a->image == b->image && a->category == b->category && a->x == b->x && a->y == b->y &&
           a->w == b->w && a->h == b->h && a->score == b->score;
}

/* Result files of several parts are easily put together twice. */
static bl_status check_twice(const check *c) {
    const bl_detection *v = c->dt->v;
    size_t cap = 64;
    while (cap < (size_t)c->dt->n * 2) cap *= 2;
    if (c->dt->n >= UINT32_MAX) return BL_OK;
    uint32_t *slots = calloc(cap, sizeof *slots); /* index + 1; 0: free */
    if (!slots) return bl_no_memory("to check %" PRId64 " detections", c->dt->n);
    int64_t twice = 0, first = 0;
    for (int64_t i = 0; i < c->dt->n; i++) {
        uint64_t h = mix(mix((uint64_t)v[i].image << 32 | (uint32_t)v[i].category, v[i].x), v[i].y);
        h = mix(mix(mix(h, v[i].w), v[i].h), v[i].score);
        size_t at = (size_t)(h >> 7) & (cap - 1);
        while (slots[at] && !same(&v[slots[at] - 1], &v[i])) at = (at + 1) & (cap - 1);
        if (!slots[at])
            slots[at] = (uint32_t)(i + 1);
        else if (twice++ == 0)
            first = i;
    }
    free(slots);
    if (twice)
        bl_finding_add(c->out, "results-twice", twice,
                       "%s: %" PRId64
                       " detection%s stand%s in the file before, equal in all numbers "
                       "(first: detection %" PRId64 ")",
                       c->results, twice, s(twice), twice == 1 ? "s" : "", first);
    return BL_OK;
}

/* ---- detections per image ---- */

typedef struct per_image {
    int64_t without, over; /* images with objects and no detection; detections beyond the limit */
    int64_t first_without, first_over; /* ids of images */
    int64_t most;                      /* detections that share a limit */
} per_image;

static void check_image(const check *c, const int64_t *list, int64_t n, int32_t image,
                        int32_t *seen, per_image *out) {
    const bl_image_info *im = &c->gt->images[image];
    int32_t limit = c->p->max_dets[c->p->n_limits - 1];
    int64_t over = 0, most = n;
    bool any = false;
    for (int32_t a = 0; a < im->n_anns; a++) any |= !c->gt->anns[im->first_ann + a].iscrowd;
    if (n == 0 && any && out->without++ == 0) out->first_without = im->id;
    if (c->p->max_dets_per_image) {
        over = n > c->p->max_dets_per_image ? n - c->p->max_dets_per_image : 0;
    } else {
        most = 0;
        for (int64_t i = 0; i < n; i++) {
            int32_t count = ++seen[c->p->class_agnostic ? 0 : c->dt->v[list[i]].category];
            over += count > limit;
            if (count > most) most = count;
        }
        for (int64_t i = 0; i < n; i++)
            seen[c->p->class_agnostic ? 0 : c->dt->v[list[i]].category] = 0;
    }
    if (over && out->over == 0) out->first_over = im->id;
    out->over += over;
    if (most > out->most) out->most = most;
}

static void report_images(const check *c, const per_image *r) {
    int64_t limit =
        c->p->max_dets_per_image ? c->p->max_dets_per_image : c->p->max_dets[c->p->n_limits - 1];
    if (r->without)
        bl_finding_add(c->out, "images-without-detections", r->without,
                       "%s: %" PRId64 " image%s with objects %s no detection (first: image %" PRId64
                       "): was the detector run on all of them?",
                       c->results, r->without, s(r->without), r->without == 1 ? "has" : "have",
                       r->first_without);
    if (r->over)
        bl_finding_add(c->out, "more-than-max-detections", r->over,
                       "%s: %" PRId64 " detection%s beyond the limit of %" PRId64 " per image%s do "
                       "not count (first: image %" PRId64 ", largest: %" PRId64 ")",
                       c->results, r->over, s(r->over), limit,
                       c->p->max_dets_per_image ? "" : " and class", r->first_over, r->most);
}

static bl_status check_images(const check *c) {
    int32_t n_images = c->gt->n_images;
    int64_t *first = calloc((size_t)n_images + 2, sizeof *first), *at = first ? first + 1 : NULL;
    int64_t *list = malloc(((size_t)c->dt->n + 1) * sizeof *list);
    int32_t *seen = calloc((size_t)c->gt->n_categories + 1, sizeof *seen);
    bl_status status = BL_OK;
    if (!first || !list || !seen)
        BL_TRY_DONE(bl_no_memory("to check %" PRId64 " detections", c->dt->n));
    for (int64_t i = 0; i < c->dt->n; i++) at[c->dt->v[i].image + 1]++;
    for (int32_t i = 0; i < n_images; i++) at[i + 1] += at[i];
    for (int64_t i = 0; i < c->dt->n; i++) list[at[c->dt->v[i].image]++] = i;
    per_image r = {0};
    for (int32_t i = 0; i < n_images; i++)
        check_image(c, list + first[i], first[i + 1] - first[i], i, seen, &r);
    report_images(c, &r);
done:
    free(first);
    free(list);
    free(seen);
    return status;
}

static bl_status check_detections(const check *c) {
    box_counts boxes = {0};
    if (c->dt->n == 0) {
        bl_finding_add(c->out, "no-detections", 0,
                       "%s: no detections at all; every AP with ground truth is 0", c->results);
        return BL_OK;
    }
    for (int64_t i = 0; i < c->dt->n; i++) {
        const bl_detection *d = &c->dt->v[i];
        const double v[4] = {d->x, d->y, d->w, d->h};
        count_box(&boxes, i, v, &c->gt->images[d->image]);
    }
    report_boxes(c, &boxes, c->results, "detection", false);
    check_scores(c);
    BL_TRY(check_twice(c));
    return check_images(c);
}

/* ---- training set ---- */

static void check_categories(const check *c, const bl_dataset *train) {
    int64_t renamed = 0, unknown = 0;
    const char *here = "", *there = "", *missing = "";
    int64_t id = 0;
    for (int32_t k = 0; k < c->gt->n_categories; k++) {
        const bl_category *mine = &c->gt->categories[k];
        bool known = false;
        for (int32_t t = 0; t < train->n_categories; t++) {
            const bl_category *other = &train->categories[t];
            bool equal = strcmp(mine->name, other->name) == 0;
            known |= equal;
            if (mine->id == other->id && !equal && renamed++ == 0) {
                id = mine->id;
                here = mine->name;
                there = other->name;
            }
        }
        if (!known && unknown++ == 0) missing = mine->name;
    }
    const char *file = train->name ? train->name : "the training set";
    if (renamed)
        bl_finding_add(c->out, "categories-differ", renamed,
                       "%s and %s name %" PRId64 " categor%s differently: id %" PRId64 " is \"%s\" "
                       "here and \"%s\" in training; a model may have learnt the other one "
                       "(training counts are taken by name)",
                       gt_name(c), file, renamed, renamed == 1 ? "y" : "ies", id, here, there);
    if (unknown)
        bl_finding_add(c->out, "categories-not-in-training", unknown,
                       "%s: %" PRId64 " categor%s %s no counterpart of that name in %s (first: "
                       "\"%s\")",
                       gt_name(c), unknown, unknown == 1 ? "y" : "ies",
                       unknown == 1 ? "has" : "have", file, missing);
}

bl_status bl_input_check(const bl_dataset *gt, const bl_detections *dt, const bl_eval_params *p,
                         const bl_dataset *train, const char *results, bl_findings *out) {
    check c = {gt, dt, p, results, out};
    check_truth(&c);
    check_masks(&c);
    BL_TRY(check_detections(&c));
    if (train) check_categories(&c, train);
    return BL_OK;
}
