#include "report/tsne.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "core/rng.h"

/* ---- quadtree ---- */

/* Children of a node are four consecutive nodes. A leaf holds one point, or several that the
 * deepest level cannot part. */
typedef struct node {
    double cx, cy, half;                     /* square */
    double mx, my;                           /* mean of its points */
    int32_t count, first_child, first_point; /* -1: none */
} node;

typedef struct tree {
    node *v;
    int32_t n, cap;
    int32_t *next; /* [points] list of a leaf's points */
} tree;

static bool add_children(tree *t, int32_t parent) {
    if (t->n + 4 > t->cap) {
        int32_t cap = 2 * t->cap + 64;
        node *v = realloc(t->v, (size_t)cap * sizeof *v);
        if (!v) return false;
        t->v = v;
        t->cap = cap;
    }
    node p = t->v[parent];
    for (int c = 0; c < 4; c++)
        t->v[t->n + c] = (node){.cx = p.cx + (c & 1 ? .5 : -.5) * p.half,
                                .cy = p.cy + (c & 2 ? .5 : -.5) * p.half,
                                .half = p.half / 2,
                                .first_child = -1,
                                .first_point = -1};
    t->v[parent].first_child = t->n;
    t->n += 4;
    return true;
}

static int32_t child_of(const tree *t, int32_t at, const double *y) {
    const node *n = &t->v[at];
    return n->first_child + (y[0] > n->cx) + 2 * (y[1] > n->cy);
}

static void count_in(node *n, const double *y) {
    n->count++;
    n->mx += (y[0] - n->mx) / n->count;
    n->my += (y[1] - n->my) / n->count;
}

static bool insert(tree *t, const double *y, int32_t i) {
    enum { DEEPEST = 60 };
    int32_t at = 0;
    const double *p = y + 2 * (int64_t)i;
    for (int depth = 0;; depth++) {
        count_in(&t->v[at], p);
        if (t->v[at].first_child < 0) {
            int32_t other = t->v[at].first_point;
            const double *q = y + 2 * (int64_t)(other < 0 ? 0 : other);
            bool same = other >= 0 && q[0] == p[0] && q[1] == p[1];
            if (other < 0 || same || depth == DEEPEST) {
                t->next[i] = other;
                t->v[at].first_point = i;
                return true;
            }
            if (!add_children(t, at)) return false;
            /* The points that were here (all at one place) go down together. */
            int32_t below = child_of(t, at, q);
            for (int32_t o = other; o >= 0; o = t->next[o]) count_in(&t->v[below], y + 2 * o);
            t->v[below].first_point = other;
            t->v[at].first_point = -1;
        }
        at = child_of(t, at, p);
    }
}

static bool build(tree *t, const double *y, int64_t n) {
    double lo[2] = {INFINITY, INFINITY}, hi[2] = {-INFINITY, -INFINITY};
    for (int64_t i = 0; i < 2 * n; i++) {
        lo[i & 1] = fmin(lo[i & 1], y[i]);
        hi[i & 1] = fmax(hi[i & 1], y[i]);
    }
    double half = fmax(hi[0] - lo[0], hi[1] - lo[1]) / 2;
    t->v[0] = (node){.cx = (lo[0] + hi[0]) / 2,
                     .cy = (lo[1] + hi[1]) / 2,
                     .half = half > 0 ? half * 1.0001 : 1,
                     .first_child = -1,
                     .first_point = -1};
    t->n = 1;
    for (int64_t i = 0; i < n; i++)
        if (!insert(t, y, (int32_t)i)) return false;
    return true;
}

/* ---- gradient ---- */

typedef struct forces {
    const bl_tsne_affinity *a;
    const double *y;
    const tree *t; /* NULL: exact */
    double theta;
    double *attract, *repel; /* [n][2] */
    double *z;               /* [n] sum over j of 1 / (1 + |y_i - y_j|^2) */
} forces;

static inline void repel(double dx, double dy, double count, double force[2], double *z) {
    double q = 1 / (1 + dx * dx + dy * dy);
    *z += count * q;
    force[0] += count * q * q * dx;
    force[1] += count * q * q * dy;
}

static void walk(const forces *f, int64_t i, double force[2], double *z) {
    int32_t stack[4 * 64];
    int top = 0;
    const double *p = f->y + 2 * i;
    stack[top++] = 0;
    while (top > 0) {
        const node *n = &f->t->v[stack[--top]];
        if (n->count == 0) continue;
        if (n->first_child < 0) {
            for (int32_t j = n->first_point; j >= 0; j = f->t->next[j])
                if (j != i)
                    repel(p[0] - f->y[2 * (int64_t)j], p[1] - f->y[2 * (int64_t)j + 1], 1, force,
                          z);
            continue;
        }
        double dx = p[0] - n->mx, dy = p[1] - n->my, width = 2 * n->half;
        bool inside = fabs(p[0] - n->cx) <= n->half && fabs(p[1] - n->cy) <= n->half;
        if (!inside && width * width < f->theta * f->theta * (dx * dx + dy * dy)) {
            repel(dx, dy, n->count, force, z);
            continue;
        }
        for (int c = 0; c < 4; c++) stack[top++] = n->first_child + c;
    }
}

static void point_forces(void *arg, int64_t begin, int64_t end) {
    forces *f = arg;
    for (int64_t i = begin; i < end; i++) {
        double attract[2] = {0}, away[2] = {0}, z = 0;
        const double *p = f->y + 2 * i;
        for (int64_t e = f->a->start[i]; e < f->a->start[i + 1]; e++) {
            const double *q = f->y + 2 * (int64_t)f->a->column[e];
            double dx = p[0] - q[0], dy = p[1] - q[1];
            double w = f->a->p[e] / (1 + dx * dx + dy * dy);
            attract[0] += w * dx;
            attract[1] += w * dy;
        }
        if (f->t)
            walk(f, i, away, &z);
        else
            for (int64_t j = 0; j < f->a->n; j++)
                if (j != i) repel(p[0] - f->y[2 * j], p[1] - f->y[2 * j + 1], 1, away, &z);
        memcpy(f->attract + 2 * i, attract, sizeof attract);
        memcpy(f->repel + 2 * i, away, sizeof away);
        f->z[i] = z;
    }
}

/* Working memory of all iterations. */
typedef struct workspace {
    tree t;
    double *attract, *repel, *z;
} workspace;

static bl_status workspace_make(workspace *w, int64_t n) {
    w->t.cap = (int32_t)(8 * n + 64);
    w->t.v = malloc((size_t)w->t.cap * sizeof *w->t.v);
    w->t.next = malloc((size_t)n * sizeof *w->t.next);
    w->attract = malloc((size_t)n * 2 * sizeof(double));
    w->repel = malloc((size_t)n * 2 * sizeof(double));
    w->z = malloc((size_t)n * sizeof(double));
    if (w->t.v && w->t.next && w->attract && w->repel && w->z) return BL_OK;
    return bl_no_memory("for t-SNE of %lld points", (long long)n);
}

static void workspace_free(workspace *w) {
    free(w->t.v);
    free(w->t.next);
    free(w->attract);
    free(w->repel);
    free(w->z);
}

static double divergence(const bl_tsne_affinity *a, const double *y, double z) {
    double kl = 0;
    for (int64_t i = 0; i < a->n; i++)
        for (int64_t e = a->start[i]; e < a->start[i + 1]; e++) {
            const double *p = y + 2 * i, *q = y + 2 * (int64_t)a->column[e];
            double dx = p[0] - q[0], dy = p[1] - q[1];
            if (a->p[e] > 0) kl += a->p[e] * log(a->p[e] * z * (1 + dx * dx + dy * dy));
        }
    return kl;
}

static bl_status gradient_in(workspace *w, const bl_tsne_affinity *a, const double *y, double theta,
                             double exaggeration, double *gradient, double *kl) {
    forces f = {.a = a,
                .y = y,
                .t = theta > 0 ? &w->t : NULL,
                .theta = theta,
                .attract = w->attract,
                .repel = w->repel,
                .z = w->z};
    if (theta > 0 && !build(&w->t, y, a->n))
        return bl_no_memory("for t-SNE of %lld points", (long long)a->n);
    bl_parallel_for(a->n, 128, point_forces, &f);
    double z = 0; /* in the order of the points, whatever thread made the terms */
    for (int64_t i = 0; i < a->n; i++) z += w->z[i];
    for (int64_t i = 0; i < 2 * a->n; i++)
        gradient[i] = 4 * (exaggeration * w->attract[i] - w->repel[i] / z);
    if (kl) *kl = divergence(a, y, z);
    return BL_OK;
}

bl_status bl_tsne_gradient(const bl_tsne_affinity *a, const double *y, double theta,
                           double exaggeration, double *gradient, double *kl) {
    workspace w = {0};
    bl_status status = workspace_make(&w, a->n);
    if (status == BL_OK) status = gradient_in(&w, a, y, theta, exaggeration, gradient, kl);
    workspace_free(&w);
    return status;
}

/* ---- descent ---- */

bl_tsne_params bl_tsne_defaults(void) {
    return (bl_tsne_params){.perplexity = 30, .theta = .5, .iterations = 750, .seed = 1};
}

static void start(double *y, int64_t n, uint64_t seed) {
    for (int64_t i = 0; i < n; i++) {
        bl_rng rng = bl_rng_make(seed, bl_rng_key(0x74736e65, (uint64_t)i, 0)); /* "tsne" */
        y[2 * i] = 1e-4 * bl_rng_normal(&rng);
        y[2 * i + 1] = 1e-4 * bl_rng_normal(&rng);
    }
}

static void centre(double *y, int64_t n) {
    double mean[2] = {0};
    for (int64_t i = 0; i < 2 * n; i++) mean[i & 1] += y[i] / (double)n;
    for (int64_t i = 0; i < 2 * n; i++) y[i] -= mean[i & 1];
}

/* Gradient descent with momentum and a gain per coordinate (delta-bar-delta, as in the paper's
 * implementation): the first third of the iterations, at most 250, with exaggerated
 * probabilities. */
static bl_status descend(const bl_tsne_affinity *a, const bl_tsne_params *p, double *y,
                         double *memory, workspace *w) {
    enum { EARLY = 250, EXAGGERATION = 12 };
    int64_t m = 2 * a->n;
    double *gradient = memory, *step = memory + m, *gain = step + m;
    int early = p->iterations / 3 < EARLY ? p->iterations / 3 : EARLY;
    double rate = fmax((double)a->n / EXAGGERATION / 4, 50);
    for (int64_t i = 0; i < m; i++) {
        step[i] = 0;
        gain[i] = 1;
    }
    for (int it = 0; it < p->iterations; it++) {
        double momentum = it < early ? .5 : .8;
        BL_TRY(gradient_in(w, a, y, p->theta, it < early ? EXAGGERATION : 1, gradient, NULL));
        for (int64_t i = 0; i < m; i++) {
            bool against = (gradient[i] > 0) != (step[i] > 0);
            gain[i] = against ? gain[i] + .2 : fmax(gain[i] * .8, .01);
            step[i] = momentum * step[i] - rate * gain[i] * gradient[i];
            y[i] += step[i];
        }
        centre(y, a->n);
    }
    return BL_OK;
}

bl_status bl_tsne(const float *x, int64_t n, int64_t d, const bl_tsne_params *p, double *y,
                  double *kl) {
    bl_tsne_affinity a;
    BL_TRY(bl_tsne_affinities(x, n, d, p->perplexity, &a));
    workspace w = {0};
    double *memory = malloc((size_t)n * 6 * sizeof *memory);
    bl_status status =
        memory ? workspace_make(&w, n) : bl_no_memory("for t-SNE of %lld points", (long long)n);
    if (status == BL_OK) {
        start(y, n, p->seed);
        status = descend(&a, p, y, memory, &w);
    }
    if (status == BL_OK && kl) status = gradient_in(&w, &a, y, p->theta, 1, memory, kl);
    workspace_free(&w);
    free(memory);
    bl_tsne_affinity_free(&a);
    return status;
}
