/* Images as a network's input: what datasets/ makes on the CPU, the plain C slot and the device
 * agree to the bit. */
#include "datasets/views/detection/view.h"
#include "datasets/views/normalise.h"
#include "tests/cuda/cuda_parity.h"

enum { IMAGES = 4 };

typedef struct set {
    bl_image image[IMAGES];
    bl_device_image host[IMAGES], device[IMAGES];
} set;

static void make_set(bl_rng *r, set *s, int32_t w, int32_t h) {
    for (int i = 0; i < IMAGES; i++) {
        int32_t iw = i == 0 ? w : 1 + (int32_t)bl_rng_below(r, (uint32_t)w);
        int32_t ih = i == 1 ? h : 1 + (int32_t)bl_rng_below(r, (uint32_t)h);
        int64_t bytes = 3 * (int64_t)iw * ih, words = (bytes + 3) / 4;
        uint8_t *rgb = guarded_new(words);
        for (int64_t k = 0; k < bytes; k++) rgb[k] = (uint8_t)(bl_rng_u32(r) >> 24);
        s->image[i] = (bl_image){iw, ih, rgb};
        s->host[i] = s->device[i] = (bl_device_image){rgb, iw, ih};
        s->device[i].rgb = to_device(rgb, words);
    }
}

static void compare_inputs(const bl_kernels *ref, const bl_kernels *got, const set *s,
                           const bl_input_attr *a, int32_t w, int32_t h, int32_t cb) {
    bl_tensor y = tensor_new(IMAGES, 3, h, w, cb), gy = y;
    gy.data = device_new(bl_storage(&y));
    float *want = guarded_new(IMAGES * 3 * (int64_t)h * w);
    for (int i = 0; i < IMAGES; i++)
        bl_view_normalise(&s->image[i], a->mean, a->std, a->bgr, a->multiple, w, h,
                          want + (int64_t)i * 3 * h * w);
    ref->inputs(s->host, a, &y);
    for (int64_t i = 0, px = (int64_t)h * w; i < IMAGES * 3 * px; i++)
        CHECK(bl_f32(&y)[bl_index(&y, i / px / 3, i / px % 3, i % px / w, i % px % w)] == want[i]);
    got->inputs(to_device(s->device, IMAGES * (int64_t)sizeof *s->device / 4), a, &gy);
    compare_device_exact("inputs", y.data, gy.data, bl_storage(&y));
}

static void all(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    static const int32_t blocks[] = {1, 3, 1, 8};
    static const int32_t sides[][2] = {{32, 64}, {65, 33}, {1, 1}};
    for (int i = 0; i < 3; i++) {
        for (int pass = 0; pass < 4; pass++) {
            set s;
            bl_input_attr a = {.mean = {123.675f, 116.28f, 103.53f},
                               .std = {58.395f, 57.12f, 57.375f},
                               .bgr = pass % 2,
                               .multiple = pass < 2 ? 1 : 16};
            make_set(r, &s, sides[i][0], sides[i][1]);
            compare_inputs(ref, got, &s, &a, sides[i][0], sides[i][1], blocks[pass]);
            device_clear();
            guards_check("inputs");
        }
    }
}

int main(void) {
    for_cuda(all, 59);
    return 0;
}
