#include "datasets/synth/synth_shapes.h"

#include <math.h>
#include <stdbool.h>

static const char *const names[BL_SYNTH_KINDS][2] = {
    {"disc", "round"},
    {"notched_disc", "round"},
    {"ring", "ring"},
    {"broken_ring", "ring"},
    {"square", "square"},
    {"clipped_square", "square"},
    {"triangle", "triangle"},
    {"arrowhead", "triangle"},
    {"star5", "star"},
    {"star6", "star"},
    {"plus", "cross"},
    {"tee", "cross"},
    {"frame", "frame"},
    {"open_frame", "frame"},
    {"crescent", "moon"},
    {"half_disc", "moon"},
    {"bolt", "bolt"},
    {"hourglass", "hourglass"},
    {"aitch", "aitch"},
    {"arrow", "arrow"},
    {"ex", "ex"},
    {"ell", "ell"},
    {"zed", "zed"},
    {"wye", "wye"},
    {"vee", "vee"},
    {"comb", "comb"},
    {"house", "house"},
    {"heart", "heart"},
    {"eye", "eye"},
    {"dumbbell", "dumbbell"},
    {"kite", "kite"},
    {"stairs", "stairs"},
};

const char *bl_synth_shape_name(int kind) {
    return names[kind][0];
}

const char *bl_synth_shape_family(int kind) {
    return names[kind][1];
}

/* Shapes that stand alone, the most distinct first. */
enum { ALONE = 24 };
static const bl_synth_kind alone[ALONE] = {
    BL_SYNTH_SQUARE, BL_SYNTH_STAR5,     BL_SYNTH_PLUS,  BL_SYNTH_BOLT,     BL_SYNTH_FRAME,
    BL_SYNTH_AITCH,  BL_SYNTH_HOURGLASS, BL_SYNTH_ARROW, BL_SYNTH_TRIANGLE, BL_SYNTH_CRESCENT,
    BL_SYNTH_DISC,   BL_SYNTH_RING,      BL_SYNTH_HEART, BL_SYNTH_EX,       BL_SYNTH_DUMBBELL,
    BL_SYNTH_COMB,   BL_SYNTH_EYE,       BL_SYNTH_VEE,   BL_SYNTH_STAIRS,   BL_SYNTH_WYE,
    BL_SYNTH_KITE,   BL_SYNTH_ZED,       BL_SYNTH_ELL,   BL_SYNTH_HOUSE};

bl_synth_kind bl_synth_shape_kind(int c, int pairs) {
    if (c < 2 * pairs) return (bl_synth_kind)c;
    int skip = c - 2 * pairs;
    for (int i = 0; i < ALONE; i++)
        if ((int)alone[i] >= 2 * pairs && skip-- == 0) return alone[i];
    return BL_SYNTH_KINDS;
}

/* Plain comparisons: fminf and fmaxf are library calls, for the sake of NaN. */
static float lesser(float a, float b) {
    return a < b ? a : b;
}

static float greater(float a, float b) {
    return a > b ? a : b;
}

static void vertex(bl_synth_shape *s, float x, float y) {
    s->v[s->n][0] = x;
    s->v[s->n][1] = y;
    s->n++;
}

static void star(bl_synth_shape *s, int points, float inner) {
    for (int i = 0; i < 2 * points; i++) {
        float a = (float)M_PI * (float)i / (float)points, r = i % 2 ? inner : 1.0f;
        vertex(s, r * sinf(a), -r * cosf(a));
    }
}

/* A cross of arm half width h; without its lower arm it is a T. */
static void cross(bl_synth_shape *s, float h, bool lower) {
    const float e = 0.96f;
    vertex(s, -h, -e);
    vertex(s, h, -e);
    vertex(s, h, -h);
    vertex(s, e, -h);
    vertex(s, e, h);
    if (lower) {
        vertex(s, h, h);
        vertex(s, h, e);
        vertex(s, -h, e);
        vertex(s, -h, h);
    }
    vertex(s, -e, h);
    vertex(s, -e, -h);
    vertex(s, -h, -h);
}

bl_synth_shape bl_synth_shape_make(bl_synth_kind kind, bl_rng *rng) {
    bl_synth_shape s = {.kind = kind};
    float u = bl_rng_uniform(rng), t = bl_rng_uniform(rng), b = 0.76f;
    s.stroke = 0.15f + 0.06f * u;
    float opening = 0.50f + 0.18f * t; /* radians, half of it */
    s.notch_cos = cosf(opening);
    s.notch_sin = sinf(opening);
    s.shift = 0.45f + 0.15f * u;
    switch (kind) {
    case BL_SYNTH_SQUARE:
        vertex(&s, -b, -b);
        vertex(&s, b, -b);
        vertex(&s, b, b);
        vertex(&s, -b, b);
        break;
    case BL_SYNTH_CLIPPED_SQUARE: {
        float c = b - 2 * b * (0.48f + 0.12f * u); /* where the cut meets the sides */
        vertex(&s, -b, -b);
        vertex(&s, c, -b);
        vertex(&s, b, -c);
        vertex(&s, b, b);
        vertex(&s, -b, b);
        break;
    }
    case BL_SYNTH_TRIANGLE:
        vertex(&s, 0, -1);
        vertex(&s, 0.9f, 0.62f);
        vertex(&s, -0.9f, 0.62f);
        break;
    case BL_SYNTH_ARROWHEAD:
        vertex(&s, 0, -1);
        vertex(&s, 0.9f, 0.72f);
        vertex(&s, 0, 0.02f + 0.14f * u);
        vertex(&s, -0.9f, 0.72f);
        break;
    case BL_SYNTH_STAR5:
        star(&s, 5, 0.40f + 0.06f * u);
        break;
    case BL_SYNTH_STAR6:
        star(&s, 6, 0.46f + 0.06f * u);
        break;
    case BL_SYNTH_PLUS:
        cross(&s, 0.24f + 0.08f * u, true);
        break;
    case BL_SYNTH_TEE:
        cross(&s, 0.24f + 0.08f * u, false);
        break;
    case BL_SYNTH_OPEN_FRAME: {
        float w = b - 2 * s.stroke;
        vertex(&s, -b, -b);
        vertex(&s, -w, -b);
        vertex(&s, -w, w);
        vertex(&s, w, w);
        vertex(&s, w, -b);
        vertex(&s, b, -b);
        vertex(&s, b, b);
        vertex(&s, -b, b);
        break;
    }
    case BL_SYNTH_BOLT:
        vertex(&s, 0.30f, -1);
        vertex(&s, -0.65f, 0.14f);
        vertex(&s, -0.08f, 0.14f);
        vertex(&s, -0.30f, 1);
        vertex(&s, 0.65f, -0.14f);
        vertex(&s, 0.08f, -0.14f);
        break;
    case BL_SYNTH_HOURGLASS: {
        float w = 0.12f + 0.10f * u;
        vertex(&s, -0.8f, -0.95f);
        vertex(&s, 0.8f, -0.95f);
        vertex(&s, w, 0);
        vertex(&s, 0.8f, 0.95f);
        vertex(&s, -0.8f, 0.95f);
        vertex(&s, -w, 0);
        break;
    }
    case BL_SYNTH_AITCH: {
        float in = 0.78f - 2 * s.stroke, h = 0.16f + 0.08f * t;
        vertex(&s, -0.78f, -0.95f);
        vertex(&s, -in, -0.95f);
        vertex(&s, -in, -h);
        vertex(&s, in, -h);
        vertex(&s, in, -0.95f);
        vertex(&s, 0.78f, -0.95f);
        vertex(&s, 0.78f, 0.95f);
        vertex(&s, in, 0.95f);
        vertex(&s, in, h);
        vertex(&s, -in, h);
        vertex(&s, -in, 0.95f);
        vertex(&s, -0.78f, 0.95f);
        break;
    }
    case BL_SYNTH_ARROW: {
        float h = 0.20f + 0.10f * u;
        vertex(&s, -0.97f, -h);
        vertex(&s, 0.08f, -h);
        vertex(&s, 0.08f, -0.72f);
        vertex(&s, 0.97f, 0);
        vertex(&s, 0.08f, 0.72f);
        vertex(&s, 0.08f, h);
        vertex(&s, -0.97f, h);
        break;
    }
    case BL_SYNTH_EX: {
        float h = 0.32f + 0.08f * u, e = 0.82f, f = e - h;
        vertex(&s, 0, -h);
        vertex(&s, f, -e);
        vertex(&s, e, -f);
        vertex(&s, h, 0);
        vertex(&s, e, f);
        vertex(&s, f, e);
        vertex(&s, 0, h);
        vertex(&s, -f, e);
        vertex(&s, -e, f);
        vertex(&s, -h, 0);
        vertex(&s, -e, -f);
        vertex(&s, -f, -e);
        break;
    }
    case BL_SYNTH_ELL: {
        float w = 0.28f + 0.10f * u;
        vertex(&s, -0.7f, -0.95f);
        vertex(&s, -0.7f + 2 * w, -0.95f);
        vertex(&s, -0.7f + 2 * w, 0.95f - 2 * w);
        vertex(&s, 0.7f, 0.95f - 2 * w);
        vertex(&s, 0.7f, 0.95f);
        vertex(&s, -0.7f, 0.95f);
        break;
    }
    case BL_SYNTH_ZED: {
        float h = 0.40f + 0.10f * u; /* inner edges of the bars */
        vertex(&s, -0.8f, -0.92f);
        vertex(&s, 0.8f, -0.92f);
        vertex(&s, 0.8f, -h);
        vertex(&s, -0.1f, h);
        vertex(&s, 0.8f, h);
        vertex(&s, 0.8f, 0.92f);
        vertex(&s, -0.8f, 0.92f);
        vertex(&s, -0.8f, h);
        vertex(&s, 0.1f, -h);
        vertex(&s, -0.8f, -h);
        break;
    }
    case BL_SYNTH_WYE: {
        float h = 0.18f + 0.06f * u;
        vertex(&s, -h, 0.97f);
        vertex(&s, h, 0.97f);
        vertex(&s, h, 0.1f);
        vertex(&s, 0.9f, -0.65f);
        vertex(&s, 0.62f, -0.95f);
        vertex(&s, 0, -0.28f);
        vertex(&s, -0.62f, -0.95f);
        vertex(&s, -0.9f, -0.65f);
        vertex(&s, -h, 0.1f);
        break;
    }
    case BL_SYNTH_VEE: {
        float w = 0.42f + 0.10f * u;
        vertex(&s, -0.95f, -0.8f);
        vertex(&s, -0.95f + w, -0.8f);
        vertex(&s, 0, 0.25f);
        vertex(&s, 0.95f - w, -0.8f);
        vertex(&s, 0.95f, -0.8f);
        vertex(&s, 0.18f, 0.95f);
        vertex(&s, -0.18f, 0.95f);
        break;
    }
    case BL_SYNTH_COMB: { /* a spine on the left and three teeth */
        float in = -0.75f + 2 * s.stroke, h = 0.14f + 0.05f * t;
        vertex(&s, -0.75f, -0.95f);
        vertex(&s, 0.75f, -0.95f);
        vertex(&s, 0.75f, -0.95f + 2 * h);
        vertex(&s, in, -0.95f + 2 * h);
        vertex(&s, in, -h);
        vertex(&s, 0.75f, -h);
        vertex(&s, 0.75f, h);
        vertex(&s, in, h);
        vertex(&s, in, 0.95f - 2 * h);
        vertex(&s, 0.75f, 0.95f - 2 * h);
        vertex(&s, 0.75f, 0.95f);
        vertex(&s, -0.75f, 0.95f);
        break;
    }
    case BL_SYNTH_HOUSE: {
        float eaves = -0.25f + 0.2f * u;
        vertex(&s, 0, -0.98f);
        vertex(&s, 0.68f, eaves);
        vertex(&s, 0.68f, 0.85f);
        vertex(&s, -0.68f, 0.85f);
        vertex(&s, -0.68f, eaves);
        break;
    }
    case BL_SYNTH_HEART: /* its lower part; the lobes are round */
        vertex(&s, -0.84f, -0.02f);
        vertex(&s, 0, -0.36f);
        vertex(&s, 0.84f, -0.02f);
        vertex(&s, 0, 0.97f);
        break;
    case BL_SYNTH_KITE: {
        float y = -0.35f + 0.3f * u;
        vertex(&s, 0, -0.98f);
        vertex(&s, 0.62f, y);
        vertex(&s, 0, 0.98f);
        vertex(&s, -0.62f, y);
        break;
    }
    case BL_SYNTH_STAIRS: {
        float a = 0.27f + 0.06f * u;
        vertex(&s, -0.9f, 0.8f);
        vertex(&s, -0.9f, a);
        vertex(&s, -a, a);
        vertex(&s, -a, -a);
        vertex(&s, a, -a);
        vertex(&s, a, -0.8f);
        vertex(&s, 0.8f, -0.8f);
        vertex(&s, 0.8f, 0.8f);
        break;
    }
    default:
        break;
    }
    return s;
}

/* Distance to a simple polygon: nearest edge, sign by crossing parity. */
static float polygon(const bl_synth_shape *s, float x, float y) {
    float best = 1e9f;
    bool inside = false;
    for (int i = 0, j = s->n - 1; i < s->n; j = i++) {
        float ex = s->v[j][0] - s->v[i][0], ey = s->v[j][1] - s->v[i][1];
        float wx = x - s->v[i][0], wy = y - s->v[i][1];
        float t = (wx * ex + wy * ey) / (ex * ex + ey * ey);
        t = lesser(greater(t, 0), 1);
        float dx = wx - ex * t, dy = wy - ey * t;
        best = lesser(best, dx * dx + dy * dy);
        if ((s->v[i][1] > y) != (s->v[j][1] > y) && wx < wy * ex / ey) inside = !inside;
    }
    return inside ? -sqrtf(best) : sqrtf(best);
}

/* hypotf without its care for overflow, which is not needed here and costs most of the time. */
static float length(float x, float y) {
    return sqrtf(x * x + y * y);
}

static float square(float x, float y, float half) {
    float dx = fabsf(x) - half, dy = fabsf(y) - half;
    return length(greater(dx, 0), greater(dy, 0)) + lesser(greater(dx, dy), 0);
}

/* An infinite wedge with its apex at the origin, opening upwards (-y). */
static float wedge(const bl_synth_shape *s, float x, float y) {
    return fabsf(x) * s->notch_cos + y * s->notch_sin;
}

float bl_synth_shape_distance(const bl_synth_shape *s, float x, float y) {
    if (s->kind == BL_SYNTH_HEART) /* two lobes, mirrored, and the part below them */
        return lesser(polygon(s, x, y), length(fabsf(x) - 0.44f, y + 0.28f) - 0.47f);
    if (s->n > 0) return polygon(s, x, y);
    float r = length(x, y), disc = r - 0.97f;
    float ring = fabsf(r - (0.97f - s->stroke)) - s->stroke;
    switch (s->kind) {
    case BL_SYNTH_NOTCHED_DISC:
        return greater(disc, -wedge(s, x, y + 0.05f));
    case BL_SYNTH_RING:
        return ring;
    case BL_SYNTH_BROKEN_RING:
        return greater(ring, -wedge(s, x, y));
    case BL_SYNTH_FRAME:
        return fabsf(square(x, y, 0.76f - s->stroke)) - s->stroke;
    case BL_SYNTH_CRESCENT:
        return greater(disc, 0.80f - length(x, y + s->shift));
    case BL_SYNTH_HALF_DISC:
        return greater(disc, -y - 0.1f);
    case BL_SYNTH_EYE: /* of two discs above and below; shift varies its height */
        return length(x, fabsf(y) + 0.2f + s->shift) - 1.22f;
    case BL_SYNTH_DUMBBELL: {
        float end = length(fabsf(x) - 0.58f, y) - 0.38f;
        float dx = greater(fabsf(x) - 0.58f, 0), dy = greater(fabsf(y) - 0.7f * s->stroke, 0);
        return lesser(end, length(dx, dy));
    }
    default:
        return disc;
    }
}
