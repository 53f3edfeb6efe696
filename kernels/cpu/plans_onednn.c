/* Life and lookup of plans, their shared scratch memory, and the tuning file; see plans.h. */
#include "kernels/cpu/plans.h"

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include "kernels/cpu/cpu.h"

static const char *const dir_name[] = {"fwd", "bwd_data", "bwd_weights"};

double bl_now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

bl_status bl_dnnl_fail(dnnl_status_t s, const char *what) {
    static const char *const word[] = {"success", "out of memory", "invalid arguments",
                                       "unimplemented"};
    const char *w = (unsigned)s < 4 ? word[s] : "error";
    return bl_fail(s == dnnl_out_of_memory ? BL_ENOMEM : BL_EBACKEND, "oneDNN: %s (%d) in %s", w,
                   (int)s, what);
}

void bl_plan_free(void *arg) {
    bl_plan *plan = arg;
    if (!plan) return;
    for (int i = 0; i < PLAN_OPERANDS; i++) {
        plan_operand *o = &plan->op[i];
        if (o->reorder) dnnl_primitive_destroy(o->reorder);
        if (o->user_mem) dnnl_memory_destroy(o->user_mem);
        if (o->prim_mem) dnnl_memory_destroy(o->prim_mem);
        dn_md_free(o->user);
        dn_md_free(o->prim);
    }
    if (plan->pad_mem) dnnl_memory_destroy(plan->pad_mem);
    if (plan->prim) dnnl_primitive_destroy(plan->prim);
    free(plan);
}

bl_status bl_plans_reserve(bl_plans *p, int i, size_t bytes) {
    if (bytes <= p->slot_bytes[i]) return BL_OK;
    size_t align = 2u << 20, size = (bytes + 4095) & ~(size_t)4095;
    if (size < align) align = 64;
    void *mem = aligned_alloc(align, (size + align - 1) / align * align);
    if (!mem) return bl_no_memory("for %zu bytes (convolution scratch)", bytes);
    /* Winograd's scratch is streamed through in large strides: huge pages save page walks. A hint
     * only. */
    if (align > 64) (void)madvise(mem, size, MADV_HUGEPAGE);
    free(p->slot[i]);
    p->slot[i] = mem;
    p->slot_bytes[i] = size;
    return BL_OK;
}

/* ---- names and the tuning file ---- */

void bl_plan_text(const plan_key *key, char *buf, size_t size) {
    const bl_conv_shape *s = &key->shape;
    snprintf(buf, size, "%s %dx%dx%dx%d/%d -> %d/%d %dx%d/%d p%d d%d%s%s%s t%d", dir_name[key->dir],
             s->n, s->ic, s->ih, s->iw, s->icb, s->oc, s->ocb, s->kh, s->kw, s->stride, s->pad,
             s->dilation, key->flags & PLAN_BIAS ? " bias" : "",
             key->flags & PLAN_RELU ? " relu" : "", key->flags & PLAN_ACCUMULATE ? " add" : "",
             key->threads);
}

static void library_version(char *buf, size_t size) {
    const dnnl_version_t *v = dnnl_version();
    snprintf(buf, size, "%d.%d.%d", v->major, v->minor, v->patch);
}

void bl_cpu_library(char *buf, size_t size) {
    const dnnl_version_t *v = dnnl_version();
    snprintf(buf, size, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
}

int bl_onednn_major(void) {
    return dnnl_version()->major;
}

static bl_status open_tuning(bl_plans *p, const char *path) {
    char version[32];
    library_version(version, sizeof version);
    bl_tuning_id ids[] = {{"cpu", bl_cpu_features()}, {"onednn", version}};
    return bl_tuning_open(path, ids, 2, &p->tuning);
}

/* ---- life ---- */

static bl_status open_library(bl_plans *p) {
    DN_TRY(dnnl_engine_create(&p->engine, dnnl_cpu, 0));
    DN_TRY(dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags));
    return BL_OK;
}

bl_status bl_plans_create_cpu(const char *tuning_file, int deterministic, bl_plans **out) {
    *out = NULL;
    bl_plans *p = calloc(1, sizeof *p);
    if (!p) return bl_no_memory("for the plan cache");
    _Static_assert(sizeof(plan_key) == 18 * sizeof(int32_t), "plan_key must have no padding");
    bl_status status = bl_plan_cache_create(sizeof(plan_key), PLAN_MAX, bl_plan_free, &p->cache);
    if (status == BL_OK) status = open_library(p);
    p->deterministic = deterministic;
    /* Choices in a tuning file come from timings, so a deterministic context does not read it. */
    if (status == BL_OK && tuning_file && !deterministic) status = open_tuning(p, tuning_file);
    if (status != BL_OK) {
        bl_plans_destroy_cpu(p);
        return status;
    }
    *out = p;
    return BL_OK;
}

void bl_plans_destroy_cpu(bl_plans *p) {
    if (!p) return;
    bl_tuning_close(p->tuning);
    bl_plan_cache_destroy(p->cache);
    for (int i = 0; i < PLAN_SLOTS; i++) free(p->slot[i]);
    if (p->stream) dnnl_stream_destroy(p->stream);
    if (p->engine) dnnl_engine_destroy(p->engine);
    free(p);
}

typedef struct describe_job {
    void (*line)(void *arg, const char *text);
    void *arg;
} describe_job;

static void describe(void *arg, const void *item) {
    const describe_job *j = arg;
    const bl_plan *plan = item;
    char name[160], text[320];
    const bl_conv_shape *s = &plan->key.shape;
    double flop = 2.0 * s->n * s->oc * s->oh * s->ow * s->ic * s->kh * s->kw;
    bl_plan_text(&plan->key, name, sizeof name);
    snprintf(text, sizeof text, "conv %s: %s, %.2f ms (%.0f GFLOP/s), %lld calls, %.0f ms", name,
             plan->impl, plan->best_ms, flop / (plan->best_ms * 1e6 + 1e-9), (long long)plan->calls,
             plan->total_ms);
    j->line(j->arg, text);
}

void bl_plans_describe_cpu(const bl_plans *p, void (*line)(void *arg, const char *text),
                           void *arg) {
    describe_job j = {line, arg};
    bl_plan_cache_each(p->cache, describe, &j);
}
