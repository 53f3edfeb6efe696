/* Fork-join parallelism for kernels (OpenMP underneath, shared with oneDNN).
 *
 * bl_parallel_for splits [0, n) into contiguous ranges, up to four a thread; a thread that is done
 * takes ranges of one that is late. Results must not depend on the split: a kernel either owns
 * disjoint outputs per index, or reduces over a number of chunks that is fixed by the problem, never
 * by the thread count. */
#ifndef BALLAST_CORE_PARALLEL_H
#define BALLAST_CORE_PARALLEL_H

#include <stdint.h>

typedef void (*bl_range_fn)(void *arg, int64_t begin, int64_t end);

/* `grain`: about the fewest indices that are worth a range. Runs inline when one thread suffices
 * or when called from inside another parallel region. */
void bl_parallel_for(int64_t n, int64_t grain, bl_range_fn fn, void *arg);
int bl_threads(void);       /* threads a parallel region uses now */
void bl_set_threads(int n); /* n >= 1; 0 = all cores this process may use */

/* Uses fewer threads for a while, 1 <= n <= bl_threads_set(); returns the number used until now.
 * For the calling thread's regions, like bl_set_threads. */
int bl_use_threads(int n);
int bl_threads_set(void); /* what bl_set_threads gave, however few of them are in use */

#endif
