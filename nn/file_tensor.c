#include "nn/file_tensor.h"

#include <stdio.h>
#include <string.h>

#include "kernels/shared/half.h"

static size_t width_of(bl_st_dtype type) {
    switch (type) {
    case BL_ST_F32:
        return 4;
    case BL_ST_F16:
    case BL_ST_BF16:
        return 2;
    case BL_ST_F64:
        return 8;
    default:
        return 0; /* no float that is read here */
    }
}

static void put_shape(const int64_t *shape, int n, char *out, size_t size) {
    size_t at = 0;
    out[0] = '\0';
    for (int k = 0; k < n && at < size; k++)
        at += (size_t)snprintf(out + at, size - at, "%s%lld", k ? "x" : "", (long long)shape[k]);
}

bl_status bl_file_tensor_check(const bl_st_tensor *t, const bl_param_spec *spec) {
    if (!width_of(t->dtype))
        return bl_fail(BL_EFORMAT,
                       "tensor %s: does not hold floats (fp32, fp16, bf16 and fp64 can be read)",
                       t->name);
    bool same = t->ndim == spec->ndim;
    for (int k = 0; same && k < t->ndim; k++) same = t->shape[k] == spec->shape[k];
    if (same) return BL_OK;
    char want[96], got[224];
    put_shape(spec->shape, spec->ndim, want, sizeof want);
    put_shape(t->shape, t->ndim, got, sizeof got);
    return bl_fail(BL_EFORMAT, "tensor %s: shape %s, the model needs %s", t->name, got, want);
}

void bl_file_tensor_floats(const bl_st_tensor *t, float *out) {
    size_t width = width_of(t->dtype), n = width ? t->bytes / width : 0;
    const uint8_t *p = t->data;
    if (t->dtype == BL_ST_F32) {
        memcpy(out, p, t->bytes);
        return;
    }
    for (size_t i = 0; i < n; i++, p += width) { /* a file's tensors need not be aligned */
        double d;
        uint16_t h;
        memcpy(t->dtype == BL_ST_F64 ? (void *)&d : (void *)&h, p, width);
        out[i] = t->dtype == BL_ST_F64   ? (float)d
                 : t->dtype == BL_ST_F16 ? bl_f16_value(h)
                                         : bl_bf16_value(h);
    }
}
