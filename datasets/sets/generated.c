#include "datasets/sets/generated.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "datasets/synth/synth_shapes.h"

enum { FAMILIES = BL_CLASSIFY_SYNTH_MAX / 2 };

#define INT(name) #name, BL_T_INT, offsetof(bl_classify_synth_config, name)
#define REAL(name) #name, BL_T_REAL, offsetof(bl_classify_synth_config, name)
static const bl_field fields[] = {
    {INT(classes), "10", 2, BL_CLASSIFY_SYNTH_MAX, NULL, NULL, "Classes.", NULL},
    {INT(pairs), "-1", -1, FAMILIES, NULL, NULL,
     "Pairs of look-alikes among the classes, a common class and a rare one in a long tail; the "
     "others look alike none. -1 = as many as there can be.",
     NULL},
    {INT(train), "12000", 1, 10000000, NULL, "images",
     "Balanced training images, from which labelled and unlabelled ones are picked.", NULL},
    {INT(test), "2000", 1, 10000000, NULL, "images", "Balanced test images.", NULL},
    {INT(size), "32", 8, 512, NULL, "px", "Side of the images.", NULL},
    {REAL(clutter), "1", 0, 4, NULL, NULL, "Amount of clutter before and behind the object.", NULL},
    {REAL(noise), "16", 0, 128, NULL, NULL, "Greatest standard deviation of the pixel noise.",
     NULL},
    {REAL(rotation), "35", 0, 180, NULL, "degrees", "Greatest tilt of the object.", NULL},
    {INT(seed), "1", 0, 1e15, NULL, NULL, "Seed of all images.", NULL},
    {0}};

const bl_schema bl_classify_synth_schema = {"synthetic",
                                            "A classification set that the program draws.",
                                            sizeof(bl_classify_synth_config), fields};

enum { MEASURED = 2000, MAX_SIDE = 512 };
enum { STREAM_SPLIT = 0x636c617373ull };

/* What fills the outline. */
typedef enum fill { FILL_PLAIN, FILL_ACROSS, FILL_ALONG, FILL_CHECKS, FILL_DOTS } fill;

/* A class: an outline and its filling. Members of a family differ in one of the two. */
typedef struct look {
    const char *name;
    bl_synth_kind outline;
    fill fill;
} look;

static const look looks[FAMILIES][2] = {
    {{"disc", BL_SYNTH_DISC, FILL_PLAIN}, {"notched_disc", BL_SYNTH_NOTCHED_DISC, FILL_PLAIN}},
    {{"striped_across", BL_SYNTH_SQUARE, FILL_ACROSS},
     {"striped_along", BL_SYNTH_SQUARE, FILL_ALONG}},
    {{"ring", BL_SYNTH_RING, FILL_PLAIN}, {"broken_ring", BL_SYNTH_BROKEN_RING, FILL_PLAIN}},
    {{"star5", BL_SYNTH_STAR5, FILL_PLAIN}, {"star6", BL_SYNTH_STAR6, FILL_PLAIN}},
    {{"plus", BL_SYNTH_PLUS, FILL_PLAIN}, {"tee", BL_SYNTH_TEE, FILL_PLAIN}},
    {{"triangle", BL_SYNTH_TRIANGLE, FILL_PLAIN}, {"arrowhead", BL_SYNTH_ARROWHEAD, FILL_PLAIN}},
    {{"checked", BL_SYNTH_DISC, FILL_CHECKS}, {"dotted", BL_SYNTH_DISC, FILL_DOTS}},
    {{"square", BL_SYNTH_SQUARE, FILL_PLAIN},
     {"clipped_square", BL_SYNTH_CLIPPED_SQUARE, FILL_PLAIN}},
    {{"frame", BL_SYNTH_FRAME, FILL_PLAIN}, {"open_frame", BL_SYNTH_OPEN_FRAME, FILL_PLAIN}},
    {{"crescent", BL_SYNTH_CRESCENT, FILL_PLAIN}, {"half_disc", BL_SYNTH_HALF_DISC, FILL_PLAIN}},
};

static int64_t pairs_of(const bl_classify_synth_config *cfg) {
    return cfg->pairs < 0 ? cfg->classes / 2 : cfg->pairs;
}

/* The first members of the families come first, then the second members: in a long tail a rare
 * class has its common look-alike. */
static const look *look_of(const bl_classify_synth_config *cfg, int64_t c) {
    int64_t first = cfg->classes - pairs_of(cfg);
    return c < first ? &looks[c][0] : &looks[c - first][1];
}

typedef struct colour {
    float v[3];
} colour;

static colour draw_colour(bl_rng *rng) {
    colour c;
    for (int k = 0; k < 3; k++) c.v[k] = bl_rng_range(rng, 10, 245);
    return c;
}

/* A colour at least `least` away (Euclidean): the first of a few draws that is,
 * else the farthest. */
static colour draw_distinct(bl_rng *rng, colour from, float least) {
    colour best = from;
    float far = -1;
    for (int attempt = 0; attempt < 8 && far < least; attempt++) {
        colour c = draw_colour(rng);
        float d = 0;
        for (int k = 0; k < 3; k++) d += (c.v[k] - from.v[k]) * (c.v[k] - from.v[k]);
        if (sqrtf(d) > far) {
            far = sqrtf(d);
            best = c;
        }
    }
    return best;
}

static float unit(float v) {
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static void mix(float *p, colour c, float amount) {
    for (int k = 0; k < 3; k++) p[k] += (c.v[k] - p[k]) * amount;
}

/* A slope between two colours and two waves over it. */
static void draw_background(float *img, int side, colour base, bl_rng *rng) {
    colour other = draw_distinct(rng, base, 0);
    float angle = bl_rng_range(rng, 0, 2 * (float)M_PI), depth = bl_rng_range(rng, 0, 0.5f);
    float gx = cosf(angle) / (float)side, gy = sinf(angle) / (float)side;
    float wave[2][4]; /* fx, fy, phase, amplitude */
    for (int k = 0; k < 2; k++) {
        float f = bl_rng_range(rng, 1.0f, 6.0f) * 2 * (float)M_PI / (float)side;
        float a = bl_rng_range(rng, 0, 2 * (float)M_PI);
        wave[k][0] = f * cosf(a);
        wave[k][1] = f * sinf(a);
        wave[k][2] = bl_rng_range(rng, 0, 2 * (float)M_PI);
        wave[k][3] = bl_rng_range(rng, 0, 16);
    }
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            float *p = img + 3 * (y * side + x), shade = 0;
            for (int k = 0; k < 2; k++)
                shade +=
                    wave[k][3] * sinf(wave[k][0] * (float)x + wave[k][1] * (float)y + wave[k][2]);
            for (int c = 0; c < 3; c++) p[c] = base.v[c] + shade;
            mix(p, other,
                depth * unit(0.5f + gx * ((float)x - 0.5f * (float)side) +
                             gy * ((float)y - 0.5f * (float)side)));
        }
}

/* A soft line segment of random place, length and colour. */
static void draw_stroke(float *img, int side, float reach, bl_rng *rng) {
    float s = (float)side, x0 = bl_rng_range(rng, 0, s), y0 = bl_rng_range(rng, 0, s);
    float angle = bl_rng_range(rng, 0, 2 * (float)M_PI), len = bl_rng_range(rng, 0.1f, reach) * s;
    float half = bl_rng_range(rng, 0.012f, 0.035f) * s, alpha = bl_rng_range(rng, 0.4f, 0.95f);
    float ex = len * cosf(angle), ey = len * sinf(angle);
    colour c = draw_colour(rng);
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            float px = (float)x + 0.5f - x0, py = (float)y + 0.5f - y0;
            float t = unit((px * ex + py * ey) / (len * len));
            float dx = px - t * ex, dy = py - t * ey;
            float cover = unit(half + 0.5f - sqrtf(dx * dx + dy * dy));
            if (cover > 0) mix(img + 3 * (y * side + x), c, alpha * cover);
        }
}

/* 1 where the filling's second colour stands; (u, v) in the outline's frame. */
static float filling(fill f, float u, float v, float period, float phase) {
    const float turn = 2 * (float)M_PI;
    float a = sinf(turn * (u / period + phase)), b = sinf(turn * (v / period + phase));
    float value = f == FILL_ACROSS   ? b
                  : f == FILL_ALONG  ? a
                  : f == FILL_CHECKS ? 2 * a * b
                  : f == FILL_DOTS   ? a + b - 0.6f
                                     : -1;
    return unit(0.5f + 2 * value);
}

static void draw_object(float *img, int side, const look *l, float tilt, colour back, bl_rng *rng) {
    bl_synth_shape shape = bl_synth_shape_make(l->outline, rng);
    float s = (float)side, scale = 0.5f * s * bl_rng_range(rng, 0.42f, 0.82f);
    float room = 0.5f * s - 0.8f * scale;
    float cx = 0.5f * s + bl_rng_range(rng, -room, room);
    float cy = 0.5f * s + bl_rng_range(rng, -room, room);
    float angle = bl_rng_range(rng, -tilt, tilt), ca = cosf(angle), sa = sinf(angle);
    float aspect = expf(bl_rng_range(rng, -0.15f, 0.15f)), soft = bl_rng_range(rng, 0.7f, 1.8f);
    colour c = draw_distinct(rng, back, 70), second = draw_distinct(rng, c, 90);
    float period = bl_rng_range(rng, 0.42f, 0.62f), phase = bl_rng_uniform(rng);
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            float dx = (float)x + 0.5f - cx, dy = (float)y + 0.5f - cy;
            float u = (ca * dx + sa * dy) / (scale * aspect);
            float v = (-sa * dx + ca * dy) * aspect / scale;
            float d = bl_synth_shape_distance(&shape, u, v) * scale;
            float cover = unit(0.5f - d / soft);
            if (cover <= 0) continue;
            colour here = c;
            mix(here.v, second, filling(l->fill, u, v, period, phase));
            mix(img + 3 * (y * side + x), here, cover);
        }
}

/* Rounds to bytes, with noise of one strength for the whole image. */
static void finish(const float *img, int side, float noise, bl_rng *rng, uint8_t *out) {
    float sigma = bl_rng_range(rng, 0, noise), gain = bl_rng_range(rng, 0.8f, 1.15f);
    for (int i = 0; i < side * side * 3; i++) {
        float v = img[i] * gain + sigma * bl_rng_normal(rng) + 0.5f;
        out[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

static void draw_image(const bl_classify_synth_config *cfg, bl_classify_split split, int64_t index,
                       float *canvas, uint8_t *out) {
    bl_rng rng = bl_rng_make((uint64_t)cfg->seed,
                             bl_rng_key(STREAM_SPLIT, (uint64_t)split, (uint64_t)index));
    int side = (int)cfg->size;
    int32_t c = (int32_t)(index % cfg->classes);
    colour back = draw_colour(&rng);
    draw_background(canvas, side, back, &rng);
    int behind = (int)(cfg->clutter * 4 * bl_rng_uniform(&rng) + 0.5f);
    int before = (int)(cfg->clutter * 2 * bl_rng_uniform(&rng) + 0.5f);
    for (int k = 0; k < behind; k++) draw_stroke(canvas, side, 0.6f, &rng);
    draw_object(canvas, side, look_of(cfg, c), (float)(cfg->rotation * M_PI / 180), back, &rng);
    for (int k = 0; k < before; k++) draw_stroke(canvas, side, 0.3f, &rng);
    finish(canvas, side, (float)cfg->noise, &rng, out);
}

typedef struct job {
    const bl_classify_synth_config *cfg;
    bl_classify_split split;
    bl_classify_set *set;
    float *canvas; /* one image's, for each of `chunks` ranges */
    int64_t chunks;
} job;

static void draw_chunks(void *arg, int64_t begin, int64_t end) {
    const job *j = arg;
    int64_t n = j->set->n;
    for (int64_t k = begin; k < end; k++)
        for (int64_t i = n * k / j->chunks; i < n * (k + 1) / j->chunks; i++) {
            draw_image(j->cfg, j->split, i, j->canvas + (size_t)k * bl_classify_image_bytes(j->set),
                       bl_classify_image(j->set, i));
            j->set->labels[i] = (int32_t)(i % j->cfg->classes);
        }
}

static bl_status draw_set(const bl_classify_synth_config *cfg, bl_classify_split split, int64_t n,
                          bl_classify_set **out) {
    bl_classify_set *s;
    BL_TRY(bl_classify_set_create(split == BL_CLASSIFY_TRAIN ? "synthetic train" : "synthetic test",
                                  n, cfg->size, cfg->size, cfg->classes, &s));
    job j = {.cfg = cfg, .split = split, .set = s, .chunks = 32};
    const char *names[BL_CLASSIFY_SYNTH_MAX];
    for (int32_t c = 0; c < s->n_classes; c++) names[c] = look_of(cfg, c)->name;
    bl_status status = bl_classify_set_names(s, names);
    j.canvas = malloc((size_t)j.chunks * bl_classify_image_bytes(s) * sizeof *j.canvas);
    if (status == BL_OK && !j.canvas) status = bl_no_memory("for %s", s->name);
    if (status == BL_OK) bl_parallel_for(j.chunks, 1, draw_chunks, &j);
    free(j.canvas);
    if (status != BL_OK) {
        bl_classify_set_free(s);
        return status;
    }
    *out = s;
    return BL_OK;
}

bl_status bl_classify_synth(const bl_classify_synth_config *cfg, bl_classify_split split,
                            bl_classify_set **out) {
    if (cfg->classes < 2 || cfg->classes > BL_CLASSIFY_SYNTH_MAX || cfg->size < 8 ||
        cfg->size > MAX_SIDE)
        return bl_fail(
            BL_ECONFIG, "synthetic: %lld classes of %lld px are out of range (2..%d, 8..%d)",
            (long long)cfg->classes, (long long)cfg->size, BL_CLASSIFY_SYNTH_MAX, MAX_SIDE);
    int64_t pairs = pairs_of(cfg);
    if (pairs > cfg->classes / 2 || cfg->classes - pairs > FAMILIES)
        return bl_fail(BL_ECONFIG,
                       "synthetic.pairs: %lld pairs of look-alikes do not fit %lld classes: use "
                       "%lld to %lld",
                       (long long)pairs, (long long)cfg->classes,
                       (long long)(cfg->classes > FAMILIES ? cfg->classes - FAMILIES : 0),
                       (long long)cfg->classes / 2);
    bl_classify_set *s, *sample;
    BL_TRY(draw_set(cfg, split, split == BL_CLASSIFY_TRAIN ? cfg->train : cfg->test, &s));
    bl_status status =
        draw_set(cfg, BL_CLASSIFY_TRAIN, cfg->train < MEASURED ? cfg->train : MEASURED, &sample);
    if (status != BL_OK) {
        bl_classify_set_free(s);
        return status;
    }
    bl_classify_set_measure(sample);
    memcpy(s->mean, sample->mean, sizeof s->mean);
    memcpy(s->std, sample->std, sizeof s->std);
    bl_classify_set_free(sample);
    *out = s;
    return BL_OK;
}
