#include "balance/resampling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "balance/repeat_factor.h"

typedef struct item {
    int32_t class;
    float margin;
} item;

/* n = -1: nothing recorded; 0: recorded, nothing confident. */
typedef struct record {
    int32_t n;
    item *items;
} record;

struct bl_crs_pool {
    bl_crs_config config;
    double lambda;
    record *pending, *saved; /* n_images each, one block */
};

bl_status bl_crs_create(const bl_crs_config *c, bl_crs_pool **out) {
    *out = NULL;
    if (c->n_classes < 1 || c->n_images < 0 || c->total < 1 || c->save_every < 2 ||
        c->rebuild_every < 2 || !(c->alpha >= 0)) {
        return bl_fail(BL_EINVAL,
                       "class-rebalancing sampling: needs classes, a total >= 1, periods "
                       ">= 2 and alpha >= 0");
    }
    bl_crs_pool *p = calloc(1, sizeof *p);
    record *both = calloc(2 * (size_t)c->n_images + 1, sizeof *both);
    if (!p || !both) {
        free(p);
        free(both);
        return bl_no_memory("for %lld images (class-rebalancing sampling)", (long long)c->n_images);
    }
    for (int64_t i = 0; i < 2 * c->n_images; i++) both[i].n = -1;
    *p = (bl_crs_pool){*c, 0, both, both + c->n_images};
    *out = p;
    return BL_OK;
}

static void free_records(record *both, int64_t n_images) {
    for (int64_t i = 0; i < 2 * n_images; i++) free(both[i].items);
    free(both);
}

void bl_crs_destroy(bl_crs_pool *p) {
    if (!p) return;
    free_records(p->pending, p->config.n_images);
    free(p);
}

bl_status bl_crs_record(bl_crs_pool *p, int64_t t, int64_t image, const int32_t *classes,
                        const float *scores, int64_t n, const double *theta) {
    if (t <= p->config.warmup) return BL_OK;
    if (image < 0 || image >= p->config.n_images) {
        return bl_fail(BL_EINVAL, "class-rebalancing sampling: image %lld is not in [0, %lld)",
                       (long long)image, (long long)p->config.n_images);
    }
    int32_t kept = 0;
    for (int64_t i = 0; i < n; i++) {
        if (classes[i] < 0 || classes[i] >= p->config.n_classes) {
            return bl_fail(BL_EINVAL, "class-rebalancing sampling: class %d is not in [0, %d)",
                           classes[i], p->config.n_classes);
        }
        kept += scores[i] >= theta[classes[i]];
    }
    item *items = kept ? malloc((size_t)kept * sizeof *items) : NULL;
    if (kept && !items) return bl_no_memory("for the class-rebalancing sampling");
    int32_t k = 0;
    for (int64_t i = 0; i < n; i++) {
        double margin = scores[i] - theta[classes[i]];
        if (margin >= 0) items[k++] = (item){classes[i], (float)margin};
    }
    free(p->pending[image].items);
    p->pending[image] = (record){kept, items};
    return BL_OK;
}

bool bl_crs_rebuild_due(const bl_crs_pool *p, int64_t t) {
    return t > 10 && t % p->config.rebuild_every == 1;
}

bool bl_crs_save_due(const bl_crs_pool *p, int64_t t) {
    return t % p->config.save_every == 1;
}

void bl_crs_save(bl_crs_pool *p, int64_t t) {
    for (int64_t i = 0; i < p->config.n_images; i++) {
        if (p->pending[i].n < 0) continue;
        free(p->saved[i].items);
        p->saved[i] = p->pending[i];
        p->pending[i] = (record){-1, NULL};
    }
    p->lambda = p->config.alpha * fmin((double)t / (double)p->config.total, 1);
}

/* counts[c] += saved images whose entry has c. */
static void add_counts(const bl_crs_pool *p, int64_t *last, int64_t *counts) {
    for (int c = 0; c < p->config.n_classes; c++) last[c] = -1;
    for (int64_t i = 0; i < p->config.n_images; i++) {
        for (int32_t k = 0; k < p->saved[i].n; k++) {
            int32_t c = p->saved[i].items[k].class;
            if (last[c] != i) counts[c]++;
            last[c] = i;
        }
    }
}

bl_status bl_crs_factors(const bl_crs_pool *p, const int64_t *labelled_counts, int64_t n_labelled,
                         double *class_factors, double *image_factors) {
    size_t k = (size_t)p->config.n_classes;
    int64_t *counts = malloc(2 * k * sizeof *counts);
    double *r = malloc(k * sizeof *r);
    if (!counts || !r) {
        free(counts);
        free(r);
        return bl_no_memory("for the class-rebalancing sampling");
    }
    memcpy(counts, labelled_counts, k * sizeof *counts);
    add_counts(p, counts + k, counts);
    double total = (double)n_labelled + (double)bl_crs_filled(p) + 0.01;
    bl_repeat_factors(counts, p->config.n_classes, total, p->lambda, r);
    if (class_factors) memcpy(class_factors, r, k * sizeof *r);
    for (int64_t i = 0; image_factors && i < p->config.n_images; i++) {
        image_factors[i] = 1;
        for (int32_t j = 0; j < p->saved[i].n; j++) {
            item it = p->saved[i].items[j];
            image_factors[i] = fmax(image_factors[i], r[it.class] * it.margin);
        }
    }
    free(counts);
    free(r);
    return BL_OK;
}

double bl_crs_lambda(const bl_crs_pool *p) {
    return p->lambda;
}

int64_t bl_crs_filled(const bl_crs_pool *p) {
    int64_t n = 0;
    for (int64_t i = 0; i < p->config.n_images; i++) n += p->saved[i].n > 0;
    return n;
}

/* Layout: lambda, then for every record (pending half first) that exists: half * n_images + image,
 * its length, and its (class, margin) pairs. */
int64_t bl_crs_pack(const bl_crs_pool *p, double *out) {
    int64_t at = 0;
    if (out) out[at] = p->lambda;
    at++;
    for (int64_t i = 0; i < 2 * p->config.n_images; i++) {
        const record *r = &p->pending[i];
        if (r->n < 0) continue;
        if (out) {
            out[at] = (double)i;
            out[at + 1] = r->n;
        }
        at += 2;
        for (int32_t k = 0; k < r->n; k++, at += 2) {
            if (out) {
                out[at] = r->items[k].class;
                out[at + 1] = r->items[k].margin;
            }
        }
    }
    return at;
}

/* A whole number in [0, limit)? */
static bool is_index(double v, int64_t limit) {
    return v >= 0 && v < (double)limit && v == floor(v);
}

static bl_status bad_state(int64_t at) {
    return bl_fail(BL_EFORMAT,
                   "class-rebalancing sampling: the saved pool does not fit (number %lld): "
                   "it belongs to another data set or is damaged",
                   (long long)at);
}

/* Fills fresh records from packed data. */
static bl_status read_records(const bl_crs_config *c, const double *data, int64_t n, record *both) {
    int64_t at = 1;
    while (at < n) {
        if (n - at < 2 || !is_index(data[at], 2 * c->n_images) ||
            !is_index(data[at + 1], INT32_MAX) || (double)(n - at - 2) / 2 < data[at + 1]) {
            return bad_state(at);
        }
        record *r = &both[(int64_t)data[at]];
        int32_t length = (int32_t)data[at + 1];
        if (r->n >= 0) return bad_state(at);
        at += 2;
        if (length > 0) {
            r->items = malloc((size_t)length * sizeof *r->items);
            if (!r->items) return bl_no_memory("for the class-rebalancing sampling");
        }
        r->n = length;
        for (int32_t k = 0; k < length; k++, at += 2) {
            /* A margin is a score minus a threshold; a larger one would be as many copies. */
            if (!is_index(data[at], c->n_classes) || !(fabs(data[at + 1]) <= 1))
                return bad_state(at);
            r->items[k] = (item){(int32_t)data[at], (float)data[at + 1]};
        }
    }
    return BL_OK;
}

bl_status bl_crs_unpack(bl_crs_pool *p, const double *data, int64_t n) {
    if (n < 1 || !(data[0] >= 0 && data[0] <= p->config.alpha)) return bad_state(0);
    bl_crs_pool *fresh;
    BL_TRY(bl_crs_create(&p->config, &fresh));
    bl_status status = read_records(&p->config, data, n, fresh->pending);
    if (status == BL_OK) {
        fresh->lambda = data[0];
        bl_crs_pool old = *p;
        *p = *fresh;
        *fresh = old;
    }
    bl_crs_destroy(fresh);
    return status;
}
