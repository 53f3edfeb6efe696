/* Finite-difference checks of differentiable ops.
 *
 * A case names its inputs and a function from input tensors to one output. The harness projects the
 * output on fixed random numbers, L = sum r*y (in double), runs backward with dy = r, and compares
 * sampled entries of every gradient with central differences extrapolated once (Richardson), which
 * leaves an error of O(h^4). Entries next to a kink (ReLU, max, L1) show as disagreement of the two
 * step sizes and are skipped; most entries must remain. Besides: fresh memory is filled with NaN,
 * so anything unwritten shows; leaf gradients start at non-zero values, which must survive; padding
 * must be zero; nothing may stay allocated. */
#ifndef BALLAST_TESTS_GRADCHECK_H
#define BALLAST_TESTS_GRADCHECK_H

#include "core/rng.h"
#include "kernels/kernels.h"
#include "kernels/tape.h"
#include "tests/check.h"

enum { GC_INPUTS = 8, GC_SAMPLES = 12, GC_OUT = 1 << 14, GC_IN = 1 << 14 };

typedef struct gc_input {
    int64_t n, c, h, w;
    int32_t cb;    /* 1 for leaves */
    bool leaf;     /* a parameter */
    bool constant; /* needs no gradient */
    float lo, hi;  /* range of its random values; 0,0 = [-1,1] */
} gc_input;

/* An activation in [-1,1]; a parameter in [-1,1]; either without gradient. */
static inline gc_input gc_map(int64_t n, int64_t c, int64_t h, int64_t w, int32_t cb) {
    return (gc_input){.n = n, .c = c, .h = h, .w = w, .cb = cb};
}
static inline gc_input gc_leaf(int64_t n, int64_t c, int64_t h, int64_t w) {
    return (gc_input){.n = n, .c = c, .h = h, .w = w, .cb = 1, .leaf = true};
}
static inline gc_input gc_frozen(gc_input i, bool frozen) {
    i.constant = frozen;
    return i;
}
static inline gc_input gc_range(gc_input i, float lo, float hi) {
    i.lo = lo;
    i.hi = hi;
    return i;
}

typedef bl_status (*gc_fn)(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out);
typedef struct gc_case {
    const char *name;
    gc_input in[GC_INPUTS];
    int n_in;
    gc_fn fn;
    const void *arg;
    float step; /* h; 0 = 0.02 */
    double tol; /* relative to |gradient| + its root mean square; 0 = 1e-3 */
} gc_case;

/* Values, gradients and tensor structs of one case. */
typedef struct gc_state {
    const gc_case *k;
    float *value[GC_INPUTS], *grad[GC_INPUTS]; /* canonical order */
    float *store[GC_INPUTS];                   /* a leaf's gradient store */
    bl_tensor leaf[GC_INPUTS], dleaf[GC_INPUTS];
    float r[GC_OUT];
    double loss; /* at the unchanged inputs */
} gc_state;

static int64_t gc_count(const gc_input *i) {
    return i->n * i->c * i->h * i->w;
}

/* Device memory that starts as NaN. */
static bl_status (*gc_plain_alloc)(bl_device *, size_t, void **);
static bl_status gc_alloc(bl_device *d, size_t bytes, void **ptr) {
    bl_status s = gc_plain_alloc(d, bytes, ptr);
    if (s == BL_OK) memset(*ptr, 0xff, bytes);
    return s;
}

static bl_ctx *gc_ctx(const char *backend) {
    bl_ctx *ctx;
    bl_ctx_options opt = {.backend = backend, .deterministic = 1};
    CHECK_OK(bl_ctx_create(&opt, &ctx));
    gc_plain_alloc = ctx->dev->alloc;
    ctx->dev->alloc = gc_alloc;
    return ctx;
}

static void gc_padding_is_zero(const char *name, const bl_tensor *t) {
    for (int64_t e = 0; t->c % t->cb != 0 && e < bl_storage(t); e++) {
        int64_t c = e / (t->h * t->w * t->cb) % bl_blocks(t) * t->cb + e % t->cb;
        if (c >= t->c && bl_f32(t)[e] != 0) {
            fprintf(stderr, "%s: channel padding holds %g\n", name, (double)bl_f32(t)[e]);
            exit(1);
        }
    }
}

static void gc_make_inputs(bl_ctx *ctx, gc_state *s, bl_tensor **in) {
    for (int i = 0; i < s->k->n_in; i++) {
        const gc_input *g = &s->k->in[i];
        if (!g->leaf) {
            CHECK_OK(bl_tensor_from_host(ctx, s->value[i], g->n, g->c, g->h, g->w, g->cb, &in[i]));
            in[i]->needs_grad = !g->constant;
            continue;
        }
        s->dleaf[i] = (bl_tensor){.data = s->store[i], .n = g->n, .c = g->c, .h = g->h, .w = g->w};
        s->dleaf[i].cb = 1;
        s->leaf[i] = s->dleaf[i];
        s->leaf[i].data = s->value[i];
        s->leaf[i].leaf = true;
        s->leaf[i].needs_grad = !g->constant;
        s->leaf[i].grad = &s->dleaf[i];
        in[i] = &s->leaf[i];
    }
}

static void gc_drop(bl_ctx *ctx, gc_state *s, bl_tensor **in, bl_tensor *out) {
    for (int i = 0; i < s->k->n_in; i++) {
        bl_tensor_drop(ctx, in[i]->leaf ? NULL : in[i]->grad);
        bl_tensor_drop(ctx, in[i]);
    }
    bl_tensor_drop(ctx, out);
    if (bl_pool_get_stats(ctx->pool).live != 0) {
        fprintf(stderr, "%s: %zu bytes are still held\n", s->k->name,
                bl_pool_get_stats(ctx->pool).live);
        exit(1);
    }
    bl_step_end(ctx);
}

/* L without recording: must hold nothing afterwards. */
static double gc_loss(bl_ctx *ctx, gc_state *s) {
    static float y[GC_OUT];
    bl_tensor *in[GC_INPUTS], *out;
    bl_step_begin(ctx, false);
    gc_make_inputs(ctx, s, in);
    CHECK_OK(s->k->fn(ctx, in, s->k->arg, &out));
    CHECK(!out->needs_grad);
    int64_t count = out->n * out->c * out->h * out->w;
    CHECK(count <= GC_OUT);
    CHECK_OK(bl_tensor_to_host(ctx, out, y));
    double loss = 0;
    for (int64_t e = 0; e < count; e++) loss += (double)s->r[e] * y[e];
    gc_drop(ctx, s, in, out);
    return loss;
}

/* Gradients by backward, into s->grad. */
static void gc_analytic(bl_ctx *ctx, gc_state *s) {
    bl_tensor *in[GC_INPUTS], *out, *dy, *grad;
    float beta;
    bl_pool_trim(ctx->pool); /* so that all memory is fresh, hence NaN */
    for (int i = 0; i < s->k->n_in; i++) {
        for (int64_t e = 0; e < gc_count(&s->k->in[i]); e++) s->store[i][e] = (float)(e % 3) - 1;
    }
    bl_step_begin(ctx, true);
    gc_make_inputs(ctx, s, in);
    CHECK_OK(s->k->fn(ctx, in, s->k->arg, &out));
    CHECK(out->needs_grad);
    gc_padding_is_zero(s->k->name, out);
    CHECK_OK(bl_tensor_from_host(ctx, s->r, out->n, out->c, out->h, out->w, out->cb, &dy));
    CHECK_OK(bl_grad_target(ctx, out, &grad, &beta));
    CHECK(beta == 0);
    memcpy(grad->data, dy->data, (size_t)bl_storage(dy) * sizeof(float));
    bl_tensor_drop(ctx, dy);
    CHECK_OK(bl_backward(ctx, NULL, NULL, 0));
    for (int i = 0; i < s->k->n_in; i++) {
        const gc_input *g = &s->k->in[i];
        if (g->constant) {
            for (int64_t e = 0; g->leaf && e < gc_count(g); e++) {
                CHECK(s->store[i][e] == (float)(e % 3) - 1);
            }
            CHECK(g->leaf || !in[i]->grad);
        } else if (g->leaf) {
            for (int64_t e = 0; e < gc_count(g); e++) {
                s->grad[i][e] = s->store[i][e] - ((float)(e % 3) - 1);
            }
        } else if (gc_count(g) > 0) {
            if (!in[i]->grad) { /* an empty output: the gradient is zero */
                CHECK_EQ(out->n * out->c * out->h * out->w, 0);
                memset(s->grad[i], 0, (size_t)gc_count(g) * sizeof(float));
                continue;
            }
            gc_padding_is_zero(s->k->name, in[i]->grad);
            CHECK_OK(bl_tensor_to_host(ctx, in[i]->grad, s->grad[i]));
        }
    }
    gc_drop(ctx, s, in, out);
}

/* Central difference of L in one value, and forward minus backward difference. */
static double gc_difference(bl_ctx *ctx, gc_state *s, float *v, float h, double *skew) {
    float old = *v, up = old + h, down = old - h;
    *v = up;
    double a = gc_loss(ctx, s);
    *v = down;
    double b = gc_loss(ctx, s);
    *v = old;
    *skew = (a - s->loss) / ((double)up - old) - (s->loss - b) / ((double)old - down);
    return (a - b) / ((double)up - down);
}

static void gc_compare(bl_ctx *ctx, gc_state *s, int i, bl_rng *rng) {
    const gc_case *k = s->k;
    int64_t count = gc_count(&k->in[i]);
    float h = k->step != 0 ? k->step : 0.02f;
    double tol = k->tol != 0 ? k->tol : 1e-3, rms = 0;
    for (int64_t e = 0; e < count; e++) rms += (double)s->grad[i][e] * s->grad[i][e];
    rms = sqrt(rms / (double)count);
    int samples = count < GC_SAMPLES ? (int)count : GC_SAMPLES, kinks = 0;
    for (int q = 0; q < samples; q++) {
        int64_t e = samples == count ? q : (int64_t)bl_rng_below(rng, (uint32_t)count);
        double skew, half_skew;
        double wide = gc_difference(ctx, s, &s->value[i][e], h, &skew);
        double narrow = gc_difference(ctx, s, &s->value[i][e], h / 2, &half_skew);
        double got = s->grad[i][e], kink = 0.5 * tol * (fabs(narrow) + rms);
        if (fabs(wide - narrow) > kink || fabs(skew - 2 * half_skew) > 2 * kink) {
            kinks++;
            continue;
        }
        double want = (4 * narrow - wide) / 3;
        if (!(fabs(got - want) <= tol * (fabs(want) + rms) + 1e-6)) {
            fprintf(stderr,
                    "%s (%s): gradient of input %d at %lld is %.7g, expected %.7g (rms %g)\n",
                    k->name, ctx->k->name, i, (long long)e, got, want, rms);
            exit(1);
        }
    }
    if (kinks > samples / 3) {
        fprintf(stderr, "%s: %d of %d samples of input %d lie at kinks\n", k->name, kinks, samples,
                i);
        exit(1);
    }
}

static void gc_check(bl_ctx *ctx, const gc_case *k) {
    static gc_state s;
    bl_rng rng = bl_rng_make(7, 1);
    s.k = k;
    for (int i = 0; i < k->n_in; i++) {
        const gc_input *g = &k->in[i];
        int64_t count = gc_count(g);
        CHECK(count <= GC_IN);
        s.value[i] = malloc((size_t)(count + 1) * sizeof(float));
        s.grad[i] = malloc((size_t)(count + 1) * sizeof(float));
        s.store[i] = malloc((size_t)(count + 1) * sizeof(float));
        CHECK(s.value[i] && s.grad[i] && s.store[i]);
        bool plain = g->lo == 0 && g->hi == 0;
        for (int64_t e = 0; e < count; e++) {
            s.value[i][e] = bl_rng_range(&rng, plain ? -1 : g->lo, plain ? 1 : g->hi);
        }
    }
    for (int e = 0; e < GC_OUT; e++) s.r[e] = bl_rng_range(&rng, -1, 1);
    gc_analytic(ctx, &s);
    s.loss = gc_loss(ctx, &s);
    for (int i = 0; i < k->n_in; i++) {
        if (!k->in[i].constant && gc_count(&k->in[i]) > 0) gc_compare(ctx, &s, i, &rng);
    }
    for (int i = 0; i < k->n_in; i++) {
        free(s.value[i]);
        free(s.grad[i]);
        free(s.store[i]);
    }
}

/* Runs `all` on the plain C kernels and on the fastest ones. */
static int gc_main(void (*all)(bl_ctx *ctx)) {
    const char *backends[] = {"ref", "auto"};
    for (int i = 0; i < 2; i++) {
        bl_ctx *ctx = gc_ctx(backends[i]);
        all(ctx);
        bl_ctx_destroy(ctx);
    }
    return 0;
}

#endif
