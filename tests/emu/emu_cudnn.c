/* A stand-in for cuDNN's graph API on the emulated device, compiled against cuDNN's own header.
 *
 * It takes what kernels/cuda/conv_graph.c builds (tensors, convolution, bias, ReLU, heuristics,
 * plans, variant packs), refuses what is incomplete or inconsistent as the library would, and
 * computes with the plain C kernels from nothing but the descriptors and pointers it was given.
 * Like the library it knows several engines, of which not all may run:
 *
 *   31  "tensor cores": rounds fp32 inputs to TF32
 *   25  sums in no fixed order, it says; wants scratch memory
 *   12  plain; wants scratch memory; cannot do 5x5 windows
 *    0  plain, the fallback
 *
 * and no engine fuses bias or ReLU behind output channels that are no multiple of 4. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/emu/emu_cudnn_graph.h"

enum { KNOB = CUDNN_KNOB_TYPE_TILE_SIZE };

/* ---- heuristics ---- */

static int engines_of(const bl_emu_desc *heuristic, int64_t engine[3]) {
    const cudnnBackendHeurMode_t *mode =
        bl_emu_values(heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1);
    if (*mode == CUDNN_HEUR_MODE_A) {
        engine[0] = BL_EMU_TENSOR_CORES;
        engine[1] = BL_EMU_UNORDERED;
        engine[2] = BL_EMU_PLAIN;
        return 3;
    }
    engine[0] = BL_EMU_PLAIN;
    engine[1] = BL_EMU_FALLBACK;
    return 2;
}

static cudnnStatus_t finalize_heuristic(const bl_emu_desc *d) {
    bl_emu_graph g;
    const bl_emu_desc *device = bl_emu_part(d, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP);
    if (!bl_emu_read_graph(bl_emu_part(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH), &g) || !device ||
        device->type != CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR ||
        !bl_emu_values(d, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1)) {
        return CUDNN_STATUS_BAD_PARAM;
    }
    if (g.afters > 0 && g.conv.s.oc % 4 != 0) return CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t give_engines(const bl_emu_desc *heuristic, int64_t room, int64_t *count,
                                  bl_emu_desc *const *config) {
    int64_t engine[3];
    int n = engines_of(heuristic, engine);
    const bl_emu_desc *g = bl_emu_part(heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    for (*count = 0; *count < n && *count < room; ++*count) {
        bl_emu_desc *c = config[*count];
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

static cudnnStatus_t give_notes(const bl_emu_desc *engine, int64_t room, int64_t *count,
                                void *out) {
    cudnnBackendNumericalNote_t *note = out;
    *count = engine->engine == BL_EMU_PLAIN ? 0 : 1;
    if (room < *count) return CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT;
    if (engine->engine == BL_EMU_TENSOR_CORES) note[0] = CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
    if (engine->engine == BL_EMU_UNORDERED) note[0] = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
    if (engine->engine == BL_EMU_FALLBACK) note[0] = CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP;
    return CUDNN_STATUS_SUCCESS;
}

int64_t bl_emu_workspace(const bl_emu_desc *plan) {
    int64_t engine = bl_emu_part(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->engine;
    return engine == BL_EMU_UNORDERED ? 4096 : engine == BL_EMU_PLAIN ? 100 : 0;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t arg,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t room,
                                       int64_t *count, void *out) {
    const bl_emu_desc *d = arg;
    if (!d->final && d->type != CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR) {
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    }
    *count = 1;
    switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS:
        return give_engines(d, room, count, out);
    case CUDNN_ATTR_ENGINECFG_ENGINE:
        (*(bl_emu_desc **)out)->engine = d->engine;
        (*(bl_emu_desc **)out)->final = true;
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINECFG_KNOB_CHOICES: /* only one engine has knobs */
        *count = d->engine == BL_EMU_TENSOR_CORES;
        if (*count) ((bl_emu_desc **)out)[0]->knob = 5;
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
        *(int64_t *)out = bl_emu_workspace(d);
        return CUDNN_STATUS_SUCCESS;
    default:
        return CUDNN_STATUS_NOT_SUPPORTED;
    }
}

static cudnnStatus_t finalize_plan(const bl_emu_desc *d) {
    bl_emu_graph g;
    const bl_emu_desc *config = bl_emu_part(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    if (!config || !bl_emu_part(d, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP) ||
        !bl_emu_read_graph(bl_emu_part(config, CUDNN_ATTR_ENGINE_OPERATION_GRAPH), &g)) {
        return CUDNN_STATUS_BAD_PARAM;
    }
    bool big = config->engine == BL_EMU_PLAIN && g.conv.s.kh == 5;
    return big ? CUDNN_STATUS_NOT_SUPPORTED_SHAPE : CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t arg) {
    bl_emu_desc *d = arg;
    bl_emu_tensor t;
    bl_emu_conv_op c;
    bl_emu_pointwise_op p;
    bl_emu_graph g;
    bl_conv_shape s;
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
    bool ok = true;
    switch (d->type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
        ok = bl_emu_read_tensor(d, &t);
        break;
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
        ok = bl_emu_read_window(d, &s);
        break;
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
        ok = bl_emu_read_pointwise(d, &p);
        break;
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
        ok = bl_emu_read_graph(d, &g);
        break;
    case CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR:
        ok = bl_emu_values(d, CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, 1) != NULL;
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
        ok = bl_emu_read_conv(d, &c);
    }
    if (!ok) status = CUDNN_STATUS_BAD_PARAM;
    d->final = status == CUDNN_STATUS_SUCCESS;
    return status;
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
