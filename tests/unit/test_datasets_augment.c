/* Colour operations against Pillow's results; flip, warp and erase against their definitions. */
#include <stdbool.h>
#include <zlib.h>

#include "datasets/views/augment_color.h"
#include "datasets/views/augment_geometry.h"
#include "tests/check.h"

static uint32_t lcg_state;

static int lcg(void) {
    lcg_state = lcg_state * 1664525u + 1013904223u;
    return (int)(lcg_state >> 24);
}

/* The inputs of scripts/golden/augment_pillow.py. */
static void make_input(const char *name, int w, int h, bl_image *img) {
    static const struct {
        const char *name;
        uint32_t seed;
        int lo, hi;
    } noises[] = {{"noise", 1, 0, 255},
                  {"narrow", 2, 60, 180},
                  {"dark", 3, 0, 40},
                  {"tiny", 4, 0, 255},
                  {"photo", 5, 20, 235}};
    CHECK_OK(bl_image_alloc(w, h, img));
    uint8_t *p = img->rgb;
    for (size_t k = 0; k < sizeof noises / sizeof *noises; k++)
        if (!strcmp(name, noises[k].name)) {
            lcg_state = noises[k].seed;
            for (int i = 0; i < w * h * 3; i++)
                *p++ = (uint8_t)(noises[k].lo + lcg() * (noises[k].hi - noises[k].lo) / 255);
            return;
        }
    static const uint8_t constant[3] = {90, 200, 17};
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++)
                *p++ = !strcmp(name, "constant")
                           ? constant[c]
                           : (uint8_t)((x * (3 + 2 * c) + y * (7 - c) + 20 * c) % 200 + 10);
}

static void test_pillow(void) {
    FILE *f = fopen(BALLAST_SOURCE_DIR "/tests/golden/augment_pillow.txt", "r");
    CHECK(f);
    char line[256], name[32], op_name[32];
    int w, h, m, lines = 0, wrong = 0, v[6];
    unsigned crc;
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#') continue;
        CHECK_EQ(sscanf(line, "%31s %d %d %31s %d %x %d %d %d %d %d %d", name, &w, &h, op_name, &m,
                        &crc, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5]),
                 12);
        int op = 0;
        while (op < BL_COLOR_OPS && strcmp(op_name, bl_color_name((bl_color_op)op)) != 0) op++;
        CHECK(op < BL_COLOR_OPS);
        bl_image img;
        make_input(name, w, h, &img);
        CHECK_OK(bl_color_apply(&img, (bl_color_op)op, m));
        unsigned got = (unsigned)crc32(0, img.rgb, (unsigned)(w * h * 3));
        if (got != crc) {
            fprintf(stderr, "%s %s %d: %08x, Pillow %08x; first bytes %d %d %d, Pillow %d %d %d\n",
                    name, op_name, m, got, crc, img.rgb[0], img.rgb[1], img.rgb[2], v[0], v[1],
                    v[2]);
            wrong++;
        }
        bl_image_free(&img);
        lines++;
    }
    fclose(f);
    CHECK_EQ(lines, 7 * (3 + 6 * 9));
    CHECK_EQ(wrong, 0);
}

static void make_noise(int w, int h, uint32_t seed, bl_image *img) {
    CHECK_OK(bl_image_alloc(w, h, img));
    lcg_state = seed;
    for (int i = 0; i < w * h * 3; i++) img->rgb[i] = (uint8_t)lcg();
}

static void test_color_arguments(void) {
    bl_image img;
    make_noise(4, 4, 1, &img);
    CHECK_FAILS(bl_color_apply(&img, BL_COLOR_SOLARIZE, 0), BL_EINVAL, "magnitude 0");
    CHECK_FAILS(bl_color_apply(&img, BL_COLOR_SOLARIZE, 10), BL_EINVAL, "magnitude 10");
    CHECK_FAILS(bl_color_apply(&img, BL_COLOR_OPS, 1), BL_EINVAL, "does not exist");
    bl_image_free(&img);
}

static void test_flip(void) {
    for (int w = 1; w < 6; w++) {
        bl_image img, copy;
        make_noise(w, 3, 7, &img);
        CHECK_OK(bl_image_flip_copy(&img, &copy));
        for (int y = 0; y < 3; y++)
            for (int x = 0; x < w; x++)
                for (int c = 0; c < 3; c++)
                    CHECK_EQ(copy.rgb[3 * (y * w + x) + c], img.rgb[3 * (y * w + w - 1 - x) + c]);
        bl_image_flip(&img);
        CHECK(!memcmp(img.rgb, copy.rgb, (size_t)w * 9));
        bl_image_free(&img);
        bl_image_free(&copy);
    }
}

/* Bilinear with a constant border, from the definition, in double precision. */
static double tap(const bl_image *s, int x, int y, int c, int fill) {
    bool inside = x >= 0 && y >= 0 && x < s->width && y < s->height;
    return inside ? s->rgb[3 * (y * s->width + x) + c] : fill;
}

static void check_warp(const bl_image *src, bl_affine m, int fill) {
    bl_image out;
    bl_affine inv;
    CHECK(bl_affine_inverse(m, &inv));
    CHECK_OK(bl_image_warp(src, m, (uint8_t)fill, &out));
    for (int y = 0; y < src->height; y++)
        for (int x = 0; x < src->width; x++) {
            double px = x + 0.5, py = y + 0.5;
            double sx = inv.m[0] * px + inv.m[1] * py + inv.m[2] - 0.5;
            double sy = inv.m[3] * px + inv.m[4] * py + inv.m[5] - 0.5;
            int ix = (int)floor(sx), iy = (int)floor(sy);
            double fx = sx - ix, fy = sy - iy;
            for (int c = 0; c < 3; c++) {
                double want =
                    (tap(src, ix, iy, c, fill) * (1 - fx) + tap(src, ix + 1, iy, c, fill) * fx) *
                        (1 - fy) +
                    (tap(src, ix, iy + 1, c, fill) * (1 - fx) +
                     tap(src, ix + 1, iy + 1, c, fill) * fx) *
                        fy;
                /* rounding, and 11-bit weights: 2 * 255 / 2048 */
                CHECK_NEAR(out.rgb[3 * (y * src->width + x) + c], want, 0.5 + 0.25 + 1e-3);
            }
        }
    bl_image_free(&out);
}

static void test_warp(void) {
    bl_image src, out;
    make_noise(41, 27, 3, &src);
    CHECK_OK(bl_image_warp(&src, bl_affine_identity(), 125, &out));
    CHECK(!memcmp(src.rgb, out.rgb, 41 * 27 * 3));
    bl_image_free(&out);
    for (int op = 0; op < BL_GEOMETRY_OPS; op++)
        for (int k = -2; k <= 2; k++) {
            float reach = op == BL_GEOMETRY_ROTATE || op == BL_GEOMETRY_SHEAR ? 15.0f : 0.05f;
            check_warp(
                &src,
                bl_geometry_map((bl_geometry_op)op, 41, 27, reach * (float)k, -7.0f * (float)k),
                125);
        }
    check_warp(&src, bl_geometry_map(BL_GEOMETRY_TRANSLATE_X, 41, 27, 3, 0),
               9); /* wholly outside */
    CHECK_FAILS(bl_image_warp(&src, (bl_affine){{0}}, 0, &out), BL_EINVAL, "singular");
    bl_image_free(&src);
    make_noise(1, 1, 3, &src);
    check_warp(&src, bl_geometry_map(BL_GEOMETRY_ROTATE, 1, 1, 30, 0), 125);
    bl_image_free(&src);
}

static void test_maps(void) {
    bl_affine t = bl_geometry_map(BL_GEOMETRY_TRANSLATE_X, 200, 100, 0.1f, 0);
    CHECK_NEAR(t.m[2], 20, 1e-5);
    t = bl_geometry_map(BL_GEOMETRY_TRANSLATE_Y, 200, 100, -0.1f, 0);
    CHECK_NEAR(t.m[5], -10, 1e-5);
    /* A rotation keeps the centre; 90 degrees take the right of the centre below it. */
    t = bl_geometry_map(BL_GEOMETRY_ROTATE, 200, 100, 90, 0);
    CHECK_NEAR(t.m[0] * 100 + t.m[1] * 50 + t.m[2], 100, 1e-3);
    CHECK_NEAR(t.m[3] * 100 + t.m[4] * 50 + t.m[5], 50, 1e-3);
    CHECK_NEAR(t.m[0] * 110 + t.m[1] * 50 + t.m[2], 100, 1e-3);
    CHECK_NEAR(t.m[3] * 110 + t.m[4] * 50 + t.m[5], 60, 1e-3);
    /* Shear x by tanh(-a), then y by tanh(b): (0, 1) goes to (sx, 1 + sx sy). */
    t = bl_geometry_map(BL_GEOMETRY_SHEAR, 200, 100, 30, -20);
    double sx = tanh(-30 * M_PI / 180), sy = tanh(-20 * M_PI / 180);
    CHECK_NEAR(t.m[1], sx, 1e-6);
    CHECK_NEAR(t.m[4], 1 + sx * sy, 1e-6);
    CHECK_NEAR(t.m[3], sy, 1e-6);
    CHECK_NEAR(t.m[0], 1, 1e-6);
    /* The random map uses every operation. */
    bl_rng rng = bl_rng_make(5, 5);
    int seen[3] = {0};
    for (int i = 0; i < 400; i++) {
        t = bl_geometry_random(100, 100, 0.1f, 30, 30, &rng);
        bool linear = t.m[0] != 1 || t.m[1] != 0;
        seen[linear ? 2 : t.m[2] != 0]++;
        CHECK(fabsf(t.m[1]) < 0.52f && (linear || (fabsf(t.m[2]) <= 10 && fabsf(t.m[5]) <= 10)));
    }
    CHECK(seen[0] > 60 && seen[1] > 60 && seen[2] > 150);
}

static void test_erase(void) {
    bl_image img;
    CHECK_OK(bl_image_alloc(20, 10, &img));
    bl_image_fill(&img, -3, 8, 5, 5, 200);
    int n = 0;
    for (int i = 0; i < 20 * 10 * 3; i++) n += img.rgb[i] == 200;
    CHECK_EQ(n, 2 * 2 * 3);
    CHECK_EQ(img.rgb[3 * (9 * 20 + 1)], 200);
    bl_image_fill(&img, 25, 2, 5, 5, 7); /* outside: nothing happens */
    bl_image_fill(&img, 2, -9, 5, 5, 7);
    for (int i = 0; i < 20 * 10 * 3; i++) CHECK(img.rgb[i] == 200 || img.rgb[i] == 0);
    bl_image_free(&img);
    /* 1..4 patches of at most a fifth of each side. */
    int most = 0, least = 1 << 30;
    for (int k = 0; k < 200; k++) {
        bl_rng rng = bl_rng_make(1, (uint64_t)k);
        CHECK_OK(bl_image_alloc(50, 50, &img));
        bl_image_erase_random(&img, 4, 0.2f, 125, &rng);
        n = 0;
        for (int i = 0; i < 50 * 50; i++) n += img.rgb[3 * i] == 125;
        most = n > most ? n : most;
        least = n < least ? n : least;
        bl_image_free(&img);
    }
    CHECK(most <= 4 * 100 && most > 150 && least < 20);
}

int main(void) {
    test_pillow();
    test_color_arguments();
    test_flip();
    test_warp();
    test_maps();
    test_erase();
    return 0;
}
