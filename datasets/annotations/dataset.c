#include "datasets/annotations/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/strpool.h"
#include "datasets/images/image_path.h"

static const char *copy(bl_strpool *pool, const char *s) {
    if (!s) s = "";
    return bl_strpool_add(pool, s, strlen(s));
}

static bl_status check_parts(const bl_dataset *p) {
    if (p->n_categories < 0 || p->n_images < 0 || p->n_anns < 0)
        return bl_fail(BL_EINVAL, "%s: a negative number of categories, images or annotations",
                       p->name ? p->name : "data set");
    for (int64_t i = 0; i < p->n_anns; i++) {
        const bl_ann *a = &p->anns[i];
        if (a->image < 0 || a->image >= p->n_images || a->category < 0 ||
            a->category >= p->n_categories)
            return bl_fail(BL_EINVAL,
                           "%s: annotation %lld refers to image %d of %d, category %d of %d",
                           p->name ? p->name : "data set", (long long)i, a->image, p->n_images,
                           a->category, p->n_categories);
    }
    if (!p->federated) return BL_OK;
    for (int32_t i = 0; i < p->n_images; i++) {
        const bl_federated *f = &p->federated[i];
        bool good = f->n_negative >= 0 && f->n_not_exhaustive >= 0;
        for (int32_t k = 0; good && k < f->n_negative; k++)
            good = f->negative[k] >= 0 && f->negative[k] < p->n_categories;
        for (int32_t k = 0; good && k < f->n_not_exhaustive; k++)
            good = f->not_exhaustive[k] >= 0 && f->not_exhaustive[k] < p->n_categories;
        if (!good)
            return bl_fail(BL_EINVAL, "%s: the category lists of image %d leave the %d categories",
                           p->name ? p->name : "data set", i, p->n_categories);
    }
    return BL_OK;
}

static const int32_t *append(int32_t **at, const int32_t *v, int32_t n) {
    int32_t *first = *at;
    if (n) memcpy(first, v, sizeof *v * (size_t)n);
    *at += n;
    return first;
}

/* All lists lie in one block: most have fewer entries than an arena's granule. */
static bl_status copy_federated(const bl_dataset *p, bl_dataset *d) {
    int64_t n = 0;
    if (!p->federated) return BL_OK;
    for (int32_t i = 0; i < p->n_images; i++)
        n += p->federated[i].n_negative + p->federated[i].n_not_exhaustive;
    d->federated = BL_NEW_ARRAY(d->arena, bl_federated, p->n_images);
    int32_t *at = BL_NEW_ARRAY(d->arena, int32_t, n);
    if (!d->federated || !at) return BL_ENOMEM;
    for (int32_t i = 0; i < p->n_images; i++) {
        bl_federated *f = &d->federated[i];
        *f = p->federated[i];
        f->negative = append(&at, f->negative, f->n_negative);
        f->not_exhaustive = append(&at, f->not_exhaustive, f->n_not_exhaustive);
    }
    return BL_OK;
}

static bl_status copy_tables(const bl_dataset *p, bl_dataset *d) {
    bl_strpool pool = {.arena = d->arena};
    d->name = copy(&pool, p->name);
    d->image_dir = copy(&pool, p->image_dir);
    d->role = copy(&pool, p->role);
    d->source = p->source;
    d->ignore_exif = p->ignore_exif;
    d->n_categories = p->n_categories;
    d->n_images = p->n_images;
    d->n_anns = p->n_anns;
    d->categories = BL_NEW_ARRAY(d->arena, bl_category, p->n_categories);
    d->images = BL_NEW_ARRAY(d->arena, bl_image_info, p->n_images);
    d->anns = BL_NEW_ARRAY(d->arena, bl_ann, p->n_anns);
    if (p->masks) d->masks = BL_NEW_ARRAY(d->arena, bl_mask, p->n_anns);
    if ((p->masks && !d->masks) || !d->name || !d->image_dir || !d->role || !d->categories ||
        !d->images || !d->anns)
        return BL_ENOMEM;
    for (int32_t i = 0; i < p->n_categories; i++) {
        bl_category *c = &d->categories[i];
        *c = p->categories[i];
        c->name = copy(&pool, c->name);
        c->supercategory = copy(&pool, c->supercategory);
        if (c->id_text) c->id_text = copy(&pool, c->id_text);
        if (!c->name || !c->supercategory || (p->categories[i].id_text && !c->id_text))
            return BL_ENOMEM;
    }
    for (int32_t i = 0; i < p->n_images; i++) {
        bl_image_info *im = &d->images[i];
        *im = p->images[i];
        im->first_ann = im->n_anns = 0;
        im->file = copy(&pool, im->file);
        if (im->id_text) im->id_text = copy(&pool, im->id_text);
        if (!im->file || (p->images[i].id_text && !im->id_text)) return BL_ENOMEM;
    }
    return copy_federated(p, d);
}

/* Stable counting sort by image. */
static bl_status sort_anns(const bl_dataset *p, bl_dataset *d) {
    for (int64_t i = 0; i < p->n_anns; i++) d->images[p->anns[i].image].n_anns++;
    int32_t first = 0;
    for (int32_t i = 0; i < d->n_images; i++) {
        bl_image_info *im = &d->images[i];
        im->first_ann = first;
        first += im->n_anns;
        im->n_anns = 0; /* counts up again below */
    }
    bl_strpool pool = {.arena = d->arena};
    for (int64_t i = 0; i < p->n_anns; i++) {
        const bl_ann *a = &p->anns[i];
        bl_image_info *im = &d->images[a->image];
        int32_t to = im->first_ann + im->n_anns++;
        d->anns[to] = *a;
        d->n_degenerate += bl_ann_degenerate(a);
        d->n_clipped += bl_ann_outside(a, im);
        if (p->masks) BL_TRY(bl_mask_copy(&pool, &p->masks[i], &d->masks[to]));
    }
    return BL_OK;
}

bl_status bl_dataset_build(const bl_dataset *parts, bl_dataset **out) {
    *out = NULL;
    BL_TRY(check_parts(parts));
    if (parts->n_anns > INT32_MAX)
        return bl_fail(BL_EUNSUPPORTED, "%s: more than 2^31-1 annotations", parts->name);
    bl_arena *arena = bl_arena_create(0);
    bl_dataset *d = arena ? BL_NEW(arena, bl_dataset) : NULL;
    if (!d) {
        bl_arena_destroy(arena);
        return bl_no_memory("for a data set");
    }
    d->arena = arena;
    bl_status status = copy_tables(parts, d);
    if (status == BL_OK) status = sort_anns(parts, d);
    if (status != BL_OK) {
        bl_dataset_free(d);
        return status;
    }
    *out = d;
    return BL_OK;
}

bl_status bl_dataset_subset(const bl_dataset *d, const int32_t *images, int32_t n,
                            bl_dataset **out) {
    *out = NULL;
    int64_t n_anns = 0;
    for (int32_t i = 0; i < n; i++) {
        if (images[i] < 0 || images[i] >= d->n_images)
            return bl_fail(BL_EINVAL, "%s: subset asks for image index %d of %d", d->name,
                           images[i], d->n_images);
        n_anns += d->images[images[i]].n_anns;
    }
    bl_dataset parts = *d;
    parts.n_images = n;
    parts.n_anns = n_anns;
    parts.images = malloc(sizeof *parts.images * (size_t)(n + 1));
    parts.anns = malloc(sizeof *parts.anns * (size_t)(n_anns + 1));
    if (d->federated) parts.federated = malloc(sizeof *parts.federated * (size_t)(n + 1));
    if (d->masks) parts.masks = malloc(sizeof *parts.masks * (size_t)(n_anns + 1));
    bl_status status = BL_OK;
    if (!parts.images || !parts.anns || (d->federated && !parts.federated) ||
        (d->masks && !parts.masks)) {
        status = bl_no_memory("for a subset of %d images", n);
        goto done;
    }
    int64_t k = 0;
    for (int32_t i = 0; i < n; i++) {
        const bl_image_info *im = &d->images[images[i]];
        parts.images[i] = *im;
        if (d->federated) parts.federated[i] = d->federated[images[i]];
        for (int32_t a = 0; a < im->n_anns; a++, k++) {
            parts.anns[k] = d->anns[im->first_ann + a];
            parts.anns[k].image = i;
            if (d->masks) parts.masks[k] = d->masks[im->first_ann + a];
        }
    }
    status = bl_dataset_build(&parts, out);
done:
    free(parts.images);
    free(parts.anns);
    free(parts.federated);
    free(parts.masks);
    return status;
}

void bl_dataset_free(bl_dataset *d) {
    if (d) bl_arena_destroy(d->arena); /* d itself lives there */
}

void bl_dataset_counts(const bl_dataset *d, bool count_crowd, int64_t *images, int64_t *boxes) {
    size_t bytes = sizeof(int64_t) * (size_t)d->n_categories;
    if (images) memset(images, 0, bytes);
    if (boxes) memset(boxes, 0, bytes);
    for (int32_t i = 0; i < d->n_images; i++) {
        const bl_image_info *im = &d->images[i];
        const bl_ann *first = &d->anns[im->first_ann];
        for (const bl_ann *a = first; a < first + im->n_anns; a++) {
            if (a->iscrowd && !count_crowd) continue;
            if (boxes) boxes[a->category]++;
            if (!images) continue;
            const bl_ann *b = first; /* the class counts once: at its first box in the image */
            while (b->category != a->category || (b->iscrowd && !count_crowd)) b++;
            images[a->category] += a == b;
        }
    }
}

char *bl_dataset_path(const bl_dataset *d, int32_t i) {
    return bl_image_find(d->image_dir, d->images[i].file);
}

bl_status bl_image_size_differs(const bl_dataset *d, const bl_image_info *im, int32_t width,
                                int32_t height) {
    return bl_fail(
        BL_EFORMAT,
        "%s: image %s is %dx%d, its annotation says %dx%d; fix the width and height there", d->name,
        im->file, width, height, im->width, im->height);
}
