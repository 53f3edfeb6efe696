#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "datasets/dataset.h"

static void put_string(FILE *f, const char *s) {
    fputc('"', f);
    for (const char *p = s; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", c);
        else if (c < 0x20)
            fprintf(f, "\\u%04x", c);
        else
            fputc(c, f);
    }
    fputc('"', f);
}

/* The shortest of the usual forms that reads back as the same double, with a point in any locale.
 */
static void put_number(FILE *f, double v) {
    if (v == floor(v) && fabs(v) < 1e15) {
        fprintf(f, "%" PRId64, (int64_t)v);
        return;
    }
    char buf[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(buf, sizeof buf, "%.*g", digits, v);
        if (strtod(buf, NULL) == v) break;
    }
    for (char *p = buf; *p; p++)
        if (!strchr("0123456789+-e", *p)) *p = '.';
    fputs(buf, f);
}

static void put_ids(FILE *f, const char *key, const bl_dataset *d, const int32_t *v, int32_t n) {
    fprintf(f, ", \"%s\": [", key);
    for (int32_t i = 0; i < n; i++) fprintf(f, "%s%" PRId64, i ? ", " : "", d->categories[v[i]].id);
    fputc(']', f);
}

static void put_tables(FILE *f, const bl_dataset *d) {
    fputs("\"images\": [", f);
    for (int32_t i = 0; i < d->n_images; i++) {
        const bl_image_info *im = &d->images[i];
        fprintf(f, "%s\n{\"id\": %" PRId64 ", \"width\": %d, \"height\": %d, \"file_name\": ",
                i ? "," : "", im->id, im->width, im->height);
        put_string(f, im->file);
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
        fprintf(f,
                "%s\n{\"id\": %" PRId64 ", \"image_id\": %" PRId64 ", \"category_id\": %" PRId64
                ", \"bbox\": [",
                i ? "," : "", a->id, d->images[a->image].id, d->categories[a->category].id);
        for (int k = 0; k < 4; k++) {
            if (k) fputs(", ", f);
            put_number(f, numbers[k]);
        }
        fputs("], \"area\": ", f);
        put_number(f, a->area);
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
        fprintf(f, "%s\n{\"id\": %" PRId64 ", \"name\": ", i ? "," : "", c->id);
        put_string(f, c->name);
        if (c->supercategory && *c->supercategory) {
            fputs(", \"supercategory\": ", f);
            put_string(f, c->supercategory);
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
        put_string(o.f, d->role);
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
