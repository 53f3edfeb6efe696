#include "train/predict_out.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/csv_out.h"
#include "core/fs.h"
#include "core/json_out.h"

bl_status bl_predictions_add(bl_predictions *p, int32_t image, const bl_boxes *b) {
    if (p->n + b->n > p->cap) {
        int64_t cap = 2 * p->cap > p->n + b->n ? 2 * p->cap : p->n + b->n + 64;
        bl_predicted *grown = realloc(p->v, (size_t)cap * sizeof *grown);
        if (!grown) return bl_no_memory("for %lld detections", (long long)cap);
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

/* As ultralytics has it: what the file is called without folder and ending, a number if that is one.
 * The data set's id where the image is of one. */
static void put_image_id(FILE *f, const bl_predictions *p, int32_t image) {
    if (p->ids) {
        bl_id_put_json(f, p->ids[image]);
        return;
    }
    char stem[BL_ID_MAX_TEXT];
    const char *file = p->images[image], *slash = strrchr(file, '/');
    snprintf(stem, sizeof stem, "%s", slash ? slash + 1 : file);
    char *dot = strrchr(stem, '.');
    if (dot && dot > stem) *dot = 0;
    const char *digits = stem;
    if (*stem && strspn(stem, "0123456789") == strlen(stem))
        while (*digits == '0' && digits[1]) digits++;
    bl_id_put_json(f, bl_id_of_text(digits));
}

static void put_entry(FILE *f, const bl_predictions *p, const bl_predicted *d) {
    const bl_predict_class *c = &p->classes[d->label];
    double v[4];
    int first = 0; /* image_id comes before */
    fputs("  {\"image_id\": ", f);
    put_image_id(f, p, d->image);
    bl_json_member_string(f, &first, "file_name", p->images[d->image]);
    bl_json_member_int(f, &first, "category_id", c->id);
    bl_json_member_string(f, &first, "category", c->name);
    bl_json_put_key(f, &first, "bbox");
    to_coco(d, v);
    for (int i = 0; i < 4; i++) {
        fputs(i ? ", " : "[", f);
        bl_json_put_number(f, v[i]);
    }
    fputc(']', f);
    bl_json_member_number(f, &first, "score", (double)d->score);
    fputc('}', f);
}

static bl_status write_json(const bl_predictions *p, const char *path) {
    bl_outfile o;
    BL_TRY(bl_outfile_open(path, &o));
    fputc('[', o.f);
    for (int64_t i = 0; i < p->n; i++) {
        fputs(i ? ",\n" : "\n", o.f);
        put_entry(o.f, p, &p->v[i]);
    }
    fputs("\n]\n", o.f);
    return bl_outfile_commit(&o);
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
