/* Views of small images: a block makes a view, its pixels in shared memory from the crop to the
 * normalised floats. Pixels are the shared arithmetic of the CPU, all of it integers or fixed in
 * its order, so views are equal to the bit. */
#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/maps.h"
#include "kernels/shared/view_steps.h"

/* Two images fit in a block's shared memory beside the tables up to 80 x 80 px; larger ones stand
 * in scratch memory. */
enum { SHARED_BYTES = 40 << 10, SCRATCH_BLOCKS = 1024 };

/* What a block works on: its image and a second one that steps write into. */
typedef struct canvas {
    uint8_t *image, *spare;
    int width, height;
} canvas;

static __device__ void crop(const canvas *c, const bl_view_plan *p, const uint8_t *from) {
    for (int i = (int)threadIdx.x; i < c->width * c->height; i += (int)blockDim.x) {
        int sx, sy;
        bool inside = bl_view_crop(p, c->width, c->height, i % c->width, i / c->width, &sx, &sy);
        for (int q = 0; q < 3; q++) {
            c->image[3 * i + q] = inside ? from[3 * (sy * c->width + sx) + q] : 0;
        }
    }
    __syncthreads();
}

/* A step that maps each channel's values: what of the image it needs to know, the
 * table, the map. */
static __device__ void by_tables(const canvas *c, const bl_view_step *s) {
    __shared__ int32_t count[3][256];
    __shared__ uint8_t table[3][256];
    int tid = (int)threadIdx.x, threads = (int)blockDim.x, pixels = c->width * c->height, mean = 0;
    if (s->op == BL_VIEW_AUTOCONTRAST || s->op == BL_VIEW_EQUALIZE) {
        for (int i = tid; i < 3 * 256; i += threads) count[i / 256][i % 256] = 0;
        __syncthreads();
        for (int i = tid; i < 3 * pixels; i += threads) atomicAdd(&count[i % 3][c->image[i]], 1);
    }
    if (s->op == BL_VIEW_CONTRAST) {
        unsigned long long sum = 0;
        for (int i = tid; i < pixels; i += threads) {
            const uint8_t *p = c->image + 3 * i;
            sum += bl_px_luma(p[0], p[1], p[2]);
        }
        mean = bl_px_mean_luma(bl_block_sum(sum), (uint64_t)pixels);
    }
    __syncthreads();
    for (int i = tid; i < 3 * 256; i += threads) {
        table[i / 256][i % 256] = bl_view_table(s, count[i / 256], mean, i % 256);
    }
    __syncthreads();
    for (int i = tid; i < 3 * pixels; i += threads) c->image[i] = table[i % 3][c->image[i]];
    __syncthreads();
}

static __device__ void by_pixels(canvas *c, const bl_view_step *s) {
    bl_px_map map = bl_px_map_make(s->v, c->width, c->height);
    for (int i = (int)threadIdx.x; i < c->width * c->height; i += (int)blockDim.x) {
        bl_view_pixel(s, &map, c->image, c->width, c->height, i % c->width, i / c->width,
                      c->spare + 3 * i);
    }
    __syncthreads();
    uint8_t *t = c->image;
    c->image = c->spare;
    c->spare = t;
}

static __global__ void make_views(const uint8_t *images, const bl_view_plan *plan,
                                  const bl_view_step *step, bl_pixel_scale by, bl_cuda_map out,
                                  uint8_t *scratch) {
    BL_DYNAMIC_SHARED(uint8_t, shared);
    int pixels = (int)(out.h * out.w), bytes = 3 * pixels;
    uint8_t *memory = scratch ? scratch + 2 * (int64_t)bytes * blockIdx.x : shared;
    for (int64_t n = blockIdx.x; n < out.n; n += gridDim.x) {
        canvas c = {memory, memory + bytes, (int)out.w, (int)out.h};
        const bl_view_plan *p = &plan[n];
        crop(&c, p, images + (int64_t)p->image * bytes);
        for (int32_t k = 0; k < p->steps; k++) {
            const bl_view_step *s = &step[p->first + k];
            if (s->op < BL_VIEW_TABLES) {
                by_tables(&c, s);
            } else {
                by_pixels(&c, s);
            }
        }
        for (int i = (int)threadIdx.x; i < bytes; i += (int)blockDim.x) {
            int q = out.cb == 1 ? i / pixels : i % 3, x = out.cb == 1 ? i % pixels : i / 3;
            ((float *)out.data)[bl_cuda_at(&out, n, q, 0, x)] =
                bl_px_normalised(c.image[3 * x + q], by.mean[q], by.std[q]);
        }
        __syncthreads(); /* the next view overwrites the image */
    }
}

static bl_status views(const uint8_t *images, const bl_view_plan *plan, const bl_view_step *step,
                       const bl_pixel_scale *scale, bl_tensor *out) {
    int64_t bytes = 6 * out->h * out->w, most = BL_GRID_MAX;
    if (bl_storage(out) == 0) return BL_OK;
    if (out->c % out->cb) { /* padding */
        cudaMemsetAsync(out->data, 0, (size_t)bl_storage(out) * sizeof(float), cudaStreamPerThread);
    }
    uint8_t *scratch = NULL;
    if (bytes > (int64_t)SHARED_BYTES) {
        most = SCRATCH_BLOCKS;
        int64_t blocks = out->n < most ? out->n : most;
        scratch = (uint8_t *)bl_scratch((size_t)(blocks * bytes));
        if (!scratch) {
            return bl_fail(BL_ENOMEM, "out of memory on the device: %lld views of %d px",
                           (long long)out->n, (int)(out->h * out->w));
        }
    }
    BL_LAUNCH(make_views, (unsigned)(out->n < most ? out->n : most), BL_THREADS,
              scratch ? 0 : (size_t)bytes, images, plan, step, *scale, bl_cuda_map_of(out),
              scratch);
    bl_scratch_free(scratch);
    return BL_OK;
}

void bl_cuda_views_slots(bl_kernels *k) {
    k->views = views;
}
