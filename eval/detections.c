#include "eval/detections.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "datasets/idmap.h"
#include "datasets/json_pull.h"
#include "eval/json_out.h"

bl_status bl_detections_add(bl_detections *d, const bl_detection *one) {
    if (d->n == d->cap) {
        int64_t cap = d->cap ? d->cap + d->cap / 2 : 1024;
        bl_detection *v = realloc(d->v, (size_t)cap * sizeof *v);
        if (!v) return bl_fail(BL_ENOMEM, "no memory for %lld detections", (long long)cap);
        d->v = v, d->cap = cap;
    }
    d->v[d->n++] = *one;
    return BL_OK;
}

void bl_detections_free(bl_detections *d) {
    free(d->v);
    *d = (bl_detections){0};
}

/* ---- reading ---- */

enum { IMAGE_ID = 1, CATEGORY_ID = 2, BBOX = 4, SCORE = 8, ALL_KEYS = 15 };
static const char *const keys[] = {"image_id", "category_id", "bbox", "score"};

typedef struct reader {
    bl_pull *j;
    const bl_dataset *gt;
    bl_detections_options *o;
    bl_idmap images, categories;
} reader;

static bl_status map_ids(reader *r) {
    int64_t stored;
    for (int32_t i = 0; i < r->gt->n_images; i++)
        BL_TRY(bl_idmap_add(&r->images, r->gt->images[i].id, i, &stored));
    for (int32_t k = 0; k < r->gt->n_categories; k++)
        BL_TRY(bl_idmap_add(&r->categories, r->gt->categories[k].id, k, &stored));
    return BL_OK;
}

static bl_status read_id(reader *r, const bl_idmap *ids, const char *key, const char *what,
                         int32_t *index) {
    int64_t id;
    BL_TRY(bl_pull_int(r->j, &id));
    int64_t found = bl_idmap_get(ids, id);
    *index = (int32_t)found;
    if (found >= 0) return BL_OK;
    if (!r->o->skip_unknown)
        return bl_pull_fail(r->j,
                            "\"%s\" %lld is no %s of the ground truth (%s); evaluate against the "
                            "annotations the detections were made for, or skip unknown ids",
                            key, (long long)id, what, r->gt->name ? r->gt->name : "?");
    bool image = ids == &r->images;
    int64_t *n = image ? &r->o->n_unknown_images : &r->o->n_unknown_categories;
    if ((*n)++ == 0) *(image ? &r->o->unknown_image : &r->o->unknown_category) = id;
    return BL_OK;
}

static bl_status read_bbox(reader *r, bl_detection *d) {
    double *const to[4] = {&d->x, &d->y, &d->w, &d->h};
    int n = 0;
    BL_TRY(bl_pull_array(r->j));
    for (;; n++) {
        bool more;
        BL_TRY(bl_pull_more(r->j, &more));
        if (!more) break;
        if (n == 4) return bl_pull_fail(r->j, "\"bbox\" has more than four numbers");
        BL_TRY(bl_pull_number(r->j, to[n]));
    }
    if (n < 4)
        return bl_pull_fail(r->j, "\"bbox\" has %d numbers, expected four: x, y, width, height", n);
    return BL_OK;
}

static bl_status read_entry(reader *r, bl_detection *d) {
    int seen = 0;
    BL_TRY(bl_pull_object(r->j));
    for (;;) {
        const char *key;
        BL_TRY(bl_pull_key(r->j, &key));
        if (!key) break;
        int which = 0;
        while (which < 4 && strcmp(key, keys[which]) != 0) which++;
        if (which == 4) { /* segmentation, area, ... */
            BL_TRY(bl_pull_skip(r->j));
            continue;
        }
        if (seen & 1 << which) return bl_pull_fail(r->j, "\"%s\" is given twice", keys[which]);
        seen |= 1 << which;
        switch (1 << which) {
        case IMAGE_ID:
            BL_TRY(read_id(r, &r->images, "image_id", "image", &d->image));
            break;
        case CATEGORY_ID:
            BL_TRY(read_id(r, &r->categories, "category_id", "category", &d->category));
            break;
        case BBOX:
            BL_TRY(read_bbox(r, d));
            break;
        default:
            BL_TRY(bl_pull_number(r->j, &d->score));
        }
    }
    for (int which = 0; which < 4; which++)
        if (!(seen & 1 << which)) return bl_pull_fail(r->j, "\"%s\" is missing", keys[which]);
    return BL_OK;
}

static bl_status read_all(reader *r, bl_detections *out) {
    if (bl_pull_peek(r->j) == BL_PULL_OBJECT)
        return bl_pull_fail(r->j, "is a JSON object, perhaps an annotation file; a result file is "
                                  "an array of {\"image_id\", \"category_id\", \"bbox\", "
                                  "\"score\"}");
    BL_TRY(map_ids(r));
    BL_TRY(bl_pull_array(r->j));
    for (int64_t i = 0;; i++) {
        bool more;
        bl_detection d = {0};
        bl_pull_context(r->j, "detection", i);
        BL_TRY(bl_pull_more(r->j, &more));
        if (!more) break;
        BL_TRY(read_entry(r, &d));
        if (d.image >= 0 && d.category >= 0) BL_TRY(bl_detections_add(out, &d));
    }
    bl_pull_context(r->j, NULL, 0);
    return bl_pull_end(r->j);
}

static bl_status finish_reading(reader *r, bl_detections *out) {
    *out = (bl_detections){0};
    bl_status status = read_all(r, out);
    bl_idmap_free(&r->images);
    bl_idmap_free(&r->categories);
    bl_pull_close(r->j);
    if (status != BL_OK) bl_detections_free(out);
    return status;
}

bl_status bl_detections_read(const char *path, const bl_dataset *gt, bl_detections *out) {
    return bl_detections_read_with(path, gt, &(bl_detections_options){0}, out);
}

bl_status bl_detections_read_with(const char *path, const bl_dataset *gt, bl_detections_options *o,
                                  bl_detections *out) {
    reader r = {.gt = gt, .o = o};
    *out = (bl_detections){0};
    BL_TRY(bl_pull_open(path, &r.j));
    return finish_reading(&r, out);
}

bl_status bl_detections_read_memory(const void *data, size_t size, const char *name,
                                    const bl_dataset *gt, bl_detections *out) {
    reader r = {.gt = gt, .o = &(bl_detections_options){0}};
    *out = (bl_detections){0};
    BL_TRY(bl_pull_open_memory(data, size, name, &r.j));
    return finish_reading(&r, out);
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
        fprintf(o.f, "%s\n{\"image_id\": %" PRId64 ", \"category_id\": %" PRId64 ", \"bbox\": [",
                i ? "," : "", gt->images[v->image].id, gt->categories[v->category].id);
        for (int c = 0; c < 4; c++) {
            if (c) fputs(", ", o.f);
            json_put_number(o.f, box[c]);
        }
        fputs("], \"score\": ", o.f);
        json_put_number(o.f, v->score);
        fputc('}', o.f);
    }
    fputs("\n]\n", o.f);
    return bl_outfile_commit(&o);
}
