/* oneDNN 2.x and 3.x behind one small interface. This is the only place that knows which major
 * version is installed; everything else in kernels/cpu uses these names and the calls that both
 * versions share.
 *
 * Memory descriptors are heap objects here (dn_md owned, dn_cmd borrowed), as in 3.x. Version 3 has
 * no Winograd convolution on x64: dn_conv_pd then answers dnnl_unimplemented and direct convolution
 * is used. */
#ifndef BALLAST_KERNELS_CPU_DNNL_COMPAT_H
#define BALLAST_KERNELS_CPU_DNNL_COMPAT_H

#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_version.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef enum dn_dir { DN_FWD, DN_BWD_DATA, DN_BWD_WEIGHTS } dn_dir;

typedef struct dn_conv_geom {
    dnnl_dims_t strides, dilates, pad; /* dilates: 0 = dense; pad on every side */
} dn_conv_geom;

#if DNNL_VERSION_MAJOR >= 3

/* ---- version 3 ---- */

typedef dnnl_memory_desc_t dn_md;
typedef const_dnnl_memory_desc_t dn_cmd;

static inline dnnl_status_t dn_md_by_tag(dn_md *out, int ndims, const dnnl_dims_t dims,
                                         dnnl_format_tag_t tag) {
    return dnnl_memory_desc_create_with_tag(out, ndims, dims, dnnl_f32, tag);
}
static inline dnnl_status_t dn_md_clone(dn_md *out, dn_cmd md) {
    return dnnl_memory_desc_clone(out, md);
}
static inline void dn_md_free(dn_md md) {
    if (md) dnnl_memory_desc_destroy(md);
}
static inline dnnl_status_t dn_append_sum(dnnl_post_ops_t ops) {
    return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_f32);
}
static inline dnnl_status_t dn_append_relu(dnnl_post_ops_t ops) {
    return dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0.0f, 0.0f);
}
/* src, w, b (NULL: none), dst: descriptors of the operands or of their gradients. `hint`: the
 * forward descriptor for the two backward directions. */
static inline dnnl_status_t dn_conv_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dn_dir dir,
                                       dnnl_alg_kind_t alg, dn_cmd src, dn_cmd w, dn_cmd b,
                                       dn_cmd dst, const dn_conv_geom *g,
                                       const_dnnl_primitive_desc_t hint,
                                       const_dnnl_primitive_attr_t attr) {
    switch (dir) {
    case DN_FWD:
        return dnnl_convolution_forward_primitive_desc_create(pd, engine, dnnl_forward_training,
                                                              alg, src, w, b, dst, g->strides,
                                                              g->dilates, g->pad, g->pad, attr);
    case DN_BWD_DATA:
        return dnnl_convolution_backward_data_primitive_desc_create(
            pd, engine, alg, src, w, dst, g->strides, g->dilates, g->pad, g->pad, hint, attr);
    default:
        return dnnl_convolution_backward_weights_primitive_desc_create(
            pd, engine, alg, src, w, b, dst, g->strides, g->dilates, g->pad, g->pad, hint, attr);
    }
}

#else

/* ---- version 2 ---- */

typedef dnnl_memory_desc_t *dn_md;
typedef const dnnl_memory_desc_t *dn_cmd;

static inline dnnl_status_t dn_md_clone(dn_md *out, dn_cmd md) {
    *out = malloc(sizeof **out);
    if (!*out) return dnnl_out_of_memory;
    memcpy(*out, md, sizeof **out);
    return dnnl_success;
}
static inline dnnl_status_t dn_md_by_tag(dn_md *out, int ndims, const dnnl_dims_t dims,
                                         dnnl_format_tag_t tag) {
    dnnl_memory_desc_t md;
    dnnl_status_t s = dnnl_memory_desc_init_by_tag(&md, ndims, dims, dnnl_f32, tag);
    return s == dnnl_success ? dn_md_clone(out, &md) : s;
}
static inline void dn_md_free(dn_md md) {
    free(md);
}
static inline dnnl_status_t dn_append_sum(dnnl_post_ops_t ops) {
    return dnnl_post_ops_append_sum(ops, 1.0f);
}
static inline dnnl_status_t dn_append_relu(dnnl_post_ops_t ops) {
    return dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f);
}
static inline dnnl_status_t dn_conv_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dn_dir dir,
                                       dnnl_alg_kind_t alg, dn_cmd src, dn_cmd w, dn_cmd b,
                                       dn_cmd dst, const dn_conv_geom *g,
                                       const_dnnl_primitive_desc_t hint,
                                       const_dnnl_primitive_attr_t attr) {
    dnnl_convolution_desc_t d;
    dnnl_status_t s;
    switch (dir) {
    case DN_FWD:
        s = dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_training, alg, src, w, b,
                                                       dst, g->strides, g->dilates, g->pad, g->pad);
        break;
    case DN_BWD_DATA:
        s = dnnl_dilated_convolution_backward_data_desc_init(&d, alg, src, w, dst, g->strides,
                                                             g->dilates, g->pad, g->pad);
        break;
    default:
        s = dnnl_dilated_convolution_backward_weights_desc_init(&d, alg, src, w, b, dst, g->strides,
                                                                g->dilates, g->pad, g->pad);
        break;
    }
    if (s != dnnl_success) return s;
    return dnnl_primitive_desc_create(pd, &d, attr, engine, hint);
}
#endif

/* ---- common ---- */

/* An owned copy of a descriptor the primitive wants. */
static inline dnnl_status_t dn_pd_md(const_dnnl_primitive_desc_t pd, dnnl_query_t what,
                                     dn_md *out) {
    dn_cmd md = dnnl_primitive_desc_query_md(pd, what, 0);
    return md ? dn_md_clone(out, md) : dnnl_invalid_arguments;
}

#endif
