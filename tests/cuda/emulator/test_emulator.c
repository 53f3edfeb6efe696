/* The emulator computes what a GPU computes, and catches what a GPU would not forgive. */
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/cuda/emulator/probes.h"
#include "tests/emu/cuda_runtime.h"

static void *device(size_t bytes) {
    void *p;
    CHECK_EQ(cudaMalloc(&p, bytes), cudaSuccess);
    return p;
}

static void *host_copy(const void *p, size_t bytes) {
    void *h = malloc(bytes);
    CHECK(h);
    CHECK_EQ(cudaMemcpyAsync(h, p, bytes, cudaMemcpyDeviceToHost, cudaStreamPerThread), 0);
    return h;
}

static void test_index(void) {
    for (int threads = 1; threads <= 1024; threads = threads * 3 + 1) {
        int n = 1000, *out = device((size_t)n * 4);
        probe_index(out, n, 2, threads);
        int *h = host_copy(out, (size_t)n * 4);
        for (int i = 0; i < n; i++) CHECK_EQ(h[i], i);
        cudaFree(out);
        free(h);
    }
    int *out = device(96 * 4);
    probe_two_dims(out);
    int *h = host_copy(out, 96 * 4);
    for (int i = 0; i < 96; i++) CHECK_EQ(h[i], i / 16 * 100 + i % 16);
    cudaFree(out);
    free(h);
}

static void test_sum(void) {
    enum { N = 5000, BLOCKS = 3 };
    float x[N];
    for (int i = 0; i < N; i++) x[i] = (float)(i % 7) - 2;
    float *dx = device(sizeof x), *out = device(BLOCKS * 4);
    cudaMemcpyAsync(dx, x, sizeof x, cudaMemcpyHostToDevice, cudaStreamPerThread);
    for (int threads = 32; threads <= 1024; threads += 224) {
        probe_sum(dx, N, out, BLOCKS, threads);
        float *h = host_copy(out, BLOCKS * 4), want[BLOCKS] = {0};
        for (int i = 0; i < N; i++) want[i / threads % BLOCKS] += x[i];
        for (int b = 0; b < BLOCKS; b++) CHECK_EQ(h[b], want[b]);
        free(h);
    }
    cudaFree(dx);
    cudaFree(out);
}

static void test_warp(void) {
    int *out = device(32 * 8 * 4);
    probe_warp(out);
    int *h = host_copy(out, 32 * 8 * 4);
    for (int l = 0; l < 32; l++) {
        int *o = h + l * 8, votes = 0;
        for (int i = 0; i < 32; i += 3) votes |= 1 << i;
        CHECK_EQ(o[0], 15);
        CHECK_EQ(o[1], l ^ 9);
        CHECK_EQ(o[2], l + 4 < 32 ? l + 4 : l);
        CHECK_EQ(o[3], l % 8 >= 3 ? l - 3 : l);
        CHECK_EQ(o[4], votes);
        CHECK_EQ(o[5], 1);
        CHECK_EQ(o[6], 31 * 16);
        CHECK_EQ(o[7], l < 16 ? 2 : 18);
    }
    cudaFree(out);
    free(h);
}

/* A missing barrier shows in one of the two orders. */
static void test_barrier(bool reverse) {
    enum { N = 96 };
    float x[N], *dx = device(sizeof x), *dy = device(sizeof x);
    int wrong = 0;
    for (int i = 0; i < N; i++) x[i] = (float)i;
    cudaMemcpyAsync(dx, x, sizeof x, cudaMemcpyHostToDevice, cudaStreamPerThread);
    for (int with = 0; with < 2; with++) {
        probe_turn(dx, dy, N, with);
        float *h = host_copy(dy, sizeof x);
        for (int i = 0; i < N; i++) wrong += h[i] != (float)(N - 1 - i);
        CHECK(with ? wrong == N / 2 : wrong == N / 2);
        CHECK_EQ(isnan(h[reverse ? N - 1 : 0]), !with);
        free(h);
    }
    cudaFree(dx);
    cudaFree(dy);
}

static void test_shared_is_fresh(void) {
    float *out = device(3 * 4);
    probe_stale_shared(out);
    float *h = host_copy(out, 3 * 4);
    for (int i = 0; i < 3; i++) CHECK(isnan(h[i]));
    cudaFree(out);
    free(h);
}

static void test_configuration(void) {
    const int bad[][2] = {{0, 1}, {1025, 1}, {32, 0}};
    CHECK_EQ(cudaGetLastError(), cudaSuccess);
    for (int i = 0; i < 3; i++) {
        probe_configuration(bad[i][0], bad[i][1]);
        CHECK_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
        CHECK_EQ(cudaGetLastError(), cudaSuccess);
    }
    probe_configuration(1024, 1);
    CHECK_EQ(cudaGetLastError(), cudaSuccess);
}

/* What is captured happens at each launch, with the arguments of the capture; what waits, allocates
 * or copies from memory that is not pinned cannot be captured. */
static void test_capture(void) {
    enum { N = 40 };
    const cudaStream_t s = cudaStreamPerThread;
    int *out = device(N * 4), *h, *pinned, pageable = 5;
    void *p;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    CHECK_EQ(cudaHostAlloc((void **)&pinned, 64, cudaHostAllocDefault), 0);
    cudaMemsetAsync(out, 0, N * 4, s);
    CHECK_EQ(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal), 0);
    int64_t launches = bl_emu_launches(), work = bl_emu_graph_work();
    probe_index(out, N, 1, 32);
    CHECK_EQ(cudaMemcpyAsync(out, pinned, 4, cudaMemcpyHostToDevice, s), 0);
    CHECK_EQ(bl_emu_launches(), launches);
    CHECK_EQ(cudaStreamEndCapture(s, &graph), 0);
    CHECK_EQ(cudaGraphInstantiate(&exec, graph, 0), 0);
    cudaGraphDestroy(graph);
    for (int round = 1; round < 3; round++) {
        *pinned = 70 + round;
        cudaMemsetAsync(out, 0xff, N * 4, s);
        CHECK_EQ(cudaGraphLaunch(exec, s), 0);
        h = host_copy(out, N * 4);
        for (int i = 0; i < N; i++) CHECK_EQ(h[i], i ? i : 70 + round);
        free(h);
    }
    CHECK_EQ(bl_emu_graph_work(), work + 4);
    cudaGraphExecDestroy(exec);
    for (int what = 0; what < 4; what++) {
        CHECK_EQ(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal), 0);
        int e = what == 0   ? cudaStreamSynchronize(s)
                : what == 1 ? cudaMemcpyAsync(out, &pageable, 4, cudaMemcpyHostToDevice, s)
                : what == 2 ? cudaMalloc(&p, 4)
                            : cudaFree(out);
        CHECK_EQ(e, cudaErrorStreamCaptureUnsupported);
        CHECK_EQ(cudaStreamEndCapture(s, &graph), cudaErrorStreamCaptureInvalidated);
        CHECK_EQ(cudaGetLastError(), cudaErrorStreamCaptureInvalidated);
    }
    cudaFreeHost(pinned);
    cudaFree(out);
}

/* ---- what must end the program, each in a child of its own ---- */

static int on_host;

static void host_read(int *p) {
    printf("%d\n", *(volatile int *)p);
}
static void host_write(int *p) {
    *(volatile int *)p = 1;
}
static void beyond(int *p) {
    probe_write(p, 16);
}
static void before(int *p) {
    probe_write(p, -1024);
}
static void freed(int *p) {
    cudaFree(p);
    probe_write(p, 0);
}
static void freed_twice(int *p) {
    cudaFree(p);
    cudaFree(p);
}
static void next_to_it(int *p) {
    cudaFree(p);
    p = device(5 * 4);
    probe_write(p, 5);
    bl_emu_check();
}
static void host_argument(int *p) {
    probe_write(&on_host, 0);
}
static void host_in_struct(int *p) {
    probe_struct(&on_host);
}
static void copy_too_much(int *p) {
    char buffer[65];
    cudaMemcpyAsync(buffer, p, sizeof buffer, cudaMemcpyDeviceToHost, cudaStreamPerThread);
}
static void copy_from_device_as_host(int *p) {
    cudaMemcpyAsync(p, p, 4, cudaMemcpyHostToDevice, cudaStreamPerThread);
}

static void check_dies(void (*what)(int *), const char *message) {
    int fd[2];
    CHECK_EQ(pipe(fd), 0);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(fd[1], 2);
        signal(SIGABRT, SIG_DFL);
        what(device(16 * 4));
        _exit(0);
    }
    close(fd[1]);
    char text[1000] = "";
    for (size_t n = 0; n + 1 < sizeof text;) {
        ssize_t got = read(fd[0], text + n, sizeof text - 1 - n);
        if (got <= 0) break;
        n += (size_t)got;
    }
    close(fd[0]);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (!strstr(text, message) || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        fprintf(stderr, "expected \"%s\", got status %d and \"%s\"\n", message, status, text);
        exit(1);
    }
}

static void test_traps(void) {
    check_dies(host_read, "host code touched device memory");
    check_dies(host_write, "host code touched device memory");
    check_dies(beyond, "outside of every allocation");
    check_dies(before, "outside of every allocation");
    check_dies(freed, "access to freed memory");
    check_dies(freed_twice, "no live allocation");
    check_dies(next_to_it, "next to an allocation");
    check_dies(host_argument, "holds the host address");
    check_dies(host_in_struct, "holds the host address");
    check_dies(copy_too_much, "beyond its allocation");
    check_dies(copy_from_device_as_host, "device memory for host memory");
    check_dies(probe_deadlock, "deadlock");
    check_dies(probe_bad_mask, "does not name the caller");
}

/* ---- a second stream ---- */

static cudaStream_t aside(void) {
    cudaStream_t s;
    CHECK_EQ(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), cudaSuccess);
    return s;
}

static cudaEvent_t event(void) {
    cudaEvent_t e;
    CHECK_EQ(cudaEventCreateWithFlags(&e, cudaEventDisableTiming), cudaSuccess);
    return e;
}

enum { ROUNDS = 5, FLOATS = 64 };

/* Rounds of a copy aside and a kernel that reads it, each kind of wait left out or not; how many
 * rounds read what was copied. */
static int rounds(bool await, bool first_wait, bool host_wait) {
    cudaStream_t s = aside();
    cudaEvent_t copied = event(), used = event();
    float *x = device(FLOATS * 4), *sum = device(4), host[FLOATS];
    int right = 0;
    for (int round = 0; round < ROUNDS; round++) {
        if (host_wait) cudaEventSynchronize(copied);
        for (int i = 0; i < FLOATS; i++) host[i] = (float)(round + 1);
        if (first_wait) cudaStreamWaitEvent(s, used, 0);
        cudaMemcpyAsync(x, host, sizeof host, cudaMemcpyHostToDevice, s);
        cudaEventRecord(copied, s);
        CHECK_EQ(cudaEventQuery(copied), cudaErrorNotReady);
        if (await) cudaStreamWaitEvent(cudaStreamPerThread, copied, 0);
        probe_sum(x, FLOATS, sum, 1, 32);
        cudaEventRecord(used, cudaStreamPerThread);
        float *h = host_copy(sum, 4);
        right += *h == (float)(FLOATS * (round + 1));
        free(h);
    }
    cudaFree(x);
    cudaFree(sum);
    cudaEventDestroy(copied);
    cudaEventDestroy(used);
    cudaStreamDestroy(s);
    return right;
}

static void no_first_wait(int *unused) {
    (void)unused;
    rounds(true, false, true);
}

static void no_host_wait(int *unused) {
    (void)unused;
    rounds(true, true, false);
}

static void test_streams(void) {
    CHECK_EQ(rounds(true, true, true), ROUNDS);
    CHECK_EQ(rounds(false, true, true), 0); /* NaN in every round, not what the last one left */
    check_dies(no_first_wait, "writes what this one may still use");
    check_dies(no_host_wait, "may still read");

    /* The host may wait instead of the streams. */
    cudaStream_t s = aside();
    float *x = device(4), one = 1;
    cudaMemcpyAsync(x, &one, 4, cudaMemcpyHostToDevice, s);
    CHECK_EQ(cudaStreamSynchronize(s), cudaSuccess);
    float *h = host_copy(x, 4);
    CHECK_EQ(*h, 1);
    cudaStreamSynchronize(cudaStreamPerThread);
    one = 2;
    cudaMemcpyAsync(x, &one, 4, cudaMemcpyHostToDevice, s);
    cudaDeviceSynchronize();
    free(h);
    h = host_copy(x, 4);
    CHECK_EQ(*h, 2);
    free(h);
    cudaFree(x);
    cudaStreamDestroy(s);
}

int main(void) {
    for (int reverse = 0; reverse < 2; reverse++) {
        bl_emu_reverse(reverse);
        test_index();
        test_sum();
        test_warp();
        test_barrier(reverse);
        test_shared_is_fresh();
    }
    test_configuration();
    test_capture();
    int *kept = device(4);
    probe_struct(kept);
    probe_struct(NULL);
    cudaFree(kept);
    test_traps();
    test_streams();
    return 0;
}
