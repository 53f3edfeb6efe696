/* A backend: one device with the kernel table that computes on it. A context is made of exactly one
 * of them; no code above kernels/ knows which. */
#ifndef BALLAST_KERNELS_BACKEND_H
#define BALLAST_KERNELS_BACKEND_H

#include "kernels/device.h"
#include "kernels/kernels.h"

typedef void (*bl_line_fn)(void *arg, const char *text);

typedef struct bl_backend {
    const char *name; /* "cpu", "ref", "cuda" */
    bool half;        /* its kernels take 16-bit maps */

    /* Devices it can open on this machine; 0 with *why set to a reason in words (static text or
     * this thread's buffer, valid until the next call) when there are none. */
    int (*devices)(const char **why);
    /* Opens device `index`; the message says what is missing when there is no such device. */
    bl_status (*open)(int index, bl_device **out);

    /* Fills every slot of the zeroed table. */
    void (*init)(bl_kernels *k);
    /* The preferred channel block of activations; 0 = NHWC (cb = C). */
    int32_t (*block)(void);

    /* The plan cache of the device that was opened last; all NULL for a backend without one. */
    bl_status (*plans_create)(const bl_ctx_options *opt, bl_plans **out);
    void (*plans_destroy)(bl_plans *p);
    void (*plans_describe)(const bl_plans *p, bl_line_fn line, void *arg);

    /* Graphs (bl_ctx_options): makes the table one that collects work and replays it, in the
     * calling thread, until the device is closed; and how that goes. NULL where work is done at
     * once. */
    bl_status (*defer)(bl_device *dev, bl_kernels *k);
    bl_graph_stats (*graph_stats)(const bl_device *dev);

    /* Versions of its libraries and its devices, one line each, for `ballast doctor`. */
    void (*describe)(bl_line_fn line, void *arg);
} bl_backend;

const bl_backend *bl_backend_cpu(void); /* the fastest kernels of this processor */
const bl_backend *bl_backend_ref(void); /* plain C on the CPU: the oracle */
/* NULL when it is not built in; bl_cuda_absent() then says why. */
const bl_backend *bl_cuda_backend(void);
const char *bl_cuda_absent(void);

/* The backend and device index that the names (as in bl_ctx_options; NULL = "auto") stand for.
 * "auto" is cuda:0 when CUDA is built in and a device is present, else the CPU; kernels "ref" are
 * the CPU's. */
bl_status bl_backend_choose(const char *device, const char *kernels, const bl_backend **out,
                            int *index);

/* The name of a slot that is NULL in the table; NULL when it is complete. */
const char *bl_kernels_missing(const bl_kernels *k);

#endif
