/* STL-10, binary version (Coates, Ng and Lee, AISTATS 2011). */
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/packed_file.h"
#include "datasets/images/pil_resize.h"
#include "datasets/sets/readers.h"

enum { SIDE = 96, PLANE = SIDE * SIDE, IMAGE = 3 * PLANE, CLASSES = 10 };
static const size_t most_bytes = (size_t)4 << 30;

static const char *const names[CLASSES] = {"airplane", "bird",  "car",    "cat",  "deer",
                                           "dog",      "horse", "monkey", "ship", "truck"};
/* Those of CIFAR-10, as most of the literature normalises STL-10. */
static const float mean[3] = {0.4914f, 0.4822f, 0.4465f}, std[3] = {0.2471f, 0.2435f, 0.2616f};

/* Planes, column after column, to interleaved rows. */
static void transpose(const uint8_t *src, uint8_t *dst) {
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++, dst += 3) {
            const uint8_t *p = src + x * SIDE + y;
            dst[0] = p[0];
            dst[1] = p[PLANE];
            dst[2] = p[2 * PLANE];
        }
}

static bl_status fill_images(const uint8_t *x, bl_classify_set *s) {
    if (s->width == SIDE) {
        for (int32_t i = 0; i < s->n; i++)
            transpose(x + (size_t)i * IMAGE, bl_classify_image(s, i));
        return BL_OK;
    }
    uint8_t *whole = malloc(IMAGE + 8);
    if (!whole) return bl_no_memory("for %s", s->name);
    bl_pil_resizer r = {0};
    bl_status status = BL_OK;
    for (int32_t i = 0; i < s->n && status == BL_OK; i++) {
        transpose(x + (size_t)i * IMAGE, whole);
        status = bl_pil_resize(&r, whole, (size_t)3 * SIDE, SIDE, SIDE, BL_PIL_BILINEAR,
                               bl_classify_image(s, i), s->width, s->height);
    }
    bl_pil_resizer_free(&r);
    free(whole);
    return status;
}

static bl_status fill_labels(const uint8_t *y, const char *name, bl_classify_set *s) {
    for (int32_t i = 0; y && i < s->n; i++) {
        if (y[i] < 1 || y[i] > CLASSES)
            return bl_fail(BL_EFORMAT, "%s: label %d at byte %d of its labels is not in 1..%d",
                           name, y[i], i, CLASSES);
        s->labels[i] = y[i] - 1;
    }
    return BL_OK;
}

bl_status bl_stl_parse(const uint8_t *x, size_t x_size, const uint8_t *y, size_t y_size,
                       const char *name, int32_t size, bl_classify_set **out) {
    if (x_size == 0 || x_size % IMAGE != 0)
        return bl_fail(
            BL_EFORMAT,
            "%s: %zu bytes are not a whole number of %d-byte images (%zu are left over); "
            "is it the binary version, and complete?",
            name, x_size, IMAGE, x_size % IMAGE);
    size_t n = x_size / IMAGE;
    if (y && y_size != n)
        return bl_fail(BL_EFORMAT, "%s: %zu images, but %zu labels", name, n, y_size);
    int32_t side = size > 0 ? size : SIDE;
    bl_classify_set *s;
    BL_TRY(bl_classify_set_create(name, (int64_t)n, side, side, CLASSES, &s));
    bl_status status = bl_classify_set_names(s, names);
    if (status == BL_OK) status = fill_labels(y, name, s);
    if (status == BL_OK) status = fill_images(x, s);
    if (status != BL_OK) {
        bl_classify_set_free(s);
        return status;
    }
    memcpy(s->mean, mean, sizeof s->mean);
    memcpy(s->std, std, sizeof s->std);
    *out = s;
    return BL_OK;
}

bl_status bl_stl10_read(const char *dir, bl_stl_part part, int32_t size, bl_classify_set **out) {
    static const char *const files[3][2] = {
        {"train_X.bin", "train_y.bin"}, {"test_X.bin", "test_y.bin"}, {"unlabeled_X.bin", NULL}};
    bl_packed content[2] = {{0}};
    bl_status status = BL_OK;
    for (int k = 0; k < 2 && files[part][k] && status == BL_OK; k++) {
        char *path = bl_path_join(dir, files[part][k]);
        status = path ? bl_packed_open(path, most_bytes, &content[k]) : bl_no_memory("for %s", dir);
        free(path);
    }
    if (status == BL_OK)
        status = bl_stl_parse(content[0].data, content[0].size, content[1].data, content[1].size,
                              content[0].name, size, out);
    for (int k = 0; k < 2; k++) bl_packed_close(&content[k]);
    return status;
}
