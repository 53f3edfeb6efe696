#include "balance/label_counts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "balance/simplex.h"

struct bl_label_counts {
    int n_classes;
    bool fresh;
    double *open, *closed, *windows; /* one block: K, K, 1 */
};

bl_status bl_label_counts_create(int n_classes, bool fresh, bl_label_counts **out) {
    *out = NULL;
    if (n_classes < 1) {
        return bl_fail(BL_EINVAL, "label counts: %d classes, at least 1 is needed", n_classes);
    }
    bl_label_counts *c = calloc(1, sizeof *c);
    double *block = calloc(2 * (size_t)n_classes + 1, sizeof *block);
    if (!c || !block) {
        free(c);
        free(block);
        return bl_no_memory("for %d classes (label counts)", n_classes);
    }
    *c = (bl_label_counts){n_classes, fresh, block, block + n_classes, block + 2 * n_classes};
    *out = c;
    return BL_OK;
}

void bl_label_counts_destroy(bl_label_counts *c) {
    if (!c) return;
    free(c->open);
    free(c);
}

bl_status bl_label_counts_add(bl_label_counts *c, const int32_t *labels, const uint8_t *keep,
                              int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if ((!keep || keep[i]) && (labels[i] < 0 || labels[i] >= c->n_classes)) {
            return bl_fail(BL_EINVAL, "label counts: label %d of sample %lld is not in [0, %d)",
                           labels[i], (long long)i, c->n_classes);
        }
    }
    for (int64_t i = 0; i < n; i++) {
        if (!keep || keep[i]) c->open[labels[i]] += 1;
    }
    return BL_OK;
}

void bl_label_counts_publish(bl_label_counts *c) {
    size_t bytes = (size_t)c->n_classes * sizeof *c->open;
    memcpy(c->closed, c->open, bytes);
    if (c->fresh) memset(c->open, 0, bytes);
    *c->windows += 1;
}

const double *bl_label_counts_values(const bl_label_counts *c) {
    return c->closed;
}

int64_t bl_label_counts_published(const bl_label_counts *c) {
    return (int64_t)*c->windows;
}

static double largest(const bl_label_counts *c) {
    return c->closed[bl_argmax(c->closed, c->n_classes)];
}

void bl_label_counts_share(const bl_label_counts *c, double otherwise, double *w) {
    if (largest(c) == 0) {
        for (int k = 0; k < c->n_classes; k++) w[k] = otherwise;
        return;
    }
    memcpy(w, c->closed, (size_t)c->n_classes * sizeof *w);
    bl_normalize(w, c->n_classes);
}

void bl_label_counts_blend(const bl_label_counts *c, double temperature, double *v) {
    /* Normalising to sum 1 before dividing by the maximum, as the paper writes it, cancels. */
    double top = largest(c);
    for (int k = 0; k < c->n_classes; k++) {
        v[k] = top > 0 ? pow(c->closed[k] / top, 1 / temperature) : 0;
    }
}

double *bl_label_counts_state(bl_label_counts *c, int64_t *n) {
    *n = 2 * (int64_t)c->n_classes + 1;
    return c->open;
}
