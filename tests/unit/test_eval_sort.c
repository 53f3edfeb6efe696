/* The evaluator's sort: descending, stable, for few and for many, with ties, signs and zeros. */
#include "eval/protocol/eval_internal.h"
#include "tests/check.h"

static double make_score(int kind, uint32_t u) {
    switch (kind) {
    case 0:
        return u % 7; /* nearly all tied */
    case 1:
        return u / 4294967296.0;
    case 2:
        return (u % 3 ? 1 : -1) * (double)(u % 1000) * 1e-3; /* both signs, both zeros */
    default:
        return u % 2 ? 1e300 * (u % 5) : -1e-300 * (u % 11);
    }
}

static void check(int64_t n, int kind) {
    eval_scored *v = malloc(((size_t)n + 1) * sizeof *v),
                *spare = malloc(((size_t)n + 1) * sizeof *v);
    CHECK(v && spare);
    uint32_t u = 12345;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        u = u * 1664525u + 1013904223u;
        v[i] = (eval_scored){.score = make_score(kind, u >> 4), .pair = (uint32_t)i};
        sum += (double)i;
    }
    bl_eval_sort_scores(v, n, spare);
    for (int64_t i = 0; i + 1 < n; i++) {
        CHECK(v[i].score >= v[i + 1].score);
        if (v[i].score == v[i + 1].score) CHECK(v[i].pair < v[i + 1].pair);
    }
    for (int64_t i = 0; i < n; i++) sum -= v[i].pair;
    CHECK_NEAR(sum, 0, 0);
    free(v);
    free(spare);
}

int main(void) {
    static const int64_t sizes[] = {0, 1, 2, 15, 16, 17, 100, 2047, 2048, 2049, 10000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int kind = 0; kind < 4; kind++) check(sizes[i], kind);
    return 0;
}
