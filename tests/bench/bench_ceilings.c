/* What device N (default 0) could do at best, computed from its attributes, as one JSON object:
 * memory traffic in GB/s and dense multiply-add rates in TFLOP/s; a rate that is not known for its
 * generation is left out. */
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>

/* Per multiprocessor and clock, of the vendor's architecture papers: fp32 lanes, and products of
 * TF32 tensor cores (bf16 ones are twice as many). */
static const struct {
    int major, minor, fp32, tf32;
} generation[] = {{8, 0, 64, 512}, {8, 6, 128, 128}, {8, 9, 128, 256}, {9, 0, 128, 1024}};

static int attribute(enum cudaDeviceAttr a, int device) {
    int v = 0;
    cudaError_t e = cudaDeviceGetAttribute(&v, a, device);
    if (e == cudaSuccess) return v;
    fprintf(stderr, "bench_ceilings: device %d: %s\n", device, cudaGetErrorString(e));
    exit(1);
}

int main(int argc, char **argv) {
    int d = argc > 1 ? atoi(argv[1]) : 0;
    double clock_hz = 1e3 * attribute(cudaDevAttrClockRate, d);
    double memory_hz = 1e3 * attribute(cudaDevAttrMemoryClockRate, d);
    double bus_bytes = attribute(cudaDevAttrGlobalMemoryBusWidth, d) / 8.0;
    int sms = attribute(cudaDevAttrMultiProcessorCount, d);
    int major = attribute(cudaDevAttrComputeCapabilityMajor, d);
    int minor = attribute(cudaDevAttrComputeCapabilityMinor, d);
    printf("{\"multiprocessors\": %d, \"clock_mhz\": %.0f, \"memory_gb_s\": %.1f", sms,
           clock_hz * 1e-6, 2 * memory_hz * bus_bytes * 1e-9); /* two transfers a clock */
    for (size_t i = 0; i < sizeof generation / sizeof *generation; i++) {
        if (generation[i].major != major || generation[i].minor != minor) continue;
        double tera = 2 * sms * clock_hz * 1e-12;
        printf(", \"fp32_tflop_s\": %.1f, \"tf32_tflop_s\": %.1f, \"bf16_tflop_s\": %.1f, "
               "\"fp16_tflop_s\": %.1f",
               tera * generation[i].fp32, tera * generation[i].tf32, 2 * tera * generation[i].tf32,
               2 * tera * generation[i].tf32);
    }
    printf("}\n");
    return 0;
}
