/* SVHN, cropped digits (Netzer et al., 2011): MATLAB files, read by libmatio. */
#include <matio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "datasets/class_readers.h"

enum { CLASSES = 10, MOST_IMAGES = 1000000 };

static const float mean[3] = {0.5f, 0.5f, 0.5f}, std[3] = {0.5f, 0.5f, 0.5f};

/* The variable with its data, after a look at its header. Freed by the caller. */
static bl_status read_variable(mat_t *file, const char *path, const char *name, int rank,
                               matvar_t **out) {
    matvar_t *v = Mat_VarReadInfo(file, name);
    if (!v)
        return bl_fail(BL_EFORMAT, "%s: has no variable \"%s\"; is it a cropped-digits file?", path,
                       name);
    double elements = 1;
    for (int k = 0; k < v->rank; k++) elements *= (double)v->dims[k];
    bool fits = v->rank == rank && elements <= 3072.0 * MOST_IMAGES;
    Mat_VarFree(v);
    if (!fits)
        return bl_fail(BL_EFORMAT, "%s: variable \"%s\" does not have the %d dimensions expected",
                       path, name, rank);
    v = Mat_VarRead(file, name);
    if (!v || !v->data) {
        if (v) Mat_VarFree(v);
        return bl_fail(BL_EFORMAT, "%s: variable \"%s\" is damaged or cut off", path, name);
    }
    *out = v;
    return BL_OK;
}

static bl_status check_variables(const char *path, const matvar_t *x, const matvar_t *y) {
    if (x->class_type != MAT_C_UINT8 || x->data_type != MAT_T_UINT8 || x->dims[2] != 3 ||
        x->dims[0] < 1 || x->dims[1] < 1 || x->dims[3] < 1 || x->dims[3] > MOST_IMAGES ||
        x->nbytes != x->dims[0] * x->dims[1] * 3 * x->dims[3])
        return bl_fail(BL_EFORMAT,
                       "%s: variable \"X\" is not an array of height x width x 3 x n bytes", path);
    bool bytes = y->class_type == MAT_C_UINT8 && y->data_type == MAT_T_UINT8 && y->data_size == 1;
    bool doubles = y->class_type == MAT_C_DOUBLE && y->data_type == MAT_T_DOUBLE &&
                   y->data_size == sizeof(double);
    size_t n = y->dims[0] * y->dims[1];
    if ((!bytes && !doubles) || n != x->dims[3] || y->nbytes != n * (size_t)y->data_size)
        return bl_fail(
            BL_EFORMAT,
            "%s: variable \"y\" is not a list of %zu labels, one for each image of \"X\"", path,
            (size_t)x->dims[3]);
    return BL_OK;
}

static bl_status fill_labels(const char *path, const matvar_t *y, bool digits_from_one,
                             bl_class_set *s) {
    for (int32_t i = 0; i < s->n; i++) {
        double v = y->data_size == 1 ? ((const uint8_t *)y->data)[i] : ((const double *)y->data)[i];
        if (!(v >= 0 && v <= 10) || v != (int)v)
            return bl_fail(BL_EFORMAT, "%s: y[%d] is %g, expected a digit 1..10 (10 is 0)", path, i,
                           v);
        int digit = (int)v % 10;
        s->labels[i] = digits_from_one ? (digit + 9) % 10 : digit;
    }
    return BL_OK;
}

/* [y + h (x + w (c + 3 n))] to rows of interleaved pixels. */
static void fill_images(const matvar_t *x, bl_class_set *s) {
    size_t h = (size_t)s->height, w = (size_t)s->width, plane = h * w;
    for (int32_t i = 0; i < s->n; i++) {
        const uint8_t *src = (const uint8_t *)x->data + (size_t)i * 3 * plane;
        uint8_t *dst = bl_class_image(s, i);
        for (size_t r = 0; r < h; r++)
            for (size_t k = 0; k < w; k++, dst += 3)
                for (size_t c = 0; c < 3; c++) dst[c] = src[r + h * k + plane * c];
    }
}

static bl_status convert(const char *path, const matvar_t *x, const matvar_t *y,
                         bool digits_from_one, bl_class_set **out) {
    BL_TRY(check_variables(path, x, y));
    bl_class_set *s;
    BL_TRY(bl_class_set_create(path, (int64_t)x->dims[3], (int64_t)x->dims[0], (int64_t)x->dims[1],
                               CLASSES, &s));
    static const char *const digits[2][CLASSES] = {
        {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
        {"1", "2", "3", "4", "5", "6", "7", "8", "9", "0"}};
    bl_status status = bl_class_set_names(s, digits[digits_from_one]);
    if (status == BL_OK) status = fill_labels(path, y, digits_from_one, s);
    if (status != BL_OK) {
        bl_class_set_free(s);
        return status;
    }
    fill_images(x, s);
    memcpy(s->mean, mean, sizeof s->mean), memcpy(s->std, std, sizeof s->std);
    *out = s;
    return BL_OK;
}

static bl_status read_file(const char *path, bool digits_from_one, bl_class_set **out) {
    if (!bl_exists(path)) return bl_fail(BL_EIO, "%s: does not exist", path);
    mat_t *file = Mat_Open(path, MAT_ACC_RDONLY);
    if (!file) return bl_fail(BL_EFORMAT, "%s: is no MATLAB file, or damaged", path);
    matvar_t *x = NULL, *y = NULL;
    bl_status status = read_variable(file, path, "X", 4, &x);
    if (status == BL_OK) status = read_variable(file, path, "y", 2, &y);
    if (status == BL_OK) status = convert(path, x, y, digits_from_one, out);
    if (x) Mat_VarFree(x);
    if (y) Mat_VarFree(y);
    Mat_Close(file);
    return status;
}

bl_status bl_svhn_read(const char *dir, bl_svhn_part part, bool digits_from_one,
                       bl_class_set **out) {
    static const char *const files[3] = {"train_32x32.mat", "test_32x32.mat", "extra_32x32.mat"};
    char *path = bl_path_join(dir, files[part]);
    bl_status status =
        path ? read_file(path, digits_from_one, out) : bl_fail(BL_ENOMEM, "%s: out of memory", dir);
    free(path);
    return status;
}
