#include "eval/analysis/thumbnails.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/parallel.h"
#include "datasets/annotations/frame.h"

void bl_eval_thumbnail_name(const bl_results *r, int32_t k, int32_t image, char name[64]) {
    snprintf(name, 64, "thumbs/%" PRId64 "_%" PRId64 ".jpg", bl_results_class_id(r, k),
             r->gt->images[image].id);
}

/* ---- drawing ---- */

typedef struct colour {
    uint8_t v[3];
} colour;
static const colour found_colour = {{255, 255, 255}}, missed_colour = {{255, 150, 0}},
                    wrong_colour = {{235, 20, 40}}, shade = {{0, 0, 0}};

static void dot(bl_image *im, int32_t x, int32_t y, colour c) {
    if (x < 0 || y < 0 || x >= im->width || y >= im->height) return;
    memcpy(im->rgb + ((size_t)y * (size_t)im->width + (size_t)x) * 3, c.v, 3);
}

/* A frame one pixel wide. A dash is four pixels of eight. */
static void frame(bl_image *im, int32_t x1, int32_t y1, int32_t x2, int32_t y2, colour c,
                  bool dashed) {
    for (int32_t x = x1; x <= x2; x++)
        if (!dashed || (x - x1) % 8 < 4) {
            dot(im, x, y1, c);
            dot(im, x, y2, c);
        }
    for (int32_t y = y1; y <= y2; y++)
        if (!dashed || (y - y1) % 8 < 4) {
            dot(im, x1, y, c);
            dot(im, x2, y, c);
        }
}

static int32_t pixel(double v, int32_t side) {
    return v <= 0 ? 0 : v >= side - 1 ? side - 1 : (int32_t)v;
}

/* Two pixels of colour between two of shade, so that it shows on any background. */
static void outline(bl_image *im, double scale_x, double scale_y, const double b[4], colour c,
                    bool dashed) {
    int32_t x1 = pixel(b[0] * scale_x, im->width), y1 = pixel(b[1] * scale_y, im->height);
    int32_t x2 = pixel((b[0] + b[2]) * scale_x, im->width);
    int32_t y2 = pixel((b[1] + b[3]) * scale_y, im->height);
    if (!(b[2] > 0 && b[3] > 0) || x2 < x1 || y2 < y1) return;
    for (int32_t d = -1; d <= 2; d++)
        frame(im, x1 + d, y1 + d, x2 - d, y2 - d, d == 0 || d == 1 ? c : shade,
              dashed && (d == 0 || d == 1));
}

/* ---- shrinking ---- */

/* Means of 2 x 2 pixels, until at most twice the wanted size is left: the bilinear resize alone
 * would skip pixels. */
static void halve(bl_image *im) {
    int32_t w = im->width / 2, h = im->height / 2;
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++)
            for (int c = 0; c < 3; c++) {
                size_t row = (size_t)im->width * 3;
                const uint8_t *p = im->rgb + (size_t)(2 * y) * row + (size_t)(2 * x) * 3 + c;
                int sum = p[0] + p[3] + p[row] + p[row + 3];
                im->rgb[((size_t)y * (size_t)w + (size_t)x) * 3 + (size_t)c] =
                    (uint8_t)((sum + 2) / 4);
            }
    im->width = w;
    im->height = h;
}

static bl_status shrink(bl_image *im, bl_image *out) {
    int32_t longest = im->width > im->height ? im->width : im->height;
    double f = longest > EVAL_THUMBNAIL_SIDE ? (double)EVAL_THUMBNAIL_SIDE / longest : 1;
    int32_t w = (int32_t)fmax(1, round(im->width * f)), h = (int32_t)fmax(1, round(im->height * f));
    while (im->width >= 2 * w && im->height >= 2 * h && im->width > 1 && im->height > 1) halve(im);
    return bl_image_resize(im, w, h, out);
}

/* ---- one picture ---- */

typedef struct item {
    int32_t k, rank;
    double cost;
} item;

typedef struct job {
    const char *dir;
    const bl_results *r;
    const bl_analysis *a;
    const item *items;
    const int64_t *first; /* detections by image */
    const int32_t *by_image;
    uint8_t *made;
    atomic_llong unreadable;
    atomic_int status; /* the first failure to write */
    char *message;     /* of it; malloc'd */
    atomic_int message_taken;
} job;

static void draw(const job *j, int32_t k, int32_t image, double sx, double sy, bl_image *im) {
    const bl_results *r = j->r;
    const bl_fates *f = &j->a->fates;
    bool any = r->eval->params.class_agnostic;
    const bl_image_info *info = &r->gt->images[image];
    for (int64_t i = j->first[image]; i < j->first[image + 1]; i++) {
        const bl_detection *d = &r->dt->v[j->by_image[i]];
        if ((!any && d->category != k) || f->dt[j->by_image[i]] <= BL_FATE_RIGHT) continue;
        outline(im, sx, sy, (const double[4]){d->x, d->y, d->w, d->h}, wrong_colour, true);
    }
    for (int64_t g = info->first_ann; g < info->first_ann + info->n_anns; g++) {
        const bl_ann *o = &r->gt->anns[g];
        if ((!any && o->category != k) || f->gt[g] == BL_OBJECT_IGNORED) continue;
        outline(im, sx, sy, (const double[4]){o->x, o->y, o->w, o->h},
                f->gt[g] == BL_OBJECT_FOUND ? found_colour : missed_colour, false);
    }
}

/* As the boxes lie: upright, unless they are of the stored pixels. */
static bl_status load(const bl_dataset *gt, int32_t image, const char *path, bl_image *out) {
    bl_image_header h;
    BL_TRY(bl_image_read_header(path, &h));
    bool stored =
        gt->ignore_exif || bl_orientation_frame(gt, &gt->images[image], &h) == BL_FRAME_STORED;
    return bl_image_load(path, !stored, out);
}

/* An image that cannot be read is counted; a picture that cannot be written is an error. */
static bl_status one(job *j, const item *it) {
    const bl_costly *c = &j->a->costly;
    int64_t at = (int64_t)it->k * c->most + it->rank;
    int32_t image = c->images[at].image;
    bl_image full = {0}, small = {0};
    char name[64], *to = NULL;
    bl_status status = BL_OK;
    char *from = bl_path_join(j->a->options.image_dir, j->r->gt->images[image].file);
    if (!from) BL_TRY_DONE(bl_no_memory("for a thumbnail"));
    if (load(j->r->gt, image, from, &full) != BL_OK) {
        atomic_fetch_add(&j->unreadable, 1);
        goto done;
    }
    double w = full.width, h = full.height;
    BL_TRY_DONE(shrink(&full, &small));
    draw(j, it->k, image, small.width / w, small.height / h, &small);
    bl_eval_thumbnail_name(j->r, it->k, image, name);
    if (!(to = bl_path_join(j->dir, name))) BL_TRY_DONE(bl_no_memory(NULL));
    BL_TRY_DONE(bl_jpeg_write(to, &small, 80));
    j->made[at] = 1;
done:
    bl_image_free(&full);
    bl_image_free(&small);
    free(from);
    free(to);
    return status;
}

static void work(void *arg, int64_t begin, int64_t end) {
    job *j = arg;
    for (int64_t i = begin; i < end; i++) {
        if (atomic_load(&j->status) != BL_OK) return;
        bl_status status = one(j, &j->items[i]);
        if (status == BL_OK) continue;
        atomic_store(&j->status, status);
        if (atomic_exchange(&j->message_taken, 1) == 0) j->message = strdup(bl_error());
    }
}

/* ---- all of them ---- */

static int by_rank(const void *a, const void *b) {
    const item *x = a, *y = b;
    if (x->rank != y->rank) return x->rank > y->rank ? 1 : -1;
    if (x->cost != y->cost) return x->cost < y->cost ? 1 : -1;
    return (x->k > y->k) - (x->k < y->k);
}

static int64_t choose(const bl_analysis *a, item *items) {
    const bl_costly *c = &a->costly;
    int64_t n = 0;
    for (int32_t k = 0; k < c->n_classes; k++)
        for (int32_t i = 0; i < c->n[k]; i++)
            items[n++] = (item){k, i, c->images[(int64_t)k * c->most + i].cost};
    qsort(items, (size_t)n, sizeof *items, by_rank);
    return n < a->options.max_thumbnails ? n : a->options.max_thumbnails;
}

bl_status bl_eval_thumbnails_write(const char *dir, const bl_results *r, const bl_analysis *a,
                                   uint8_t *made, int64_t *n_unreadable) {
    bl_status status;
    size_t most = (size_t)a->costly.n_classes * (size_t)a->costly.most + 1;
    item *items = malloc(most * sizeof *items);
    int64_t *first = calloc((size_t)r->gt->n_images + 2, sizeof *first);
    int32_t *by_image = malloc(((size_t)r->dt->n + 1) * sizeof *by_image);
    char *folder = bl_path_join(dir, "thumbs");
    job j = {.dir = dir, .r = r, .a = a, .items = items, .made = made};
    if (!items || !first || !by_image || !folder)
        BL_TRY_DONE(bl_no_memory("for %s (thumbnails)", dir));
    BL_TRY_DONE(bl_mkdirs(folder));
    int64_t *at = first + 1;
    for (int64_t i = 0; i < r->dt->n; i++) at[r->dt->v[i].image + 1]++;
    for (int32_t i = 0; i < r->gt->n_images; i++) at[i + 1] += at[i];
    for (int64_t i = 0; i < r->dt->n; i++) by_image[at[r->dt->v[i].image]++] = (int32_t)i;
    j.first = first;
    j.by_image = by_image;
    bl_parallel_for(choose(a, items), 1, work, &j);
    *n_unreadable = atomic_load(&j.unreadable);
    status = atomic_load(&j.status);
    if (status != BL_OK) bl_fail(status, "%s", j.message ? j.message : "a thumbnail failed");
done:
    free(items);
    free(first);
    free(by_image);
    free(folder);
    free(j.message);
    return status;
}
