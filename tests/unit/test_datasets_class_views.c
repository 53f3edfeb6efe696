/* Views of small images from their definitions, sets of images, the generated set. */
#include "datasets/views/classification/view.h"

#include "datasets/sets/generated.h"
#include "datasets/views/classification/contrast.h"
#include "tests/check.h"

static const bl_classify_view_config base = {.flip = 0.5,
                                             .pad = -1,
                                             .cutout = -1,
                                             .crop_min = 0.2,
                                             .jitter = 0.5,
                                             .jitter_p = 0.8,
                                             .grey_p = 0.2,
                                             .blur_p = 0.5};

static bl_classify_set *make_set(int w, int h) {
    bl_classify_set *s;
    CHECK_OK(bl_classify_set_create("set", 2, h, w, 2, &s));
    for (size_t i = 0; i < 2 * bl_classify_image_bytes(s); i++)
        s->pixels[i] = (uint8_t)(1 + i * 37 % 251);
    return s;
}

/* Is `view` the image, flipped or not, moved by (dx, dy), with the given border? */
static bool matches(const bl_classify_set *s, const uint8_t *view, bool flip, int dx, int dy,
                    bool zero) {
    int w = s->width, h = s->height;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            int sx = x + dx, sy = y + dy;
            bool outside = sx < 0 || sy < 0 || sx >= w || sy >= h;
            sx = sx < 0 ? -sx : sx >= w ? 2 * w - 2 - sx : sx;
            sy = sy < 0 ? -sy : sy >= h ? 2 * h - 2 - sy : sy;
            if (flip) sx = w - 1 - sx;
            for (int c = 0; c < 3; c++) {
                int expected = zero && outside ? 0 : s->pixels[3 * (sy * w + sx) + c];
                if (view[3 * (y * w + x) + c] != expected) return false;
            }
        }
    return true;
}

static void test_weak(void) {
    bl_classify_set *s = make_set(16, 16);
    for (int zero = 0; zero < 2; zero++) {
        bl_classify_view_config cfg = base;
        cfg.pad_mode = zero;
        bl_classify_views *v;
        CHECK_OK(bl_classify_views_create(&cfg, s, &v));
        int seen[2][5][5] = {{{0}}};
        for (int i = 0; i < 1000; i++) {
            bl_rng rng = bl_rng_make(1, (uint64_t)i);
            const uint8_t *p =
                bl_classify_view_pixels(v, BL_CLASSIFY_WEAK, bl_classify_image(s, 0), &rng, NULL);
            int found = 0;
            for (int flip = 0; flip < 2; flip++)
                for (int dx = -2; dx <= 2; dx++)
                    for (int dy = -2; dy <= 2; dy++)
                        if (matches(s, p, flip, dx, dy, zero)) {
                            seen[flip][dx + 2][dy + 2]++;
                            found++;
                        }
            CHECK_EQ(found, 1);
        }
        for (int k = 0; k < 50; k++) CHECK((&seen[0][0][0])[k] >= 5); /* of 20 expected */
        bl_classify_views_destroy(v);
    }
    bl_classify_view_config cfg = base;
    cfg.pad = 16;
    bl_classify_views *v;
    CHECK_FAILS(bl_classify_views_create(&cfg, s, &v), BL_ECONFIG, "views.pad: 16");
    bl_classify_set_free(s);
}

static void test_plain_and_normalised(void) {
    bl_classify_set *s = make_set(16, 12);
    s->mean[0] = 0.5f;
    s->mean[1] = 0.25f;
    s->std[0] = 0.25f;
    s->std[2] = 2;
    float rows[2][3 * 12 * 16], one[3 * 12 * 16];
    const int32_t order[2] = {1, 0};
    CHECK_OK(bl_classify_plain(&base, s, order, 0, 2, rows[0]));
    for (int k = 0; k < 2; k++)
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < 192; i++) {
                double p = bl_classify_image(s, order[k])[3 * i + c] / 255.0;
                CHECK_NEAR(rows[k][c * 192 + i], (p - (double)s->mean[c]) / (double)s->std[c],
                           1e-6);
            }
    CHECK_OK(bl_classify_plain(&base, s, NULL, 1, 1, one));
    CHECK(!memcmp(one, rows[0], sizeof one));
    const int32_t wrong[1] = {2};
    CHECK_FAILS(bl_classify_plain(&base, s, wrong, 0, 1, one), BL_EINVAL, "no image 2");
    bl_classify_set_free(s);
}

/* A strong view without operations is the weak view with a grey square. */
static void test_strong(void) {
    bl_classify_set *s = make_set(32, 32);
    bl_classify_views *v;
    CHECK_OK(bl_classify_views_create(&base, s, &v));
    int different = 0, grey_total = 0;
    for (int i = 0; i < 400; i++) {
        uint8_t weak[3072];
        bl_rng rng = bl_rng_make(2, (uint64_t)i);
        memcpy(weak, bl_classify_view_pixels(v, BL_CLASSIFY_WEAK, s->pixels, &rng, NULL),
               sizeof weak);
        rng = bl_rng_make(2, (uint64_t)i);
        const uint8_t *strong =
            bl_classify_view_pixels(v, BL_CLASSIFY_STRONG, s->pixels, &rng, NULL);
        int grey = 0, changed = 0;
        for (int k = 0; k < 1024; k++) {
            const uint8_t *p = strong + 3 * k;
            bool is_grey = p[0] == 127 && p[1] == 127 && p[2] == 127;
            grey += is_grey;
            changed += !is_grey && memcmp(p, weak + 3 * k, 3) != 0;
        }
        CHECK(grey >= 81 && grey <= 289 + 30); /* 9 to 17 px a side, and chance */
        different += changed > 0;
        grey_total += grey;
    }
    /* Neither operation is applied, or only identities: (1 - 13/28)^2 = 0.287. */
    CHECK(different > 400 * (1 - 0.287) - 50 && different < 400 * (1 - 0.287) + 50);
    CHECK(grey_total / 400 > 180 && grey_total / 400 < 270);
    bl_classify_views_destroy(v);

    /* USB: the square's side is at most half the image's, its grey another one; 0 = no Cutout. */
    bl_classify_view_config cfg = base;
    cfg.strong = BL_STRONG_RA_USB;
    cfg.cutout = 0;
    cfg.size = 16;
    CHECK_OK(bl_classify_views_create(&cfg, s, &v));
    CHECK_EQ(bl_classify_views_width(v), 16);
    bl_rng rng = bl_rng_make(3, 0);
    float out[3 * 256];
    for (int kind = BL_CLASSIFY_PLAIN; kind <= BL_CLASSIFY_CONTRAST; kind++) {
        bl_classify_view_make(v, (bl_classify_view_kind)kind, s->pixels, s->mean, s->std, &rng, out,
                              NULL);
        for (int i = 0; i < 768; i++) CHECK(out[i] >= 0 && out[i] <= 1); /* mean 0, std 1 */
    }
    bl_classify_views_destroy(v);
    bl_classify_set_free(s);
}

/* ra_fixed: a square of 8 to 16 px a side is exactly 0, nothing else is; operations act nearly
 * always. */
static void test_fixed(void) {
    bl_classify_set *s = make_set(32, 32);
    s->mean[0] = s->mean[1] = s->mean[2] = 0.3f; /* no 8-bit value normalises to 0 */
    bl_classify_view_config cfg = base;
    cfg.strong = BL_STRONG_RA_FIXED;
    cfg.pad_mode = BL_CLASSIFY_PAD_ZERO;
    cfg.level = 4;
    bl_classify_views *v;
    CHECK_OK(bl_classify_views_create(&cfg, s, &v));
    static float out[3 * 1024];
    int width[17] = {0}, same = 0;
    for (int i = 0; i < 400; i++) {
        bl_rng rng = bl_rng_make(2, (uint64_t)i);
        bl_classify_view_info info;
        bl_classify_view_make(v, BL_CLASSIFY_STRONG, s->pixels, s->mean, s->std, &rng, out, &info);
        const int32_t *h = info.hole;
        CHECK(h[0] >= 0 && h[1] >= 0 && h[2] <= 32 && h[3] <= 32);
        CHECK(h[2] - h[0] >= 8 && h[2] - h[0] <= 16 && h[3] - h[1] >= 8 && h[3] - h[1] <= 16);
        width[h[2] - h[0]]++;
        for (int k = 0; k < 3 * 1024; k++) {
            int x = k % 32, y = k / 32 % 32;
            bool inside = x >= h[0] && x < h[2] && y >= h[1] && y < h[3];
            CHECK_EQ(out[k] == 0, inside);
        }
        rng = bl_rng_make(2, (uint64_t)i);
        uint8_t strong[3072];
        memcpy(strong, bl_classify_view_pixels(v, BL_CLASSIFY_STRONG, s->pixels, &rng, NULL),
               sizeof strong);
        bool plain = false; /* one of the views of the image itself? */
        for (int flip = 0; flip < 2; flip++)
            for (int d = 0; d < 81; d++)
                plain |= matches(s, strong, flip, d % 9 - 4, d / 9 - 4, true);
        same += plain;
    }
    CHECK(width[16] > 150 && width[8] > 2 && width[12] > 2);
    CHECK(same < 40); /* all three operations leave the image as it is */
    bl_classify_views_destroy(v);
    cfg.cutout = 0;
    CHECK_OK(bl_classify_views_create(&cfg, s, &v));
    bl_rng rng = bl_rng_make(2, 1);
    bl_classify_view_make(v, BL_CLASSIFY_STRONG, s->pixels, s->mean, s->std, &rng, out, NULL);
    for (int k = 0; k < 3 * 1024; k++) CHECK(out[k] != 0);
    bl_classify_views_destroy(v);
    bl_classify_set_free(s);
}

static void test_rotation(void) {
    bl_classify_set *s = make_set(8, 8);
    bl_classify_view_config cfg = base;
    cfg.flip = 0;
    cfg.pad = 0;
    bl_classify_views *v;
    CHECK_OK(bl_classify_views_create(&cfg, s, &v));
    int seen[4] = {0};
    for (int i = 0; i < 200; i++) {
        bl_rng rng = bl_rng_make(4, (uint64_t)i);
        bl_classify_view_info info;
        const uint8_t *p = bl_classify_view_pixels(v, BL_CLASSIFY_ROTATION, s->pixels, &rng, &info);
        seen[info.turn]++;
        /* The upper right corner goes to the upper left one, and so on, counter-clockwise. */
        static const int corner[4] = {0, 7, 63, 56};
        CHECK(!memcmp(p, s->pixels + 3 * corner[info.turn], 3));
    }
    for (int t = 0; t < 4; t++) CHECK(seen[t] > 25);
    bl_classify_views_destroy(v);
    bl_classify_set_free(s);
}

static void test_contrast_crop(void) {
    bl_contrast c;
    CHECK_OK(bl_contrast_create(&base, 32, 24, 32, 32, &c));
    double area = 0;
    for (int i = 0; i < 2000; i++) {
        bl_rng rng = bl_rng_make(5, (uint64_t)i);
        int x, y, w, h;
        bl_contrast_crop(&c, &rng, &x, &y, &w, &h);
        CHECK(x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= 32 && y + h <= 24);
        double ratio = (double)w / h;
        CHECK(ratio > 0.65 && ratio < 1.5); /* 3/4 .. 4/3, and rounding */
        area += w * h / 768.0 / 2000;
    }
    CHECK(area > 0.5 && area < 0.62);
    bl_contrast_free(&c);
}

static void test_sets(void) {
    bl_classify_set *a = make_set(8, 8), *b = make_set(8, 8), *j;
    a->labels[0] = 1;
    b->labels[0] = 1;
    b->labels[1] = 0;
    CHECK_OK(bl_classify_set_join(a, b, true, &j));
    CHECK(j->n == 4 && j->labels[0] == 1 && j->labels[2] == 1 && j->labels[3] == 0);
    CHECK(!memcmp(bl_classify_image(j, 3), bl_classify_image(b, 1), bl_classify_image_bytes(b)));
    int32_t order[2];
    CHECK_OK(bl_classify_set_sort_classes(j, order));
    CHECK(order[0] == 1 && order[1] == 0 && j->labels[0] == 0 && j->labels[3] == 1);
    CHECK_STR(j->class_names[0], "1");
    const int32_t twice[2] = {0, 0};
    CHECK_FAILS(bl_classify_set_reorder(j, twice), BL_EINVAL, "not a permutation");
    bl_classify_set_free(j);
    CHECK_OK(bl_classify_set_join(a, b, false, &j));
    CHECK_EQ(j->labels[2], BL_CLASSIFY_UNKNOWN);
    bl_classify_set_free(j);
    bl_classify_set_free(b);
    b = make_set(8, 9);
    CHECK_FAILS(bl_classify_set_join(a, b, true, &j), BL_EINVAL, "8x9");
    bl_classify_set_free(a);
    bl_classify_set_free(b);
    CHECK_FAILS(bl_classify_set_create("x", 1, 0, 8, 2, &a), BL_EFORMAT, "x");
    CHECK_FAILS(bl_classify_set_create("x", 1, 8, 8, 0, &a), BL_EINVAL, "0 classes");
}

static void test_synth(void) {
    bl_classify_synth_config cfg = {.classes = 10,
                                    .pairs = -1,
                                    .train = 200,
                                    .test = 50,
                                    .size = 32,
                                    .clutter = 1,
                                    .noise = 16,
                                    .rotation = 35,
                                    .seed = 1};
    bl_classify_set *train, *again, *test;
    CHECK_OK(bl_classify_synth(&cfg, BL_CLASSIFY_TRAIN, &train));
    CHECK_OK(bl_classify_synth(&cfg, BL_CLASSIFY_TEST, &test));
    int64_t counts[10];
    bl_classify_set_counts(train, counts);
    for (int c = 0; c < 10; c++) CHECK_EQ(counts[c], 20);
    CHECK_EQ(test->n, 50);
    CHECK_NEAR(test->mean[0], train->mean[0], 0);
    CHECK(train->std[0] > 0.15f && train->std[0] < 0.35f);
    CHECK_STR(train->class_names[0], "disc");
    CHECK_STR(train->class_names[5], "notched_disc");
    CHECK(memcmp(train->pixels, test->pixels, bl_classify_image_bytes(train)) != 0);
    /* An image depends on its number only, not on how many there are. */
    cfg.train = 150;
    CHECK_OK(bl_classify_synth(&cfg, BL_CLASSIFY_TRAIN, &again));
    CHECK(!memcmp(train->pixels, again->pixels, 150 * bl_classify_image_bytes(train)));
    bl_classify_set_free(again);
    cfg.seed = 2;
    CHECK_OK(bl_classify_synth(&cfg, BL_CLASSIFY_TRAIN, &again));
    CHECK(memcmp(train->pixels, again->pixels, bl_classify_image_bytes(train)) != 0);
    bl_classify_set_free(again);
    bl_classify_set_free(train);
    bl_classify_set_free(test);
    cfg.pairs = 2; /* the rarest two look like the commonest two, the other six like none */
    CHECK_OK(bl_classify_synth(&cfg, BL_CLASSIFY_TRAIN, &train));
    CHECK_STR(train->class_names[7], "square");
    CHECK_STR(train->class_names[8], "notched_disc");
    CHECK_STR(train->class_names[9], "striped_along");
    bl_classify_set_free(train);
    cfg.pairs = 6;
    CHECK_FAILS(bl_classify_synth(&cfg, BL_CLASSIFY_TRAIN, &train), BL_ECONFIG, "use 0 to 5");
    cfg.classes = 12;
    cfg.pairs = 1;
    CHECK_FAILS(bl_classify_synth(&cfg, BL_CLASSIFY_TRAIN, &train), BL_ECONFIG, "use 2 to 6");
    cfg.classes = 21;
    CHECK_FAILS(bl_classify_synth(&cfg, BL_CLASSIFY_TRAIN, &train), BL_ECONFIG, "21 classes");
}

int main(void) {
    test_weak();
    test_plain_and_normalised();
    test_strong();
    test_fixed();
    test_rotation();
    test_contrast_crop();
    test_sets();
    test_synth();
    return 0;
}
