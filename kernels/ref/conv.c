/* Direct convolution. The inner loops run over a row of pixels and a piece of a channel block; the
 * weights of the piece are loaded once per tap. */
#include <string.h>

#include "core/parallel.h"
#include "kernels/ref/ref.h"

enum { LANES = BL_REF_LANES };

typedef struct conv_job {
    const bl_conv_shape *s;
    const float *x, *w, *b, *dy;
    float *y, *dx, *dw, *db;
    float beta;
    bool relu;
} conv_job;

static int64_t blocks_of(int32_t c, int32_t cb) {
    return (c + cb - 1) / cb;
}

/* First and one-past-last o in [0, n_out) with 0 <= o*stride + offset < n_in. */
static void valid_range(int32_t offset, int32_t stride, int32_t n_in, int32_t n_out, int32_t *begin,
                        int32_t *end) {
    int32_t b = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    int32_t e = offset >= n_in ? 0 : (n_in - 1 - offset) / stride + 1;
    *begin = b;
    *end = e < n_out ? e : n_out;
}

/* The weights of output channels [oc, oc+lanes) at one tap; zero beyond the last channel. */
static void load_out_weights(const conv_job *j, int32_t oc, int lanes, int32_t ic, int32_t tap,
                             float *wl) {
    const bl_conv_shape *s = j->s;
    int64_t taps = (int64_t)s->kh * s->kw;
    for (int l = 0; l < lanes; l++) {
        wl[l] = oc + l < s->oc ? j->w[((int64_t)(oc + l) * s->ic + ic) * taps + tap] : 0;
    }
}

/* One output row of one piece: y[ox*ocb + l] for l < lanes. */
static void fwd_row(const conv_job *j, int32_t n, int32_t oy, int32_t oc, int lanes, float *y) {
    const bl_conv_shape *s = j->s;
    int64_t plane = (int64_t)s->ih * s->iw * s->icb;
    float bias[LANES], wl[LANES];
    for (int l = 0; l < lanes; l++) bias[l] = j->b && oc + l < s->oc ? j->b[oc + l] : 0;
    for (int32_t ox = 0; ox < s->ow; ox++) {
        for (int l = 0; l < lanes; l++) y[(int64_t)ox * s->ocb + l] = bias[l];
    }
    for (int32_t ic = 0; ic < s->ic; ic++) {
        const float *x = j->x + (n * blocks_of(s->ic, s->icb) + ic / s->icb) * plane + ic % s->icb;
        for (int32_t tap = 0; tap < s->kh * s->kw; tap++) {
            int32_t iy = oy * s->stride - s->pad + tap / s->kw * s->dilation;
            if (iy < 0 || iy >= s->ih) continue;
            int32_t shift = tap % s->kw * s->dilation - s->pad, begin, end;
            valid_range(shift, s->stride, s->iw, s->ow, &begin, &end);
            load_out_weights(j, oc, lanes, ic, tap, wl);
            for (int32_t ox = begin; ox < end; ox++) {
                float v = x[((int64_t)iy * s->iw + ox * s->stride + shift) * s->icb];
                for (int l = 0; l < lanes; l++) y[(int64_t)ox * s->ocb + l] += v * wl[l];
            }
        }
    }
    if (!j->relu) return;
    for (int32_t ox = 0; ox < s->ow; ox++) {
        for (int l = 0; l < lanes; l++) {
            float *v = &y[(int64_t)ox * s->ocb + l];
            if (*v < 0) *v = 0;
        }
    }
}

/* Index = (image, piece of output channels, output row). */
static void fwd_range(void *arg, int64_t begin, int64_t end) {
    const conv_job *j = arg;
    const bl_conv_shape *s = j->s;
    int64_t blocks = blocks_of(s->oc, s->ocb), pieces = blocks * bl_pieces_per_block(s->ocb);
    for (int64_t i = begin; i < end; i++) {
        int32_t oy = (int32_t)(i % s->oh), n = (int32_t)(i / s->oh / pieces);
        bl_piece p = bl_piece_at(i / s->oh % pieces, s->ocb);
        float *y = j->y + ((n * blocks + p.block) * s->oh + oy) * s->ow * s->ocb + p.first;
        fwd_row(j, n, oy, (int32_t)p.block * s->ocb + p.first, p.lanes, y);
    }
}

static bl_status conv_fwd(bl_ctx *ctx, const bl_conv_shape *s, const void *x, const float *w,
                          const float *b, bool relu, void *y) {
    conv_job j = {.s = s, .x = x, .w = w, .b = b, .y = y, .relu = relu};
    int64_t pieces = blocks_of(s->oc, s->ocb) * bl_pieces_per_block(s->ocb);
    bl_parallel_for(s->n * pieces * s->oh, 1, fwd_range, &j);
    return BL_OK;
}

/* One row of dx of one piece of input channels: the output rows that read it, tap by tap. */
static void bwd_data_row(const conv_job *j, int32_t n, int32_t iy, int32_t ic, int lanes,
                         float *dx) {
    const bl_conv_shape *s = j->s;
    int64_t plane = (int64_t)s->oh * s->ow * s->ocb, taps = (int64_t)s->kh * s->kw;
    float wl[LANES];
    for (int32_t ix = 0; j->beta == 0 && ix < s->iw; ix++) {
        memset(dx + (int64_t)ix * s->icb, 0, (size_t)lanes * sizeof(float));
    }
    for (int32_t oc = 0; oc < s->oc; oc++) {
        const float *dy =
            j->dy + (n * blocks_of(s->oc, s->ocb) + oc / s->ocb) * plane + oc % s->ocb;
        for (int32_t tap = 0; tap < taps; tap++) {
            int32_t from = iy + s->pad - tap / s->kw * s->dilation;
            if (from < 0 || from % s->stride != 0 || from / s->stride >= s->oh) continue;
            int32_t oy = from / s->stride, shift = tap % s->kw * s->dilation - s->pad, begin, end;
            valid_range(shift, s->stride, s->iw, s->ow, &begin, &end);
            for (int l = 0; l < lanes; l++) {
                wl[l] = ic + l < s->ic ? j->w[((int64_t)oc * s->ic + ic + l) * taps + tap] : 0;
            }
            for (int32_t ox = begin; ox < end; ox++) {
                float v = dy[((int64_t)oy * s->ow + ox) * s->ocb];
                float *d = dx + (int64_t)(ox * s->stride + shift) * s->icb;
                for (int l = 0; l < lanes; l++) d[l] += v * wl[l];
            }
        }
    }
}

static void bwd_data_range(void *arg, int64_t begin, int64_t end) {
    const conv_job *j = arg;
    const bl_conv_shape *s = j->s;
    int64_t blocks = blocks_of(s->ic, s->icb), pieces = blocks * bl_pieces_per_block(s->icb);
    for (int64_t i = begin; i < end; i++) {
        int32_t iy = (int32_t)(i % s->ih), n = (int32_t)(i / s->ih / pieces);
        bl_piece p = bl_piece_at(i / s->ih % pieces, s->icb);
        float *dx = j->dx + ((n * blocks + p.block) * s->ih + iy) * s->iw * s->icb + p.first;
        bwd_data_row(j, n, iy, (int32_t)p.block * s->icb + p.first, p.lanes, dx);
    }
}

static bl_status conv_bwd_data(bl_ctx *ctx, const bl_conv_shape *s, const void *dy, const float *w,
                               void *dx, float beta) {
    conv_job j = {.s = s, .dy = dy, .w = w, .dx = dx, .beta = beta};
    int64_t pieces = blocks_of(s->ic, s->icb) * bl_pieces_per_block(s->icb);
    bl_parallel_for(s->n * pieces * s->ih, 1, bwd_data_range, &j);
    return BL_OK;
}

/* sum[l] = sum over the pixels of all images of dy(l) * x: rows in float, across rows in double. */
static void bwd_tap(const conv_job *j, const bl_piece *p, int32_t ic, int32_t tap, double *sum) {
    const bl_conv_shape *s = j->s;
    int64_t out_blocks = blocks_of(s->oc, s->ocb), in_blocks = blocks_of(s->ic, s->icb);
    int32_t down = tap / s->kw * s->dilation - s->pad, shift = tap % s->kw * s->dilation - s->pad;
    int32_t y_begin, y_end, begin, end;
    valid_range(down, s->stride, s->ih, s->oh, &y_begin, &y_end);
    valid_range(shift, s->stride, s->iw, s->ow, &begin, &end);
    for (int32_t n = 0; n < s->n; n++) {
        const float *x = j->x + (n * in_blocks + ic / s->icb) * s->ih * s->iw * s->icb;
        const float *dy = j->dy + (n * out_blocks + p->block) * s->oh * s->ow * s->ocb + p->first;
        for (int32_t oy = y_begin; oy < y_end; oy++) {
            float row[LANES] = {0};
            int64_t in_row = (int64_t)(oy * s->stride + down) * s->iw;
            for (int32_t ox = begin; ox < end; ox++) {
                float v = x[(in_row + ox * s->stride + shift) * s->icb + ic % s->icb];
                const float *d = dy + ((int64_t)oy * s->ow + ox) * s->ocb;
                for (int l = 0; l < p->lanes; l++) row[l] += v * d[l];
            }
            for (int l = 0; l < p->lanes; l++) sum[l] += row[l];
        }
    }
}

/* Index = (piece of output channels, input channel). */
static void bwd_weights_range(void *arg, int64_t begin, int64_t end) {
    const conv_job *j = arg;
    const bl_conv_shape *s = j->s;
    int32_t taps = s->kh * s->kw;
    for (int64_t i = begin; i < end; i++) {
        bl_piece p = bl_piece_at(i / s->ic, s->ocb);
        int32_t ic = (int32_t)(i % s->ic), oc = (int32_t)p.block * s->ocb + p.first;
        for (int32_t tap = 0; tap < taps; tap++) {
            double sum[LANES] = {0};
            bwd_tap(j, &p, ic, tap, sum);
            for (int l = 0; l < p.lanes && oc + l < s->oc; l++) {
                j->dw[((int64_t)(oc + l) * s->ic + ic) * taps + tap] += (float)sum[l];
            }
        }
    }
}

static void bwd_bias_range(void *arg, int64_t begin, int64_t end) {
    const conv_job *j = arg;
    const bl_conv_shape *s = j->s;
    int64_t pixels = (int64_t)s->oh * s->ow, blocks = blocks_of(s->oc, s->ocb);
    for (int64_t oc = begin; oc < end; oc++) {
        double sum = 0;
        for (int32_t n = 0; n < s->n; n++) {
            const float *dy = j->dy + (n * blocks + oc / s->ocb) * pixels * s->ocb + oc % s->ocb;
            for (int64_t p = 0; p < pixels; p++) sum += dy[p * s->ocb];
        }
        j->db[oc] += (float)sum;
    }
}

static bl_status conv_bwd_weights(bl_ctx *ctx, const bl_conv_shape *s, const void *x,
                                  const void *dy, float *dw, float *db) {
    conv_job j = {.s = s, .x = x, .dy = dy, .dw = dw, .db = db};
    int64_t pieces = blocks_of(s->oc, s->ocb) * bl_pieces_per_block(s->ocb);
    bl_parallel_for(pieces * s->ic, 1, bwd_weights_range, &j);
    if (db) bl_parallel_for(s->oc, 1, bwd_bias_range, &j);
    return BL_OK;
}

static void act_bwd(bl_dtype type, const void *y_in, const void *dy_in, float slope, void *to,
                    int64_t n) {
    const float *y = y_in, *dy = dy_in;
    float *out = to;
    for (int64_t i = 0; i < n; i++) out[i] = y[i] > 0 ? dy[i] : slope * dy[i];
}

void bl_ref_conv(bl_kernels *k) {
    k->conv_fwd = conv_fwd;
    k->conv_bwd_data = conv_bwd_data;
    k->conv_bwd_weights = conv_bwd_weights;
    k->act_bwd = act_bwd;
}
