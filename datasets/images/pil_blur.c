#include "datasets/images/pil_blur.h"

#include <math.h>
#include <string.h>

enum { PASSES = 3 };

/* A box of 2 r + 1 whole pixels and a part of one more on either side, in 8.24 fixed point. */
typedef struct box {
    int r;
    uint32_t whole, part;
} box;

static box box_of(float sigma) {
    float sigma2 = sigma * sigma / PASSES;
    float length = (float)sqrt(12.0 * (double)sigma2 + 1.0);
    float l = (float)floor(((double)length - 1.0) / 2.0);
    float a = (2 * l + 1) * (l * (l + 1) - 3 * sigma2);
    a /= 6 * (sigma2 - (l + 1) * (l + 1));
    float radius = l + a;
    box b = {.r = (int)radius};
    b.whole = (uint32_t)((float)(1 << 24) / (radius * 2 + 1));
    b.part = (((uint32_t)1 << 24) - (uint32_t)(b.r * 2 + 1) * b.whole) / 2;
    return b;
}

static int within(int i, int n) {
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* One pass over a line of n pixels (3 channels each). */
static void pass(const uint8_t *in, int n, box b, uint8_t *out) {
    uint32_t sum[3] = {0};
    for (int d = -b.r; d <= b.r; d++)
        for (int c = 0; c < 3; c++) sum[c] += in[3 * within(d, n) + c];
    for (int x = 0; x < n; x++) {
        const uint8_t *left = in + 3 * within(x - b.r - 1, n);
        const uint8_t *right = in + 3 * within(x + b.r + 1, n);
        const uint8_t *leaving = in + 3 * within(x - b.r, n);
        for (int c = 0; c < 3; c++) {
            uint32_t v = sum[c] * b.whole + (uint32_t)(left[c] + right[c]) * b.part;
            out[3 * x + c] = (uint8_t)((v + (1u << 23)) >> 24);
            sum[c] += (uint32_t)right[c] - leaving[c];
        }
    }
}

/* All passes over a line whose pixels are `step` bytes apart. */
static void line(uint8_t *p, size_t step, int n, box b, uint8_t *scratch) {
    uint8_t *a = scratch, *c = scratch + 3 * (size_t)n;
    for (int i = 0; i < n; i++) memcpy(a + 3 * i, p + (size_t)i * step, 3);
    for (int k = 0; k < PASSES; k++) {
        pass(a, n, b, c);
        uint8_t *t = a;
        a = c;
        c = t;
    }
    for (int i = 0; i < n; i++) memcpy(p + (size_t)i * step, a + 3 * i, 3);
}

void bl_pil_gaussian_blur(uint8_t *rgb, int width, int height, float sigma, uint8_t *scratch) {
    if (!(sigma > 0)) return;
    box b = box_of(sigma);
    size_t row = 3 * (size_t)width;
    for (int y = 0; y < height; y++) line(rgb + (size_t)y * row, 3, width, b, scratch);
    for (int x = 0; x < width; x++) line(rgb + 3 * (size_t)x, row, height, b, scratch);
}
