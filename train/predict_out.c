#include "train/predict_out.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/csv_out.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/json_out.h"

bl_status bl_predictions_add(bl_predictions *p, int32_t image, const bl_boxes *b) {
    if (p->n + b->n > p->cap) {
        int64_t cap = 2 * p->cap > p->n + b->n ? 2 * p->cap : p->n + b->n + 64;
        bl_predicted *grown = realloc(p->v, (size_t)cap * sizeof *grown);
        if (!grown) return bl_fail(BL_ENOMEM, "out of memory for %lld detections", (long long)cap);
        p->v = grown;
        p->cap = cap;
    }
    for (int32_t k = 0; k < b->n; k++)
        p->v[p->n++] = (bl_predicted){image, b->label[k], b->box[k], b->score[k]};
    return BL_OK;
}

void bl_predictions_free(bl_predictions *p) {
    free(p->v);
    *p = (bl_predictions){0};
}

static void to_coco(const bl_predicted *d, double xywh[4]) {
    xywh[0] = d->box.x1;
    xywh[1] = d->box.y1;
    xywh[2] = (double)d->box.x2 - d->box.x1;
    xywh[3] = (double)d->box.y2 - d->box.y1;
}

static struct json_object *entry(const bl_predictions *p, const bl_predicted *d) {
    struct json_object *o = json_object_new_object(), *box = json_object_new_array();
    const bl_predict_class *c = &p->classes[d->label];
    double v[4];
    to_coco(d, v);
    for (int i = 0; i < 4; i++) json_object_array_add(box, json_object_new_double(v[i]));
    json_object_object_add(o, "file_name", json_object_new_string(p->images[d->image]));
    json_object_object_add(o, "category_id", json_object_new_int64(c->id));
    json_object_object_add(o, "category", json_object_new_string(c->name));
    json_object_object_add(o, "bbox", box);
    json_object_object_add(o, "score", json_object_new_double((double)d->score));
    return o;
}

static bl_status write_json(const bl_predictions *p, const char *path) {
    struct json_object *list = json_object_new_array();
    for (int64_t i = 0; i < p->n; i++) json_object_array_add(list, entry(p, &p->v[i]));
    bl_status status = bl_json_save(list, path);
    json_object_put(list);
    return status;
}

/* Hundredths of a pixel and millionths of a score are more than there is to know. */
static void put_csv(FILE *f, const bl_predictions *p, const bl_predicted *d) {
    double v[4];
    to_coco(d, v);
    bl_csv_put_text(f, p->images[d->image]);
    fputc(',', f);
    bl_csv_put_text(f, p->classes[d->label].name);
    fprintf(f, ",%" PRId64 ",", p->classes[d->label].id);
    bl_json_put_number(f, round(1e6 * (double)d->score) / 1e6);
    for (int i = 0; i < 4; i++) {
        fputc(',', f);
        bl_json_put_number(f, round(100 * v[i]) / 100);
    }
    fputc('\n', f);
}

static bl_status write_csv(const bl_predictions *p, const char *path) {
    bl_outfile o;
    BL_TRY(bl_outfile_open(path, &o));
    fputs("file_name,category,category_id,score,x,y,width,height\n", o.f);
    for (int64_t i = 0; i < p->n; i++) put_csv(o.f, p, &p->v[i]);
    return bl_outfile_commit(&o);
}

static bool is_csv(const char *path) {
    size_t n = strlen(path);
    return n >= 4 && strcasecmp(path + n - 4, ".csv") == 0;
}

bl_status bl_predictions_write(const bl_predictions *p, const char *path) {
    return is_csv(path) ? write_csv(p, path) : write_json(p, path);
}

/* ---- the table ---- */

enum { MOST_COLUMNS = 44 };

static int width_of(const char *text) {
    int n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* The end of a name too long for its column, which tells more than its beginning. */
static void print_cell(FILE *f, const char *text, int columns) {
    int n = width_of(text), more = n > columns ? n - columns + 3 : 0;
    if (more) fputs("...", f);
    for (; more > 0; more--) {
        text++;
        while (((unsigned char)*text & 0xc0) == 0x80) text++;
    }
    int printed = n > columns ? columns : n;
    fprintf(f, "%s%*s", text, columns - printed, "");
}

static int widest(const bl_predictions *p, bool images) {
    int n = 5;
    for (int32_t i = 0; images && i < p->n_images; i++)
        if (width_of(p->images[i]) > n) n = width_of(p->images[i]);
    for (int64_t i = 0; !images && i < p->n; i++) {
        int w = width_of(p->classes[p->v[i].label].name);
        if (w > n) n = w;
    }
    return n > MOST_COLUMNS ? MOST_COLUMNS : n;
}

void bl_predictions_print(const bl_predictions *p, double least_score, FILE *f) {
    int a = widest(p, true), b = widest(p, false);
    fprintf(f, "%-*s  %-*s  score %8s %8s %8s %8s\n", a, "image", b, "class", "x", "y", "width",
            "height");
    int64_t at = 0;
    for (int32_t i = 0; i < p->n_images; i++) {
        if (at == p->n || p->v[at].image != i) {
            print_cell(f, p->images[i], a);
            fprintf(f, "  nothing of score %.2f or more\n", least_score);
        }
        for (; at < p->n && p->v[at].image == i; at++) {
            double v[4];
            to_coco(&p->v[at], v);
            print_cell(f, p->images[i], a);
            fputs("  ", f);
            print_cell(f, p->classes[p->v[at].label].name, b);
            fprintf(f, "  %5.3f %8.1f %8.1f %8.1f %8.1f\n", (double)p->v[at].score, v[0], v[1],
                    v[2], v[3]);
        }
    }
}
