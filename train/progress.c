#include "train/progress.h"

#include <stdio.h>
#include <time.h>

#include "core/log.h"

static const double INTERVAL = 5.0; /* seconds between lines */

double bl_now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

void bl_format_duration(double seconds, char *out, size_t size) {
    long long s = seconds > 0 ? (long long)(seconds + 0.5) : 0;
    if (s >= 86400)
        snprintf(out, size, "%lld d %02lld:%02lld:%02lld", s / 86400, s / 3600 % 24, s / 60 % 60,
                 s % 60);
    else if (s >= 3600)
        snprintf(out, size, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, size, "%02lld:%02lld", s / 60, s % 60);
}

void bl_progress_start(bl_progress *p, const char *what, int64_t total) {
    *p = (bl_progress){what, total, bl_now(), bl_now()};
}

void bl_progress_update(bl_progress *p, int64_t done) {
    double now = bl_now();
    if (!p->what || now - p->last < INTERVAL || done <= 0) return;
    char eta[32];
    double rate = (double)done / (now - p->start);
    bl_format_duration((double)(p->total - done) / rate, eta, sizeof eta);
    BL_INFO("%s %lld/%lld  %.1f images/s  eta %s", p->what, (long long)done, (long long)p->total,
            rate, eta);
    p->last = now;
}

void bl_progress_finish(bl_progress *p) {
    double t = bl_now() - p->start;
    if (!p->what || t < INTERVAL) return;
    BL_INFO("%s %lld images in %.1f s (%.1f images/s)", p->what, (long long)p->total, t,
            t > 0 ? (double)p->total / t : 0.0);
}
