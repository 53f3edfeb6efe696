/* Convolution graphs, engines and execution plans of the real cuDNN, for a GPU that is described
 * but need not be there: every shape of our networks must find engines in every arithmetic, and the
 * rules must find one among them. Skipped where cuDNN is not installed. */
#include "kernels/cuda/conv_graph.h"
#include "kernels/cuda/cuda_internal.h"
#include "tests/check.h"

/* An H200 as cuDNN itself would describe it; later releases ask for more (9.28: smCountOrigin,
 * oversizedSharedMemoryPerBlock, memoryBusWidth), earlier ones do not mind. */
static const char h200[] =
    "{\"version\": 1, \"deviceName\": \"NVIDIA H200\", \"deviceVer\": 900, \"cudaDeviceId\": 0, "
    "\"driverVer\": 13000, \"totalGlobalMem\": 150109880320, "
    "\"maxGridSize\": [2147483647, 65535, 65535], \"maxBlockSize\": [1024, 1024, 64], "
    "\"regsPerBlock\": 65536, \"multiProcessorCount\": 132, \"smCountOrigin\": 0, "
    "\"warpSize\": 32, \"oversizedSharedMemoryPerBlock\": 0, \"memoryBusWidth\": 6144, "
    "\"maxSharedMemoryPerBlock\": 49152, \"maxSharedMemoryPerBlockOptin\": 232448, "
    "\"reservedSharedMemoryPerBlock\": 1024, \"maxRegistersPerSM\": 65536, \"maxCtasPerSM\": 32, "
    "\"maxThreadsPerBlock\": 1024, \"maxThreadsPerSM\": 2048, \"pciDeviceId\": 0, "
    "\"isTccDriver\": 0, \"supportCoopLaunch\": 1, \"smClockRateKHz\": 1980000, "
    "\"memClockRateKHz\": 3201000, \"l2CacheSize\": 62914560}";

static bl_conv_key key_of(int n, int ic, int hw, int oc, int k, int stride, int pad, int dilation) {
    int out = (hw + 2 * pad - dilation * (k - 1) - 1) / stride + 1;
    return (bl_conv_key){n, ic, hw, hw, oc, out, out, k, k, stride, pad, dilation, 0, 0, 0};
}

/* ---- choosing among real engines ---- */

typedef struct attempt {
    cudnnBackendDescriptor_t device;
    bl_conv_graph *g;
    int prepared;
} attempt;

static bl_status prepare(void *arg, int i, int64_t *workspace) {
    attempt *a = arg;
    cudnnBackendDescriptor_t plan;
    BL_TRY(bl_conv_graph_plan(a->g, a->device, i, &plan, workspace));
    CHECK(*workspace >= 0);
    cudnnBackendDestroyDescriptor(plan);
    a->prepared++;
    return BL_OK;
}

static bl_status no_time(void *arg, int i, double *ms) {
    CHECK(!"a deterministic choice runs nothing");
    return BL_EBACKEND;
}

static void check_key(cudnnBackendDescriptor_t device, const bl_conv_key *key, bool must) {
    char text[160];
    bl_conv_graph *g;
    const bl_conv_candidate *list;
    int n;
    bl_conv_key_text(key, text, sizeof text);
    CHECK_OK(bl_conv_graph_create(key, &g));
    CHECK_OK(bl_conv_graph_engines(g, device, &list, &n));
    for (int i = 0; i < n; i++) { /* no doubles, no empty names */
        CHECK(list[i].name[0] >= '0' && list[i].name[0] <= '9');
        for (int j = 0; j < i; j++) CHECK(strcmp(list[i].name, list[j].name) != 0);
    }
    attempt a = {device, g, 0};
    bl_conv_trial trial = {&a, prepare, no_time};
    bl_conv_rule rule = {.math = (bl_cuda_math)key->math,
                         .deterministic = true,
                         .workspace = bl_conv_workspace((size_t)141 << 30)};
    bl_conv_verdict v;
    bl_status status = bl_conv_choose(list, n, &rule, &trial, &v);
    if (status != BL_OK && must) {
        fprintf(stderr, "%s: %s\n", text, bl_error());
        exit(1);
    }
    if (status == BL_OK) {
        CHECK(bl_conv_allowed(&rule, list[v.pick].notes));
        CHECK(v.workspace <= rule.workspace);
        if (getenv("BALLAST_TEST_VERBOSE")) {
            printf("%s: engine %s of %d, %lld bytes\n", text, list[v.pick].name, n,
                   (long long)v.workspace);
        }
    }
    int again = n;
    CHECK_OK(bl_conv_graph_engines(g, device, &list, &again)); /* listed once */
    CHECK_EQ(again, n);
    bl_conv_graph_destroy(g);
}

static void all_directions(cudnnBackendDescriptor_t device, bl_conv_key key) {
    for (int dir = BL_CUDA_FWD; dir <= BL_CUDA_BWD_WEIGHTS; dir++) {
        key.dir = dir;
        check_key(device, &key, true);
    }
}

/* The convolutions of our networks: stem, bottleneck, strides, FPN, RPN heads, WRN, CIFAR ResNets;
 * and odd sizes. */
static void network_shapes(cudnnBackendDescriptor_t device, bl_cuda_math math) {
    bl_conv_key shape[] = {
        key_of(2, 3, 224, 64, 7, 2, 3, 1),   key_of(2, 64, 56, 256, 1, 1, 0, 1),
        key_of(2, 128, 56, 128, 3, 2, 1, 1), key_of(2, 1024, 14, 2048, 1, 2, 0, 1),
        key_of(2, 256, 13, 3, 1, 1, 0, 1),   key_of(64, 3, 32, 16, 3, 1, 1, 1),
        key_of(2, 64, 28, 64, 3, 1, 2, 2),   key_of(3, 5, 9, 11, 3, 2, 1, 1),
        key_of(1, 1, 5, 1, 5, 1, 2, 1),      key_of(8, 64, 56, 64, 3, 1, 1, 1)};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        shape[i].math = math;
        all_directions(device, shape[i]);
    }
    for (int fused = 1; fused < 4; fused++) { /* may be missing: then kernels follow */
        bl_conv_key key = shape[2];
        key.fused = fused;
        check_key(device, &key, fused != BL_CUDA_RELU);
    }
}

/* What strict fp32 relies on: cuDNN marks the engines that use tensor cores. */
static void notes_are_told(cudnnBackendDescriptor_t device) {
    bl_conv_key key = key_of(8, 64, 56, 64, 3, 1, 1, 1);
    bl_conv_graph *g;
    const bl_conv_candidate *list;
    int n, tensor = 0, plain = 0, varies = 0;
    CHECK_OK(bl_conv_graph_create(&key, &g));
    CHECK_OK(bl_conv_graph_engines(g, device, &list, &n));
    for (int i = 0; i < n; i++) *(list[i].notes & BL_NOTE_TENSOR_CORE ? &tensor : &plain) += 1;
    CHECK(tensor > 0 && plain > 0);
    bl_conv_graph_destroy(g);
    key.dir = BL_CUDA_BWD_WEIGHTS;
    CHECK_OK(bl_conv_graph_create(&key, &g));
    CHECK_OK(bl_conv_graph_engines(g, device, &list, &n));
    for (int i = 0; i < n; i++) varies += (list[i].notes & BL_NOTE_NONDETERMINISTIC) != 0;
    CHECK(varies > 0);
    bl_conv_graph_destroy(g);
}

/* Refusals carry the call and cuDNN's own words. */
static void errors(void) {
    cudnnBackendDescriptor_t device;
    CHECK_FAILS(bl_cudnn_device_described("{\"version\": 1}", &device), BL_EBACKEND,
                "the device descriptor");
    CHECK(!device && strstr(bl_error(), "CUDNN_STATUS_BAD_PARAM") && strstr(bl_error(), "("));
    bl_conv_graph *g;
    bl_conv_key bad = key_of(2, 8, 8, 8, 3, 1, 1, 1);
    bad.oh = 5; /* does not follow from input, padding and stride */
    bl_status status = bl_conv_graph_create(&bad, &g);
    CHECK(status != BL_OK && !g && strstr(bl_error(), "CUDNN_STATUS_"));
    bad = key_of(2, 8, 8, 8, 3, 1, 1, 1);
    bad.stride = 0;
    CHECK(bl_conv_graph_create(&bad, &g) != BL_OK && !g);
    bl_conv_graph_destroy(NULL);
}

int main(void) {
    const char *why;
    cudnnBackendDescriptor_t device;
    if (!bl_cuda_libraries(NULL, NULL, &why)) {
        printf("skipped: %s\n", why);
        return 77;
    }
    bl_status described = bl_cudnn_device_described(h200, &device);
    if (described != BL_OK && strstr(bl_error(), "SUBLIBRARY_LOADING_FAILED")) {
        printf("skipped: this cuDNN needs the driver's library: %s\n", bl_error());
        return 77;
    }
    CHECK_OK(described);
    for (int math = BL_CUDA_FP32; math <= BL_CUDA_FP16; math++) {
        network_shapes(device, (bl_cuda_math)math);
    }
    notes_are_told(device);
    errors();
    cudnnBackendDestroyDescriptor(device);
    return 0;
}
