/* oneDNN's convolution: plans for forward, data gradient and weight gradient, direct or Winograd
 * (its F(4x4,3x3): fp32, AVX-512 only, absent from oneDNN 3). kernels/cpu/conv.c chooses.
 *
 * Repeatability: a plan gives the same bits on every run with the same number of threads. With
 * another number oneDNN splits the sums of weight gradients (and some Winograd layers) differently,
 * which changes the last bits; it has no switch against that.
 *
 * Weights are canonical OIHW outside; plans reorder them (25 M parameters of a ResNet-50: ~10 ms
 * per pass over 2 threads). */

#include <float.h>
#include <stdio.h>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/plans.h"

/* oneDNN's tag for channel block cb; undef when it has none (the reference kernels then take over).
 */
static dnnl_format_tag_t activation_tag(int32_t c, int32_t cb) {
    switch (cb) {
    case 1:
        return dnnl_nchw;
    case 4:
        return dnnl_nChw4c;
    case 8:
        return dnnl_nChw8c;
    case 16:
        return dnnl_nChw16c;
    default:
        return cb == c ? dnnl_nhwc : dnnl_format_tag_undef;
    }
}

static bool is_reference(const char *impl) {
    return strncmp(impl, "ref", 3) == 0 || strncmp(impl, "simple", 6) == 0;
}

bool bl_onednn_expresses(const bl_conv_shape *s) {
    return activation_tag(s->ic, s->icb) != dnnl_format_tag_undef &&
           activation_tag(s->oc, s->ocb) != dnnl_format_tag_undef && s->ic > 0 && s->oc > 0 &&
           s->oh > 0 && s->ow > 0;
}

bool bl_onednn_has_winograd(const bl_conv_shape *s) {
    return bl_onednn_major() < 3 && bl_cpu_isa() == BL_ISA_AVX512 && s->kh == 3 && s->kw == 3 &&
           s->stride == 1 && s->dilation == 1 && s->pad <= 1;
}

/* ---- building ---- */

typedef struct conv_mds {
    dn_md x, w, b, y; /* x, y for the primitive; w free for it to choose; b NULL without bias */
} conv_mds;

static void free_mds(conv_mds *m) {
    dn_md_free(m->x);
    dn_md_free(m->w);
    dn_md_free(m->b);
    dn_md_free(m->y);
}

static dnnl_status_t make_mds(const bl_conv_shape *s, bool bias, dnnl_format_tag_t xt,
                              dnnl_format_tag_t wt, dnnl_format_tag_t yt, conv_mds *m) {
    dnnl_dims_t x = {s->n, s->ic, s->ih, s->iw}, w = {s->oc, s->ic, s->kh, s->kw}, b = {s->oc},
                y = {s->n, s->oc, s->oh, s->ow};
    dnnl_status_t st = dn_md_by_tag(&m->x, 4, x, xt);
    if (st == dnnl_success) st = dn_md_by_tag(&m->w, 4, w, wt);
    if (st == dnnl_success && bias) st = dn_md_by_tag(&m->b, 1, b, dnnl_x);
    if (st == dnnl_success) st = dn_md_by_tag(&m->y, 4, y, yt);
    return st;
}

static dnnl_status_t make_attr(bool relu, bool sum, dnnl_primitive_attr_t *attr) {
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t st = dnnl_primitive_attr_create(attr);
    if (st == dnnl_success) {
        st = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    }
    if (st == dnnl_success && (relu || sum)) st = dnnl_post_ops_create(&ops);
    if (st == dnnl_success && sum) st = dn_append_sum(ops);
    if (st == dnnl_success && relu) st = dn_append_relu(ops);
    if (st == dnnl_success && ops) st = dnnl_primitive_attr_set_post_ops(*attr, ops);
    if (ops) dnnl_post_ops_destroy(ops);
    return st;
}

/* The primitive descriptor of one direction; backward ones need the forward one as a hint. */
static dnnl_status_t make_pd(bl_plans *p, const plan_key *key, dnnl_alg_kind_t alg,
                             const conv_mds *m, dnnl_primitive_desc_t *pd) {
    const bl_conv_shape *s = &key->shape;
    dn_conv_geom g = {{s->stride, s->stride}, {s->dilation - 1, s->dilation - 1}, {s->pad, s->pad}};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_status_t st = make_attr(key->flags & PLAN_RELU, false, &attr);
    if (st == dnnl_success && key->dir != DN_FWD) {
        st = dn_conv_pd(&hint, p->engine, DN_FWD, alg, m->x, m->w, m->b, m->y, &g, NULL, attr);
    }
    if (st == dnnl_success) {
        st = dn_conv_pd(pd, p->engine, (dn_dir)key->dir, alg, m->x, m->w, m->b, m->y, &g, hint,
                        attr);
    }
    if (hint) dnnl_primitive_desc_destroy(hint);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return st;
}

/* The layout change of an operand, towards the primitive or back. */
static dnnl_status_t make_reorder(bl_plans *p, plan_operand *o) {
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dn_md from = o->output ? o->prim : o->user, to = o->output ? o->user : o->prim;
    dnnl_status_t st = make_attr(false, o->sums, &attr);
    if (st == dnnl_success) {
        st = dnnl_reorder_primitive_desc_create(&pd, from, p->engine, to, p->engine, attr);
    }
    if (st == dnnl_success) st = dnnl_primitive_create(&o->reorder, pd);
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return st;
}

/* Sets up operand i: argument, query of the layout the primitive wants, memories, layout change. */
static dnnl_status_t make_operand(bl_plans *p, bl_plan *plan, const_dnnl_primitive_desc_t pd, int i,
                                  int arg, dnnl_query_t query, bool output, bool accum,
                                  dn_cmd user) {
    plan_operand *o = &plan->op[i];
    o->arg = arg;
    o->output = output;
    o->accum = accum;
    dnnl_status_t st = dn_md_clone(&o->user, user);
    if (st == dnnl_success) {
        /* A bias is the second of the weights and has one possible layout. */
        st = i == PLAN_B ? dn_md_clone(&o->prim, user) : dn_pd_md(pd, query, &o->prim);
    }
    if (st == dnnl_success)
        st = dnnl_memory_create(&o->user_mem, o->user, p->engine, DNNL_MEMORY_NONE);
    if (st != dnnl_success) return st;
    bool same = dnnl_memory_desc_equal(o->user, o->prim);
    if (same && !accum) return dnnl_success;
    o->user_bytes = dnnl_memory_desc_get_size(o->user);
    o->prim_bytes = dnnl_memory_desc_get_size(o->prim);
    st = dnnl_memory_create(&o->prim_mem, o->prim, p->engine, DNNL_MEMORY_NONE);
    if (st != dnnl_success || same) return st;

    o->sums = accum;
    st = make_reorder(p, o);
    if (st == dnnl_unimplemented && accum) { /* oneDNN 3: not for every pair of layouts */
        o->sums = false;
        st = make_reorder(p, o);
    }
    return st;
}

static dnnl_status_t make_operands(bl_plans *p, bl_plan *plan, const_dnnl_primitive_desc_t pd,
                                   const conv_mds *user) {
    bool add = plan->key.flags & PLAN_ACCUMULATE;
    dnnl_status_t st = dnnl_success;
#define OPERAND(i, arg, query, output, accum, md)                                                  \
    if (st == dnnl_success && (md)) st = make_operand(p, plan, pd, i, arg, query, output, accum, md)
    switch (plan->key.dir) {
    case DN_FWD:
        OPERAND(PLAN_X, DNNL_ARG_SRC, dnnl_query_src_md, false, false, user->x);
        OPERAND(PLAN_W, DNNL_ARG_WEIGHTS, dnnl_query_weights_md, false, false, user->w);
        OPERAND(PLAN_B, DNNL_ARG_BIAS, dnnl_query_weights_md, false, false, user->b);
        OPERAND(PLAN_Y, DNNL_ARG_DST, dnnl_query_dst_md, true, false, user->y);
        break;
    case DN_BWD_DATA:
        OPERAND(PLAN_X, DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, true, add, user->x);
        OPERAND(PLAN_W, DNNL_ARG_WEIGHTS, dnnl_query_weights_md, false, false, user->w);
        OPERAND(PLAN_Y, DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, false, false, user->y);
        break;
    default:
        OPERAND(PLAN_X, DNNL_ARG_SRC, dnnl_query_src_md, false, false, user->x);
        OPERAND(PLAN_W, DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md, true, true, user->w);
        OPERAND(PLAN_B, DNNL_ARG_DIFF_BIAS, dnnl_query_diff_weights_md, true, true, user->b);
        OPERAND(PLAN_Y, DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, false, false, user->y);
        break;
    }
#undef OPERAND
    return st;
}

/* One candidate. `blocked`: computes on 16-channel (8 without AVX-512) blocks whatever the user's
 * layout is. Returns unimplemented when oneDNN has nothing. */
static dnnl_status_t make_plan(bl_plans *p, const plan_key *key, dnnl_alg_kind_t alg, bool blocked,
                               bl_plan **out) {
    const bl_conv_shape *s = &key->shape;
    bool bias = key->flags & PLAN_BIAS;
    dnnl_format_tag_t block = bl_cpu_block() == 16 ? dnnl_nChw16c : dnnl_nChw8c;
    dnnl_format_tag_t xt = activation_tag(s->ic, s->icb), yt = activation_tag(s->oc, s->ocb);
    conv_mds user = {0}, want = {0};
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t st = dnnl_out_of_memory;
    bl_plan *plan = calloc(1, sizeof *plan);
    if (!plan) goto done;
    plan->key = *key;
    plan->best_ms = DBL_MAX;
    st = make_mds(s, bias, xt, dnnl_oihw, yt, &user);
    if (st == dnnl_success) {
        /* Few input channels stay planar: oneDNN's first-layer kernels read planes. */
        bool first = s->ic < 4 && s->icb == 1 && key->dir != DN_BWD_DATA;
        st = make_mds(s, bias, blocked && !first ? block : xt, dnnl_format_tag_any,
                      blocked ? block : yt, &want);
    }
    if (st == dnnl_success) st = make_pd(p, key, alg, &want, &pd);
    if (st != dnnl_success) goto done;

    const char *impl = NULL;
    st = dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &impl);
    if (st == dnnl_success) snprintf(plan->impl, sizeof plan->impl, "%s", impl);
    if (st == dnnl_success) st = make_operands(p, plan, pd, &user);
    if (st == dnnl_success) {
        dn_cmd pad = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
        plan->pad_bytes = pad ? dnnl_memory_desc_get_size(pad) : 0;
        if (plan->pad_bytes) {
            st = dnnl_memory_create(&plan->pad_mem, pad, p->engine, DNNL_MEMORY_NONE);
        }
    }
    if (st == dnnl_success) st = dnnl_primitive_create(&plan->prim, pd);
done:
    if (pd) dnnl_primitive_desc_destroy(pd);
    free_mds(&user);
    free_mds(&want);
    if (st != dnnl_success) {
        bl_plan_free(plan);
        plan = NULL;
    }
    *out = plan;
    return st;
}

/* ---- running ---- */

static bl_status run_reorder(bl_plans *p, plan_operand *o) {
    dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, o->output ? o->prim_mem : o->user_mem},
                               {DNNL_ARG_TO, o->output ? o->user_mem : o->prim_mem}};
    DN_TRY(dnnl_primitive_execute(o->reorder, p->stream, 2, args));
    return BL_OK;
}

bl_status bl_onednn_compute(bl_plans *p, bl_plan *plan, void *const user[PLAN_OPERANDS]) {
    dnnl_exec_arg_t args[PLAN_OPERANDS + 1];
    int n = 0;
    for (int i = 0; i < PLAN_OPERANDS; i++) {
        plan_operand *o = &plan->op[i];
        if (!o->arg) continue;
        DN_TRY(dnnl_memory_set_data_handle(o->user_mem, user[i]));
        if (o->prim_mem) {
            BL_TRY(bl_plans_reserve(p, i, o->prim_bytes));
            DN_TRY(dnnl_memory_set_data_handle(o->prim_mem, p->slot[i]));
            if (o->reorder && !o->output) BL_TRY(run_reorder(p, o));
        }
        args[n++] = (dnnl_exec_arg_t){o->arg, o->prim_mem ? o->prim_mem : o->user_mem};
    }
    if (plan->pad_mem) {
        BL_TRY(bl_plans_reserve(p, PLAN_PAD, plan->pad_bytes));
        DN_TRY(dnnl_memory_set_data_handle(plan->pad_mem, p->slot[PLAN_PAD]));
        args[n++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, plan->pad_mem};
    }
    DN_TRY(dnnl_primitive_execute(plan->prim, p->stream, n, args));
    DN_TRY(dnnl_stream_wait(p->stream));
    return BL_OK;
}

bl_status bl_onednn_deliver(bl_ctx *ctx, bl_plan *plan, void *const user[PLAN_OPERANDS]) {
    bl_plans *p = ctx->plans;
    for (int i = 0; i < PLAN_OPERANDS; i++) {
        plan_operand *o = &plan->op[i];
        if (!o->arg || !o->output || !o->prim_mem) continue;
        const float *sum = p->slot[i];
        if (o->reorder && o->accum && !o->sums) {
            BL_TRY(bl_plans_reserve(p, PLAN_SUM, o->user_bytes));
            DN_TRY(dnnl_memory_set_data_handle(o->user_mem, p->slot[PLAN_SUM]));
            sum = p->slot[PLAN_SUM];
        }
        if (o->reorder) BL_TRY(run_reorder(p, o));
        if (o->accum && !o->sums) {
            DN_TRY(dnnl_stream_wait(p->stream));
            ctx->k->add(BL_F32, user[i], sum, user[i], (int64_t)(o->user_bytes / sizeof(float)));
        }
    }
    DN_TRY(dnnl_stream_wait(p->stream));
    return BL_OK;
}

/* ---- the best plan ---- */

bl_status bl_onednn_plan(bl_plans *p, const plan_key *key, bool winograd, bool last_resort,
                         bl_plan **out) {
    dnnl_alg_kind_t alg = winograd ? dnnl_convolution_winograd : dnnl_convolution_direct;
    bl_plan *found = NULL;
    *out = NULL;
    for (int blocked = 0; blocked < 2; blocked++) {
        bl_plan *plan = NULL;
        dnnl_status_t st = make_plan(p, key, alg, blocked, &plan);
        if (st == dnnl_out_of_memory) {
            bl_plan_free(found);
            return bl_dnnl_fail(st, "convolution plan");
        }
        if (!plan) continue;
        if (!is_reference(plan->impl)) {
            bl_plan_free(found);
            *out = plan;
            return BL_OK;
        }
        if (found)
            bl_plan_free(plan);
        else
            found = plan;
    }
    if (last_resort)
        *out = found;
    else
        bl_plan_free(found);
    return BL_OK;
}
