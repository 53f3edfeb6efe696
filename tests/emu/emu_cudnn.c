/* A stand-in for cuDNN's graph API on the emulated device, compiled against cuDNN's own header.
 *
 * It takes what kernels/cuda/conv_graph.c builds (tensors, convolution, bias, ReLU, heuristics,
 * plans, variant packs), refuses what is incomplete or inconsistent as the library would, and
 * computes with the plain C kernels from nothing but the descriptors and pointers it was given.
 * Like the library it knows several engines, of which not all may run:
 *
 *   31  "tensor cores": rounds its inputs to TF32
 *   25  sums in no fixed order, it says; wants scratch memory
 *   12  plain; wants scratch memory; cannot do 5x5 windows
 *    0  plain, the fallback
 *
 * and no engine fuses bias or ReLU behind output channels that are no multiple of 4. */
#include <cudnn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "tests/emu/emu_cudnn.h"
#include "tests/emu/emulator.h"

enum { TENSOR_CORES = 31, UNORDERED = 25, PLAIN = 12, FALLBACK = 0, ATTRIBUTES = 12, TENSORS = 8 };
enum { KNOB = CUDNN_KNOB_TYPE_TILE_SIZE };

typedef struct attribute {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    void *data;
} attribute;

typedef struct desc {
    cudnnBackendDescriptorType_t type;
    int references; /* its creator's, and one of each descriptor that was given it */
    bool final;
    attribute a[ATTRIBUTES];
    int attributes;
    int64_t engine; /* of engines and their configurations */
    int64_t knob;
} desc;

static cudnnStatus_t planned; /* failure of the next execution */

void bl_emu_cudnn_fail(int status) {
    planned = (cudnnStatus_t)status;
}

/* ---- descriptors ---- */

static size_t size_of(cudnnBackendAttributeType_t type) {
    switch (type) {
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
        return 8;
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
        return sizeof(void *);
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR:
        return 1;
    default: /* enumerations, float */
        return 4;
    }
}

static void release(desc *d) {
    if (--d->references > 0) return;
    for (int i = 0; i < d->attributes; i++) {
        desc **part = d->a[i].data;
        bool parts = d->a[i].type == CUDNN_TYPE_BACKEND_DESCRIPTOR;
        for (int64_t j = 0; parts && j < d->a[i].count; j++) release(part[j]);
        free(d->a[i].data);
    }
    free(d);
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t *out) {
    desc *d = calloc(1, sizeof *d);
    if (!d) return CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    d->type = type;
    d->references = 1;
    *out = d;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d) {
    if (d) release(d);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t arg,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void *values) {
    desc *d = arg;
    if (!d || d->final || count < 1 || !values || d->attributes == ATTRIBUTES) {
        return CUDNN_STATUS_BAD_PARAM;
    }
    desc *const *part = values;
    for (int64_t i = 0; type == CUDNN_TYPE_BACKEND_DESCRIPTOR && i < count; i++) {
        if (!part[i]) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
        bool config = part[i]->type == CUDNN_BACKEND_ENGINECFG_DESCRIPTOR;
        if (!part[i]->final && !config) return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
        part[i]->references++;
    }
    size_t bytes = (size_t)count * size_of(type);
    attribute *a = &d->a[d->attributes++];
    *a = (attribute){name, type, count, malloc(bytes)};
    if (!a->data) abort();
    memcpy(a->data, values, bytes);
    return CUDNN_STATUS_SUCCESS;
}

/* The attribute's values; NULL unless it was set with this type and count (-1: any). */
static const void *values(const desc *d, cudnnBackendAttributeName_t name,
                          cudnnBackendAttributeType_t type, int64_t count) {
    for (int i = d->attributes - 1; i >= 0; i--) {
        const attribute *a = &d->a[i];
        if (a->name == name) {
            return a->type == type && (count < 0 || a->count == count) ? a->data : NULL;
        }
    }
    return NULL;
}

static int64_t count_of(const desc *d, cudnnBackendAttributeName_t name) {
    for (int i = d->attributes - 1; i >= 0; i--) {
        if (d->a[i].name == name) return d->a[i].count;
    }
    return 0;
}

static const desc *part(const desc *d, cudnnBackendAttributeName_t name) {
    desc *const *p = values(d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1);
    return p ? *p : NULL;
}

static int64_t integer(const desc *d, cudnnBackendAttributeName_t name) {
    const int64_t *p = values(d, name, CUDNN_TYPE_INT64, 1);
    return p ? *p : -1;
}

static float real(const desc *d, cudnnBackendAttributeName_t name) {
    const float *p = values(d, name, CUDNN_TYPE_FLOAT, 1);
    return p ? *p : -1;
}

/* ---- what the operations mean ---- */

typedef struct tensor {
    int64_t uid, align;
    const int64_t *dim, *stride;
    cudnnDataType_t type;
    bool is_virtual;
} tensor;

static bool read_tensor(const desc *d, tensor *t) {
    if (!d || d->type != CUDNN_BACKEND_TENSOR_DESCRIPTOR) return false;
    const cudnnDataType_t *type = values(d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1);
    const bool *is_virtual = values(d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1);
    *t = (tensor){.uid = integer(d, CUDNN_ATTR_TENSOR_UNIQUE_ID),
                  .align = integer(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT),
                  .dim = values(d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4),
                  .stride = values(d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4)};
    if (!type || t->uid < 0 || t->align < 1 || !t->dim || !t->stride) return false;
    t->type = *type;
    t->is_virtual = is_virtual && *is_virtual;
    for (int i = 0; i < 4; i++) {
        if (t->dim[i] < 1) return false;
    }
    /* Channels last is all that this stand-in computes. */
    const int64_t *n = t->dim, *s = t->stride;
    return s[1] == 1 && s[3] == n[1] && s[2] == n[3] * n[1] && s[0] == n[2] * n[3] * n[1];
}

typedef struct conv_op {
    int dir; /* 0 forward, 1 data, 2 weights */
    tensor x, w, y;
    bl_conv_shape s;
} conv_op;

static bool pair(const desc *d, cudnnBackendAttributeName_t name, int32_t *out) {
    const int64_t *v = values(d, name, CUDNN_TYPE_INT64, 2);
    if (v) *out = (int32_t)v[0];
    return v && v[0] == v[1];
}

static bool read_window(const desc *d, bl_conv_shape *s) {
    int32_t after;
    if (!d || d->type != CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR) return false;
    const cudnnDataType_t *sums =
        values(d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1);
    const cudnnConvolutionMode_t *mode =
        values(d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1);
    return sums && *sums == CUDNN_DATA_FLOAT && mode && *mode == CUDNN_CROSS_CORRELATION &&
           integer(d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS) == 2 &&
           pair(d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, &s->stride) && s->stride > 0 &&
           pair(d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, &s->pad) &&
           pair(d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, &after) && after == s->pad &&
           pair(d, CUDNN_ATTR_CONVOLUTION_DILATIONS, &s->dilation) && s->dilation > 0;
}

static int32_t out_size(int32_t in, int32_t k, const bl_conv_shape *s) {
    return (in + 2 * s->pad - s->dilation * (k - 1) - 1) / s->stride + 1;
}

/* Attributes of the three operations: alpha, beta, conv, x, w, y (cudnn_graph.h). */
static const cudnnBackendAttributeName_t conv_attr[3][6] = {
    {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY}};

static bool read_conv(const desc *d, conv_op *o) {
    switch (d->type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
        o->dir = 0;
        break;
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
        o->dir = 1;
        break;
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
        o->dir = 2;
        break;
    default:
        return false;
    }
    const cudnnBackendAttributeName_t *a = conv_attr[o->dir];
    bl_conv_shape *s = &o->s;
    if (real(d, a[0]) != 1 || real(d, a[1]) != 0 || !read_window(part(d, a[2]), s) ||
        !read_tensor(part(d, a[3]), &o->x) || !read_tensor(part(d, a[4]), &o->w) ||
        !read_tensor(part(d, a[5]), &o->y)) {
        return false;
    }
    s->n = (int32_t)o->x.dim[0], s->ic = s->icb = (int32_t)o->x.dim[1];
    s->ih = (int32_t)o->x.dim[2], s->iw = (int32_t)o->x.dim[3];
    s->oc = s->ocb = (int32_t)o->w.dim[0], s->kh = (int32_t)o->w.dim[2];
    s->kw = (int32_t)o->w.dim[3];
    s->oh = out_size(s->ih, s->kh, s), s->ow = out_size(s->iw, s->kw, s);
    return o->w.dim[1] == s->ic && o->y.dim[0] == s->n && o->y.dim[1] == s->oc &&
           o->y.dim[2] == s->oh && o->y.dim[3] == s->ow;
}

/* y = x + b over channels, or relu(x). */
typedef struct pointwise_op {
    bool relu;
    tensor x, b, y;
} pointwise_op;

static bool read_pointwise(const desc *d, pointwise_op *o) {
    const desc *p = part(d, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
    if (d->type != CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR || !p) return false;
    const cudnnPointwiseMode_t *mode =
        values(p, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1);
    if (!mode || !values(p, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1)) return false;
    o->relu = *mode == CUDNN_POINTWISE_RELU_FWD;
    if (!read_tensor(part(d, CUDNN_ATTR_OPERATION_POINTWISE_XDESC), &o->x) ||
        !read_tensor(part(d, CUDNN_ATTR_OPERATION_POINTWISE_YDESC), &o->y) ||
        memcmp(o->x.dim, o->y.dim, 4 * sizeof(int64_t)) != 0) {
        return false;
    }
    if (o->relu) return true;
    return *mode == CUDNN_POINTWISE_ADD &&
           read_tensor(part(d, CUDNN_ATTR_OPERATION_POINTWISE_BDESC), &o->b) && o->b.dim[0] == 1 &&
           o->b.dim[1] == o->y.dim[1] && o->b.dim[2] == 1 && o->b.dim[3] == 1;
}

typedef struct graph {
    conv_op conv;
    pointwise_op after[2];
    int afters;
} graph;

/* A convolution, then pointwise operations, each on the output of the one before. */
static bool read_graph(const desc *d, graph *g) {
    if (!d || d->type != CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) return false;
    desc *const *op = values(d, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, -1);
    g->afters = (int)count_of(d, CUDNN_ATTR_OPERATIONGRAPH_OPS) - 1;
    if (!op || g->afters < 0 || g->afters > 2 || !read_conv(op[0], &g->conv)) return false;
    const tensor *last = &g->conv.y;
    for (int i = 0; i < g->afters; i++) {
        if (!last->is_virtual || !read_pointwise(op[i + 1], &g->after[i])) return false;
        if (g->after[i].x.uid != last->uid) return false;
        last = &g->after[i].y;
    }
    return !last->is_virtual;
}

/* ---- heuristics ---- */

static int engines_of(const desc *heuristic, int64_t engine[3]) {
    const cudnnBackendHeurMode_t *mode =
        values(heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1);
    if (*mode == CUDNN_HEUR_MODE_A) {
        engine[0] = TENSOR_CORES, engine[1] = UNORDERED, engine[2] = PLAIN;
        return 3;
    }
    engine[0] = PLAIN, engine[1] = FALLBACK;
    return 2;
}

static cudnnStatus_t finalize_heuristic(const desc *d) {
    graph g;
    const desc *device = part(d, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP);
    if (!read_graph(part(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH), &g) || !device ||
        device->type != CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR ||
        !values(d, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1)) {
        return CUDNN_STATUS_BAD_PARAM;
    }
    if (g.conv.x.type != CUDNN_DATA_FLOAT) return CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE;
    if (g.afters > 0 && g.conv.s.oc % 4 != 0) return CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t give_engines(const desc *heuristic, int64_t room, int64_t *count,
                                  desc *const *config) {
    int64_t engine[3];
    int n = engines_of(heuristic, engine);
    const desc *g = part(heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    for (*count = 0; *count < n && *count < room; ++*count) {
        desc *c = config[*count];
        if (!c || c->type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR || c->attributes > 0) {
            return CUDNN_STATUS_BAD_PARAM;
        }
        cudnnBackendSetAttribute(c, CUDNN_ATTR_ENGINE_OPERATION_GRAPH,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g);
        c->engine = engine[*count];
        c->final = true;
    }
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t give_notes(const desc *engine, int64_t room, int64_t *count, void *out) {
    cudnnBackendNumericalNote_t *note = out;
    *count = engine->engine == PLAIN ? 0 : 1;
    if (room < *count) return CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT;
    if (engine->engine == TENSOR_CORES) note[0] = CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
    if (engine->engine == UNORDERED) note[0] = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
    if (engine->engine == FALLBACK) note[0] = CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP;
    return CUDNN_STATUS_SUCCESS;
}

static int64_t workspace_of(const desc *plan) {
    int64_t engine = part(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->engine;
    return engine == UNORDERED ? 4096 : engine == PLAIN ? 100 : 0;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t arg,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t room,
                                       int64_t *count, void *out) {
    const desc *d = arg;
    if (!d->final && d->type != CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR) {
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    }
    *count = 1;
    switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS:
        return give_engines(d, room, count, out);
    case CUDNN_ATTR_ENGINECFG_ENGINE:
        (*(desc **)out)->engine = d->engine;
        (*(desc **)out)->final = true;
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINECFG_KNOB_CHOICES: /* only one engine has knobs */
        *count = d->engine == TENSOR_CORES;
        if (*count) ((desc **)out)[0]->knob = 5;
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE:
        *(int32_t *)out = KNOB;
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE:
        *(int64_t *)out = d->knob;
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
        *(int64_t *)out = d->engine;
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
        return give_notes(d, room, count, out);
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
        *(int64_t *)out = workspace_of(d);
        return CUDNN_STATUS_SUCCESS;
    default:
        return CUDNN_STATUS_NOT_SUPPORTED;
    }
}

static cudnnStatus_t finalize_plan(const desc *d) {
    graph g;
    const desc *config = part(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    if (!config || !part(d, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP) ||
        !read_graph(part(config, CUDNN_ATTR_ENGINE_OPERATION_GRAPH), &g)) {
        return CUDNN_STATUS_BAD_PARAM;
    }
    bool big = config->engine == PLAIN && g.conv.s.kh == 5;
    return big ? CUDNN_STATUS_NOT_SUPPORTED_SHAPE : CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t arg) {
    desc *d = arg;
    tensor t;
    conv_op c;
    pointwise_op p;
    graph g;
    bl_conv_shape s;
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
    bool ok = true;
    switch (d->type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
        ok = read_tensor(d, &t);
        break;
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
        ok = read_window(d, &s);
        break;
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
        ok = read_pointwise(d, &p);
        break;
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
        ok = read_graph(d, &g);
        break;
    case CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR:
        ok = values(d, CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, 1) != NULL;
        break;
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
        status = finalize_heuristic(d);
        break;
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
        status = finalize_plan(d);
        break;
    case CUDNN_BACKEND_POINTWISE_DESCRIPTOR:
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
        break;
    default:
        ok = read_conv(d, &c);
    }
    if (!ok) status = CUDNN_STATUS_BAD_PARAM;
    d->final = status == CUDNN_STATUS_SUCCESS;
    return status;
}

/* ---- running ---- */

static int64_t elements(const tensor *t) {
    return t->dim[0] * t->dim[1] * t->dim[2] * t->dim[3];
}

/* The device memory that the pack names for a tensor, checked. */
static float *memory_of(const desc *pack, const tensor *t) {
    int64_t n = count_of(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    const int64_t *uid = values(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n);
    float *const *data =
        values(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n);
    for (int64_t i = 0; uid && data && i < n; i++) {
        if (uid[i] != t->uid) continue;
        if ((uintptr_t)data[i] % (uintptr_t)t->align != 0) {
            fprintf(stderr, "emulated cuDNN: tensor %lld is not aligned to %lld bytes\n",
                    (long long)t->uid, (long long)t->align);
            abort();
        }
        bl_emu_need(data[i], (size_t)elements(t) * sizeof(float));
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

static float tf32(float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits = (bits + 0xfff + (bits >> 13 & 1)) & ~(uint32_t)0x1fff;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* A copy, rounded as the engine does. */
static float *operand(const float *from, int64_t n, bool round) {
    float *p = scratch(n);
    for (int64_t i = 0; i < n; i++) p[i] = round ? tf32(from[i]) : from[i];
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
static float *convolve(const conv_op *c, const desc *pack, bool round) {
    bl_kernels k;
    bl_kernels_init_ref(&k);
    int64_t nx = elements(&c->x), nw = elements(&c->w), ny = elements(&c->y);
    float *w = scratch(nw), *a = NULL, *b = NULL, *out;
    if (c->dir != 2) {
        float *krsc = operand(memory_of(pack, &c->w), nw, round);
        swap_weights(&c->s, krsc, w, true);
        free(krsc);
    }
    if (c->dir != 1) a = operand(memory_of(pack, &c->x), nx, round);
    if (c->dir != 0) b = operand(memory_of(pack, &c->y), ny, round);
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

static void execute(const graph *g, const desc *pack, bool round) {
    const tensor *last = g->conv.dir == 0 ? &g->conv.y : g->conv.dir == 1 ? &g->conv.x : &g->conv.w;
    float *value = convolve(&g->conv, pack, round);
    for (int i = 0; i < g->afters; i++) {
        const pointwise_op *o = &g->after[i];
        const float *b = o->relu ? NULL : memory_of(pack, &o->b);
        int64_t c = o->y.dim[1], n = elements(&o->y);
        for (int64_t j = 0; j < n; j++) {
            value[j] = b ? value[j] + b[j % c] : value[j] > 0 ? value[j] : 0;
        }
        last = &o->y;
    }
    memcpy(memory_of(pack, last), value, (size_t)elements(last) * sizeof(float));
    free(value);
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t arg) {
    graph g;
    const desc *pack = arg;
    cudnnStatus_t fail = planned;
    planned = CUDNN_STATUS_SUCCESS;
    if (fail != CUDNN_STATUS_SUCCESS) return fail;
    if (!handle || !pack->final) return CUDNN_STATUS_BAD_PARAM;
    const desc *config = part(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    read_graph(part(config, CUDNN_ATTR_ENGINE_OPERATION_GRAPH), &g);
    bl_emu_begin("cudnnBackendExecute");
    size_t bytes = (size_t)workspace_of(plan);
    if (bytes > 0) {
        void *const *p = values(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1);
        bl_emu_need(p ? *p : NULL, bytes);
        memset(*p, 0xff, bytes);
    }
    execute(&g, pack, config->engine == TENSOR_CORES);
    bl_emu_end();
    return CUDNN_STATUS_SUCCESS;
}

/* ---- the library ---- */

size_t cudnnGetVersion(void) {
    return CUDNN_VERSION;
}

const char *cudnnGetErrorString(cudnnStatus_t status) {
    return status == CUDNN_STATUS_SUCCESS ? "CUDNN_STATUS_SUCCESS" : "CUDNN_STATUS_EMULATED_ERROR";
}

void cudnnGetLastErrorString(char *message, size_t size) {
    snprintf(message, size, "the emulator refuses");
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle) {
    *handle = malloc(1);
    return *handle ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
    free(handle);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
    return stream == cudaStreamPerThread ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}
