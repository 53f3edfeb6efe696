/* The readers of classification sets on arbitrary bytes. The first byte chooses the format; .npy
 * inputs are cut in two by the second and third byte (images, labels). */
#include "core/npy.h"
#include "core/packed_file.h"
#include "datasets/sets/cifar_python.h"
#include "datasets/sets/readers.h"
#include "tests/fuzz/fuzz.h"

/* By address: the set is there only once `status` has been computed. */
static void check_set(bl_status status, bl_classify_set **set) {
    if (status != BL_OK) return;
    bl_classify_set *s = *set;
    HOLDS(s->n >= 0 && s->n_classes >= 1 && s->height >= 1 && s->width >= 1);
    unsigned sum = 0;
    for (int32_t i = 0; i < s->n; i++) {
        HOLDS(s->labels[i] >= BL_CLASSIFY_UNKNOWN && s->labels[i] < s->n_classes);
        sum += bl_classify_image(s, i)[bl_classify_image_bytes(s) - 1];
    }
    HOLDS(sum <= 255u * (unsigned)s->n);
    bl_classify_set_free(s);
}

static void run_npy(const uint8_t *data, size_t size) {
    if (size < 2) return;
    size_t cut = (size_t)data[0] | (size_t)data[1] << 8;
    data += 2;
    size -= 2;
    if (cut > size) cut = size;
    bl_npy a;
    if (bl_npy_parse(data, cut, "fuzz", &a) == BL_OK) {
        HOLDS(a.count >= 0 && a.ndim <= BL_NPY_MAX_DIMS);
        if (a.count > 0 && a.kind != 'f') (void)bl_npy_integer(&a, a.count - 1);
    }
    bl_classify_set *s = NULL;
    check_set(bl_classify_npy_parse(data, cut, "x", cut < size ? data + cut : NULL, size - cut, "y",
                                    0, NULL, &s),
              &s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    uint8_t kind = *data++;
    bl_classify_set *s = NULL;
    uint8_t *unpacked = NULL;
    size_t unpacked_size;
    size--;
    switch (kind % 6) {
    case 0:
        check_set(bl_cifar_parse(data, size, "fuzz", 1, 0, 10, &s), &s);
        break;
    case 1:
        check_set(bl_cifar_parse(data, size, "fuzz", 2, 1, 100, &s), &s);
        break;
    case 2: /* images first, then one label each */
        check_set(bl_stl_parse(data, size / 27649 * 27648, data + size / 27649 * 27648,
                               size - size / 27649 * 27648, "fuzz", 8, &s),
                  &s);
        break;
    case 3:
        run_npy(data, size);
        break;
    case 5:
        check_set(bl_cifar_python_parse(data, size, "fuzz", "labels", 10, &s), &s);
        break;
    default:
        if (bl_xz_unpack(data, size, "fuzz", 1 << 20, &unpacked, &unpacked_size) == BL_OK) {
            HOLDS(unpacked_size <= 1 << 20);
            free(unpacked);
        }
        break;
    }
    return 0;
}
