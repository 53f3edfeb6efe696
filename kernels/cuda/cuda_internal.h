/* Inside of the CUDA backend. Each group of kernels fills its slots of the table; a slot that no
 * group fills makes opening the device fail with its name. */
#ifndef BALLAST_KERNELS_CUDA_CUDA_INTERNAL_H
#define BALLAST_KERNELS_CUDA_CUDA_INTERNAL_H

#ifdef __cplusplus
extern "C" {
#endif

#include "kernels/backend.h"

void bl_cuda_elementwise_slots(bl_kernels *k); /* act_bwd axpby add bias_act col_sum */
void bl_cuda_store_slots(bl_kernels *k);       /* sgd adam ema sum_squares count_nonfinite */
void bl_cuda_reorder_slots(bl_kernels *k);     /* reorder */
void bl_cuda_conv_slots(bl_kernels *k);        /* conv_fwd conv_bwd_data conv_bwd_weights */
void bl_cuda_matmul_slots(bl_kernels *k);      /* matmul */
void bl_cuda_norm_slots(bl_kernels *k);        /* bn_stats affine_act bn_bwd_reduce bn_bwd_apply */
void bl_cuda_norm_fold_slots(bl_kernels *k);   /* bn_running bn_fold bn_bwd_fold */
void bl_cuda_group_norm_slots(bl_kernels *k);  /* gn_fwd gn_bwd */
void bl_cuda_pool_slots(bl_kernels *k);        /* max_pool avg_pool */
void bl_cuda_resample_slots(bl_kernels *k);    /* upsample shortcut */
void bl_cuda_gather_slots(bl_kernels *k);      /* gather scatter_add */
void bl_cuda_roi_align_slots(bl_kernels *k);   /* roi_align_fwd roi_align_bwd */
void bl_cuda_losses_slots(bl_kernels *k);      /* softmax_loss ... smooth_l1 softmax */
void bl_cuda_class_gradients_slots(bl_kernels *k); /* class_gradients */
void bl_cuda_rows_slots(bl_kernels *k);            /* l2_normalize l2_normalize_bwd */
void bl_cuda_select_slots(bl_kernels *k);          /* nms topk */
void bl_cuda_views_slots(bl_kernels *k);           /* views */
void bl_cuda_inputs_slots(bl_kernels *k);          /* inputs */
void bl_cuda_match_slots(bl_kernels *k);           /* match */
void bl_cuda_sample_slots(bl_kernels *k); /* sample, targets, row_weights, map_rows, levels ... */
void bl_cuda_proposals_slots(bl_kernels *k); /* anchors candidates decode kept */

/* Replaces every slot by one that defers it, see deferred.h. */
void bl_cuda_record_slots(bl_kernels *k);
/* The backend's `defer` and `graph_stats`. */
bl_status bl_cuda_defer_begin(bl_device *d, bl_kernels *k);
bl_graph_stats bl_cuda_graph_stats(const bl_device *d);

/* The device of this ordinal: memory, the calling thread's stream, pinned staging. */
bl_status bl_cuda_device_open(int index, bl_device **out);
int bl_cuda_device_index(const bl_device *d);
extern const struct bl_staging_ops bl_staging_cuda;
int bl_cuda_device_count(const char **why);
/* A cudaError_t as a status with its name and text; BL_OK for success. */
bl_status bl_cuda_status(int error, const char *what);

/* The plan cache of the convolutions and the handles of the vendor's libraries; opening it fails,
 * naming the library, where one is missing. */
bl_status bl_cuda_plans_create(const bl_ctx_options *opt, bl_plans **out);
void bl_cuda_plans_destroy(bl_plans *p);
void bl_cuda_plans_describe(const bl_plans *p, bl_line_fn line, void *arg);
/* One line a library: name, version and, where it is missing, why. false: one is missing, and *why
 * (when not NULL) says which, in static text or this thread's buffer. */
bool bl_cuda_libraries(bl_line_fn line, void *arg, const char **why);

#ifdef __cplusplus
}
#endif

#endif
