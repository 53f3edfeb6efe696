/* The resize against OpenCV's own output, bit by bit, and its behaviour at the edges. */
#include "core/fs.h"
#include "datasets/images/image.h"
#include "tests/check.h"

static void fill(bl_image *img, uint32_t seed) {
    uint32_t x = seed;
    for (int64_t i = 0; i < (int64_t)img->width * img->height * 3; i++) {
        x = 1664525u * x + 1013904223u;
        img->rgb[i] = seed ? (uint8_t)(x >> 24) : 255;
    }
}

static void equals_opencv(void) {
    char *data;
    size_t size, at = 0;
    int cases = 0;
    CHECK_OK(
        bl_read_file(BALLAST_SOURCE_DIR "/tests/golden/resize_opencv.bin", 1 << 20, &data, &size));
    for (; at < size; cases++) {
        int32_t head[4];
        uint32_t seed;
        CHECK(size - at >= 20);
        memcpy(head, data + at, 16);
        memcpy(&seed, data + at + 16, 4);
        at += 20;
        bl_image src, out;
        CHECK_OK(bl_image_alloc(head[0], head[1], &src));
        fill(&src, seed);
        CHECK_OK(bl_image_resize(&src, head[2], head[3], &out));
        CHECK_EQ(out.width, head[2]);
        CHECK_EQ(out.height, head[3]);
        size_t n = (size_t)head[2] * (size_t)head[3] * 3;
        CHECK(size - at >= n);
        for (size_t i = 0; i < n; i++) CHECK_EQ(out.rgb[i], (uint8_t)data[at + i]);
        at += n;
        bl_image_free(&src);
        bl_image_free(&out);
    }
    CHECK_EQ(cases, 16);
    free(data);
}

/* A linear ramp stays one: halves lie in the middle. */
static void ramp(void) {
    bl_image src, out;
    CHECK_OK(bl_image_alloc(50, 2, &src));
    for (int i = 0; i < 100; i++)
        for (int c = 0; c < 3; c++) src.rgb[3 * i + c] = (uint8_t)(4 * (i % 50));
    CHECK_OK(bl_image_resize(&src, 100, 2, &out));
    for (int x = 1; x < 99; x++) CHECK_EQ(out.rgb[3 * x], 4 * (x / 2) + (x % 2 ? 1 : -1));
    CHECK_EQ(out.rgb[0], 0);
    CHECK_EQ(out.rgb[3 * 99], 196);
    bl_image_free(&src);
    bl_image_free(&out);
}

int main(void) {
    equals_opencv();
    ramp();
    bl_image src, out;
    CHECK_OK(bl_image_alloc(4, 4, &src));
    CHECK_FAILS(bl_image_resize(&src, 0, 4, &out), BL_EFORMAT, "0x4");
    CHECK_FAILS(bl_image_resize(&src, 4, BL_IMAGE_MAX_SIDE + 1, &out), BL_EFORMAT, "32769");
    CHECK(out.rgb == NULL);
    bl_image_free(&src);
    return 0;
}
