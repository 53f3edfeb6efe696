/* Views of small images, pixel by pixel with the shared arithmetic. The fast CPU code is that of
 * datasets/, which makes views before there is a tensor. */
#include <stdlib.h>
#include <string.h>

#include "kernels/ref/ref.h"
#include "kernels/shared/view_steps.h"

typedef struct canvas {
    uint8_t *image, *spare;
    int width, height;
} canvas;

static void swap(canvas *c) {
    uint8_t *t = c->image;
    c->image = c->spare;
    c->spare = t;
}

static void by_tables(canvas *c, const bl_view_step *s) {
    int64_t pixels = (int64_t)c->width * c->height;
    int32_t count[3][256] = {{0}};
    uint64_t luma = 0;
    for (int64_t i = 0; i < 3 * pixels; i++) count[i % 3][c->image[i]]++;
    for (const uint8_t *p = c->image; p < c->image + 3 * pixels; p += 3) {
        luma += bl_px_luma(p[0], p[1], p[2]);
    }
    int mean = bl_px_mean_luma(luma, (uint64_t)pixels);
    uint8_t table[3][256];
    for (int i = 0; i < 3 * 256; i++) {
        table[i / 256][i % 256] = bl_view_table(s, count[i / 256], mean, i % 256);
    }
    for (int64_t i = 0; i < 3 * pixels; i++) c->image[i] = table[i % 3][c->image[i]];
}

static void perform(canvas *c, const bl_view_step *s) {
    if (s->op < BL_VIEW_TABLES) {
        by_tables(c, s);
        return;
    }
    bl_px_map map = bl_px_map_make(s->v, c->width, c->height);
    for (int y = 0; y < c->height; y++) {
        for (int x = 0; x < c->width; x++) {
            uint8_t *to = c->spare + 3 * ((int64_t)y * c->width + x);
            bl_view_pixel(s, &map, c->image, c->width, c->height, x, y, to);
        }
    }
    swap(c);
}

static void crop(canvas *c, const bl_view_plan *p, const uint8_t *from) {
    uint8_t *to = c->image;
    for (int y = 0; y < c->height; y++) {
        for (int x = 0; x < c->width; x++, to += 3) {
            int sx, sy;
            bool inside = bl_view_crop(p, c->width, c->height, x, y, &sx, &sy);
            for (int q = 0; q < 3; q++) {
                to[q] = inside ? from[3 * ((int64_t)sy * c->width + sx) + q] : 0;
            }
        }
    }
}

static bl_status views(const uint8_t *images, const bl_view_plan *plan, const bl_view_step *step,
                       const bl_pixel_scale *scale, bl_tensor *out) {
    canvas c = {.width = (int)out->w, .height = (int)out->h};
    size_t bytes = 3 * (size_t)out->w * (size_t)out->h;
    uint8_t *memory = malloc(2 * bytes + 1);
    if (!memory) return bl_no_memory("for views of %zu bytes", bytes);
    c.image = memory;
    c.spare = memory + bytes;
    if (out->c % out->cb) memset(out->data, 0, (size_t)bl_storage(out) * sizeof(float));
    for (int64_t n = 0; n < out->n; n++) {
        crop(&c, &plan[n], images + (size_t)plan[n].image * bytes);
        for (int32_t k = 0; k < plan[n].steps; k++) perform(&c, &step[plan[n].first + k]);
        for (size_t i = 0; i < bytes; i++) {
            int64_t q = (int64_t)i % 3, p = (int64_t)i / 3;
            bl_f32(out)[bl_index(out, n, q, p / out->w, p % out->w)] =
                bl_px_normalised(c.image[i], scale->mean[q], scale->std[q]);
        }
    }
    free(memory);
    return BL_OK;
}

void bl_ref_views(bl_kernels *k) {
    k->views = views;
}
