/* A set of small labelled images, whole in memory: what image classification trains and tests on.
 *
 * All images have one size and stand one after the other as 8-bit RGB, interleaved (NHWC), so an
 * image is `pixels + i * bytes of one`. Readers: datasets/sets/readers.h; a set drawn by the
 * program: datasets/sets/generated.h; which reader, by configuration: datasets/sets/data.h. */
#ifndef BALLAST_DATASETS_SETS_IMAGE_SET_H
#define BALLAST_DATASETS_SETS_IMAGE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

enum { BL_CLASSIFY_UNKNOWN = -1, BL_CLASSIFY_MAX = 100000 };

typedef struct bl_classify_set {
    char *name; /* for messages: the file or folder it came from */
    int32_t n, height, width;
    int32_t n_classes;
    uint8_t *pixels;    /* [n][height][width][3] */
    int32_t *labels;    /* [n]: 0..n_classes-1, or BL_CLASSIFY_UNKNOWN */
    char **class_names; /* [n_classes], never NULL */
    /* To normalise with, per channel, of pixels scaled to 0..1. A reader sets what the literature
     * uses for its data; otherwise bl_classify_set_measure does. */
    float mean[3], std[3];
} bl_classify_set;

/* Zeroed pixels, labels unknown, class names "0", "1", ..., mean 0 and std 1. BL_EINVAL for sizes
 * out of range, BL_ENOMEM (naming the size) when it does not fit. */
bl_status bl_classify_set_create(const char *name, int64_t n, int64_t height, int64_t width,
                                 int64_t n_classes, bl_classify_set **out);
void bl_classify_set_free(bl_classify_set *s);

static inline size_t bl_classify_image_bytes(const bl_classify_set *s) {
    return (size_t)s->height * (size_t)s->width * 3;
}
static inline uint8_t *bl_classify_image(const bl_classify_set *s, int64_t i) {
    return s->pixels + (size_t)i * bl_classify_image_bytes(s);
}

/* Forgets the labels of `s`; its classes become those of `like`. */
bl_status bl_classify_set_hide_labels(bl_classify_set *s, const bl_classify_set *like);

/* Replaces the class names; `names` holds n_classes strings. */
bl_status bl_classify_set_names(bl_classify_set *s, const char *const *names);

/* Mean and population standard deviation of all pixels of each channel, exactly (integer sums),
 * into s->mean and s->std. A channel without spread gets std 1. */
void bl_classify_set_measure(bl_classify_set *s);

/* Images of each class, counts[n_classes]; unknown labels are not counted. */
void bl_classify_set_counts(const bl_classify_set *s, int64_t *counts);

/* A new set: the images of `a`, then those of `b`. Sizes must agree; labels of `b` are kept when
 * `keep_labels`, else they become unknown (images of none of a's classes). Classes, names, mean and
 * std are a's. */
bl_status bl_classify_set_join(const bl_classify_set *a, const bl_classify_set *b, bool keep_labels,
                               bl_classify_set **out);

/* Resizes every image to width x height by Pillow's bilinear filter (pil_resize.h), in place; mean
 * and std stay. */
bl_status bl_classify_set_resize(bl_classify_set *s, int32_t width, int32_t height);

/* Renumbers the classes so that counts fall (ties in the old order): class 0 becomes the most
 * common one. `order` (n_classes; may be NULL) receives the old number of each new class, so that a
 * test set can follow with bl_classify_set_reorder. */
bl_status bl_classify_set_sort_classes(bl_classify_set *s, int32_t *order);
/* New class c is old class order[c]; `order` must be a permutation of 0..n_classes-1. */
bl_status bl_classify_set_reorder(bl_classify_set *s, const int32_t *order);

#endif
