#include "datasets/images/pil_affine.h"

#include <math.h>
#include <string.h>

#include "kernels/shared/pixels.h"

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
    a[0] = c;
    a[1] = s;
    a[3] = round15(-sin(angle));
    a[4] = c;
    a[2] = a[0] * -cx + a[1] * -cy + 0.0 + cx;
    a[5] = a[3] * -cx + a[4] * -cy + 0.0 + cy;
}

static void put(const uint8_t *src, const bl_px_map *m, double fx, double fy, uint8_t *p) {
    int x = bl_px_cell(fx, m->width), y = bl_px_cell(fy, m->height);
    if (x >= 0 && y >= 0)
        memcpy(p, src + 3 * ((size_t)y * (size_t)m->width + (size_t)x), 3);
    else
        p[0] = p[1] = p[2] = 0;
}

/* The source column of an output column, then whole rows. */
static void along_axes(const uint8_t *src, const bl_px_map *m, uint8_t *dst) {
    double fy = m->fy;
    for (int y = 0; y < m->height; y++, fy += m->a[4]) {
        uint8_t *row = dst + 3 * (size_t)y * (size_t)m->width;
        if (bl_px_cell(fy, m->height) < 0) {
            memset(row, 0, 3 * (size_t)m->width);
            continue;
        }
        double fx = m->fx;
        for (int x = 0; x < m->width; x++, fx += m->a[0]) put(src, m, fx, fy, row + 3 * x);
    }
}

void bl_pil_affine(const bl_pixel_ops *ops, const uint8_t *src, int width, int height,
                   const double a[6], uint8_t *dst) {
    size_t row = 3 * (size_t)width;
    bl_px_map m = bl_px_map_make(a, width, height);
    if (m.kind == BL_PX_AXES) {
        along_axes(src, &m, dst);
        return;
    }
    if (m.kind == BL_PX_FIXED) {
        uint32_t u = m.u, v = m.v;
        for (int y = 0; y < height; y++, u += (uint32_t)m.ru, v += (uint32_t)m.rv)
            ops->gather(src, width, height, (int32_t)u, (int32_t)v, m.du, m.dv, width,
                        dst + (size_t)y * row);
        return;
    }
    double fx0 = m.fx, fy0 = m.fy;
    for (int y = 0; y < height; y++, fx0 += a[1], fy0 += a[4]) {
        double fx = fx0, fy = fy0;
        for (int x = 0; x < width; x++, fx += a[0], fy += a[3])
            put(src, &m, fx, fy, dst + (size_t)y * row + 3 * (size_t)x);
    }
}

void bl_pil_quarter_turns(const uint8_t *src, int width, int height, int turns, uint8_t *dst) {
    int w = turns % 2 ? height : width, h = turns % 2 ? width : height;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            int sx, sy;
            bl_px_turn(turns, width, height, x, y, &sx, &sy);
            memcpy(dst + 3 * ((size_t)y * (size_t)w + (size_t)x),
                   src + 3 * ((size_t)sy * (size_t)width + (size_t)sx), 3);
        }
}
