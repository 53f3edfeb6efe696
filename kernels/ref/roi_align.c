/* RoIAlign: the mean of bilinear samples on a regular grid in each bin. */
#include <string.h>

#include "core/parallel.h"
#include "kernels/ref/ref.h"
#include "kernels/shared/bilinear.h"

typedef struct roi_job {
    const bl_tensor *const *maps;
    bl_tensor *const *dmaps;
    const bl_box *rois;
    const int32_t *batch, *level;
    int64_t count;
    const bl_roi_attr *a;
    const bl_tensor *dy;
    bl_tensor *out;
} roi_job;

static bl_roi_frame frame_of(const roi_job *j, int64_t i) {
    const bl_roi_attr *a = j->a;
    return bl_roi_frame_make(j->rois[i], a->scale[j->level[i]], a->size, a->sampling, a->aligned);
}

/* What a sample does at one of its four corners: out lanes += map lanes * weight, or the other way
 * round. */
static void corner(const float *from, float weight, float *to, int32_t lanes) {
    for (int32_t l = 0; l < lanes; l++) to[l] += weight * from[l];
}

/* Adds all samples of one bin. Forward: map (plane of a channel block) -> bin (its lanes);
 * backward: bin's gradient -> plane. */
static void walk_bin(const bl_roi_frame *f, int32_t by, int32_t bx, const bl_tensor *shape,
                     float *plane, float *bin, bool backward) {
    int32_t h = (int32_t)shape->h, w = (int32_t)shape->w, cb = shape->cb;
    for (int32_t sy = 0; sy < f->y.grid; sy++) {
        bl_tap ty;
        if (!bl_tap_at(bl_roi_axis_sample(&f->y, by, sy), h, &ty)) continue;
        for (int32_t sx = 0; sx < f->x.grid; sx++) {
            bl_tap tx;
            if (!bl_tap_at(bl_roi_axis_sample(&f->x, bx, sx), w, &tx)) continue;
            bl_corners c = bl_corners_of(ty, tx, w, f->norm);
            for (int q = 0; q < 4; q++) {
                float *pixel = plane + c.at[q] * cb;
                if (backward) {
                    corner(bin, c.weight[q], pixel, cb);
                } else {
                    corner(pixel, c.weight[q], bin, cb);
                }
            }
        }
    }
}

/* Index = RoI. */
static void fwd_range(void *arg, int64_t begin, int64_t end) {
    const roi_job *j = arg;
    bl_tensor *out = j->out;
    int64_t blocks = bl_blocks(out), bins = out->h * out->w;
    for (int64_t i = begin; i < end; i++) {
        float *bin = bl_f32(out) + i * blocks * bins * out->cb;
        memset(bin, 0, (size_t)(blocks * bins * out->cb) * sizeof *bin);
        if (j->level[i] < 0) continue;
        const bl_tensor *m = j->maps[j->level[i]];
        bl_roi_frame f = frame_of(j, i);
        for (int64_t b = 0; b < blocks; b++) {
            float *plane = bl_f32(m) + (j->batch[i] * blocks + b) * m->h * m->w * m->cb;
            for (int64_t q = 0; q < bins; q++, bin += out->cb) {
                walk_bin(&f, (int32_t)(q / out->w), (int32_t)(q % out->w), m, plane, bin, false);
            }
        }
    }
}

static void roi_align_fwd(const bl_tensor *const *maps, int n_maps, const bl_box *rois,
                          const int32_t *batch, const int32_t *level, int64_t count,
                          const bl_roi_attr *a, bl_tensor *out) {
    roi_job j = {.maps = maps, .rois = rois, .batch = batch, .level = level, .a = a, .out = out};
    bl_parallel_for(count, 1, fwd_range, &j);
}

/* Index = channel block: its planes of every map have one owner, boxes may overlap. */
static void bwd_range(void *arg, int64_t begin, int64_t end) {
    const roi_job *j = arg;
    const bl_tensor *dy = j->dy;
    int64_t blocks = bl_blocks(dy), bins = dy->h * dy->w;
    for (int64_t b = begin; b < end; b++) {
        for (int64_t i = 0; i < j->count; i++) {
            const bl_tensor *m = j->level[i] >= 0 ? j->dmaps[j->level[i]] : NULL;
            if (!m) continue;
            bl_roi_frame f = frame_of(j, i);
            float *plane = bl_f32(m) + (j->batch[i] * blocks + b) * m->h * m->w * m->cb;
            float *bin = bl_f32(dy) + (i * blocks + b) * bins * dy->cb;
            for (int64_t q = 0; q < bins; q++, bin += dy->cb) {
                walk_bin(&f, (int32_t)(q / dy->w), (int32_t)(q % dy->w), m, plane, bin, true);
            }
        }
    }
}

static void roi_align_bwd(const bl_tensor *dy, const bl_box *rois, const int32_t *batch,
                          const int32_t *level, int64_t count, const bl_roi_attr *a, int n_maps,
                          bl_tensor *const *dmaps) {
    roi_job j = {.dmaps = dmaps,
                 .rois = rois,
                 .batch = batch,
                 .level = level,
                 .count = count,
                 .a = a,
                 .dy = dy};
    bl_parallel_for(bl_blocks(dy), 1, bwd_range, &j);
}

void bl_ref_roi_align(bl_kernels *k) {
    k->roi_align_fwd = roi_align_fwd;
    k->roi_align_bwd = roi_align_bwd;
}
