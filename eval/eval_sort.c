#include <string.h>

#include "eval/eval_internal.h"

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
        j += right, i += !right;
    }
    memcpy(out, a + i, (size_t)(na - i) * sizeof *a);
    memcpy(out + (na - i), b + j, (size_t)(nb - j) * sizeof *b);
}

void eval_sort_scores(eval_scored *v, int64_t n, eval_scored *spare) {
    enum { RUN = 16 };
    for (int64_t i = 0; i < n; i += RUN) insertion_sort(v + i, n - i < RUN ? n - i : RUN);
    eval_scored *from = v, *to = spare;
    for (int64_t run = RUN; run < n; run *= 2) {
        for (int64_t i = 0; i < n; i += 2 * run) {
            int64_t na = n - i < run ? n - i : run;
            int64_t nb = n - i - na < run ? n - i - na : run;
            merge(from + i, na, from + i + na, nb, to + i);
        }
        eval_scored *t = from;
        from = to, to = t;
    }
    if (from != v) memcpy(v, from, (size_t)n * sizeof *v);
}
