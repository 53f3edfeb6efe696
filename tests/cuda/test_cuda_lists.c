/* The lists of a detection step on the device against plain C: anchors, matching, sampling,
 * targets, proposals. Everything but encoded and decoded boxes is compared bit for bit. */
#include "tests/cuda/cuda_parity.h"
#include "tests/parity/detection_inputs.h"

enum { IMAGES = 3 };

static const float EXACT = 0;
static const double MATH = 1e-6; /* logf, expf: a device's own */

/* n bytes, in host memory and on the device. */
typedef struct flags {
    uint8_t *host, *device;
} flags;
static flags flags_new(bl_rng *r, int64_t n, int of) {
    flags f = {guarded_new((n + 3) / 4), NULL};
    for (int64_t i = 0; i < n; i++) f.host[i] = pick(r, 0, of) > 0;
    f.device = to_device(f.host, (n + 3) / 4);
    return f;
}

/* Ground truth on a grid of integers, so that IoUs tie; some flat, some ignored. */
typedef struct truth {
    bl_gt_kernel host, device;
} truth;
static truth truth_new(bl_rng *r, int64_t cap, bool ignore, int32_t classes) {
    int64_t n = IMAGES * cap;
    bl_box *box = guarded_new(4 * n);
    int32_t *label = guarded_new(n), *count = guarded_new(IMAGES);
    for (int64_t i = 0; i < n; i++) {
        float x = 4 * (float)pick(r, 0, 40), y = 4 * (float)pick(r, 0, 30);
        box[i] = (bl_box){x, y, x + 8 * (float)pick(r, 0, 9), y + 8 * (float)pick(r, 1, 9)};
        if (i % cap > 0 && pick(r, 0, 4) == 0) box[i] = box[i - 1];
        label[i] = (int32_t)pick(r, 0, classes - 1);
    }
    for (int i = 0; i < IMAGES; i++) count[i] = i == 1 ? 0 : (int32_t)pick(r, 0, cap);
    flags f = {0};
    if (ignore) {
        f = flags_new(r, n, 4);
        for (int64_t i = 0; i < n; i++) f.host[i] = !f.host[i];
        f.device = to_device(f.host, (n + 3) / 4);
    }
    truth t = {.host = {box, label, f.host, count, cap, IMAGES}};
    t.device = (bl_gt_kernel){to_device(box, 4 * n),
                              to_device(label, n),
                              f.device,
                              to_device(count, IMAGES),
                              cap,
                              IMAGES};
    return t;
}

static bl_box grid_box(bl_rng *r) {
    float x = 4 * (float)pick(r, -2, 40), y = 4 * (float)pick(r, -2, 30);
    return (bl_box){x, y, x + 8 * (float)pick(r, 0, 9), y + 8 * (float)pick(r, 0, 9)};
}

static void match(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t n, int64_t cap,
                  bl_low_quality low, bool shared, int64_t own) {
    truth t = truth_new(r, cap, pick(r, 0, 1), 5);
    int64_t boxes = shared ? n : IMAGES * n, all = IMAGES * n;
    bl_box *box = guarded_new(4 * boxes);
    for (int64_t i = 0; i < boxes; i++) {
        box[i] = pick(r, 0, 9) ? grid_box(r) : random_box(r, 150, 9);
        if (!shared && i % n < own) box[i] = t.host.box[i / n * cap + i % n];
    }
    flags valid = {0};
    if (pick(r, 0, 1)) valid = flags_new(r, all, 6);
    bl_match_rule rule = {0.5f, 0.3f, pick(r, 0, 1) ? 0.2f : 0, low, 0.5f};
    int32_t *want = guarded_new(all), *out = device_new(all);
    bl_candidates_kernel c = {box, valid.host, n, own, shared}, d = c;
    d.box = to_device(box, 4 * boxes);
    d.valid = valid.device;
    CHECK_OK(ref->match(&c, &t.host, &rule, want));
    CHECK_OK(got->match(&d, &t.device, &rule, out));
    compare_device_exact("match", want, out, all);
    device_clear();
    guards_check("match");
}

static void matches(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    match(ref, got, r, 1, 1, BL_LOWQ_RELABEL, true, 0);
    match(ref, got, r, 700, 9, BL_LOWQ_NONE, true, 0);
    match(ref, got, r, 700, 9, BL_LOWQ_NONE, false, 9);
    for (int i = 0; i < 12; i++) {
        match(ref, got, r, pick(r, 1, 1300), pick(r, 1, 20), (bl_low_quality)(i % 3), i % 2, 0);
    }
}

/* Sampled rows of `match`, on both sides. */
typedef struct sampled {
    bl_samples_kernel host, device;
    int64_t used;
} sampled;
static bl_samples_kernel rows_new(int64_t n, bool device) {
    void *(*make)(int64_t) = device ? device_new : guarded_new;
    return (bl_samples_kernel){make(n), make(n), make(n), make(2 * IMAGES), n};
}
static sampled sample(const bl_kernels *ref, const bl_kernels *got, const int32_t *match, int64_t n,
                      const bl_sample_attr *a) {
    int64_t most = a->pos_only ? a->max_pos : a->batch, room = IMAGES * (most < n ? most : n);
    sampled s = {rows_new(room, false), rows_new(room, true), 0};
    s.used = ref->sample(match, IMAGES, n, a, &s.host);
    CHECK_EQ(got->sample(to_device(match, IMAGES * n), IMAGES, n, a, &s.device), room);
    compare_device_exact("sample: counts", s.host.count, s.device.count, 2 * IMAGES);
    compare_device_exact("sample: images", s.host.image, s.device.image, room);
    compare_device_exact("sample: candidates", s.host.index, s.device.index, room);
    compare_device_exact("sample: boxes", s.host.gt, s.device.gt, room);
    return s;
}

/* kinds: of how many candidates one is foreground, one ignored. */
static int32_t *matches_new(bl_rng *r, int64_t n, int64_t cap, int kinds) {
    int32_t *match = guarded_new(IMAGES * n);
    for (int64_t i = 0; i < IMAGES * n; i++) {
        int64_t kind = pick(r, 0, kinds);
        match[i] = kind == 0   ? (int32_t)pick(r, 0, cap - 1)
                   : kind == 1 ? BL_MATCH_IGNORE
                               : BL_MATCH_NEGATIVE;
    }
    return match;
}

static void samples(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    for (int i = 0; i < 16; i++) {
        int64_t n = i < 8 ? pick(r, 1, 90) : pick(r, 300, 3000), batch = pick(r, 1, 80);
        if (i == 3) batch = 5000; /* all of them */
        bl_sample_attr a = {batch, pick(r, 0, batch), i % 5 == 4, 7, (uint64_t)i, 99};
        sample(ref, got, matches_new(r, n, 4, (int)pick(r, 1, 12)), n, &a);
        device_clear();
        guards_check("sample");
    }
}

static bl_anchor_grid grid_new(bl_rng *r) {
    bl_anchor_grid g = {.n_levels = 3, .per_cell = (int32_t)pick(r, 1, 4)};
    for (int l = 0; l < g.n_levels; l++) {
        g.stride_x[l] = g.stride_y[l] = 8 << l;
        g.h[l] = (int32_t)pick(r, 1, 12 >> l);
        g.w[l] = (int32_t)pick(r, 1, 16 >> l);
        for (int a = 0; a < g.per_cell; a++) g.base[l][a] = random_box(r, 30, 9);
        g.first[l + 1] = g.first[l] + g.h[l] * g.w[l] * g.per_cell;
    }
    return g;
}

static const bl_box_coder coder = {{0.1f, 0.1f, 0.2f, 0.2f}, 4, true};

static void anchors(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    bl_anchor_grid g = grid_new(r);
    int64_t n = g.first[g.n_levels], words = (IMAGES * n + 3) / 4;
    bl_size *size = guarded_new(2 * IMAGES);
    for (int i = 0; i < IMAGES; i++)
        size[i] = (bl_size){(float)pick(r, 1, 130), (float)pick(r, 1, 100)};
    bl_box *box = guarded_new(4 * n), *dbox = device_new(4 * n);
    uint8_t *valid = guarded_new(words), *dvalid = device_new(words);
    const bl_size *dsize = to_device(size, 2 * IMAGES);
    ref->anchors(&g, IMAGES, size, 16, box, valid);
    got->anchors(&g, IMAGES, dsize, 16, dbox, dvalid);
    compare_device_exact("anchors", box, dbox, 4 * n);
    compare_device_exact("valid anchors", valid, dvalid, IMAGES * n / 4);
    got->anchors(&g, 0, NULL, 16, dbox, NULL);
    device_clear();
    guards_check("anchors");
}

static void targets(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, float normaliser) {
    bl_anchor_grid g = grid_new(r);
    truth t = truth_new(r, 6, false, 5);
    int64_t n = g.first[g.n_levels];
    bl_sample_attr a = {pick(r, 1, 60), 0, pick(r, 0, 3) == 0, 3, 5, 7};
    a.max_pos = (a.batch + 1) / 2;
    sampled s = sample(ref, got, matches_new(r, n, 6, 6), n, &a);
    int64_t rows = s.host.n;
    void *want[] = {guarded_new(5 * rows), guarded_new(rows), guarded_new(rows), guarded_new(rows),
                    guarded_new(4 * rows)};
    void *out[] = {device_new(5 * rows), device_new(rows), device_new(rows), device_new(rows),
                   device_new(4 * rows)};
    ref->anchor_targets(&g, &coder, &s.host, &t.host, normaliser, want[0], want[1], want[2],
                        want[3], want[4]);
    got->anchor_targets(&g, &coder, &s.device, &t.device, normaliser, out[0], out[1], out[2],
                        out[3], out[4]);
    compare_device_exact("anchor targets: places", want[0], out[0], 5 * rows);
    compare_device("anchor targets: objects", want[1], out[1], rows, EXACT);
    compare_device("anchor targets: weights", want[2], out[2], rows, EXACT);
    compare_device_exact("anchor targets: columns", want[3], out[3], rows);
    compare_device("anchor targets: boxes", want[4], out[4], 4 * rows, MATH);
    const float *weight = want[2];
    for (int64_t i = 0; i < rows; i++) CHECK((weight[i] > 0) == (i < s.used));
    device_clear();
    guards_check("anchor targets");
}

static void rois(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, bool own) {
    int64_t cap = pick(r, 1, 50), gts = pick(r, 1, 7);
    truth t = truth_new(r, gts, false, 5);
    bl_box *prop = guarded_new(4 * IMAGES * cap);
    int32_t *count = guarded_new(IMAGES);
    for (int64_t i = 0; i < IMAGES * cap; i++) prop[i] = grid_box(r);
    for (int i = 0; i < IMAGES; i++) count[i] = (int32_t)pick(r, 0, cap);
    int64_t first = own ? gts : 0, n = first + cap, all = IMAGES * n, words = (all + 3) / 4;
    bl_candidates_kernel c = {guarded_new(4 * all), guarded_new(words), n, first, false}, d = c;
    d.box = device_new(4 * all);
    d.valid = device_new(words);
    ref->candidates(&t.host, prop, count, cap, first, (bl_box *)c.box, (uint8_t *)c.valid);
    got->candidates(&t.device, to_device(prop, 4 * IMAGES * cap), to_device(count, IMAGES), cap,
                    first, (bl_box *)d.box, (uint8_t *)d.valid);
    compare_device_exact("candidates", c.box, d.box, 4 * all);
    compare_device_exact("valid candidates", c.valid, d.valid, all / 4);
    bl_match_rule rule = {0.5f, 0.5f, 0, BL_LOWQ_NONE, 0.5f};
    int32_t *match = guarded_new(all);
    CHECK_OK(ref->match(&c, &t.host, &rule, match));
    bl_sample_attr a = {30, 10, pick(r, 0, 1), 3, 5, 7};
    sampled s = sample(ref, got, match, n, &a);
    int64_t rows = s.host.n;
    void *want[] = {guarded_new(4 * rows), guarded_new(rows), guarded_new(rows),
                    guarded_new(rows),     guarded_new(rows), guarded_new(4 * rows)};
    void *out[] = {device_new(4 * rows), device_new(rows), device_new(rows),
                   device_new(rows),     device_new(rows), device_new(4 * rows)};
    ref->roi_targets(&c, &coder, &s.host, &t.host, 5, want[0], want[1], want[2], want[3], want[4],
                     want[5]);
    got->roi_targets(&d, &coder, &s.device, &t.device, 5, out[0], out[1], out[2], out[3], out[4],
                     out[5]);
    compare_device_exact("RoIs", want[0], out[0], 4 * rows);
    compare_device_exact("RoI labels", want[1], out[1], rows);
    compare_device_exact("RoI weights", want[2], out[2], rows);
    compare_device_exact("RoI shares", want[3], out[3], rows);
    compare_device_exact("RoI columns", want[4], out[4], rows);
    compare_device("RoI boxes", want[5], out[5], 4 * rows, MATH);
    bl_level_rule level = {12, 1e-6f, 0, 4};
    int32_t *levels = guarded_new(rows), *dlevels = device_new(rows);
    ref->levels(want[0], s.host.image, rows, &level, levels);
    got->levels(out[0], s.device.image, rows, &level, dlevels);
    compare_device_exact("levels", levels, dlevels, rows);
    device_clear();
    guards_check("RoIs");
}

/* Weights of rows, rows mapped to another image, and what comes back for them. */
static void rows(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t n) {
    float *v = random_floats(r, n, -0.2f, 1), *u = random_floats(r, n, 0, 2);
    float *want = guarded_new(n), *out = device_new(n);
    const float *dv = to_device(v, n), *du = to_device(u, n);
    for (int mode = 0; mode < 4; mode++) {
        ref->row_weights(v, mode & 1 ? u : NULL, n, mode / 2, want);
        got->row_weights(dv, mode & 1 ? du : NULL, n, mode / 2, out);
        compare_device("row weights", want, out, n, MATH);
    }
    bl_box *box = guarded_new(4 * n), *to = guarded_new(4 * n), *dto = device_new(4 * n);
    int32_t *label = guarded_new(n), *image = guarded_new(n);
    int32_t *row = guarded_new(n), *drow = device_new(n), *at = guarded_new(n);
    int32_t *dat = device_new(n);
    for (int64_t i = 0; i < n; i++) {
        box[i] = grid_box(r);
        label[i] = (int32_t)pick(r, -1, 2);
        image[i] = label[i] < 0 ? -1 : (int32_t)pick(r, 0, IMAGES - 1);
    }
    float *map = random_floats(r, 6 * IMAGES, -1, 1);
    bl_size *size = guarded_new(2 * IMAGES);
    for (int i = 0; i < IMAGES; i++)
        size[i] = (bl_size){(float)pick(r, 40, 130), (float)pick(r, 40, 100)};
    ref->map_rows(label, 1, box, image, n, (const bl_affine *)map, size, row, to, at);
    CHECK_EQ(got->map_rows(to_device(label, n), 1, to_device(box, 4 * n), to_device(image, n), n,
                           to_device(map, 6 * IMAGES), to_device(size, 2 * IMAGES), drow, dto, dat),
             n);
    compare_device_exact("mapped rows", row, drow, n);
    compare_device_exact("mapped boxes", to, dto, 4 * n);
    compare_device_exact("mapped images", at, dat, n);
    float *x = random_floats(r, 5 * n, 0, 1), *dw = to_device(want, n);
    ref->scatter_column(x, n, 5, 3, row, want);
    got->scatter_column(to_device(x, 5 * n), n, 5, 3, drow, dw);
    compare_device_exact("scattered column", want, dw, n);
    device_clear();
    guards_check("rows");
}

/* The whole of bl_list_proposals' kernels behind the selection. */
static void proposals(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t post) {
    bl_anchor_grid g = grid_new(r);
    bl_tensor reg[3], dreg[3];
    const bl_tensor *regs[3], *dregs[3];
    bl_proposals_kernel p = {.images = IMAGES, .levels = 3, .least = 2};
    for (int l = 0; l < g.n_levels; l++) {
        int64_t all = g.first[l + 1] - g.first[l];
        reg[l] = tensor_random(r, IMAGES, 4 * g.per_cell, g.h[l], g.w[l],
                               pick(r, 0, 1) ? 4 * g.per_cell : 1, -1, 1);
        dreg[l] = tensor_to_device(&reg[l]);
        regs[l] = &reg[l];
        dregs[l] = &dreg[l];
        p.first[l + 1] = p.per_image += pick(r, 1, all);
    }
    int64_t n = IMAGES * p.per_image;
    int32_t *pos = guarded_new(n);
    float *logit = guarded_new(n);
    for (int64_t i = 0; i < n; i++) {
        int l = 0;
        while (i % p.per_image >= p.first[l + 1]) l++;
        pos[i] = (int32_t)pick(r, 0, g.first[l + 1] - g.first[l] - 1);
        logit[i] = tied_score(r);
    }
    bl_size *size = guarded_new(2 * IMAGES);
    for (int i = 0; i < IMAGES; i++)
        size[i] = (bl_size){(float)pick(r, 40, 130), (float)pick(r, 40, 100)};
    bl_box *box = guarded_new(4 * n), *dbox = device_new(4 * n);
    int32_t *group = guarded_new(n), *dgroup = device_new(n);
    bl_proposals_kernel d = p;
    p.pos = pos;
    p.size = size;
    d.pos = to_device(pos, n);
    d.size = to_device(size, 2 * IMAGES);
    const float *dlogit = to_device(logit, n);
    ref->decode(&p, &g, &coder, regs, logit, box, group);
    got->decode(&d, &g, &coder, dregs, dlogit, dbox, dgroup);
    compare_device("decoded", &box[0].x1, &dbox[0].x1, 4 * n, MATH);
    compare_device_exact("groups", group, dgroup, n);

    int32_t *keep = guarded_new(IMAGES * post), *count = guarded_new(IMAGES);
    for (int i = 0; i < IMAGES; i++) count[i] = (int32_t)pick(r, 0, post);
    for (int64_t i = 0; i < IMAGES * post; i++) keep[i] = (int32_t)pick(r, 0, p.per_image - 1);
    bl_box *out = guarded_new(4 * IMAGES * post), *dout = device_new(4 * IMAGES * post);
    float *score = guarded_new(IMAGES * post), *dscore = device_new(IMAGES * post);
    ref->kept(IMAGES, p.per_image, post, keep, count, box, logit, out, score);
    got->kept(IMAGES, p.per_image, post, to_device(keep, IMAGES * post), to_device(count, IMAGES),
              to_device(box, 4 * n), dlogit, dout, dscore);
    compare_device_exact("kept", out, dout, 4 * IMAGES * post);
    compare_device("kept scores", score, dscore, IMAGES * post, MATH);
    device_clear();
    guards_check("proposals");
}

static void all(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    matches(ref, got, r);
    samples(ref, got, r);
    rows(ref, got, r, 1);
    rows(ref, got, r, 700);
    for (int i = 0; i < 4; i++) {
        anchors(ref, got, r);
        targets(ref, got, r, i % 2 ? 64.0f : 0);
        rois(ref, got, r, i % 2);
        proposals(ref, got, r, 1 + 20 * i);
    }
}

int main(void) {
    for_cuda(all, 71);
    return 0;
}
