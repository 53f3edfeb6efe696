/* Matrix products by cuBLAS. It thinks in columns: a row-major C = A B is its C^T = B^T A^T, so the
 * operands change places and nothing is transposed. The math mode of fp32 products (TF32 or not) is
 * the handle's; sums of 16-bit products are fp32. */
#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/plans.h"

static bl_status failed(const char *call, const char *why, bool ta, bool tb, int64_t m, int64_t n,
                        int64_t k) {
    return bl_fail(BL_EBACKEND, "matmul (%lldx%lld)%s (%lldx%lld)%s: %s: %s",
                   (long long)(ta ? k : m), (long long)(ta ? m : k), ta ? "^T" : "",
                   (long long)(tb ? n : k), (long long)(tb ? k : n), tb ? "^T" : "", call, why);
}

static cudaDataType_t type_of(bl_dtype dtype) {
    return dtype == BL_BF16 ? CUDA_R_16BF : dtype == BL_F16 ? CUDA_R_16F : CUDA_R_32F;
}

static bl_status matmul(bl_ctx *ctx, bool ta, bool tb, int64_t m, int64_t n, int64_t k, bl_dtype in,
                        const void *a, const void *b, float beta, bl_dtype out, void *c) {
    if (m <= 0 || n <= 0) return BL_OK;
    if (!ctx->plans) return bl_fail(BL_EINVAL, "matmul: the context has no plans object");
    if (k <= 0) { /* an empty sum; cuBLAS takes no empty operands */
        size_t bytes = (size_t)(m * n * bl_dtype_size(out));
        cudaError_t e = beta == 0 ? cudaMemsetAsync(c, 0, bytes, cudaStreamPerThread) : cudaSuccess;
        if (e == cudaSuccess) return BL_OK;
        return failed("cudaMemsetAsync", cudaGetErrorString(e), ta, tb, m, n, k);
    }
    const float one = 1;
    cublasOperation_t op_a = ta ? CUBLAS_OP_T : CUBLAS_OP_N, op_b = tb ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasHandle_t h = ctx->plans->cublas;
    cublasStatus_t s;
    if (in == BL_F32) {
        s = cublasSgemm_64(h, op_b, op_a, n, m, k, &one, b, tb ? k : n, a, ta ? m : k, &beta, c, n);
    } else {
        s = cublasGemmEx_64(h, op_b, op_a, n, m, k, &one, b, type_of(in), tb ? k : n, a,
                            type_of(in), ta ? m : k, &beta, c, type_of(out), n, CUBLAS_COMPUTE_32F,
                            CUBLAS_GEMM_DEFAULT);
    }
    if (s == CUBLAS_STATUS_SUCCESS) return BL_OK;
    const char *call = in == BL_F32 ? "cublasSgemm" : "cublasGemmEx";
    return failed(call, cublasGetStatusString(s), ta, tb, m, n, k);
}

void bl_cuda_matmul_slots(bl_kernels *k) {
    k->matmul = matmul;
}
