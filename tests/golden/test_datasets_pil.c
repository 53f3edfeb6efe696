/* Every operation of the classification views against Pillow, bit for bit, with the fastest loops
 * of this machine and with the plain ones. */
#include <stdbool.h>
#include <zlib.h>

#include "datasets/images/pil_affine.h"
#include "datasets/images/pil_blur.h"
#include "datasets/images/pil_color.h"
#include "datasets/images/pil_resize.h"
#include "datasets/views/classification/rand_augment.h"
#include "tests/check.h"

enum { MOST = 6 };

typedef struct image_set {
    int n;
    bl_canvas c[MOST];
    uint8_t *original[MOST];
} image_set;

/* The images of scripts/golden/rand_augment_pillow.py. */
static void make_image(bl_canvas *c, uint32_t seed, int kind) {
    uint32_t state = seed;
    int w = c->width;
    for (int i = 0; i < w * c->height * 3; i++) {
        state = state * 1664525u + 1013904223u;
        int noise = (int)(state >> 24), x = i / 3 % w, y = i / 3 / w, ch = i % 3;
        int smooth = 60 + (x * (3 + ch) + y * (5 - ch) + noise / 16) % 120;
        c->image[i] = (uint8_t)(kind == 0 ? noise : kind == 1 ? smooth : noise / 64 * 64 + 17);
    }
}

static void make_set(const char *name, image_set *s) {
    static const int odd[4][4] = {{21, 33, 31, 0}, {33, 21, 32, 1}, {2, 5, 33, 0}, {96, 96, 34, 1}};
    bool small = !strcmp(name, "small");
    s->n = small ? 6 : 4;
    for (int k = 0; k < s->n; k++) {
        int w = small ? 32 : odd[k][0], h = small ? 32 : odd[k][1];
        CHECK_OK(bl_canvas_create(w, h, &s->c[k]));
        make_image(&s->c[k], (uint32_t)(small ? 11 + k : odd[k][2]), small ? k % 3 : odd[k][3]);
        s->original[k] = malloc((size_t)(3 * w * h));
        CHECK(s->original[k]);
        memcpy(s->original[k], s->c[k].image, (size_t)(3 * w * h));
    }
}

static void free_set(image_set *s) {
    for (int k = 0; k < s->n; k++) {
        bl_canvas_free(&s->c[k]);
        free(s->original[k]);
    }
}

static int op_named(const char *name) {
    int op = 0;
    while (op < BL_RA_OPS && strcmp(name, bl_ra_name((bl_ra_op)op)) != 0) op++;
    CHECK(op < BL_RA_OPS);
    return op;
}

static void apply(bl_canvas *c, bl_ra_op op, double v) {
    bl_view_step s;
    if (bl_ra_step(op, v, c->width, c->height, &s)) bl_canvas_perform(c, &s);
}

static void apply_level(bl_canvas *c, const char *recipe_name, bl_ra_op op, int level, int sign) {
    bl_ra_recipe recipe = !strcmp(recipe_name, "mc")      ? BL_RA_MC
                          : !strcmp(recipe_name, "fixed") ? BL_RA_FIXED
                                                          : BL_RA_LARGE;
    int is_signed, least = c->width < c->height ? c->width : c->height;
    int side = op == BL_RA_TRANSLATE_X ? c->width : op == BL_RA_TRANSLATE_Y ? c->height : least;
    double v = bl_ra_amount(recipe, op, level, side, &is_signed);
    if (sign < 0) CHECK_EQ(is_signed, 1);
    apply(c, op, sign * v);
}

static void apply_amount(bl_canvas *c, bl_ra_op op, double v) {
    double lo, hi;
    bl_ra_range(op, &lo, &hi);
    CHECK(v >= lo && v <= hi);
    if (op == BL_RA_TRANSLATE_X) v *= c->width;
    if (op == BL_RA_TRANSLATE_Y) v *= c->height;
    apply(c, op, v);
}

static bl_pil_filter filter_named(const char *name) {
    return !strcmp(name, "box")        ? BL_PIL_BOX
           : !strcmp(name, "bilinear") ? BL_PIL_BILINEAR
                                       : BL_PIL_BICUBIC;
}

/* Resizes a crop; the result is written behind `crc`. */
static unsigned long resized(bl_pil_resizer *r, const bl_canvas *c, int x0, int y0, int w, int h,
                             const char *filter, int ow, int oh, unsigned long crc) {
    uint8_t *out = malloc((size_t)(3 * ow * oh));
    CHECK(out);
    size_t stride = 3 * (size_t)c->width;
    CHECK_OK(bl_pil_resize(r, c->image + (size_t)y0 * stride + 3 * x0, stride, w, h,
                           filter_named(filter), out, ow, oh));
    crc = crc32(crc, out, (unsigned)(3 * ow * oh));
    free(out);
    return crc;
}

/* One line; the CRC over all images of its set. */
static unsigned long run_line(const char *line, image_set *s, bl_pil_resizer *r) {
    static const uint8_t mc[3] = {127, 127, 127}, usb[3] = {125, 123, 114};
    char kind[16], a[32], b[32];
    int v[4], rest = 0;
    double d[3];
    unsigned long crc = 0;
    CHECK(sscanf(line, "%15s %*s %n", kind, &rest) == 1 && rest > 0);
    const char *args = line + rest;
    for (int k = 0; k < s->n; k++) {
        bl_canvas *c = &s->c[k];
        int w = c->width, h = c->height;
        size_t n = (size_t)w * (size_t)h;
        memcpy(c->image, s->original[k], 3 * n);
        if (!strcmp(kind, "level")) {
            CHECK_EQ(sscanf(args, "%31s %31s %d %d", a, b, &v[0], &v[1]), 4);
            apply_level(c, a, (bl_ra_op)op_named(b), v[0], v[1]);
        } else if (!strcmp(kind, "amount")) {
            CHECK_EQ(sscanf(args, "%31s %la", a, &d[0]), 2);
            apply_amount(c, (bl_ra_op)op_named(a), d[0]);
        } else if (!strcmp(kind, "cutout")) {
            CHECK_EQ(sscanf(args, "%la %la %la %d", &d[0], &d[1], &d[2], &v[0]), 4);
            bl_view_step cut = bl_cutout_step(w, h, d[0] * w, d[1] * h, d[2], v[0] ? mc : usb);
            bl_canvas_perform(c, &cut);
        } else if (!strcmp(kind, "fixed_cutout")) {
            CHECK_EQ(sscanf(args, "%la %la %d", &d[0], &d[1], &v[0]), 3);
            int is_signed;
            double side = bl_ra_amount(BL_RA_FIXED, BL_RA_CUTOUT, v[0], 0, &is_signed);
            bl_view_step cut = bl_cutout_step(w, h, d[0] * w, d[1] * h, side, usb);
            bl_canvas_perform(c, &cut);
        } else if (!strcmp(kind, "blur")) {
            uint8_t scratch[6 * 96];
            CHECK_EQ(sscanf(args, "%la", &d[0]), 1);
            bl_pil_gaussian_blur(c->image, w, h, (float)d[0], scratch);
        } else if (!strcmp(kind, "hue")) {
            CHECK_EQ(sscanf(args, "%d", &v[0]), 1);
            bl_pil_hue(c->image, n, v[0]);
        } else if (!strcmp(kind, "grey")) {
            bl_pil_grey(c->ops, c->image, n);
        } else if (!strcmp(kind, "turn")) {
            CHECK_EQ(sscanf(args, "%d", &v[0]), 1);
            bl_pil_quarter_turns(c->image, w, h, v[0], c->spare);
            memcpy(c->image, c->spare, 3 * n);
        } else if (!strcmp(kind, "resize")) {
            CHECK_EQ(sscanf(args, "%31s %d %d", a, &v[0], &v[1]), 3);
            crc = resized(r, c, 0, 0, w, h, a, v[0], v[1], crc);
            continue;
        } else {
            CHECK_STR(kind, "crop");
            CHECK_EQ(sscanf(args, "%31s %d %d %d %d", a, &v[0], &v[1], &v[2], &v[3]), 5);
            int x0 = w * v[0] / 16, y0 = h * v[1] / 16;
            int x1 = w * (v[0] + v[2]) / 16, y1 = h * (v[1] + v[3]) / 16;
            if (x1 <= x0) x1 = x0 + 1;
            if (y1 <= y0) y1 = y0 + 1;
            crc = resized(r, c, x0, y0, x1 - x0, y1 - y0, a, 32, 32, crc);
            continue;
        }
        crc = crc32(crc, c->image, (unsigned)(3 * n));
    }
    return crc;
}

static int run_all(const bl_pixel_ops *ops) {
    FILE *f = fopen(BALLAST_SOURCE_DIR "/tests/golden/rand_augment_pillow.txt", "r");
    CHECK(f);
    image_set sets[2];
    bl_pil_resizer r = {.plain = ops == bl_pixel_ops_plain()};
    make_set("small", &sets[0]);
    make_set("odd", &sets[1]);
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < sets[k].n; i++) sets[k].c[i].ops = ops;
    char line[256], name[16];
    int lines = 0, wrong = 0;
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#') continue;
        CHECK_EQ(sscanf(line, "%*s %15s", name), 1);
        char *last = strrchr(line, ' ');
        unsigned long got = run_line(line, &sets[strcmp(name, "odd") == 0], &r);
        if (got != strtoul(last, NULL, 16)) {
            fprintf(stderr, "%s: %08lx, Pillow:%s", ops->name, got, last);
            fprintf(stderr, "    %s", line);
            wrong++;
        }
        lines++;
    }
    fclose(f);
    free_set(&sets[0]);
    free_set(&sets[1]);
    bl_pil_resizer_free(&r);
    CHECK_EQ(wrong, 0);
    return lines;
}

int main(void) {
    int lines = run_all(bl_pixel_ops_best());
    CHECK_EQ(run_all(bl_pixel_ops_plain()), lines);
    CHECK(lines > 1000);
    return 0;
}
