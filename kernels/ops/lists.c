/* The lists of kernels/lists.h: tensors around the list slots. */
#include "kernels/lists.h"

#include "kernels/internal.h"

/* A list of n entries of c values. */
static bl_status list_new(bl_ctx *ctx, int64_t n, int64_t c, bl_dtype dtype, bl_tensor **out) {
    return bl_tensor_new(ctx, n, c, 1, 1, 1, dtype, out);
}

static void *data_of(const bl_tensor *t) {
    return t ? t->data : NULL;
}

static bl_gt_kernel gt_of(const bl_box_lists *l) {
    return (bl_gt_kernel){.box = l->box->data,
                          .label = data_of(l->label),
                          .ignore = data_of(l->ignore),
                          .count = l->count->data,
                          .cap = l->cap,
                          .images = l->images};
}

static bl_candidates_kernel candidates_of(const bl_candidates *c) {
    return (bl_candidates_kernel){.box = c->box->data,
                                  .valid = data_of(c->valid),
                                  .n = c->n,
                                  .own = c->own,
                                  .shared = c->shared};
}

static bl_samples_kernel rows_of(const bl_samples *r) {
    return (bl_samples_kernel){.image = r->image->data,
                               .index = r->index->data,
                               .gt = r->gt->data,
                               .count = r->count->data,
                               .n = r->n};
}

void bl_box_lists_drop(bl_ctx *ctx, bl_box_lists *l) {
    bl_tensor *const all[] = {l->box, l->count, l->label, l->ignore, l->score};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) bl_tensor_drop(ctx, all[i]);
}

void bl_candidates_drop(bl_ctx *ctx, bl_candidates *c) {
    bl_tensor_drop(ctx, c->box);
    bl_tensor_drop(ctx, c->valid);
}

void bl_samples_drop(bl_ctx *ctx, bl_samples *r) {
    bl_tensor *const all[] = {r->image, r->index, r->gt, r->count};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) bl_tensor_drop(ctx, all[i]);
}

void bl_anchor_targets_drop(bl_ctx *ctx, bl_anchor_targets *t) {
    bl_tensor *const all[] = {t->loc, t->object, t->weight, t->first, t->delta};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) bl_tensor_drop(ctx, all[i]);
}

bl_status bl_list_anchors(bl_ctx *ctx, const bl_anchor_grid *g, const bl_tensor *sizes,
                          int32_t multiple, bl_candidates *out) {
    int64_t n = g->first[g->n_levels];
    *out = (bl_candidates){.n = n, .shared = true};
    if (n > INT32_MAX) {
        return bl_fail(BL_EINVAL, "%lld anchors an image are not possible", (long long)n);
    }
    BL_TRY(list_new(ctx, n, 4, BL_F32, &out->box));
    if (sizes) BL_TRY(list_new(ctx, n * sizes->n, 1, BL_U8, &out->valid));
    ctx->k->anchors(g, sizes ? (int32_t)sizes->n : 0, data_of(sizes), multiple, out->box->data,
                    data_of(out->valid));
    return BL_OK;
}

bl_status bl_list_candidates(bl_ctx *ctx, const bl_box_lists *gt, const bl_box_lists *proposals,
                             bool own, bl_candidates *out) {
    *out = (bl_candidates){.own = own ? gt->cap : 0};
    out->n = out->own + proposals->cap;
    BL_TRY(list_new(ctx, gt->images * out->n, 4, BL_F32, &out->box));
    BL_TRY(list_new(ctx, gt->images * out->n, 1, BL_U8, &out->valid));
    bl_gt_kernel g = gt_of(gt);
    if (out->n > 0) {
        ctx->k->candidates(&g, proposals->box->data, proposals->count->data, proposals->cap,
                           out->own, out->box->data, out->valid->data);
    }
    return BL_OK;
}

bl_status bl_list_match(bl_ctx *ctx, const bl_candidates *c, const bl_box_lists *gt,
                        const bl_match_rule *rule, bl_tensor **match) {
    BL_TRY(list_new(ctx, gt->images * c->n, 1, BL_I32, match));
    if (c->n == 0 || gt->images == 0) return BL_OK;
    bl_gt_kernel g = gt_of(gt);
    bl_candidates_kernel k = candidates_of(c);
    return ctx->k->match(&k, &g, rule, (*match)->data);
}

bl_status bl_list_sample(bl_ctx *ctx, const bl_tensor *match, int32_t images, int64_t n,
                         const bl_sample_attr *a, bl_samples *out) {
    int64_t most = a->pos_only ? a->max_pos : a->batch;
    *out = (bl_samples){.n = images * (most < n ? most : n)};
    if (a->batch < 0 || a->max_pos < 0 || a->max_pos > a->batch || out->n > INT32_MAX) {
        return bl_fail(BL_EINVAL, "sampling %lld rows an image, %lld foreground, is not possible",
                       (long long)a->batch, (long long)a->max_pos);
    }
    BL_TRY(list_new(ctx, out->n, 1, BL_I32, &out->image));
    BL_TRY(list_new(ctx, out->n, 1, BL_I32, &out->index));
    BL_TRY(list_new(ctx, out->n, 1, BL_I32, &out->gt));
    BL_TRY(list_new(ctx, images, BL_SAMPLE_KINDS, BL_I32, &out->count));
    bl_samples_kernel rows = rows_of(out);
    if (out->n == 0) return bl_tensor_zero(ctx, out->count);
    int64_t used = ctx->k->sample(match->data, images, n, a, &rows);
    if (used < 0) return bl_no_memory("for sampling");
    bl_tensor *const list[] = {out->image, out->index, out->gt};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) list[i]->n = used;
    out->n = used;
    return BL_OK;
}

bl_status bl_list_anchor_targets(bl_ctx *ctx, const bl_anchor_grid *g, const bl_box_coder *coder,
                                 const bl_samples *rows, const bl_box_lists *gt, double normaliser,
                                 bl_anchor_targets *out) {
    int64_t n = rows->n, ints = sizeof(bl_loc) / sizeof(int32_t);
    *out = (bl_anchor_targets){0};
    BL_TRY(list_new(ctx, n, ints, BL_I32, &out->loc));
    BL_TRY(list_new(ctx, n, 1, BL_F32, &out->object));
    BL_TRY(list_new(ctx, n, 1, BL_F32, &out->weight));
    BL_TRY(list_new(ctx, n, 1, BL_I32, &out->first));
    BL_TRY(list_new(ctx, n, 4, BL_F32, &out->delta));
    if (n == 0) return BL_OK;
    bl_samples_kernel r = rows_of(rows);
    bl_gt_kernel k = gt_of(gt);
    ctx->k->anchor_targets(g, coder, &r, &k, (float)normaliser, out->loc->data, bl_f32(out->object),
                           bl_f32(out->weight), out->first->data, bl_f32(out->delta));
    return BL_OK;
}

bl_status bl_list_roi_targets(bl_ctx *ctx, const bl_candidates *c, const bl_box_coder *coder,
                              const bl_samples *rows, const bl_box_lists *gt, int32_t classes,
                              bl_roi_targets *out) {
    int64_t n = rows->n;
    *out = (bl_roi_targets){0};
    BL_TRY(list_new(ctx, n, 4, BL_F32, &out->roi));
    BL_TRY(list_new(ctx, n, 1, BL_I32, &out->label));
    BL_TRY(list_new(ctx, n, 1, BL_F32, &out->weight));
    BL_TRY(list_new(ctx, n, 1, BL_F32, &out->share));
    BL_TRY(list_new(ctx, n, 1, BL_I32, &out->first));
    BL_TRY(list_new(ctx, n, 4, BL_F32, &out->delta));
    if (n == 0) return BL_OK;
    bl_samples_kernel r = rows_of(rows);
    bl_gt_kernel g = gt_of(gt);
    bl_candidates_kernel k = candidates_of(c);
    ctx->k->roi_targets(&k, coder, &r, &g, classes, out->roi->data, out->label->data,
                        bl_f32(out->weight), bl_f32(out->share), out->first->data,
                        bl_f32(out->delta));
    return BL_OK;
}

bl_status bl_list_levels(bl_ctx *ctx, const bl_tensor *box, const bl_tensor *image,
                         const bl_level_rule *rule, bl_tensor **level) {
    BL_TRY(list_new(ctx, box->n, 1, BL_I32, level));
    if (box->n > 0) ctx->k->levels(box->data, image->data, box->n, rule, (*level)->data);
    return BL_OK;
}

bl_status bl_list_weights(bl_ctx *ctx, const bl_tensor *v, const bl_tensor *u, bool positive,
                          bl_tensor **out) {
    BL_TRY(list_new(ctx, v->n, 1, BL_F32, out));
    if (v->n > 0) ctx->k->row_weights(bl_f32(v), data_of(u), v->n, positive, bl_f32(*out));
    return BL_OK;
}

void bl_mapped_rows_drop(bl_ctx *ctx, bl_mapped_rows *m) {
    bl_tensor_drop(ctx, m->row);
    bl_tensor_drop(ctx, m->box);
    bl_tensor_drop(ctx, m->image);
}

bl_status bl_list_map_rows(bl_ctx *ctx, const bl_tensor *label, int32_t wanted,
                           const bl_tensor *box, const bl_tensor *image, const bl_affine *map,
                           const bl_size *size, int32_t images, bl_mapped_rows *out) {
    int64_t n = label->n;
    bl_tensor *maps, *sizes;
    *out = (bl_mapped_rows){0};
    BL_TRY(list_new(ctx, n, 1, BL_I32, &out->row));
    BL_TRY(list_new(ctx, n, 4, BL_F32, &out->box));
    BL_TRY(list_new(ctx, n, 1, BL_I32, &out->image));
    if (n == 0) return BL_OK;
    BL_TRY(bl_upload(ctx, BL_F32, images, sizeof *map / sizeof(float), map, &maps));
    BL_TRY(bl_upload(ctx, BL_F32, images, sizeof *size / sizeof(float), size, &sizes));
    int64_t used = ctx->k->map_rows(label->data, wanted, box->data, image->data, n, maps->data,
                                    sizes->data, out->row->data, out->box->data, out->image->data);
    out->row->n = out->box->n = out->image->n = used;
    bl_tensor_drop(ctx, maps);
    bl_tensor_drop(ctx, sizes);
    return BL_OK;
}

bl_status bl_list_probability(bl_ctx *ctx, const bl_tensor *logits, int64_t column,
                              const bl_tensor *row, bl_tensor *to) {
    bl_tensor *p;
    if (logits->n == 0) return BL_OK;
    BL_TRY(bl_softmax(ctx, logits, &p));
    ctx->k->scatter_column(bl_f32(p), p->n, p->c, column, row->data, bl_f32(to));
    bl_tensor_drop(ctx, p);
    return BL_OK;
}

/* ---- proposals ---- */

/* The best anchors of each level of each image, and their boxes. */
typedef struct picked {
    bl_tensor *pos, *logit, *box, *group;
} picked;

static void picked_drop(bl_ctx *ctx, picked *p) {
    bl_tensor_drop(ctx, p->pos);
    bl_tensor_drop(ctx, p->logit);
    bl_tensor_drop(ctx, p->box);
    bl_tensor_drop(ctx, p->group);
}

static bl_status pick(bl_ctx *ctx, const bl_anchor_grid *g, const bl_box_coder *coder,
                      bl_tensor *const *cls, bl_tensor *const *reg, bl_proposals_kernel *p,
                      picked *out) {
    int64_t n = p->images * p->per_image;
    BL_TRY(list_new(ctx, n, 1, BL_I32, &out->pos));
    BL_TRY(list_new(ctx, n, 1, BL_F32, &out->logit));
    BL_TRY(list_new(ctx, n, 4, BL_F32, &out->box));
    BL_TRY(list_new(ctx, n, 1, BL_I32, &out->group));
    for (int l = 0; l < g->n_levels; l++) {
        for (int64_t i = 0; i < p->images; i++) {
            int64_t at = i * p->per_image + p->first[l], room = p->first[l + 1] - p->first[l];
            ctx->k->topk(cls[l], i, room, (int32_t *)out->pos->data + at, bl_f32(out->logit) + at);
        }
    }
    p->pos = out->pos->data;
    ctx->k->decode(p, g, coder, (const bl_tensor *const *)reg, bl_f32(out->logit), out->box->data,
                   out->group->data);
    return BL_OK;
}

bl_status bl_list_proposals(bl_ctx *ctx, const bl_anchor_grid *g, const bl_box_coder *coder,
                            bl_tensor *const *cls, bl_tensor *const *reg, const bl_tensor *sizes,
                            const bl_proposal_attr *a, bl_box_lists *out) {
    int64_t images = sizes->n, at = 0;
    bl_proposals_kernel p = {
        .images = images, .size = sizes->data, .levels = g->n_levels, .least = a->least};
    for (int l = 0; l < g->n_levels; l++) {
        int64_t all = cls[l]->c * cls[l]->h * cls[l]->w;
        p.first[l] = at;
        at += all < a->pre ? all : a->pre;
    }
    p.first[g->n_levels] = p.per_image = at;
    int64_t post = a->post < at ? a->post : at;
    *out = (bl_box_lists){.images = (int32_t)images, .cap = post};
    BL_TRY(list_new(ctx, images * post, 4, BL_F32, &out->box));
    BL_TRY(list_new(ctx, images * post, 1, BL_F32, &out->score));
    BL_TRY(list_new(ctx, images, 1, BL_I32, &out->count));
    if (images * post == 0) return bl_tensor_zero(ctx, out->count);
    picked c;
    bl_tensor *keep;
    BL_TRY(pick(ctx, g, coder, cls, reg, &p, &c));
    BL_TRY(list_new(ctx, images * post, 1, BL_I32, &keep));
    int32_t *kept = keep->data, *count = out->count->data, *group = c.group->data;
    const bl_box *box = c.box->data;
    for (int64_t i = 0; i < images; i++) {
        int64_t from = i * p.per_image;
        BL_TRY(ctx->k->nms(box + from, bl_f32(c.logit) + from, group + from, p.per_image, a->thr,
                           post, kept + i * post, count + i));
    }
    ctx->k->kept((int32_t)images, p.per_image, post, kept, count, box, bl_f32(c.logit),
                 out->box->data, bl_f32(out->score));
    picked_drop(ctx, &c);
    bl_tensor_drop(ctx, keep);
    return BL_OK;
}
