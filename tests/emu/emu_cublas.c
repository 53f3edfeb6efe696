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
    bool narrow = type == BL_F32 && h->mode == CUBLAS_TF32_TENSOR_OP_MATH;
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

/* C[m,n] = alpha op(A)[m,k] op(B)[k,n] + beta C. */
static cublasStatus_t product(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb,
                              int64_t m, int64_t n, int64_t k, float alpha, bl_dtype in,
                              const void *a, int64_t lda, const void *b, int64_t ldb, float beta,
                              bl_dtype out, void *c, int64_t ldc) {
    if (m < 1 || n < 1 || k < 1 || lda < (ta == CUBLAS_OP_N ? m : k) ||
        ldb < (tb == CUBLAS_OP_N ? k : n) || ldc < m) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    bl_emu_begin("cuBLAS product");
    float *pa = unpack(h, ta, m, k, in, a, lda), *pb = unpack(h, tb, k, n, in, b, ldb);
    float *column = malloc((size_t)m * sizeof *column);
    if (!column) abort();
    bl_emu_need(c, (size_t)((n - 1) * ldc + m) * (size_t)bl_dtype_size(out));
    for (int64_t j = 0; j < n; j++) {
        memset(column, 0, (size_t)m * sizeof *column);
        for (int64_t p = 0; p < k; p++) {
            for (int64_t i = 0; i < m; i++) column[i] += pa[p * m + i] * pb[j * k + p];
        }
        for (int64_t i = 0; i < m; i++) {
            float old = beta == 0 ? 0 : beta * bl_emu_value(out, c, j * ldc + i);
            bl_emu_store(out, c, j * ldc + i, alpha * column[i] + old);
        }
    }
    free(column);
    free(pa);
    free(pb);
    bl_emu_end();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSgemm_v2_64(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb,
                                 int64_t m, int64_t n, int64_t k, const float *alpha,
                                 const float *a, int64_t lda, const float *b, int64_t ldb,
                                 const float *beta, float *c, int64_t ldc) {
    return product(h, ta, tb, m, n, k, *alpha, BL_F32, a, lda, b, ldb, *beta, BL_F32, c, ldc);
}

/* 16-bit operands of one type, a result of their type or fp32, sums in fp32: what is asked of it.
 */
cublasStatus_t cublasGemmEx_64(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb,
                               int64_t m, int64_t n, int64_t k, const void *alpha, const void *a,
                               cudaDataType at, int64_t lda, const void *b, cudaDataType bt,
                               int64_t ldb, const void *beta, void *c, cudaDataType ct, int64_t ldc,
                               cublasComputeType_t compute, cublasGemmAlgo_t algo) {
    bool half = at == CUDA_R_16BF || at == CUDA_R_16F;
    if (!half || bt != at || (ct != at && ct != CUDA_R_32F) || compute != CUBLAS_COMPUTE_32F) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    return product(h, ta, tb, m, n, k, *(const float *)alpha, dtype_of(at), a, lda, b, ldb,
                   *(const float *)beta, dtype_of(ct), c, ldc);
}
