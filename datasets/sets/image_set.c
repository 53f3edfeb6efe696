#include "datasets/sets/image_set.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/images/image.h"
#include "datasets/images/pil_resize.h"

static bl_status check_sizes(const char *name, int64_t n, int64_t height, int64_t width,
                             int64_t n_classes) {
    if (n < 0 || n > INT32_MAX)
        return bl_fail(BL_EINVAL, "%s: %lld images are not in 0..%d", name, (long long)n,
                       INT32_MAX);
    BL_TRY(bl_image_check_size(name, width, height));
    if (n_classes < 1 || n_classes > BL_CLASSIFY_MAX)
        return bl_fail(BL_EINVAL, "%s: %lld classes are not in 1..%d", name, (long long)n_classes,
                       BL_CLASSIFY_MAX);
    return BL_OK;
}

static bl_status number_classes(bl_classify_set *s) {
    s->class_names = calloc((size_t)s->n_classes, sizeof *s->class_names);
    if (!s->class_names) return bl_no_memory("for %s", s->name);
    for (int32_t c = 0; c < s->n_classes; c++) {
        char text[16];
        snprintf(text, sizeof text, "%d", (int)c);
        s->class_names[c] = strdup(text);
        if (!s->class_names[c]) return bl_no_memory("for %s", s->name);
    }
    return BL_OK;
}

bl_status bl_classify_set_create(const char *name, int64_t n, int64_t height, int64_t width,
                                 int64_t n_classes, bl_classify_set **out) {
    BL_TRY(check_sizes(name, n, height, width, n_classes));
    bl_classify_set *s = calloc(1, sizeof *s);
    if (!s) return bl_no_memory("for %s", name);
    s->n = (int32_t)n;
    s->height = (int32_t)height;
    s->width = (int32_t)width;
    s->n_classes = (int32_t)n_classes;
    for (int c = 0; c < 3; c++) s->std[c] = 1;
    s->name = strdup(name);
    size_t count = n > 0 ? (size_t)n : 1, bytes = bl_classify_image_bytes(s);
    s->pixels = calloc(count, bytes);
    s->labels = malloc(count * sizeof *s->labels);
    bl_status status = BL_OK;
    if (!s->name || !s->pixels || !s->labels)
        status =
            bl_no_memory("for %s (%lld images of %lldx%lld pixels (%.0f MB))", name, (long long)n,
                         (long long)width, (long long)height, (double)count * (double)bytes / 1e6);
    if (status == BL_OK) status = number_classes(s);
    if (status != BL_OK) {
        bl_classify_set_free(s);
        return status;
    }
    for (int64_t i = 0; i < n; i++) s->labels[i] = BL_CLASSIFY_UNKNOWN;
    *out = s;
    return BL_OK;
}

static void free_names(bl_classify_set *s) {
    for (int32_t c = 0; s->class_names && c < s->n_classes; c++) free(s->class_names[c]);
    free(s->class_names);
    s->class_names = NULL;
}

void bl_classify_set_free(bl_classify_set *s) {
    if (!s) return;
    free_names(s);
    free(s->name);
    free(s->pixels);
    free(s->labels);
    free(s);
}

bl_status bl_classify_set_hide_labels(bl_classify_set *s, const bl_classify_set *like) {
    free_names(s);
    s->n_classes = like->n_classes;
    for (int32_t i = 0; i < s->n; i++) s->labels[i] = BL_CLASSIFY_UNKNOWN;
    BL_TRY(number_classes(s));
    return bl_classify_set_names(s, (const char *const *)like->class_names);
}

bl_status bl_classify_set_names(bl_classify_set *s, const char *const *names) {
    for (int32_t c = 0; c < s->n_classes; c++) {
        char *copy = strdup(names[c]);
        if (!copy) return bl_no_memory("for %s", s->name);
        free(s->class_names[c]);
        s->class_names[c] = copy;
    }
    return BL_OK;
}

void bl_classify_set_measure(bl_classify_set *s) {
    uint64_t sum[3] = {0}, squares[3] = {0};
    size_t pixels = (size_t)s->n * (size_t)s->height * (size_t)s->width;
    const uint8_t *p = s->pixels;
    for (size_t i = 0; i < pixels; i++, p += 3)
        for (int c = 0; c < 3; c++) {
            sum[c] += p[c];
            squares[c] += (uint64_t)p[c] * p[c];
        }
    for (int c = 0; c < 3; c++) {
        double n = pixels > 0 ? (double)pixels : 1, mean = (double)sum[c] / n;
        double variance = (double)squares[c] / n - mean * mean;
        s->mean[c] = (float)(mean / 255);
        s->std[c] = variance > 1e-9 ? (float)(sqrt(variance) / 255) : 1;
    }
}

void bl_classify_set_counts(const bl_classify_set *s, int64_t *counts) {
    memset(counts, 0, (size_t)s->n_classes * sizeof *counts);
    for (int32_t i = 0; i < s->n; i++)
        if (s->labels[i] >= 0) counts[s->labels[i]]++;
}

bl_status bl_classify_set_join(const bl_classify_set *a, const bl_classify_set *b, bool keep_labels,
                               bl_classify_set **out) {
    if (a->height != b->height || a->width != b->width)
        return bl_fail(BL_EINVAL,
                       "%s has images of %dx%d pixels, %s of %dx%d; they cannot be one set",
                       a->name, a->width, a->height, b->name, b->width, b->height);
    if (keep_labels && b->n_classes > a->n_classes)
        return bl_fail(BL_EINVAL,
                       "%s has %d classes, %s only %d; their labels do not mean the same", b->name,
                       b->n_classes, a->name, a->n_classes);
    bl_classify_set *s;
    BL_TRY(bl_classify_set_create(a->name, (int64_t)a->n + b->n, a->height, a->width, a->n_classes,
                                  &s));
    bl_status status = bl_classify_set_names(s, (const char *const *)a->class_names);
    if (status != BL_OK) {
        bl_classify_set_free(s);
        return status;
    }
    size_t bytes = bl_classify_image_bytes(a);
    memcpy(s->pixels, a->pixels, (size_t)a->n * bytes);
    memcpy(s->pixels + (size_t)a->n * bytes, b->pixels, (size_t)b->n * bytes);
    memcpy(s->labels, a->labels, (size_t)a->n * sizeof *s->labels);
    if (keep_labels) memcpy(s->labels + a->n, b->labels, (size_t)b->n * sizeof *s->labels);
    memcpy(s->mean, a->mean, sizeof s->mean);
    memcpy(s->std, a->std, sizeof s->std);
    *out = s;
    return BL_OK;
}

bl_status bl_classify_set_resize(bl_classify_set *s, int32_t width, int32_t height) {
    if (width == s->width && height == s->height) return BL_OK;
    BL_TRY(bl_image_check_size(s->name, width, height));
    size_t bytes = (size_t)width * (size_t)height * 3, stride = 3 * (size_t)s->width;
    uint8_t *pixels = malloc((s->n > 0 ? (size_t)s->n : 1) * bytes);
    if (!pixels) return bl_no_memory("for %s (to resize %d images)", s->name, s->n);
    bl_pil_resizer r = {0};
    bl_status status = BL_OK;
    for (int32_t i = 0; i < s->n && status == BL_OK; i++)
        status = bl_pil_resize(&r, bl_classify_image(s, i), stride, s->width, s->height,
                               BL_PIL_BILINEAR, pixels + (size_t)i * bytes, width, height);
    bl_pil_resizer_free(&r);
    if (status != BL_OK) {
        free(pixels);
        return status;
    }
    free(s->pixels);
    s->pixels = pixels;
    s->width = width;
    s->height = height;
    return BL_OK;
}

bl_status bl_classify_set_reorder(bl_classify_set *s, const int32_t *order) {
    size_t k = (size_t)s->n_classes;
    int32_t *new_of = malloc(k * sizeof *new_of);
    char **names = malloc(k * sizeof *names);
    bl_status status = BL_OK;
    if (!new_of || !names) status = bl_no_memory("for %s", s->name);
    for (size_t c = 0; status == BL_OK && c < k; c++) new_of[c] = -1;
    for (int32_t c = 0; status == BL_OK && c < s->n_classes; c++) {
        if (order[c] < 0 || order[c] >= s->n_classes || new_of[order[c]] >= 0)
            status =
                bl_fail(BL_EINVAL, "%s: the new order of classes is not a permutation", s->name);
        else {
            new_of[order[c]] = c;
            names[c] = s->class_names[order[c]];
        }
    }
    if (status == BL_OK) {
        memcpy(s->class_names, names, k * sizeof *names);
        for (int32_t i = 0; i < s->n; i++)
            if (s->labels[i] >= 0) s->labels[i] = new_of[s->labels[i]];
    }
    free(new_of);
    free(names);
    return status;
}

bl_status bl_classify_set_sort_classes(bl_classify_set *s, int32_t *order) {
    int64_t *counts = malloc((size_t)s->n_classes * sizeof *counts);
    int32_t *own = malloc((size_t)s->n_classes * sizeof *own);
    bl_status status = BL_OK;
    if (!counts || !own) {
        status = bl_no_memory("for %s", s->name);
        goto done;
    }
    bl_classify_set_counts(s, counts);
    for (int32_t c = 0; c < s->n_classes; c++) { /* insertion keeps ties in order */
        int32_t at = c;
        for (; at > 0 && counts[own[at - 1]] < counts[c]; at--) own[at] = own[at - 1];
        own[at] = c;
    }
    status = bl_classify_set_reorder(s, own);
    if (order) memcpy(order, own, (size_t)s->n_classes * sizeof *order);
done:
    free(counts);
    free(own);
    return status;
}
