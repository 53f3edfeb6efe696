#include "kernels/backend.h"

#include <stdlib.h>
#include <string.h>

/* ---- the CPU's two backends ---- */

static int cpu_devices(const char **why) {
    *why = NULL;
    return 1;
}

static bl_status cpu_open(int index, bl_device **out) {
    return bl_device_cpu(out);
}

static void cpu_init(bl_kernels *k) {
    bl_kernels_init_ref(k);
    bl_kernels_init_cpu(k);
}

static bl_status cpu_plans(const bl_ctx_options *opt, bl_plans **out) {
    return bl_plans_create_cpu(opt->tuning_file, opt->deterministic, out);
}

static void cpu_describe(bl_line_fn line, void *arg) {
    char text[32];
    bl_cpu_library(text, sizeof text);
    line(arg, text);
}

const bl_backend *bl_backend_cpu(void) {
    static const bl_backend cpu = {.name = "cpu",
                                   .devices = cpu_devices,
                                   .open = cpu_open,
                                   .init = cpu_init,
                                   .block = bl_cpu_block,
                                   .plans_create = cpu_plans,
                                   .plans_destroy = bl_plans_destroy_cpu,
                                   .plans_describe = bl_plans_describe_cpu,
                                   .describe = cpu_describe};
    return &cpu;
}

static int32_t ref_block(void) {
    return 8;
}

const bl_backend *bl_backend_ref(void) {
    static const bl_backend ref = {.name = "ref",
                                   .half = true,
                                   .devices = cpu_devices,
                                   .open = cpu_open,
                                   .init = bl_kernels_init_ref,
                                   .block = ref_block};
    return &ref;
}

/* ---- the choice ---- */

#ifndef BALLAST_CUDA_ABSENT /* set by the build, with the reason, where CUDA is left out */
#define BALLAST_CUDA_ABSENT ""
#endif

const char *bl_cuda_absent(void) {
    return BALLAST_CUDA_ABSENT;
}

static bl_status choose_cuda(const char *device, const bl_backend **out, int *index) {
    const bl_backend *cuda = bl_cuda_backend();
    char *end;
    long i = device[4] == ':' ? strtol(device + 5, &end, 10) : -1;
    if (i < 0 || i > 1 << 10 || end == device + 5 || *end) {
        return bl_fail(BL_EINVAL, "unknown device \"%s\"; CUDA devices are written \"cuda:0\", ...",
                       device);
    }
    if (!cuda) {
        return bl_fail(
            BL_EUNSUPPORTED,
            "device \"%s\": this build has no CUDA backend (%s); use \"cpu\" or \"auto\"", device,
            bl_cuda_absent());
    }
    *out = cuda;
    *index = (int)i;
    return BL_OK;
}

bl_status bl_backend_choose(const char *device, const char *kernels, const bl_backend **out,
                            int *index) {
    bool any = !device || !strcmp(device, "auto");
    bool ref = kernels && !strcmp(kernels, "ref");
    const char *why;
    *out = ref ? bl_backend_ref() : bl_backend_cpu();
    *index = 0;
    if (!ref && kernels && strcmp(kernels, "auto") != 0) {
        return bl_fail(BL_EINVAL, "unknown backend \"%s\"; use \"auto\" or \"ref\"", kernels);
    }
    if (!any && !strncmp(device, "cuda", 4)) {
        if (!ref) return choose_cuda(device, out, index);
        return bl_fail(BL_EINVAL, "backend \"ref\" computes on the CPU, not on device \"%s\"",
                       device);
    }
    if (!any && strcmp(device, "cpu") != 0) {
        return bl_fail(BL_EINVAL, "unknown device \"%s\"; use \"cpu\", \"cuda:N\" or \"auto\"",
                       device);
    }
    const bl_backend *cuda = bl_cuda_backend();
    if (any && !ref && cuda && cuda->devices(&why) > 0) *out = cuda;
    return BL_OK;
}
