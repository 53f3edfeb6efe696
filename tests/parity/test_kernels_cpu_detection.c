/* RoIAlign, NMS, top-k, gather and the losses of the CPU tables against plain C. */
#include "tests/parity/detection_inputs.h"

static const double TOL = 1e-5;
static const int32_t block[] = {16, 8, 32, 5};

enum { LEVELS = 3 };

static void roi_align(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int32_t cb,
                      int32_t sampling, bool aligned) {
    int64_t n = 2, c = pick(r, 1, 35), count = pick(r, 0, 12), first = pick(r, 9, 33);
    bl_roi_attr a = {.size = (int32_t)pick(r, 1, 7), .sampling = sampling, .aligned = aligned};
    bl_tensor map[LEVELS], d0[LEVELS], d1[LEVELS];
    const bl_tensor *maps[LEVELS];
    bl_tensor *g0[LEVELS], *g1[LEVELS];
    for (int l = 0; l < LEVELS; l++) {
        int64_t h = (first >> l) + 1, w = ((first + 3) >> l) + 1;
        a.scale[l] = 0.25f / (float)(1 << l);
        map[l] = tensor_random(r, n, c, h, w, cb, -1, 1);
        d0[l] = tensor_random(r, n, c, h, w, cb, -1, 1);
        d1[l] = tensor_copy(&d0[l]);
        maps[l] = &map[l];
        g0[l] = l == 1 && pick(r, 0, 1) ? NULL : &d0[l]; /* a level without gradient */
        g1[l] = g0[l] ? &d1[l] : NULL;
    }
    bl_box rois[16];
    int32_t batch[16], level[16];
    for (int64_t i = 0; i < count; i++) {
        rois[i] = random_box(r, (float)first * 4, (int)pick(r, 0, 9));
        batch[i] = (int32_t)pick(r, 0, n - 1);
        level[i] = (int32_t)pick(r, 0, LEVELS - 1);
        if (pick(r, 0, 7) == 0) level[i] = batch[i] = -1; /* unused */
    }
    bl_tensor y0 = tensor_new(count, c, a.size, a.size, cb),
              y1 = tensor_new(count, c, a.size, a.size, cb);
    ref->roi_align_fwd(maps, LEVELS, rois, batch, level, count, &a, &y0);
    got->roi_align_fwd(maps, LEVELS, rois, batch, level, count, &a, &y1);
    compare_tensors("roi_align_fwd", &y0, &y1, TOL);
    bl_tensor dy = tensor_random(r, count, c, a.size, a.size, cb, -1, 1);
    ref->roi_align_bwd(&dy, rois, batch, level, count, &a, LEVELS, g0);
    got->roi_align_bwd(&dy, rois, batch, level, count, &a, LEVELS, g1);
    for (int l = 0; l < LEVELS; l++) compare_tensors("roi_align_bwd", &d0[l], &d1[l], TOL);
    guards_check("roi align");
}

static void nms(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    int64_t n = pick(r, 0, 400), max_out = pick(r, 0, 1) ? 10000 : pick(r, 0, 60);
    bl_box *box = guarded_new(4 * n);
    float *score = guarded_new(n), thr = bl_rng_range(r, 0, 0.9f);
    int32_t *group = guarded_new(n), *k0 = guarded_new(n), *k1 = guarded_new(n);
    int64_t groups = pick(r, 1, 6);
    for (int64_t i = 0; i < n; i++) {
        box[i] = random_box(r, 60, (int)pick(r, 0, 40));
        if (i > 3 && pick(r, 0, 5) == 0) box[i] = box[i - 3]; /* duplicates */
        score[i] = tied_score(r);
        group[i] = (int32_t)pick(r, -1, groups - 2) * 70001;
        if (pick(r, 0, 9) == 0) group[i] = BL_NMS_OUT;
    }
    int32_t c0, c1;
    CHECK_OK(ref->nms(box, score, group, n, thr, max_out, k0, &c0));
    CHECK_OK(got->nms(box, score, group, n, thr, max_out, k1, &c1));
    CHECK_EQ(c1, c0);
    for (int64_t i = 0; i < c0; i++) CHECK(group[k0[i]] != BL_NMS_OUT);
    for (int64_t i = 0; i < c0; i++) CHECK_EQ(k1[i], k0[i]);
    guards_check("nms");
}

static void topk(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, bool ties) {
    static const int32_t cbs[] = {1, 8, 16, 3};
    int64_t c = pick(r, 1, 20), h = pick(r, 1, 30), w = pick(r, 1, 30), all = c * h * w;
    int64_t k = pick(r, 0, 3) == 0 ? all + 5 : pick(r, 0, all);
    bl_tensor map = tensor_random(r, 2, c, h, w, cbs[pick(r, 0, 3)], -1, 1);
    for (int64_t i = 0; ties && i < 2 * all; i++) {
        int64_t p = i % all;
        bl_f32(&map)[bl_index(&map, i / all, p % c, p / c / w, p / c % w)] = tied_score(r);
    }
    int64_t room = k < all ? k : all;
    int32_t *p0 = guarded_new(room), *p1 = guarded_new(room);
    float *s0 = guarded_new(room), *s1 = guarded_new(room);
    for (int64_t image = 0; image < 2; image++) {
        CHECK_EQ(got->topk(&map, image, k, p1, s1), ref->topk(&map, image, k, p0, s0));
        for (int64_t i = 0; i < room; i++) {
            CHECK_EQ(p1[i], p0[i]);
            CHECK(s1[i] == s0[i] || (isnan(s1[i]) && isnan(s0[i])));
        }
    }
    guards_check("topk");
}

static void gather(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    int32_t per = (int32_t)pick(r, 1, 4), anchors = 3;
    bl_tensor map[2], d0[2], d1[2];
    const bl_tensor *maps[2] = {&map[0], &map[1]};
    bl_tensor *g0[2] = {&d0[0], &d0[1]}, *g1[2] = {&d1[0], &d1[1]};
    for (int l = 0; l < 2; l++) {
        map[l] = tensor_random(r, 2, anchors * per, 6 - l, 7 - l, 16, -1, 1);
        d0[l] = tensor_copy(&map[l]);
        d1[l] = tensor_copy(&map[l]);
    }
    int64_t count = pick(r, 0, 50);
    bl_loc *loc = guarded_new(count * 5);
    for (int64_t i = 0; i < count; i++) {
        int32_t l = (int32_t)pick(r, 0, 1);
        loc[i] = (bl_loc){(int32_t)pick(r, 0, 1), l, (int32_t)pick(r, 0, 5 - l),
                          (int32_t)pick(r, 0, 6 - l), (int32_t)pick(r, 0, anchors - 1)};
    }
    float *y0 = guarded_new(count * per), *y1 = guarded_new(count * per);
    ref->gather(maps, 2, loc, count, per, y0);
    got->gather(maps, 2, loc, count, per, y1);
    compare("gather", y0, y1, count * per, 0);
    ref->scatter_add(y0, loc, count, per, 2, g0);
    got->scatter_add(y0, loc, count, per, 2, g1);
    for (int l = 0; l < 2; l++) compare_tensors("scatter_add", &d0[l], &d1[l], 0);
    guards_check("gather");
}

static void losses(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    int64_t n = pick(r, 0, 40), k = pick(r, 1, 90);
    float *x = random_floats(r, n * k, -8, 8), *weight = random_floats(r, n, 0, 2);
    float *d0 = guarded_new(n * k), *d1 = guarded_new(n * k);
    int32_t *label = guarded_new(n), *first = guarded_new(n);
    for (int64_t i = 0; i < n; i++) label[i] = (int32_t)pick(r, -1, k - 1);
    for (int focal = 0; focal < 2; focal++) {
        const bl_softmax_attr attr = {.focal = 1.5f * (float)focal};
        const float *w = focal ? weight : NULL;
        float a, b;
        ref->softmax_loss(x, n, k, label, w, &attr, 0.5f, d0, &a);
        got->softmax_loss(x, n, k, label, w, &attr, 0.5f, d1, &b);
        CHECK_NEAR(b, a, 1e-5 * (fabsf(a) + 1e-6));
        compare("softmax_loss", d0, d1, n * k, TOL);
    }
    ref->softmax(x, n, k, d0);
    got->softmax(x, n, k, d1);
    compare("softmax", d0, d1, n * k, TOL);
    float *target = random_floats(r, n * k, 0, 1), *w = random_floats(r, n * k, 0, 1);
    float a, b;
    ref->sigmoid_bce(x, n * k, target, w, 0.25f, d0, &a);
    got->sigmoid_bce(x, n * k, target, w, 0.25f, d1, &b);
    CHECK_NEAR(b, a, 1e-5 * (fabsf(a) + 1e-6));
    compare("sigmoid_bce", d0, d1, n * k, TOL);
    int32_t per = k >= 4 ? 4 : 1;
    for (int64_t i = 0; i < n; i++) first[i] = (int32_t)pick(r, -1, k - per);
    ref->smooth_l1(x, n, k, first, target, weight, per, 0.5f, 2, d0, &a);
    got->smooth_l1(x, n, k, first, target, weight, per, 0.5f, 2, d1, &b);
    CHECK_NEAR(b, a, 1e-5 * (fabsf(a) + 1e-6));
    compare("smooth_l1", d0, d1, n * k, TOL);
    guards_check("losses");
}

static void level(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    for (int i = 0; i < 64; i++) roi_align(ref, got, r, block[i % 4], i / 4 % 3, i / 12 % 2);
    for (int i = 0; i < 120; i++) nms(ref, got, r);
    for (int i = 0; i < 80; i++) topk(ref, got, r, i % 2);
    for (int i = 0; i < 20; i++) gather(ref, got, r);
    for (int i = 0; i < 20; i++) losses(ref, got, r);
}

/* Overlapping boxes add up in list order whatever the number of threads. */
static void threads(void) {
    bl_kernels k;
    bl_kernels_init_ref(&k);
    bl_kernels_init_cpu(&k);
    bl_rng r = bl_rng_make(8, 9);
    enum { COUNT = 100 };
    bl_box rois[COUNT];
    int32_t batch[COUNT], level[COUNT] = {0};
    for (int i = 0; i < COUNT; i++) {
        rois[i] = random_box(&r, 100, 9);
        batch[i] = (int32_t)pick(&r, 0, 2);
    }
    bl_roi_attr a = {.size = 7, .sampling = 2, .aligned = true, .scale = {0.25f}};
    bl_tensor dy = tensor_random(&r, COUNT, 40, 7, 7, bl_cpu_block(), -1, 1), map[2];
    for (int t = 0; t < 2; t++) {
        bl_tensor *dmaps[1] = {&map[t]};
        map[t] = tensor_random(&r, 3, 40, 30, 30, bl_cpu_block(), 0, 0);
        bl_set_threads(t + 1);
        k.roi_align_bwd(&dy, rois, batch, level, COUNT, &a, 1, dmaps);
    }
    compare_bits("roi_align_bwd", map[0].data, map[1].data,
                 (size_t)bl_storage(&map[0]) * sizeof(float));
    guards_check("threads");
}

int main(void) {
    for_levels(level, 41);
    threads();
    return 0;
}
