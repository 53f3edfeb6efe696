/* Our own Winograd convolution against plain C, called directly so that no rule keeps it from odd
 * shapes: borders, paddings 0 to 2, channels that do not fill a block, odd numbers of blocks,
 * groups that are not full; and the same bits from any number of threads. */
#include "core/parallel.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/winograd.h"
#include "tests/parity/kernels_parity.h"

/* Of the largest value. The root mean square error, against double precision, is 1e-6 of the
 * output's for 16 channels and 3e-6 for 256 (plain sums in fp32: 2e-7 and 8e-7), single outputs are
 * off by up to twenty times that. */
static const double TOL = 3e-5;

static bl_kernels ref;

static void *scratch_for(const bl_winograd *w, const bl_conv_shape *s, bl_winograd_dir dir) {
    size_t bytes = (w->scratch_bytes(s, dir) + 63) / 64 * 64;
    void *p = aligned_alloc(64, bytes);
    CHECK(p != NULL);
    memset(p, 0xff, bytes); /* NaN: whatever is read unwritten shows */
    return p;
}

static void shape(const bl_winograd *w, bl_rng *r, int32_t n, int32_t ic, int32_t h, int32_t width,
                  int32_t oc, int32_t pad) {
    bl_conv_shape s = {.n = n,
                       .ic = ic,
                       .ih = h,
                       .iw = width,
                       .icb = w->block,
                       .oc = oc,
                       .oh = h + 2 * pad - 2,
                       .ow = width + 2 * pad - 2,
                       .ocb = w->block,
                       .kh = 3,
                       .kw = 3,
                       .stride = 1,
                       .pad = pad,
                       .dilation = 1};
    bl_ctx ctx = {.k = &ref};
    bl_tensor x = tensor_random(r, n, ic, h, width, w->block, -1, 1);
    bl_tensor dy = tensor_random(r, n, oc, s.oh, s.ow, w->block, -1, 1);
    int64_t nw = (int64_t)oc * ic * 9;
    float *weights = random_floats(r, nw, -1, 1), *bias = random_floats(r, oc, -1, 1);
    void *scratch = scratch_for(w, &s, BL_WINOGRAD_FWD);
    for (int mode = 0; mode < 4; mode++) {
        bl_tensor y0 = tensor_new(n, oc, s.oh, s.ow, w->block), y1 = y0;
        y1.data = guarded_new(bl_storage(&y1));
        const float *b = mode & 1 ? bias : NULL;
        CHECK_OK(ref.conv_fwd(&ctx, &s, bl_f32(&x), weights, b, mode & 2, bl_f32(&y0)));
        w->forward(&s, bl_f32(&x), weights, b, mode & 2, bl_f32(&y1), scratch);
        compare_tensors("winograd forward", &y0, &y1, TOL);
    }
    free(scratch);
    scratch = scratch_for(w, &s, BL_WINOGRAD_BWD_DATA);
    for (int add = 0; add < 2; add++) {
        bl_tensor d0 = tensor_random(r, n, ic, h, width, w->block, -1, 1), d1 = tensor_copy(&d0);
        CHECK_OK(ref.conv_bwd_data(&ctx, &s, bl_f32(&dy), weights, bl_f32(&d0), (float)add));
        w->backward_data(&s, bl_f32(&dy), weights, bl_f32(&d1), add, scratch);
        compare_tensors("winograd backward_data", &d0, &d1, TOL);
    }
    free(scratch);
    scratch = scratch_for(w, &s, BL_WINOGRAD_BWD_WEIGHTS);
    for (int with_bias = 0; with_bias < 2; with_bias++) {
        float *dw0 = random_floats(r, nw, -1, 1), *dw1 = copy_floats(dw0, nw);
        float *db0 = random_floats(r, oc, -1, 1), *db1 = copy_floats(db0, oc);
        CHECK_OK(
            ref.conv_bwd_weights(&ctx, &s, bl_f32(&x), bl_f32(&dy), dw0, with_bias ? db0 : NULL));
        w->backward_weights(&s, bl_f32(&x), bl_f32(&dy), dw1, with_bias ? db1 : NULL, scratch);
        compare("winograd backward_weights", dw0, dw1, nw, TOL);
        compare("winograd bias", db0, db1, oc, TOL);
    }
    free(scratch);
    guards_check("winograd");
}

/* The bits do not depend on the number of threads. */
static void threads(const bl_winograd *w, bl_rng *r, int32_t in, int32_t out) {
    bl_conv_shape s = {3, in, 21, 20, w->block, out, 21, 20, w->block, 3, 3, 1, 1, 1, BL_F32};
    bl_tensor x = tensor_random(r, 3, in, 21, 20, w->block, -1, 1);
    int64_t nw = (int64_t)out * in * 9;
    float *weights = random_floats(r, nw, -1, 1), *dw[3];
    bl_tensor y[3], dx[3];
    for (int t = 0; t < 3; t++) {
        bl_set_threads(t + 1);
        y[t] = tensor_new(3, out, 21, 20, w->block);
        dx[t] = tensor_new(3, in, 21, 20, w->block);
        dw[t] = calloc((size_t)nw, sizeof(float));
        void *a = scratch_for(w, &s, BL_WINOGRAD_FWD),
             *b = scratch_for(w, &s, BL_WINOGRAD_BWD_DATA);
        void *c = scratch_for(w, &s, BL_WINOGRAD_BWD_WEIGHTS);
        w->forward(&s, bl_f32(&x), weights, NULL, false, bl_f32(&y[t]), a);
        w->backward_data(&s, bl_f32(&y[0]), weights, bl_f32(&dx[t]), false, b);
        w->backward_weights(&s, bl_f32(&x), bl_f32(&y[0]), dw[t], NULL, c);
        free(a);
        free(b);
        free(c);
        CHECK(memcmp(y[0].data, y[t].data, (size_t)bl_storage(&y[0]) * sizeof(float)) == 0);
        CHECK(memcmp(dx[0].data, dx[t].data, (size_t)bl_storage(&dx[0]) * sizeof(float)) == 0);
        CHECK(memcmp(dw[0], dw[t], (size_t)nw * sizeof(float)) == 0);
    }
    for (int t = 0; t < 3; t++) free(dw[t]);
    bl_set_threads(0);
    guards_check("winograd threads");
}

static void implementation(const bl_winograd *w) {
    bl_rng r = bl_rng_make(11, 5);
    printf("%s, channel block %d\n", w->name, w->block);
    for (int32_t pad = 0; pad <= 2; pad++) {
        shape(w, &r, 2, 8, 4, 4, 8, pad);
        shape(w, &r, 1, 16, 9, 7, 24, pad);
        shape(w, &r, 2, 5, 6, 11, 19, pad);
        shape(w, &r, 3, 40, 5, 3, 16, pad);
    }
    shape(w, &r, 1, 1, 1, 1, 1, 1);
    shape(w, &r, 20, 8, 9, 9, 8, 1);      /* several groups, the last one not full */
    shape(w, &r, 1, 200, 13, 12, 136, 1); /* smallest groups */
    shape(w, &r, 2, 176, 9, 10, 200, 1);  /* AVX-512: backward of weights by points, one slab */
    shape(w, &r, 5, 130, 23, 26, 262, 2); /* and several, the last one not full, odd blocks */
    threads(w, &r, 24, 40);
    threads(w, &r, 180, 200);
}

int main(void) {
#if defined(__x86_64__)
    if (bl_cpu_isa() < BL_ISA_AVX2) SKIP("the processor lacks AVX2");
    bl_kernels_init_ref(&ref);
    implementation(bl_winograd_avx2());
    if (bl_cpu_isa() >= BL_ISA_AVX512) implementation(bl_winograd_avx512());
    return 0;
#else
    SKIP("not an x86 processor");
#endif
}
