#include "kernels/cpu/winograd.h"

#include "kernels/cpu/cpu.h"

const bl_winograd *bl_winograd_fitting(const bl_conv_shape *s) {
#if defined(__x86_64__)
    if (bl_cpu_isa() < BL_ISA_AVX2) return NULL;
    const bl_winograd *w =
        bl_cpu_isa() == BL_ISA_AVX512 ? bl_winograd_avx512() : bl_winograd_avx2();
    bool fits = s->kh == 3 && s->kw == 3 && s->stride == 1 && s->dilation == 1 && s->pad <= 2 &&
                s->icb == w->block && s->ocb == w->block && s->n >= 1 && s->oh >= 1 && s->ow >= 1;
    return fits ? w : NULL;
#else
    (void)s;
    return NULL;
#endif
}

const bl_winograd *bl_winograd_for(const bl_conv_shape *s, bl_winograd_dir dir) {
    const bl_winograd *w = bl_winograd_fitting(s);
    if (!w) return NULL;
    bool weights = dir == BL_WINOGRAD_BWD_WEIGHTS, avx2 = bl_cpu_isa() == BL_ISA_AVX2;
    /* oneDNN 2 has only its reference code, a hundred times slower, for these. */
    if (avx2 && weights && s->oh <= 2 && s->ow <= 2) return w;
    /* Few channels leave the transforms without products to save; few tiles do not pay for
     * transforming the weights, whose size the products of a tile share. Border tiles count by
     * their fill. */
    int32_t channels = s->ic < s->oc ? s->ic : s->oc;
    double tiles = (double)((s->oh + 3) / 4) * ((s->ow + 3) / 4);
    double fill = (double)s->oh * s->ow / (16.0 * tiles);
    double need = avx2 ? (weights ? 96 : 32) : channels <= 64 ? 16 : 32;
    return channels >= 16 && fill >= 0.5 && s->n * tiles * fill >= need ? w : NULL;
}
