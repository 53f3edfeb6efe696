#include "eval/analysis/costly.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "eval/protocol/ranking.h"

typedef struct job {
    const bl_dataset *gt;
    const bl_detections *dt;
    const bl_fates *f;
    const int32_t *image_rank;
    const eval_ranking *ranking;
    const int64_t *gt_first; /* [K + 1] into gt_order */
    const int32_t *gt_order; /* objects that count, by class */
    bl_costly *out;
    atomic_int failed;
} job;

typedef struct scratch {
    bl_costly_image *per_image; /* [n_images] */
    int32_t *touched;           /* [n_images] */
    int32_t n_touched;
} scratch;

static bl_costly_image *touch(scratch *s, int32_t image) {
    bl_costly_image *c = &s->per_image[image];
    if (c->fp == 0 && c->fn == 0) s->touched[s->n_touched++] = image;
    c->image = image;
    return c;
}

static bool costlier(const job *j, const bl_costly_image *a, const bl_costly_image *b) {
    if (a->cost != b->cost) return a->cost > b->cost;
    return j->image_rank[a->image] < j->image_rank[b->image];
}

/* Insertion into the short list of the worst. */
static void keep(const job *j, int32_t k, const bl_costly_image *one) {
    bl_costly_image *list = j->out->images + (int64_t)k * j->out->most;
    int32_t n = j->out->n[k];
    if (n == j->out->most && (n == 0 || !costlier(j, one, &list[n - 1]))) return;
    if (n == j->out->most) n--;
    int32_t at = n;
    for (; at > 0 && costlier(j, one, &list[at - 1]); at--) list[at] = list[at - 1];
    list[at] = *one;
    j->out->n[k] = n + 1;
}

static void one_class(const job *j, int32_t k, scratch *s) {
    const int32_t *order = j->ranking->order + j->ranking->first[k];
    int64_t n = j->ranking->first[k + 1] - j->ranking->first[k];
    int64_t n_gt = j->gt_first[k + 1] - j->gt_first[k];
    j->out->ap[k] = n_gt ? 1 : -1;
    if (n_gt == 0) return;
    double behind = 0; /* sum of 1/rank over the true positives behind */
    s->n_touched = 0;
    for (int64_t r = n; r >= 1; r--) {
        int32_t i = order[r - 1];
        if (j->f->dt[i] == BL_FATE_RIGHT) {
            behind += 1 / (double)r;
            continue;
        }
        bl_costly_image *c = touch(s, j->dt->v[i].image);
        c->fp++;
        c->cost += behind / (double)n_gt;
    }
    for (int64_t g = j->gt_first[k]; g < j->gt_first[k + 1]; g++) {
        const bl_ann *a = &j->gt->anns[j->gt_order[g]];
        if (j->f->gt[j->gt_order[g]] == BL_OBJECT_FOUND) continue;
        bl_costly_image *c = touch(s, a->image);
        c->fn++;
        c->cost += 1 / (double)n_gt;
    }
    for (int32_t t = 0; t < s->n_touched; t++) {
        bl_costly_image *c = &s->per_image[s->touched[t]];
        j->out->ap[k] -= c->cost;
        if (c->cost > 0) keep(j, k, c);
        *c = (bl_costly_image){0};
    }
}

static void work(void *arg, int64_t begin, int64_t end) {
    job *j = arg;
    size_t n = (size_t)j->gt->n_images + 1;
    scratch s = {calloc(n, sizeof *s.per_image), malloc(n * sizeof *s.touched), 0};
    if (s.per_image && s.touched) {
        for (int64_t k = begin; k < end; k++) one_class(j, (int32_t)k, &s);
    } else {
        atomic_store(&j->failed, 1);
    }
    free(s.per_image);
    free(s.touched);
}

/* Objects that count, by class. */
static void group_objects(const job *j, bool agnostic, int64_t *first, int32_t *order) {
    int64_t *at = first + 1;
    for (int64_t g = 0; g < j->f->n_gt; g++)
        if (j->f->gt[g] != BL_OBJECT_IGNORED) at[(agnostic ? 0 : j->gt->anns[g].category) + 1]++;
    for (int32_t k = 0; k < j->out->n_classes; k++) at[k + 1] += at[k];
    for (int64_t g = 0; g < j->f->n_gt; g++)
        if (j->f->gt[g] != BL_OBJECT_IGNORED)
            order[at[agnostic ? 0 : j->gt->anns[g].category]++] = (int32_t)g;
}

bl_status bl_costly_find(const bl_dataset *gt, const bl_detections *dt, const bl_fates *f,
                         bool class_agnostic, int32_t most, bl_costly *out) {
    int32_t k_n = class_agnostic ? 1 : gt->n_categories, *rank = NULL;
    size_t k = (size_t)k_n + 1;
    eval_ranking ranking = {0};
    bl_status status;
    int32_t *key = malloc(((size_t)dt->n + 1) * sizeof *key);
    int64_t *first = calloc(k + 1, sizeof *first);
    int32_t *order = malloc(((size_t)f->n_gt + 1) * sizeof *order);
    *out = (bl_costly){.n_classes = k_n,
                       .most = most,
                       .images = malloc((k * (size_t)most + 1) * sizeof *out->images),
                       .n = calloc(k, sizeof *out->n),
                       .ap = malloc(k * sizeof *out->ap)};
    if (!key || !first || !order || !out->images || !out->n || !out->ap)
        BL_TRY_DONE(bl_no_memory("to search %d images", gt->n_images));
    for (int64_t i = 0; i < dt->n; i++)
        key[i] = f->dt[i] < BL_FATE_RIGHT ? -1 : class_agnostic ? 0 : dt->v[i].category;
    BL_TRY_DONE(bl_eval_rank(gt, dt, key, k_n, class_agnostic, &ranking));
    BL_TRY_DONE(bl_eval_rank_images(gt, &rank));
    job j = {.gt = gt,
             .dt = dt,
             .f = f,
             .image_rank = rank,
             .ranking = &ranking,
             .gt_first = first,
             .gt_order = order,
             .out = out};
    group_objects(&j, class_agnostic, first, order);
    bl_parallel_for(k_n, 1, work, &j);
    if (atomic_load(&j.failed)) status = bl_no_memory("to search %d images", gt->n_images);
done:
    free(key);
    free(first);
    free(order);
    free(rank);
    bl_eval_ranking_free(&ranking);
    if (status != BL_OK) bl_costly_free(out);
    return status;
}

void bl_costly_free(bl_costly *c) {
    free(c->images);
    free(c->n);
    free(c->ap);
    *c = (bl_costly){0};
}
