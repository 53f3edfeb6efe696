/* Polygons to run lengths, pixel for pixel as the COCO mask API fills them.
 *
 * The API rounds corners to fifths of a pixel and walks each edge in unit steps of that grid along
 * its longer axis. Where the walk passes from 5k+2 to 5k+3 in x (the middle of column k), the
 * column is crossed, at the upper of the two points' y, halved back to pixels. Crossings in column
 * order, then by y, are the ends of the runs; two at the same place cancel. We compute the crossing
 * of each edge with each column directly, and sort by counting. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/annotations/dataset.h"
#include "datasets/annotations/mask_rle.h"
#include "datasets/images/image.h"

enum { SCALE = 5, MAX_CROSSINGS = 1 << 24 };

/* An edge in fifths of a pixel, turned so that it runs forward along its longer axis, and the
 * columns first..last that it crosses (none if last < first). */
typedef struct edge {
    int32_t x, y, steps; /* start; number of unit steps */
    bool steep;          /* the longer axis is y */
    double slope;        /* of the shorter axis */
    int32_t first, last;
} edge;

/* The shorter axis' coordinate after t steps; truncates towards 0, as the API does. */
static inline int32_t across(const edge *e, int32_t t) {
    return (int32_t)((e->steep ? e->x : e->y) + e->slope * t + .5);
}

static inline int32_t floor_div(int32_t a, int32_t b) {
    return a / b - (a % b < 0);
}

static edge make_edge(const int32_t a[2], const int32_t b[2], int32_t w) {
    int32_t dx = abs(b[0] - a[0]), dy = abs(b[1] - a[1]);
    edge e = {.steep = dx < dy, .steps = dx < dy ? dy : dx, .last = -1};
    if (dx == 0) return e; /* in no column's way */
    bool flip = e.steep ? a[1] > b[1] : a[0] > b[0];
    const int32_t *p = flip ? b : a, *q = flip ? a : b;
    e.x = p[0];
    e.y = p[1];
    e.slope = e.steep ? (double)(q[0] - p[0]) / dy : (double)(q[1] - p[1]) / dx;
    int32_t from = p[0], to = q[0];
    if (e.steep) {
        from = across(&e, 0);
        to = across(&e, dy);
    }
    int32_t low = from < to ? from : to, high = from < to ? to : from;
    e.first = floor_div(low - 2 + SCALE - 1, SCALE);
    e.last = floor_div(high - 3, SCALE);
    if (e.first < 0) e.first = 0;
    if (e.last > w - 1) e.last = w - 1;
    return e;
}

/* A row in fifths becomes the first pixel row whose centre is not above it. */
static inline int32_t to_row(int32_t v, int32_t h) {
    int32_t y = floor_div(v + 2, SCALE);
    return y < 0 ? 0 : y > h ? h : y;
}

/* The row at which the edge crosses column k. */
static int32_t crossing(const edge *e, int32_t k, int32_t h) {
    int32_t left = SCALE * k + 2; /* the last fifth on the column's left half */
    if (!e->steep) {
        int32_t t = left - e->x, v0 = across(e, t), v1 = across(e, t + 1);
        return to_row(v0 < v1 ? v0 : v1, h);
    }
    /* The first step t that ends beyond the middle: near where the line meets it. */
    bool right = e->slope > 0;
    double guess = ceil((left + .5 - e->x) / e->slope);
    int32_t t = guess < 1 ? 1 : guess > e->steps ? e->steps : (int32_t)guess;
    while (t > 1 && (across(e, t - 1) > left) == right) t--;
    while (t < e->steps && (across(e, t) > left) != right) t++;
    return to_row(e->y + t - 1, h);
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Few in almost every column. */
static void sort_column(uint32_t *v, int64_t n) {
    if (n > 32) {
        qsort(v, (size_t)n, sizeof *v, ascending);
        return;
    }
    for (int64_t i = 1; i < n; i++) {
        uint32_t x = v[i];
        int64_t k = i;
        for (; k > 0 && v[k - 1] > x; k--) v[k] = v[k - 1];
        v[k] = x;
    }
}

/* Ends of runs to runs; pairs at the same place cancel. */
static bl_status emit(const uint32_t *ends, int64_t n, int32_t h, int32_t w, bl_rle *out) {
    uint32_t pixels = (uint32_t)h * (uint32_t)w, at = 0;
    BL_TRY(bl_rle_reserve(out, n + 1));
    out->h = h;
    out->w = w;
    out->n = 0;
    for (int64_t i = 0; i < n; i++) {
        if (i + 1 < n && ends[i + 1] == ends[i]) {
            i++;
            continue;
        }
        if (ends[i] == pixels) break;
        out->counts[out->n++] = ends[i] - at;
        at = ends[i];
    }
    out->counts[out->n++] = pixels - at;
    return BL_OK;
}

/* start[k]: crossings before column k, counted through the edges' column ranges. */
static int64_t count_columns(const edge *e, int64_t n, int64_t *start, int32_t w) {
    for (int64_t i = 0; i < n; i++) {
        if (e[i].last < e[i].first) continue;
        start[e[i].first]++;
        start[e[i].last + 1]--;
    }
    int64_t here = 0, total = 0;
    for (int32_t k = 0; k <= w; k++) {
        here += start[k];
        start[k] = total;
        total += here;
    }
    return total;
}

static bl_status fill(const edge *e, int64_t n, int64_t *start, int32_t h, int32_t w, bl_rle *out) {
    int64_t total = count_columns(e, n, start, w);
    if (total > MAX_CROSSINGS)
        return bl_fail(BL_EFORMAT, "the polygon crosses pixel columns %lld times, limit %d",
                       (long long)total, MAX_CROSSINGS);
    uint32_t *ends = malloc(((size_t)total + 1) * sizeof *ends);
    if (!ends) return bl_no_memory("for a polygon");
    for (int64_t i = 0; i < n; i++)
        for (int32_t k = e[i].first; k <= e[i].last; k++)
            ends[start[k]++] = (uint32_t)k * (uint32_t)h + (uint32_t)crossing(&e[i], k, h);
    /* start[k] has become the end of column k. */
    for (int32_t k = 0; k < w; k++) {
        int64_t from = k ? start[k - 1] : 0;
        sort_column(ends + from, start[k] - from);
    }
    bl_status status = emit(ends, total, h, w, out);
    free(ends);
    return status;
}

bl_status bl_rle_from_polygon(const double *xy, int64_t n, int32_t h, int32_t w, bl_rle *out) {
    if (h < 1 || w < 1 || h > BL_IMAGE_MAX_SIDE || w > BL_IMAGE_MAX_SIDE)
        return bl_fail(BL_EFORMAT,
                       "polygon in an image of %d x %d pixels, expected sides of 1 "
                       "to %d",
                       w, h, BL_IMAGE_MAX_SIDE);
    for (int64_t i = 0; i < 2 * n; i++)
        if (!(fabs(xy[i]) <= BL_MAX_COORDINATE))
            return bl_fail(BL_EFORMAT, "polygon coordinate %g is not in pixels", xy[i]);
    edge *edges = malloc(((size_t)n + 1) * sizeof *edges);
    int64_t *start = calloc((size_t)w + 1, sizeof *start);
    bl_status status;
    if (!edges || !start) {
        status = bl_no_memory("for a polygon of %lld corners", (long long)n);
        goto done;
    }
    int32_t a[2], b[2];
    for (int64_t i = 0; i < n; i++) {
        const double *p = &xy[2 * i], *q = &xy[2 * (i + 1 < n ? i + 1 : 0)];
        for (int c = 0; c < 2; c++) {
            a[c] = (int32_t)(SCALE * p[c] + .5);
            b[c] = (int32_t)(SCALE * q[c] + .5);
        }
        edges[i] = make_edge(a, b, w);
    }
    status = fill(edges, n, start, h, w, out);
done:
    free(edges);
    free(start);
    return status;
}

bl_status bl_rle_from_box(const double box[4], int32_t h, int32_t w, bl_rle *out) {
    double x0 = box[0], y0 = box[1], x1 = x0 + box[2], y1 = y0 + box[3];
    const double xy[8] = {x0, y0, x0, y1, x1, y1, x1, y0};
    return bl_rle_from_polygon(xy, 4, h, w, out);
}
