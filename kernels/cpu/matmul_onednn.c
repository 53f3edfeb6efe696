/* Matrix products by oneDNN's sgemm: no descriptors, so the ever-changing row counts of RoI heads
 * cost nothing to set up.
 *
 * Given all threads, sgemm splits long sums between them and its bits change with their number. So
 * the result is cut into tiles that depend on the problem only, threads own tiles, and sgemm runs
 * on one thread inside each. */
#include <string.h>

#include "core/parallel.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/plans.h"

enum { TILE_MIN = 512, TILE_STEP = 64, TILES = 8 };

typedef struct mat_job {
    bool ta, tb;
    int64_t m, n, k, tile_m, tile_n, across;
    const float *a, *b;
    float beta, *c;
    dnnl_status_t *status; /* per tile */
} mat_job;

static void tile_range(void *arg, int64_t begin, int64_t end) {
    const mat_job *j = arg;
    for (int64_t t = begin; t < end; t++) {
        int64_t i = t / j->across * j->tile_m, q = t % j->across * j->tile_n;
        int64_t rows = j->m - i < j->tile_m ? j->m - i : j->tile_m;
        int64_t cols = j->n - q < j->tile_n ? j->n - q : j->tile_n;
        const float *a = j->a + (j->ta ? i : i * j->k), *b = j->b + (j->tb ? q * j->k : q);
        j->status[t] = dnnl_sgemm(j->ta ? 'T' : 'N', j->tb ? 'T' : 'N', rows, cols, j->k, 1.0f, a,
                                  j->ta ? j->m : j->k, b, j->tb ? j->k : j->n, j->beta,
                                  j->c + i * j->n + q, j->n);
    }
}

/* Only the longer side is cut: sgemm packs both operands once per tile, and cutting the short side
 * of a weight gradient (TN) costs a third of its speed. */
static int64_t tile_of(int64_t size) {
    int64_t tile = (size / TILES + TILE_STEP - 1) / TILE_STEP * TILE_STEP;
    return tile > TILE_MIN ? tile : TILE_MIN;
}

static bl_status matmul(bl_ctx *ctx, bool ta, bool tb, int64_t m, int64_t n, int64_t k, bl_dtype in,
                        const void *a, const void *b, float beta, bl_dtype out, void *c) {
    (void)ctx;
    if (m <= 0 || n <= 0) return BL_OK;
    if (k <= 0) {
        if (beta == 0.0f) memset(c, 0, (size_t)(m * n) * sizeof(float));
        return BL_OK;
    }
    mat_job j = {ta, tb, m, n, k, 0, 0, 0, a, b, beta, c, NULL};
    j.tile_m = m > n ? tile_of(m) : m;
    j.tile_n = m > n ? n : tile_of(n);
    j.across = (n + j.tile_n - 1) / j.tile_n;
    int64_t tiles = j.across * ((m + j.tile_m - 1) / j.tile_m);
    j.status = calloc((size_t)tiles, sizeof *j.status);
    if (!j.status) return bl_no_memory("for the matmul");
    /* Tiny products are not worth waking a thread for. */
    bl_parallel_for(tiles, (double)m * (double)n * (double)k < 1e6 ? tiles : 1, tile_range, &j);
    bl_status status = BL_OK;
    for (int64_t t = 0; t < tiles && status == BL_OK; t++) {
        if (j.status[t] != dnnl_success) status = bl_dnnl_fail(j.status[t], "sgemm");
    }
    free(j.status);
    return status;
}

void bl_kernels_matmul_onednn(bl_kernels *k) {
    k->matmul = matmul;
}
