#include "tests/grad/gradcheck.h"

enum { SKIP_NONE, SKIP_OTHER, SKIP_SELF };

typedef struct norm_case {
    bl_norm_kind kind;
    int skip;
    bl_act act;
    int32_t groups;
    bool pass_through; /* x comes from an op, so that the norm may work in place */
} norm_case;

/* in: x, gamma, beta, mean, var, skip */
static bl_status norm(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    const norm_case *k = arg;
    float mean[64], var[64]; /* running statistics move in training: start from the same ones */
    memcpy(mean, in[3]->data, (size_t)in[3]->n * sizeof *mean);
    memcpy(var, in[4]->data, (size_t)in[4]->n * sizeof *var);
    bl_tensor tmean = *in[3], tvar = *in[4], *x = in[0], *zero;
    tmean.data = mean;
    tvar.data = var;
    bl_norm p = {k->kind, in[1], in[2], &tmean, &tvar, k->groups, 1e-3f, 0.1f, false};
    if (k->pass_through) {
        BL_TRY(bl_tensor_new(ctx, x->n, x->c, x->h, x->w, x->cb, BL_F32, &zero));
        BL_TRY(bl_tensor_zero(ctx, zero));
        BL_TRY(bl_add(ctx, x, zero, &x));
        bl_tensor_drop(ctx, zero);
    }
    bl_tensor *skip = k->skip == SKIP_NONE ? NULL : k->skip == SKIP_OTHER ? in[5] : x;
    BL_TRY(bl_norm_act(ctx, x, &p, skip, k->act, 0.1f, out));
    if (k->pass_through) bl_tensor_drop(ctx, x);
    return BL_OK;
}

static void check(bl_ctx *ctx, const norm_case *k, int64_t n, int64_t c, int32_t cb,
                  int32_t skip_cb, int trained) {
    char name[96];
    snprintf(name, sizeof name, "norm kind %d, skip %d, act %d, trained %d, c %d, cb %d", k->kind,
             k->skip, k->act, trained, (int)c, cb);
    gc_case g = {.name = name, .fn = norm, .arg = k, .tol = 2e-3};
    g.step = k->act == BL_ACT_NONE ? 0.01f : 0.004f;
    g.n_in = k->skip == SKIP_OTHER ? 6 : 5;
    g.in[0] = gc_map(n, c, 5, 3, cb);
    g.in[1] = gc_range(gc_frozen(gc_leaf(c, 1, 1, 1), !(trained & 1)), 0.5f, 1.5f);
    g.in[2] = gc_frozen(gc_leaf(c, 1, 1, 1), !(trained & 2));
    g.in[3] = gc_range(gc_frozen(gc_leaf(c, 1, 1, 1), true), -0.3f, 0.3f);
    g.in[4] = gc_range(gc_frozen(gc_leaf(c, 1, 1, 1), true), 0.5f, 2);
    g.in[5] = gc_map(n, c, 5, 3, skip_cb);
    gc_check(ctx, &g);
}

static void all(bl_ctx *ctx) {
    for (int kind = BL_NORM_BATCH; kind <= BL_NORM_GROUP; kind++) {
        for (int skip = SKIP_NONE; skip <= SKIP_SELF; skip++) {
            for (int act = BL_ACT_NONE; act <= BL_ACT_LEAKY; act++) {
                norm_case k = {kind, skip, act, 3, skip == SKIP_NONE};
                check(ctx, &k, 2, 6, 8, 8, 3);
                check(ctx, &k, 2, 6, 8, 8, 0);
            }
        }
        norm_case k = {kind, SKIP_OTHER, BL_ACT_RELU, 3, false};
        const int32_t blocks[] = {1, 16, 21};
        for (int i = 0; i < 3; i++) check(ctx, &k, 3, 21, blocks[i], blocks[i], 3);
        check(ctx, &k, 1, 18, 16, 16, 1);
        check(ctx, &k, 1, 18, 16, 16, 2);
        check(ctx, &k, 1, 18, 16, 1, 3); /* the skip in another layout */
        check(ctx, &k, 0, 6, 8, 8, 3);
    }
}

int main(void) {
    return gc_main(all);
}
