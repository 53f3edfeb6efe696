/* The mask library on what the golden file cannot hold: broken input, sizes at the limit, and a
 * plain pixel-by-pixel reference. */
#include "core/rng.h"
#include "datasets/annotations/dataset.h"
#include "datasets/annotations/mask_rle.h"
#include "datasets/images/image.h"
#include "tests/check.h"

static void broken_strings(void) {
    static const struct {
        const char *s, *part;
        int h, w;
    } cases[] = {
        {"", "cover 0 pixels, but 2 x 3 are 6", 2, 3},
        {"5", "cover 5 pixels, but 2 x 3 are 6", 2, 3},
        {"7", "cover at least 7 pixels", 2, 3},
        {"6 ", "character 1 of 2: it ends inside a run", 2, 3}, /* a blank is no group */
        {"P", "character 0 of 1: it ends inside a run", 2, 3},
        {"PPPPPPPPPPPPP", "character 0 of 13: no such run", 2, 3},
        {"\x7f"
         "0000000",
         "character 0 of 8: no such run", 2, 3},
        {"O", "run 0 of the compressed mask is negative (-1)", 2, 3},
        {"211O3", "cover at least 8 pixels", 2, 3}, /* the fourth run adds to the second */
        {"211N3", "run 3 of the compressed mask is negative (-1)", 2, 3},
        {"6", "mask of 0 rows and 6 columns", 0, 6},
        {"6", "mask of -1 rows and -6 columns", -1, -6},
        {"6", "expected 1 to 32768 of each", 1, BL_IMAGE_MAX_SIDE + 1},
    };
    bl_rle m = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_FAILS(bl_rle_from_string(cases[i].s, strlen(cases[i].s), cases[i].h, cases[i].w, &m),
                    BL_EFORMAT, cases[i].part);
    bl_rle_free(&m);
}

static void broken_counts(void) {
    static const struct {
        double v[3];
        const char *part;
    } cases[] = {
        {{1, 2, 2}, "cover 5 pixels, but 2 x 3 are 6"},
        {{1, 2, 4}, "cover at least 7 pixels"},
        {{4294967297.0, 2, 3}, "cover at least 7 pixels"},
        {{1e300, 2, 3}, "cover at least 7 pixels"},
        {{1, -2, 7}, "run 1 of the mask is -2"},
        {{1, 2.5, 2.5}, "run 1 of the mask is 2.5"},
        {{NAN, 2, 3}, "run 0 of the mask is nan"},
        {{INFINITY, 2, 3}, "cover at least 7 pixels"},
    };
    bl_rle m = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_FAILS(bl_rle_from_counts(cases[i].v, 3, 2, 3, &m), BL_EFORMAT, cases[i].part);
    bl_rle_free(&m);
    uint32_t short_counts[] = {1, 2};
    bl_rle view = {.h = 2, .w = 3, .n = 2, .counts = short_counts};
    CHECK_FAILS(bl_rle_check(&view), BL_EFORMAT, "cover 3 pixels");
}

static void broken_polygons(void) {
    const double xy[] = {0, 0, 5, 0, NAN, 5}, far[] = {0, 0, 5, 0, 1e7, 5};
    bl_rle m = {0};
    CHECK_FAILS(bl_rle_from_polygon(xy, 3, 9, 9, &m), BL_EFORMAT, "coordinate nan is not in");
    CHECK_FAILS(bl_rle_from_polygon(far, 3, 9, 9, &m), BL_EFORMAT, "coordinate 1e+07 is not in");
    CHECK_FAILS(bl_rle_from_polygon(far, 2, 0, 9, &m), BL_EFORMAT, "image of 9 x 0 pixels");
    CHECK_OK(bl_rle_from_polygon(NULL, 0, 4, 4, &m));
    CHECK_EQ(m.n, 1);
    CHECK_EQ(m.counts[0], 16);
    /* A zigzag over the largest image. */
    enum { N = 600 };
    static double zigzag[2 * N];
    for (int i = 0; i < N; i++) {
        zigzag[2 * i] = i % 2 ? BL_IMAGE_MAX_SIDE : 0;
        zigzag[2 * i + 1] = i;
    }
    CHECK_FAILS(bl_rle_from_polygon(zigzag, N, BL_IMAGE_MAX_SIDE, BL_IMAGE_MAX_SIDE, &m),
                BL_EFORMAT, "crosses pixel columns 19660800 times");
    bl_rle_free(&m);
}

static void largest_mask(void) {
    const int32_t side = BL_IMAGE_MAX_SIDE;
    const double box[4] = {-5, -5, side + 100, side + 100};
    double around[4];
    char text[64];
    bl_rle m = {0}, again = {0};
    CHECK_OK(bl_rle_from_box(box, side, side, &m));
    CHECK_EQ(m.n, 2);
    CHECK_EQ(bl_rle_area(&m), (int64_t)side * side);
    bl_rle_to_box(&m, around);
    CHECK_NEAR(around[2], side, 0);
    CHECK_OK(bl_rle_from_string(text, bl_rle_to_string(&m, text), side, side, &again));
    CHECK_EQ(again.counts[1], (int64_t)side * side);
    CHECK_NEAR(bl_rle_iou(&m, around, &again, around, false), 1, 0);
    bl_rle_free(&m);
    bl_rle_free(&again);
}

static void merging_needs_equal_sizes(void) {
    uint32_t a[] = {4}, b[] = {6};
    bl_rle m[2] = {{.h = 2, .w = 2, .n = 1, .counts = a}, {.h = 2, .w = 3, .n = 1, .counts = b}};
    bl_rle out = {0};
    CHECK_FAILS(bl_rle_merge(m, 0, false, &out), BL_EINVAL, "no masks");
    CHECK_FAILS(bl_rle_merge(m, 2, false, &out), BL_EINVAL, "2 x 2 and 2 x 3");
    CHECK_OK(bl_rle_merge(m, 1, false, &out));
    CHECK_EQ(out.counts[0], 4);
    /* empty runs at the same place */
    uint32_t c[] = {1, 1, 0, 1, 1}, e[] = {0, 1, 1, 0, 0, 2};
    bl_rle n[3] = {{.h = 2, .w = 2, .n = 5, .counts = c}, {.h = 2, .w = 2, .n = 6, .counts = e}};
    n[2] = n[0];
    CHECK_OK(bl_rle_merge(n, 3, false, &out));
    CHECK_EQ(bl_rle_area(&out), 4);
    CHECK_OK(bl_rle_merge(n, 3, true, &out));
    CHECK_EQ(bl_rle_area(&out), 1);
    CHECK_OK(bl_rle_check(&out));
    bl_rle_free(&out);
}

/* Counts of pixels say the same as run lengths. */
static void pixels_agree(void) {
    enum { H = 13, W = 11, N = H * W };
    uint8_t p[2][N], back[N];
    bl_rle m[2] = {{0}}, both = {0}, either = {0};
    double box[2][4], iou;
    for (int trial = 0; trial < 300; trial++) {
        int n[2] = {0}, inter = 0, x0 = W, x1 = -1, y0 = H, y1 = -1;
        for (int k = 0; k < 2; k++) {
            bl_rng rng = bl_rng_make(5, (uint64_t)(2 * trial + k));
            uint32_t level = bl_rng_below(&rng, 101);
            for (int i = 0; i < N; i++) n[k] += p[k][i] = bl_rng_below(&rng, 100) < level;
            CHECK_OK(bl_rle_encode(p[k], H, W, &m[k]));
            bl_rle_decode(&m[k], back);
            CHECK(memcmp(back, p[k], N) == 0);
            bl_rle_to_box(&m[k], box[k]);
            CHECK_EQ(bl_rle_area(&m[k]), n[k]);
        }
        for (int i = 0; i < N; i++) {
            inter += p[0][i] & p[1][i];
            if (!p[0][i]) continue;
            x0 = i / H < x0 ? i / H : x0;
            x1 = i / H > x1 ? i / H : x1;
            y0 = i % H < y0 ? i % H : y0;
            y1 = i % H > y1 ? i % H : y1;
        }
        if (n[0]) {
            CHECK_NEAR(box[0][0], x0, 0);
            CHECK_NEAR(box[0][1], y0, 0);
            CHECK_NEAR(box[0][2], x1 - x0 + 1, 0);
            CHECK_NEAR(box[0][3], y1 - y0 + 1, 0);
        }
        CHECK_OK(bl_rle_merge(m, 2, true, &both));
        CHECK_OK(bl_rle_merge(m, 2, false, &either));
        CHECK_EQ(bl_rle_area(&both), inter);
        CHECK_EQ(bl_rle_area(&either), n[0] + n[1] - inter);
        iou = inter ? (double)inter / (double)(n[0] + n[1] - inter) : 0;
        CHECK_NEAR(bl_rle_iou(&m[0], box[0], &m[1], box[1], false), iou, 0);
        CHECK_NEAR(bl_rle_iou(&m[0], box[0], &m[1], box[1], true),
                   inter ? (double)inter / (double)n[0] : 0, 0);
    }
    bl_rle_free(&m[0]);
    bl_rle_free(&m[1]);
    bl_rle_free(&both);
    bl_rle_free(&either);
}

int main(void) {
    broken_strings();
    broken_counts();
    broken_polygons();
    largest_mask();
    merging_needs_equal_sizes();
    pixels_agree();
    return 0;
}
