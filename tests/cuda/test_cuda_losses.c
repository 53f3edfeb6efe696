/* Losses, softmax and L2 normalisation on the device against plain C. */
#include "tests/cuda/cuda_parity.h"

static const double TOL = 1e-5;

/* got is on the device. */
static void near(const char *what, float want, const float *device) {
    float got = *(float *)to_host(device, 1);
    if (fabsf(want - got) <= TOL * (fabsf(want) + 1e-6)) return;
    fprintf(stderr, "%s: the loss is %.9g, expected %.9g\n", what, got, want);
    exit(1);
}

typedef struct matrix {
    int64_t n, k;
    float *x, *weight, *target, *bias, *margin, *d; /* on the host */
    float *gx, *gweight, *gtarget, *gbias, *gmargin, *gd;
} matrix;

static matrix matrix_random(bl_rng *r, int64_t n, int64_t k) {
    matrix m = {.n = n, .k = k};
    m.x = random_floats(r, n * k, -8, 8);
    m.gx = to_device(m.x, n * k);
    m.weight = random_floats(r, n, 0, 2);
    m.gweight = to_device(m.weight, n);
    m.target = random_floats(r, n * k, 0, 1);
    for (int64_t i = 0; i < n * k; i += 3) m.target[i] = 0;
    m.gtarget = to_device(m.target, n * k);
    m.bias = random_floats(r, k, -2, 2);
    m.gbias = to_device(m.bias, k);
    m.margin = random_floats(r, k, 0, 1);
    m.gmargin = to_device(m.margin, k);
    m.d = guarded_new(n * k);
    m.gd = device_new(n * k);
    return m;
}

static void softmax_losses(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, matrix *m) {
    int32_t *label = guarded_new(m->n);
    for (int64_t i = 0; i < m->n; i++) label[i] = (int32_t)pick(r, -1, m->k - 1);
    const int32_t *glabel = to_device(label, m->n);
    float x, *y = device_new(1);
    for (int kind = 0; kind < 8; kind++) {
        bool lists = kind & 1, weights = kind & 2, focal = kind & 4;
        bl_softmax_attr a = {.gain = lists ? 1.7f : 0,
                             .bias = lists ? m->bias : NULL,
                             .margin = lists ? m->margin : NULL,
                             .focal = focal ? 1.5f : 0,
                             .weight_in_focal = focal && weights};
        bl_softmax_attr b = a;
        b.bias = lists ? m->gbias : NULL;
        b.margin = lists ? m->gmargin : NULL;
        ref->softmax_loss(m->x, m->n, m->k, label, weights ? m->weight : NULL, &a, 0.5f, m->d, &x);
        got->softmax_loss(m->gx, m->n, m->k, glabel, weights ? m->gweight : NULL, &b, 0.5f, m->gd,
                          y);
        near("softmax_loss", x, y);
        compare_device("softmax_loss", m->d, m->gd, m->n * m->k, TOL);
        a.margin = b.margin = NULL;
        ref->soft_target_loss(m->x, m->n, m->k, m->target, weights ? m->weight : NULL, &a, 0.5f,
                              m->d, &x);
        got->soft_target_loss(m->gx, m->n, m->k, m->gtarget, weights ? m->gweight : NULL, &b, 0.5f,
                              m->gd, y);
        near("soft_target_loss", x, y);
        compare_device("soft_target_loss", m->d, m->gd, m->n * m->k, TOL);
    }
    ref->entropy_loss(m->x, m->n, m->k, m->weight, 0.5f, m->d, &x);
    got->entropy_loss(m->gx, m->n, m->k, m->gweight, 0.5f, m->gd, y);
    near("entropy_loss", x, y);
    compare_device("entropy_loss", m->d, m->gd, m->n * m->k, TOL);
    ref->softmax(m->x, m->n, m->k, m->d);
    got->softmax(m->gx, m->n, m->k, m->gd);
    compare_device("softmax", m->d, m->gd, m->n * m->k, TOL);
}

static void elementwise(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, matrix *m) {
    int64_t n = m->n, k = m->k, all = n * k;
    float *w = random_floats(r, all, 0, 1), *gw = to_device(w, all), x, *y = device_new(1);
    for (int weights = 0; weights < 2; weights++) {
        ref->sigmoid_bce(m->x, all, m->target, weights ? w : NULL, 0.25f, m->d, &x);
        got->sigmoid_bce(m->gx, all, m->gtarget, weights ? gw : NULL, 0.25f, m->gd, y);
        near("sigmoid_bce", x, y);
        compare_device("sigmoid_bce", m->d, m->gd, all, TOL);
        int32_t per = k >= 4 ? 4 : 1, *first = guarded_new(n);
        for (int64_t i = 0; i < n; i++) first[i] = (int32_t)pick(r, -1, k - per);
        float beta = weights ? 0.5f : 0;
        ref->smooth_l1(m->x, n, k, first, m->target, weights ? m->weight : NULL, per, beta, 2, m->d,
                       &x);
        got->smooth_l1(m->gx, n, k, to_device(first, n), m->gtarget, weights ? m->gweight : NULL,
                       per, beta, 2, m->gd, y);
        near("smooth_l1", x, y);
        compare_device("smooth_l1", m->d, m->gd, all, TOL);
    }
}

static void losses(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t n, int64_t k) {
    matrix m = matrix_random(r, n, k);
    softmax_losses(ref, got, r, &m);
    elementwise(ref, got, r, &m);
    device_clear();
    guards_check("losses");
}

static void info_nce(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t n, int64_t c,
                     int64_t nq) {
    float *q = random_floats(r, n * c, -1, 1), *key = random_floats(r, n * c, -1, 1);
    float *s = random_floats(r, n * nq, -1, 1), *d = guarded_new(n * c), *gd = device_new(n * c);
    float *gs = to_device(s, n * nq), x, *y = device_new(1);
    got->info_nce(to_device(q, n * c), to_device(key, n * c), n, c, nq, 0.2f, 0.5f, gs, gd, y);
    ref->info_nce(q, key, n, c, nq, 0.2f, 0.5f, s, d, &x);
    near("info_nce", x, y);
    compare_device("info_nce queue", s, gs, n * nq, TOL);
    compare_device("info_nce keys", d, gd, n * c, TOL);
    device_clear();
    guards_check("info_nce");
}

static void l2_normalize(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t rows,
                         int64_t cols) {
    float *x = random_floats(r, rows * cols, -1, 1), eps = 1e-6f;
    for (int64_t c = 0; rows > 1 && c < cols; c++) x[cols + c] = 0; /* a row below eps */
    float *y = guarded_new(rows * cols), *gy = device_new(rows * cols);
    float *norm = guarded_new(rows), *gnorm = device_new(rows);
    ref->l2_normalize(x, rows, cols, eps, y, norm);
    got->l2_normalize(to_device(x, rows * cols), rows, cols, eps, gy, gnorm);
    compare_device("l2_normalize", y, gy, rows * cols, TOL);
    compare_device("l2_normalize norm", norm, gnorm, rows, TOL);
    float *dy = random_floats(r, rows * cols, -1, 1), *gdy = to_device(dy, rows * cols);
    float *dx = random_floats(r, rows * cols, -1, 1), *gdx = to_device(dx, rows * cols);
    for (int beta = 1; beta >= 0; beta--) {
        ref->l2_normalize_bwd(y, norm, dy, rows, cols, dx, (float)beta);
        got->l2_normalize_bwd(gy, gnorm, gdy, rows, cols, gdx, (float)beta);
        compare_device("l2_normalize_bwd", dx, gdx, rows * cols, TOL);
    }
    device_clear();
    guards_check("l2_normalize");
}

static void all(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    losses(ref, got, r, 0, 5);
    losses(ref, got, r, 7, 1);
    losses(ref, got, r, 40, 10);
    losses(ref, got, r, 9, 81);
    losses(ref, got, r, 3, 1204);
    info_nce(ref, got, r, 0, 16, 3);
    info_nce(ref, got, r, 5, 16, 0);
    info_nce(ref, got, r, 5, 130, 37);
    info_nce(ref, got, r, 2, 16, 1000);
    l2_normalize(ref, got, r, 0, 5);
    l2_normalize(ref, got, r, 6, 1);
    l2_normalize(ref, got, r, 5, 300);
}

int main(void) {
    for_cuda(all, 47);
    return 0;
}
