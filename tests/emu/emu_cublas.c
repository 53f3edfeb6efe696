/* A stand-in for cuBLAS on the emulated device, compiled against cuBLAS's own header: sgemm by its
 * definition in columns. With the TF32 math mode inputs are rounded to 10 bits of mantissa. */
#include <cublas_v2.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/cuda_internal.h"
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

static float rounded(float v, cublasMath_t mode) {
    uint32_t bits;
    if (mode != CUBLAS_TF32_TENSOR_OP_MATH) return v;
    memcpy(&bits, &v, sizeof bits);
    bits = (bits + 0xfff + (bits >> 13 & 1)) & ~(uint32_t)0x1fff;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* The matrix op(A) of rows x cols, column by column, without gaps. */
static float *unpack(cublasHandle_t h, cublasOperation_t op, int64_t rows, int64_t cols,
                     const float *a, int64_t ld) {
    int64_t stored = op == CUBLAS_OP_N ? cols : rows;
    int64_t used = op == CUBLAS_OP_N ? rows : cols;
    bl_emu_need(a, (size_t)((stored - 1) * ld + used) * sizeof *a);
    float *out = malloc((size_t)(rows * cols) * sizeof *out);
    if (!out) abort();
    for (int64_t j = 0; j < cols; j++) {
        for (int64_t i = 0; i < rows; i++) {
            out[j * rows + i] = rounded(a[op == CUBLAS_OP_N ? j * ld + i : i * ld + j], h->mode);
        }
    }
    return out;
}

/* C[m,n] = alpha op(A)[m,k] op(B)[k,n] + beta C. */
cublasStatus_t cublasSgemm_v2_64(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb,
                                 int64_t m, int64_t n, int64_t k, const float *alpha,
                                 const float *a, int64_t lda, const float *b, int64_t ldb,
                                 const float *beta, float *c, int64_t ldc) {
    if (m < 1 || n < 1 || k < 1 || lda < (ta == CUBLAS_OP_N ? m : k) ||
        ldb < (tb == CUBLAS_OP_N ? k : n) || ldc < m) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    bl_emu_begin("cublasSgemm");
    float *pa = unpack(h, ta, m, k, a, lda), *pb = unpack(h, tb, k, n, b, ldb);
    float *column = malloc((size_t)m * sizeof *column);
    if (!column) abort();
    bl_emu_need(c, (size_t)((n - 1) * ldc + m) * sizeof *c);
    for (int64_t j = 0; j < n; j++) {
        memset(column, 0, (size_t)m * sizeof *column);
        for (int64_t p = 0; p < k; p++) {
            for (int64_t i = 0; i < m; i++) column[i] += pa[p * m + i] * pb[j * k + p];
        }
        for (int64_t i = 0; i < m; i++) {
            float old = *beta == 0 ? 0 : *beta * c[j * ldc + i];
            c[j * ldc + i] = *alpha * column[i] + old;
        }
    }
    free(column);
    free(pa);
    free(pb);
    bl_emu_end();
    return CUBLAS_STATUS_SUCCESS;
}
