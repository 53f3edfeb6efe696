/* Jobs in processes of their own, some at once. For work that sets process-wide things (threads, a
 * device, the log), which could not run beside itself in one process. */
#ifndef BALLAST_CORE_JOBS_H
#define BALLAST_CORE_JOBS_H

#include <stdint.h>

#include "core/status.h"

typedef struct bl_jobs {
    int32_t n;
    int at_once; /* <= 1: one after another in this process */
    /* Job i, in its process; what it prints goes nowhere. */
    bl_status (*run)(void *arg, int32_t i);
    /* In this process, when job i has succeeded, after so many seconds. */
    bl_status (*ended)(void *arg, int32_t i, double seconds);
    void *arg;
    const volatile int *cancel; /* not 0: start none, ask the running ones to stop (SIGTERM) */
} bl_jobs;

/* Starts jobs in order, never more than at_once; after a failure none is started, and those that
 * run are waited for. The first failure, with its message; a job that a signal killed is BL_EIO;
 * BL_ECANCELLED when stopped. The calling process must not have used its threads or a device yet
 * when at_once > 1. */
bl_status bl_jobs_run(const bl_jobs *j);

#endif
