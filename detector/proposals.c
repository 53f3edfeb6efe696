/* From dense RPN output to proposals: the best anchors of each level,
 * decoded, clipped, suppressed. */
#include "detector/model.h"

bl_status bl_rpn_proposals(bl_ctx *ctx, const bl_detector *d, const bl_rpn_out *r,
                           const bl_size *size, bool train, bl_box_lists *out) {
    const bl_detector_config *cfg = &d->cfg;
    bl_proposal_attr attr = {.pre = train ? cfg->rpn_pre_nms_train : cfg->rpn_pre_nms_test,
                             .post = train ? cfg->rpn_post_nms_train : cfg->rpn_post_nms_test,
                             .thr = (float)cfg->rpn_nms,
                             .least = d->style->min_proposal};
    bl_anchor_grid g;
    bl_tensor *sizes;
    bl_rpn_grid(d, r, &g);
    BL_TRY(bl_sizes_upload(ctx, size, r->n, &sizes));
    BL_TRY(bl_list_proposals(ctx, &g, &d->rpn.coder, r->cls, r->reg, sizes, &attr, out));
    bl_tensor_drop(ctx, sizes);
    return BL_OK;
}
