/* A stand-in for cuBLAS on the emulated device, compiled against cuBLAS's own header: products by
 * their definition in columns, summed in fp32. With the TF32 math mode fp32 inputs are rounded to
 * 10 bits of mantissa. */
#include <cublas_v2.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/cuda_internal.h"
#include "tests/emu/emu_values.h"
#include "tests/emu/emulator.h"

bool bl_cuda_libraries(bl_line_fn line, void *arg, const char **why) {
    if (line) line(arg, "emulated device: stand-ins for cuDNN and cuBLAS");
    return true;
}

struct cublasContext {
    cublasMath_t mode;
    void *workspace;
};

cublasStatus_t cublasCreate_v2(cublasHandle_t *h) {
    *h = calloc(1, sizeof **h);
    return *h ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_ALLOC_FAILED;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t h) {
    free(h);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t h, cudaStream_t stream) {
    return stream == cudaStreamPerThread ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t h, void *memory, size_t bytes) {
    bl_emu_need(memory, bytes);
    h->workspace = memory;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t h, cublasMath_t mode) {
    h->mode = mode;
    return CUBLAS_STATUS_SUCCESS;
}

const char *cublasGetStatusString(cublasStatus_t s) {
    return s == CUBLAS_STATUS_INVALID_VALUE ? "the emulator refuses a value" : "emulated error";
}

static bl_dtype dtype_of(cudaDataType type) {
    return type == CUDA_R_16BF ? BL_BF16 : type == CUDA_R_16F ? BL_F16 : BL_F32;
}

/* The matrix op(A) of rows x cols, column by column, without gaps. */
static float *unpack(cublasHandle_t h, cublasOperation_t op, int64_t rows, int64_t cols,
                     bl_dtype type, const void *a, int64_t ld) {
    int64_t stored = op == CUBLAS_OP_N ? cols : rows;
    int64_t used = op == CUBLAS_OP_N ? rows : cols;
    bool narrow = type == BL_F32 && (h->mode & 15) == CUBLAS_TF32_TENSOR_OP_MATH;
    bl_emu_need(a, (size_t)((stored - 1) * ld + used) * (size_t)bl_dtype_size(type));
    float *out = malloc((size_t)(rows * cols) * sizeof *out);
    if (!out) abort();
    for (int64_t j = 0; j < cols; j++) {
        for (int64_t i = 0; i < rows; i++) {
            float v = bl_emu_value(type, a, op == CUBLAS_OP_N ? j * ld + i : i * ld + j);
            out[j * rows + i] = narrow ? bl_emu_tf32(v) : v;
        }
    }
    return out;
}

typedef struct product {
    cublasHandle_t h;
    cublasOperation_t ta, tb;
    int64_t m, n, k, lda, ldb, ldc;
    bl_dtype in, out;
    const void *a, *b;
    void *c;
    float alpha, beta;
} product;

/* C[m,n] = alpha op(A)[m,k] op(B)[k,n] + beta C. */
static void multiply(void *arg) {
    const product *p = arg;
    int64_t m = p->m, n = p->n, k = p->k;
    bl_emu_begin("cuBLAS product");
    float *pa = unpack(p->h, p->ta, m, k, p->in, p->a, p->lda);
    float *pb = unpack(p->h, p->tb, k, n, p->in, p->b, p->ldb);
    float *column = malloc((size_t)m * sizeof *column);
    if (!column) abort();
    bl_emu_need(p->c, (size_t)((n - 1) * p->ldc + m) * (size_t)bl_dtype_size(p->out));
    for (int64_t j = 0; j < n; j++) {
        memset(column, 0, (size_t)m * sizeof *column);
        for (int64_t q = 0; q < k; q++) {
            for (int64_t i = 0; i < m; i++) column[i] += pa[q * m + i] * pb[j * k + q];
        }
        for (int64_t i = 0; i < m; i++) {
            int64_t at = j * p->ldc + i;
            float old = p->beta == 0 ? 0 : p->beta * bl_emu_value(p->out, p->c, at);
            bl_emu_store(p->out, p->c, at, p->alpha * column[i] + old);
        }
    }
    free(column);
    free(pa);
    free(pb);
    bl_emu_end();
}

static cublasStatus_t start(product p) {
    if (p.m < 1 || p.n < 1 || p.k < 1 || p.lda < (p.ta == CUBLAS_OP_N ? p.m : p.k) ||
        p.ldb < (p.tb == CUBLAS_OP_N ? p.k : p.n) || p.ldc < p.m) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    /* The real one may then add up parts of the product in 16 bits. */
    bool fp32_sums = (p.h->mode & CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION) != 0;
    if (p.out != BL_F32 && !fp32_sums) return CUBLAS_STATUS_INVALID_VALUE;
    if (!bl_emu_capturing()) {
        multiply(&p);
        return CUBLAS_STATUS_SUCCESS;
    }
    /* Without a workspace of the caller's, the library allocates one. */
    if (!p.h->workspace) {
        bl_emu_refuse();
        return CUBLAS_STATUS_ALLOC_FAILED;
    }
    product *kept = malloc(sizeof *kept);
    if (!kept) return CUBLAS_STATUS_ALLOC_FAILED;
    *kept = p;
    bl_emu_keep(multiply, NULL, kept);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSgemm_v2_64(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb,
                                 int64_t m, int64_t n, int64_t k, const float *alpha,
                                 const float *a, int64_t lda, const float *b, int64_t ldb,
                                 const float *beta, float *c, int64_t ldc) {
    return start(
        (product){h, ta, tb, m, n, k, lda, ldb, ldc, BL_F32, BL_F32, a, b, c, *alpha, *beta});
}

/* 16-bit operands of one type, a result of their type or fp32, sums in fp32: what is
 * asked of it. */
cublasStatus_t cublasGemmEx_64(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb,
                               int64_t m, int64_t n, int64_t k, const void *alpha, const void *a,
                               cudaDataType at, int64_t lda, const void *b, cudaDataType bt,
                               int64_t ldb, const void *beta, void *c, cudaDataType ct, int64_t ldc,
                               cublasComputeType_t compute, cublasGemmAlgo_t algo) {
    bool half = at == CUDA_R_16BF || at == CUDA_R_16F;
    if (!half || bt != at || (ct != at && ct != CUDA_R_32F) || compute != CUBLAS_COMPUTE_32F) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    return start((product){h, ta, tb, m, n, k, lda, ldb, ldc, dtype_of(at), dtype_of(ct), a, b, c,
                           *(const float *)alpha, *(const float *)beta});
}
