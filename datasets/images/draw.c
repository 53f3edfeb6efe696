#include "datasets/images/draw.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/images/font.h"

static const uint8_t black[3] = {0, 0, 0}, white[3] = {255, 255, 255}, paper[3] = {246, 246, 246};

void bl_draw_class_colour(int32_t c, uint8_t rgb[3]) {
    for (int i = 0; i < 3; i++) {
        double phase = 2.399963 * c + i * 2.094395; /* the golden angle */
        rgb[i] = (uint8_t)(140 + 110 * cos(phase));
    }
}

static int32_t inside(double v, int32_t side) {
    return v <= 0 ? 0 : v >= side ? side : (int32_t)v;
}

void bl_draw_fill(bl_image *im, int32_t x1, int32_t y1, int32_t x2, int32_t y2,
                  const uint8_t rgb[3]) {
    int32_t left = inside(x1, im->width), right = inside((double)x2 + 1, im->width);
    int32_t top = inside(y1, im->height), bottom = inside((double)y2 + 1, im->height);
    for (int32_t y = top; y < bottom; y++)
        for (int32_t x = left; x < right; x++)
            memcpy(im->rgb + 3 * ((int64_t)y * im->width + x), rgb, 3);
}

void bl_draw_frame(bl_image *im, bl_box b, int32_t thick, const uint8_t rgb[3]) {
    int32_t x1 = inside(b.x1, im->width - 1), y1 = inside(b.y1, im->height - 1);
    int32_t x2 = inside(b.x2, im->width - 1), y2 = inside(b.y2, im->height - 1);
    int32_t t = thick - 1;
    bl_draw_fill(im, x1, y1, x2, y1 + t, rgb);
    bl_draw_fill(im, x1, y2 - t, x2, y2, rgb);
    bl_draw_fill(im, x1, y1, x1 + t, y2, rgb);
    bl_draw_fill(im, x2 - t, y1, x2, y2, rgb);
}

int32_t bl_draw_text_width(const char *text, int32_t scale) {
    return bl_font_columns(text) * (BL_FONT_WIDTH + 1) * scale;
}

static void draw_glyph(bl_image *im, int32_t x, int32_t y, int32_t scale, const char *glyph,
                       const uint8_t rgb[3]) {
    for (int32_t r = 0; r < BL_FONT_HEIGHT; r++) {
        for (int32_t c = 0; c < BL_FONT_WIDTH; c++) {
            int32_t left = x + c * scale, top = y + r * scale;
            if (bl_font_dot(glyph, c, r))
                bl_draw_fill(im, left, top, left + scale - 1, top + scale - 1, rgb);
        }
    }
}

void bl_draw_text(bl_image *im, int32_t x, int32_t y, int32_t scale, const char *text,
                  const uint8_t rgb[3]) {
    for (; *text && x < im->width; x += (BL_FONT_WIDTH + 1) * scale)
        draw_glyph(im, x, y, scale, bl_font_next(&text), rgb);
}

/* ---- detections ---- */

/* Letters about a fiftieth of the shorter side high, but readable on small images. */
static int32_t scale_of(const bl_image *im) {
    int32_t side = im->width < im->height ? im->width : im->height;
    int32_t scale = (side + 175) / 350;
    return scale < 1 ? 1 : scale;
}

typedef struct pen {
    int32_t scale;
    const char *const *names;
    int32_t n_names;
} pen;

static void name_of(const pen *p, int32_t label, char *out, size_t size) {
    const char *name = label < p->n_names ? p->names[label] : NULL;
    if (name && bl_font_has(name))
        snprintf(out, size, "%.60s", name);
    else
        snprintf(out, size, "#%d", (int)label);
}

static const uint8_t *ink_on(const uint8_t rgb[3]) {
    return 299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] > 128000 ? black : white;
}

/* A label above its box; inside where there is no room above, and never beyond the right edge. */
static void draw_label(bl_image *im, const pen *p, const bl_drawn_box *b) {
    char name[80], text[96];
    uint8_t rgb[3];
    name_of(p, b->label, name, sizeof name);
    snprintf(text, sizeof text, "%s %.2f", name, (double)b->score);
    bl_draw_class_colour(b->label, rgb);
    int32_t w = bl_draw_text_width(text, p->scale) + p->scale, h = (BL_FONT_HEIGHT + 1) * p->scale;
    int32_t x = inside(b->box.x1, im->width - 1), y = inside(b->box.y1, im->height - 1);
    if (x + w > im->width) x = im->width > w ? im->width - w : 0;
    y = y >= h ? y - h : y;
    bl_draw_fill(im, x, y, x + w - 1, y + h - 1, rgb);
    bl_draw_text(im, x + p->scale, y + p->scale, p->scale, text, ink_on(rgb));
}

/* Lays the legend out below `top` and, when `im` has rows there, draws it; returns its height. */
static int32_t legend(bl_image *im, int32_t top, const pen *p, const int32_t *count) {
    int32_t line = (BL_FONT_HEIGHT + 3) * p->scale, square = BL_FONT_HEIGHT * p->scale;
    int32_t x = 2 * p->scale, y = top + 2 * p->scale, entries = 0;
    for (int32_t c = 0; c < p->n_names; c++) {
        char name[80], text[112];
        uint8_t rgb[3];
        if (!count[c]) continue;
        name_of(p, c, name, sizeof name);
        snprintf(text, sizeof text, "%s: %d", name, (int)count[c]);
        int32_t w = square + 2 * p->scale + bl_draw_text_width(text, p->scale) + 3 * p->scale;
        if (x + w > im->width && x > 2 * p->scale) {
            x = 2 * p->scale;
            y += line;
        }
        bl_draw_class_colour(c, rgb);
        bl_draw_fill(im, x, y, x + square - 1, y + square - 1, rgb);
        bl_draw_text(im, x + square + 2 * p->scale, y + p->scale, p->scale, text, black);
        x += w;
        entries++;
    }
    if (!entries) bl_draw_text(im, x, y + p->scale, p->scale, "no detections", black);
    return y + line - top;
}

/* `im` above `height` rows of paper. */
static bl_status extend(const bl_image *im, int32_t height, bl_image *out) {
    BL_TRY(bl_image_alloc(im->width, im->height + height, out));
    memcpy(out->rgb, im->rgb, 3 * (size_t)im->width * (size_t)im->height);
    bl_draw_fill(out, 0, im->height, im->width - 1, im->height + height - 1, paper);
    return BL_OK;
}

static void draw_boxes(bl_image *im, const pen *p, const bl_drawn_box *box, int32_t n) {
    for (int32_t i = n - 1; i >= 0; i--) { /* the best on top */
        uint8_t rgb[3];
        bl_draw_class_colour(box[i].label, rgb);
        bl_draw_frame(im, box[i].box, p->scale + 1, rgb);
    }
    for (int32_t i = n - 1; i >= 0; i--) draw_label(im, p, &box[i]);
}

bl_status bl_draw_detections(const bl_image *im, const bl_drawn_box *box, int32_t n,
                             const char *const *names, int32_t n_names, bl_image *out) {
    *out = (bl_image){0};
    int32_t *count = calloc((size_t)n_names + 1, sizeof *count);
    bl_image copy = {0};
    if (!count) return bl_no_memory("for a legend");
    for (int32_t i = 0; i < n; i++)
        if (box[i].label < n_names) count[box[i].label]++;
    pen p = {scale_of(im), names, n_names};
    bl_status status = bl_image_copy(im, &copy);
    if (status == BL_OK) {
        draw_boxes(&copy, &p, box, n);
        bl_image probe = {.width = im->width, .height = 0}; /* without rows: measures only */
        status = extend(&copy, legend(&probe, 0, &p, count), out);
    }
    if (status == BL_OK) legend(out, im->height, &p, count);
    bl_image_free(&copy);
    free(count);
    return status;
}
