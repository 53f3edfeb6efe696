#include "core/parallel.h"

#include <omp.h>
#include <stdatomic.h>

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

enum { MAX_SHARES = 128, PIECES = 4 }; /* threads a region uses at most; pieces for each of them */

/* What one thread is to do, in pieces that it takes one after the other. A thread that is done takes
 * what is left of the others' shares: a core that is busy elsewhere holds up one piece, not a share. */
typedef struct share {
    _Alignas(64) atomic_llong next;
    int64_t end;
} share;

typedef struct job {
    bl_range_fn fn;
    void *arg;
    int64_t n, pieces, shares;
    share share[MAX_SHARES];
} job;

/* Where piece `i` of `parts` nearly equal contiguous pieces of n begins. */
static int64_t begin_of(int64_t n, int64_t parts, int64_t i) {
    int64_t q = n / parts, r = n % parts;
    return i * q + (i < r ? i : r);
}

static UNCHECKED void run_piece(job *j, int64_t i) {
    JOIN_ACQUIRE(j);
    j->fn(j->arg, begin_of(j->n, j->pieces, i), begin_of(j->n, j->pieces, i + 1));
    JOIN_RELEASE(j);
}

static UNCHECKED void work(job *j, int64_t thread) {
    for (int64_t k = 0; k < j->shares; k++) {
        share *s = &j->share[(thread + k) % j->shares];
        for (;;) {
            int64_t i = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);
            if (i >= s->end) break;
            run_piece(j, i);
        }
    }
}

UNCHECKED void bl_parallel_for(int64_t n, int64_t grain, bl_range_fn fn, void *arg) {
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    int64_t pieces = (n - 1) / grain + 1, threads = omp_get_max_threads();
    if (threads > MAX_SHARES) threads = MAX_SHARES;
    if (threads > pieces) threads = pieces;
    if (threads <= 1 || omp_in_parallel()) {
        fn(arg, 0, n);
        return;
    }
    if (pieces > threads * PIECES) pieces = threads * PIECES;
    job j;
    j.fn = fn;
    j.arg = arg;
    j.n = n;
    j.pieces = pieces;
    j.shares = threads;
    for (int64_t t = 0; t < threads; t++) {
        atomic_init(&j.share[t].next, begin_of(pieces, threads, t));
        j.share[t].end = begin_of(pieces, threads, t + 1);
    }
    JOIN_RELEASE(&j);
#pragma omp parallel num_threads((int)threads)
    work(&j, omp_get_thread_num());
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
