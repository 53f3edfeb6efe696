/* Pictures of detections: glyphs, clipping, labels that stay inside, the legend. */
#include <stdlib.h>

#include "datasets/images/draw.h"
#include "datasets/images/font.h"
#include "tests/check.h"

static void show(const char *text, char out[256]) {
    char *p = out;
    const char *g = bl_font_next(&text);
    for (int y = 0; y < BL_FONT_HEIGHT; y++)
        for (int x = 0; x < BL_FONT_WIDTH; x++) *p++ = bl_font_dot(g, x, y) ? '#' : '.';
    *p = 0;
}

static void test_font(void) {
    char a[256], b[256];
    show("T", a);
    CHECK_STR(a, "#####..#....#....#....#....#....#............");
    show("p", a); /* hangs below the line */
    CHECK_STR(a, "..........####.#...##...##...#####.#....#....");
    show("\xc3\xa9", a);
    show("e", b); /* e with an acute accent */
    CHECK_STR(a, b);
    show("\xc5\xbd", a);
    show("Z", b); /* Z with a caron, U+017D */
    CHECK_STR(a, b);
    CHECK(bl_font_has("Caf\xc3\xa9 (1), ~{}") && !bl_font_has("\xe9\xb1\xbc") && bl_font_has(""));
    CHECK_EQ(bl_font_columns("\xe9\xb1\xbc"
                             "a\xc3\xa9"),
             3);
    CHECK_EQ(bl_font_columns("\xff\xe9"), 2); /* no UTF-8: byte by byte, never beyond the end */
    CHECK_EQ(bl_font_columns("\xf0\x9f"), 2);
    for (char c[2] = " "; c[0] < 127; c[0]++) CHECK(bl_font_has(c));
}

static bool is(const bl_image *im, int x, int y, const uint8_t rgb[3]) {
    return memcmp(im->rgb + 3 * ((size_t)y * (size_t)im->width + (size_t)x), rgb, 3) == 0;
}

static int count(const bl_image *im, const uint8_t rgb[3]) {
    int n = 0;
    for (int y = 0; y < im->height; y++)
        for (int x = 0; x < im->width; x++) n += is(im, x, y, rgb);
    return n;
}

static void test_clipping(void) {
    bl_image im;
    const uint8_t red[3] = {255, 0, 0};
    CHECK_OK(bl_image_alloc(20, 10, &im));
    bl_draw_frame(&im, (bl_box){-50, -50, 1e9f, 5}, 1, red);
    CHECK(is(&im, 0, 0, red) && is(&im, 19, 5, red) && !is(&im, 10, 3, red) && is(&im, 19, 3, red));
    bl_draw_text(&im, -3, -3, 1, "WWWWWWWWWWWW", red);
    bl_draw_text(&im, 18, 8, 3, "W", red);
    bl_draw_fill(&im, -5, -5, 100, 100, red);
    CHECK_EQ(count(&im, red), 200);
    bl_draw_fill(&im, 30, 0, 40, 9, red);
    bl_image_free(&im);
    CHECK_EQ(bl_draw_text_width("abc", 2), 36);
}

static void test_detections(void) {
    bl_image im, out;
    const char *const names[] = {"cat", "\xe9\xb1\xbc", "dog"};
    const bl_drawn_box boxes[] = {{{-4, -4, 30, 20}, 0, 0.9f}, {{80, 40, 99, 79}, 2, 0.5f}};
    uint8_t cat[3], fish[3], dog[3];
    bl_draw_class_colour(0, cat);
    bl_draw_class_colour(1, fish);
    bl_draw_class_colour(2, dog);
    CHECK_OK(bl_image_alloc(100, 80, &im));
    CHECK_OK(bl_draw_detections(&im, boxes, 2, names, 3, &out));
    CHECK(out.width == 100 && out.height > 80);
    CHECK_EQ(count(&im, cat), 0); /* the caller's image is as it was */
    CHECK(is(&out, 30, 10, cat) && is(&out, 80, 60, dog));
    CHECK(is(&out, 99, 39, dog)); /* its label, moved left of the edge, is above the box */
    CHECK(count(&out, fish) == 0);
    int below = 0;
    for (int y = 80; y < out.height; y++)
        for (int x = 0; x < 100; x++) below += is(&out, x, y, cat) || is(&out, x, y, dog);
    CHECK_EQ(below, 2 * BL_FONT_HEIGHT * BL_FONT_HEIGHT); /* a square each in the legend */
    bl_image_free(&out);
    CHECK_OK(bl_draw_detections(&im, NULL, 0, names, 3, &out));
    CHECK(out.height > 80 && count(&out, cat) == 0);
    bl_image_free(&out);
    bl_image_free(&im);
}

int main(void) {
    test_font();
    test_clipping();
    test_detections();
    return 0;
}
