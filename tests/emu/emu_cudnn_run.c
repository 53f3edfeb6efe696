/* Executes a plan of the emulated cuDNN, from nothing but its descriptors and
 * the pack's pointers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/emu/emu_cudnn.h"
#include "tests/emu/emu_cudnn_graph.h"
#include "tests/emu/emu_values.h"
#include "tests/emu/emulator.h"

static cudnnStatus_t planned; /* failure of the next execution */

void bl_emu_cudnn_fail(int status) {
    planned = (cudnnStatus_t)status;
}

static int64_t elements(const bl_emu_tensor *t) {
    return t->dim[0] * t->dim[1] * t->dim[2] * t->dim[3];
}

/* The device memory that the pack names for a tensor, checked. */
static void *memory_of(const bl_emu_desc *pack, const bl_emu_tensor *t) {
    int64_t n = bl_emu_count(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    const int64_t *uid =
        bl_emu_values(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n);
    void *const *data =
        bl_emu_values(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n);
    for (int64_t i = 0; uid && data && i < n; i++) {
        if (uid[i] != t->uid) continue;
        if ((uintptr_t)data[i] % (uintptr_t)t->align != 0) {
            fprintf(stderr, "emulated cuDNN: tensor %lld is not aligned to %lld bytes\n",
                    (long long)t->uid, (long long)t->align);
            abort();
        }
        bl_emu_need(data[i], (size_t)(elements(t) * bl_dtype_size(t->type)));
        return data[i];
    }
    fprintf(stderr, "emulated cuDNN: no pointer for tensor %lld\n", (long long)t->uid);
    abort();
}

static float *scratch(int64_t n) {
    float *p = calloc((size_t)n, sizeof *p);
    if (!p) abort();
    return p;
}

/* A tensor's values in fp32, rounded as the engine does. */
static float *operand(const bl_emu_desc *pack, const bl_emu_tensor *t, bool round) {
    const void *from = memory_of(pack, t);
    int64_t n = elements(t);
    float *p = scratch(n);
    for (int64_t i = 0; i < n; i++) {
        float v = bl_emu_value(t->type, from, i);
        p[i] = round && t->type == BL_F32 ? bl_emu_tf32(v) : v;
    }
    return p;
}

/* Weights between KRSC (the descriptor's) and the plain kernels' OIHW. */
static void swap_weights(const bl_conv_shape *s, const float *from, float *to, bool to_oihw) {
    int64_t taps = (int64_t)s->kh * s->kw;
    for (int64_t o = 0; o < s->oc; o++) {
        for (int64_t t = 0; t < taps; t++) {
            for (int64_t i = 0; i < s->ic; i++) {
                int64_t krsc = (o * taps + t) * s->ic + i, oihw = (o * s->ic + i) * taps + t;
                to[to_oihw ? oihw : krsc] = from[to_oihw ? krsc : oihw];
            }
        }
    }
}

/* The convolution's result in new host memory, laid out as its tensor. */
static float *convolve(const bl_emu_conv_op *c, const bl_emu_desc *pack, bool round) {
    bl_kernels k;
    bl_kernels_init_ref(&k);
    int64_t nx = elements(&c->x), nw = elements(&c->w), ny = elements(&c->y);
    float *w = scratch(nw), *a = NULL, *b = NULL, *out;
    if (c->dir != 2) {
        float *krsc = operand(pack, &c->w, round);
        swap_weights(&c->s, krsc, w, true);
        free(krsc);
    }
    if (c->dir != 1) a = operand(pack, &c->x, round);
    if (c->dir != 0) b = operand(pack, &c->y, round);
    if (c->dir == 0) {
        out = scratch(ny);
        k.conv_fwd(NULL, &c->s, a, w, NULL, false, out);
    } else if (c->dir == 1) {
        out = scratch(nx);
        k.conv_bwd_data(NULL, &c->s, b, w, out, 0);
    } else {
        out = scratch(nw);
        k.conv_bwd_weights(NULL, &c->s, a, b, w, NULL);
        swap_weights(&c->s, w, out, false);
    }
    free(w);
    free(a);
    free(b);
    return out;
}

static void execute(const bl_emu_graph *g, const bl_emu_desc *pack, bool round) {
    const bl_emu_tensor *last = g->conv.dir == 0   ? &g->conv.y
                                : g->conv.dir == 1 ? &g->conv.x
                                                   : &g->conv.w;
    float *value = convolve(&g->conv, pack, round);
    for (int i = 0; i < g->afters; i++) {
        const bl_emu_pointwise_op *o = &g->after[i];
        float *b = o->relu ? NULL : operand(pack, &o->b, false);
        int64_t c = o->y.dim[1], n = elements(&o->y);
        for (int64_t j = 0; j < n; j++) {
            value[j] = b ? value[j] + b[j % c] : value[j] > 0 ? value[j] : 0;
        }
        free(b);
        last = &o->y;
    }
    void *to = memory_of(pack, last);
    for (int64_t i = 0; i < elements(last); i++) bl_emu_store(last->type, to, i, value[i]);
    free(value);
}

/* A plan with its operands. */
typedef struct execution {
    cudnnBackendDescriptor_t plan, pack;
} execution;

static void run(void *arg) {
    bl_emu_graph g;
    const execution *x = arg;
    const bl_emu_desc *config = bl_emu_part(x->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    bl_emu_read_graph(bl_emu_part(config, CUDNN_ATTR_ENGINE_OPERATION_GRAPH), &g);
    bl_emu_begin("cudnnBackendExecute");
    size_t bytes = (size_t)bl_emu_workspace(x->plan);
    if (bytes > 0) {
        void *const *p =
            bl_emu_values(x->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1);
        bl_emu_need(p ? *p : NULL, bytes);
        memset(*p, 0xff, bytes);
    }
    execute(&g, x->pack, config->engine == BL_EMU_TENSOR_CORES);
    bl_emu_end();
}

static void drop(void *arg) {
    execution *x = arg;
    cudnnBackendDestroyDescriptor(x->plan);
    cudnnBackendDestroyDescriptor(x->pack);
    free(x);
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t arg) {
    execution x = {plan, arg}, *kept;
    cudnnStatus_t fail = planned;
    planned = CUDNN_STATUS_SUCCESS;
    if (fail != CUDNN_STATUS_SUCCESS) return fail;
    if (!handle || !((bl_emu_desc *)arg)->final) return CUDNN_STATUS_BAD_PARAM;
    if (!bl_emu_capturing()) {
        run(&x);
        return CUDNN_STATUS_SUCCESS;
    }
    kept = malloc(sizeof *kept);
    if (!kept) return CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    *kept = x;
    ((bl_emu_desc *)plan)->references++;
    ((bl_emu_desc *)arg)->references++;
    bl_emu_keep(run, drop, kept);
    return CUDNN_STATUS_SUCCESS;
}
