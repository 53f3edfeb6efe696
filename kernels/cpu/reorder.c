/* Layout changes between channel blocks and planes. The loops over a block's lanes read one run and
 * write up to 16 (or the reverse), which plain C does at memory speed. */
#include "core/parallel.h"
#include "kernels/cpu/cpu.h"

enum { PIECE = 1024 }; /* pixels per unit of work */

typedef struct reorder_job {
    const bl_tensor *src;
    bl_tensor *dst;
    bool add;
    int64_t pixels, pieces;
} reorder_job;

/* dst[q*cb + l] (+)= plane l [q] for the lanes of one block; lanes >= `lanes` are padding. Inlined
 * with constant cb and lanes for the usual full blocks. */
static inline __attribute__((always_inline)) void
to_block(const float *src, int64_t plane, float *dst, int cb, int lanes, int64_t pixels, bool add) {
    for (int64_t q = 0; q < pixels; q++) {
        float *d = dst + q * cb;
        for (int l = 0; l < lanes; l++) d[l] = add ? d[l] + src[l * plane + q] : src[l * plane + q];
        for (int l = lanes; l < cb && !add; l++) d[l] = 0.0f;
    }
}

static inline __attribute__((always_inline)) void to_planes(const float *src, int cb, int lanes,
                                                            float *dst, int64_t plane,
                                                            int64_t pixels, bool add) {
    for (int64_t q = 0; q < pixels; q++) {
        const float *s = src + q * cb;
        for (int l = 0; l < lanes; l++) {
            float *d = dst + l * plane + q;
            *d = add ? *d + s[l] : s[l];
        }
    }
}

static void any_to_block(const float *src, int64_t plane, float *dst, int cb, int lanes,
                         int64_t pixels, bool add) {
    if (add)
        to_block(src, plane, dst, cb, lanes, pixels, true);
    else if (cb == 16 && lanes == 16)
        to_block(src, plane, dst, 16, 16, pixels, false);
    else if (cb == 8 && lanes == 8)
        to_block(src, plane, dst, 8, 8, pixels, false);
    else
        to_block(src, plane, dst, cb, lanes, pixels, false);
}

static void any_to_planes(const float *src, int cb, int lanes, float *dst, int64_t plane,
                          int64_t pixels, bool add) {
    if (add)
        to_planes(src, cb, lanes, dst, plane, pixels, true);
    else if (cb == 16 && lanes == 16)
        to_planes(src, 16, 16, dst, plane, pixels, false);
    else if (cb == 8 && lanes == 8)
        to_planes(src, 8, 8, dst, plane, pixels, false);
    else
        to_planes(src, cb, lanes, dst, plane, pixels, false);
}

/* Unit = (image, channel block, piece of pixels). */
static void reorder_range(void *arg, int64_t begin, int64_t end) {
    const reorder_job *j = arg;
    bool in = j->src->cb == 1; /* planes to blocks */
    const bl_tensor *b = in ? j->dst : j->src;
    int64_t blocks = bl_blocks(b);
    for (int64_t u = begin; u < end; u++) {
        int64_t first = u % j->pieces * PIECE, image = u / j->pieces / blocks;
        int64_t block = u / j->pieces % blocks, c = block * b->cb;
        int64_t n = j->pixels - first < PIECE ? j->pixels - first : PIECE;
        int lanes = (int)(b->c - c < b->cb ? b->c - c : b->cb);
        int64_t planes = (image * b->c + c) * j->pixels + first;
        int64_t at = ((image * blocks + block) * j->pixels + first) * b->cb;
        if (in) {
            any_to_block(bl_f32(j->src) + planes, j->pixels, bl_f32(j->dst) + at, b->cb, lanes, n,
                         j->add);
        } else {
            any_to_planes(bl_f32(j->src) + at, b->cb, lanes, bl_f32(j->dst) + planes, j->pixels, n,
                          j->add);
        }
    }
}

static bl_status reorder(bl_ctx *ctx, const bl_tensor *src, bl_tensor *dst, float beta) {
    if ((src->cb == 1) == (dst->cb == 1)) { /* block to block: rare, and equal layouts */
        bl_kernels ref;
        bl_kernels_init_ref(&ref);
        return ref.reorder(ctx, src, dst, beta);
    }
    const bl_tensor *b = src->cb == 1 ? dst : src;
    reorder_job j = {.src = src, .dst = dst, .add = beta != 0.0f, .pixels = src->h * src->w};
    j.pieces = (j.pixels + PIECE - 1) / PIECE;
    int64_t size = (j.pixels < PIECE ? j.pixels : PIECE) * b->cb;
    bl_parallel_for(b->n * bl_blocks(b) * j.pieces, 65536 / (size + 1) + 1, reorder_range, &j);
    return BL_OK;
}

void bl_kernels_reorder_cpu(bl_kernels *k) {
    k->reorder = reorder;
}
