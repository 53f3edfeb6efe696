/* The gradient of the whole detector against finite differences along random directions. */
#include "core/parallel.h"
#include "tests/detector_fixture.h"
#include "tests/list_fixture.h"

enum { CLASSES = 3, IMAGES = 2, SIDE = 64, ROIS = 24 };

static bl_box g0[] = {{8, 8, 28, 30}, {36, 30, 60, 52}}, g1[] = {{20, 16, 48, 40}};
static int32_t l0[] = {0, 1}, l1[] = {2};
static const bl_boxes gt[IMAGES] = {{.n = 2, .box = g0, .label = l0},
                                    {.n = 1, .box = g1, .label = l1}};
static const bl_size size[IMAGES] = {{SIDE, SIDE}, {SIDE, SIDE}};
static const float weight[4] = {1, 0.7f, 1.3f, 0.9f};

/* Proposals do not depend on the parameters here, so the loss is a smooth function of them (up to
 * kinks). */
static void fixed_proposals(bl_boxes prop[IMAGES]) {
    static bl_box box[IMAGES][ROIS];
    for (int i = 0; i < IMAGES; i++) {
        bl_rng r = bl_rng_make(21, (uint64_t)i);
        for (int k = 0; k < ROIS; k++) {
            bl_box b = gt[i].box[k % gt[i].n];
            float s = k % 2 ? 3 : 20;
            b.x1 += bl_rng_range(&r, -s, s);
            b.y1 += bl_rng_range(&r, -s, s);
            b.x2 = b.x1 + bl_rng_range(&r, 6, 40);
            b.y2 = b.y1 + bl_rng_range(&r, 6, 40);
            box[i][k] = bl_box_clip(b, SIDE, SIDE);
        }
        prop[i] = (bl_boxes){.n = ROIS, .box = box[i]};
    }
}

static double loss_of(fixture *f, bool backward) {
    bl_step_begin(f->ctx, backward);
    bl_pyramid p;
    bl_rpn_out r;
    bl_tensor *loss[4];
    bl_roi_batch rois;
    bl_roi_out head;
    bl_boxes prop[IMAGES];
    CHECK_OK(bl_detector_extract(f->ctx, f->det, true,
                                 draw_images(f->ctx, gt, IMAGES, SIDE, SIDE, 1), &p));
    CHECK_OK(bl_rpn_forward(f->ctx, f->det, &p, &r));
    CHECK_OK(bl_rpn_loss(f->ctx, f->det, &r, gt, size, 5, 0, &loss[0], &loss[1], NULL));
    fixed_proposals(prop);
    bl_box_lists lists = lists_of(f->ctx, prop, IMAGES);
    bl_roi_draw draw = {.add_gt = true, .seed = 5, .key = 0};
    CHECK_OK(bl_roi_sample(f->ctx, f->det, &lists, gt, &draw, &rois));
    CHECK(rois_read(f->ctx, &rois).n_pos > 4);
    CHECK_OK(bl_roi_forward_list(f->ctx, f->det, &p, rois.target.roi, rois.image, &head));
    CHECK_OK(bl_roi_cls_loss(f->ctx, f->det, &rois, rois.target.share, &head, 1, &loss[2]));
    CHECK_OK(bl_roi_box_loss(f->ctx, f->det, &rois, &head, &loss[3]));
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        float v;
        CHECK_OK(bl_scalar(f->ctx, loss[i], &v));
        sum += (double)weight[i] * v;
    }
    if (backward) CHECK_OK(bl_backward(f->ctx, loss, weight, 4));
    bl_step_end(f->ctx);
    return sum;
}

/* A direction in the parameters whose names begin with `part`: moves them by eps, or (dot) returns
 * its product with the gradient. */
static double step_along(fixture *f, const char *part, uint64_t seed, double eps, bool dot) {
    double sum = 0;
    for (int64_t i = 0; i < bl_store_count(f->store); i++) {
        const bl_param_spec *s = bl_store_spec(f->store, i);
        if (!s->trainable || strncmp(s->name, part, strlen(part)) != 0) continue;
        bl_tensor *t = bl_store_find(f->store, s->name);
        int64_t n = t->n * t->c * t->h * t->w;
        bl_rng r = bl_rng_make(seed, (uint64_t)i);
        for (int64_t k = 0; k < n; k++) {
            double u =
                bl_rng_normal(&r) * (s->ndim == 1 ? 0.3 : 1 / sqrt((double)(t->c * t->h * t->w)));
            if (dot)
                sum += u * (double)bl_f32(t->grad)[k];
            else
                bl_f32(t)[k] += (float)(eps * u);
        }
    }
    return sum;
}

/* Single directions can cross a kink of a ReLU or of L1; the error over several of them cannot hide
 * a wrong term. Smooth L1 with a wide quadratic part removes most kinks. */
static void test_gradient(const char *backend, const char *norm, const char *part, int directions) {
    bl_arena *arena = bl_arena_create(0);
    bl_detector_config cfg = small_config(arena, norm);
    cfg.box_beta = 1;
    fixture f = fixture_make(backend, &cfg, norm, CLASSES, 3);
    /* Away from the start, where the residual branches and the box head are (nearly) zero. */
    step_along(&f, "", 77, 0.3, false);
    loss_of(&f, true);
    double err = 0, size2 = 0, eps = 1e-4;
    for (int i = 0; i < directions; i++) {
        uint64_t seed = 100 + (uint64_t)i;
        double want = step_along(&f, part, seed, 0, true);
        step_along(&f, part, seed, eps, false);
        double up = loss_of(&f, false);
        step_along(&f, part, seed, -2 * eps, false);
        double down = loss_of(&f, false), got = (up - down) / (2 * eps);
        step_along(&f, part, seed, eps, false);
        err += (got - want) * (got - want);
        size2 += want * want;
    }
    err = sqrt(err / size2);
    printf("%s %-8s %-9s derivative %.4f, relative error %.5f\n", backend, norm, part,
           sqrt(size2 / directions), err);
    CHECK(size2 > 1e-4); /* the directions mean something */
    CHECK(err < 0.02);
    fixture_free(&f);
    bl_arena_destroy(arena);
}

int main(void) {
    bl_set_threads(1); /* maps this small are not worth a barrier */
    static const char *const norms[] = {"gn", "eval_bn", "bn"};
    static const char *const parts[] = {"", "backbone", "neck", "rpn_head", "roi_head"};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 5; k++) test_gradient("auto", norms[i], parts[k], 5);
    test_gradient("ref", "gn", "", 4);
    test_gradient("ref", "bn", "backbone", 4);
    return 0;
}
