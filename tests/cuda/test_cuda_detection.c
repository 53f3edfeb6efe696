/* RoIAlign, NMS, top-k, gather and scatter on the device against plain C. */
#include "tests/cuda/cuda_parity.h"
#include "tests/parity/detection_inputs.h"

enum { LEVELS = 3 };

/* Results that must not depend on any order of execution: the first round notes them, later rounds
 * (opposite order of threads and blocks) find the same. */
static uint64_t noted[256];
static int notes, next_note;

static void same_in_every_round(const char *what, const void *host, int64_t words) {
    const uint32_t *p = host;
    uint64_t digest = 1469598103934665603u;
    for (int64_t i = 0; i < words; i++) digest = (digest ^ p[i]) * 1099511628211u;
    CHECK(next_note < 256);
    if (next_note == notes) noted[notes++] = digest;
    if (noted[next_note++] != digest) {
        fprintf(stderr, "%s: the result depends on the order of execution\n", what);
        exit(1);
    }
}

static void roi_align(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t c,
                      int32_t cb, int32_t size, int32_t sampling, bool aligned, int64_t count) {
    int64_t n = 2, first = pick(r, 9, 17);
    bl_roi_attr a = {.size = size, .sampling = sampling, .aligned = aligned};
    bl_tensor map[LEVELS], dmap[LEVELS], grad[LEVELS], dgrad[LEVELS];
    const bl_tensor *maps[LEVELS], *dmaps[LEVELS];
    bl_tensor *grads[LEVELS], *dgrads[LEVELS];
    for (int l = 0; l < LEVELS; l++) {
        int64_t h = (first >> l) + 1, w = ((first + 3) >> l) + 1;
        a.scale[l] = 0.25f / (float)(1 << l);
        map[l] = tensor_random(r, n, c, h, w, cb, -1, 1);
        grad[l] = tensor_random(r, n, c, h, w, cb, -1, 1);
        dmap[l] = tensor_to_device(&map[l]);
        dgrad[l] = tensor_to_device(&grad[l]);
        maps[l] = &map[l];
        dmaps[l] = &dmap[l];
        grads[l] = l == 1 && pick(r, 0, 1) ? NULL : &grad[l]; /* a level without gradient */
        dgrads[l] = grads[l] ? &dgrad[l] : NULL;
    }
    bl_box *rois = guarded_new(4 * count);
    int32_t *batch = guarded_new(count), *level = guarded_new(count);
    for (int64_t i = 0; i < count; i++) {
        rois[i] = random_box(r, (float)first * 4, (int)pick(r, 0, 9));
        batch[i] = (int32_t)pick(r, 0, n - 1);
        level[i] = (int32_t)pick(r, 0, LEVELS - 1);
        if (pick(r, 0, 7) == 0) level[i] = batch[i] = -1; /* unused */
    }
    const bl_box *drois = to_device(rois, 4 * count);
    const int32_t *dbatch = to_device(batch, count), *dlevel = to_device(level, count);
    bl_tensor y = tensor_new(count, c, size, size, cb), gy = y;
    gy.data = device_new(bl_storage(&y));
    ref->roi_align_fwd(maps, LEVELS, rois, batch, level, count, &a, &y);
    got->roi_align_fwd(dmaps, LEVELS, drois, dbatch, dlevel, count, &a, &gy);
    compare_device_tensors("roi_align_fwd", &y, &gy, 0);

    bl_tensor dy = tensor_random(r, count, c, size, size, cb, -1, 1), ddy = tensor_to_device(&dy);
    ref->roi_align_bwd(&dy, rois, batch, level, count, &a, LEVELS, grads);
    got->roi_align_bwd(&ddy, drois, dbatch, dlevel, count, &a, LEVELS, dgrads);
    for (int l = 0; l < LEVELS; l++) {
        bl_tensor host = tensor_to_host(&dgrad[l]);
        compare_tensors("roi_align_bwd", &grad[l], &host, 1e-5);
        same_in_every_round("roi_align_bwd", host.data, bl_storage(&host));
    }
    device_clear();
    guards_check("roi align");
}

static void roi_aligns(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    roi_align(ref, got, r, 3, 3, 7, 2, true, 0);
    roi_align(ref, got, r, 35, 35, 7, 2, true, 12); /* NHWC, as activations are */
    roi_align(ref, got, r, 5, 5, 2, 0, true, 300);  /* more than one list of 256 */
    roi_align(ref, got, r, 19, 8, 3, 0, false, 9);
    roi_align(ref, got, r, 6, 1, 5, 3, false, 7);
    roi_align(ref, got, r, 4, 5, 19, 1, true, 3); /* more bins than a table holds */
    for (int i = 0; i < 4; i++) {
        int64_t c = pick(r, 1, 12);
        roi_align(ref, got, r, c, (int32_t)c, (int32_t)pick(r, 1, 7), i % 3, i % 2, pick(r, 1, 20));
    }
}

static void nms(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t n, int64_t max_out,
                int64_t groups, float size) {
    bl_box *box = guarded_new(4 * n);
    float *score = guarded_new(n), thr = bl_rng_range(r, 0, 0.9f);
    int32_t *group = guarded_new(n), *want = guarded_new(n);
    for (int64_t i = 0; i < n; i++) {
        box[i] = random_box(r, size, (int)pick(r, 0, 40));
        if (i > 3 && pick(r, 0, 5) == 0) box[i] = box[i - 3]; /* duplicates */
        score[i] = tied_score(r);
        group[i] = (int32_t)pick(r, -1, groups - 2) * 70001;
        if (pick(r, 0, 9) == 0) group[i] = BL_NMS_OUT;
    }
    int32_t *keep = device_new(n), *count = device_new(1), kept;
    CHECK_OK(ref->nms(box, score, group, n, thr, max_out, want, &kept));
    CHECK_OK(got->nms(to_device(box, 4 * n), to_device(score, n), to_device(group, n), n, thr,
                      max_out, keep, count));
    compare_device_exact("nms count", &kept, count, 1);
    compare_device_exact("nms", want, keep, kept);
    device_clear();
    guards_check("nms");
}

static void all_nms(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    nms(ref, got, r, 0, 10, 1, 60);
    nms(ref, got, r, 1, 1, 1, 60);
    nms(ref, got, r, 64, 64, 1, 60);
    nms(ref, got, r, 65, 1000, 3, 60);
    nms(ref, got, r, 300, 1000, 2, 200);
    nms(ref, got, r, 300, 40, 1, 200);    /* stops early */
    nms(ref, got, r, 2500, 2500, 2, 100); /* two chunks, a sort of more than a tile */
    nms(ref, got, r, 2500, 90, 40, 900);  /* full before the second */
}

static void topk(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t c, int64_t h,
                 int64_t w, int32_t cb, int64_t k, bool ties) {
    int64_t all = c * h * w, room = k < all ? k : all;
    bl_tensor map = tensor_random(r, 2, c, h, w, cb, -1, 1);
    for (int64_t i = 0; ties && i < 2 * all; i++) {
        int64_t p = i % all;
        bl_f32(&map)[bl_index(&map, i / all, p % c, p / c / w, p / c % w)] = tied_score(r);
    }
    bl_tensor dmap = tensor_to_device(&map);
    int32_t *pos = guarded_new(room), *dpos = device_new(room);
    float *score = guarded_new(room), *dscore = device_new(room);
    for (int64_t image = 0; image < 2; image++) {
        CHECK_EQ(got->topk(&dmap, image, k, dpos, dscore), ref->topk(&map, image, k, pos, score));
        compare_device_exact("topk places", pos, dpos, room);
        compare_device("topk scores", score, dscore, room, 0);
    }
    device_clear();
    guards_check("topk");
}

static void all_topk(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    topk(ref, got, r, 3, 5, 7, 3, 0, false);
    topk(ref, got, r, 3, 5, 7, 3, 20, true);
    topk(ref, got, r, 3, 5, 7, 1, 500, false);   /* more than there are */
    topk(ref, got, r, 9, 17, 23, 9, 100, false); /* searched: NHWC */
    topk(ref, got, r, 9, 17, 23, 8, 700, true);  /* ties: the search goes on into the places */
    topk(ref, got, r, 9, 17, 23, 1, 3518, true);
    topk(ref, got, r, 9, 17, 23, 5, 3519, false); /* all of them */
}

static void gather(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int32_t per, int32_t cb,
                   int64_t count) {
    enum { MAPS = 3, ANCHORS = 3 };
    bl_tensor map[MAPS], dmap[MAPS], grad[MAPS], dgrad[MAPS];
    const bl_tensor *maps[MAPS], *dmaps[MAPS];
    bl_tensor *grads[MAPS], *dgrads[MAPS];
    for (int l = 0; l < MAPS; l++) {
        map[l] = tensor_random(r, 2, ANCHORS * per, 6 - l, 7 - l, cb, -1, 1);
        grad[l] = tensor_copy(&map[l]);
        dmap[l] = tensor_to_device(&map[l]);
        dgrad[l] = tensor_to_device(&map[l]);
        maps[l] = &map[l];
        dmaps[l] = &dmap[l];
        grads[l] = l == 1 && pick(r, 0, 1) ? NULL : &grad[l];
        dgrads[l] = grads[l] ? &dgrad[l] : NULL;
    }
    bl_loc *loc = guarded_new(count * 5);
    for (int64_t i = 0; i < count; i++) {
        int32_t l = (int32_t)pick(r, 0, MAPS - 1);
        loc[i] = (bl_loc){(int32_t)pick(r, 0, 1), l, (int32_t)pick(r, 0, 5 - l),
                          (int32_t)pick(r, 0, 6 - l), (int32_t)pick(r, 0, ANCHORS - 1)};
        if (pick(r, 0, 7) == 0) loc[i] = (bl_loc){-1, -1, -1, -1, -1}; /* unused */
    }
    const bl_loc *dloc = to_device(loc, count * 5);
    float *y = guarded_new(count * per), *dy = device_new(count * per);
    ref->gather(maps, MAPS, loc, count, per, y);
    got->gather(dmaps, MAPS, dloc, count, per, dy);
    compare_device_exact("gather", y, dy, count * per);
    ref->scatter_add(y, loc, count, per, MAPS, grads);
    got->scatter_add(dy, dloc, count, per, MAPS, dgrads);
    for (int l = 0; l < MAPS; l++) {
        compare_device_exact("scatter_add", grad[l].data, dgrad[l].data, bl_storage(&grad[l]));
    }
    device_clear();
    guards_check("gather");
}

static void all_gathers(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    gather(ref, got, r, 4, 12, 0);
    gather(ref, got, r, 4, 12, 1);
    for (int i = 0; i < 6; i++) {
        int32_t per = (int32_t)pick(r, 1, 4), cbs[3] = {per * 3, 1, 8};
        gather(ref, got, r, per, cbs[i % 3], pick(r, 2, 200)); /* most places come up twice */
    }
    gather(ref, got, r, 1, 3, 5000);
}

static void all(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    next_note = 0;
    roi_aligns(ref, got, r);
    all_nms(ref, got, r);
    all_topk(ref, got, r);
    all_gathers(ref, got, r);
}

int main(void) {
    for_cuda(all, 43);
    return 0;
}
