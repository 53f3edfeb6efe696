/* cuBLAS and cuDNN, loaded when a device is opened instead of when the program starts: they are
 * hundreds of megabytes that a run on the CPU would map for nothing, and a program built with CUDA
 * still runs where they are absent. Each function that the backend uses has one line below, which
 * defines it under its own name; the files that call it include the vendor's headers as usual. */
#include <cublas_v2.h>
#include <cudnn_backend.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "kernels/cuda/cuda_internal.h"

#ifndef BALLAST_CUDA_LIBRARY_DIRS /* set by the build: where its headers came from */
#define BALLAST_CUDA_LIBRARY_DIRS ""
#endif

#define QUOTE_TOKENS(x) #x
#define QUOTE(x) QUOTE_TOKENS(x)

typedef enum library { CUBLAS_LT, CUBLAS, CUDNN, LIBRARIES } library;

/* cuBLAS needs the other one; loading it first spares the loader a search. */
static const char *const file_name[LIBRARIES] = {"libcublasLt.so." QUOTE(CUBLAS_VER_MAJOR),
                                                 "libcublas.so." QUOTE(CUBLAS_VER_MAJOR),
                                                 "libcudnn.so." QUOTE(CUDNN_MAJOR)};

/* Of the process, like the libraries themselves: the loader maps them once whoever opens a device,
 * and the vendor's functions, whose names and parameters the forwards below must have, leave no
 * room for a context to look them up in. What a device owns are its handles (cublasCreate,
 * cudnnCreate). */
static struct {
    pthread_once_t once;
    void *handle[LIBRARIES];
    char why[400]; /* the first one that is missing */
} g = {.once = PTHREAD_ONCE_INIT};

/* By the loader's own rules, then in the folders of the build. */
static void *load(const char *name) {
    void *h = dlopen(name, RTLD_LAZY | RTLD_GLOBAL);
    const char *dir = BALLAST_CUDA_LIBRARY_DIRS;
    while (!h && *dir) {
        size_t n = strcspn(dir, ":");
        char path[1024];
        snprintf(path, sizeof path, "%.*s/%s", (int)n, dir, name);
        h = dlopen(path, RTLD_LAZY | RTLD_GLOBAL);
        dir += n + (dir[n] == ':');
    }
    return h;
}

static void load_all(void) {
    for (int i = 0; i < LIBRARIES; i++) {
        g.handle[i] = load(file_name[i]);
        if (g.handle[i] || g.why[0]) continue;
        snprintf(g.why, sizeof g.why,
                 "%s cannot be loaded; install %s, or name its folder in LD_LIBRARY_PATH",
                 file_name[i], i == CUDNN ? "cuDNN" : "cuBLAS");
    }
}

/* The function, or NULL: then bl_cuda_libraries() has said no, and nobody should call it. */
static void *symbol(library lib, const char *name) {
    pthread_once(&g.once, load_all);
    return g.handle[lib] ? dlsym(g.handle[lib], name) : NULL;
}

/* Defines `name` as a call of the library's function; `missing` is returned when it lacks it. */
#define FORWARD(lib, type, missing, name, parameters, arguments)                                   \
    type name parameters {                                                                         \
        static type(*f) parameters;                                                                \
        if (!f) *(void **)&f = symbol(lib, #name);                                                 \
        return f ? f arguments : missing;                                                          \
    }
#define BLAS(name, parameters, arguments)                                                          \
    FORWARD(CUBLAS, cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, name, parameters, arguments)
#define DNN(name, parameters, arguments)                                                           \
    FORWARD(CUDNN, cudnnStatus_t, CUDNN_STATUS_NOT_INITIALIZED, name, parameters, arguments)

BLAS(cublasCreate_v2, (cublasHandle_t * h), (h))
BLAS(cublasDestroy_v2, (cublasHandle_t h), (h))
BLAS(cublasSetStream_v2, (cublasHandle_t h, cudaStream_t s), (h, s))
BLAS(cublasSetWorkspace_v2, (cublasHandle_t h, void *memory, size_t bytes), (h, memory, bytes))
BLAS(cublasSetMathMode, (cublasHandle_t h, cublasMath_t mode), (h, mode))
BLAS(cublasGetProperty, (libraryPropertyType type, int *value), (type, value))
BLAS(cublasSgemm_v2_64,
     (cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int64_t m, int64_t n, int64_t k,
      const float *alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
      const float *beta, float *c, int64_t ldc),
     (h, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc))
BLAS(cublasGemmEx_64,
     (cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int64_t m, int64_t n, int64_t k,
      const void *alpha, const void *a, cudaDataType at, int64_t lda, const void *b,
      cudaDataType bt, int64_t ldb, const void *beta, void *c, cudaDataType ct, int64_t ldc,
      cublasComputeType_t compute, cublasGemmAlgo_t algo),
     (h, ta, tb, m, n, k, alpha, a, at, lda, b, bt, ldb, beta, c, ct, ldc, compute, algo))
FORWARD(CUBLAS, const char *, "cuBLAS is not loaded", cublasGetStatusString, (cublasStatus_t s),
        (s))

DNN(cudnnCreate, (cudnnHandle_t * h), (h))
DNN(cudnnDestroy, (cudnnHandle_t h), (h))
DNN(cudnnSetStream, (cudnnHandle_t h, cudaStream_t s), (h, s))
DNN(cudnnBackendCreateDescriptor, (cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *d),
    (type, d))
DNN(cudnnBackendDestroyDescriptor, (cudnnBackendDescriptor_t d), (d))
DNN(cudnnBackendSetAttribute,
    (cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
     int64_t count, const void *values),
    (d, name, type, count, values))
DNN(cudnnBackendGetAttribute,
    (cudnnBackendDescriptor_t const d, cudnnBackendAttributeName_t name,
     cudnnBackendAttributeType_t type, int64_t room, int64_t *count, void *values),
    (d, name, type, room, count, values))
DNN(cudnnBackendFinalize, (cudnnBackendDescriptor_t d), (d))
DNN(cudnnBackendExecute,
    (cudnnHandle_t h, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack),
    (h, plan, pack))
FORWARD(CUDNN, const char *, "cuDNN is not loaded", cudnnGetErrorString, (cudnnStatus_t s), (s))
FORWARD(CUDNN, size_t, 0, cudnnGetVersion, (void), ())
FORWARD(CUDNN, void, (void)0, cudnnGetLastErrorString, (char *text, size_t size), (text, size))

static void say(bl_line_fn line, void *arg, const char *name, bool there, long major, long minor,
                long patch) {
    char text[128];
    if (there) {
        snprintf(text, sizeof text, "%s %ld.%ld.%ld", name, major, minor, patch);
    } else {
        snprintf(text, sizeof text, "%s: not found", name);
    }
    line(arg, text);
}

bool bl_cuda_libraries(bl_line_fn line, void *arg, const char **why) {
    pthread_once(&g.once, load_all);
    if (line) {
        int v[3] = {0};
        const libraryPropertyType part[] = {MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL};
        for (int i = 0; i < 3; i++) cublasGetProperty(part[i], &v[i]);
        say(line, arg, "cuBLAS", g.handle[CUBLAS] != NULL, v[0], v[1], v[2]);
        long dnn = (long)cudnnGetVersion();
        say(line, arg, "cuDNN", g.handle[CUDNN] != NULL, dnn / 10000, dnn / 100 % 100, dnn % 100);
    }
    if (why) *why = g.why[0] ? g.why : NULL;
    return !g.why[0];
}
