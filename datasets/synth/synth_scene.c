#include "datasets/synth/synth_scene.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES = 48, STREAM_LAYOUT = 1, STREAM_OBJECT = 64 };

/* Plain forms of fminf, fmaxf and hypotf, whose care for NaN and overflow costs most of the time
 * here. */
static float lesser(float a, float b) {
    return a < b ? a : b;
}

static float greater(float a, float b) {
    return a > b ? a : b;
}

static float unit(float v) {
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static float length(float x, float y) {
    return sqrtf(x * x + y * y);
}

/* Distance, in pixels, of the centre of pixel (px, py) to the object's outline. */
static float distance_at(const bl_synth_object *o, int px, int py) {
    float dx = (float)px + 0.5f - o->cx, dy = (float)py + 0.5f - o->cy;
    float u = (o->cos_r * dx + o->sin_r * dy) / (o->scale * o->aspect);
    float v = (-o->sin_r * dx + o->cos_r * dy) / (o->scale / o->aspect);
    return bl_synth_shape_distance(&o->shape, u, v) * o->scale;
}

static float coverage_at(const bl_synth_object *o, int px, int py) {
    return unit(0.5f - distance_at(o, px, py));
}

static void draw_pose(const bl_synth_config *cfg, const bl_synth_scene *scene, bool over,
                      int attempt, bl_rng *rng, bl_synth_object *o) {
    float lo = (float)cfg->size_min, hi = (float)cfg->size_max;
    float size = lo * powf(hi / lo, bl_rng_uniform(rng));
    if (attempt > TRIES / 2)
        size = greater(lo, size * 0.6f); /* a crowded scene still has room for small ones */
    o->scale = size / 2;
    o->aspect = expf(bl_rng_range(rng, -0.10f, 0.10f));
    float angle = bl_rng_range(rng, -1, 1) * (float)(cfg->rotation * M_PI / 180);
    o->cos_r = cosf(angle);
    o->sin_r = sinf(angle);
    float margin = o->scale * 0.8f;
    o->cx = bl_rng_range(rng, margin, (float)cfg->width - margin);
    o->cy = bl_rng_range(rng, margin, (float)cfg->height - margin);
    float pick = bl_rng_uniform(rng), near = bl_rng_range(rng, 0.35f, 0.95f);
    float toward = bl_rng_range(rng, 0, 2 * (float)M_PI);
    if (over && scene->n > 0) {
        const bl_synth_object *below = &scene->objects[(int)(pick * (float)scene->n)];
        float d = near * (o->scale + below->scale);
        o->cx = below->cx + d * cosf(toward);
        o->cy = below->cy + d * sinf(toward);
    }
}

/* Rasterises coverage into `mask` (width*height bytes, only the object's extent is written) and
 * sets extent and area. False when the object touches the border or vanishes. */
static bool rasterise(const bl_synth_config *cfg, bl_synth_object *o, uint8_t *mask) {
    float reach = o->scale * 1.12f + 1;
    int bx0 = (int)floorf(o->cx - reach), bx1 = (int)ceilf(o->cx + reach);
    int by0 = (int)floorf(o->cy - reach), by1 = (int)ceilf(o->cy + reach);
    int w = (int)cfg->width, h = (int)cfg->height;
    o->x0 = w;
    o->y0 = h;
    o->x1 = o->y1 = 0;
    float area = 0;
    for (int y = by0; y < by1; y++)
        for (int x = bx0; x < bx1; x++) {
            float c = coverage_at(o, x, y);
            bool outside = x < 0 || y < 0 || x >= w || y >= h;
            if (outside && c >= 0.5f) return false;
            if (outside) continue;
            mask[y * w + x] = c >= 0.5f;
            if (c < 0.5f) continue;
            area++;
            if (x < o->x0) o->x0 = x;
            if (x >= o->x1) o->x1 = x + 1;
            if (y < o->y0) o->y0 = y;
            if (y >= o->y1) o->y1 = y + 1;
        }
    o->area = area;
    return o->x1 > o->x0 + 3 && o->y1 > o->y0 + 3;
}

bl_status bl_synth_scene_place(const bl_synth_config *cfg, uint64_t key, const int32_t *categories,
                               int n, bl_synth_scene *out) {
    int w = (int)cfg->width, h = (int)cfg->height;
    int8_t *owner = malloc((size_t)w * (size_t)h);
    uint8_t *mask = malloc((size_t)w * (size_t)h);
    if (!owner || !mask) {
        free(owner);
        free(mask);
        return bl_no_memory("to place a %dx%d scene", w, h);
    }
    memset(owner, -1, (size_t)w * (size_t)h);
    int pixels[BL_SYNTH_MAX_OBJECTS] = {0}, lost[BL_SYNTH_MAX_OBJECTS] = {0};
    out->n = 0;
    for (int i = 0; i < n && i < BL_SYNTH_MAX_OBJECTS; i++) {
        /* A stream for each object: changing one object's class leaves the others' draws alone. */
        bl_rng rng = bl_rng_make((uint64_t)cfg->seed, bl_rng_key(key, STREAM_OBJECT, (uint64_t)i));
        bool over = bl_rng_uniform(&rng) < (float)cfg->occlusion;
        bl_synth_object o = {.category = categories[i]};
        o.shape =
            bl_synth_shape_make(bl_synth_shape_kind(categories[i], bl_synth_pairs(cfg)), &rng);
        for (int attempt = 0; attempt < TRIES; attempt++) {
            draw_pose(cfg, out, over, attempt, &rng, &o);
            if (!rasterise(cfg, &o, mask)) continue;
            int hits[BL_SYNTH_MAX_OBJECTS] = {0}, own = 0;
            for (int y = o.y0; y < o.y1; y++)
                for (int x = o.x0; x < o.x1; x++) {
                    if (!mask[y * w + x]) continue;
                    own++;
                    if (owner[y * w + x] >= 0) hits[owner[y * w + x]]++;
                }
            bool fits = true;
            for (int k = 0; k < out->n; k++)
                if (hits[k] > 0 && (!over || (float)(lost[k] + hits[k]) >
                                                 (float)cfg->max_hidden * (float)pixels[k]))
                    fits = false;
            if (!fits) continue;
            for (int k = 0; k < out->n; k++) {
                lost[k] += hits[k];
                out->objects[k].hidden = (float)lost[k] / (float)pixels[k];
            }
            for (int y = o.y0; y < o.y1; y++)
                for (int x = o.x0; x < o.x1; x++)
                    if (mask[y * w + x]) owner[y * w + x] = (int8_t)out->n;
            pixels[out->n] = own;
            out->objects[out->n++] = o;
            break;
        }
    }
    free(owner);
    free(mask);
    return BL_OK;
}

/* ---- pixels ---- */

typedef struct canvas {
    int w, h;
    float *rgb; /* w*h*3, 0..255 */
} canvas;

static void hsv(float hue, float sat, float val, float rgb[3]) {
    for (int c = 0; c < 3; c++) {
        float k = fmodf((c == 0 ? 5.0f : c == 1 ? 3.0f : 1.0f) + hue * 6, 6);
        rgb[c] = 255 * (val - val * sat * greater(0, lesser(lesser(k, 4 - k), 1)));
    }
}

static void any_colour(bl_rng *rng, float rgb[3]) {
    float hue = bl_rng_uniform(rng), sat = bl_rng_range(rng, 0.05f, 0.9f),
          val = bl_rng_range(rng, 0.15f, 1);
    hsv(hue, sat, val, rgb);
}

static void blend(const canvas *cv, int x, int y, const float rgb[3], float alpha) {
    float *p = cv->rgb + 3 * (y * cv->w + x);
    for (int c = 0; c < 3; c++) p[c] += alpha * (rgb[c] - p[c]);
}

/* Value noise on a lattice of `cell` pixels, in [-1, 1]. */
static float lattice(uint64_t salt, int x, int y) {
    uint64_t cell = (uint64_t)(uint32_t)y << 32 | (uint32_t)x;
    return (float)(bl_mix64(salt * 0x9E3779B97F4A7C15ull ^ cell) >> 40) * 0x1p-23f - 1;
}

static float value_noise(uint64_t salt, float x, float y) {
    int ix = (int)floorf(x), iy = (int)floorf(y);
    float fx = x - (float)ix, fy = y - (float)iy;
    fx = fx * fx * (3 - 2 * fx);
    fy = fy * fy * (3 - 2 * fy);
    float top = lattice(salt, ix, iy) * (1 - fx) + lattice(salt, ix + 1, iy) * fx;
    float low = lattice(salt, ix, iy + 1) * (1 - fx) + lattice(salt, ix + 1, iy + 1) * fx;
    return top * (1 - fy) + low * fy;
}

/* Four corner colours, blended, with two octaves of noise. */
static void background(const canvas *cv, bl_rng *rng) {
    float corner[4][3], base[3];
    any_colour(rng, base);
    for (int k = 0; k < 4; k++) {
        any_colour(rng, corner[k]);
        for (int c = 0; c < 3; c++) corner[k][c] = 0.6f * base[c] + 0.4f * corner[k][c];
    }
    float cell = bl_rng_range(rng, 6, 40), amp = bl_rng_range(rng, 4, 30),
          fine = bl_rng_range(rng, 0, 14);
    uint64_t salt = bl_rng_u32(rng);
    for (int y = 0; y < cv->h; y++)
        for (int x = 0; x < cv->w; x++) {
            float u = (float)x / (float)cv->w, v = (float)y / (float)cv->h;
            float n = amp * value_noise(salt, (float)x / cell, (float)y / cell) +
                      fine * value_noise(salt + 1, (float)x / 3, (float)y / 3);
            float *p = cv->rgb + 3 * (y * cv->w + x);
            for (int c = 0; c < 3; c++)
                p[c] = (corner[0][c] * (1 - u) + corner[1][c] * u) * (1 - v) +
                       (corner[2][c] * (1 - u) + corner[3][c] * u) * v + n;
        }
}

/* A curved stroke (quadratic Bezier), drawn as the distance to its polyline. */
static void stroke(const canvas *cv, bl_rng *rng, float max_width) {
    float p[3][2], rgb[3];
    for (int k = 0; k < 3; k++) {
        p[k][0] = bl_rng_range(rng, -0.1f, 1.1f) * (float)cv->w;
        p[k][1] = bl_rng_range(rng, -0.1f, 1.1f) * (float)cv->h;
    }
    float reach = bl_rng_range(rng, 0.15f, 0.7f); /* most strokes are short */
    for (int k = 1; k < 3; k++)
        for (int d = 0; d < 2; d++) p[k][d] = p[0][d] + reach * (p[k][d] - p[0][d]);
    float half = bl_rng_range(rng, 0.6f, max_width) / 2, alpha = bl_rng_range(rng, 0.5f, 1);
    any_colour(rng, rgb);
    enum { SEGMENTS = 12 };
    float q[SEGMENTS + 1][2], x0 = 1e9f, y0 = 1e9f, x1 = -1e9f, y1 = -1e9f;
    for (int s = 0; s <= SEGMENTS; s++) {
        float t = (float)s / SEGMENTS, a = (1 - t) * (1 - t), b = 2 * t * (1 - t), c = t * t;
        for (int d = 0; d < 2; d++) q[s][d] = a * p[0][d] + b * p[1][d] + c * p[2][d];
        x0 = lesser(x0, q[s][0]);
        x1 = greater(x1, q[s][0]);
        y0 = lesser(y0, q[s][1]);
        y1 = greater(y1, q[s][1]);
    }
    float inv_len2[SEGMENTS];
    for (int s = 0; s < SEGMENTS; s++) {
        float ex = q[s + 1][0] - q[s][0], ey = q[s + 1][1] - q[s][1];
        inv_len2[s] = 1 / (ex * ex + ey * ey + 1e-6f);
    }
    for (int y = (int)greater(0, y0 - half - 1); y < cv->h && (float)y <= y1 + half + 1; y++)
        for (int x = (int)greater(0, x0 - half - 1); x < cv->w && (float)x <= x1 + half + 1; x++) {
            float best = 1e9f, fx = (float)x + 0.5f, fy = (float)y + 0.5f;
            for (int s = 0; s < SEGMENTS; s++) {
                float ex = q[s + 1][0] - q[s][0], ey = q[s + 1][1] - q[s][1];
                float wx = fx - q[s][0], wy = fy - q[s][1];
                float t = unit((wx * ex + wy * ey) * inv_len2[s]);
                wx -= t * ex;
                wy -= t * ey;
                best = lesser(best, wx * wx + wy * wy);
            }
            float cover = unit(half + 0.5f - sqrtf(best));
            if (cover > 0) blend(cv, x, y, rgb, alpha * cover);
        }
}

/* An irregular blob: a radius modulated by a few harmonics; never one of the shapes. */
static void blob(const canvas *cv, bl_rng *rng) {
    float cx = bl_rng_uniform(rng) * (float)cv->w, cy = bl_rng_uniform(rng) * (float)cv->h;
    float r0 = bl_rng_range(rng, 4, 22), soft = bl_rng_range(rng, 0.7f, 4),
          alpha = bl_rng_range(rng, 0.4f, 1);
    float amp[3], phase[3], rgb[3], squash = bl_rng_range(rng, 0.5f, 1);
    for (int k = 0; k < 3; k++) {
        amp[k] = bl_rng_range(rng, 0.08f, 0.30f);
        phase[k] = bl_rng_range(rng, 0, 2 * (float)M_PI);
    }
    any_colour(rng, rgb);
    float reach = r0 * 2 + soft;
    for (int y = (int)greater(0, cy - reach); y < cv->h && (float)y < cy + reach; y++)
        for (int x = (int)greater(0, cx - reach); x < cv->w && (float)x < cx + reach; x++) {
            float dx = (float)x + 0.5f - cx, dy = ((float)y + 0.5f - cy) / squash;
            float a = atan2f(dy, dx), r = 1;
            for (int k = 0; k < 3; k++) r += amp[k] * cosf((float)(k + 2) * a + phase[k]);
            float cover = unit((r0 * r - length(dx, dy)) / soft + 0.5f);
            if (cover > 0) blend(cv, x, y, rgb, alpha * cover);
        }
}

static float luma(const float rgb[3]) {
    return 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
}

/* A colour far enough from what is there already. The family pulls the hue a little: colour is a
 * weak hint, the same for both members of a family. */
static void object_colour(const bl_synth_config *cfg, const canvas *cv, const bl_synth_object *o,
                          bl_rng *rng, float rgb[3]) {
    float mean[3] = {0}, count = 0;
    for (int y = o->y0; y < o->y1; y++)
        for (int x = o->x0; x < o->x1; x++, count++)
            for (int c = 0; c < 3; c++) mean[c] += cv->rgb[3 * (y * cv->w + x) + c];
    for (int c = 0; c < 3; c++) mean[c] /= count;
    float hint = (float)(o->category / 2) / (float)(BL_SYNTH_MAX_CLASSES / 2), far = -1;
    for (int k = 0; k < 24 && far < (float)cfg->contrast; k++) {
        float hue = bl_rng_uniform(rng), pull = bl_rng_uniform(rng), cand[3];
        if (pull < 0.3f) hue = hint + 0.15f * (hue - 0.5f);
        hue -= floorf(hue);
        float sat = bl_rng_range(rng, 0.1f, 0.95f);
        hsv(hue, sat, bl_rng_range(rng, 0.2f, 1), cand);
        float dl = luma(cand) - luma(mean), d2 = 0;
        for (int c = 0; c < 3; c++) d2 += (cand[c] - mean[c]) * (cand[c] - mean[c]);
        /* Mostly brightness tells objects from their background, as in photographs. */
        float d = 0.7f * fabsf(dl) + 0.3f * sqrtf(d2);
        if (d > far) {
            far = d;
            memcpy(rgb, cand, sizeof cand);
        }
    }
}

static void draw_object(const bl_synth_config *cfg, const canvas *cv, const bl_synth_object *o,
                        bl_rng *rng) {
    float rgb[3] = {0}, edge[3];
    object_colour(cfg, cv, o, rng, rgb);
    bool outlined = bl_rng_uniform(rng) < 0.35f, striped = bl_rng_uniform(rng) < 0.25f;
    float line = bl_rng_range(rng, 0.8f, 2.0f), dark = bl_rng_uniform(rng) < 0.7f ? 0.45f : 1.5f;
    for (int c = 0; c < 3; c++) edge[c] = lesser(rgb[c] * dark + (dark > 1 ? 30 : 0), 255);
    float shade = bl_rng_range(rng, -0.25f, 0.25f), at = bl_rng_range(rng, 0, 2 * (float)M_PI);
    float period = bl_rng_range(rng, 3, 9), depth = bl_rng_range(rng, 8, 30),
          grain = bl_rng_range(rng, 0, 12);
    float gx = cosf(at) / o->scale, gy = sinf(at) / o->scale;
    uint64_t salt = bl_rng_u32(rng);
    int x0 = o->x0 > 0 ? o->x0 - 1 : 0, y0 = o->y0 > 0 ? o->y0 - 1 : 0;
    for (int y = y0; y <= o->y1 && y < cv->h; y++)
        for (int x = x0; x <= o->x1 && x < cv->w; x++) {
            float d = distance_at(o, x, y), cover = unit(0.5f - d);
            if (cover <= 0) continue;
            float dx = (float)x - o->cx, dy = (float)y - o->cy, px[3];
            float light = 1 + shade * (gx * dx + gy * dy);
            float add = grain * value_noise(salt, (float)x / 2.5f, (float)y / 2.5f);
            if (striped)
                add += depth * sinf(2 * (float)M_PI * (gy * dx - gx * dy) * o->scale / period);
            float rim = outlined ? unit(d + line + 0.5f) : 0;
            for (int c = 0; c < 3; c++)
                px[c] = lesser(greater((rgb[c] + (edge[c] - rgb[c]) * rim) * light + add, 0), 255);
            blend(cv, x, y, px, cover);
        }
}

/* 3x3 binomial blur of strength 0..1, in place through a copy. */
static bool soften(const canvas *cv, float strength) {
    size_t bytes = (size_t)cv->w * (size_t)cv->h * 3 * sizeof(float);
    float *src = malloc(bytes);
    if (!src) return false;
    memcpy(src, cv->rgb, bytes);
    float side = 0.25f * strength, mid = 1 - 2 * side;
    for (int y = 1; y + 1 < cv->h; y++)
        for (int x = 1; x + 1 < cv->w; x++)
            for (int c = 0; c < 3; c++) {
                float sum = 0;
                for (int j = -1; j <= 1; j++)
                    for (int i = -1; i <= 1; i++)
                        sum += (i ? side : mid) * (j ? side : mid) *
                               src[3 * ((y + j) * cv->w + x + i) + c];
                cv->rgb[3 * (y * cv->w + x) + c] = sum;
            }
    free(src);
    return true;
}

/* Nearly normal, of variance 1: the sum of four bytes (Irwin-Hall), a fifth of the price of
 * Box-Muller. */
static float bell(bl_rng *rng) {
    uint32_t u = bl_rng_u32(rng), sum = (u & 255) + (u >> 8 & 255) + (u >> 16 & 255) + (u >> 24);
    return ((float)sum - 510) / 147.80f;
}

static int how_many(bl_rng *rng, double usual) {
    return (int)((float)usual * 2 * bl_rng_uniform(rng) + bl_rng_uniform(rng));
}

bl_status bl_synth_scene_render(const bl_synth_config *cfg, uint64_t key,
                                const bl_synth_scene *scene, bl_image *out) {
    bl_rng rng = bl_rng_make((uint64_t)cfg->seed, bl_rng_key(key, STREAM_LAYOUT, 0));
    canvas cv = {(int)cfg->width, (int)cfg->height, NULL};
    size_t values = (size_t)cv.w * (size_t)cv.h * 3;
    cv.rgb = malloc(values * sizeof(float));
    if (!cv.rgb) return bl_no_memory("to render a %dx%d scene", cv.w, cv.h);
    /* Clutter keeps its density when the image grows. */
    double amount = cfg->clutter * (double)(cv.w * cv.h) / (128.0 * 128.0);
    background(&cv, &rng);
    int blobs = how_many(&rng, 4 * amount), strokes = how_many(&rng, 5 * amount);
    int front = how_many(&rng, 1.2 * amount);
    for (int i = 0; i < blobs; i++) blob(&cv, &rng);
    for (int i = 0; i < strokes; i++) stroke(&cv, &rng, 6);
    for (int i = 0; i < scene->n; i++) draw_object(cfg, &cv, &scene->objects[i], &rng);
    for (int i = 0; i < front; i++) stroke(&cv, &rng, 2);
    float blur = bl_rng_range(&rng, -0.5f, 0.8f);
    bl_status status = BL_OK;
    if (blur > 0 && !soften(&cv, blur)) status = bl_no_memory("to blur a scene");
    if (status == BL_OK) status = bl_image_alloc(cv.w, cv.h, out);
    if (status == BL_OK) {
        float gain = bl_rng_range(&rng, 0.75f, 1.15f), lift = bl_rng_range(&rng, -20, 25);
        float sigma = bl_rng_uniform(&rng) * (float)cfg->noise;
        for (size_t i = 0; i < values; i++) {
            float v = 128 + gain * (cv.rgb[i] - 128) + lift + sigma * bell(&rng);
            out->rgb[i] = (uint8_t)lesser(greater(v + 0.5f, 0), 255);
        }
    }
    free(cv.rgb);
    return status;
}
