#include "kernels/cuda/conv_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef cudnnBackendDescriptor_t desc;

/* Names of tensors in graphs and variant packs. */
enum { UID_X = 1, UID_W, UID_B, UID_Y, UID_SUM, UID_BIASED };
enum { ALIGN = 16, ALIGN_BIAS = 4, PARTS = 16, KNOBS = 32, NOTES = 16 };

struct bl_conv_graph {
    bl_status status; /* the first failure; later calls do nothing */
    desc part[PARTS]; /* everything the graph is made of, in order of creation */
    int parts;
    desc graph; /* one of them */
    desc config[BL_CONV_CANDIDATES];
    bl_conv_candidate engine[BL_CONV_CANDIDATES];
    int engines;
    bool asked; /* the engines are listed */
};

bl_status bl_cudnn_fail(cudnnStatus_t s, const char *call) {
    char why[320] = "";
    cudnnGetLastErrorString(why, sizeof why);
    bl_status code = BL_EBACKEND;
    if (CUDNN_STATUS_CATEGORY(s) == CUDNN_STATUS_NOT_SUPPORTED) code = BL_EUNSUPPORTED;
    if (s == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
        s == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED) {
        code = BL_ENOMEM;
    }
    return bl_fail(code, "cuDNN: %s in %s%s%s%s", cudnnGetErrorString(s), call, *why ? " (" : "",
                   why, *why ? ")" : "");
}

static bl_status create(cudnnBackendDescriptorType_t type, desc *d) {
    *d = NULL;
    cudnnStatus_t s = cudnnBackendCreateDescriptor(type, d);
    return s == CUDNN_STATUS_SUCCESS ? BL_OK : bl_cudnn_fail(s, "cudnnBackendCreateDescriptor");
}

static bl_status set(desc d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                     int64_t count, const void *value, const char *what) {
    cudnnStatus_t s = cudnnBackendSetAttribute(d, name, type, count, value);
    return s == CUDNN_STATUS_SUCCESS ? BL_OK : bl_cudnn_fail(s, what);
}

static void destroy(desc *d) {
    if (*d) cudnnBackendDestroyDescriptor(*d);
    *d = NULL;
}

/* ---- the device ---- */

static bl_status device(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                        int64_t count, const void *value, desc *out) {
    bl_status status = create(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, out);
    if (status == BL_OK) status = set(*out, name, type, count, value, "the device's source");
    if (status == BL_OK) {
        cudnnStatus_t s = cudnnBackendFinalize(*out);
        if (s != CUDNN_STATUS_SUCCESS) status = bl_cudnn_fail(s, "the device descriptor");
    }
    if (status != BL_OK) destroy(out);
    return status;
}

bl_status bl_cudnn_device(cudnnHandle_t handle, cudnnBackendDescriptor_t *out) {
    return device(CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle, out);
}

bl_status bl_cudnn_device_described(const char *json, cudnnBackendDescriptor_t *out) {
    return device(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)strlen(json),
                  json, out);
}

/* ---- building blocks of a graph; each does nothing after a failure ---- */

static desc make(bl_conv_graph *g, cudnnBackendDescriptorType_t type) {
    desc d = NULL;
    if (g->status == BL_OK) g->status = create(type, &d);
    if (d) g->part[g->parts++] = d;
    return d;
}

static void put(bl_conv_graph *g, desc d, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t count, const void *value) {
    if (g->status != BL_OK) return;
    g->status = set(d, name, type, count, value, "cudnnBackendSetAttribute");
    if (g->status != BL_OK) bl_fail_context(g->status, "attribute %d", (int)name);
}

static void put_desc(bl_conv_graph *g, desc d, cudnnBackendAttributeName_t name, desc value) {
    put(g, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

static desc finalize(bl_conv_graph *g, desc d, const char *what) {
    if (g->status == BL_OK) {
        cudnnStatus_t s = cudnnBackendFinalize(d);
        if (s != CUDNN_STATUS_SUCCESS) g->status = bl_cudnn_fail(s, what);
    }
    return d;
}

static cudnnDataType_t data_type(const bl_conv_key *key) {
    return key->math == BL_CUDA_BF16   ? CUDNN_DATA_BFLOAT16
           : key->math == BL_CUDA_FP16 ? CUDNN_DATA_HALF
                                       : CUDNN_DATA_FLOAT;
}

/* A tensor whose channels are neighbours in memory. Virtual: only between fused operations. */
static desc tensor(bl_conv_graph *g, int64_t uid, const int64_t dim[4], cudnnDataType_t type,
                   bool is_virtual) {
    int64_t c = dim[1], stride[4] = {dim[2] * dim[3] * c, 1, dim[3] * c, c};
    int64_t align = uid == UID_B ? ALIGN_BIAS : ALIGN;
    desc d = make(g, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    put(g, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid);
    put(g, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    put(g, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &align);
    put(g, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dim);
    put(g, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, stride);
    put(g, d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
    return finalize(g, d, "a tensor descriptor");
}

static desc convolution(bl_conv_graph *g, const bl_conv_key *key) {
    int64_t spatial = 2, stride[2] = {key->stride, key->stride}, pad[2] = {key->pad, key->pad};
    int64_t dilation[2] = {key->dilation, key->dilation};
    cudnnDataType_t sums = CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    desc d = make(g, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    put(g, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums);
    put(g, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    put(g, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial);
    put(g, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, stride);
    put(g, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pad);
    put(g, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pad);
    put(g, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilation);
    return finalize(g, d, "the convolution descriptor");
}

/* What cuDNN calls the three directions' attributes. */
typedef struct conv_names {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t alpha, beta, conv, x, w, y;
} conv_names;

static const conv_names names_of[] = {
    [BL_CUDA_FWD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y},
    [BL_CUDA_BWD_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY},
    [BL_CUDA_BWD_WEIGHTS] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY},
};

static desc conv_op(bl_conv_graph *g, const bl_conv_key *key, desc x, desc w, desc y) {
    const conv_names *names = &names_of[key->dir];
    float one = 1, zero = 0;
    desc d = make(g, names->type);
    put(g, d, names->alpha, CUDNN_TYPE_FLOAT, 1, &one);
    put(g, d, names->beta, CUDNN_TYPE_FLOAT, 1, &zero);
    put_desc(g, d, names->conv, convolution(g, key));
    put_desc(g, d, names->x, x);
    put_desc(g, d, names->w, w);
    put_desc(g, d, names->y, y);
    return finalize(g, d, "the convolution operation");
}

/* y = x + b, or y = relu(x) when b is NULL. */
static desc pointwise_op(bl_conv_graph *g, cudnnPointwiseMode_t mode, desc x, desc b, desc y) {
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    desc p = make(g, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    put(g, p, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    put(g, p, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &type);
    finalize(g, p, "a pointwise descriptor");
    desc d = make(g, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    put_desc(g, d, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, p);
    put_desc(g, d, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (b) put_desc(g, d, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
    put_desc(g, d, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    return finalize(g, d, "a pointwise operation");
}

/* ---- the graph ---- */

static void build(bl_conv_graph *g, const bl_conv_key *k) {
    const int64_t xd[4] = {k->n, k->ic, k->ih, k->iw}, wd[4] = {k->oc, k->ic, k->kh, k->kw};
    const int64_t bd[4] = {1, k->oc, 1, 1}, yd[4] = {k->n, k->oc, k->oh, k->ow};
    bool bias = k->fused & BL_CUDA_BIAS, relu = k->fused & BL_CUDA_RELU, fused = bias || relu;
    cudnnDataType_t type = data_type(k), fp32 = CUDNN_DATA_FLOAT;
    desc x = tensor(g, UID_X, xd, type, false), w = tensor(g, UID_W, wd, type, false);
    desc y = tensor(g, UID_Y, yd, type, false), op[3];
    desc sum = fused ? tensor(g, UID_SUM, yd, fp32, true) : y;
    int ops = 0;
    op[ops++] = conv_op(g, k, x, w, sum);
    if (bias) {
        desc biased = relu ? tensor(g, UID_BIASED, yd, fp32, true) : y;
        desc b = tensor(g, UID_B, bd, type, false);
        op[ops++] = pointwise_op(g, CUDNN_POINTWISE_ADD, sum, b, biased);
        sum = biased;
    }
    if (relu) op[ops++] = pointwise_op(g, CUDNN_POINTWISE_RELU_FWD, sum, NULL, y);
    g->graph = make(g, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    put(g, g->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, ops, op);
    finalize(g, g->graph, "the operation graph");
}

bl_status bl_conv_graph_create(const bl_conv_key *key, bl_conv_graph **out) {
    bl_conv_graph *g = *out = calloc(1, sizeof *g);
    if (!g) return bl_no_memory("for the convolution plan");
    build(g, key);
    bl_status status = g->status;
    if (status != BL_OK) {
        bl_conv_graph_destroy(g);
        *out = NULL;
    }
    return status;
}

void bl_conv_graph_destroy(bl_conv_graph *g) {
    if (!g) return;
    for (int i = 0; i < BL_CONV_CANDIDATES; i++) destroy(&g->config[i]);
    while (g->parts > 0) destroy(&g->part[--g->parts]);
    free(g);
}

/* ---- engines ---- */

static uint32_t note_of(cudnnBackendNumericalNote_t note) {
    switch (note) {
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
        return BL_NOTE_TENSOR_CORE;
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
        return BL_NOTE_ROUNDS_INPUTS;
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
        return BL_NOTE_NARROW_SUMS;
    case CUDNN_NUMERICAL_NOTE_FFT:
        return BL_NOTE_FFT;
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
        return BL_NOTE_BIG_WINOGRAD;
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
        return BL_NOTE_NONDETERMINISTIC;
    default: /* small Winograd tiles, NaN handling */
        return 0;
    }
}

/* Reads up to `max` values of an attribute. */
static bl_status get(desc d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                     int64_t max, int64_t *count, void *value, const char *what) {
    cudnnStatus_t s = cudnnBackendGetAttribute(d, name, type, max, count, value);
    if (s != CUDNN_STATUS_SUCCESS) return bl_cudnn_fail(s, what);
    if (*count > max) *count = max;
    return BL_OK;
}

/* Appends " type=value" for every knob of the configuration. */
static bl_status name_knobs(desc config, char *name, size_t size) {
    desc knob[KNOBS] = {NULL};
    int64_t count = 0, one;
    bl_status status = BL_OK;
    for (int i = 0; i < KNOBS; i++) {
        BL_TRY_DONE(create(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, &knob[i]));
    }
    BL_TRY_DONE(get(config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, KNOBS,
                    &count, knob, "an engine's knobs"));
    for (int64_t i = 0; i < count; i++) {
        cudnnBackendKnobType_t type = CUDNN_KNOB_TYPE_COUNTS;
        int64_t value = 0;
        BL_TRY_DONE(get(knob[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &one,
                        &type, "a knob's name"));
        BL_TRY_DONE(get(knob[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &one,
                        &value, "a knob's value"));
        size_t at = strlen(name);
        snprintf(name + at, size - at, " %d=%lld", (int)type, (long long)value);
    }
done:
    for (int i = 0; i < KNOBS; i++) destroy(&knob[i]);
    return status;
}

static bl_status describe_engine(desc config, bl_conv_candidate *out) {
    desc engine = NULL;
    int64_t id = -1, one, notes = 0;
    cudnnBackendNumericalNote_t note[NOTES];
    bl_status status;
    *out = (bl_conv_candidate){.notes = 0};
    BL_TRY_DONE(create(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine));
    BL_TRY_DONE(get(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &one,
                    &engine, "a configuration's engine"));
    BL_TRY_DONE(get(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &one, &id,
                    "an engine's number"));
    BL_TRY_DONE(get(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, NOTES,
                    &notes, note, "an engine's notes"));
    for (int64_t i = 0; i < notes; i++) out->notes |= note_of(note[i]);
    snprintf(out->name, sizeof out->name, "%lld", (long long)id);
    status = name_knobs(config, out->name, sizeof out->name);
done:
    destroy(&engine);
    return status;
}

static bool listed(const bl_conv_graph *g, const char *name) {
    for (int i = 0; i < g->engines; i++) {
        if (!strcmp(g->engine[i].name, name)) return true;
    }
    return false;
}

/* Appends what one heuristic proposes; a heuristic that knows nothing is no error. */
static bl_status ask(bl_conv_graph *g, desc heuristic, desc target, cudnnBackendHeurMode_t mode) {
    desc *config = g->config + g->engines;
    int64_t room = BL_CONV_CANDIDATES - g->engines, count = 0;
    BL_TRY(set(heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
               &g->graph, "the heuristic's graph"));
    BL_TRY(set(heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode,
               "the heuristic's mode"));
    BL_TRY(set(heuristic, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
               &target, "the heuristic's device"));
    if (room == 0 || cudnnBackendFinalize(heuristic) != CUDNN_STATUS_SUCCESS) return BL_OK;
    for (int64_t i = 0; i < room; i++) {
        destroy(&config[i]); /* a double of the heuristic before */
        BL_TRY(create(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &config[i]));
    }
    if (get(heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, room, &count,
            config, "the heuristic's engines") != BL_OK) {
        return BL_OK;
    }
    for (int64_t i = 0; i < count; i++) {
        desc found = config[i];
        BL_TRY(describe_engine(found, &g->engine[g->engines]));
        if (listed(g, g->engine[g->engines].name)) continue;
        config[i] = g->config[g->engines]; /* closes the gaps that doubles leave */
        g->config[g->engines++] = found;
    }
    return BL_OK;
}

bl_status bl_conv_graph_engines(bl_conv_graph *g, cudnnBackendDescriptor_t target,
                                const bl_conv_candidate **list, int *n) {
    static const cudnnBackendHeurMode_t mode[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    for (int i = 0; i < 2 && !g->asked; i++) {
        desc heuristic = NULL;
        BL_TRY(create(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heuristic));
        bl_status status = ask(g, heuristic, target, mode[i]);
        destroy(&heuristic);
        BL_TRY(status);
    }
    g->asked = true;
    *list = g->engine;
    *n = g->engines;
    return BL_OK;
}

/* ---- plans ---- */

static bl_status finish_plan(desc config, desc target, desc plan, int64_t *workspace) {
    int64_t one;
    BL_TRY(set(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
               &config, "the plan's engine"));
    BL_TRY(set(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
               &target, "the plan's device"));
    cudnnStatus_t s = cudnnBackendFinalize(plan);
    if (s != CUDNN_STATUS_SUCCESS) return bl_cudnn_fail(s, "the execution plan");
    return get(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &one, workspace,
               "the plan's workspace");
}

bl_status bl_conv_graph_plan(bl_conv_graph *g, cudnnBackendDescriptor_t target, int i,
                             cudnnBackendDescriptor_t *plan, int64_t *workspace) {
    *workspace = 0;
    bl_status status = create(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, plan);
    if (status == BL_OK) status = finish_plan(g->config[i], target, *plan, workspace);
    if (status != BL_OK) {
        bl_fail_context(status, "engine %s", g->engine[i].name);
        destroy(plan);
    }
    return status;
}

static bl_status fill_pack(desc pack, const bl_conv_key *key, const bl_conv_pointers *p,
                           void *workspace) {
    const int64_t uid[] = {UID_X, UID_W, UID_Y, UID_B};
    const void *data[] = {p->x, p->w, p->y, p->b};
    int64_t count = key->fused & BL_CUDA_BIAS ? 4 : 3;
    BL_TRY(set(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, uid,
               "the tensors' names"));
    BL_TRY(set(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, data,
               "the tensors' pointers"));
    BL_TRY(set(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace,
               "the workspace"));
    cudnnStatus_t s = cudnnBackendFinalize(pack);
    return s == CUDNN_STATUS_SUCCESS ? BL_OK : bl_cudnn_fail(s, "the variant pack");
}

bl_status bl_conv_plan_run(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                           const bl_conv_key *key, const bl_conv_pointers *p, void *workspace) {
    desc pack;
    BL_TRY(create(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack));
    bl_status status = fill_pack(pack, key, p, workspace);
    if (status == BL_OK) {
        cudnnStatus_t s = cudnnBackendExecute(handle, plan, pack);
        if (s != CUDNN_STATUS_SUCCESS) status = bl_cudnn_fail(s, "cudnnBackendExecute");
    }
    destroy(&pack);
    return status;
}
