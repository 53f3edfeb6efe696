/* 8-bit images as a network's input. */
#include "core/parallel.h"
#include "kernels/ref/ref.h"
#include "kernels/shared/pixels.h"

typedef struct input_job {
    const bl_device_image *image;
    const bl_input_attr *attr;
    bl_tensor *out;
} input_job;

/* Index = row of an image. */
static void rows(void *arg, int64_t begin, int64_t end) {
    const input_job *j = arg;
    const bl_tensor *t = j->out;
    for (int64_t i = begin; i < end; i++) {
        int64_t n = i / t->h, y = i % t->h, channels = bl_blocks(t) * t->cb;
        for (int64_t c = 0; c < channels; c++) {
            float *to = bl_f32(t) + bl_index(t, n, c, y, 0);
            for (int64_t x = 0; x < t->w; x++, to += t->cb)
                *to = c < 3 ? bl_px_input(&j->image[n], j->attr, (int)x, (int)y, (int)c) : 0;
        }
    }
}

static void inputs(const bl_device_image *image, const bl_input_attr *attr, bl_tensor *out) {
    input_job j = {image, attr, out};
    bl_parallel_for(out->n * out->h, 16, rows, &j);
}

void bl_ref_inputs(bl_kernels *k) {
    k->inputs = inputs;
}
