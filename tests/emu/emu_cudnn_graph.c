/* What the descriptors of a graph mean, and whether they are complete and consistent. */
#include <string.h>

#include "tests/emu/emu_cudnn_graph.h"

bool bl_emu_read_tensor(const bl_emu_desc *d, bl_emu_tensor *t) {
    if (!d || d->type != CUDNN_BACKEND_TENSOR_DESCRIPTOR) return false;
    const cudnnDataType_t *type =
        bl_emu_values(d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1);
    const bool *is_virtual = bl_emu_values(d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1);
    *t =
        (bl_emu_tensor){.uid = bl_emu_integer(d, CUDNN_ATTR_TENSOR_UNIQUE_ID),
                        .align = bl_emu_integer(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT),
                        .dim = bl_emu_values(d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4),
                        .stride = bl_emu_values(d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4)};
    if (!type || t->uid < 0 || t->align < 1 || !t->dim || !t->stride) return false;
    t->type = *type == CUDNN_DATA_HALF ? BL_F16 : *type == CUDNN_DATA_BFLOAT16 ? BL_BF16 : BL_F32;
    if (*type != CUDNN_DATA_FLOAT && t->type == BL_F32) return false;
    t->is_virtual = is_virtual && *is_virtual;
    for (int i = 0; i < 4; i++) {
        if (t->dim[i] < 1) return false;
    }
    /* Channels last is all that this stand-in computes. */
    const int64_t *n = t->dim, *s = t->stride;
    return s[1] == 1 && s[3] == n[1] && s[2] == n[3] * n[1] && s[0] == n[2] * n[3] * n[1];
}

static bool pair(const bl_emu_desc *d, cudnnBackendAttributeName_t name, int32_t *out) {
    const int64_t *v = bl_emu_values(d, name, CUDNN_TYPE_INT64, 2);
    if (v) *out = (int32_t)v[0];
    return v && v[0] == v[1];
}

bool bl_emu_read_window(const bl_emu_desc *d, bl_conv_shape *s) {
    int32_t after;
    if (!d || d->type != CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR) return false;
    const cudnnDataType_t *sums =
        bl_emu_values(d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1);
    const cudnnConvolutionMode_t *mode =
        bl_emu_values(d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1);
    return sums && *sums == CUDNN_DATA_FLOAT && mode && *mode == CUDNN_CROSS_CORRELATION &&
           bl_emu_integer(d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS) == 2 &&
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

bool bl_emu_read_conv(const bl_emu_desc *d, bl_emu_conv_op *o) {
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
    s->dtype = BL_F32; /* it computes on copies */
    if (bl_emu_real(d, a[0]) != 1 || bl_emu_real(d, a[1]) != 0 ||
        !bl_emu_read_window(bl_emu_part(d, a[2]), s) ||
        !bl_emu_read_tensor(bl_emu_part(d, a[3]), &o->x) ||
        !bl_emu_read_tensor(bl_emu_part(d, a[4]), &o->w) ||
        !bl_emu_read_tensor(bl_emu_part(d, a[5]), &o->y) || o->w.type != o->x.type) {
        return false;
    }
    s->n = (int32_t)o->x.dim[0];
    s->ic = s->icb = (int32_t)o->x.dim[1];
    s->ih = (int32_t)o->x.dim[2];
    s->iw = (int32_t)o->x.dim[3];
    s->oc = s->ocb = (int32_t)o->w.dim[0];
    s->kh = (int32_t)o->w.dim[2];
    s->kw = (int32_t)o->w.dim[3];
    s->oh = out_size(s->ih, s->kh, s);
    s->ow = out_size(s->iw, s->kw, s);
    return o->w.dim[1] == s->ic && o->y.dim[0] == s->n && o->y.dim[1] == s->oc &&
           o->y.dim[2] == s->oh && o->y.dim[3] == s->ow;
}

bool bl_emu_read_pointwise(const bl_emu_desc *d, bl_emu_pointwise_op *o) {
    const bl_emu_desc *p = bl_emu_part(d, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
    if (d->type != CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR || !p) return false;
    const cudnnPointwiseMode_t *mode =
        bl_emu_values(p, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1);
    if (!mode || !bl_emu_values(p, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1))
        return false;
    o->relu = *mode == CUDNN_POINTWISE_RELU_FWD;
    if (!bl_emu_read_tensor(bl_emu_part(d, CUDNN_ATTR_OPERATION_POINTWISE_XDESC), &o->x) ||
        !bl_emu_read_tensor(bl_emu_part(d, CUDNN_ATTR_OPERATION_POINTWISE_YDESC), &o->y) ||
        memcmp(o->x.dim, o->y.dim, 4 * sizeof(int64_t)) != 0) {
        return false;
    }
    if (o->relu) return true;
    return *mode == CUDNN_POINTWISE_ADD &&
           bl_emu_read_tensor(bl_emu_part(d, CUDNN_ATTR_OPERATION_POINTWISE_BDESC), &o->b) &&
           o->b.dim[0] == 1 && o->b.dim[1] == o->y.dim[1] && o->b.dim[2] == 1 && o->b.dim[3] == 1;
}

bool bl_emu_read_graph(const bl_emu_desc *d, bl_emu_graph *g) {
    if (!d || d->type != CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) return false;
    bl_emu_desc *const *op =
        bl_emu_values(d, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, -1);
    g->afters = (int)bl_emu_count(d, CUDNN_ATTR_OPERATIONGRAPH_OPS) - 1;
    if (!op || g->afters < 0 || g->afters > 2 || !bl_emu_read_conv(op[0], &g->conv)) return false;
    const bl_emu_tensor *last = &g->conv.y;
    for (int i = 0; i < g->afters; i++) {
        if (!last->is_virtual || !bl_emu_read_pointwise(op[i + 1], &g->after[i])) return false;
        if (g->after[i].x.uid != last->uid) return false;
        last = &g->after[i].y;
    }
    return !last->is_virtual;
}
