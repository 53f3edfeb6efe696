/* The CPU backend's plan cache. A plan is what computes one convolution shape, direction and
 * fusion: our own Winograd kernel, or a oneDNN primitive together with the layout changes around
 * it. Included by conv.c and the *_onednn.c files only.
 *
 * A plan's operands are x, w, b, y in user layout (canonical weights, cb-blocked activations).
 * Where the primitive wants another layout the operand has a reorder and lives in a shared scratch
 * slot meanwhile. Accumulated outputs (all weight gradients; data gradients with beta = 1) are
 * computed in a scratch slot and added. Scratch grows to the largest plan and is shared by all of
 * them: a context runs one op at a time. */
#ifndef BALLAST_KERNELS_CPU_PLANS_H
#define BALLAST_KERNELS_CPU_PLANS_H

#include "kernels/cpu/dnnl_compat.h"
#include "kernels/cpu/winograd.h"
#include "kernels/kernels.h"
#include "kernels/plan_cache.h"
#include "kernels/tuning.h"

enum {
    PLAN_X,
    PLAN_W,
    PLAN_B,
    PLAN_Y,
    PLAN_OPERANDS,
    PLAN_PAD = PLAN_OPERANDS,
    PLAN_SUM,
    PLAN_SLOTS
};

enum { PLAN_RELU = 1, PLAN_BIAS = 2, PLAN_ACCUMULATE = 4 };

typedef struct plan_key {
    bl_conv_shape shape;
    int32_t dir; /* dn_dir */
    int32_t flags;
    int32_t threads; /* primitives are compiled for a thread count */
} plan_key;

typedef struct plan_operand {
    int arg;            /* DNNL_ARG_...; 0: the operand is absent */
    bool output, accum; /* accum: computed in scratch, then added to the user's memory */
    dn_md user, prim;   /* layouts; prim is also set when equal */
    dnnl_memory_t user_mem, prim_mem; /* prim_mem NULL: the primitive works on the user's memory */
    dnnl_primitive_t reorder;         /* NULL: same layout */
    bool sums;                        /* the reorder of an accumulated output adds by itself */
    size_t user_bytes, prim_bytes;
} plan_operand;

typedef struct bl_plan {
    plan_key key;
    const bl_winograd *own; /* NULL: a oneDNN primitive */
    dnnl_primitive_t prim;
    char impl[64];
    plan_operand op[PLAN_OPERANDS];
    dnnl_memory_t pad_mem; /* scratchpad; NULL when none is needed */
    size_t pad_bytes;
    int64_t calls;
    double best_ms, total_ms;
} bl_plan;

enum { PLAN_MAX = 2048 };

typedef enum plan_alg { PLAN_DIRECT, PLAN_ONEDNN_WINOGRAD, PLAN_OWN_WINOGRAD, PLAN_ALGS } plan_alg;

struct bl_plans {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    void *slot[PLAN_SLOTS];
    size_t slot_bytes[PLAN_SLOTS];
    bl_plan_cache *cache; /* plan_key -> bl_plan */
    int deterministic;
    bl_tuning *tuning; /* plan text -> bl_plan_alg_name(); NULL when no file is used */
    unsigned only;     /* bits of the algorithms that may be chosen, for benchmarks; 0 = all */
};

/* BL_EBACKEND with oneDNN's status in words. */
bl_status bl_dnnl_fail(dnnl_status_t s, const char *what);
#define DN_TRY(expr)                                                                               \
    do {                                                                                           \
        dnnl_status_t dn_s_ = (expr);                                                              \
        if (dn_s_ != dnnl_success) return bl_dnnl_fail(dn_s_, #expr);                              \
    } while (0)

void bl_plan_free(void *plan); /* a bl_plan; NULL is fine */
/* Makes scratch slot `i` hold at least `bytes` (64-byte aligned; content is lost when it grows). */
bl_status bl_plans_reserve(bl_plans *p, int i, size_t bytes);
/* "fwd 2x64x56x56/16 -> 64/16 3x3/1 p1 d1 bias relu t2": names a plan in the tuning file and in
 * logs. */
void bl_plan_text(const plan_key *key, char *buf, size_t size);
const char *
bl_plan_alg_name(plan_alg alg); /* "direct", "winograd" (oneDNN's), "ballast winograd" */
double bl_now_ms(void);

/* ---- conv_onednn.c ---- */
bool bl_onednn_expresses(
    const bl_conv_shape *s); /* its layouts; the reference kernels do the rest */
bool bl_onednn_has_winograd(const bl_conv_shape *s);
/* The best plan of one algorithm that is not of oneDNN's reference class, or with `last_resort` one
 * that is; NULL when there is none. */
bl_status bl_onednn_plan(bl_plans *p, const plan_key *key, bool winograd, bool last_resort,
                         bl_plan **out);
/* Everything that may be repeated: outputs with accumulation stay in their scratch slots. */
bl_status bl_onednn_compute(bl_plans *p, bl_plan *plan, void *const user[PLAN_OPERANDS]);
/* Moves or adds the outputs that were computed in scratch to the user's memory. */
bl_status bl_onednn_deliver(bl_ctx *ctx, bl_plan *plan, void *const user[PLAN_OPERANDS]);

#endif
