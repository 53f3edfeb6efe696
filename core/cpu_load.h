/* What keeps the cores busy that this process may use: itself, or others. Linux only (/proc/stat);
 * elsewhere nothing is known. */
#ifndef BALLAST_CORE_CPU_LOAD_H
#define BALLAST_CORE_CPU_LOAD_H

#include <stdbool.h>

typedef struct bl_cpu_times { /* seconds, since some fixed moment */
    double wall;
    double busy; /* of those cores, with whatever process; the hypervisor's share is not counted */
    double own;  /* this process, all threads */
    int cores;
} bl_cpu_times;

/* `stat`: a file like /proc/stat. False when it cannot be read or lacks the cores. */
bool bl_cpu_times_read(const char *stat, bl_cpu_times *out);

/* Cores that other processes kept busy from `a` to `b`, 0 to `cores`. */
double bl_cpu_others(const bl_cpu_times *a, const bl_cpu_times *b);

/* How many of `set` threads (>= 1) should run beside others that keep `others` of `cores` busy,
 * when `now` do: a thread that waits for a taken core holds up all of them. Some slack keeps the
 * answer from swinging, and many threads go in eighths, because each number has convolution plans
 * of its own. */
int bl_threads_beside(int set, int now, int cores, double others);

double bl_peak_memory(void); /* bytes; the most that this process ever held; 0 = not known */

#endif
