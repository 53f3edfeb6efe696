/* Convolution on the CPU: which algorithm computes a shape, and the table's three slots.
 *
 * Candidates are oneDNN's direct convolution, its Winograd where it has one, and our own Winograd
 * (kernels/cpu/winograd.h). On AVX-512 a timing context runs all that fit on the first call's data
 * and keeps the fastest. A deterministic one follows bl_winograd_for(), and so does every context
 * with AVX2; oneDNN's Winograd then is no candidate: its bits depend on the number of threads, and
 * oneDNN 3 has none. */

#include <float.h>
#include <stdio.h>

#include "core/parallel.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/plans.h"

_Static_assert((int)DN_FWD == BL_WINOGRAD_FWD && (int)DN_BWD_DATA == BL_WINOGRAD_BWD_DATA &&
                   (int)DN_BWD_WEIGHTS == BL_WINOGRAD_BWD_WEIGHTS,
               "plan keys hold either");

const char *bl_plan_alg_name(plan_alg alg) {
    static const char *const name[PLAN_ALGS] = {"direct", "winograd", "ballast winograd"};
    return name[alg];
}

/* ---- our own Winograd as a plan ---- */

static bl_status own_plan(const plan_key *key, bl_plan **out) {
    bl_plan *plan = *out = calloc(1, sizeof *plan);
    if (!plan) return bl_no_memory("for the convolution plan");
    plan->key = *key;
    plan->best_ms = DBL_MAX;
    plan->own = bl_winograd_fitting(&key->shape);
    snprintf(plan->impl, sizeof plan->impl, "ballast winograd:%s", plan->own->name);
    return BL_OK;
}

static bl_status own_compute(bl_plans *p, const bl_plan *plan, void *const user[PLAN_OPERANDS]) {
    const bl_conv_shape *s = &plan->key.shape;
    const bl_winograd *own = plan->own;
    bl_winograd_dir dir = (bl_winograd_dir)plan->key.dir;
    BL_TRY(bl_plans_reserve(p, PLAN_PAD, own->scratch_bytes(s, dir)));
    void *pad = p->slot[PLAN_PAD];
    if (dir == BL_WINOGRAD_FWD) {
        own->forward(s, user[PLAN_X], user[PLAN_W], user[PLAN_B], plan->key.flags & PLAN_RELU,
                     user[PLAN_Y], pad);
    } else if (dir == BL_WINOGRAD_BWD_DATA) {
        own->backward_data(s, user[PLAN_Y], user[PLAN_W], user[PLAN_X],
                           plan->key.flags & PLAN_ACCUMULATE, pad);
    } else {
        own->backward_weights(s, user[PLAN_X], user[PLAN_Y], user[PLAN_W], user[PLAN_B], pad);
    }
    return BL_OK;
}

/* ---- choosing ---- */

/* Bits of the algorithms to try. */
static unsigned candidates(const bl_plans *p, const bl_conv_shape *s, dn_dir dir) {
    const unsigned direct = 1u << PLAN_DIRECT, own = 1u << PLAN_OWN_WINOGRAD;
    bool fits = bl_winograd_fitting(s) != NULL;
    unsigned fitting =
        direct | (fits ? own : 0) | (bl_onednn_has_winograd(s) ? 1u << PLAN_ONEDNN_WINOGRAD : 0);
    if (p->only) return p->only & fitting;
    if (!p->deterministic && bl_cpu_isa() == BL_ISA_AVX512) return fitting;
    return bl_winograd_for(s, (bl_winograd_dir)dir) ? own : direct;
}

/* The one of `list` that the tuning file names; `list` when it names none. */
static unsigned tuned(const bl_plans *p, const char *text, unsigned list) {
    const char *name = bl_tuning_get(p->tuning, text);
    for (int alg = 0; name && alg < PLAN_ALGS; alg++) {
        if ((list & 1u << alg) && strcmp(name, bl_plan_alg_name(alg)) == 0) return 1u << alg;
    }
    return list;
}

/* Where a plan that is being timed may write: our own kernels add to their outputs at once. */
static bl_status trial_outputs(bl_plans *p, const bl_plan *plan, void *user[PLAN_OPERANDS]) {
    const bl_conv_shape *s = &plan->key.shape;
    int64_t in = (int64_t)s->n * ((s->ic + s->icb - 1) / s->icb) * s->icb * s->ih * s->iw;
    int64_t weights = (int64_t)s->oc * s->ic * s->kh * s->kw;
    int64_t floats = plan->key.dir == DN_BWD_DATA ? in : weights + s->oc;
    if (!plan->own || plan->key.dir == DN_FWD) return BL_OK;
    BL_TRY(bl_plans_reserve(p, PLAN_SUM, (size_t)floats * sizeof(float)));
    float *out = p->slot[PLAN_SUM];
    if (plan->key.dir == DN_BWD_DATA) {
        user[PLAN_X] = out;
    } else {
        user[PLAN_W] = out;
        if (user[PLAN_B]) user[PLAN_B] = out + weights;
    }
    return BL_OK;
}

static bl_status compute(bl_plans *p, bl_plan *plan, void *const user[PLAN_OPERANDS]) {
    return plan->own ? own_compute(p, plan, user) : bl_onednn_compute(p, plan, user);
}

/* Best of three after a warm-up run, in ms. */
static bl_status time_plan(bl_plans *p, bl_plan *plan, void *const user[PLAN_OPERANDS],
                           double *ms) {
    void *trial[PLAN_OPERANDS];
    memcpy(trial, user, sizeof trial);
    BL_TRY(trial_outputs(p, plan, trial));
    BL_TRY(compute(p, plan, trial));
    *ms = DBL_MAX;
    for (int i = 0; i < 3; i++) {
        double t = bl_now_ms();
        BL_TRY(compute(p, plan, trial));
        t = bl_now_ms() - t;
        if (t < *ms) *ms = t;
    }
    return BL_OK;
}

/* The fastest of the plans; a single one is not timed. */
static bl_status fastest(bl_plans *p, bl_plan *const plan[PLAN_ALGS],
                         void *const user[PLAN_OPERANDS], const char *text, int *pick) {
    int n = 0;
    double best = DBL_MAX;
    *pick = -1;
    for (int alg = 0; alg < PLAN_ALGS; alg++) {
        if (!plan[alg]) continue;
        *pick = alg;
        n++;
    }
    if (n < 2) return BL_OK;
    for (int alg = 0; alg < PLAN_ALGS; alg++) {
        double ms = DBL_MAX;
        if (plan[alg]) BL_TRY(time_plan(p, plan[alg], user, &ms));
        if (ms >= best) continue;
        *pick = alg;
        best = ms;
    }
    bl_tuning_set(p->tuning, text, bl_plan_alg_name((plan_alg)*pick));
    return BL_OK;
}

/* *out: in the cache; NULL when nobody can compute this. */
static bl_status choose(bl_plans *p, const plan_key *key, void *const user[PLAN_OPERANDS],
                        bl_plan **out) {
    bl_plan *plan[PLAN_ALGS] = {NULL};
    bl_status status = BL_OK;
    char text[160];
    int pick;
    *out = NULL;
    bl_plan_text(key, text, sizeof text);
    unsigned list = tuned(p, text, candidates(p, &key->shape, (dn_dir)key->dir));
    if (list & 1u << PLAN_OWN_WINOGRAD) BL_TRY_DONE(own_plan(key, &plan[PLAN_OWN_WINOGRAD]));
    if (list & 1u << PLAN_ONEDNN_WINOGRAD)
        BL_TRY_DONE(bl_onednn_plan(p, key, true, false, &plan[PLAN_ONEDNN_WINOGRAD]));
    bool nothing = !plan[PLAN_OWN_WINOGRAD] && !plan[PLAN_ONEDNN_WINOGRAD];
    if (list & 1u << PLAN_DIRECT || nothing)
        BL_TRY_DONE(bl_onednn_plan(p, key, false, nothing, &plan[PLAN_DIRECT]));
    BL_TRY_DONE(fastest(p, plan, user, text, &pick));
    if (pick >= 0) {
        bl_plan *best = plan[pick];
        plan[pick] = NULL;
        BL_TRY_DONE(bl_plan_cache_insert(p->cache, key, best));
        *out = best;
    }
done:
    for (int alg = 0; alg < PLAN_ALGS; alg++) bl_plan_free(plan[alg]);
    return status;
}

/* ---- the three entry points ---- */

/* Where another number of threads could change the bits, a plan keeps the number that was set, also
 * while fewer are in use. */
static int plan_threads(const bl_plans *p, const bl_conv_shape *s, dn_dir dir) {
    unsigned list = candidates(p, s, dir), bound = 1u << PLAN_ONEDNN_WINOGRAD;
    if (dir == DN_BWD_WEIGHTS) bound |= 1u << PLAN_DIRECT;
    return list & bound ? bl_threads_set() : bl_threads();
}

static bl_status run_plan(bl_ctx *ctx, const plan_key *key, void *const user[PLAN_OPERANDS],
                          bool *done) {
    bl_plans *p = ctx->plans;
    bl_plan *plan = bl_plan_cache_find(p->cache, key);
    if (!plan) {
        BL_TRY(choose(p, key, user, &plan));
        if (!plan) return BL_OK;
    }
    double t = bl_now_ms();
    BL_TRY(compute(p, plan, user));
    if (!plan->own) BL_TRY(bl_onednn_deliver(ctx, plan, user));
    t = bl_now_ms() - t;
    plan->calls++;
    plan->total_ms += t;
    if (t < plan->best_ms) plan->best_ms = t;
    *done = true;
    return BL_OK;
}

static bl_status run(bl_ctx *ctx, const bl_conv_shape *s, dn_dir dir, int flags,
                     void *const user[PLAN_OPERANDS], bool *done) {
    *done = s->n == 0;
    if (*done || !bl_onednn_expresses(s)) return BL_OK;
    if (!ctx->plans) return bl_fail(BL_EINVAL, "convolution: the context has no plan cache");
    int threads = plan_threads(ctx->plans, s, dir), before = bl_use_threads(threads);
    plan_key key = {*s, (int32_t)dir, flags, threads};
    bl_status status = run_plan(ctx, &key, user, done);
    (void)bl_use_threads(before);
    return status;
}

static bl_status conv_fwd(bl_ctx *ctx, const bl_conv_shape *s, const void *x, const float *w,
                          const float *b, bool relu, void *y) {
    void *user[PLAN_OPERANDS] = {(void *)x, (void *)w, (void *)b, y};
    bool done;
    BL_TRY(run(ctx, s, DN_FWD, (relu ? PLAN_RELU : 0) | (b ? PLAN_BIAS : 0), user, &done));
    if (done) return BL_OK;
    bl_kernels ref;
    bl_kernels_init_ref(&ref);
    return ref.conv_fwd(ctx, s, x, w, b, relu, y);
}

static bl_status conv_bwd_data(bl_ctx *ctx, const bl_conv_shape *s, const void *dy, const float *w,
                               void *dx, float beta) {
    void *user[PLAN_OPERANDS] = {dx, (void *)w, NULL, (void *)dy};
    bool done;
    BL_TRY(run(ctx, s, DN_BWD_DATA, beta != 0.0f ? PLAN_ACCUMULATE : 0, user, &done));
    if (done) return BL_OK;
    bl_kernels ref;
    bl_kernels_init_ref(&ref);
    return ref.conv_bwd_data(ctx, s, dy, w, dx, beta);
}

static bl_status conv_bwd_weights(bl_ctx *ctx, const bl_conv_shape *s, const void *x,
                                  const void *dy, float *dw, float *db) {
    void *user[PLAN_OPERANDS] = {(void *)x, dw, db, (void *)dy};
    bool done;
    BL_TRY(run(ctx, s, DN_BWD_WEIGHTS, db ? PLAN_BIAS : 0, user, &done));
    if (done) return BL_OK;
    bl_kernels ref;
    bl_kernels_init_ref(&ref);
    return ref.conv_bwd_weights(ctx, s, x, dy, dw, db);
}

void bl_kernels_conv_cpu(bl_kernels *k) {
    k->conv_fwd = conv_fwd;
    k->conv_bwd_data = conv_bwd_data;
    k->conv_bwd_weights = conv_bwd_weights;
}
