/* What hooks call during a step: views, features, logits, pseudo-labels. */
#include <string.h>

#include "balance/simplex.h"
#include "ssl/classification/learner.h"

/* Views of rows whose steps stand together, as bl_classify_loader_next leaves them. */
static bl_status make_views(bl_classify_step *s, int64_t first, int64_t count, bl_tensor **x) {
    const bl_classify_batch *b = s->batch;
    const bl_view_plan *from = b->plan + first;
    bl_view_plan *plan = BL_NEW_ARRAY(s->ctx->arena, bl_view_plan, count);
    if (!plan) return BL_ENOMEM;
    int32_t base = count > 0 ? from->first : 0, n = 0;
    for (int64_t i = 0; i < count; i++) {
        plan[i] = from[i];
        plan[i].first -= base;
        n += plan[i].steps;
    }
    return bl_make_views(s->ctx, s->in->images, plan, count, b->steps + base, n, b->mean, b->std,
                         x);
}

bl_status bl_classify_batch_rows(bl_classify_step *s, int64_t first, int64_t count, bl_tensor **x) {
    const bl_classify_batch *b = s->batch;
    if (!b->pixels) return make_views(s, first, count, x);
    int64_t row = 3 * (int64_t)b->height * b->width;
    if (s->in->sent)
        return bl_tensor_over(s->ctx, (const float *)s->in->sent->data + first * row, count, 3,
                              b->height, b->width, 1, BL_F32, x);
    return bl_tensor_from_host(s->ctx, b->pixels + first * row, count, 3, b->height, b->width, 1,
                               x);
}

bl_status bl_classify_images(bl_classify_step *s, int group, int view, bl_tensor **x) {
    const bl_classify_batch *b = s->batch;
    if (group >= b->n_groups || view >= b->part[group].n_views)
        return bl_fail(BL_EINVAL, "the batch has no view %d of group %d: not asked for in needs",
                       view, group);
    return bl_classify_batch_rows(s, b->part[group].first_row[view], b->part[group].n, x);
}

bl_status bl_classify_extract(bl_classify_step *s, int model, bool train, int group, int view,
                              bl_tensor **z) {
    bl_tensor *x;
    BL_TRY(bl_classify_images(s, group, view, &x));
    bl_status status = bl_classifier_extract(s->ctx, s->world->model[model], train, x, z);
    bl_tensor_drop(s->ctx, x);
    return status;
}

bl_status bl_classify_logits(bl_classify_step *s, bl_classify_branch *r, int head,
                             bl_tensor **logits) {
    if (!r->z) return bl_fail(BL_EINVAL, "this view has no features: not asked for in needs");
    if (!r->logits[head])
        BL_TRY(bl_classifier_apply(s->ctx, s->world->model[0], head, r->z, &r->logits[head]));
    *logits = r->logits[head];
    return BL_OK;
}

static bl_status to_host(bl_ctx *ctx, const bl_tensor *t, const float **out) {
    float *v = BL_NEW_ARRAY(ctx->arena, float, t->n * t->c);
    if (!v) return BL_ENOMEM;
    BL_TRY(bl_tensor_to_host(ctx, t, v));
    *out = v;
    return BL_OK;
}

bl_status bl_classify_host_logits(bl_classify_step *s, bl_classify_branch *r, int head,
                                  const float **out) {
    if (!r->host[head]) {
        bl_tensor *t;
        BL_TRY(bl_classify_logits(s, r, head, &t));
        BL_TRY(to_host(s->ctx, t, &r->host[head]));
    }
    *out = r->host[head];
    return BL_OK;
}

bl_status bl_classify_host_features(bl_classify_step *s, bl_classify_branch *r, const float **z) {
    if (!r->z) return bl_fail(BL_EINVAL, "this view has no features: not asked for in needs");
    if (!r->host_z) BL_TRY(to_host(s->ctx, r->z, &r->host_z));
    *z = r->host_z;
    return BL_OK;
}

bl_status bl_classify_teacher_features(bl_classify_step *s, bool train, const float **z) {
    if (!s->teacher_z) {
        bl_tensor *t;
        bool old = bl_no_grad(s->ctx);
        bl_status status = bl_classify_extract(s, 1, train, BL_CLASSIFY_LABELLED, 0, &t);
        if (status == BL_OK) status = to_host(s->ctx, t, &s->teacher_z);
        bl_set_grad(s->ctx, old);
        if (status != BL_OK) return status;
        bl_tensor_drop(s->ctx, t);
    }
    *z = s->teacher_z;
    return BL_OK;
}

bl_status bl_classify_pseudo_make(bl_classify_step *s, int head, const float *bias, double tau,
                                  bl_classify_pseudo **out) {
    const bl_classify_world *w = s->world;
    bl_arena *arena = s->ctx->arena;
    int32_t n = s->weak.n, k = w->classes;
    const float *logits;
    BL_TRY(bl_classify_host_logits(s, &s->weak, head, &logits));
    bl_classify_pseudo *q = BL_NEW(arena, bl_classify_pseudo);
    if (!q) return BL_ENOMEM;
    *q = (bl_classify_pseudo){.head = head, .n = n, .classes = k};
    q->raw = BL_NEW_ARRAY(arena, double, (size_t)n *k);
    q->p = BL_NEW_ARRAY(arena, double, (size_t)n *k);
    q->label = BL_NEW_ARRAY(arena, int32_t, n);
    q->confidence = BL_NEW_ARRAY(arena, double, n);
    q->weight = BL_NEW_ARRAY(arena, float, n);
    if (!q->raw || !q->p || !q->label || !q->confidence || !q->weight) return BL_ENOMEM;

    double *offset = bias ? BL_NEW_ARRAY(arena, double, k) : NULL;
    if (bias && !offset) return BL_ENOMEM;
    for (int32_t c = 0; bias && c < k; c++) offset[c] = bias[c];
    bl_softmax_rows(logits, n, k, offset, 1, q->raw);
    memcpy(q->p, q->raw, sizeof *q->p * (size_t)n * (size_t)k);
    for (int i = 0; i < w->plugins.n; i++) {
        bl_plugin *p = w->plugins.v[i];
        const bl_classify_plugin_type *type = bl_classify_type(p);
        if (type->refine && (head == 0 || type->every_head)) BL_TRY(type->refine(p, s, q));
    }
    bl_argmax_rows(q->p, n, k, q->label, q->confidence);
    for (int32_t i = 0; i < n; i++) q->weight[i] = q->confidence[i] >= tau;
    if (head == 0) BL_CLASSIFY_EACH(w, select, s, q);
    *out = q;
    return BL_OK;
}

bl_status bl_classify_pseudo_loss(bl_classify_step *s, const bl_classify_pseudo *q,
                                  bl_classify_branch *strong, const float *bias, double scale,
                                  bl_tensor **loss) {
    bl_softmax_attr attr = {.bias = bias};
    bl_tensor *logits;
    BL_TRY(bl_classify_logits(s, strong, q->head, &logits));
    if (!q->soft)
        return bl_adjusted_softmax_loss(s->ctx, logits, q->label, q->weight, &attr, (float)scale,
                                        loss);
    size_t n = (size_t)q->n * (size_t)q->classes;
    float *target = BL_NEW_ARRAY(s->ctx->arena, float, n);
    if (!target) return BL_ENOMEM;
    for (size_t i = 0; i < n; i++) target[i] = (float)q->p[i];
    return bl_soft_target_loss(s->ctx, logits, target, q->weight, &attr, (float)scale, loss);
}
