#include "eval/protocol/ranking.h"

#include <stdlib.h>

#include "core/parallel.h"

static int better(const void *a, const void *b) {
    const eval_ranked *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    if (x->rank != y->rank) return x->rank > y->rank ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

void bl_eval_ranked_sort(eval_ranked *v, size_t n) {
    /* Images have few detections of a kind, most of them sorted already. */
    if (n > 16) {
        qsort(v, n, sizeof *v, better);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        eval_ranked one = v[i];
        size_t j = i;
        for (; j > 0 && better(&one, &v[j - 1]) < 0; j--) v[j] = v[j - 1];
        v[j] = one;
    }
}

typedef struct known {
    int64_t id;
    int32_t image;
} known;

static int by_id(const void *a, const void *b) {
    int64_t x = ((const known *)a)->id, y = ((const known *)b)->id;
    return (x > y) - (x < y);
}

bl_status bl_eval_rank_images(const bl_dataset *gt, int32_t **rank) {
    size_t n = (size_t)gt->n_images;
    known *v = malloc((n + 1) * sizeof *v);
    *rank = malloc((n + 1) * sizeof **rank);
    if (!v || !*rank) {
        free(v);
        free(*rank);
        *rank = NULL;
        return bl_no_memory("to order %zu images", n);
    }
    for (int32_t i = 0; i < gt->n_images; i++) v[i] = (known){gt->images[i].id, i};
    qsort(v, n, sizeof *v, by_id);
    for (int32_t r = 0; r < gt->n_images; r++) (*rank)[v[r].image] = r;
    free(v);
    return BL_OK;
}

typedef struct sorting {
    eval_ranked *v;
    const int64_t *first;
} sorting;

static void sort_lists(void *arg, int64_t begin, int64_t end) {
    const sorting *s = arg;
    for (int64_t k = begin; k < end; k++)
        bl_eval_ranked_sort(s->v + s->first[k], (size_t)(s->first[k + 1] - s->first[k]));
}

bl_status bl_eval_rank(const bl_dataset *gt, const bl_detections *dt, const int32_t *key,
                       int32_t n_keys, bool class_agnostic, eval_ranking *out) {
    int32_t *rank = NULL;
    *out = (eval_ranking){0};
    if (dt->n > INT32_MAX)
        return bl_fail(BL_EUNSUPPORTED, "%lld detections: at most %d", (long long)dt->n, INT32_MAX);
    BL_TRY(bl_eval_rank_images(gt, &rank));
    out->first = calloc((size_t)n_keys + 2, sizeof *out->first);
    out->order = malloc(((size_t)dt->n + 1) * sizeof *out->order);
    eval_ranked *v = malloc(((size_t)dt->n + 1) * sizeof *v);
    if (!out->first || !out->order || !v) {
        free(v);
        free(rank);
        bl_eval_ranking_free(out);
        return bl_no_memory("to order %lld detections", (long long)dt->n);
    }
    int64_t *at = out->first + 1; /* at[k]: next free place of list k; in the end its end */
    for (int64_t i = 0; i < dt->n; i++)
        if (key[i] >= 0) at[key[i] + 1]++;
    for (int32_t k = 1; k <= n_keys; k++) at[k] += at[k - 1];
    for (int64_t i = 0; i < dt->n; i++) {
        const bl_detection *d = &dt->v[i];
        int64_t place = rank[d->image];
        if (class_agnostic) place = place * gt->n_categories + d->category;
        if (key[i] >= 0) v[at[key[i]]++] = (eval_ranked){d->score, place, (int32_t)i};
    }
    sorting s = {v, out->first};
    bl_parallel_for(n_keys, 1, sort_lists, &s);
    for (int64_t i = 0; i < out->first[n_keys]; i++) out->order[i] = v[i].index;
    free(v);
    free(rank);
    return BL_OK;
}

void bl_eval_ranking_free(eval_ranking *r) {
    free(r->first);
    free(r->order);
    *r = (eval_ranking){0};
}
