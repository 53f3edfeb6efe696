#include "ssl/detection/host_rows.h"

#include <string.h>

bl_status bl_host_rows_read(bl_detection_step *s, const bl_roi_rows *r, int64_t outputs,
                            bl_host_rows *out) {
    bl_ctx *ctx = s->ctx;
    const bl_tensor *logits = r->out->logits;
    if (logits->c != outputs)
        return bl_fail(BL_EINVAL, "RoI rows have %lld logits, the loss takes %lld",
                       (long long)logits->c, (long long)outputs);
    int64_t n = logits->n;
    float *z = BL_NEW_ARRAY(ctx->arena, float, n *outputs);
    float *gradient = BL_NEW_ARRAY(ctx->arena, float, n *outputs);
    float *weight = BL_NEW_ARRAY(ctx->arena, float, n);
    float *reliable = BL_NEW_ARRAY(ctx->arena, float, n);
    int32_t *label = BL_NEW_ARRAY(ctx->arena, int32_t, n);
    if (!z || !gradient || !weight || !reliable || !label) return BL_ENOMEM;
    BL_TRY(bl_tensor_to_host(ctx, logits, z));
    BL_TRY(bl_download(ctx, r->weight, weight));
    BL_TRY(bl_download(ctx, r->reliable, reliable));
    BL_TRY(bl_download(ctx, r->rois->target.label, label));
    if (n) memset(gradient, 0, sizeof *gradient * (size_t)(n * outputs));
    while (n > 0 && label[n - 1] < 0) n--;
    *out = (bl_host_rows){n, outputs, label, z, weight, reliable, gradient, r->branch};
    return BL_OK;
}

bl_status bl_host_rows_loss(bl_detection_step *s, const bl_roi_rows *r, const bl_host_rows *h,
                            double value, bl_tensor **loss) {
    const float *const of[] = {h->gradient};
    return bl_given_loss(s->ctx, &r->out->logits, of, 1, value, loss);
}

void bl_scores_of_sigmoids(const bl_roi_logits *in, float *scores) {
    for (int64_t i = 0; i < in->n; i++, scores += in->classes + 1) {
        double most = 0;
        for (int32_t j = 0; j < in->classes; j++) {
            double p = bl_sigmoid(in->z[i * in->outputs + j]);
            scores[j] = (float)p;
            most = fmax(most, p);
        }
        scores[in->classes] = (float)(1 - most);
    }
}
