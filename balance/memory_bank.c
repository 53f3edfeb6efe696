#include "balance/memory_bank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A class's slots fill from 0; `next` is where FIFO writes. A fresh entry is younger than the last
 * decay. */
struct bl_memory_bank {
    bl_bank_config config;
    float *features;    /* K x slots x dim */
    double *confidence; /* K x slots */
    uint8_t *fresh;     /* K x slots */
    int32_t *filled, *next;
};

bl_status bl_bank_create(const bl_bank_config *c, bl_memory_bank **out) {
    *out = NULL;
    if (c->n_classes < 1 || c->slots < 1 || c->dim < 1) {
        return bl_fail(BL_EINVAL,
                       "memory bank: %d classes, %d slots, features of %d: all must be "
                       "at least 1",
                       c->n_classes, c->slots, c->dim);
    }
    size_t k = (size_t)c->n_classes, entries = k * (size_t)c->slots;
    bl_memory_bank *b = calloc(1, sizeof *b);
    if (!b) return bl_no_memory("for the memory bank");
    b->config = *c;
    b->features = calloc(entries * (size_t)c->dim, sizeof *b->features);
    b->confidence = calloc(entries, sizeof *b->confidence);
    b->fresh = calloc(entries, 1);
    b->filled = calloc(2 * k, sizeof *b->filled);
    if (!b->features || !b->confidence || !b->fresh || !b->filled) {
        bl_bank_destroy(b);
        return bl_no_memory("for %d x %d features of %d (memory bank)", c->n_classes, c->slots,
                            c->dim);
    }
    b->next = b->filled + k;
    *out = b;
    return BL_OK;
}

void bl_bank_destroy(bl_memory_bank *b) {
    if (!b) return;
    free(b->features);
    free(b->confidence);
    free(b->fresh);
    free(b->filled);
    free(b);
}

static bl_status check_rows(const bl_memory_bank *b, const float *features, const int32_t *labels,
                            const double *confidences, const uint8_t *keep, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (keep && !keep[i]) continue;
        if (labels[i] < 0 || labels[i] >= b->config.n_classes) {
            return bl_fail(BL_EINVAL, "memory bank: label %d of row %lld is not in [0, %d)",
                           labels[i], (long long)i, b->config.n_classes);
        }
        bool finite = !confidences || isfinite(confidences[i]);
        for (int d = 0; d < b->config.dim; d++) {
            finite = finite && isfinite(features[i * b->config.dim + d]);
        }
        if (!finite) {
            return bl_fail(BL_ENUMERIC, "memory bank: row %lld is not finite", (long long)i);
        }
    }
    return BL_OK;
}

/* The slot a new entry of the class goes to; -1: it is not wanted. */
static int slot_for(const bl_memory_bank *b, int cls, double confidence) {
    if (b->config.rule == BL_BANK_FIFO) return b->next[cls];
    if (b->filled[cls] < b->config.slots) return confidence > 0 ? b->filled[cls] : -1;
    const double *stored = b->confidence + (int64_t)cls * b->config.slots;
    int lowest = 0;
    for (int j = 1; j < b->config.slots; j++) {
        if (stored[j] < stored[lowest]) lowest = j;
    }
    return confidence > stored[lowest] ? lowest : -1;
}

bl_status bl_bank_push(bl_memory_bank *b, const float *features, const int32_t *labels,
                       const double *confidences, const uint8_t *keep, int64_t n,
                       int64_t *accepted) {
    if (accepted) *accepted = 0;
    BL_TRY(check_rows(b, features, labels, confidences, keep, n));
    int dim = b->config.dim;
    for (int64_t i = 0; i < n; i++) {
        if (keep && !keep[i]) continue;
        int cls = labels[i];
        double confidence = confidences ? confidences[i] : 1;
        int slot = slot_for(b, cls, confidence);
        if (slot < 0) continue;
        int64_t at = (int64_t)cls * b->config.slots + slot;
        memcpy(b->features + at * dim, features + i * dim, (size_t)dim * sizeof *features);
        b->confidence[at] = confidence;
        b->fresh[at] = 1;
        if (b->filled[cls] < b->config.slots) b->filled[cls]++;
        b->next[cls] = (slot + 1) % b->config.slots;
        if (accepted) ++*accepted;
    }
    return BL_OK;
}

void bl_bank_decay(bl_memory_bank *b, double beta) {
    int64_t entries = (int64_t)b->config.n_classes * b->config.slots;
    for (int64_t j = 0; j < entries; j++) {
        if (!(b->config.exempt_fresh && b->fresh[j])) b->confidence[j] *= beta;
        b->fresh[j] = 0;
    }
}

int bl_bank_filled(const bl_memory_bank *b, int cls) {
    return b->filled[cls];
}

const float *bl_bank_feature(const bl_memory_bank *b, int cls, int j) {
    return b->features + ((int64_t)cls * b->config.slots + j) * b->config.dim;
}

double bl_bank_confidence(const bl_memory_bank *b, int cls, int j) {
    return b->confidence[(int64_t)cls * b->config.slots + j];
}

int bl_bank_prototypes(const bl_memory_bank *b, float *prototypes, uint8_t *present) {
    int dim = b->config.dim, found = 0;
    for (int c = 0; c < b->config.n_classes; c++, prototypes += dim) {
        present[c] = b->filled[c] > 0;
        found += present[c];
        for (int d = 0; d < dim; d++) {
            double sum = 0;
            for (int j = 0; j < b->filled[c]; j++) sum += bl_bank_feature(b, c, j)[d];
            prototypes[d] = present[c] ? (float)(sum / b->filled[c]) : 0;
        }
    }
    return found;
}

/* Layout: K, slots, dim, rule | filled[K] next[K] | confidence | fresh | features. */
enum { HEADER = 4 };

int64_t bl_bank_pack(const bl_memory_bank *b, double *out) {
    int64_t k = b->config.n_classes, entries = k * b->config.slots, dim = b->config.dim;
    int64_t n = HEADER + 2 * k + (2 + dim) * entries;
    if (!out) return n;
    *out++ = (double)k;
    *out++ = b->config.slots;
    *out++ = (double)dim;
    *out++ = b->config.rule;
    for (int64_t c = 0; c < 2 * k; c++) *out++ = b->filled[c];
    for (int64_t j = 0; j < entries; j++) *out++ = b->confidence[j];
    for (int64_t j = 0; j < entries; j++) *out++ = b->fresh[j];
    for (int64_t j = 0; j < entries * dim; j++) *out++ = b->features[j];
    return n;
}

static bool whole_in(double x, double low, double high) {
    return x >= low && x <= high && x == floor(x);
}

bl_status bl_bank_unpack(bl_memory_bank *b, const double *data, int64_t n) {
    int64_t k = b->config.n_classes, slots = b->config.slots, entries = k * slots,
            dim = b->config.dim;
    if (n != bl_bank_pack(b, NULL) || data[0] != (double)k || data[1] != (double)slots ||
        data[2] != (double)dim || data[3] != b->config.rule) {
        return bl_fail(BL_EFORMAT,
                       "memory bank: the saved bank (%lld numbers) is not one of %lld x %lld "
                       "features of %lld with this rule; was it saved with other settings?",
                       (long long)n, (long long)k, (long long)slots, (long long)dim);
    }
    const double *counts = data + HEADER, *confidence = counts + 2 * k,
                 *fresh = confidence + entries, *features = fresh + entries;
    bool good = true;
    for (int64_t c = 0; c < k; c++) {
        good = good && whole_in(counts[c], 0, (double)slots) &&
               whole_in(counts[k + c], 0, (double)slots - 1);
    }
    for (int64_t j = 0; j < entries; j++) {
        good = good && isfinite(confidence[j]) && whole_in(fresh[j], 0, 1);
    }
    for (int64_t j = 0; j < entries * dim; j++) good = good && isfinite((float)features[j]);
    if (!good) return bl_fail(BL_EFORMAT, "memory bank: the saved bank holds impossible values");
    for (int64_t c = 0; c < 2 * k; c++) b->filled[c] = (int32_t)counts[c];
    for (int64_t j = 0; j < entries; j++) b->confidence[j] = confidence[j];
    for (int64_t j = 0; j < entries; j++) b->fresh[j] = fresh[j] != 0;
    for (int64_t j = 0; j < entries * dim; j++) b->features[j] = (float)features[j];
    return BL_OK;
}
