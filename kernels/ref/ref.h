/* The plain C kernels: each function fills one family's slots. They favour clarity and exact
 * repeatability; threads only ever own disjoint outputs. */
#ifndef BALLAST_KERNELS_REF_REF_H
#define BALLAST_KERNELS_REF_REF_H

#include "kernels/kernels.h"

void bl_ref_conv(bl_kernels *k);
void bl_ref_norm(bl_kernels *k);
void bl_ref_group_norm(bl_kernels *k);
void bl_ref_pool(bl_kernels *k);
void bl_ref_resample(bl_kernels *k);
void bl_ref_elementwise(bl_kernels *k);
void bl_ref_matmul(bl_kernels *k);
void bl_ref_rows(bl_kernels *k);
void bl_ref_gather(bl_kernels *k);
void bl_ref_roi_align(bl_kernels *k);
void bl_ref_losses(bl_kernels *k);
void bl_ref_class_gradients(bl_kernels *k);
void bl_ref_select(bl_kernels *k);
void bl_ref_match(bl_kernels *k);
void bl_ref_sample(bl_kernels *k);
void bl_ref_proposals(bl_kernels *k);
void bl_ref_store(bl_kernels *k);
void bl_ref_views(bl_kernels *k);
void bl_ref_inputs(bl_kernels *k);
/* Puts kernels that take 16-bit maps too in front of those above, which take fp32 alone. */
void bl_ref_half(bl_kernels *k);

/* Channels are processed in pieces of at most this many, so that per-channel sums fit on the stack
 * whatever the block. A "piece" index runs over (block, piece of the block). */
enum { BL_REF_LANES = 16 };

typedef struct bl_piece {
    int64_t block;
    int first, lanes; /* lanes [first, first+lanes) of the block */
} bl_piece;

static inline int64_t bl_pieces_per_block(int32_t cb) {
    return (cb + BL_REF_LANES - 1) / BL_REF_LANES;
}
static inline bl_piece bl_piece_at(int64_t i, int32_t cb) {
    int64_t per = bl_pieces_per_block(cb);
    int first = (int)(i % per) * BL_REF_LANES;
    int left = cb - first;
    return (bl_piece){i / per, first, left < BL_REF_LANES ? left : BL_REF_LANES};
}

#endif
