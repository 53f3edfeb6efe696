/* Convolutions in cuDNN's graph API (the "backend" C interface of cuDNN 9): operation graph,
 * engines that can run it, execution plan.
 *
 * Nothing here needs a device but bl_conv_plan_run: engines and plans are made for a device
 * descriptor, which comes from a device or from its description in JSON. Tests use the latter.
 *
 * Activations are NHWC, weights KRSC; see conv_key.h. */
#ifndef BALLAST_KERNELS_CUDA_CONV_GRAPH_H
#define BALLAST_KERNELS_CUDA_CONV_GRAPH_H

#include <cudnn.h>

#include "kernels/cuda/conv_choice.h"

#if CUDNN_VERSION < 90800
#error "Ballast needs cuDNN 9.8 or newer (device descriptors)"
#endif

/* BL_EUNSUPPORTED, BL_ENOMEM or BL_EBACKEND with the call, cuDNN's name for the status and its
 * reason. */
bl_status bl_cudnn_fail(cudnnStatus_t s, const char *call);

/* The device descriptor of an open handle's device, or of a device described in JSON (the form that
 * cuDNN writes itself). Ends with cudnnBackendDestroyDescriptor. */
bl_status bl_cudnn_device(cudnnHandle_t handle, cudnnBackendDescriptor_t *out);
bl_status bl_cudnn_device_described(const char *json, cudnnBackendDescriptor_t *out);

/* The operation graph of a key. Operands:
 *
 *   forward            x, w (and bias) -> y
 *   backward data      w, dy           -> dx
 *   backward weights   x, dy           -> dw
 *
 * With bf16 and fp16 all of them have that type; what passes between fused operations is fp32. */
typedef struct bl_conv_graph bl_conv_graph;
bl_status bl_conv_graph_create(const bl_conv_key *key, bl_conv_graph **out);
void bl_conv_graph_destroy(bl_conv_graph *g); /* NULL is fine */

/* The engines that can run it on the device, best guess of cuDNN's heuristics first, its fallback
 * engines last. They belong to the graph, which lists them once. */
bl_status bl_conv_graph_engines(bl_conv_graph *g, cudnnBackendDescriptor_t target,
                                const bl_conv_candidate **list, int *n);
/* The execution plan of engine i and its scratch memory in bytes. It outlives the graph; ends with
 * cudnnBackendDestroyDescriptor. */
bl_status bl_conv_graph_plan(bl_conv_graph *g, cudnnBackendDescriptor_t target, int i,
                             cudnnBackendDescriptor_t *plan, int64_t *workspace);

/* Device pointers of a run: x and y stand for dx and dy, w for dw. All but the bias are 16-byte
 * aligned. b is read when the key has a bias. */
typedef struct bl_conv_pointers {
    const void *x, *w, *b, *y;
} bl_conv_pointers;
/* Queues the plan on the handle's stream. */
bl_status bl_conv_plan_run(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                           const bl_conv_key *key, const bl_conv_pointers *p, void *workspace);

#endif
