#include "eval/protocol/accuracy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const bl_frequency_names[] = {"many", "medium", "few", NULL};

bl_status bl_accuracy_create(int32_t n_classes, bl_accuracy *out) {
    size_t k = (size_t)n_classes;
    *out = (bl_accuracy){.n_classes = n_classes};
    out->confusion = calloc(k * k, sizeof *out->confusion);
    out->recall = calloc(3 * k, sizeof *out->recall);
    out->frequency = calloc(k, 1);
    if (!out->confusion || !out->recall || !out->frequency) {
        bl_accuracy_free(out);
        return bl_no_memory("for the accuracy of %d classes", (int)n_classes);
    }
    out->precision = out->recall + k;
    out->f1 = out->recall + 2 * k;
    return BL_OK;
}

void bl_accuracy_free(bl_accuracy *a) {
    free(a->confusion);
    free(a->recall);
    free(a->frequency);
    *a = (bl_accuracy){0};
}

void bl_accuracy_add(bl_accuracy *a, int32_t label, const float *logits) {
    if (label < 0 || label >= a->n_classes) return;
    int32_t best = 0, before = 0;
    for (int32_t c = 1; c < a->n_classes; c++)
        if (logits[c] > logits[best]) best = c;
    for (int32_t c = 0; c < a->n_classes; c++)
        before += logits[c] > logits[label] || (logits[c] == logits[label] && c < label);
    a->n++;
    a->correct += best == label;
    a->top5_correct += before < 5;
    a->confusion[(int64_t)label * a->n_classes + best]++;
}

double bl_geometric_mean(const double *recall, int32_t n) {
    double sum = 0;
    int32_t used = 0;
    for (int32_t i = 0; i < n; i++) {
        if (isnan(recall[i])) continue;
        sum += log(recall[i] > 0 ? recall[i] : 1.0 / (100.0 * n));
        used++;
    }
    return used ? exp(sum / used) : NAN;
}

typedef struct {
    int64_t count;
    int32_t index;
} counted;

static int falling(const void *x, const void *y) {
    const counted *a = x, *b = y;
    if (a->count != b->count) return a->count < b->count ? 1 : -1;
    return a->index < b->index ? -1 : 1;
}

static bl_status assign_groups(bl_accuracy *a, const int64_t *counts) {
    int32_t k = a->n_classes, third = k / 3;
    counted *order = calloc((size_t)k, sizeof *order);
    if (!order) return bl_no_memory(NULL);
    for (int32_t c = 0; c < k; c++) order[c] = (counted){counts ? counts[c] : 0, c};
    qsort(order, (size_t)k, sizeof *order, falling);
    for (int32_t r = 0; r < k; r++)
        a->frequency[order[r].index] = r < third ? BL_MANY : r >= k - third ? BL_FEW : BL_MEDIUM;
    free(order);
    return BL_OK;
}

static void class_values(bl_accuracy *a, int32_t c) {
    int64_t row = 0, column = 0, hit = a->confusion[(int64_t)c * a->n_classes + c];
    for (int32_t o = 0; o < a->n_classes; o++) {
        row += a->confusion[(int64_t)c * a->n_classes + o];
        column += a->confusion[(int64_t)o * a->n_classes + c];
    }
    a->recall[c] = row ? (double)hit / (double)row : NAN;
    a->precision[c] = column ? (double)hit / (double)column : NAN;
    a->f1[c] = row ? 2 * (double)hit / (double)(row + column) : NAN;
}

static double mean_of(const bl_accuracy *a, const double *v, int group) {
    double sum = 0;
    int32_t n = 0;
    for (int32_t c = 0; c < a->n_classes; c++) {
        if (isnan(v[c]) || (group >= 0 && a->frequency[c] != group)) continue;
        sum += v[c];
        n++;
    }
    return n ? sum / n : NAN;
}

bl_status bl_accuracy_finish(bl_accuracy *a, const int64_t *counts) {
    BL_TRY(assign_groups(a, counts));
    for (int32_t c = 0; c < a->n_classes; c++) class_values(a, c);
    a->accuracy = a->n ? (double)a->correct / (double)a->n : NAN;
    a->top5 = a->n && a->n_classes > 5 ? (double)a->top5_correct / (double)a->n : NAN;
    a->balanced = mean_of(a, a->recall, -1);
    a->macro_f1 = mean_of(a, a->f1, -1);
    a->geometric = bl_geometric_mean(a->recall, a->n_classes);
    for (int g = 0; g < BL_FREQUENCIES; g++) a->group[g] = mean_of(a, a->recall, g);
    return BL_OK;
}

static int rising(const void *x, const void *y) {
    double a = *(const double *)x, b = *(const double *)y;
    return a < b ? -1 : a > b;
}

bl_series_summary bl_series_summarise(const double *v, int32_t n, int32_t window) {
    bl_series_summary s = {.last = v[n - 1], .best = v[0], .window = n < window ? n : window};
    for (int32_t i = 1; i < n; i++)
        if (v[i] > s.best) {
            s.best = v[i];
            s.best_at = i;
        }
    int32_t w = s.window;
    double sum = 0, *sorted = malloc(sizeof *sorted * (size_t)w);
    for (int32_t i = 0; i < w; i++) sum += v[n - w + i];
    s.mean = sum / w;
    s.median = NAN;
    if (!sorted) return s;
    memcpy(sorted, v + n - w, sizeof *sorted * (size_t)w);
    qsort(sorted, (size_t)w, sizeof *sorted, rising);
    s.median = w % 2 ? sorted[w / 2] : (sorted[w / 2 - 1] + sorted[w / 2]) / 2;
    free(sorted);
    return s;
}
