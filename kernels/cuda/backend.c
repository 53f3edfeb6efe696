/* The CUDA backend's entry: its table, device and plans. */
#include "kernels/cuda/cuda_internal.h"

#include <cuda_runtime.h>
#include <stdio.h>

/* The libraries are large: they are loaded only where there is a device to use them on. */
static int devices(const char **why) {
    int n = bl_cuda_device_count(why);
    return n > 0 && bl_cuda_libraries(NULL, NULL, why) ? n : 0;
}

static bl_status open(int index, bl_device **out) {
    const char *why = NULL;
    *out = NULL;
    int n = devices(&why);
    if (n == 0) return bl_fail(BL_EUNSUPPORTED, "device \"cuda:%d\": %s", index, why);
    if (index >= n) {
        return bl_fail(BL_EUNSUPPORTED,
                       "device \"cuda:%d\": there is no such device; this machine has %d, the last "
                       "is \"cuda:%d\"",
                       index, n, n - 1);
    }
    return bl_cuda_device_open(index, out);
}

static void init(bl_kernels *k) {
    k->name = "cuda";
    bl_cuda_elementwise_slots(k);
    bl_cuda_store_slots(k);
    bl_cuda_reorder_slots(k);
    bl_cuda_conv_slots(k);
    bl_cuda_matmul_slots(k);
    bl_cuda_norm_slots(k);
    bl_cuda_norm_fold_slots(k);
    bl_cuda_group_norm_slots(k);
    bl_cuda_pool_slots(k);
    bl_cuda_resample_slots(k);
    bl_cuda_gather_slots(k);
    bl_cuda_roi_align_slots(k);
    bl_cuda_losses_slots(k);
    bl_cuda_class_gradients_slots(k);
    bl_cuda_rows_slots(k);
    bl_cuda_select_slots(k);
    bl_cuda_match_slots(k);
    bl_cuda_sample_slots(k);
    bl_cuda_proposals_slots(k);
    bl_cuda_views_slots(k);
    bl_cuda_inputs_slots(k);
}

static int32_t block(void) {
    return 0; /* NHWC */
}

static void describe(bl_line_fn line, void *arg) {
    char text[400];
    int runtime = 0, driver = 0;
    cudaRuntimeGetVersion(&runtime);
    cudaDriverGetVersion(&driver);
    snprintf(text, sizeof text, "runtime %d.%d, driver %s", runtime / 1000, runtime % 1000 / 10,
             driver ? "" : "none");
    if (driver) {
        snprintf(text, sizeof text, "runtime %d.%d, driver for up to %d.%d", runtime / 1000,
                 runtime % 1000 / 10, driver / 1000, driver % 1000 / 10);
    }
    line(arg, text);
    bl_cuda_libraries(line, arg, NULL);
    const char *why;
    int n = bl_cuda_device_count(&why);
    if (n == 0) line(arg, why);
    for (int i = 0; i < n; i++) {
        struct cudaDeviceProp p;
        if (cudaGetDeviceProperties(&p, i) != cudaSuccess) continue;
        snprintf(text, sizeof text, "cuda:%d: %s, compute %d.%d, %d multiprocessors, %.1f GiB", i,
                 p.name, p.major, p.minor, p.multiProcessorCount,
                 (double)p.totalGlobalMem / (1 << 30));
        line(arg, text);
    }
}

const bl_backend *bl_cuda_backend(void) {
    static const bl_backend cuda = {.name = "cuda",
                                    .half = true,
                                    .devices = devices,
                                    .open = open,
                                    .init = init,
                                    .block = block,
                                    .plans_create = bl_cuda_plans_create,
                                    .plans_destroy = bl_cuda_plans_destroy,
                                    .plans_describe = bl_cuda_plans_describe,
                                    .defer = bl_cuda_defer_begin,
                                    .graph_stats = bl_cuda_graph_stats,
                                    .describe = describe};
    return &cuda;
}
