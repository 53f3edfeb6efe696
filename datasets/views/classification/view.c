#include "datasets/views/classification/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "datasets/images/pil_affine.h"
#include "datasets/images/pil_resize.h"
#include "datasets/views/classification/contrast.h"
#include "datasets/views/classification/rand_augment.h"
#include "datasets/views/normalise.h"

static const char *const pad_modes[] = {"reflect", "zero", NULL};
static const char *const makers[] = {"cpu", "auto", "device", NULL};
static const char *const recipes[] = {"ra_mc", "ra_usb", "ra_large", "ra_fixed", NULL};

#define INT(name) #name, BL_T_INT, offsetof(bl_classify_view_config, name)
#define REAL(name) #name, BL_T_REAL, offsetof(bl_classify_view_config, name)
#define ENUM(name) #name, BL_T_ENUM, offsetof(bl_classify_view_config, name)
static const bl_field fields[] = {
    {ENUM(device), "\"cpu\"", 0, 0, makers, NULL,
     "Who makes the views of training batches: the loader's threads (cpu), or the run's device, "
     "which "
     "then keeps the training images in its memory (device; the same pixels; weak, strong and "
     "rotation "
     "views of the images' own size, not ra_fixed). auto: the device where it is a GPU and can "
     "make "
     "all views of the method.",
     NULL},
    {INT(size), "0", 0, 1024, NULL, "px",
     "Sides of the views; 0 = those of the data. Resized after augmenting.", NULL},
    {REAL(flip), "0.5", 0, 1, NULL, NULL, "Probability of a left-right flip.", NULL},
    {INT(pad), "-1", -1, 256, NULL, "px", "Padding before the random crop; -1 = side / 8.", NULL},
    {ENUM(pad_mode), "\"reflect\"", 0, 0, pad_modes, NULL,
     "What is padded: the image mirrored (edge not repeated), or black.", NULL},
    {ENUM(strong), "\"ra_mc\"", 0, 0, recipes, NULL, "RandAugment variant of the strong views.",
     NULL},
    {INT(strong_ops), "0", 0, 16, NULL, NULL,
     "Operations drawn for a strong view; 0 = the variant's number (2; 3 for ra_usb, ra_fixed).",
     NULL},
    {INT(level), "4", 0, 30, NULL, NULL, "Level of all operations of ra_fixed.", NULL},
    {INT(cutout), "-1", -1, 1024, NULL, "px",
     "Side of Cutout's square in strong views; -1 = the variant's (16, or up to half the side for "
     "ra_usb); 0 = no Cutout.",
     NULL},
    {REAL(crop_min), "0.2", 0.01, 1, NULL, "of the area",
     "Contrast views: least area of the resized crop.", NULL},
    {REAL(jitter), "0.5", 0, 1.25, NULL, NULL,
     "Contrast views: strength s of the colour jitter (0.8 s, hue 0.2 s).", NULL},
    {REAL(jitter_p), "0.8", 0, 1, NULL, NULL, "Contrast views: probability of colour jitter.",
     NULL},
    {REAL(grey_p), "0.2", 0, 1, NULL, NULL, "Contrast views: probability of grey.", NULL},
    {REAL(blur_p), "0", 0, 1, NULL, NULL,
     "Contrast views: probability of a blur of 0.1 to 2 px (usual: 0 for 32 px, 0.5 for larger).",
     NULL},
    {0}};

const bl_schema bl_classify_view_schema = {"views", "Views of the images of a classification set.",
                                           sizeof(bl_classify_view_config), fields};

struct bl_classify_views {
    bl_classify_view_config cfg;
    int width, height;         /* of the set's images */
    int out_width, out_height; /* of the views */
    int pad;
    int *columns, *rows; /* source coordinate of each column and row of the crop, -1: black */
    bl_canvas canvas;
    bl_contrast contrast;
    bl_pil_resizer resizer;
    uint8_t *out; /* a resized view */
};

static bl_status check(bl_classify_views *v, const bl_classify_set *set) {
    if (v->cfg.pad_mode == BL_CLASSIFY_PAD_REFLECT && (v->pad >= v->width || v->pad >= v->height))
        return bl_fail(BL_ECONFIG,
                       "views.pad: %d px cannot be mirrored from images of %dx%d px (%s); the "
                       "padding must be smaller than the image",
                       v->pad, v->width, v->height, set->name);
    return BL_OK;
}

bl_status bl_classify_views_create(const bl_classify_view_config *cfg, const bl_classify_set *set,
                                   bl_classify_views **out) {
    bl_classify_views *v = calloc(1, sizeof *v);
    if (!v) return bl_no_memory("for the views");
    v->cfg = *cfg;
    v->width = set->width;
    v->height = set->height;
    v->out_width = cfg->size > 0 ? (int)cfg->size : v->width;
    v->out_height = cfg->size > 0 ? (int)cfg->size : v->height;
    int side = v->width < v->height ? v->width : v->height;
    v->pad = cfg->pad >= 0 ? (int)cfg->pad : side / 8;
    bl_status status = check(v, set);
    if (status == BL_OK) {
        v->columns = malloc((size_t)v->width * sizeof *v->columns);
        v->rows = malloc((size_t)v->height * sizeof *v->rows);
        v->out = calloc(1, 3 * (size_t)v->out_width * (size_t)v->out_height + BL_PIXEL_SLACK);
        if (!v->columns || !v->rows || !v->out) status = bl_no_memory("for the views");
    }
    if (status == BL_OK) status = bl_canvas_create(v->width, v->height, &v->canvas);
    if (status == BL_OK)
        status =
            bl_contrast_create(cfg, v->width, v->height, v->out_width, v->out_height, &v->contrast);
    if (status == BL_OK)
        status = bl_pil_resizer_reserve(&v->resizer, v->width, v->height, BL_PIL_BILINEAR,
                                        v->out_width, v->out_height);
    if (status != BL_OK) {
        bl_classify_views_destroy(v);
        return status;
    }
    *out = v;
    return BL_OK;
}

void bl_classify_views_destroy(bl_classify_views *v) {
    if (!v) return;
    free(v->columns);
    free(v->rows);
    free(v->out);
    bl_canvas_free(&v->canvas);
    bl_contrast_free(&v->contrast);
    bl_pil_resizer_free(&v->resizer);
    free(v);
}

int32_t bl_classify_views_width(const bl_classify_views *v) {
    return v->out_width;
}

int32_t bl_classify_views_height(const bl_classify_views *v) {
    return v->out_height;
}

/* ---- drawing ---- */

static void draw_weak(const bl_classify_views *v, bl_rng *rng, bl_view_plan *p) {
    p->flip = bl_rng_uniform(rng) < (float)v->cfg.flip;
    p->reflect = v->cfg.pad_mode == BL_CLASSIFY_PAD_REFLECT;
    p->dx = (int)bl_rng_below(rng, 2 * (uint32_t)v->pad + 1) - v->pad;
    p->dy = (int)bl_rng_below(rng, 2 * (uint32_t)v->pad + 1) - v->pad;
}

static bool is_fixed(const bl_classify_view_config *cfg, bl_classify_view_kind kind) {
    return kind == BL_CLASSIFY_STRONG && cfg->strong == BL_STRONG_RA_FIXED;
}

/* Where along one side of n px the hole around an integer centre lies: cut off at both ends. */
static void draw_hole(int n, int side, bl_rng *rng, int32_t *lo, int32_t *hi) {
    int centre = (int)bl_rng_below(rng, (uint32_t)n), half = side / 2;
    *lo = centre > half ? centre - half : 0;
    *hi = centre + half < n ? centre + half : n;
}

static int draw_strong(const bl_classify_views *v, bl_rng *rng, bl_view_step *steps,
                       bl_classify_view_info *info) {
    bl_ra_recipe recipe = (bl_ra_recipe)v->cfg.strong;
    bool usb = recipe == BL_RA_USB, fixed = recipe == BL_RA_FIXED;
    int ops = v->cfg.strong_ops > 0 ? (int)v->cfg.strong_ops : usb || fixed ? 3 : 2;
    int n = bl_ra_draw(v->width, v->height, recipe, ops, (int)v->cfg.level, rng, steps);
    double side = (double)v->cfg.cutout;
    if (fixed) {
        int hole = side < 0 ? 16 : (int)side;
        draw_hole(v->out_width, hole, rng, &info->hole[0], &info->hole[2]);
        draw_hole(v->out_height, hole, rng, &info->hole[1], &info->hole[3]);
        return n;
    }
    if (side < 0) side = usb ? 0.5 * (double)bl_rng_uniform(rng) * v->width : 16;
    if (side > 0) steps[n++] = bl_cutout_draw(v->width, v->height, recipe, side, rng);
    return n;
}

static int draw_turn(const bl_classify_views *v, bl_rng *rng, bl_view_step *steps) {
    int turns = (int)bl_rng_below(rng, 4);
    if (v->width != v->height) turns &= 2; /* quarter turns keep the shape of squares only */
    if (turns == 0) return 0;
    steps[0] = (bl_view_step){.op = BL_VIEW_TURN, .v = {turns}};
    return 1;
}

static bool resizes(const bl_classify_views *v) {
    return v->width != v->out_width || v->height != v->out_height;
}

static void draw(const bl_classify_views *v, bl_classify_view_kind kind, bl_rng *rng,
                 bl_view_plan *p, bl_view_step *steps, bl_classify_view_info *info) {
    *p = (bl_view_plan){0};
    if (kind == BL_CLASSIFY_PLAIN) return;
    draw_weak(v, rng, p);
    if (kind == BL_CLASSIFY_STRONG) p->steps = draw_strong(v, rng, steps, info);
    if (kind == BL_CLASSIFY_ROTATION) p->steps = draw_turn(v, rng, steps);
    if (kind == BL_CLASSIFY_ROTATION && p->steps > 0) info->turn = (int32_t)steps[0].v[0];
}

/* ---- performing ---- */

/* Flip, pad and crop in one copy to `p`. */
static void crop(bl_classify_views *v, const uint8_t *image, const bl_view_plan *plan, uint8_t *p) {
    int w = v->width, h = v->height;
    for (int x = 0; x < w; x++) {
        int s = bl_px_crop(x, plan->dx, w, plan->reflect);
        v->columns[x] = s < 0 ? -1 : 3 * (plan->flip ? w - 1 - s : s);
    }
    for (int y = 0; y < h; y++) v->rows[y] = bl_px_crop(y, plan->dy, h, plan->reflect);
    for (int y = 0; y < h; y++) {
        if (v->rows[y] < 0) {
            memset(p, 0, 3 * (size_t)w);
            p += 3 * (size_t)w;
            continue;
        }
        const uint8_t *row = image + 3 * (size_t)v->rows[y] * (size_t)w;
        for (int x = 0; x < w; x++, p += 3) {
            int s = v->columns[x];
            if (s < 0)
                memset(p, 0, 3);
            else
                memcpy(p, row + s, 3);
        }
    }
}

/* ---- interface ---- */

/* Cannot fail: the resizer has room for every image of the set. */
static const uint8_t *resized(bl_classify_views *v, const uint8_t *image) {
    if (!resizes(v)) return image;
    (void)bl_pil_resize(&v->resizer, image, 3 * (size_t)v->width, v->width, v->height,
                        BL_PIL_BILINEAR, v->out, v->out_width, v->out_height);
    return v->out;
}

const uint8_t *bl_classify_view_pixels(bl_classify_views *v, bl_classify_view_kind kind,
                                       const uint8_t *image, bl_rng *rng,
                                       bl_classify_view_info *info) {
    bl_classify_view_info none;
    if (!info) info = &none;
    *info = (bl_classify_view_info){0};
    if (kind == BL_CLASSIFY_PLAIN) return resized(v, image);
    if (kind == BL_CLASSIFY_CONTRAST) return bl_contrast_make(&v->contrast, image, rng);
    bl_view_plan plan;
    bl_view_step steps[BL_CLASSIFY_MAX_STEPS];
    draw(v, kind, rng, &plan, steps, info);
    bl_canvas *c = &v->canvas;
    if (is_fixed(&v->cfg, kind)) { /* steps first */
        memcpy(c->image, image, 3 * (size_t)v->width * (size_t)v->height);
        for (int k = 0; k < plan.steps; k++) bl_canvas_perform(c, &steps[k]);
        crop(v, c->image, &plan, c->spare);
        return resized(v, c->spare);
    }
    crop(v, image, &plan, c->image);
    for (int k = 0; k < plan.steps; k++) bl_canvas_perform(c, &steps[k]);
    return resized(v, c->image);
}

const char *bl_classify_view_cpu_only(const bl_classify_view_config *cfg,
                                      const bl_classify_set *set, bl_classify_view_kind kind) {
    if (kind == BL_CLASSIFY_CONTRAST) return "contrast views are made on the CPU only";
    if (is_fixed(cfg, kind)) return "views of views.strong = ra_fixed are made on the CPU only";
    if (cfg->size > 0 && (cfg->size != set->width || cfg->size != set->height))
        return "resized views (views.size) are made on the CPU only";
    return NULL;
}

bool bl_classify_view_draw(const bl_classify_views *v, bl_classify_view_kind kind, bl_rng *rng,
                           bl_view_plan *plan, bl_view_step *steps, bl_classify_view_info *info) {
    bl_classify_view_info none;
    if (!info) info = &none;
    *info = (bl_classify_view_info){0};
    if (kind == BL_CLASSIFY_CONTRAST || resizes(v) || is_fixed(&v->cfg, kind)) return false;
    draw(v, kind, rng, plan, steps, info);
    return true;
}

/* Plain arithmetic as in training, so that a view and an evaluation of the same pixels agree. */
static void normalise(const bl_classify_views *v, const uint8_t *pixels, const float mean[3],
                      const float std[3], float *dst) {
    bl_image img = {v->out_width, v->out_height, (uint8_t *)(uintptr_t)pixels};
    float m[3], s[3];
    for (int c = 0; c < 3; c++) {
        m[c] = 255 * mean[c];
        s[c] = 255 * std[c];
    }
    bl_view_normalise(&img, m, s, false, 1, v->out_width, v->out_height, dst);
}

void bl_classify_view_make(bl_classify_views *v, bl_classify_view_kind kind, const uint8_t *image,
                           const float mean[3], const float std[3], bl_rng *rng, float *dst,
                           bl_classify_view_info *info) {
    bl_classify_view_info own;
    if (!info) info = &own;
    normalise(v, bl_classify_view_pixels(v, kind, image, rng, info), mean, std, dst);
    const int32_t *h = info->hole;
    for (int y = 0; h[2] > h[0] && y < 3 * v->out_height; y++) {
        int row = y % v->out_height;
        if (row >= h[1] && row < h[3])
            memset(dst + (size_t)y * (size_t)v->out_width + h[0], 0,
                   sizeof *dst * (size_t)(h[2] - h[0]));
    }
}

/* ---- plain views of many images ---- */

typedef struct plain_job {
    const bl_classify_set *set;
    const int32_t *images;
    int64_t first, n, chunks;
    bl_classify_views **views; /* one a chunk */
    float *dst;
} plain_job;

static void plain_chunks(void *arg, int64_t begin, int64_t end) {
    const plain_job *j = arg;
    for (int64_t k = begin; k < end; k++) {
        bl_classify_views *v = j->views[k];
        size_t row = 3 * (size_t)v->out_width * (size_t)v->out_height;
        for (int64_t i = j->n * k / j->chunks; i < j->n * (k + 1) / j->chunks; i++) {
            int64_t image = j->images ? j->images[i] : j->first + i;
            bl_classify_view_make(v, BL_CLASSIFY_PLAIN, bl_classify_image(j->set, image),
                                  j->set->mean, j->set->std, NULL, j->dst + (size_t)i * row, NULL);
        }
    }
}

bl_status bl_classify_plain(const bl_classify_view_config *cfg, const bl_classify_set *set,
                            const int32_t *images, int64_t first, int64_t n, float *dst) {
    enum { CHUNKS = 8 };
    bl_classify_views *views[CHUNKS] = {NULL};
    plain_job j = {set, images, first, n, n < CHUNKS ? 1 : CHUNKS, views, dst};
    for (int64_t i = 0; i < n; i++) {
        int64_t image = images ? images[i] : first + i;
        if (image < 0 || image >= set->n)
            return bl_fail(BL_EINVAL, "%s: there is no image %lld (0..%d)", set->name,
                           (long long)image, set->n - 1);
    }
    bl_status status = BL_OK;
    for (int64_t k = 0; k < j.chunks && status == BL_OK; k++)
        status = bl_classify_views_create(cfg, set, &views[k]);
    if (status == BL_OK) bl_parallel_for(j.chunks, 1, plain_chunks, &j);
    for (int64_t k = 0; k < j.chunks; k++) bl_classify_views_destroy(views[k]);
    return status;
}
