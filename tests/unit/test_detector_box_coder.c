/* Box coder: worked example, round trip, bounds, degenerate and broken input. */
#include "core/rng.h"
#include "kernels/shared/box_coder.h"
#include "tests/check.h"

static const bl_box_coder coder = {{0.1f, 0.1f, 0.2f, 0.2f}, 4.135166556742356f, true};

static void test_example(void) {
    float d[4];
    bl_box_encode(&coder, (bl_box){10, 20, 30, 60}, (bl_box){15, 20, 55, 40}, d);
    /* centres (20,40) -> (35,30), sides (20,40) -> (40,20) */
    CHECK_NEAR(d[0], 15.0 / 20 / 0.1, 1e-5);
    CHECK_NEAR(d[1], -10.0 / 40 / 0.1, 1e-5);
    CHECK_NEAR(d[2], log(2) / 0.2, 1e-5);
    CHECK_NEAR(d[3], log(0.5) / 0.2, 1e-5);
}

static void test_round_trip(void) {
    bl_rng r = bl_rng_make(5, 1);
    for (int i = 0; i < 2000; i++) {
        float s = expf(bl_rng_range(&r, 0, 9)); /* up to 8000 px */
        bl_box a, b;
        a.x1 = bl_rng_range(&r, -s, s);
        a.y1 = bl_rng_range(&r, -s, s);
        a.x2 = a.x1 + bl_rng_range(&r, 0.1f, 1) * s;
        a.y2 = a.y1 + bl_rng_range(&r, 0.1f, 1) * s;
        b.x1 = bl_rng_range(&r, -s, s);
        b.y1 = bl_rng_range(&r, -s, s);
        b.x2 = b.x1 + bl_rng_range(&r, 0.1f, 1) * s;
        b.y2 = b.y1 + bl_rng_range(&r, 0.1f, 1) * s;
        float d[4];
        bl_box_encode(&coder, a, b, d);
        bl_box c = bl_box_decode(&coder, a, d);
        CHECK_NEAR(c.x1, b.x1, 2e-6 * s);
        CHECK_NEAR(c.y1, b.y1, 2e-6 * s);
        CHECK_NEAR(c.x2, b.x2, 2e-6 * s);
        CHECK_NEAR(c.y2, b.y2, 2e-6 * s);
    }
}

static void test_bounds(void) {
    bl_box a = {0, 0, 16, 16};
    float big[4] = {0, 0, 100, 100}, tiny[4] = {0, 0, -100, -100};
    bl_box b = bl_box_decode(&coder, a, big);
    CHECK_NEAR(b.x2 - b.x1, 1000, 0.01);
    b = bl_box_decode(&coder, a, tiny);
    CHECK_NEAR(b.y2 - b.y1, 0.256, 1e-5); /* 16 * 16/1000 */
    bl_box_coder upper = coder;
    upper.symmetric = false;
    b = bl_box_decode(&upper, a, big);
    CHECK_NEAR(b.x2 - b.x1, 1000, 0.01);
    b = bl_box_decode(&upper, a, tiny);
    CHECK_NEAR(b.y2 - b.y1, 16 * exp(-20), 1e-6);
}

static void test_degenerate(void) {
    float d[4];
    bl_box_encode(&coder, (bl_box){5, 5, 5, 5}, (bl_box){1, 1, 9, 1}, d);
    for (int i = 0; i < 4; i++) CHECK(isfinite(d[i]));
    float nan[4] = {0, NAN, 0, 0};
    bl_box b = bl_box_decode(&coder, (bl_box){0, 0, 8, 8}, nan);
    CHECK(isnan(b.y1) && isnan(b.y2));
    b = bl_box_clip(b, 10, 10);
    CHECK(!(b.y2 - b.y1 > 0)); /* which later stages drop */
}

int main(void) {
    test_example();
    test_round_trip();
    test_bounds();
    test_degenerate();
    return 0;
}
