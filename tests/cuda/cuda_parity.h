/* Parity of CUDA kernels with plain C: operands are made on the host, the plain C slot works on
 * them, the CUDA slot on device copies, and the results are compared. The same tests run on the
 * emulated device (test_cuda_*: every kernel twice, the second time with threads and blocks in
 * opposite order) and on a real one (gpu_cuda_*). */
#ifndef BALLAST_TESTS_CUDA_PARITY_H
#define BALLAST_TESTS_CUDA_PARITY_H

#include "kernels/backend.h"
#include "tests/parity/kernels_parity.h"
#ifdef BALLAST_TEST_EMULATED
#include "tests/emu/emulator.h"
#endif

/* ---- device copies; all freed after each round ---- */

enum { DEVICE_MAX = 1024 };
static bl_ctx device_ctx; /* dev, k and plans alone: for slots that take a context */
static void *device_memory[DEVICE_MAX];
static int device_used;

/* n 4-byte words of uninitialised device memory. */
static inline void *device_new(int64_t n) {
    CHECK(device_used < DEVICE_MAX);
    void **p = &device_memory[device_used++];
    CHECK_OK(device_ctx.dev->alloc(device_ctx.dev, (size_t)n * 4, p));
    return *p;
}
/* A device copy of n words; NULL stays NULL. */
static inline void *to_device(const void *host, int64_t n) {
    if (!host) return NULL;
    void *p = device_new(n);
    CHECK_OK(device_ctx.dev->to_device(device_ctx.dev, p, host, (size_t)n * 4));
    return p;
}
/* A guarded host copy of n words. */
static inline void *to_host(const void *device, int64_t n) {
    void *p = guarded_new(n);
    CHECK_OK(device_ctx.dev->to_host(device_ctx.dev, p, device, (size_t)n * 4));
    return p;
}
static inline bl_tensor tensor_to_device(const bl_tensor *t) {
    bl_tensor d = *t;
    d.data = to_device(t->data, bl_storage(t));
    return d;
}
static inline bl_tensor tensor_to_host(const bl_tensor *t) {
    bl_tensor h = *t;
    h.data = to_host(t->data, bl_storage(t));
    return h;
}
static inline void device_clear(void) {
    CHECK_OK(device_ctx.dev->sync(device_ctx.dev));
    while (device_used > 0) device_ctx.dev->free(device_ctx.dev, device_memory[--device_used]);
}

/* want is host memory, got device memory. */
static inline void compare_device(const char *what, const float *want, const float *got, int64_t n,
                                  double tol) {
    compare(what, want, to_host(got, n), n, tol);
}
static inline void compare_device_tensors(const char *what, const bl_tensor *want,
                                          const bl_tensor *got, double tol) {
    bl_tensor host = tensor_to_host(got);
    compare_tensors(what, want, &host, tol);
}
/* Bit for bit: integers, and kernels whose arithmetic is the shared per-element code. */
static inline void compare_device_exact(const char *what, const void *want, const void *got,
                                        int64_t n) {
    const uint32_t *a = want, *b = to_host(got, n);
    for (int64_t i = 0; i < n; i++) {
        if (a[i] == b[i]) continue;
        float x, y;
        memcpy(&x, &a[i], sizeof x);
        memcpy(&y, &b[i], sizeof y);
        fprintf(stderr, "%s: [%lld of %lld] = 0x%08x (%.9g), expected 0x%08x (%.9g)\n", what,
                (long long)i, (long long)n, b[i], y, a[i], x);
        exit(1);
    }
}

/* ---- rounds ---- */

/* Calls fn with the plain C and the CUDA table; skips the program where there is no device. Slots
 * that no group fills yet are NULL. */
static inline void for_cuda(level_fn fn, uint64_t seed) {
    const bl_backend *cuda = bl_cuda_backend();
    const char *why = bl_cuda_absent();
    if (!cuda || cuda->devices(&why) == 0) SKIP("no CUDA device: %s", why);
    bl_kernels ref, got = {0};
    bl_kernels_init_ref(&ref);
    cuda->init(&got);
    device_ctx = (bl_ctx){.backend = cuda, .k = &got, .cb = cuda->block()};
    CHECK_OK(cuda->open(0, &device_ctx.dev));
    const bl_ctx_options fixed = {.deterministic = 1};
    if (cuda->plans_create) CHECK_OK(cuda->plans_create(&fixed, &device_ctx.plans));
#ifdef BALLAST_TEST_EMULATED
    for (int round = 0; round < 2; round++) {
        bl_emu_reverse(round == 1);
        bl_rng r = bl_rng_make(seed, 0);
        fn(&ref, &got, &r);
        device_clear();
        guards_check(round ? "reversed" : "forward");
    }
#else
    bl_rng r = bl_rng_make(seed, 0);
    fn(&ref, &got, &r);
    device_clear();
    guards_check("device");
#endif
    if (device_ctx.plans) cuda->plans_destroy(device_ctx.plans);
    bl_device_close(device_ctx.dev);
    printf("%s: ok\n", got.name);
}

#endif
