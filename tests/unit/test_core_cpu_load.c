/* Who keeps the cores busy, read from files like /proc/stat, and how many threads that leaves. */
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cpu_load.h"
#include "core/fs.h"
#include "core/parallel.h"
#include "tests/check.h"

static char path[] = "/tmp/ballast-stat-XXXXXX";
static double tick;

static void write_stat(const char *text) {
    CHECK_OK(bl_write_file(path, text, strlen(text)));
}

/* Only the first core that this process may use, to know its number and what to expect. */
static int one_core(void) {
    cpu_set_t set;
    int core = 0;
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    while (!CPU_ISSET(core, &set)) core++;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
    return core;
}

/* user, nice, system, irq and softirq of allowed cores count; idle, iowait and steal do not. */
static void test_read(int core) {
    char text[512];
    bl_cpu_times t;
    snprintf(text, sizeof text,
             "cpu  9999 9999 9999 9999 0 0 0 0 0 0\n"
             "cpu%d 1000 200 30 77777 8888 4 5 99999 600 0\n"
             "cpu%d 5000 5000 5000 5000 5000 5000 5000 5000 0 0\n"
             "intr 12 cpu3 4\nctxt 5\n",
             core, core + 1);
    write_stat(text);
    CHECK(bl_cpu_times_read(path, &t));
    CHECK_EQ(t.cores, 1);
    CHECK(fabs(t.busy - 1239 * tick) < 1e-9);
    CHECK(t.own > 0 && t.wall > 0);
    CHECK(!bl_cpu_times_read("/nonexistent/stat", &t));
    snprintf(text, sizeof text, "cpu%d 1 2 3 4 5 6 7 8\n", core + 1); /* another machine's cores */
    write_stat(text);
    CHECK(!bl_cpu_times_read(path, &t));
    write_stat("cpu 1 2 3\ngarbage\n");
    CHECK(!bl_cpu_times_read(path, &t));
    CHECK(bl_cpu_times_read("/proc/stat", &t) && t.cores == 1);
}

static void test_others(void) {
    bl_cpu_times a = {10, 100, 50, 4}, b = {12, 105, 52, 4};
    CHECK(fabs(bl_cpu_others(&a, &b) - 1.5) < 1e-12); /* 5 busy seconds, 2 of them ours, in 2 */
    CHECK(bl_cpu_others(&a, &a) == 0);
    b.own = 58; /* the system counts in ticks and may lag behind */
    CHECK(bl_cpu_others(&a, &b) == 0);
    b = (bl_cpu_times){12, 200, 52, 4};
    CHECK(bl_cpu_others(&a, &b) == 4);
}

static void test_threads_beside(void) {
    static const struct {
        int set, now, cores;
        double others;
        int want;
    } t[] = {
        {2, 2, 2, 0.0, 2},   {2, 2, 2, 0.3, 2},     {2, 2, 2, 0.6, 1}, {2, 2, 2, 1.0, 1},
        {2, 1, 2, 0.6, 1},   {2, 1, 2, 0.35, 1},    {2, 1, 2, 0.1, 2}, {2, 2, 2, 2.0, 1},
        {1, 1, 2, 2.0, 1},   {2, 2, 8, 1.0, 2},     {2, 2, 8, 7.0, 1}, {8, 8, 8, 1.0, 7},
        {8, 7, 8, 1.0, 7},   {8, 7, 8, 0.2, 8},     {8, 8, 8, 8.0, 1}, {64, 64, 64, 1.0, 56},
        {64, 56, 64, 9, 48}, {64, 56, 64, 0.0, 64}, {4, 4, 2, 0.0, 2}, {16, 16, 16, 15.9, 1},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        CHECK_EQ(bl_threads_beside(t[i].set, t[i].now, t[i].cores, t[i].others), t[i].want);
    }
}

static void test_use_threads(void) {
    bl_set_threads(4);
    CHECK_EQ(bl_threads_set(), 4);
    CHECK_EQ(bl_use_threads(2), 4);
    CHECK(bl_threads() == 2 && bl_threads_set() == 4);
    CHECK_EQ(bl_use_threads(9), 2); /* never more than were set */
    CHECK(bl_threads() == 4 && bl_threads_set() == 4);
    CHECK_EQ(bl_use_threads(0), 4);
    CHECK(bl_threads() == 1 && bl_threads_set() == 4);
    bl_set_threads(3);
    CHECK(bl_threads() == 3 && bl_threads_set() == 3);
    bl_set_threads(0);
}

static void test_peak(void) {
    double before = bl_peak_memory();
    size_t size = 64u << 20;
    char *p = malloc(size);
    CHECK(p);
    memset(p, 1, size);
    CHECK(bl_peak_memory() >= before && bl_peak_memory() > (double)size);
    free(p);
    CHECK(bl_peak_memory() > (double)size); /* a peak stays */
}

int main(void) {
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    test_use_threads();
    test_read(one_core());
    test_others();
    test_threads_beside();
    test_peak();
    unlink(path);
    return 0;
}
