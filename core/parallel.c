#include "core/parallel.h"

#include <omp.h>

#if defined(__SANITIZE_THREAD__)
/* libgomp is not instrumented: tell ThreadSanitizer about the fork and the join. */
extern void __tsan_acquire(void *addr);
extern void __tsan_release(void *addr);
#define JOIN_ACQUIRE(p) __tsan_acquire(p)
#define JOIN_RELEASE(p) __tsan_release(p)
#define UNCHECKED __attribute__((no_sanitize_thread))
#else
#define JOIN_ACQUIRE(p) ((void)(p))
#define JOIN_RELEASE(p) ((void)(p))
#define UNCHECKED
#endif

/* OpenMP keeps one number of threads for each thread that opens regions; beside it, the number that
 * bl_set_threads gave while fewer are in use. */
static _Thread_local struct { int of; /* 0: all are in use */ } lent;

typedef struct job {
    bl_range_fn fn;
    void *arg;
    int64_t n;
} job;

/* Runs part `i` of `parts` nearly equal contiguous parts. */
static UNCHECKED void run_part(job *j, int64_t i, int64_t parts) {
    int64_t q = j->n / parts, r = j->n % parts;
    int64_t begin = i * q + (i < r ? i : r);
    JOIN_ACQUIRE(j);
    j->fn(j->arg, begin, begin + q + (i < r));
    JOIN_RELEASE(j);
}

UNCHECKED void bl_parallel_for(int64_t n, int64_t grain, bl_range_fn fn, void *arg) {
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    int64_t parts = (n - 1) / grain + 1, threads = omp_get_max_threads();
    if (parts > threads) parts = threads;
    if (parts <= 1 || omp_in_parallel()) {
        fn(arg, 0, n);
        return;
    }
    job j = {fn, arg, n};
    JOIN_RELEASE(&j);
#pragma omp parallel num_threads((int)parts)
    {
        /* The runtime may grant fewer threads than asked for. */
        for (int64_t i = omp_get_thread_num(); i < parts; i += omp_get_num_threads()) {
            run_part(&j, i, parts);
        }
    }
    JOIN_ACQUIRE(&j);
}

int bl_threads(void) {
    return omp_in_parallel() ? 1 : omp_get_max_threads();
}

int bl_threads_set(void) {
    if (omp_in_parallel()) return 1;
    return lent.of ? lent.of : omp_get_max_threads();
}

void bl_set_threads(int n) {
    lent.of = 0;
    omp_set_num_threads(n > 0 ? n : omp_get_num_procs());
}

int bl_use_threads(int n) {
    int now = omp_get_max_threads(), set = lent.of ? lent.of : now;
    if (n < 1) n = 1;
    lent.of = n < set ? set : 0;
    omp_set_num_threads(n < set ? n : set);
    return now;
}
