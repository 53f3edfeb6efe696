#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/ids.h"
#include "core/json_out.h"
#include "datasets/annotations/dataset.h"

static void put_image_id(FILE *f, const bl_image_info *im) {
    bl_id_put_json(f, (bl_id){im->id, im->id_text});
}

static void put_category_id(FILE *f, const bl_category *c) {
    bl_id_put_json(f, (bl_id){c->id, c->id_text});
}

static void put_ids(FILE *f, const char *key, const bl_dataset *d, const int32_t *v, int32_t n) {
    fprintf(f, ", \"%s\": [", key);
    for (int32_t i = 0; i < n; i++) {
        if (i) fputs(", ", f);
        put_category_id(f, &d->categories[v[i]]);
    }
    fputc(']', f);
}

static void put_tables(FILE *f, const bl_dataset *d) {
    fputs("\"images\": [", f);
    for (int32_t i = 0; i < d->n_images; i++) {
        const bl_image_info *im = &d->images[i];
        fputs(i ? ",\n{\"id\": " : "\n{\"id\": ", f);
        put_image_id(f, im);
        fprintf(f, ", \"width\": %d, \"height\": %d, \"file_name\": ", im->width, im->height);
        bl_json_put_string(f, im->file);
        if (d->federated && d->federated[i].stated) {
            const bl_federated *l = &d->federated[i];
            put_ids(f, "neg_category_ids", d, l->negative, l->n_negative);
            put_ids(f, "not_exhaustive_category_ids", d, l->not_exhaustive, l->n_not_exhaustive);
        }
        fputc('}', f);
    }
    fputs("\n],\n\"annotations\": [", f);
    for (int64_t i = 0; i < d->n_anns; i++) {
        const bl_ann *a = &d->anns[i];
        const double numbers[] = {a->x, a->y, a->w, a->h};
        fprintf(f, "%s\n{\"id\": %" PRId64 ", \"image_id\": ", i ? "," : "", a->id);
        put_image_id(f, &d->images[a->image]);
        fputs(", \"category_id\": ", f);
        put_category_id(f, &d->categories[a->category]);
        fputs(", \"bbox\": [", f);
        for (int k = 0; k < 4; k++) {
            if (k) fputs(", ", f);
            bl_json_put_number(f, numbers[k]);
        }
        fputs("], \"area\": ", f);
        bl_json_put_number(f, a->area);
        fprintf(f, ", \"iscrowd\": %d", a->iscrowd);
        if (a->ignore) fputs(", \"ignore\": 1", f);
        if (a->difficult) fputs(", \"difficult\": 1", f);
        if (d->masks && d->masks[i].text) {
            fputs(", \"segmentation\": ", f);
            bl_mask_put_json(f, &d->masks[i]);
        }
        fputc('}', f);
    }
    fputs("\n],\n\"categories\": [", f);
    for (int32_t i = 0; i < d->n_categories; i++) {
        const bl_category *c = &d->categories[i];
        fputs(i ? ",\n{\"id\": " : "\n{\"id\": ", f);
        put_category_id(f, c);
        fputs(", \"name\": ", f);
        bl_json_put_string(f, c->name);
        if (c->supercategory && *c->supercategory) {
            fputs(", \"supercategory\": ", f);
            bl_json_put_string(f, c->supercategory);
        }
        if (c->frequency) fprintf(f, ", \"frequency\": \"%c\"", c->frequency);
        if (c->image_count) fprintf(f, ", \"image_count\": %" PRId64, c->image_count);
        if (c->instance_count) fprintf(f, ", \"instance_count\": %" PRId64, c->instance_count);
        fputc('}', f);
    }
    fputs("\n]}\n", f);
}

static bl_status check_finite(const bl_dataset *d, const char *path) {
    for (int64_t i = 0; i < d->n_anns; i++) {
        const bl_ann *a = &d->anns[i];
        if (!isfinite(a->x) || !isfinite(a->y) || !isfinite(a->w) || !isfinite(a->h) ||
            !isfinite(a->area))
            return bl_fail(BL_EINVAL, "%s: annotation id %lld is not finite and cannot be written",
                           path, (long long)a->id);
    }
    return BL_OK;
}

bl_status bl_coco_write(const bl_dataset *d, const char *path) {
    bl_outfile o;
    BL_TRY(check_finite(d, path));
    BL_TRY(bl_outfile_open(path, &o));
    fputc('{', o.f);
    if (d->role && *d->role) {
        fputs("\"info\": {\"ballast_role\": ", o.f);
        bl_json_put_string(o.f, d->role);
        if (strcmp(d->role, "unlabelled") == 0)
            fputs(
                ", \"note\": \"the boxes are hidden labels, kept to measure pseudo-labels: do not "
                "train on them\"",
                o.f);
        fputs("},\n", o.f);
    }
    put_tables(o.f, d);
    return bl_outfile_commit(&o);
}
