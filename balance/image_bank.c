#include "balance/image_bank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bl_image_bank {
    int64_t n_rows;
    int n_classes, dim;
    float *features;  /* n_rows x dim */
    int32_t *label;   /* n_rows, -1 = none */
    uint8_t *written; /* n_rows: has a feature */
    double *sum;      /* K x dim over rows with both */
    int64_t *members; /* K: rows in the sum */
    int64_t *count;   /* K: rows with the label */
};

bl_status bl_image_bank_create(int64_t n_rows, int n_classes, int dim, bl_image_bank **out) {
    *out = NULL;
    if (n_rows < 1 || n_classes < 1 || dim < 1) {
        return bl_fail(BL_EINVAL,
                       "image bank: %lld samples, %d classes, features of %d: all must be at "
                       "least 1",
                       (long long)n_rows, n_classes, dim);
    }
    bl_image_bank *b = calloc(1, sizeof *b);
    if (!b) return bl_no_memory("for the image bank");
    size_t rows = (size_t)n_rows, k = (size_t)n_classes, d = (size_t)dim;
    b->n_rows = n_rows;
    b->n_classes = n_classes;
    b->dim = dim;
    b->features = calloc(rows * d, sizeof *b->features);
    b->label = malloc(rows * sizeof *b->label);
    b->written = calloc(rows, 1);
    b->sum = calloc(k * d, sizeof *b->sum);
    b->members = calloc(2 * k, sizeof *b->members);
    if (!b->features || !b->label || !b->written || !b->sum || !b->members) {
        bl_image_bank_destroy(b);
        return bl_no_memory("for %lld features of %d (image bank)", (long long)n_rows, dim);
    }
    b->count = b->members + k;
    for (int64_t i = 0; i < n_rows; i++) b->label[i] = -1;
    *out = b;
    return BL_OK;
}

void bl_image_bank_destroy(bl_image_bank *b) {
    if (!b) return;
    free(b->features);
    free(b->label);
    free(b->written);
    free(b->sum);
    free(b->members);
    free(b);
}

/* Adds (sign 1) or takes away (-1) a row's share in its class. */
static void join(bl_image_bank *b, int64_t row, int sign) {
    int32_t c = b->label[row];
    if (c < 0) return;
    b->count[c] += sign;
    if (!b->written[row]) return;
    b->members[c] += sign;
    double *sum = b->sum + (int64_t)c * b->dim;
    const float *feature = b->features + row * b->dim;
    for (int d = 0; d < b->dim; d++) sum[d] += sign * (double)feature[d];
    /* An emptied class starts again from an exact zero. */
    if (b->members[c] == 0) memset(sum, 0, (size_t)b->dim * sizeof *sum);
}

bl_status bl_image_bank_write(bl_image_bank *b, const int64_t *rows, int64_t n,
                              const int32_t *labels, const uint8_t *set_label,
                              const float *features, const uint8_t *set_feature) {
    for (int64_t i = 0; i < n; i++) {
        if (rows[i] < 0 || rows[i] >= b->n_rows) {
            return bl_fail(BL_EINVAL, "image bank: sample %lld is not in [0, %lld)",
                           (long long)rows[i], (long long)b->n_rows);
        }
        if (set_label[i] && (labels[i] < 0 || labels[i] >= b->n_classes)) {
            return bl_fail(BL_EINVAL, "image bank: label %d of sample %lld is not in [0, %d)",
                           labels[i], (long long)rows[i], b->n_classes);
        }
        for (int d = 0; set_feature[i] && d < b->dim; d++) {
            if (!isfinite(features[i * b->dim + d])) {
                return bl_fail(BL_ENUMERIC, "image bank: feature of sample %lld is not finite",
                               (long long)rows[i]);
            }
        }
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t row = rows[i];
        if (!set_label[i] && !set_feature[i]) continue;
        join(b, row, -1);
        if (set_label[i]) b->label[row] = labels[i];
        if (set_feature[i]) {
            memcpy(b->features + row * b->dim, features + i * b->dim,
                   (size_t)b->dim * sizeof *features);
            b->written[row] = 1;
        }
        join(b, row, 1);
    }
    return BL_OK;
}

int32_t bl_image_bank_label(const bl_image_bank *b, int64_t row) {
    return b->label[row];
}

const float *bl_image_bank_feature(const bl_image_bank *b, int64_t row) {
    return b->written[row] ? b->features + row * b->dim : NULL;
}

const int64_t *bl_image_bank_counts(const bl_image_bank *b) {
    return b->count;
}

int bl_image_bank_centres(const bl_image_bank *b, float *centres, uint8_t *present) {
    int found = 0;
    for (int c = 0; c < b->n_classes; c++, centres += b->dim) {
        present[c] = b->members[c] > 0;
        found += present[c];
        for (int d = 0; d < b->dim; d++) {
            double sum = b->sum[(int64_t)c * b->dim + d];
            centres[d] = present[c] ? (float)(sum / (double)b->members[c]) : 0;
        }
    }
    return found;
}

/* Layout: n_rows, K, dim | label[n] | written[n] | sum[K x dim] | features[n x dim]; members and
 * counts follow from the labels. */
enum { HEADER = 3 };

int64_t bl_image_bank_pack(const bl_image_bank *b, double *out) {
    int64_t sums = (int64_t)b->n_classes * b->dim;
    int64_t n = HEADER + b->n_rows * (2 + b->dim) + sums;
    if (!out) return n;
    *out++ = (double)b->n_rows;
    *out++ = b->n_classes;
    *out++ = b->dim;
    for (int64_t i = 0; i < b->n_rows; i++) *out++ = b->label[i];
    for (int64_t i = 0; i < b->n_rows; i++) *out++ = b->written[i];
    memcpy(out, b->sum, (size_t)sums * sizeof *out);
    out += sums;
    for (int64_t i = 0; i < b->n_rows * b->dim; i++) *out++ = b->features[i];
    return n;
}

bl_status bl_image_bank_unpack(bl_image_bank *b, const double *data, int64_t n) {
    int64_t rows = b->n_rows, sums = (int64_t)b->n_classes * b->dim;
    if (n != bl_image_bank_pack(b, NULL) || data[0] != (double)rows || data[1] != b->n_classes ||
        data[2] != b->dim) {
        return bl_fail(BL_EFORMAT,
                       "image bank: the saved bank (%lld numbers) is not one of %lld samples, %d "
                       "classes and features of %d; was it saved with another data set?",
                       (long long)n, (long long)rows, b->n_classes, b->dim);
    }
    const double *label = data + HEADER, *written = label + rows, *sum = written + rows,
                 *features = sum + sums;
    bool good = true;
    for (int64_t i = 0; i < rows; i++) {
        good = good && label[i] >= -1 && label[i] < b->n_classes && label[i] == floor(label[i]) &&
               (written[i] == 0 || written[i] == 1);
    }
    for (int64_t j = 0; j < sums; j++) good = good && isfinite(sum[j]);
    for (int64_t j = 0; j < rows * b->dim; j++) good = good && isfinite((float)features[j]);
    if (!good) return bl_fail(BL_EFORMAT, "image bank: the saved bank holds impossible values");
    memset(b->members, 0, 2 * (size_t)b->n_classes * sizeof *b->members);
    for (int64_t i = 0; i < rows; i++) {
        b->label[i] = (int32_t)label[i];
        b->written[i] = written[i] != 0;
        if (b->label[i] < 0) continue;
        b->count[b->label[i]]++;
        b->members[b->label[i]] += b->written[i];
    }
    memcpy(b->sum, sum, (size_t)sums * sizeof *sum);
    for (int64_t j = 0; j < rows * b->dim; j++) b->features[j] = (float)features[j];
    return BL_OK;
}
