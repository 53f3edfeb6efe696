/* Non-maximum suppression and the k best entries of a map. Both order by score, highest first, ties
 * by lower index; a NaN counts as the lowest score. */
#include <math.h>
#include <stdlib.h>

#include "kernels/ref/ref.h"
#include "kernels/shared/iou.h"

typedef struct ranked {
    float score;
    int32_t index;
} ranked;

static float rank_score(float s) {
    return isnan(s) ? -INFINITY : s;
}

static bool before(ranked a, ranked b) {
    float p = rank_score(a.score), q = rank_score(b.score);
    return p != q ? p > q : a.index < b.index;
}

static int by_rank(const void *p, const void *q) {
    const ranked *a = p, *b = q;
    return before(*a, *b) ? -1 : before(*b, *a) ? 1 : 0;
}

static bl_status nms(const bl_box *box, const float *score, const int32_t *group, int64_t n,
                     float thr, int64_t max_out, int32_t *keep, int32_t *n_keep) {
    ranked *order = malloc((size_t)(n > 0 ? n : 1) * sizeof *order);
    if (!order) return bl_no_memory("for nms of %lld boxes", (long long)n);
    int64_t used = 0;
    for (int64_t i = 0; i < n; i++)
        if (group[i] != BL_NMS_OUT) order[used++] = (ranked){score[i], (int32_t)i};
    qsort(order, (size_t)used, sizeof *order, by_rank);
    int64_t kept = 0;
    for (int64_t i = 0; i < used && kept < max_out; i++) {
        int32_t c = order[i].index;
        bool free_standing = true;
        for (int64_t q = 0; q < kept && free_standing; q++) {
            free_standing = group[keep[q]] != group[c] || !(bl_iou(box[keep[q]], box[c]) > thr);
        }
        if (free_standing) keep[kept++] = c;
    }
    free(order);
    *n_keep = (int32_t)kept;
    return BL_OK;
}

/* The outputs are the heap: the worst of the kept entries stands at the root. */
typedef struct heap {
    int32_t *pos;
    float *score;
} heap;

static ranked heap_at(const heap *h, int64_t i) {
    return (ranked){h->score[i], h->pos[i]};
}

static void heap_set(heap *h, int64_t i, ranked v) {
    h->score[i] = v.score;
    h->pos[i] = v.index;
}

/* Puts v where the root's hole of a heap of n entries settles. */
static void sift_down(heap *h, int64_t n, int64_t i, ranked v) {
    for (int64_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(heap_at(h, child), heap_at(h, child + 1))) child++;
        if (!before(v, heap_at(h, child))) break;
        heap_set(h, i, heap_at(h, child));
    }
    heap_set(h, i, v);
}

static int64_t topk(const bl_tensor *map, int64_t image, int64_t k, int32_t *pos, float *score) {
    int64_t all = map->c * map->h * map->w, count = k < all ? k : all;
    heap h = {pos, score};
    if (count <= 0) return 0;
    for (int64_t i = 0; i < all; i++) {
        int64_t c = i % map->c, q = i / map->c;
        ranked v = {bl_f32(map)[bl_index(map, image, c, q / map->w, q % map->w)], (int32_t)i};
        if (i < count) {
            heap_set(&h, i, v);
            if (i + 1 < count) continue;
            for (int64_t r = count / 2 - 1; r >= 0; r--) sift_down(&h, count, r, heap_at(&h, r));
        } else if (before(v, heap_at(&h, 0))) {
            sift_down(&h, count, 0, v);
        }
    }
    for (int64_t left = count - 1; left > 0; left--) { /* the worst goes last */
        ranked last = heap_at(&h, left);
        heap_set(&h, left, heap_at(&h, 0));
        sift_down(&h, left, 0, last);
    }
    return count;
}

void bl_ref_select(bl_kernels *k) {
    k->nms = nms;
    k->topk = topk;
}
