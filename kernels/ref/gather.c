#include "kernels/ref/ref.h"

static void gather(const bl_tensor *const *maps, int n_maps, const bl_loc *loc, int64_t count,
                   int32_t per, float *out) {
    for (int64_t i = 0; i < count; i++) {
        const bl_loc *l = &loc[i];
        const bl_tensor *m = l->level >= 0 ? maps[l->level] : NULL;
        for (int32_t q = 0; q < per; q++) {
            int64_t c = (int64_t)l->a * per + q;
            out[i * per + q] = m ? bl_f32(m)[bl_index(m, l->n, c, l->y, l->x)] : 0;
        }
    }
}

/* In list order: locations may repeat. */
static void scatter_add(const float *dy, const bl_loc *loc, int64_t count, int32_t per, int n_maps,
                        bl_tensor *const *dmaps) {
    for (int64_t i = 0; i < count; i++) {
        const bl_loc *l = &loc[i];
        const bl_tensor *m = l->level >= 0 ? dmaps[l->level] : NULL;
        for (int32_t q = 0; m && q < per; q++) {
            bl_f32(m)[bl_index(m, l->n, (int64_t)l->a * per + q, l->y, l->x)] += dy[i * per + q];
        }
    }
}

void bl_ref_gather(bl_kernels *k) {
    k->gather = gather;
    k->scatter_add = scatter_add;
}
