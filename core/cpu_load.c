#include "core/cpu_load.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The ticks of one line, "cpu3 user nice system idle iowait irq softirq steal ..."; false for the
 * sum over all cores and for lines about something else. */
static bool core_ticks(const char *line, int *core, double *ticks) {
    double user, nice, system, irq, softirq;
    if (sscanf(line, "cpu%d %lf %lf %lf %*f %*f %lf %lf", core, &user, &nice, &system, &irq,
               &softirq) != 6) {
        return false;
    }
    *ticks = user + nice + system + irq + softirq;
    return true;
}

bool bl_cpu_times_read(const char *stat, bl_cpu_times *out) {
    cpu_set_t mine;
    char line[512];
    double busy = 0, ticks;
    int core;
    if (sched_getaffinity(0, sizeof mine, &mine) != 0) return false;
    FILE *f = fopen(stat, "re");
    if (!f) return false;
    out->cores = 0;
    while (fgets(line, sizeof line, f)) {
        if (!core_ticks(line, &core, &ticks)) continue;
        if (core < 0 || core >= CPU_SETSIZE || !CPU_ISSET(core, &mine)) continue;
        busy += ticks;
        out->cores++;
    }
    fclose(f);
    out->busy = busy / (double)sysconf(_SC_CLK_TCK);
    out->own = seconds(CLOCK_PROCESS_CPUTIME_ID);
    out->wall = seconds(CLOCK_MONOTONIC);
    return out->cores > 0 && out->cores == CPU_COUNT(&mine);
}

double bl_cpu_others(const bl_cpu_times *a, const bl_cpu_times *b) {
    double span = b->wall - a->wall;
    if (span <= 0) return 0;
    double others = ((b->busy - a->busy) - (b->own - a->own)) / span;
    return fmin(fmax(others, 0), b->cores);
}

int bl_threads_beside(int set, int now, int cores, double others) {
    double left = (double)cores - others;
    int step = set > 8 ? set / 8 : 1;
    int fewer = (int)(left + 0.45), more = (int)(left + 0.25), n = now;
    if (fewer < now) n = fewer;
    if (more > now) n = more;
    if (n >= set) return set;
    n = set - (set - n + step - 1) / step * step;
    return n > 1 ? n : 1;
}

/* Not getrusage's ru_maxrss: it includes what the program that started this one held. */
double bl_peak_memory(void) {
    char line[256];
    double kb = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "VmHWM: %lf kB", &kb) == 1) break;
    }
    if (f) fclose(f);
    return kb * 1024;
}
