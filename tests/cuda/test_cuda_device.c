/* The CUDA device behind bl_device: copies of every size, errors in words, the choice of a device.
 */
#include "tests/cuda/cuda_parity.h"

static void test_copies(bl_device *d) {
    /* Around the pinned slots' size, and more than the whole ring. */
    const size_t sizes[] = {0, 1, 1000, 1 << 20, (1 << 20) + 1, (9 << 20) + 13};
    for (int i = 0; i < 6; i++) {
        size_t n = sizes[i];
        unsigned char *from = malloc(n + 1), *to = malloc(n + 1);
        void *a, *b;
        CHECK(from && to);
        for (size_t j = 0; j < n; j++) from[j] = (unsigned char)(j * 31 + j / 4096);
        CHECK_OK(d->alloc(d, n, &a));
        CHECK_OK(d->alloc(d, n, &b));
        CHECK_EQ((uintptr_t)a % 64, 0);
        CHECK_OK(d->to_device(d, a, from, n));
        CHECK_OK(d->copy(d, b, a, n));
        CHECK_OK(d->zero(d, b, n / 2));
        CHECK_OK(d->to_host(d, to, b, n));
        for (size_t j = 0; j < n; j++) CHECK_EQ(to[j], j < n / 2 ? 0 : from[j]);
        d->free(d, a), d->free(d, b);
        free(from), free(to);
    }
}

static void test_out_of_memory(bl_device *d) {
    void *p;
    CHECK_FAILS(d->alloc(d, (size_t)1 << 45, &p), BL_ENOMEM, "out of memory on cuda:0");
    CHECK(!p);
    CHECK_OK(d->sync(d)); /* and the device goes on */
    CHECK_OK(d->alloc(d, 100, &p));
    d->free(d, p);
}

#ifdef BALLAST_TEST_EMULATED
static void test_choice(void) {
    bl_device *d;
    bl_ctx *ctx;
    CHECK_OK(bl_ctx_create(NULL, &ctx));
    CHECK_STR(ctx->dev->name, "cuda:0");
    CHECK_EQ(ctx->cb, 0);
    CHECK(!ctx->dev->host_memory);
    bl_ctx_destroy(ctx);
    CHECK_OK(bl_ctx_create(&(bl_ctx_options){.backend = "ref"}, &ctx));
    CHECK_STR(ctx->dev->name, "cpu");
    bl_ctx_destroy(ctx);
    bl_emu_devices(2);
    CHECK_OK(bl_device_open("cuda:1", &d));
    CHECK_STR(d->name, "cuda:1");
    bl_device_close(d);
    CHECK_FAILS(bl_device_open("cuda:2", &d), BL_EUNSUPPORTED, "the last is \"cuda:1\"");
    bl_emu_devices(0);
    CHECK_FAILS(bl_device_open("cuda:0", &d), BL_EUNSUPPORTED, "the driver sees no device");
    CHECK_OK(bl_device_open("auto", &d));
    CHECK_STR(d->name, "cpu");
    bl_device_close(d);
    bl_emu_devices(1);
}

/* A kernel that failed is reported by whoever waits next, once. */
static void test_late_errors(bl_device *d) {
    float host = 0;
    void *p;
    CHECK_OK(d->alloc(d, 4, &p));
    bl_emu_fail(719);
    CHECK_FAILS(d->sync(d), BL_EBACKEND, "cudaErrorLaunchFailure");
    CHECK_OK(d->sync(d));
    bl_emu_fail(700);
    CHECK_FAILS(d->to_host(d, &host, p, 4), BL_EBACKEND, "cudaErrorIllegalAddress");
    d->free(d, p);
}
#endif

static void all(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    CHECK(bl_kernels_missing(got) == NULL);
    test_copies(device_ctx.dev);
    test_out_of_memory(device_ctx.dev);
#ifdef BALLAST_TEST_EMULATED
    test_late_errors(device_ctx.dev);
    test_choice();
#endif
}

int main(void) {
    for_cuda(all, 1);
    return 0;
}
