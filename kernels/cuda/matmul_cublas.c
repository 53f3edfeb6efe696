/* Matrix products by cuBLAS. It thinks in columns: a row-major C = A B is its C^T = B^T A^T, so the
 * operands change places and nothing is transposed. The math mode (TF32 or not) is the handle's. */
#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/plans.h"

static bl_status failed(const char *call, const char *why, bool ta, bool tb, int64_t m, int64_t n,
                        int64_t k) {
    return bl_fail(BL_EBACKEND, "matmul (%lldx%lld)%s (%lldx%lld)%s: %s: %s",
                   (long long)(ta ? k : m), (long long)(ta ? m : k), ta ? "^T" : "",
                   (long long)(tb ? n : k), (long long)(tb ? k : n), tb ? "^T" : "", call, why);
}

static bl_status matmul(bl_ctx *ctx, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                        const float *a, const float *b, float beta, float *c) {
    if (m <= 0 || n <= 0) return BL_OK;
    if (!ctx->plans) return bl_fail(BL_EINVAL, "matmul: the context has no plans object");
    if (k <= 0) { /* an empty sum; cuBLAS takes no empty operands */
        size_t bytes = (size_t)(m * n) * sizeof *c;
        cudaError_t e = beta == 0 ? cudaMemsetAsync(c, 0, bytes, cudaStreamPerThread) : cudaSuccess;
        if (e == cudaSuccess) return BL_OK;
        return failed("cudaMemsetAsync", cudaGetErrorString(e), ta, tb, m, n, k);
    }
    const float one = 1;
    cublasStatus_t s = cublasSgemm_64(ctx->plans->cublas, tb ? CUBLAS_OP_T : CUBLAS_OP_N,
                                      ta ? CUBLAS_OP_T : CUBLAS_OP_N, n, m, k, &one, b, tb ? k : n,
                                      a, ta ? m : k, &beta, c, n);
    if (s == CUBLAS_STATUS_SUCCESS) return BL_OK;
    return failed("cublasSgemm", cublasGetStatusString(s), ta, tb, m, n, k);
}

void bl_cuda_matmul_slots(bl_kernels *k) {
    k->matmul = matmul;
}
