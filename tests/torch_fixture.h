/* Comparison of networks with values that PyTorch stored: both sides draw weights and inputs from
 * named streams (scripts/golden/detector_torchvision.py). */
#ifndef BALLAST_TESTS_TORCH_FIXTURE_H
#define BALLAST_TESTS_TORCH_FIXTURE_H

#include "core/rng.h"
#include "core/safetensors.h"
#include "kernels/tape.h"
#include "nn/store.h"
#include "tests/check.h"

enum { SEED = 9, CLASSES = 5 };
static bl_st_file *file; /* the stored values: main() opens it */

/* ---- inputs both sides draw ---- */

static inline bl_rng stream(const char *name) {
    uint64_t h = 0xcbf29ce484222325ull;
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        h = (h ^ *p) * 0x100000001b3ull;
    return bl_rng_make(SEED, h);
}

static inline bool ends(const char *s, const char *tail) {
    size_t n = strlen(s), m = strlen(tail);
    return n >= m && !strcmp(s + n - m, tail);
}

static inline void fill_weights(bl_store *store) {
    for (int64_t i = 0; i < bl_store_count(store); i++) {
        const bl_param_spec *p = bl_store_spec(store, i);
        bl_tensor *t = bl_store_find(store, p->name);
        bl_rng r = stream(p->name);
        float *v = bl_f32(t);
        int64_t n = t->n * t->c * t->h * t->w;
        float bound = (float)sqrt(3.0 / (double)(p->shape[1] * p->shape[2] * p->shape[3]));
        for (int64_t k = 0; k < n; k++) {
            float u = bl_rng_uniform(&r);
            if (p->ndim > 1)
                v[k] = (2 * u - 1) * bound;
            else if (ends(p->name, "running_var"))
                v[k] = 0.5f + u;
            else if (ends(p->name, ".weight"))
                v[k] = 0.3f + 0.4f * u;
            else
                v[k] = (u - 0.5f) * 0.2f;
        }
    }
}

static inline bl_tensor *draw_image(bl_ctx *ctx, const char *name, int64_t h, int64_t w) {
    int64_t n = 2 * 3 * h * w;
    float *v = malloc((size_t)n * sizeof *v);
    bl_rng r = stream(name);
    for (int64_t i = 0; i < n; i++) v[i] = (2 * bl_rng_uniform(&r) - 1) * 2;
    bl_tensor *t;
    CHECK_OK(bl_tensor_from_host(ctx, v, 2, 3, h, w, 1, &t));
    free(v);
    return t;
}

/* ---- stored values ---- */

static inline const bl_st_tensor *entry(const char *a, const char *b) {
    char name[160];
    snprintf(name, sizeof name, "%s.%s", a, b);
    const bl_st_tensor *t = bl_st_find(file, b[0] ? name : a);
    if (!t) fprintf(stderr, "%s is missing\n", name);
    CHECK(t != NULL);
    return t;
}

/* An aligned copy; the caller frees it. */
static inline void *values(const char *a, const char *b, int64_t *n) {
    const bl_st_tensor *t = entry(a, b);
    void *v = malloc(t->bytes + 4);
    memcpy(v, t->data, t->bytes);
    if (n) *n = (int64_t)(t->bytes / 4);
    return v;
}

static inline void check_near(const char *what, double got, double want, double tolerance) {
    if (fabs(got - want) <= tolerance) return;
    fprintf(stderr, "%s: %.9g, PyTorch has %.9g (tolerance %.3g)\n", what, got, want, tolerance);
    exit(1);
}

/* A feature map's samples: [rms, every step-th element]. */
static inline void check_map(bl_ctx *ctx, const char *a, const char *b, const bl_tensor *t,
                             double tolerance) {
    int64_t n = t->n * t->c * t->h * t->w, count, step = n / 48 > 1 ? n / 48 : 1;
    float *v = malloc((size_t)n * sizeof *v), *want = values(a, b, &count);
    CHECK_OK(bl_tensor_to_host(ctx, t, v));
    double sq = 0, rms = want[0];
    for (int64_t i = 0; i < n; i++) sq += (double)v[i] * v[i];
    char what[96];
    snprintf(what, sizeof what, "%s.%s", a, b);
    check_near(what, sqrt(sq / (double)n), rms, tolerance * rms);
    CHECK_EQ(count, 1 + (n + step - 1) / step);
    for (int64_t i = 1; i < count; i++)
        check_near(what, v[(i - 1) * step], want[i], tolerance * (rms + fabs(want[i])));
    free(v);
    free(want);
}

/* Norm and some elements of every parameter's gradient. */
static inline void check_gradients(const char *norm, bl_store *s) {
    int checked = 0;
    for (int64_t i = 0; i < bl_store_count(s); i++) {
        const bl_param_spec *p = bl_store_spec(s, i);
        if (!p->trainable) continue;
        bl_tensor *t = bl_store_find(s, p->name);
        char key[128];
        snprintf(key, sizeof key, "grad.%s", p->name);
        int64_t count, n = t->n * t->c * t->h * t->w, step = n / 6 > 1 ? n / 6 : 1;
        float *want = values(norm, key, &count);
        double sq = 0, total = want[0], rms = total / sqrt((double)n);
        for (int64_t k = 0; k < n; k++) sq += (double)bl_f32(t->grad)[k] * bl_f32(t->grad)[k];
        check_near(key, sqrt(sq), total, 2e-3 * total);
        for (int64_t k = 1; k < count; k++)
            check_near(key, bl_f32(t->grad)[(k - 1) * step], want[k], 5e-3 * (rms + fabs(want[k])));
        free(want);
        checked++;
    }
    CHECK(checked > 60);
}

#endif
