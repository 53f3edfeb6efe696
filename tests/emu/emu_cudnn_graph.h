/* Parts of the emulated cuDNN: descriptors as bags of attributes (emu_cudnn_desc.c), what a graph
 * of them means (emu_cudnn_graph.c), engines and plans
 * (emu_cudnn.c), execution (emu_cudnn_run.c). */
#ifndef BALLAST_TESTS_EMU_EMU_CUDNN_GRAPH_H
#define BALLAST_TESTS_EMU_EMU_CUDNN_GRAPH_H

#include <cudnn.h>

#include "kernels/kernels.h"

enum { BL_EMU_ATTRIBUTES = 12 };

/* The engines' numbers; what they do: emu_cudnn.c. */
enum { BL_EMU_TENSOR_CORES = 31, BL_EMU_UNORDERED = 25, BL_EMU_PLAIN = 12, BL_EMU_FALLBACK = 0 };

typedef struct bl_emu_attribute {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    void *data;
} bl_emu_attribute;

/* cuDNN's cudnnBackendDescriptor_t points at these. */
typedef struct bl_emu_desc {
    cudnnBackendDescriptorType_t type;
    int references; /* its creator's, and one of each descriptor that was given it */
    bool final;
    bl_emu_attribute a[BL_EMU_ATTRIBUTES];
    int attributes;
    int64_t engine; /* of engines and their configurations */
    int64_t knob;
} bl_emu_desc;

/* The attribute's values; NULL unless it was set with this type and count (-1: any). */
const void *bl_emu_values(const bl_emu_desc *d, cudnnBackendAttributeName_t name,
                          cudnnBackendAttributeType_t type, int64_t count);
int64_t bl_emu_count(const bl_emu_desc *d, cudnnBackendAttributeName_t name); /* 0 when absent */
/* An attribute of one value; NULL or -1 when absent. */
const bl_emu_desc *bl_emu_part(const bl_emu_desc *d, cudnnBackendAttributeName_t name);
int64_t bl_emu_integer(const bl_emu_desc *d, cudnnBackendAttributeName_t name);
float bl_emu_real(const bl_emu_desc *d, cudnnBackendAttributeName_t name);

typedef struct bl_emu_tensor {
    int64_t uid, align;
    const int64_t *dim, *stride;
    bl_dtype type;
    bool is_virtual;
} bl_emu_tensor;

typedef struct bl_emu_conv_op {
    int dir; /* 0 forward, 1 data, 2 weights */
    bl_emu_tensor x, w, y;
    bl_conv_shape s;
} bl_emu_conv_op;

/* y = x + b over channels, or relu(x). */
typedef struct bl_emu_pointwise_op {
    bool relu;
    bl_emu_tensor x, b, y;
} bl_emu_pointwise_op;

/* A convolution, then pointwise operations, each on the output of the one before. */
typedef struct bl_emu_graph {
    bl_emu_conv_op conv;
    bl_emu_pointwise_op after[2];
    int afters;
} bl_emu_graph;

/* What a descriptor says; false when it is incomplete or not what this stand-in computes. */
bool bl_emu_read_tensor(const bl_emu_desc *d, bl_emu_tensor *t);
bool bl_emu_read_window(const bl_emu_desc *d, bl_conv_shape *s);
bool bl_emu_read_conv(const bl_emu_desc *d, bl_emu_conv_op *o);
bool bl_emu_read_pointwise(const bl_emu_desc *d, bl_emu_pointwise_op *o);
bool bl_emu_read_graph(const bl_emu_desc *d, bl_emu_graph *g);

/* Bytes of scratch memory that a plan asks for. */
int64_t bl_emu_workspace(const bl_emu_desc *plan);

#endif
