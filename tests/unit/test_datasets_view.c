/* Views: sizes, geometry of pixels and boxes, box filtering, mapping
 * between views, normalisation. */
#include <stdlib.h>

#include "core/arena.h"
#include "datasets/views/detection/view.h"
#include "datasets/views/normalise.h"
#include "datasets/views/random_erasing.h"
#include "tests/check.h"

static bl_arena *arena;

static bl_view_config config(const char *const *overrides, int n) {
    bl_view_config cfg;
    CHECK_OK(bl_config_load(&bl_view_schema, NULL, overrides, n, arena, &cfg));
    return cfg;
}

/* A data set in memory: one image with the given annotations. */
static bl_dataset one_image(bl_image_info *info, bl_ann *anns, int n) {
    info->file = "x.jpg";
    info->first_ann = 0;
    info->n_anns = n;
    return (bl_dataset){
        .name = "test.json", .images = info, .anns = anns, .n_images = 1, .n_anns = n};
}

static void make_noise(int w, int h, bl_image *img) {
    CHECK_OK(bl_image_alloc(w, h, img));
    bl_rng r = bl_rng_make(3, 3);
    for (int i = 0; i < w * h * 3; i++) img->rgb[i] = (uint8_t)bl_rng_below(&r, 256);
}

static void test_size(void) {
    int32_t w, h;
    bl_view_size(640, 480, 800, 1333, &w, &h);
    CHECK_EQ(w, 1067);
    CHECK_EQ(h, 800);
    bl_view_size(480, 640, 800, 1333, &w, &h);
    CHECK_EQ(w, 800);
    CHECK_EQ(h, 1067);
    bl_view_size(1000, 200, 800, 1333, &w, &h);
    CHECK_EQ(w, 1333);
    CHECK_EQ(h, 267);
    bl_view_size(30000, 1, 100, 300, &w, &h);
    CHECK_EQ(w, 300);
    CHECK_EQ(h, 1);
}

static void test_filter(void) {
    bl_image_info info = {.width = 100, .height = 50};
    bl_ann anns[] = {
        {.x = 10, .y = 5, .w = 20, .h = 30, .area = 600, .category = 3},
        {.x = 10, .y = 5, .w = 0.5, .h = 30, .area = 15},                  /* too narrow */
        {.x = 10, .y = 5, .w = 20, .h = 30, .area = 0},                    /* no area */
        {.x = -10, .y = 40, .w = 20, .h = 30, .area = 600, .category = 1}, /* clipped */
        {.x = 200, .y = 5, .w = 20, .h = 30, .area = 600},                 /* outside */
        {.x = 50, .y = 10, .w = 20, .h = 30, .area = 600, .iscrowd = 1},
        {.x = 50, .y = 10, .w = NAN, .h = 30, .area = 600},
    };
    bl_dataset d = one_image(&info, anns, 7);
    bl_image src;
    make_noise(100, 50, &src);
    const char *over[] = {"min_side=100", "max_side=100", "flip=0"};
    bl_view_config cfg = config(over, 3);
    bl_rng rng = bl_rng_make(1, 1);
    bl_view v;
    CHECK_OK(bl_view_make(&cfg, BL_VIEW_WEAK, &src, &d, 0, &rng, arena, &v));
    CHECK_EQ(v.image.width, 200);
    CHECK_EQ(v.image.height, 100);
    CHECK_EQ(v.n_boxes, 3);
    CHECK_EQ(v.ann[0], 0);
    CHECK_EQ(v.ann[1], 3);
    CHECK_EQ(v.ann[2], 5);
    CHECK_EQ(v.labels[0], 3);
    CHECK_EQ(v.labels[1], 1);
    CHECK_EQ(v.ignore[0], 0);
    CHECK_EQ(v.ignore[1], 0);
    CHECK_EQ(v.ignore[2], 1);
    const bl_box want[3] = {{20, 10, 60, 70}, {0, 80, 20, 100}, {100, 20, 140, 80}};
    for (int i = 0; i < 3; i++) {
        CHECK_NEAR(v.boxes[i].x1, want[i].x1, 1e-4);
        CHECK_NEAR(v.boxes[i].y1, want[i].y1, 1e-4);
        CHECK_NEAR(v.boxes[i].x2, want[i].x2, 1e-4);
        CHECK_NEAR(v.boxes[i].y2, want[i].y2, 1e-4);
    }
    bl_view_free(&v);
    /* A wrong size in the annotation file is named, not ignored. */
    info.width = 99;
    CHECK_FAILS(bl_view_make(&cfg, BL_VIEW_WEAK, &src, &d, 0, &rng, arena, &v), BL_EFORMAT,
                "100x50");
    info.width = 100;
    cfg.max_side = 50;
    CHECK_FAILS(bl_view_make(&cfg, BL_VIEW_WEAK, &src, &d, 0, &rng, arena, &v), BL_ECONFIG,
                "view.max_side");
    bl_image_free(&src);
}

/* A view of unchanged size is the image itself, or its mirror. */
static void test_identity_size(void) {
    bl_image_info info = {.width = 40, .height = 40};
    bl_ann ann = {.x = 4, .y = 8, .w = 10, .h = 12, .area = 120};
    bl_dataset d = one_image(&info, &ann, 1);
    bl_image src;
    make_noise(40, 40, &src);
    const char *over[] = {"min_side=40", "max_side=40", "labelled_color=false", "test_short=40"};
    bl_view_config cfg = config(over, 4);
    int flipped = 0, plain = 0;
    for (int k = 0; k < 40; k++) {
        bl_rng rng = bl_rng_make(1, (uint64_t)k);
        bl_view v;
        CHECK_OK(bl_view_make(&cfg, BL_VIEW_LABELLED, &src, &d, 0, &rng, arena, &v));
        bool same = !memcmp(v.image.rgb, src.rgb, 40 * 40 * 3);
        plain += same;
        flipped += !same;
        for (int y = 0; y < 40; y++)
            for (int x = 0; x < 40; x++)
                CHECK_EQ(v.image.rgb[3 * (y * 40 + x)],
                         src.rgb[3 * (y * 40 + (same ? x : 39 - x))]);
        CHECK_NEAR(v.boxes[0].x1, same ? 4 : 26, 1e-5);
        CHECK_NEAR(v.boxes[0].x2, same ? 14 : 36, 1e-5);
        bl_view_free(&v);
    }
    CHECK(plain >= 8 && flipped >= 8);
    bl_view v;
    bl_rng rng = bl_rng_make(1, 1), untouched = rng;
    CHECK_OK(bl_view_make(&cfg, BL_VIEW_TEST, &src, &d, 0, &rng, arena, &v));
    CHECK(!memcmp(v.image.rgb, src.rgb, 40 * 40 * 3));
    CHECK(!memcmp(&rng, &untouched, sizeof rng));
    bl_view_free(&v);
    bl_image_free(&src);
}

/* A white rectangle on black: in every view the bright pixels fill the mapped box. Geometry of
 * pixels and boxes can only agree if both follow the same map. */
static void test_boxes_follow_pixels(void) {
    bl_image_info info = {.width = 120, .height = 90};
    bl_ann ann = {.x = 45, .y = 30, .w = 30, .h = 24, .area = 720};
    bl_dataset d = one_image(&info, &ann, 1);
    bl_image src;
    CHECK_OK(bl_image_alloc(120, 90, &src));
    for (int y = 30; y < 54; y++) memset(src.rgb + 3 * (y * 120 + 45), 255, 30 * 3);
    const char *over[] = {"min_side=60", "max_side=140", "strong_color=false", "erase_max=0",
                          "fill=0"};
    bl_view_config cfg = config(over, 5);
    for (int k = 0; k < 120; k++) {
        bl_rng rng = bl_rng_make(9, (uint64_t)k);
        bl_view v;
        bl_view_kind kind = k < 20 ? BL_VIEW_WEAK : BL_VIEW_STRONG;
        CHECK_OK(bl_view_make(&cfg, kind, &src, &d, 0, &rng, arena, &v));
        CHECK_EQ(v.n_boxes, 1);
        int x0 = 1 << 20, y0 = 1 << 20, x1 = -1, y1 = -1;
        for (int y = 0; y < v.image.height; y++)
            for (int x = 0; x < v.image.width; x++)
                if (v.image.rgb[3 * (y * v.image.width + x)] >= 100) {
                    x0 = x < x0 ? x : x0;
                    x1 = x >= x1 ? x + 1 : x1;
                    y0 = y < y0 ? y : y0;
                    y1 = y >= y1 ? y + 1 : y1;
                }
        /* Corners of a rotated rectangle are blurred away by up to about a pixel and a half. */
        double tol = kind == BL_VIEW_WEAK ? 1.0 : 2.2;
        CHECK_NEAR(v.boxes[0].x1, x0, tol);
        CHECK_NEAR(v.boxes[0].x2, x1, tol);
        CHECK_NEAR(v.boxes[0].y1, y0, tol);
        CHECK_NEAR(v.boxes[0].y2, y1, tol);
        bl_view_free(&v);
    }
    bl_image_free(&src);
}

static void test_map_between_views(void) {
    bl_image_info info = {.width = 120, .height = 90};
    bl_ann ann = {.x = 45, .y = 30, .w = 30, .h = 24, .area = 720};
    bl_dataset d = one_image(&info, &ann, 1);
    bl_image src;
    make_noise(120, 90, &src);
    const char *over[] = {"min_side=60", "max_side=140"};
    bl_view_config cfg = config(over, 2);
    for (int k = 0; k < 30; k++) {
        bl_rng ra = bl_rng_make(2, (uint64_t)k), rb = bl_rng_make(3, (uint64_t)k);
        bl_view weak, strong;
        CHECK_OK(bl_view_make(&cfg, BL_VIEW_WEAK, &src, &d, 0, &ra, arena, &weak));
        CHECK_OK(bl_view_make(&cfg, BL_VIEW_STRONG, &src, &d, 0, &rb, arena, &strong));
        bl_box b = bl_view_map_box(&weak, &strong, weak.boxes[0]), w = strong.boxes[0];
        CHECK_NEAR(b.x1, w.x1, 0.01);
        CHECK_NEAR(b.y1, w.y1, 0.01);
        CHECK_NEAR(b.x2, w.x2, 0.01);
        CHECK_NEAR(b.y2, w.y2, 0.01);
        /* Beyond the border: clipped. */
        b = bl_view_map_box(&weak, &strong, (bl_box){-1000, -1000, 5000, 5000});
        CHECK_NEAR(b.x1, 0, 0);
        CHECK_NEAR(b.y1, 0, 0);
        CHECK_NEAR(b.x2, strong.image.width, 0);
        CHECK_NEAR(b.y2, strong.image.height, 0);
        bl_view_free(&weak);
        bl_view_free(&strong);
    }
    bl_image_free(&src);
}

/* One random stream for both: same size, flip and boxes, other pixels. */
static void test_blurred(void) {
    bl_image_info info = {.width = 120, .height = 90};
    bl_ann ann = {.x = 45, .y = 30, .w = 30, .h = 24, .area = 720};
    bl_dataset d = one_image(&info, &ann, 1);
    bl_image src;
    make_noise(120, 90, &src);
    const char *over[] = {"min_side=60", "max_side=140", "jitter_p=0",
                          "grey_p=0",    "blur_p=0",     "random_erasing=false"};
    bl_view_config plain = config(over, 6), all = config(over, 2);
    int changed = 0;
    for (int k = 0; k < 40; k++) {
        bl_view weak, still, blurred;
        bl_rng r[3] = {bl_rng_make(2, (uint64_t)k), bl_rng_make(2, (uint64_t)k),
                       bl_rng_make(2, (uint64_t)k)};
        CHECK_OK(bl_view_make(&all, BL_VIEW_WEAK, &src, &d, 0, &r[0], arena, &weak));
        CHECK_OK(bl_view_make(&plain, BL_VIEW_BLURRED, &src, &d, 0, &r[1], arena, &still));
        CHECK_OK(bl_view_make(&all, BL_VIEW_BLURRED, &src, &d, 0, &r[2], arena, &blurred));
        size_t bytes = 3 * (size_t)weak.image.width * (size_t)weak.image.height;
        CHECK_EQ(blurred.image.width, weak.image.width);
        CHECK_EQ(blurred.image.height, weak.image.height);
        CHECK(memcmp(&blurred.from_original, &weak.from_original, sizeof weak.from_original) == 0);
        CHECK(memcmp(blurred.boxes, weak.boxes, sizeof *weak.boxes) == 0);
        CHECK(memcmp(still.image.rgb, weak.image.rgb, bytes) == 0);
        changed += memcmp(blurred.image.rgb, weak.image.rgb, bytes) != 0;
        bl_view_free(&weak);
        bl_view_free(&still);
        bl_view_free(&blurred);
    }
    CHECK(changed >= 36); /* nothing happens to 1 in 60 */
    bl_image_free(&src);
}

/* Area, shape and frequency of the erased rectangle; torchvision's RandomErasing of a 100x80 image
 * erases 0.700 of the images and 0.1250 of an erased one's pixels in the mean (20,000 draws). */
static void test_random_erasing(void) {
    enum { N = 4000, W = 100, H = 80 };
    const bl_erasing e = {0.7f, 0.05f, 0.2f, 0.3f, 3.3f};
    bl_image img;
    CHECK_OK(bl_image_alloc(W, H, &img));
    int erased = 0;
    double share = 0;
    for (int k = 0; k < N; k++) {
        memset(img.rgb, 7, 3 * W * H);
        bl_rng rng = bl_rng_make(5, (uint64_t)k);
        bl_random_erasing(&img, &e, &rng);
        int x0 = W, x1 = -1, y0 = H, y1 = -1;
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                const uint8_t *p = img.rgb + 3 * (y * W + x);
                if (p[0] == 7 && p[1] == 7 && p[2] == 7) continue;
                x0 = x < x0 ? x : x0;
                x1 = x > x1 ? x : x1;
                y0 = y < y0 ? y : y0;
                y1 = y > y1 ? y : y1;
            }
        if (x1 < 0) continue;
        double w = x1 - x0 + 1, h = y1 - y0 + 1;
        CHECK(w * h >= 0.04 * W * H && w * h <= 0.21 * W * H);
        CHECK(h / w > 0.27 && h / w < 3.7);
        share += w * h / (W * H);
        erased++;
    }
    CHECK_NEAR((double)erased / N, 0.7, 0.025);
    CHECK_NEAR(share / erased, 0.125, 0.003);
    bl_image_free(&img);
}

static void test_normalise(void) {
    const float mean[3] = {123.675f, 116.28f, 103.53f}, std[3] = {58.395f, 57.12f, 57.375f};
    enum { W = 45, H = 7, PW = 70, PH = 40 };
    bl_image img;
    make_noise(W, H, &img);
    float *dst = malloc(sizeof(float) * 3 * PW * PH);
    for (int bgr = 0; bgr < 2; bgr++)
        for (int multiple = 1; multiple <= 32; multiple += 31) {
            for (int i = 0; i < 3 * PW * PH; i++) dst[i] = NAN;
            bl_view_normalise(&img, mean, std, bgr, multiple, PW, PH, dst);
            int in_w = multiple == 1 ? W : 64, in_h = multiple == 1 ? H : 32;
            for (int c = 0; c < 3; c++)
                for (int y = 0; y < PH; y++)
                    for (int x = 0; x < PW; x++) {
                        float px =
                            x < W && y < H ? img.rgb[3 * (y * W + x) + (bgr ? 2 - c : c)] : 0;
                        float want = x < in_w && y < in_h ? (px - mean[c]) / std[c] : 0;
                        CHECK(dst[(c * PH + y) * PW + x] == want);
                    }
        }
    free(dst);
    bl_image_free(&img);
}

int main(void) {
    arena = bl_arena_create(0);
    test_size();
    test_filter();
    test_identity_size();
    test_boxes_follow_pixels();
    test_map_between_views();
    test_blurred();
    test_random_erasing();
    test_normalise();
    bl_arena_destroy(arena);
    return 0;
}
