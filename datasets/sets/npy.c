/* Image sets as pairs of .npy files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/npy.h"
#include "core/packed_file.h"
#include "datasets/sets/readers.h"

static const size_t most_bytes = (size_t)64 << 30;

/* How the images of an array lie. */
typedef struct layout {
    int64_t n, height, width;
    bool planar;
} layout;

static bl_status find_layout(const bl_npy *a, const char *name, layout *l) {
    if (a->kind != 'u' || a->bytes != 1)
        return bl_fail(BL_EFORMAT, "%s: images must be of type uint8", name);
    const int64_t *s = a->shape;
    *l = (layout){.n = s[0]};
    if (a->ndim == 4 && s[3] == 3) {
        l->height = s[1];
        l->width = s[2];
    } else if (a->ndim == 4 && s[1] == 3) {
        l->height = s[2];
        l->width = s[3];
        l->planar = true;
    } else if (a->ndim == 2) {
        int64_t side = 1;
        while (side < 4096 && 3 * side * side < s[1]) side++;
        if (3 * side * side != s[1])
            return bl_fail(BL_EFORMAT, "%s: rows of %lld values are not square colour images", name,
                           (long long)s[1]);
        l->height = l->width = side;
        l->planar = true;
    } else {
        return bl_fail(BL_EFORMAT,
                       "%s: images must have shape (n, h, w, 3), (n, 3, h, w) or (n, 3*h*h)", name);
    }
    return BL_OK;
}

static void fill_images(const bl_npy *a, const layout *l, bl_classify_set *s) {
    size_t plane = (size_t)s->height * (size_t)s->width;
    if (!l->planar) {
        memcpy(s->pixels, a->data, (size_t)s->n * 3 * plane);
        return;
    }
    for (int32_t i = 0; i < s->n; i++) {
        const uint8_t *src = a->data + (size_t)i * 3 * plane;
        uint8_t *dst = bl_classify_image(s, i);
        for (size_t k = 0; k < plane; k++, dst += 3) {
            dst[0] = src[k];
            dst[1] = src[plane + k];
            dst[2] = src[2 * plane + k];
        }
    }
}

/* Checks the labels; the first of them and their number of classes when *n_classes is 0. */
static bl_status check_labels(const bl_npy *y, const char *name, int64_t n, int32_t *n_classes,
                              int64_t *first) {
    if (y->kind == 'f' || y->ndim != 1 || y->count != n)
        return bl_fail(BL_EFORMAT, "%s: labels must be %lld integers, one for each image", name,
                       (long long)n);
    int64_t least = n > 0 ? bl_npy_integer(y, 0) : 0, most = least;
    for (int64_t i = 1; i < n; i++) {
        int64_t v = bl_npy_integer(y, i);
        if (v < least) least = v;
        if (v > most) most = v;
    }
    if (*n_classes == 0) {
        if (least < 0 || most - least >= BL_CLASSIFY_MAX)
            return bl_fail(BL_EFORMAT,
                           "%s: labels from %lld to %lld; they must not be negative and may "
                           "make at most %d classes",
                           name, (long long)least, (long long)most, BL_CLASSIFY_MAX);
        *first = least;
        *n_classes = (int32_t)(most - least) + 1;
    }
    int64_t last = *first + *n_classes - 1, i = 0;
    if (n == 0 || (least >= *first && most <= last)) return BL_OK;
    while (bl_npy_integer(y, i) >= *first && bl_npy_integer(y, i) <= last) i++;
    return bl_fail(BL_EFORMAT, "%s: label %lld of image %lld is not in %lld..%lld", name,
                   (long long)bl_npy_integer(y, i), (long long)i, (long long)*first,
                   (long long)last);
}

/* Classes are called what their labels are. */
static bl_status name_classes(bl_classify_set *s, int64_t first) {
    for (int32_t c = 0; c < s->n_classes && first != 0; c++) {
        char *name = NULL;
        if (asprintf(&name, "%lld", (long long)(first + c)) < 0)
            return bl_no_memory("for %s", s->name);
        free(s->class_names[c]);
        s->class_names[c] = name;
    }
    return BL_OK;
}

bl_status bl_classify_npy_parse(const uint8_t *images, size_t images_size, const char *images_name,
                                const uint8_t *labels, size_t labels_size, const char *labels_name,
                                int32_t n_classes, int64_t *first, bl_classify_set **out) {
    bl_npy x, y = {0};
    layout l = {0};
    int64_t own = 0;
    if (!first) first = &own;
    BL_TRY(bl_npy_parse(images, images_size, images_name, &x));
    BL_TRY(find_layout(&x, images_name, &l));
    if (labels) {
        BL_TRY(bl_npy_parse(labels, labels_size, labels_name, &y));
        BL_TRY(check_labels(&y, labels_name, l.n, &n_classes, first));
    }
    bl_classify_set *s;
    BL_TRY(bl_classify_set_create(images_name, l.n, l.height, l.width,
                                  n_classes > 0 ? n_classes : 1, &s));
    fill_images(&x, &l, s);
    for (int32_t i = 0; labels && i < s->n; i++)
        s->labels[i] = (int32_t)(bl_npy_integer(&y, i) - *first);
    bl_status status = name_classes(s, *first);
    if (status != BL_OK) {
        bl_classify_set_free(s);
        return status;
    }
    *out = s;
    return BL_OK;
}

bl_status bl_classify_npy_read(const char *images, const char *labels, int32_t n_classes,
                               int64_t *first, bl_classify_set **out) {
    bl_packed x, y = {0};
    BL_TRY(bl_packed_open(images, most_bytes, &x));
    bl_status status = labels ? bl_packed_open(labels, most_bytes, &y) : BL_OK;
    if (status == BL_OK)
        status = bl_classify_npy_parse(x.data, x.size, x.name, y.data, y.size, y.name, n_classes,
                                       first, out);
    bl_packed_close(&x);
    bl_packed_close(&y);
    return status;
}
