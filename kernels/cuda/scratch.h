/* Scratch memory of slots: device memory for work queued on the calling thread's stream. */
#ifndef BALLAST_KERNELS_CUDA_SCRATCH_H
#define BALLAST_KERNELS_CUDA_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* NULL (and an error that the device reports) when there is none. */
void *bl_scratch(size_t bytes);
/* Given back when the work so far is done; NULL is fine. */
void bl_scratch_free(void *p);

/* true: the thread's scratch comes from memory that stays where it is, so that graphs can point to
 * it: what one slot gives back, the next one gets. false: the memory goes; the stream is idle. */
void bl_scratch_keep(bool keep);

#ifdef __cplusplus
}
#endif

#endif
