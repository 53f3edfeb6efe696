#include "kernels/ref/ref.h"

void bl_kernels_init_ref(bl_kernels *k) {
    k->name = "ref";
    bl_ref_conv(k);
    bl_ref_norm(k);
    bl_ref_group_norm(k);
    bl_ref_pool(k);
    bl_ref_resample(k);
    bl_ref_elementwise(k);
    bl_ref_matmul(k);
    bl_ref_rows(k);
    bl_ref_gather(k);
    bl_ref_roi_align(k);
    bl_ref_losses(k);
    bl_ref_class_gradients(k);
    bl_ref_select(k);
    bl_ref_match(k);
    bl_ref_sample(k);
    bl_ref_proposals(k);
    bl_ref_store(k);
    bl_ref_views(k);
    bl_ref_inputs(k);
    bl_ref_half(k);
}
