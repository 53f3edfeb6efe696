/* What training takes of the machine: processor time, threads, memory. Beside other busy processes
 * it uses fewer threads, because one that waits for a taken core holds up all of them; the number
 * of threads changes no result. */
#ifndef BALLAST_TRAIN_RESOURCES_H
#define BALLAST_TRAIN_RESOURCES_H

#include <stdbool.h>

#include "core/cpu_load.h"
#include "core/log.h"

typedef struct bl_resources {
    bool adapt, known, hinted;
    bl_cpu_times last;          /* when known */
    double others;              /* cores that other processes keep busy, a running mean */
    double step_wall, step_cpu; /* at the start of the iteration */
    double wall, cpu, thread_seconds, other_cpu; /* sums of the window's iterations */
    double peak;                                 /* bytes, at the last report */
} bl_resources;

/* adapt: the number of threads may change between iterations. */
void bl_resources_start(bl_resources *r, bool adapt);
/* Around every iteration. */
void bl_resources_begin_step(bl_resources *r);
void bl_resources_end_step(bl_resources *r);
/* Adds `cpu` (processor seconds an iteration), `threads` (mean) and `peak_mb` to the open metrics
 * line; warns once when the window's iterations got little of the processor time that their threads
 * could have had. */
void bl_resources_report(bl_resources *r, bl_metrics *m, double iterations);

#endif
