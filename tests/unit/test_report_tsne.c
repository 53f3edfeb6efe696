/* t-SNE: probabilities by their definition, gradient against the formula and against finite
 * differences, Barnes-Hut against exact, clusters, and the same numbers for every thread count. */
#include "core/parallel.h"
#include "core/rng.h"
#include "report/tsne.h"
#include "tests/check.h"

enum { CLUSTERS = 4, DIM = 10 };

/* `n` points in CLUSTERS Gaussians `apart` from each other. */
static float *clusters(int n, float apart) {
    float *x = malloc((size_t)n * DIM * sizeof *x);
    CHECK(x != NULL);
    for (int i = 0; i < n; i++) {
        bl_rng r = bl_rng_make(7, (uint64_t)i);
        for (int k = 0; k < DIM; k++)
            x[i * DIM + k] = bl_rng_normal(&r) + (k == i % CLUSTERS ? apart : 0);
    }
    return x;
}

static double at(const bl_tsne_affinity *a, int64_t i, int64_t j) {
    for (int64_t e = a->start[i]; e < a->start[i + 1]; e++)
        if (a->column[e] == j) return a->p[e];
    return 0;
}

static void probabilities(void) {
    /* Four corners of a regular simplex: everything is equally far from everything. */
    float simplex[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    bl_tsne_affinity a;
    CHECK_OK(bl_tsne_affinities(simplex, 4, 4, 30, &a));
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) CHECK_NEAR(at(&a, i, j), i == j ? 0 : 1.0 / 12, 1e-12);
    bl_tsne_affinity_free(&a);

    /* Many points: sorted rows of at least 3 * perplexity neighbours, symmetric, a sum of 1. */
    float *x = clusters(600, 3);
    CHECK_OK(bl_tsne_affinities(x, 600, DIM, 20, &a));
    double sum = 0;
    for (int64_t i = 0; i < 600; i++) {
        CHECK(a.start[i + 1] - a.start[i] >= 60);
        for (int64_t e = a.start[i]; e < a.start[i + 1]; e++) {
            CHECK(a.column[e] != i && (e == a.start[i] || a.column[e - 1] < a.column[e]));
            CHECK(at(&a, a.column[e], i) == a.p[e]);
            sum += a.p[e];
        }
    }
    CHECK_NEAR(sum, 1, 1e-9);
    bl_tsne_affinity_free(&a);
    /* The same point many times: no width, yet finite. */
    memset(x, 0, 40 * DIM * sizeof *x);
    CHECK_OK(bl_tsne_affinities(x, 40, DIM, 5, &a));
    CHECK_NEAR(at(&a, 3, 9), 1.0 / (40 * 39), 1e-12);
    bl_tsne_affinity_free(&a);
    x[5] = NAN;
    CHECK_FAILS(bl_tsne_affinities(x, 40, DIM, 5, &a), BL_EINVAL, "point 0");
    CHECK_FAILS(bl_tsne_affinities(x, 3, DIM, 5, &a), BL_EINVAL, "3 points");
    free(x);
}

/* KL(P || Q) and its gradient, straight from the paper's equations 2, 4 and 5 over all pairs. */
static double direct(const bl_tsne_affinity *a, const double *y, double *gradient) {
    double z = 0, kl = 0;
    for (int64_t i = 0; i < a->n; i++)
        for (int64_t j = 0; j < a->n; j++) {
            double dx = y[2 * i] - y[2 * j], dy = y[2 * i + 1] - y[2 * j + 1];
            if (i != j) z += 1 / (1 + dx * dx + dy * dy);
        }
    for (int64_t i = 0; i < a->n; i++) {
        double g[2] = {0};
        for (int64_t j = 0; j < a->n; j++) {
            double dx = y[2 * i] - y[2 * j], dy = y[2 * i + 1] - y[2 * j + 1], p = at(a, i, j);
            double w = 1 / (1 + dx * dx + dy * dy), q = w / z;
            if (i == j) continue;
            if (p > 0) kl += p * log(p / q);
            g[0] += 4 * (p - q) * w * dx;
            g[1] += 4 * (p - q) * w * dy;
        }
        if (gradient) {
            gradient[2 * i] = g[0];
            gradient[2 * i + 1] = g[1];
        }
    }
    return kl;
}

static void gradients(void) {
    enum { N = 60 };
    float *x = clusters(N, 4);
    double y[2 * N], g[2 * N], want[2 * N], kl;
    bl_tsne_affinity a;
    CHECK_OK(bl_tsne_affinities(x, N, DIM, 8, &a));
    for (int i = 0; i < 2 * N; i++) {
        bl_rng r = bl_rng_make(3, (uint64_t)i);
        y[i] = 4 * bl_rng_normal(&r);
    }
    y[0] = y[2];
    y[1] = y[3]; /* two points at one place */
    double wanted = direct(&a, y, want);
    CHECK_OK(bl_tsne_gradient(&a, y, 0, 1, g, &kl));
    CHECK_NEAR(kl, wanted, 1e-12);
    for (int i = 0; i < 2 * N; i++) CHECK_NEAR(g[i], want[i], 1e-14);
    for (int i = 4; i < 2 * N; i += 7) { /* and against the divergence itself */
        double keep = y[i], h = 1e-4;
        y[i] = keep + h;
        double above = direct(&a, y, NULL);
        y[i] = keep - h;
        double below = direct(&a, y, NULL);
        y[i] = keep;
        CHECK_NEAR(g[i], (above - below) / (2 * h), 1e-8);
    }
    /* A tree whose cells never count as one point is exact; half the usual angle is close. */
    CHECK_OK(bl_tsne_gradient(&a, y, 1e-9, 1, g, &kl));
    CHECK_NEAR(kl, wanted, 1e-12);
    for (int i = 0; i < 2 * N; i++) CHECK_NEAR(g[i], want[i], 1e-14);
    CHECK_OK(bl_tsne_gradient(&a, y, .5, 1, g, &kl));
    double error = 0, size = 0;
    for (int i = 0; i < 2 * N; i++) {
        error += (g[i] - want[i]) * (g[i] - want[i]);
        size += want[i] * want[i];
    }
    CHECK(error > 0 && error < 0.02 * 0.02 * size);
    CHECK_NEAR(kl, wanted, 0.01 * wanted);
    bl_tsne_affinity_free(&a);
    free(x);
}

static void embedding(int n, double theta) {
    float *x = clusters(n, 8);
    double *y = malloc((size_t)n * 4 * sizeof *y), *again = y + 2 * n, before, after;
    CHECK(y != NULL);
    bl_tsne_params p = bl_tsne_defaults();
    p.theta = theta;
    p.perplexity = 15;
    p.iterations = 1;
    CHECK_OK(bl_tsne(x, n, DIM, &p, y, &before));
    p.iterations = 300;
    CHECK_OK(bl_tsne(x, n, DIM, &p, y, &after));
    CHECK(after < 0.6 * before && after > 0);
    /* The nearest neighbour of every point is of its cluster. */
    for (int i = 0; i < n; i++) {
        double best = INFINITY;
        int nearest = -1;
        for (int j = 0; j < n; j++) {
            double dx = y[2 * i] - y[2 * j], dy = y[2 * i + 1] - y[2 * j + 1];
            if (j != i && dx * dx + dy * dy < best) {
                best = dx * dx + dy * dy;
                nearest = j;
            }
        }
        CHECK_EQ(nearest % CLUSTERS, i % CLUSTERS);
    }
    /* Clusters are farther from each other than they are wide. */
    double mean[CLUSTERS][2] = {{0}}, wide = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 2; k++) mean[i % CLUSTERS][k] += y[2 * i + k] * CLUSTERS / n;
    for (int i = 0; i < n; i++)
        wide = fmax(wide,
                    hypot(y[2 * i] - mean[i % CLUSTERS][0], y[2 * i + 1] - mean[i % CLUSTERS][1]));
    for (int a = 0; a < CLUSTERS; a++)
        for (int b = 0; b < a; b++)
            CHECK(hypot(mean[a][0] - mean[b][0], mean[a][1] - mean[b][1]) > 1.2 * wide);
    /* Bit for bit the same with another number of threads. */
    bl_set_threads(1);
    CHECK_OK(bl_tsne(x, n, DIM, &p, again, &before));
    bl_set_threads(0);
    CHECK(before == after && memcmp(y, again, (size_t)n * 2 * sizeof *y) == 0);
    free(y);
    free(x);
}

int main(void) {
    probabilities();
    gradients();
    embedding(160, 0);
    embedding(200, .5);
    return 0;
}
