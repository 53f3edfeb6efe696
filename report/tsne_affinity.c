/* t-SNE's input side: neighbours, widths, joint probabilities. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "report/tsne.h"

typedef struct neighbour {
    double distance; /* squared */
    int32_t j;
} neighbour;

/* Eight running sums, which a compiler can keep in one register. */
static double squared_distance(const float *a, const float *b, int64_t d) {
    float lane[8] = {0};
    int64_t k = 0;
    for (; k + 8 <= d; k += 8)
        for (int l = 0; l < 8; l++) {
            float diff = a[k + l] - b[k + l];
            lane[l] += diff * diff;
        }
    double sum = 0;
    for (int l = 0; l < 8; l++) sum += lane[l];
    for (; k < d; k++) sum += (double)(a[k] - b[k]) * (a[k] - b[k]);
    return sum;
}

static int by_distance(const void *a, const void *b) {
    const neighbour *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return (x->j > y->j) - (x->j < y->j);
}

/* p_j|i with precision beta; returns the entropy in nats. */
static double row_entropy(const neighbour *v, int k, double beta, double *p) {
    double sum = 0, weighted = 0, nearest = v[0].distance;
    for (int j = 0; j < k; j++) {
        double d = v[j].distance - nearest; /* the nearest has weight 1: no underflow of all */
        p[j] = exp(-beta * d);
        sum += p[j];
        weighted += d * p[j];
    }
    for (int j = 0; j < k; j++) p[j] /= sum;
    return log(sum) + beta * weighted / sum;
}

/* Bisection for the precision whose entropy is log(perplexity). */
static void calibrate(const neighbour *v, int k, double perplexity, double *p) {
    double wanted = log(perplexity), lo = 0, hi = INFINITY;
    double spread = v[k - 1].distance - v[0].distance;
    double beta = spread > 0 ? 1 / spread : 1;
    for (int step = 0; step < 200; step++) {
        double excess = row_entropy(v, k, beta, p) - wanted;
        if (fabs(excess) < 1e-10) break;
        if (excess > 0) {
            lo = beta;
            beta = isinf(hi) ? 2 * beta : (beta + hi) / 2;
        } else {
            hi = beta;
            beta = (beta + lo) / 2;
        }
        if (beta > 1e300) break; /* many neighbours at one distance: no width tells them apart */
    }
}

typedef struct rows {
    const float *x;
    int64_t n, d;
    int k;
    double perplexity;
    neighbour *list; /* [n][k] nearest, then by index */
    double *p;       /* [n][k] conditional, in list's order */
    int failed;
} rows;

static int by_index(const void *a, const void *b) {
    const neighbour *x = a, *y = b;
    return (x->j > y->j) - (x->j < y->j);
}

static void make_rows(void *arg, int64_t begin, int64_t end) {
    rows *r = arg;
    neighbour *all = malloc((size_t)r->n * sizeof *all);
    double *p = malloc((size_t)r->k * sizeof *p);
    for (int64_t i = begin; all && p && i < end; i++) {
        int64_t m = 0;
        for (int64_t j = 0; j < r->n; j++)
            if (j != i)
                all[m++] = (neighbour){squared_distance(r->x + i * r->d, r->x + j * r->d, r->d),
                                       (int32_t)j};
        qsort(all, (size_t)m, sizeof *all, by_distance);
        calibrate(all, r->k, r->perplexity, p);
        neighbour *out = r->list + i * r->k;
        /* From here on `distance` carries the probability through the sort by index. */
        for (int j = 0; j < r->k; j++) out[j] = (neighbour){p[j], all[j].j};
        qsort(out, (size_t)r->k, sizeof *out, by_index);
        for (int j = 0; j < r->k; j++) r->p[i * r->k + j] = out[j].distance;
    }
    if (!all || !p) r->failed = 1;
    free(all);
    free(p);
}

static int64_t find(const rows *r, int64_t i, int32_t j) {
    int64_t lo = i * r->k, hi = lo + r->k;
    while (lo < hi) {
        int64_t mid = (lo + hi) / 2;
        if (r->list[mid].j < j)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < (i + 1) * r->k && r->list[lo].j == j ? lo : -1;
}

/* Row i of the symmetric matrix: its own neighbours, and those that have it as theirs. */
static bl_status symmetrise(const rows *r, bl_tsne_affinity *a) {
    int64_t n = r->n, k = r->k;
    int64_t *fill = calloc((size_t)n + 1, sizeof *fill);
    if (!fill) return bl_no_memory("for t-SNE of %lld points", (long long)n);
    for (int64_t i = 0; i < n; i++)
        for (int64_t e = i * k; e < (i + 1) * k; e++) {
            int32_t j = r->list[e].j;
            a->start[i + 1]++;
            if (find(r, j, (int32_t)i) < 0) a->start[j + 1]++;
        }
    for (int64_t i = 0; i < n; i++) {
        a->start[i + 1] += a->start[i];
        fill[i] = a->start[i];
    }
    a->column = malloc((size_t)a->start[n] * sizeof *a->column);
    a->p = malloc((size_t)a->start[n] * sizeof *a->p);
    neighbour *sort = malloc((size_t)n * sizeof *sort);
    bl_status status =
        a->column && a->p && sort ? BL_OK : bl_no_memory("for t-SNE of %lld points", (long long)n);
    for (int64_t i = 0; status == BL_OK && i < n; i++)
        for (int64_t e = i * k; e < (i + 1) * k; e++) {
            int32_t j = r->list[e].j;
            int64_t back = find(r, j, (int32_t)i);
            double p = (r->p[e] + (back >= 0 ? r->p[back] : 0)) / (2 * (double)n);
            a->column[fill[i]] = j;
            a->p[fill[i]++] = p;
            if (back < 0) {
                a->column[fill[j]] = (int32_t)i;
                a->p[fill[j]++] = p;
            }
        }
    for (int64_t i = 0; status == BL_OK && i < n; i++) {
        int64_t from = a->start[i], m = a->start[i + 1] - from;
        for (int64_t e = 0; e < m; e++) sort[e] = (neighbour){a->p[from + e], a->column[from + e]};
        qsort(sort, (size_t)m, sizeof *sort, by_index);
        for (int64_t e = 0; e < m; e++) {
            a->p[from + e] = sort[e].distance;
            a->column[from + e] = sort[e].j;
        }
    }
    free(sort);
    free(fill);
    return status;
}

bl_status bl_tsne_affinities(const float *x, int64_t n, int64_t d, double perplexity,
                             bl_tsne_affinity *out) {
    enum { ALL_UP_TO = 512 };
    *out = (bl_tsne_affinity){.n = n};
    if (n < 4 || d < 1 || n > 1 << 20 || !(perplexity >= 1))
        return bl_fail(BL_EINVAL,
                       "t-SNE needs 4 to 2^20 points, a dimension and a perplexity of at least 1; "
                       "got %lld points of %lld dimensions, perplexity %g",
                       (long long)n, (long long)d, perplexity);
    for (int64_t i = 0; i < n * d; i++)
        if (!isfinite(x[i]))
            return bl_fail(BL_EINVAL, "t-SNE: point %lld has a value that is not finite",
                           (long long)(i / d));
    if (perplexity > (double)(n - 1) / 3) perplexity = (double)(n - 1) / 3;
    int64_t k = n <= ALL_UP_TO ? n - 1 : (int64_t)ceil(3 * perplexity);
    rows r = {.x = x, .n = n, .d = d, .k = (int)(k < n - 1 ? k : n - 1), .perplexity = perplexity};
    r.list = malloc((size_t)(n * r.k) * sizeof *r.list);
    r.p = malloc((size_t)(n * r.k) * sizeof *r.p);
    out->start = calloc((size_t)n + 1, sizeof *out->start);
    if (r.list && r.p && out->start) bl_parallel_for(n, 16, make_rows, &r);
    bl_status status = r.list && r.p && out->start && !r.failed
                           ? symmetrise(&r, out)
                           : bl_no_memory("for t-SNE of %lld points", (long long)n);
    free(r.list);
    free(r.p);
    if (status != BL_OK) bl_tsne_affinity_free(out);
    return status;
}

void bl_tsne_affinity_free(bl_tsne_affinity *a) {
    free(a->start);
    free(a->column);
    free(a->p);
    *a = (bl_tsne_affinity){0};
}
