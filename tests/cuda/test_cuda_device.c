/* The CUDA device behind bl_device: copies of every size, errors in words, the choice
 * of a device. */
#include <pthread.h>

#include "kernels/staging.h"
#include "tests/cuda/cuda_parity.h"

#ifdef BALLAST_TEST_EMULATED
/* More small pieces than the ring has slots do not wait for it; scratch memory stays through a wait. */
static void test_small_copies(bl_device *d) {
    enum { PIECES = 100 };
    float *memory, back[PIECES];
    CHECK_EQ(bl_emu_pool_keeps(), UINT64_MAX);
    CHECK_OK(d->alloc(d, sizeof back, (void **)&memory));
    int64_t waits = bl_emu_event_waits();
    for (int i = 0; i < PIECES; i++) {
        float v = (float)i;
        CHECK_OK(d->to_device(d, memory + i, &v, sizeof v));
    }
    CHECK_EQ(bl_emu_event_waits(), waits);
    CHECK_OK(d->to_host(d, back, memory, sizeof back));
    for (int i = 0; i < PIECES; i++) CHECK(back[i] == (float)i);
    d->free(d, memory);
}
#endif

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
        d->free(d, a);
        d->free(d, b);
        free(from);
        free(to);
    }
}

/* ---- uploads ahead of their use ---- */

enum { BLOCKS = 2, PARCELS = 3, PARCEL_MAX = 8000 };

typedef struct load {
    bl_staging *block;
    bl_parcel parcel[PARCELS];
    unsigned char *bytes[PARCELS];
} load;

static unsigned char expected(int round, int i, size_t at) {
    return (unsigned char)(round * 41 + i * 17 + (int)(at % 251));
}

static void *load_block(void *arg) {
    load *l = arg;
    CHECK_OK(bl_staging_load(l->block, l->parcel, PARCELS));
    return NULL;
}

/* By a thread of its own, as a loader's. Every few rounds a block must grow. */
static void send(load *l, int round) {
    for (int i = 0; i < PARCELS; i++) {
        size_t n = (size_t)(1 + i * 1000 + round * 400 * (i == 1));
        l->bytes[i] = realloc(l->bytes[i], n);
        CHECK(l->bytes[i] && n <= PARCEL_MAX);
        for (size_t at = 0; at < n; at++) l->bytes[i][at] = expected(round, i, at);
        l->parcel[i] = (bl_parcel){.src = l->bytes[i], .bytes = n};
    }
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, load_block, l), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* What a step does: work on the device that reads the parcels. The host waits for nothing. */
static void read_parcels(bl_device *d, const load *l, void *const *copy, size_t *n) {
    for (int i = 0; i < PARCELS; i++) {
        n[i] = l->parcel[i].bytes;
        CHECK_EQ((uintptr_t)l->parcel[i].data % 64, 0);
        CHECK_OK(d->copy(d, copy[i], l->parcel[i].data, n[i]));
    }
}

static bool arrived(bl_device *d, void *const *copy, const size_t *n, int round) {
    static unsigned char got[PARCEL_MAX];
    bool same = true;
    for (int i = 0; i < PARCELS; i++) {
        CHECK_OK(d->to_host(d, got, copy[i], n[i]));
        for (size_t at = 0; at < n[i]; at++) same = same && got[at] == expected(round, i, at);
    }
    return same;
}

/* Two blocks in turn. A block is sent anew as soon as the work that reads it is under way, every
 * fourth time twice, the first in vain. */
static void test_staging(bl_device *d) {
    load l[BLOCKS] = {0};
    void *copy[PARCELS];
    size_t n[PARCELS];
    for (int i = 0; i < PARCELS; i++) CHECK_OK(d->alloc(d, PARCEL_MAX, &copy[i]));
    for (int b = 0; b < BLOCKS; b++) {
        CHECK_OK(bl_staging_open(d, &l[b].block));
        send(&l[b], b);
    }
    for (int round = 0; round < 12; round++) {
        load *due = &l[round % BLOCKS];
        CHECK_OK(bl_staging_await(due->block));
        read_parcels(d, due, copy, n);
        CHECK_OK(bl_staging_release(due->block));
        if (round % 4 == 1) send(due, round + 1);
        send(due, round + BLOCKS);
        CHECK(arrived(d, copy, n, round));
    }
#ifdef BALLAST_TEST_EMULATED
    read_parcels(d, &l[0], copy, n);
    CHECK(!arrived(d, copy, n, 12)); /* nobody waited: the emulator has not done it yet */
#endif
    for (int b = 0; b < BLOCKS; b++) {
        bl_staging_close(l[b].block);
        for (int i = 0; i < PARCELS; i++) free(l[b].bytes[i]);
    }
    bl_staging_close(NULL);
    for (int i = 0; i < PARCELS; i++) d->free(d, copy[i]);
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
#ifdef BALLAST_TEST_EMULATED
    test_small_copies(device_ctx.dev);
#endif
    test_copies(device_ctx.dev);
    test_staging(device_ctx.dev);
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
