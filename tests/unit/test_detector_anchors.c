/* Anchors: published numbers, numbering, cells outside the image. */
#include "detector/anchors.h"
#include "kernels/kernels.h"
#include "tests/check.h"

static void check_box(bl_box b, float x1, float y1, float x2, float y2) {
    CHECK_NEAR(b.x1, x1, 1e-4);
    CHECK_NEAR(b.y1, y1, 1e-4);
    CHECK_NEAR(b.x2, x2, 1e-4);
    CHECK_NEAR(b.y2, y2, 1e-4);
}

/* All anchors of the grid, and whether they are valid in one image; how many are not. */
static int64_t fill(const bl_anchor_grid *g, const bl_size *size, bl_box *box, uint8_t *valid) {
    bl_kernels k;
    int64_t invalid = 0;
    bl_kernels_init_ref(&k);
    k.anchors(g, size ? 1 : 0, size, 32, box, valid);
    for (int64_t i = 0; valid && i < g->first[g->n_levels]; i++) invalid += !valid[i];
    return invalid;
}

/* detectron2's anchor generator test: sizes 32, 64, ratios 1/4, 1, 4, stride 4, one row of two
 * cells. */
static void test_published(void) {
    double sizes[] = {32, 64}, ratios[] = {0.25, 1, 4};
    bl_anchor_grid g = {.n_levels = 1, .per_cell = 6, .h = {1}, .w = {2}};
    g.stride_x[0] = g.stride_y[0] = 4;
    bl_anchors_base(sizes, 2, ratios, 3, 4, 0, false, g.base[0]);
    bl_anchor_grid_count(&g);
    CHECK_EQ(g.first[1], 12);
    bl_box all[12];
    fill(&g, NULL, all, NULL);
    static const float want[6][4] = {{-32, -8, 32, 8},   {-16, -16, 16, 16}, {-8, -32, 8, 32},
                                     {-64, -16, 64, 16}, {-32, -32, 32, 32}, {-16, -64, 16, 64}};
    for (int i = 0; i < 12; i++) {
        const float *w = want[i % 6];
        float dx = i < 6 ? 0 : 4;
        check_box(all[i], w[0] + dx, w[1], w[2] + dx, w[3]);
    }
}

static void test_rounding_and_offset(void) {
    double size = 8, ratios[] = {0.5};
    bl_box b;
    bl_anchors_base(&size, 1, ratios, 1, 4, 0, false, &b);
    check_box(b, -5.656854f, -2.828427f, 5.656854f, 2.828427f);
    bl_anchors_base(&size, 1, ratios, 1, 4, 0, true, &b);
    check_box(b, -6, -3, 6, 3);
    bl_anchors_base(&size, 1, ratios, 1, 4, 0.5, false, &b);
    check_box(b, 2 - 5.656854f, 2 - 2.828427f, 2 + 5.656854f, 2 + 2.828427f);
    size = 5;
    ratios[0] = 1; /* +-2.5 rounds to even */
    bl_anchors_base(&size, 1, ratios, 1, 4, 0, true, &b);
    check_box(b, -2, -2, 2, 2);
}

static bl_anchor_grid pyramid(int32_t h, int32_t w) {
    bl_anchor_grid g = {.n_levels = 5, .per_cell = 3};
    double ratios[] = {0.5, 1, 2};
    for (int l = 0; l < 5; l++) {
        double stride = 4 << l, size = 8 * stride;
        g.stride_x[l] = g.stride_y[l] = 4 << l;
        g.h[l] = (h + g.stride_y[l] - 1) / g.stride_y[l];
        g.w[l] = (w + g.stride_x[l] - 1) / g.stride_x[l];
        bl_anchors_base(&size, 1, ratios, 3, stride, 0, false, g.base[l]);
    }
    bl_anchor_grid_count(&g);
    return g;
}

static void test_numbering(void) {
    bl_anchor_grid g = pyramid(96, 160);
    int64_t n = g.first[5];
    CHECK_EQ(n, 3 * (24 * 40 + 12 * 20 + 6 * 10 + 3 * 5 + 2 * 3));
    bl_box *all = malloc((size_t)n * sizeof *all);
    fill(&g, NULL, all, NULL);
    for (int64_t i = 0; i < n; i++) {
        bl_loc k = bl_anchor_loc(&g, 7, i);
        CHECK(k.n == 7 && k.level >= 0 && k.level < 5 && k.a >= 0 && k.a < 3);
        CHECK(k.y >= 0 && k.y < g.h[k.level] && k.x >= 0 && k.x < g.w[k.level]);
        CHECK_EQ(g.first[k.level] + ((int64_t)k.y * g.w[k.level] + k.x) * 3 + k.a, i);
        bl_box b = bl_anchor_at(&g, &k);
        CHECK(memcmp(&b, &all[i], sizeof b) == 0);
        CHECK_NEAR(0.5 * (b.x1 + b.x2), k.x * g.stride_x[k.level], 1e-3);
        CHECK_NEAR(bl_box_area(b), 64.0 * g.stride_x[k.level] * g.stride_x[k.level],
                   1e-3 * bl_box_area(b));
    }
    free(all);
}

/* A 40x70 image in a 96x160 batch is padded to 64x96 by its own: later cells are out. */
static void test_valid(void) {
    bl_anchor_grid g = pyramid(96, 160);
    uint8_t *valid = malloc((size_t)g.first[5]);
    bl_box *all = malloc((size_t)g.first[5] * sizeof *all);
    int64_t out = fill(&g, &(bl_size){.w = 70, .h = 40}, all, valid), bad = 0;
    for (int64_t i = 0; i < g.first[5]; i++) {
        bl_loc k = bl_anchor_loc(&g, 0, i);
        bool in = k.x * g.stride_x[k.level] < 96 && k.y * g.stride_x[k.level] < 64;
        CHECK_EQ(valid[i], in);
        bad += !in;
    }
    CHECK_EQ(out, bad);
    CHECK(out > 0);
    CHECK_EQ(fill(&g, &(bl_size){.w = 160, .h = 90}, all, valid), 0);
    free(valid);
    free(all);
}

int main(void) {
    test_published();
    test_rounding_and_offset();
    test_numbering();
    test_valid();
    return 0;
}
