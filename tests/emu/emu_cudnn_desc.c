/* cuDNN's descriptors: bags of attributes, counted references, read back by name and type. */
#include <stdlib.h>
#include <string.h>

#include "tests/emu/emu_cudnn_graph.h"

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

static void release(bl_emu_desc *d) {
    if (--d->references > 0) return;
    for (int i = 0; i < d->attributes; i++) {
        bl_emu_desc **part = d->a[i].data;
        bool parts = d->a[i].type == CUDNN_TYPE_BACKEND_DESCRIPTOR;
        for (int64_t j = 0; parts && j < d->a[i].count; j++) release(part[j]);
        free(d->a[i].data);
    }
    free(d);
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t *out) {
    bl_emu_desc *d = calloc(1, sizeof *d);
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
    bl_emu_desc *d = arg;
    if (!d || d->final || count < 1 || !values || d->attributes == BL_EMU_ATTRIBUTES) {
        return CUDNN_STATUS_BAD_PARAM;
    }
    bl_emu_desc *const *part = values;
    for (int64_t i = 0; type == CUDNN_TYPE_BACKEND_DESCRIPTOR && i < count; i++) {
        if (!part[i]) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
        bool config = part[i]->type == CUDNN_BACKEND_ENGINECFG_DESCRIPTOR;
        if (!part[i]->final && !config) return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
        part[i]->references++;
    }
    size_t bytes = (size_t)count * size_of(type);
    bl_emu_attribute *a = &d->a[d->attributes++];
    *a = (bl_emu_attribute){name, type, count, malloc(bytes)};
    if (!a->data) abort();
    memcpy(a->data, values, bytes);
    return CUDNN_STATUS_SUCCESS;
}

const void *bl_emu_values(const bl_emu_desc *d, cudnnBackendAttributeName_t name,
                          cudnnBackendAttributeType_t type, int64_t count) {
    for (int i = d->attributes - 1; i >= 0; i--) {
        const bl_emu_attribute *a = &d->a[i];
        if (a->name == name) {
            return a->type == type && (count < 0 || a->count == count) ? a->data : NULL;
        }
    }
    return NULL;
}

int64_t bl_emu_count(const bl_emu_desc *d, cudnnBackendAttributeName_t name) {
    for (int i = d->attributes - 1; i >= 0; i--) {
        if (d->a[i].name == name) return d->a[i].count;
    }
    return 0;
}

const bl_emu_desc *bl_emu_part(const bl_emu_desc *d, cudnnBackendAttributeName_t name) {
    bl_emu_desc *const *p = bl_emu_values(d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1);
    return p ? *p : NULL;
}

int64_t bl_emu_integer(const bl_emu_desc *d, cudnnBackendAttributeName_t name) {
    const int64_t *p = bl_emu_values(d, name, CUDNN_TYPE_INT64, 1);
    return p ? *p : -1;
}

float bl_emu_real(const bl_emu_desc *d, cudnnBackendAttributeName_t name) {
    const float *p = bl_emu_values(d, name, CUDNN_TYPE_FLOAT, 1);
    return p ? *p : -1;
}
