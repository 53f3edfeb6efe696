/* Sampling of matched boxes to a fixed budget (kernels/shared/sample.h), and what its rows stand
 * for. */
#include "kernels/shared/sample.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/ref/ref.h"

/* Marks k of m ranks in `set`, which is all zero. */
static void draw(const bl_rng *r, int64_t m, int64_t k, uint64_t *set) {
    bl_rng at = *r;
    for (int64_t j = m - k; j < m; j++) {
        int64_t t = bl_rng_below(&at, (uint32_t)(j + 1));
        if (set[t >> 6] >> (t & 63) & 1) t = j;
        set[t >> 6] |= 1ull << (t & 63);
    }
}

/* The chosen k of m candidates of one kind become rows from `at` on. */
static void choose(const int32_t *match, int64_t n, int kind, int64_t m, int64_t k, bl_rng r,
                   uint64_t *set, int32_t image, const bl_samples_kernel *rows, int64_t at) {
    int64_t rank = 0, end = at + k;
    memset(set, 0, (size_t)(m / 64 + 1) * sizeof *set);
    draw(&r, m, k, set);
    for (int64_t i = 0; i < n && at < end; i++) {
        if (bl_sample_kind(match[i]) != kind) continue;
        if (set[rank >> 6] >> (rank & 63) & 1) {
            rows->image[at] = image;
            rows->index[at] = (int32_t)i;
            rows->gt[at] = kind == BL_SAMPLE_POS ? match[i] : -1;
            at++;
        }
        rank++;
    }
}

static int64_t sample(const int32_t *match, int32_t images, int64_t n, const bl_sample_attr *a,
                      const bl_samples_kernel *rows) {
    uint64_t *set = malloc((size_t)(n / 64 + 1) * sizeof *set);
    if (!set) return -1;
    int64_t at = 0;
    for (int32_t image = 0; image < images; image++, match += n) {
        int32_t have[BL_SAMPLE_KINDS] = {0}, *k = &rows->count[BL_SAMPLE_KINDS * image];
        for (int64_t i = 0; i < n; i++) {
            have[BL_SAMPLE_POS] += match[i] >= 0;
            have[BL_SAMPLE_NEG] += match[i] == BL_MATCH_NEGATIVE;
        }
        bl_sample_counts(a, have, k);
        for (int kind = 0; kind < (a->pos_only ? 1 : BL_SAMPLE_KINDS); kind++) {
            choose(match, n, kind, have[kind], k[kind], bl_sample_stream(a, image, kind), set,
                   image, rows, at);
            at += k[kind];
        }
    }
    free(set);
    for (int64_t i = at; i < rows->n; i++) {
        rows->image[i] = rows->gt[i] = -1;
        rows->index[i] = 0;
    }
    return at;
}

static int64_t drawn(const bl_samples_kernel *rows, int64_t images) {
    int64_t n = 0;
    for (int64_t i = 0; i < BL_SAMPLE_KINDS * images; i++) n += rows->count[i];
    return n;
}

/* The encoded box of a foreground row, zeros of any other. */
static void encode(const bl_box_coder *coder, bl_box from, const bl_samples_kernel *rows,
                   const bl_gt_kernel *gt, int64_t i, float *delta) {
    memset(delta, 0, 4 * sizeof *delta);
    if (rows->image[i] < 0 || rows->gt[i] < 0) return;
    bl_box_encode(coder, from, gt->box[rows->image[i] * gt->cap + rows->gt[i]], delta);
}

static void anchor_targets(const bl_anchor_grid *g, const bl_box_coder *coder,
                           const bl_samples_kernel *rows, const bl_gt_kernel *gt, float normaliser,
                           bl_loc *loc, float *object, float *weight, int32_t *first,
                           float *delta) {
    float share = bl_row_share(drawn(rows, gt->images), normaliser);
    for (int64_t i = 0; i < rows->n; i++) {
        bool used = rows->image[i] >= 0, fg = used && rows->gt[i] >= 0;
        loc[i] = bl_anchor_loc(g, rows->image[i], rows->index[i]);
        encode(coder, bl_anchor_at(g, &loc[i]), rows, gt, i, &delta[4 * i]);
        if (!used) loc[i].level = -1;
        object[i] = fg;
        weight[i] = used ? share : 0;
        first[i] = fg ? 0 : -1;
    }
}

static void roi_targets(const bl_candidates_kernel *c, const bl_box_coder *coder,
                        const bl_samples_kernel *rows, const bl_gt_kernel *gt, int32_t classes,
                        bl_box *roi, int32_t *label, float *weight, float *share, int32_t *first,
                        float *delta) {
    float of_one = bl_row_share(drawn(rows, gt->images), 0);
    for (int64_t i = 0; i < rows->n; i++) {
        int64_t image = rows->image[i];
        bool used = image >= 0, fg = used && rows->gt[i] >= 0;
        roi[i] = used ? c->box[(c->shared ? 0 : image * c->n) + rows->index[i]] : (bl_box){0};
        label[i] = fg ? gt->label[image * gt->cap + rows->gt[i]] : used ? classes : -1;
        encode(coder, roi[i], rows, gt, i, &delta[4 * i]);
        weight[i] = used;
        share[i] = used ? of_one : 0;
        first[i] = fg ? 4 * label[i] : -1;
    }
}

static void row_weights(const float *v, const float *u, int64_t n, bool positive, float *out) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += positive ? v[i] > 0 : v[i];
    float factor = bl_row_factor(sum);
    for (int64_t i = 0; i < n; i++) out[i] = (u ? u[i] * v[i] : v[i]) * factor;
}

static int64_t map_rows(const int32_t *label, int32_t wanted, const bl_box *box,
                        const int32_t *image, int64_t n, const bl_affine *map, const bl_size *size,
                        int32_t *row, bl_box *to_box, int32_t *to_image) {
    int64_t used = 0;
    for (int64_t i = 0; i < n; i++) {
        if (label[i] != wanted) continue;
        bl_size s = size[image[i]];
        row[used] = (int32_t)i;
        to_image[used] = image[i];
        to_box[used++] = bl_box_clip(bl_affine_box(map[image[i]], box[i]), s.w, s.h);
    }
    for (int64_t i = used; i < n; i++) {
        row[i] = to_image[i] = -1;
        to_box[i] = (bl_box){0};
    }
    return used;
}

static void scatter_column(const float *x, int64_t n, int64_t k, int64_t column, const int32_t *row,
                           float *to) {
    for (int64_t i = 0; i < n; i++)
        if (row[i] >= 0) to[row[i]] = x[i * k + column];
}

static void levels(const bl_box *box, const int32_t *image, int64_t n, const bl_level_rule *rule,
                   int32_t *level) {
    for (int64_t i = 0; i < n; i++) level[i] = image[i] < 0 ? -1 : bl_level_of(rule, box[i]);
}

void bl_ref_sample(bl_kernels *k) {
    k->sample = sample;
    k->anchor_targets = anchor_targets;
    k->roi_targets = roi_targets;
    k->row_weights = row_weights;
    k->map_rows = map_rows;
    k->scatter_column = scatter_column;
    k->levels = levels;
}
