#include <stdlib.h>

#include "eval/coco_internal.h"

typedef struct ranked {
    int64_t id;
    int32_t image;
} ranked;

static int by_id(const void *a, const void *b) {
    int64_t x = ((const ranked *)a)->id, y = ((const ranked *)b)->id;
    return (x > y) - (x < y);
}

/* images[r] = index of the image with the r-th smallest id; rank is its inverse. */
static bl_status rank_images(const bl_dataset *gt, int32_t *rank, int32_t *images) {
    size_t n = (size_t)gt->n_images;
    ranked *v = malloc((n + 1) * sizeof *v);
    if (!v) return bl_fail(BL_ENOMEM, "no memory to order %zu images", n);
    for (int32_t i = 0; i < gt->n_images; i++) v[i] = (ranked){gt->images[i].id, i};
    qsort(v, n, sizeof *v, by_id);
    for (int32_t r = 0; r < gt->n_images; r++) images[r] = v[r].image, rank[v[r].image] = r;
    free(v);
    return BL_OK;
}

/* counts[k] at k + 1 become starts; returns the longest category. */
static int64_t starts(int64_t *first, int32_t n) {
    int64_t longest = 0;
    for (int32_t k = 0; k < n; k++) {
        if (first[k + 1] > longest) longest = first[k + 1];
        first[k + 1] += first[k];
    }
    return longest;
}

/* Ground truth is stored by image already: one counting sort by category over images in id order.
 */
static void order_gt(const bl_dataset *gt, const int32_t *images, coco_index *x, int64_t *at) {
    int32_t k_n = gt->n_categories;
    for (int64_t i = 0; i < gt->n_anns; i++) x->gt_first[gt->anns[i].category + 1]++;
    x->gt_max = starts(x->gt_first, k_n);
    for (int32_t k = 0; k < k_n; k++) at[k] = x->gt_first[k];
    for (int32_t r = 0; r < gt->n_images; r++) {
        const bl_image_info *im = &gt->images[images[r]];
        for (int32_t i = im->first_ann; i < im->first_ann + im->n_anns; i++)
            x->gt_order[at[gt->anns[i].category]++] = i;
    }
}

/* Two stable counting sorts, least significant key (image) first. */
static void order_dt(const bl_dataset *gt, const bl_detections *dt, coco_index *x, int64_t *at,
                     int64_t *at_image, int64_t *by_image) {
    for (int64_t i = 0; i < dt->n; i++) {
        at_image[x->image_rank[dt->v[i].image] + 1]++;
        x->dt_first[dt->v[i].category + 1]++;
    }
    for (int32_t r = 0; r < gt->n_images; r++) at_image[r + 1] += at_image[r];
    for (int64_t i = 0; i < dt->n; i++) by_image[at_image[x->image_rank[dt->v[i].image]]++] = i;
    x->dt_max = starts(x->dt_first, gt->n_categories);
    for (int32_t k = 0; k < gt->n_categories; k++) at[k] = x->dt_first[k];
    for (int64_t i = 0; i < dt->n; i++)
        x->dt_order[at[dt->v[by_image[i]].category]++] = by_image[i];
}

bl_status coco_index_build(const bl_dataset *gt, const bl_detections *dt, coco_index *x) {
    size_t k_n = (size_t)gt->n_categories, i_n = (size_t)gt->n_images;
    *x = (coco_index){
        .dt_first = calloc(k_n + 1, sizeof(int64_t)),
        .gt_first = calloc(k_n + 1, sizeof(int64_t)),
        .dt_order = malloc(((size_t)dt->n + 1) * sizeof(int64_t)),
        .gt_order = malloc(((size_t)gt->n_anns + 1) * sizeof(int64_t)),
        .image_rank = malloc((i_n + 1) * sizeof(int32_t)),
    };
    int32_t *images = malloc((i_n + 1) * sizeof *images);
    int64_t *at = malloc((k_n + 1) * sizeof *at), *at_image = calloc(i_n + 1, sizeof *at_image);
    int64_t *by_image = malloc(((size_t)dt->n + 1) * sizeof *by_image);
    bl_status status = BL_OK;
    if (!x->dt_first || !x->gt_first || !x->dt_order || !x->gt_order || !x->image_rank || !images ||
        !at || !at_image || !by_image)
        status = bl_fail(BL_ENOMEM, "no memory to order %lld detections", (long long)dt->n);
    if (status == BL_OK) status = rank_images(gt, x->image_rank, images);
    if (status == BL_OK) {
        order_gt(gt, images, x, at);
        order_dt(gt, dt, x, at, at_image, by_image);
    }
    if (status == BL_OK && x->dt_max >= UINT32_MAX)
        status = bl_fail(BL_EUNSUPPORTED, "%lld detections of one class; the limit is 2^32 - 2",
                         (long long)x->dt_max);
    free(images), free(at), free(at_image), free(by_image);
    if (status != BL_OK) coco_index_free(x);
    return status;
}

void coco_index_free(coco_index *x) {
    free(x->dt_first), free(x->gt_first), free(x->dt_order), free(x->gt_order);
    free(x->image_rank);
    *x = (coco_index){0};
}
