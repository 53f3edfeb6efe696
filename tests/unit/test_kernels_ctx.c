/* Device, pool, tensors, context and the life of storage over a step. */
#include "kernels/kernels.h"
#include "kernels/tape.h"
#include "tests/check.h"

static size_t live(const bl_ctx *ctx) {
    return bl_pool_get_stats(ctx->pool).live;
}

static void test_device(void) {
    bl_device *d;
    CHECK_OK(bl_device_open("cpu", &d));
    CHECK_STR(d->name, "cpu");
    CHECK(d->host_memory);
    void *p;
    CHECK_OK(d->alloc(d, 0, &p));
    CHECK(p != NULL);
    d->free(d, p);
    CHECK_OK(d->alloc(d, 1000, &p));
    CHECK_EQ((uintptr_t)p % 64, 0);
    memset(p, 7, 1000);
    CHECK_OK(d->zero(d, p, 999));
    CHECK_EQ(((char *)p)[998], 0);
    CHECK_EQ(((char *)p)[999], 7);
    d->free(d, p);
    CHECK_FAILS(d->alloc(d, SIZE_MAX - 3, &p), BL_ENOMEM, "allocate");
    bl_device_close(d);
    CHECK_OK(bl_device_open("auto", &d)); /* a GPU where there is one */
    bl_device_close(d);
    CHECK_FAILS(bl_device_open("cuda:99", &d), BL_EUNSUPPORTED, "cuda:99");
    CHECK_FAILS(bl_device_open("cuda", &d), BL_EINVAL, "cuda:0");
    CHECK_FAILS(bl_device_open("cuda:x", &d), BL_EINVAL, "cuda:0");
    CHECK_FAILS(bl_device_open("tpu", &d), BL_EINVAL, "tpu");
}

static void test_pool(void) {
    bl_device *d;
    bl_pool *p;
    bl_buf *a, *b;
    CHECK_OK(bl_device_cpu(&d));
    CHECK_OK(bl_pool_create(d, &p));
    /* Every size fits its class with at most a quarter of slack (a cache line for small ones). */
    for (size_t bytes = 1; bytes < 100000; bytes = bytes * 9 / 8 + 1) {
        CHECK_OK(bl_buf_new(p, bytes, &a));
        CHECK(a->bytes >= bytes && (a->bytes <= 64 || a->bytes <= bytes + bytes / 4 + 1));
        memset(a->data, 1, a->bytes);
        bl_buf_release(a);
    }
    bl_pool_trim(p);
    CHECK_EQ(bl_pool_get_stats(p).cached, 0);
    CHECK_OK(bl_buf_new(p, 1000, &a));
    void *data = a->data;
    size_t size = a->bytes;
    bl_buf_retain(a);
    bl_buf_release(a);
    CHECK_EQ(bl_pool_get_stats(p).live, size);
    bl_buf_release(a);
    CHECK_EQ(bl_pool_get_stats(p).live, 0);
    CHECK_EQ(bl_pool_get_stats(p).cached, size);
    CHECK_OK(bl_buf_new(p, 1001, &b)); /* the same class: the cached buffer comes back */
    CHECK(b->data == data);
    CHECK_EQ(bl_pool_get_stats(p).cached, 0);
    bl_pool_reset_peak(p);
    CHECK_OK(bl_buf_new(p, 1, &a));
    CHECK_EQ(bl_pool_get_stats(p).peak, size + a->bytes);
    bl_buf_release(a);
    bl_buf_release(b);
    bl_buf_release(NULL);
    CHECK_FAILS(bl_buf_new(p, SIZE_MAX / 2, &a), BL_ENOMEM, "too large");
    bl_pool_destroy(p);
    bl_device_close(d);
}

/* Whatever the order in which buffers came back, the free ones are handed out by address. */
static void test_pool_settles(void) {
    enum { MANY = 7 }; /* a prime: any stride visits all */
    bl_device *d;
    bl_pool *p;
    bl_buf *b[MANY];
    CHECK_OK(bl_device_cpu(&d));
    CHECK_OK(bl_pool_create(d, &p));
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < MANY; i++) CHECK_OK(bl_buf_new(p, 700, &b[i]));
        for (int i = 1; round > 0 && i < MANY; i++) {
            CHECK((uintptr_t)b[i]->data > (uintptr_t)b[i - 1]->data);
        }
        for (int i = 0; i < MANY; i++) bl_buf_release(b[(i * (round + 2) + round) % MANY]);
        bl_pool_settle(p);
    }
    bl_pool_destroy(p);
    bl_device_close(d);
}

static void test_tensor(bl_ctx *ctx) {
    bl_tensor *t;
    float host[2 * 5 * 3], back[2 * 5 * 3];
    for (int i = 0; i < 30; i++) host[i] = (float)i + 1;
    const int32_t blocks[] = {1, 5, 8, 16};
    for (int i = 0; i < 4; i++) {
        CHECK_OK(bl_tensor_from_host(ctx, host, 2, 5, 1, 3, blocks[i], &t));
        CHECK_EQ(t->cb, blocks[i]);
        for (int64_t n = 0; n < 2; n++) {
            for (int64_t c = 0; c < 5; c++) {
                for (int64_t x = 0; x < 3; x++) {
                    CHECK_EQ(bl_f32(t)[bl_index(t, n, c, 0, x)], n * 15 + c * 3 + x + 1);
                }
            }
        }
        double sum = 0;
        for (int64_t e = 0; e < bl_storage(t); e++) sum += fabs(bl_f32(t)[e]);
        CHECK_EQ(sum, 465); /* so the padding is zero */
        CHECK_OK(bl_tensor_to_host(ctx, t, back));
        CHECK(!memcmp(host, back, sizeof host));
    }
    int64_t bad;
    CHECK_OK(bl_tensor_count_nonfinite(ctx, t, &bad));
    CHECK_EQ(bad, 0);
    bl_f32(t)[3] = NAN;
    bl_f32(t)[15] = INFINITY;
    CHECK_OK(bl_tensor_count_nonfinite(ctx, t, &bad));
    CHECK_EQ(bad, 2);
    CHECK_OK(bl_tensor_zero(ctx, t));
    CHECK_OK(bl_tensor_count_nonfinite(ctx, t, &bad));
    CHECK_EQ(bad, 0);
    CHECK_OK(bl_tensor_new(ctx, 4, 9, 1, 1, 0, BL_F32, &t));
    CHECK_EQ(t->cb, 1);
    CHECK_OK(bl_tensor_new(ctx, 4, 9, 2, 1, 0, BL_F32, &t));
    CHECK_EQ(t->cb, ctx->cb);
    CHECK_OK(bl_tensor_new(ctx, 0, 9, 2, 1, 0, BL_F32, &t));
    CHECK_EQ(bl_storage(t), 0);
    CHECK_FAILS(bl_tensor_new(ctx, -1, 1, 1, 1, 1, BL_F32, &t), BL_EINVAL, "not possible");
    CHECK_FAILS(bl_tensor_new(ctx, 1ll << 40, 1ll << 40, 1, 1, 1, BL_F32, &t), BL_EINVAL,
                "not possible");
    bl_step_end(ctx);
    CHECK_EQ(live(ctx), 0);
}

/* A conv-norm-relu chain: what is held during forward, and that all is given back. */
static void test_life(bl_ctx *ctx) {
    float host[1 * 4 * 6 * 6], weights[4 * 4 * 9], grads[4 * 4 * 9] = {0}, ones[4], zeros[4];
    for (int i = 0; i < 144; i++) {
        host[i] = (float)(i % 7);
        weights[i] = (float)(i % 5) - 2;
    }
    for (int i = 0; i < 4; i++) {
        ones[i] = 1;
        zeros[i] = 0;
    }
    bl_tensor dw = {.data = grads, .n = 4, .c = 4, .h = 3, .w = 3, .cb = 1};
    bl_tensor w = dw, one = {.data = ones, .n = 4, .c = 1, .h = 1, .w = 1, .cb = 1}, zero = one;
    w.data = weights;
    w.leaf = true;
    w.needs_grad = true;
    w.grad = &dw;
    one.leaf = zero.leaf = true;
    zero.data = zeros;
    bl_norm norm = {BL_NORM_BATCH_EVAL, &one, &zero, &zero, &one, 0, 1e-5f, 0.1f, false};
    bl_conv_attr attr = {1, 1, 1, BL_ACT_NONE};
    size_t unit = 0;
    for (int mode = 0; mode < 2; mode++) {
        bl_tensor *x, *a, *b, *c;
        bl_step_begin(ctx, mode == 0);
        CHECK_OK(bl_tensor_from_host(ctx, host, 1, 4, 6, 6, 0, &x));
        unit = x->buf->bytes;
        CHECK_OK(bl_conv2d(ctx, x, &w, NULL, &attr, &a));
        CHECK_EQ(a->needs_grad, mode == 0);
        void *at = a->data;
        CHECK_OK(bl_norm_act(ctx, a, &norm, NULL, BL_ACT_RELU, 0, &b));
        CHECK(b->data == at && !a->buf); /* taken over in place */
        CHECK_OK(bl_conv2d(ctx, b, &w, NULL, &attr, &c));
        bl_tensor_drop(ctx, x);
        bl_tensor_drop(ctx, x);
        bl_tensor_drop(ctx, b);
        /* With recording, x and b wait for the weight gradients, mean and 1/deviation for b's. */
        size_t stats = 2 * sizeof(float) * (size_t)ctx->cb;
        CHECK_EQ(live(ctx), mode == 0 ? 3 * unit + stats : unit);
        if (mode == 0) {
            CHECK_OK(bl_norm_act(ctx, c, &norm, NULL, BL_ACT_NONE, 0, &b));
            CHECK(b->data == c->data);
        }
        bl_step_end(ctx);
        CHECK_EQ(live(ctx), 0);
    }
    /* Nested: recording off and on again. */
    bl_tensor *x, *y;
    bl_step_begin(ctx, true);
    bool old = bl_no_grad(ctx);
    CHECK(old);
    CHECK_OK(bl_tensor_from_host(ctx, host, 1, 4, 6, 6, 0, &x));
    CHECK_OK(bl_conv2d(ctx, x, &w, NULL, &attr, &y));
    CHECK(!y->needs_grad);
    bl_set_grad(ctx, old);
    CHECK_OK(bl_conv2d(ctx, x, &w, NULL, &attr, &y));
    CHECK(y->needs_grad);
    bl_step_end(ctx);
    CHECK_EQ(live(ctx), 0);
}

static void test_table_is_full(bl_ctx *ctx) {
    void *const *slot = (void *const *)ctx->k;
    for (size_t i = 0; i < sizeof(bl_kernels) / sizeof *slot; i++) CHECK(slot[i] != NULL);
}

int main(void) {
    test_device();
    test_pool();
    test_pool_settles();
    const char *backends[] = {"ref", "auto"};
    for (int i = 0; i < 2; i++) {
        bl_ctx_options opt = {.device = "cpu", .backend = backends[i], .deterministic = 1};
        bl_ctx *ctx;
        CHECK_OK(bl_ctx_create(&opt, &ctx));
        test_table_is_full(ctx);
        test_tensor(ctx);
        test_life(ctx);
        bl_ctx_destroy(ctx);
    }
    bl_ctx *ctx;
    CHECK_FAILS(bl_ctx_create(&(bl_ctx_options){.backend = "fast"}, &ctx), BL_EINVAL, "fast");
    CHECK(!ctx);
    CHECK_FAILS(bl_ctx_create(&(bl_ctx_options){.device = "cuda:99"}, &ctx), BL_EUNSUPPORTED,
                "cuda");
    return 0;
}
