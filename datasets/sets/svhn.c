/* SVHN, cropped digits (Netzer et al., 2011): MATLAB files. */
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "datasets/sets/mat_file.h"
#include "datasets/sets/readers.h"

enum { CLASSES = 10, MOST_IMAGES = 1000000 };

static const float mean[3] = {0.5f, 0.5f, 0.5f}, std[3] = {0.5f, 0.5f, 0.5f};

static bl_status check_variables(const char *path, const bl_mat_array *x, const bl_mat_array *y) {
    if (!x->bytes || x->dims[2] != 3 || x->elements == 0 || x->dims[3] > MOST_IMAGES)
        return bl_fail(BL_EFORMAT,
                       "%s: variable \"X\" is not an array of height x width x 3 x n bytes", path);
    if ((!y->bytes && !y->doubles) || y->elements != x->dims[3])
        return bl_fail(
            BL_EFORMAT,
            "%s: variable \"y\" is not a list of %zu labels, one for each image of \"X\"", path,
            x->dims[3]);
    return BL_OK;
}

static bl_status fill_labels(const char *path, const bl_mat_array *y, bool digits_from_one,
                             bl_classify_set *s) {
    for (int32_t i = 0; i < s->n; i++) {
        double v = y->bytes ? ((const uint8_t *)y->data)[i] : ((const double *)y->data)[i];
        if (!(v >= 0 && v <= 10) || v != (int)v)
            return bl_fail(BL_EFORMAT, "%s: y[%d] is %g, expected a digit 1..10 (10 is 0)", path, i,
                           v);
        int digit = (int)v % 10;
        s->labels[i] = digits_from_one ? (digit + 9) % 10 : digit;
    }
    return BL_OK;
}

/* [y + h (x + w (c + 3 n))] to rows of interleaved pixels. */
static void fill_images(const bl_mat_array *x, bl_classify_set *s) {
    size_t h = (size_t)s->height, w = (size_t)s->width, plane = h * w;
    for (int32_t i = 0; i < s->n; i++) {
        const uint8_t *src = (const uint8_t *)x->data + (size_t)i * 3 * plane;
        uint8_t *dst = bl_classify_image(s, i);
        for (size_t r = 0; r < h; r++)
            for (size_t k = 0; k < w; k++, dst += 3)
                for (size_t c = 0; c < 3; c++) dst[c] = src[r + h * k + plane * c];
    }
}

static bl_status convert(const char *path, const bl_mat_array *x, const bl_mat_array *y,
                         bool digits_from_one, bl_classify_set **out) {
    BL_TRY(check_variables(path, x, y));
    bl_classify_set *s;
    BL_TRY(bl_classify_set_create(path, (int64_t)x->dims[3], (int64_t)x->dims[0],
                                  (int64_t)x->dims[1], CLASSES, &s));
    static const char *const digits[2][CLASSES] = {
        {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
        {"1", "2", "3", "4", "5", "6", "7", "8", "9", "0"}};
    bl_status status = bl_classify_set_names(s, digits[digits_from_one]);
    if (status == BL_OK) status = fill_labels(path, y, digits_from_one, s);
    if (status != BL_OK) {
        bl_classify_set_free(s);
        return status;
    }
    fill_images(x, s);
    memcpy(s->mean, mean, sizeof s->mean);
    memcpy(s->std, std, sizeof s->std);
    *out = s;
    return BL_OK;
}

static bl_status read_file(const char *path, bool digits_from_one, bl_classify_set **out) {
    bl_mat_file *file;
    bl_mat_array x, y;
    BL_TRY(bl_mat_open(path, &file));
    bl_status status = bl_mat_read(file, "X", 4, 3072.0 * MOST_IMAGES, &x);
    if (status == BL_OK) status = bl_mat_read(file, "y", 2, MOST_IMAGES, &y);
    if (status == BL_OK) status = convert(path, &x, &y, digits_from_one, out);
    bl_mat_close(file);
    return status;
}

bl_status bl_svhn_read(const char *dir, bl_svhn_part part, bool digits_from_one,
                       bl_classify_set **out) {
    static const char *const files[3] = {"train_32x32.mat", "test_32x32.mat", "extra_32x32.mat"};
    char *path = bl_path_join(dir, files[part]);
    bl_status status = path ? read_file(path, digits_from_one, out) : bl_no_memory("for %s", dir);
    free(path);
    return status;
}
