#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/protocol/eval_internal.h"

typedef struct ranked {
    int64_t id;
    int32_t image;
} ranked;

static int by_id(const void *a, const void *b) {
    int64_t x = ((const ranked *)a)->id, y = ((const ranked *)b)->id;
    return (x > y) - (x < y);
}

static bl_status rank_images(const bl_dataset *gt, int32_t *rank) {
    size_t n = (size_t)gt->n_images;
    ranked *v = malloc((n + 1) * sizeof *v);
    if (!v) return bl_no_memory("to order %zu images", n);
    for (int32_t i = 0; i < gt->n_images; i++) v[i] = (ranked){gt->images[i].id, i};
    qsort(v, n, sizeof *v, by_id);
    for (int32_t r = 0; r < gt->n_images; r++) rank[v[r].image] = r;
    free(v);
    return BL_OK;
}

/* What is put in order: the detections or the annotations. */
typedef struct items {
    const bl_dataset *gt;
    const bl_detections *dt; /* NULL: the annotations */
    const int32_t *image_rank;
    int64_t n;
    uint8_t *drop;   /* [n] not evaluated */
    eval_item *part; /* [n] sorted by one key */
    int64_t *first;  /* [max(categories, images) + 1] starts of its groups */
} items;

typedef enum key { BY_CLASS, BY_IMAGE } key;

static int32_t n_keys(const items *it, key by) {
    return by == BY_CLASS ? it->gt->n_categories : it->gt->n_images;
}

static inline int32_t class_of(const items *it, int64_t i) {
    return it->dt ? it->dt->v[i].category : it->gt->anns[i].category;
}

static inline int32_t rank_of(const items *it, int64_t i) {
    return it->image_rank[it->dt ? it->dt->v[i].image : it->gt->anns[i].image];
}

static inline int32_t key_of(const items *it, key by, eval_item item) {
    return by == BY_CLASS ? class_of(it, item.index) : item.rank;
}

/* Item number i of the input: `in`, or all items in file order without those that are dropped. */
static inline bool take(const items *it, const eval_item *in, int64_t i, eval_item *out) {
    if (in)
        *out = in[i];
    else if (it->drop[i])
        return false;
    else
        *out = (eval_item){(uint32_t)i, rank_of(it, i)};
    return true;
}

/* Stable counting sort of `in` (n items; NULL: all that are not dropped). it->first gets the starts
 * of the groups. Returns how many came out. */
static int64_t sort_by(items *it, key by, const eval_item *in, int64_t n, eval_item *out) {
    int32_t keys = n_keys(it, by);
    int64_t *first = it->first, total = 0;
    eval_item item;
    memset(first, 0, ((size_t)keys + 1) * sizeof *first);
    if (!in) n = it->n;
    for (int64_t i = 0; i < n; i++)
        if (take(it, in, i, &item)) first[key_of(it, by, item)]++;
    for (int32_t k = 0; k < keys; k++) {
        int64_t count = first[k];
        first[k] = total;
        total += count;
    }
    for (int64_t i = 0; i < n; i++)
        if (take(it, in, i, &item)) out[first[key_of(it, by, item)]++] = item;
    memmove(first + 1, first, (size_t)keys * sizeof *first); /* ends back to starts */
    first[0] = 0;
    return total;
}

/* Drops all but the `limit` best detections of each group; of equal scores the earlier stay. */
static bl_status limit_groups(items *it, key by, int64_t limit) {
    sort_by(it, by, NULL, 0, it->part);
    int64_t longest = 0;
    int32_t n = n_keys(it, by);
    for (int32_t g = 0; g < n; g++)
        if (it->first[g + 1] - it->first[g] > longest) longest = it->first[g + 1] - it->first[g];
    if (longest <= limit) return BL_OK;
    eval_scored *v = malloc(2 * (size_t)longest * sizeof *v);
    if (!v) return bl_no_memory("to limit %lld detections", (long long)longest);
    for (int32_t g = 0; g < n; g++) {
        const eval_item *group = it->part + it->first[g];
        int64_t size = it->first[g + 1] - it->first[g];
        if (size <= limit) continue;
        for (int64_t i = 0; i < size; i++)
            v[i] = (eval_scored){.score = it->dt->v[group[i].index].score, .pair = group[i].index};
        bl_eval_sort_scores(v, size, v + size);
        for (int64_t i = limit; i < size; i++) it->drop[v[i].pair] = 1;
    }
    free(v);
    return BL_OK;
}

/* LVIS drops what has no area before it looks at anything, but after the limits. */
static void drop_without_area(items *it) {
    for (int64_t i = 0; i < it->n; i++) {
        double area = it->dt ? bl_detection_area(it->dt, i) : it->gt->anns[i].area;
        if (!(area > 0 && area < (double)INFINITY)) it->drop[i] = 1;
    }
}

/* Class by class in image order; class-agnostic, image by image in class order, all in one. */
static void arrange(items *it, bool class_agnostic, const eval_index *x, int64_t *first,
                    eval_item *out) {
    key minor = class_agnostic ? BY_CLASS : BY_IMAGE, major = class_agnostic ? BY_IMAGE : BY_CLASS;
    int64_t n = sort_by(it, minor, NULL, 0, it->part);
    sort_by(it, major, it->part, n, out);
    if (class_agnostic) {
        first[0] = 0;
        first[1] = n;
    } else
        memcpy(first, it->first, ((size_t)x->n_classes + 1) * sizeof *first);
}

static int64_t longest_class(const eval_index *x, const int64_t *first) {
    int64_t longest = 0;
    for (int32_t k = 0; k < x->n_classes; k++)
        if (first[k + 1] - first[k] > longest) longest = first[k + 1] - first[k];
    return longest;
}

/* The most objects of one class in one image. */
static int64_t largest_group(const eval_index *x, const int64_t *first, const eval_item *v) {
    int64_t largest = 0;
    for (int32_t k = 0; k < x->n_classes; k++)
        for (int64_t i = first[k], start = i; i < first[k + 1]; i++) {
            if (v[i].rank != v[start].rank) start = i;
            if (i + 1 - start > largest) largest = i + 1 - start;
        }
    return largest;
}

static bl_status order_items(items *it, const bl_eval_params *p, eval_index *x) {
    size_t groups =
        (size_t)(it->gt->n_categories > it->gt->n_images ? it->gt->n_categories : it->gt->n_images);
    bl_status status = BL_OK;
    it->drop = calloc((size_t)it->n + 1, 1);
    it->part = malloc(((size_t)it->n + 1) * sizeof *it->part);
    it->first = malloc((groups + 1) * sizeof *it->first);
    if (!it->drop || !it->part || !it->first) {
        status = bl_no_memory("to order %lld objects", (long long)it->n);
        goto done;
    }
    if (it->dt && p->max_dets_per_class)
        BL_TRY_DONE(limit_groups(it, BY_CLASS, p->max_dets_per_class));
    if (it->dt && p->max_dets_per_image)
        BL_TRY_DONE(limit_groups(it, BY_IMAGE, p->max_dets_per_image));
    if (p->federated) drop_without_area(it);
    arrange(it, p->class_agnostic, x, it->dt ? x->dt_first : x->gt_first, it->dt ? x->dt : x->gt);
done:
    free(it->drop);
    free(it->part);
    free(it->first);
    return status;
}

bl_status bl_eval_index_build(const bl_dataset *gt, const bl_detections *dt,
                              const bl_eval_params *p, eval_index *x) {
    *x = (eval_index){.n_classes = p->class_agnostic ? 1 : gt->n_categories};
    if (dt->n >= UINT32_MAX || gt->n_anns >= UINT32_MAX)
        return bl_fail(BL_EUNSUPPORTED, "%lld detections; the limit is 2^32 - 2", (long long)dt->n);
    size_t k_n = (size_t)x->n_classes, i_n = (size_t)gt->n_images;
    x->dt_first = calloc(k_n + 2, sizeof(int64_t));
    x->gt_first = calloc(k_n + 2, sizeof(int64_t));
    x->dt = malloc(((size_t)dt->n + 1) * sizeof *x->dt);
    x->gt = malloc(((size_t)gt->n_anns + 1) * sizeof *x->gt);
    int32_t *image_rank = malloc((i_n + 1) * sizeof *image_rank);
    bl_status status = BL_OK;
    if (!x->dt_first || !x->gt_first || !x->dt || !x->gt || !image_rank)
        status = bl_no_memory("to order %lld detections", (long long)dt->n);
    if (status == BL_OK) status = rank_images(gt, image_rank);
    items anns = {.gt = gt, .image_rank = image_rank, .n = gt->n_anns};
    items dets = {.gt = gt, .dt = dt, .image_rank = image_rank, .n = dt->n};
    if (status == BL_OK) status = order_items(&anns, p, x);
    if (status == BL_OK) status = order_items(&dets, p, x);
    free(image_rank);
    if (status != BL_OK) {
        bl_eval_index_free(x);
        return status;
    }
    x->dt_max = longest_class(x, x->dt_first);
    x->gt_max = largest_group(x, x->gt_first, x->gt);
    return BL_OK;
}

void bl_eval_index_free(eval_index *x) {
    free(x->dt_first);
    free(x->gt_first);
    free(x->dt);
    free(x->gt);
    *x = (eval_index){0};
}
