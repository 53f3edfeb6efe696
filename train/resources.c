#include "train/resources.h"

#include <math.h>
#include <time.h>

#include "core/parallel.h"
#include "train/progress.h"

static const double SAMPLE = 0.25; /* seconds; the system counts in hundredths */
static const double MEMORY = 0.5;  /* seconds that the running mean looks back */
static const double LITTLE = 0.6;  /* share of the threads' time that is worth a hint, when ... */
static const double TAKEN = 0.25;  /* ... others take so much of a core: a small network leaves
                                      threads idle by itself */

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void bl_resources_start(bl_resources *r, bool adapt) {
    *r = (bl_resources){.adapt = adapt && bl_threads_set() > 1};
    r->known = bl_cpu_times_read("/proc/stat", &r->last);
}

void bl_resources_begin_step(bl_resources *r) {
    r->step_wall = bl_now();
    r->step_cpu = cpu_seconds();
}

static void look_around(bl_resources *r, double now) {
    bl_cpu_times t;
    double span = now - r->last.wall;
    if (!r->known || span < SAMPLE || !bl_cpu_times_read("/proc/stat", &t)) return;
    r->others += (bl_cpu_others(&r->last, &t) - r->others) * (1 - exp(-span / MEMORY));
    r->last = t;
    if (r->adapt) {
        bl_use_threads(bl_threads_beside(bl_threads_set(), bl_threads(), t.cores, r->others));
    }
}

void bl_resources_end_step(bl_resources *r) {
    double now = bl_now(), wall = now - r->step_wall;
    r->wall += wall;
    r->cpu += cpu_seconds() - r->step_cpu;
    r->thread_seconds += wall * bl_threads();
    r->other_cpu += wall * r->others;
    look_around(r, now);
}

static void hint(bl_resources *r, double iterations) {
    double threads = r->thread_seconds / r->wall, others = r->other_cpu / r->wall;
    int set = bl_threads_set();
    if (r->hinted) return;
    if (threads < set - 0.5) {
        BL_WARN("other processes keep %.1f cores busy: %.1f of %d threads in use", others, threads,
                set);
    } else if (r->cpu < LITTLE * r->thread_seconds && others > TAKEN) {
        BL_WARN(
            "an iteration gets %.3f s of processor time in %.3f s on %d threads (%.0f %%); other "
            "processes keep %.1f cores busy",
            r->cpu / iterations, r->wall / iterations, set, 100 * r->cpu / r->thread_seconds,
            others);
    } else {
        return;
    }
    r->hinted = true;
}

void bl_resources_report(bl_resources *r, bl_metrics *m, double iterations) {
    if (r->wall <= 0 || iterations < 1) return;
    hint(r, iterations);
    r->peak = bl_peak_memory();
    bl_metrics_number(m, "cpu", r->cpu / iterations);
    bl_metrics_number(m, "threads", r->thread_seconds / r->wall);
    bl_metrics_number(m, "peak_mb", r->peak / (1 << 20));
    r->wall = r->cpu = r->thread_seconds = r->other_cpu = 0;
}
