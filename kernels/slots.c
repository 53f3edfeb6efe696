/* The names of the table's slots, so that a table with a hole can say which one. */
#include <stddef.h>
#include <string.h>

#include "kernels/backend.h"

typedef void (*slot_fn)(void);

typedef struct slot {
    const char *name;
    size_t at;
} slot;

#define SLOT(field)                                                                                \
    { #field, offsetof(bl_kernels, field) }

static const slot slots[] = {SLOT(conv_fwd),
                             SLOT(conv_bwd_data),
                             SLOT(conv_bwd_weights),
                             SLOT(act_bwd),
                             SLOT(bn_stats),
                             SLOT(bn_running),
                             SLOT(bn_fold),
                             SLOT(bn_bwd_fold),
                             SLOT(affine_act),
                             SLOT(bn_bwd_reduce),
                             SLOT(bn_bwd_apply),
                             SLOT(gn_fwd),
                             SLOT(gn_bwd),
                             SLOT(max_pool_fwd),
                             SLOT(max_pool_bwd),
                             SLOT(avg_pool_fwd),
                             SLOT(avg_pool_bwd),
                             SLOT(upsample_add_fwd),
                             SLOT(upsample_bwd),
                             SLOT(shortcut_fwd),
                             SLOT(shortcut_bwd),
                             SLOT(axpby),
                             SLOT(axpby_at),
                             SLOT(add),
                             SLOT(reorder),
                             SLOT(matmul),
                             SLOT(bias_act),
                             SLOT(col_sum),
                             SLOT(l2_normalize),
                             SLOT(l2_normalize_bwd),
                             SLOT(gather),
                             SLOT(scatter_add),
                             SLOT(roi_align_fwd),
                             SLOT(roi_align_bwd),
                             SLOT(softmax_loss),
                             SLOT(soft_target_loss),
                             SLOT(entropy_loss),
                             SLOT(info_nce),
                             SLOT(sigmoid_bce),
                             SLOT(smooth_l1),
                             SLOT(softmax),
                             SLOT(class_gradients),
                             SLOT(nms),
                             SLOT(topk),
                             SLOT(anchors),
                             SLOT(candidates),
                             SLOT(match),
                             SLOT(sample),
                             SLOT(anchor_targets),
                             SLOT(roi_targets),
                             SLOT(row_weights),
                             SLOT(map_rows),
                             SLOT(scatter_column),
                             SLOT(levels),
                             SLOT(decode),
                             SLOT(kept),
                             SLOT(sgd),
                             SLOT(adam),
                             SLOT(ema),
                             SLOT(sum_squares),
                             SLOT(count_nonfinite),
                             SLOT(views),
                             SLOT(inputs)};

/* Every member after the name is a slot: one that is not listed above does not compile. */
_Static_assert(sizeof slots / sizeof *slots * sizeof(slot_fn) + sizeof(const char *) ==
                   sizeof(bl_kernels),
               "kernels/slots.c must list every slot of bl_kernels");

const char *bl_kernels_missing(const bl_kernels *k) {
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        slot_fn f;
        memcpy(&f, (const char *)k + slots[i].at, sizeof f);
        if (!f) return slots[i].name;
    }
    return NULL;
}
