/* Views of small images: what datasets/ makes on the CPU, the plain C slot and the device agree to
 * the bit, drawn with the same random numbers. */
#include "datasets/views/classification/view.h"
#include "tests/cuda/cuda_parity.h"

enum { IMAGES = 3, VIEWS = 12 };

/* Images whose channels use all values, few, and one. */
static bl_classify_set *make_set(bl_rng *r, int w, int h) {
    bl_classify_set *s;
    CHECK_OK(bl_classify_set_create("set", IMAGES, h, w, 2, &s));
    for (size_t i = 0; i < IMAGES * bl_classify_image_bytes(s); i++) {
        size_t image = i / bl_classify_image_bytes(s);
        uint32_t v = bl_rng_u32(r) % 256;
        s->pixels[i] = (uint8_t)(image == 0 ? v : image == 1 ? 90 + v % 40 : i % 3 ? v / 64 : 7);
    }
    for (int c = 0; c < 3; c++) {
        s->mean[c] = 0.4f + 0.1f * (float)c;
        s->std[c] = 0.3f;
    }
    return s;
}

typedef struct drawn {
    bl_view_plan plan[VIEWS];
    bl_view_step step[VIEWS * BL_CLASSIFY_MAX_STEPS];
    int32_t steps;
    bl_pixel_scale scale;
} drawn;

/* Draws VIEWS views, and makes them as the loader does: planar rows. */
static float *draw(bl_classify_views *v, const bl_classify_set *set, bl_classify_view_kind kind,
                   uint64_t key, drawn *d) {
    int64_t row = 3 * (int64_t)set->width * set->height;
    float *rows = guarded_new(VIEWS * row);
    *d = (drawn){0};
    for (int c = 0; c < 3; c++) {
        d->scale.mean[c] = 255 * set->mean[c];
        d->scale.std[c] = 255 * set->std[c];
    }
    for (int i = 0; i < VIEWS; i++) {
        bl_rng rng = bl_rng_make(key, (uint64_t)i), same = rng;
        bl_classify_view_info info, other;
        int32_t image = i % IMAGES;
        bl_classify_view_make(v, kind, bl_classify_image(set, image), set->mean, set->std, &rng,
                              rows + i * row, &info);
        CHECK(bl_classify_view_draw(v, kind, &same, &d->plan[i], d->step + d->steps, &other));
        CHECK_EQ(info.turn, other.turn);
        CHECK(!memcmp(&rng, &same, sizeof rng));
        d->plan[i].image = image;
        d->plan[i].first = d->steps;
        d->steps += d->plan[i].steps;
    }
    return rows;
}

static void views(const bl_kernels *ref, const bl_kernels *got, const bl_classify_set *set,
                  const float *rows, const drawn *d, int32_t cb) {
    int64_t words = (IMAGES * (int64_t)bl_classify_image_bytes(set) + 3) / 4;
    uint8_t *images = guarded_new(words);
    memcpy(images, set->pixels, IMAGES * bl_classify_image_bytes(set));
    bl_tensor y = tensor_new(VIEWS, 3, set->height, set->width, cb), gy = y;
    gy.data = device_new(bl_storage(&y));
    CHECK_OK(ref->views(images, d->plan, d->step, &d->scale, &y));
    for (int64_t i = 0, px = y.h * y.w; i < VIEWS * 3 * px; i++) {
        int64_t at = bl_index(&y, i / px / 3, i / px % 3, i % px / y.w, i % px % y.w);
        CHECK(bl_f32(&y)[at] == rows[i]);
    }
    CHECK_OK(got->views(
        to_device(images, words), to_device(d->plan, VIEWS * (int64_t)sizeof *d->plan / 4),
        to_device(d->step, d->steps * (int64_t)sizeof *d->step / 4), &d->scale, &gy));
    compare_device_exact("views", y.data, gy.data, bl_storage(&y));
}

static void set_of(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int w, int h) {
    static drawn d;
    static const bl_classify_view_kind kinds[] = {BL_CLASSIFY_PLAIN, BL_CLASSIFY_WEAK,
                                                  BL_CLASSIFY_ROTATION};
    bl_classify_set *set = make_set(r, w, h);
    for (int pass = 0; pass < 6; pass++) { /* three kinds, three recipes of strong views */
        bl_classify_view_config cfg = {.flip = 0.5, .pad = -1, .cutout = -1, .pad_mode = pass % 2};
        bl_classify_view_kind kind = pass < 3 ? kinds[pass] : BL_CLASSIFY_STRONG;
        if (kind == BL_CLASSIFY_STRONG) {
            cfg.strong = pass - 3;
            cfg.strong_ops = 6;
        }
        bl_classify_views *v;
        CHECK_OK(bl_classify_views_create(&cfg, set, &v));
        const float *rows = draw(v, set, kind, bl_rng_u32(r), &d);
        views(ref, got, set, rows, &d, pass % 2 ? 3 : 1);
        if (pass == 3) views(ref, got, set, rows, &d, 8);
        bl_classify_views_destroy(v);
        device_clear();
        guards_check("views");
    }
    bl_classify_set_free(set);
}

static void all(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    set_of(ref, got, r, 32, 32);
    set_of(ref, got, r, 17, 13);
    set_of(ref, got, r, 96, 84); /* too large for shared memory */
}

int main(void) {
    for_cuda(all, 53);
    return 0;
}
