/* bl_make_views: what plain plans make, and plans and steps that are refused. */
#include <math.h>

#include "kernels/internal.h"
#include "tests/check.h"

enum { W = 4, H = 3 };

static uint8_t pixels[2][H][W][3];

static bl_status make(bl_ctx *ctx, const bl_view_plan *plan, int64_t n, const bl_view_step *step,
                      int64_t n_steps, bl_tensor **out) {
    static const float mean[3] = {1, 2, 3}, std[3] = {2, 4, 8};
    bl_tensor *images;
    BL_TRY(bl_tensor_new(ctx, 2, 3, H, W, 3, BL_U8, &images));
    BL_TRY(ctx->dev->to_device(ctx->dev, images->data, pixels, sizeof pixels));
    return bl_make_views(ctx, images, plan, n, step, n_steps, mean, std, out);
}

static void values(bl_ctx *ctx) {
    const bl_view_plan plan[3] = {
        {.image = 1}, {.dx = -1, .dy = 1, .flip = 1}, {.image = 1, .first = 0, .steps = 1}};
    const bl_view_step step = {.op = BL_VIEW_INVERT};
    bl_tensor *out;
    float got[3][3][H][W];
    CHECK_OK(make(ctx, plan, 3, &step, 1, &out));
    CHECK_EQ(out->n, 3);
    CHECK_OK(bl_tensor_to_host(ctx, out, &got[0][0][0][0]));
    for (int c = 0; c < 3; c++) {
        float m = (float)c + 1, s = (float)(2 << c);
        for (int i = 0; i < H * W; i++) {
            int y = i / W, x = i % W, sx = x + 1, sy = y - 1;
            CHECK(got[0][c][y][x] == ((float)pixels[1][y][x][c] - m) / s);
            float moved = sx < W && sy >= 0 ? (float)pixels[0][sy][W - 1 - sx][c] : 0;
            CHECK(got[1][c][y][x] == (moved - m) / s);
            CHECK(got[2][c][y][x] == ((float)(255 - pixels[1][y][x][c]) - m) / s);
        }
    }
    CHECK_OK(make(ctx, NULL, 0, NULL, 0, &out));
    CHECK_EQ(out->n, 0);
}

static void refused(bl_ctx *ctx) {
    const bl_view_step none = {.op = BL_VIEW_INVERT}, odd = {.op = BL_VIEW_TURN, .v = {1}};
    const bl_view_step wild = {.op = BL_VIEW_AFFINE, .v = {1, NAN}}, unknown = {.op = 99};
    const bl_view_plan first = {.image = 0}, third = {.image = 2}, far = {.dx = W, .reflect = 1},
                       more = {.first = 1, .steps = 1};
    bl_tensor *out;
    CHECK_FAILS(make(ctx, &third, 1, NULL, 0, &out), BL_EINVAL, "image 2");
    CHECK_FAILS(make(ctx, &far, 1, NULL, 0, &out), BL_EINVAL, "cannot be mirrored");
    CHECK_FAILS(make(ctx, &more, 1, &none, 1, &out), BL_EINVAL, "steps");
    CHECK_FAILS(make(ctx, &first, 1, &odd, 1, &out), BL_EINVAL, "step 0");
    CHECK_FAILS(make(ctx, &first, 1, &wild, 1, &out), BL_EINVAL, "step 0");
    CHECK_FAILS(make(ctx, &first, 1, &unknown, 1, &out), BL_EINVAL, "operation 99");
}

int main(void) {
    bl_ctx *ctx;
    CHECK_OK(bl_ctx_create(NULL, &ctx));
    for (int i = 0; i < (int)sizeof pixels; i++) (&pixels[0][0][0][0])[i] = (uint8_t)(i * 89);
    bl_step_begin(ctx, false);
    values(ctx);
    refused(ctx);
    bl_step_end(ctx);
    bl_ctx_destroy(ctx);
    return 0;
}
