#include "datasets/loading/classification/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"

enum { STREAM_ORDER = 1, STREAM_DRAW = 2 };

static void free_lists(bl_classify_sampler *s) {
    free(s->list);
    free(s->order_of_pass);
    free(s->by_class);
    free(s->class_start);
    free(s->present);
}

void bl_classify_sampler_free(bl_classify_sampler *s) {
    free_lists(s);
    free(s->cumulative);
    memset(s, 0, sizeof *s);
}

bl_status bl_classify_sampler_init(bl_classify_sampler *s, uint64_t seed, uint64_t stream,
                                   bl_classify_order order, int32_t n_items, int32_t n_classes,
                                   const int32_t *labels) {
    *s = (bl_classify_sampler){.seed = bl_mix64(seed ^ 0x636c6173736f7264ull),
                               .stream = stream,
                               .order = order,
                               .n_items = n_items,
                               .n_classes = n_classes,
                               .pass = -1};
    return bl_classify_sampler_set(s, NULL, labels);
}

static bl_status length_of(const bl_classify_sampler *s, const int32_t *copies, int64_t *n) {
    *n = 0;
    for (int32_t i = 0; i < s->n_items; i++) {
        if (copies && copies[i] < 0)
            return bl_fail(BL_EINVAL, "class loader: item %d has %d copies", i, copies[i]);
        *n += copies ? copies[i] : 1;
    }
    if (*n < 1)
        return bl_fail(BL_EINVAL, "class loader: the list of %d items is empty%s", s->n_items,
                       copies ? "; every item has 0 copies" : "");
    if (*n > INT32_MAX)
        return bl_fail(BL_EINVAL,
                       "class loader: %lld copies are more than a list can hold; lower "
                       "the copies",
                       (long long)*n);
    return BL_OK;
}

/* The list in order of class; items without a label are in no class. */
static void group_by_class(bl_classify_sampler *s, const int32_t *labels) {
    int32_t *start = s->class_start;
    for (int32_t k = 0; k < s->n; k++) {
        int32_t c = labels[s->list[k]];
        if (c >= 0 && c < s->n_classes) start[c + 1]++;
    }
    for (int32_t c = 0; c < s->n_classes; c++) {
        if (start[c + 1] > 0) s->present[s->n_present++] = c;
        start[c + 1] += start[c];
    }
    int32_t *at = s->order_of_pass; /* free for the moment, and at least as long as needed here */
    memcpy(at, start, (size_t)s->n_classes * sizeof *at);
    for (int32_t k = 0; k < s->n; k++) {
        int32_t c = labels[s->list[k]];
        if (c >= 0 && c < s->n_classes) s->by_class[at[c]++] = s->list[k];
    }
}

bl_status bl_classify_sampler_set(bl_classify_sampler *s, const int32_t *copies,
                                  const int32_t *labels) {
    int64_t n;
    BL_TRY(length_of(s, copies, &n));
    bl_classify_sampler old = *s;
    size_t classes = (size_t)s->n_classes, scratch = (size_t)n > classes ? (size_t)n : classes;
    s->n = 0;
    s->n_present = 0;
    s->pass = -1;
    s->list = malloc((size_t)n * sizeof *s->list);
    s->order_of_pass = malloc(scratch * sizeof *s->order_of_pass);
    s->by_class = malloc((size_t)n * sizeof *s->by_class);
    s->class_start = calloc(classes + 1, sizeof *s->class_start);
    s->present = malloc(classes * sizeof *s->present);
    bl_status status = BL_OK;
    if (!s->list || !s->order_of_pass || !s->by_class || !s->class_start || !s->present)
        status = bl_no_memory("for a list of %lld items (class loader)", (long long)n);
    if (status == BL_OK) {
        for (int32_t i = 0; i < s->n_items; i++)
            for (int32_t c = copies ? copies[i] : 1; c > 0; c--) s->list[s->n++] = i;
        group_by_class(s, labels);
        if (s->order == BL_ORDER_BALANCED && s->n_present == 0)
            status = bl_fail(BL_EINVAL,
                             "class loader: class-balanced draws need labels, and no item has one");
    }
    if (status != BL_OK) {
        free_lists(s);
        *s = old;
        return status;
    }
    free_lists(&old);
    return BL_OK;
}

bl_status bl_classify_sampler_weights(bl_classify_sampler *s, const double *weights) {
    double *sums = NULL, total = 0;
    if (weights) {
        sums = malloc((size_t)s->n_items * sizeof *sums);
        if (!sums) return bl_no_memory("for the class loader");
        for (int32_t i = 0; i < s->n_items; i++) {
            if (!(weights[i] >= 0) || !isfinite(weights[i])) {
                free(sums);
                return bl_fail(BL_EINVAL, "class loader: the weight of item %d is %g", i,
                               weights[i]);
            }
            sums[i] = total += weights[i];
        }
        if (!(total > 0)) {
            free(sums);
            return bl_fail(BL_EINVAL, "class loader: all weights are 0");
        }
    }
    free(s->cumulative);
    s->cumulative = sums;
    return BL_OK;
}

int64_t bl_classify_sampler_next_pass(const bl_classify_sampler *s, int64_t cursor, int32_t n) {
    int64_t pass = cursor / n + (cursor % n > 0);
    return pass * s->n;
}

/* The first item whose cumulative weight is above u * total; u < 1, so there is one, and its own
 * weight is not 0. */
static int32_t by_weight(const bl_classify_sampler *s, bl_rng *rng) {
    uint64_t hi = bl_rng_u32(rng), lo = bl_rng_u32(rng);
    double u = (double)(((hi << 32) | lo) >> 11) * 0x1p-53;
    double target = u * s->cumulative[s->n_items - 1];
    int32_t from = 0, to = s->n_items - 1;
    while (from < to) {
        int32_t middle = from + (to - from) / 2;
        if (s->cumulative[middle] > target)
            to = middle;
        else
            from = middle + 1;
    }
    return from;
}

static int32_t draw_one(const bl_classify_sampler *s, int64_t cursor) {
    bl_rng rng = bl_rng_make(s->seed, bl_rng_key(STREAM_DRAW, s->stream, (uint64_t)cursor));
    if (s->order == BL_ORDER_BALANCED) {
        int32_t c = s->present[bl_rng_below(&rng, (uint32_t)s->n_present)];
        int32_t first = s->class_start[c], n = s->class_start[c + 1] - first;
        return s->by_class[first + (int32_t)bl_rng_below(&rng, (uint32_t)n)];
    }
    if (s->cumulative) return by_weight(s, &rng);
    return s->list[bl_rng_below(&rng, (uint32_t)s->n)];
}

static int32_t in_pass(bl_classify_sampler *s, int64_t cursor) {
    int64_t pass = cursor / s->n;
    if (s->order == BL_ORDER_SEQUENTIAL) return s->list[cursor % s->n];
    if (pass != s->pass) {
        memcpy(s->order_of_pass, s->list, (size_t)s->n * sizeof *s->list);
        bl_rng rng = bl_rng_make(s->seed, bl_rng_key(STREAM_ORDER, s->stream, (uint64_t)pass));
        bl_rng_shuffle(&rng, s->order_of_pass, s->n);
        s->pass = pass;
    }
    return s->order_of_pass[cursor % s->n];
}

bl_status bl_classify_sampler_draw(bl_classify_sampler *s, int64_t cursor, int32_t n,
                                   int32_t *items) {
    bool passes = s->order == BL_ORDER_SHUFFLED || s->order == BL_ORDER_SEQUENTIAL;
    if (s->order == BL_ORDER_BALANCED && s->n_present == 0)
        return bl_fail(BL_EINVAL,
                       "class loader: class-balanced draws need labels, and no item has one");
    for (int32_t k = 0; k < n; k++)
        items[k] = passes ? in_pass(s, cursor + k) : draw_one(s, cursor + k);
    return BL_OK;
}
