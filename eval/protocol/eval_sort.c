#include <string.h>

#include "eval/protocol/eval_internal.h"

/* ---- a few: insertion sort of short runs, then merges ---- */

static void insertion_sort(eval_scored *v, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        eval_scored one = v[i];
        int64_t j = i;
        for (; j > 0 && v[j - 1].score < one.score; j--) v[j] = v[j - 1];
        v[j] = one;
    }
}

static void merge(const eval_scored *a, int64_t na, const eval_scored *b, int64_t nb,
                  eval_scored *out) {
    int64_t i = 0, j = 0;
    while (i < na && j < nb) {
        bool right = b[j].score > a[i].score; /* equal: the left one, for stability */
        *out++ = right ? b[j] : a[i];
        j += right;
        i += !right;
    }
    memcpy(out, a + i, (size_t)(na - i) * sizeof *a);
    memcpy(out + (na - i), b + j, (size_t)(nb - j) * sizeof *b);
}

/* Returns where the result lies: v or spare. */
static eval_scored *merge_sort(eval_scored *v, int64_t n, eval_scored *spare) {
    enum { RUN = 16 };
    for (int64_t i = 0; i < n; i += RUN) insertion_sort(v + i, n - i < RUN ? n - i : RUN);
    for (int64_t run = RUN; run < n; run *= 2) {
        for (int64_t i = 0; i < n; i += 2 * run) {
            int64_t na = n - i < run ? n - i : run;
            int64_t nb = n - i - na < run ? n - i - na : run;
            merge(v + i, na, v + i + na, nb, spare + i);
        }
        eval_scored *t = v;
        v = spare;
        spare = t;
    }
    return v;
}

/* ---- many: radix sort, least significant digit first ---- */

enum { DIGIT = 11, DIGITS = 6, BUCKETS = 1 << DIGIT };

/* Ascending as an unsigned number where the score descends; -0 and 0 are one. */
static inline uint64_t radix_key(double score) {
    uint64_t u;
    score += 0.0;
    memcpy(&u, &score, sizeof u);
    return u >> 63 ? u : ~(u | 1ull << 63);
}

static inline uint32_t digit_of(double score, int d) {
    return (uint32_t)(radix_key(score) >> (d * DIGIT)) & (BUCKETS - 1);
}

static eval_scored *radix_sort(eval_scored *v, int64_t n, eval_scored *spare) {
    uint32_t at[DIGITS][BUCKETS] = {0};
    for (int64_t i = 0; i < n; i++)
        for (int d = 0; d < DIGITS; d++) at[d][digit_of(v[i].score, d)]++;
    for (int d = 0; d < DIGITS; d++) {
        if (at[d][digit_of(v[0].score, d)] == (uint32_t)n) continue; /* all alike */
        uint32_t total = 0;
        for (int b = 0; b < BUCKETS; b++) {
            uint32_t count = at[d][b];
            at[d][b] = total;
            total += count;
        }
        for (int64_t i = 0; i < n; i++) spare[at[d][digit_of(v[i].score, d)]++] = v[i];
        eval_scored *t = v;
        v = spare;
        spare = t;
    }
    return v;
}

void bl_eval_sort_scores(eval_scored *v, int64_t n, eval_scored *spare) {
    enum { MANY = 2048 };
    eval_scored *sorted = n < MANY ? merge_sort(v, n, spare) : radix_sort(v, n, spare);
    if (sorted != v) memcpy(v, sorted, (size_t)n * sizeof *v);
}
