#include "datasets/pil_affine.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Rounds to 15 decimals, as Pillow does with the cosine and sine. */
static double round15(double v) {
    return rint(v * 1e15) / 1e15;
}

void bl_pil_rotation(double degrees, int width, int height, double a[6]) {
    double turn = fmod(degrees, 360);
    if (turn < 0) turn += 360;
    double angle = -(turn * (M_PI / 180));
    double c = round15(cos(angle)), s = round15(sin(angle));
    double cx = width / 2.0, cy = height / 2.0;
    a[0] = c, a[1] = s, a[3] = round15(-sin(angle)), a[4] = c;
    a[2] = a[0] * -cx + a[1] * -cy + 0.0 + cx;
    a[5] = a[3] * -cx + a[4] * -cy + 0.0 + cy;
}

static void put(const uint8_t *src, int width, int height, double fx, double fy, uint8_t *p) {
    int64_t x = fx < 0 ? -1 : (int64_t)fx, y = fy < 0 ? -1 : (int64_t)fy;
    if (x >= 0 && y >= 0 && x < width && y < height)
        memcpy(p, src + 3 * (y * width + x), 3);
    else
        p[0] = p[1] = p[2] = 0;
}

/* No rotation, no shear: the source column of an output column, then whole rows. */
static void scale(const uint8_t *src, int width, int height, const double a[6], uint8_t *dst) {
    double fy = a[5] + a[4] * 0.5;
    for (int y = 0; y < height; y++, fy += a[4]) {
        uint8_t *row = dst + 3 * (size_t)y * (size_t)width;
        if (fy < 0 || !(fy < height)) {
            memset(row, 0, 3 * (size_t)width);
            continue;
        }
        double fx = a[2] + a[0] * 0.5;
        for (int x = 0; x < width; x++, fx += a[0]) put(src, width, height, fx, fy, row + 3 * x);
    }
}

static bool fits(const double a[6], double x, double y) {
    return fabs(a[0] * x + a[1] * y + a[2]) < 32768.0 && fabs(a[3] * x + a[4] * y + a[5]) < 32768.0;
}

static int32_t fixed(double v) {
    return (int32_t)(uint32_t)(int64_t)floor(v * 65536.0 + 0.5);
}

void bl_pil_affine(const bl_pixel_ops *ops, const uint8_t *src, int width, int height,
                   const double a[6], uint8_t *dst) {
    size_t row = 3 * (size_t)width;
    if (a[1] == 0 && a[3] == 0) {
        scale(src, width, height, a, dst);
        return;
    }
    if (fits(a, 0, 0) && fits(a, width, height) && fits(a, 0, height) && fits(a, width, 0)) {
        uint32_t u = (uint32_t)fixed(a[2] + a[0] * 0.5 + a[1] * 0.5);
        uint32_t v = (uint32_t)fixed(a[5] + a[3] * 0.5 + a[4] * 0.5);
        int32_t du = fixed(a[0]), dv = fixed(a[3]);
        for (int y = 0; y < height; y++) {
            ops->gather(src, width, height, (int32_t)u, (int32_t)v, du, dv, width,
                        dst + (size_t)y * row);
            u += (uint32_t)fixed(a[1]), v += (uint32_t)fixed(a[4]);
        }
        return;
    }
    double fx0 = a[2] + a[1] * 0.5 + a[0] * 0.5, fy0 = a[5] + a[4] * 0.5 + a[3] * 0.5;
    for (int y = 0; y < height; y++, fx0 += a[1], fy0 += a[4]) {
        double fx = fx0, fy = fy0;
        for (int x = 0; x < width; x++, fx += a[0], fy += a[3])
            put(src, width, height, fx, fy, dst + (size_t)y * row + 3 * (size_t)x);
    }
}

void bl_pil_quarter_turns(const uint8_t *src, int width, int height, int turns, uint8_t *dst) {
    int w = turns % 2 ? height : width, h = turns % 2 ? width : height;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            int sx = turns == 0 ? x : turns == 1 ? width - 1 - y : turns == 2 ? width - 1 - x : y;
            int sy = turns == 0 ? y : turns == 1 ? x : turns == 2 ? height - 1 - y : height - 1 - x;
            memcpy(dst + 3 * ((size_t)y * (size_t)w + (size_t)x),
                   src + 3 * ((size_t)sy * (size_t)width + (size_t)sx), 3);
        }
}
