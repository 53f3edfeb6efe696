/* Sampling: counts, kinds, determinism, independence of streams, uniformity. */
#include "core/rng.h"
#include "kernels/kernels.h"
#include "tests/check.h"

enum { N = 5000 };
static int32_t match[N], pos[N], neg[N], pos2[N], neg2[N];

static void fill(int n_pos, int n_ignore) {
    bl_rng r = bl_rng_make(1, 1);
    for (int i = 0; i < N; i++) match[i] = BL_MATCH_NEGATIVE;
    for (int i = 0; i < n_pos; i++) match[i] = i % 7;
    for (int i = n_pos; i < n_pos + n_ignore; i++) match[i] = BL_MATCH_IGNORE;
    bl_rng_shuffle(&r, match, N);
}

/* Samples the first n matches of one image; foreground to p, background to q. */
static void draw(bl_ctx *ctx, int64_t n, int64_t batch, double frac, uint64_t seed, uint64_t stream,
                 int32_t *p, int64_t *np, int32_t *q, int64_t *nq) {
    bl_tensor *list;
    bl_samples rows;
    bl_sample_attr a = {
        .batch = batch, .max_pos = (int64_t)((double)batch * frac), .seed = seed, .key = stream};
    static int32_t index[N], gt[N];
    int32_t count[2];
    bl_step_begin(ctx, false);
    CHECK_OK(bl_upload(ctx, BL_I32, n, 1, match, &list));
    CHECK_OK(bl_list_sample(ctx, list, 1, n, &a, &rows));
    CHECK_OK(bl_download(ctx, rows.count, count));
    CHECK_OK(bl_download(ctx, rows.index, index));
    CHECK_OK(bl_download(ctx, rows.gt, gt));
    *np = count[0];
    *nq = count[1];
    CHECK_EQ(rows.n, *np + *nq);
    for (int64_t i = 0; i < rows.n; i++) {
        if (i < *np)
            p[i] = index[i];
        else
            q[i - *np] = index[i];
        CHECK_EQ(gt[i], i < *np ? match[index[i]] : -1);
    }
    bl_step_end(ctx);
}

static void sample(bl_ctx *a, int64_t batch, double frac, uint64_t stream, int32_t *p, int64_t *np,
                   int32_t *q, int64_t *nq) {
    draw(a, N, batch, frac, 42, stream, p, np, q, nq);
    for (int64_t i = 0; i < *np; i++) CHECK(match[p[i]] >= 0 && (!i || p[i] > p[i - 1]));
    for (int64_t i = 0; i < *nq; i++)
        CHECK(match[q[i]] == BL_MATCH_NEGATIVE && (!i || q[i] > q[i - 1]));
}

static void test_counts(bl_ctx *a) {
    int64_t np, nn;
    fill(400, 100);
    sample(a, 256, 0.5, 1, pos, &np, neg, &nn);
    CHECK(np == 128 && nn == 128);
    sample(a, 512, 0.25, 1, pos, &np, neg, &nn);
    CHECK(np == 128 && nn == 384);
    fill(20, 100); /* too few foreground: background fills up */
    sample(a, 256, 0.5, 1, pos, &np, neg, &nn);
    CHECK(np == 20 && nn == 236);
    fill(0, 0);
    sample(a, 256, 0.5, 1, pos, &np, neg, &nn);
    CHECK(np == 0 && nn == 256);
    fill(300, N - 310); /* ten background in all */
    sample(a, 256, 0.5, 1, pos, &np, neg, &nn);
    CHECK(np == 128 && nn == 10);
    fill(N, 0);
    sample(a, 100000, 1, 1, pos, &np, neg, &nn);
    CHECK(np == N && nn == 0);
    draw(a, 0, 256, 0.5, 1, 1, pos, &np, neg, &nn);
    CHECK(np == 0 && nn == 0);
}

static void test_streams(bl_ctx *a) {
    int64_t np, nn, np2, nn2;
    fill(400, 100);
    sample(a, 256, 0.5, 5, pos, &np, neg, &nn);
    sample(a, 256, 0.5, 5, pos2, &np2, neg2, &nn2);
    CHECK(!memcmp(pos, pos2, 4 * (size_t)np) && !memcmp(neg, neg2, 4 * (size_t)nn));
    sample(a, 256, 0.5, 6, pos2, &np2, neg2, &nn2);
    CHECK(memcmp(pos, pos2, 4 * (size_t)np) && memcmp(neg, neg2, 4 * (size_t)nn));
}

/* Every index is drawn with the same probability: 20 of 100, 4000 times; 5 sigma. */
static void test_uniform(bl_ctx *a) {
    enum { M = 100, K = 20, T = 4000 };
    int hits[M] = {0};
    for (int i = 0; i < M; i++) match[i] = BL_MATCH_NEGATIVE;
    for (int t = 0; t < T; t++) {
        int64_t np, nn;
        draw(a, M, K, 0.5, 9, (uint64_t)t, pos, &np, neg, &nn);
        CHECK_EQ(nn, K);
        for (int i = 0; i < K; i++) hits[neg[i]]++;
    }
    for (int i = 0; i < M; i++) CHECK_NEAR(hits[i], T * 0.2, 5 * sqrt(T * 0.2 * 0.8));
}

int main(void) {
    bl_ctx *a;
    CHECK_OK(bl_ctx_create(&(bl_ctx_options){.device = "cpu"}, &a));
    test_counts(a);
    test_streams(a);
    test_uniform(a);
    bl_ctx_destroy(a);
    return 0;
}
