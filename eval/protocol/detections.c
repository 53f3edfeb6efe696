#include "eval/protocol/detections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/ids.h"
#include "core/json_out.h"

static bl_status append(bl_detections *d, const bl_detection *one) {
    if (d->n == d->cap) {
        int64_t cap = d->cap ? d->cap + d->cap / 2 : 1024;
        bl_detection *v = realloc(d->v, (size_t)cap * sizeof *v);
        if (!v) return bl_no_memory("for %lld detections", (long long)cap);
        d->v = v;
        d->cap = cap;
    }
    d->v[d->n++] = *one;
    return BL_OK;
}

bl_status bl_detections_add(bl_detections *d, const bl_detection *one) {
    if (d->masks)
        return bl_fail(BL_EINVAL, "a detection without a mask after %lld with one",
                       (long long)d->n);
    return append(d, one);
}

/* Room for a mask beside each detection; the first one decides whether there are any. */
static bl_status grow_masks(bl_detections *d) {
    if (!d->masks && d->n > 0)
        return bl_fail(BL_EINVAL, "a detection with a mask after %lld without one",
                       (long long)d->n);
    if (!d->arena) d->pool.arena = d->arena = bl_arena_create(0);
    bl_mask *masks = d->n < d->cap_masks ? d->masks : NULL;
    if (!masks) {
        int64_t cap = d->cap_masks ? d->cap_masks + d->cap_masks / 2 : 1024;
        masks = realloc(d->masks, (size_t)cap * sizeof *masks);
        if (masks) {
            d->masks = masks;
            d->cap_masks = cap;
        }
    }
    return d->arena && masks ? BL_OK : bl_no_memory("for detections with masks");
}

bl_status bl_detections_add_mask(bl_detections *d, const bl_detection *one, const bl_rle *mask) {
    BL_TRY(grow_masks(d));
    BL_TRY(bl_mask_keep(&d->pool, mask, &d->masks[d->n]));
    return append(d, one);
}

double bl_detection_area(const bl_detections *d, int64_t i) {
    return d->masks && !d->box_area ? d->masks[i].area : d->v[i].w * d->v[i].h;
}

void bl_detections_free(bl_detections *d) {
    bl_arena_destroy(d->arena);
    free(d->masks);
    free(d->v);
    *d = (bl_detections){0};
}

/* ---- writing ---- */

static bl_status check(const bl_detections *d, const bl_dataset *gt, const char *path) {
    for (int64_t i = 0; i < d->n; i++) {
        const bl_detection *o = &d->v[i];
        if (o->image < 0 || o->image >= gt->n_images || o->category < 0 ||
            o->category >= gt->n_categories)
            return bl_fail(BL_EINVAL, "%s: detection %lld: image %d of %d, category %d of %d", path,
                           (long long)i, o->image, gt->n_images, o->category, gt->n_categories);
        if (!isfinite(o->x) || !isfinite(o->y) || !isfinite(o->w) || !isfinite(o->h) ||
            !isfinite(o->score))
            return bl_fail(BL_EINVAL, "%s: detection %lld is not finite and cannot be written",
                           path, (long long)i);
    }
    return BL_OK;
}

bl_status bl_detections_write(const bl_detections *d, const bl_dataset *gt, const char *path) {
    bl_outfile o;
    BL_TRY(check(d, gt, path));
    BL_TRY(bl_outfile_open(path, &o));
    fputc('[', o.f);
    for (int64_t i = 0; i < d->n; i++) {
        const bl_detection *v = &d->v[i];
        const double box[4] = {v->x, v->y, v->w, v->h};
        const bl_image_info *im = &gt->images[v->image];
        const bl_category *k = &gt->categories[v->category];
        fputs(i ? ",\n{\"image_id\": " : "\n{\"image_id\": ", o.f);
        bl_id_put_json(o.f, (bl_id){im->id, im->id_text});
        fputs(", \"category_id\": ", o.f);
        bl_id_put_json(o.f, (bl_id){k->id, k->id_text});
        fputs(", \"bbox\": [", o.f);
        for (int c = 0; c < 4; c++) {
            if (c) fputs(", ", o.f);
            bl_json_put_number(o.f, box[c]);
        }
        fputs("], \"score\": ", o.f);
        bl_json_put_number(o.f, v->score);
        if (d->masks) {
            fputs(", \"segmentation\": ", o.f);
            bl_mask_put_json(o.f, &d->masks[i]);
        }
        fputc('}', o.f);
    }
    fputs("\n]\n", o.f);
    return bl_outfile_commit(&o);
}
