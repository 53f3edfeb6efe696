/* The CUDA backend where no toolkit was found (or it was switched off):
 * bl_cuda_absent() says why. */
#include "kernels/backend.h"

const bl_backend *bl_cuda_backend(void) {
    return NULL;
}
