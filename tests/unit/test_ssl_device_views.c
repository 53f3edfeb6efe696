/* Batches of plans: the views that bl_make_views makes of them are those of a batch of pixels to
 * the bit, from whichever sets and in whichever thread they were drawn. */
#include "datasets/loading/classification/loader.h"
#include "datasets/sets/generated.h"
#include "kernels/ctx.h"
#include "kernels/ops.h"
#include "kernels/resident.h"
#include "tests/check.h"

enum { SIDE = 16, LABELLED = 23, STEPS = 6 };

static bl_classify_set *make_set(int64_t n, int64_t seed) {
    bl_classify_synth_config cfg = {.classes = 10,
                                    .train = n,
                                    .test = 10,
                                    .size = SIDE,
                                    .clutter = 1,
                                    .noise = 10,
                                    .seed = seed};
    bl_classify_set *s;
    CHECK_OK(bl_classify_synth(&cfg, BL_CLASSIFY_TRAIN, &s));
    return s;
}

static const bl_classify_view_config settings = {
    .flip = 0.5, .pad = -1, .cutout = -1, .crop_min = 0.2, .jitter = 0.5};

static void make_groups(const bl_classify_set *x, const bl_classify_set *u, int32_t *list,
                        bl_classify_group g[3]) {
    for (int i = 0; i < LABELLED; i++) list[i] = 3 * i;
    g[0] = (bl_classify_group){.set = x,
                               .n = LABELLED,
                               .images = list,
                               .labelled = true,
                               .batch = 7,
                               .n_views = 2,
                               .views = {BL_CLASSIFY_WEAK, BL_CLASSIFY_PLAIN}};
    g[1] =
        (bl_classify_group){.set = u,
                            .n = u->n,
                            .batch = 11,
                            .n_views = 3,
                            .views = {BL_CLASSIFY_WEAK, BL_CLASSIFY_STRONG, BL_CLASSIFY_ROTATION}};
    g[2] = (bl_classify_group){
        .set = x, .n = x->n, .batch = 5, .n_views = 1, .views = {BL_CLASSIFY_STRONG}};
}

static bl_classify_loader *loader(const bl_classify_group *g, int32_t maker, int32_t strong,
                                  int workers) {
    bl_classify_loader *l;
    bl_classify_loader_config cfg = {.workers = workers, .prefetch = 3};
    bl_classify_view_config views = settings;
    views.device = maker;
    views.strong = strong;
    CHECK_OK(bl_classify_loader_create(&cfg, &views, g, 3, NULL, NULL, 5, &l));
    return l;
}

/* All sets of the loader, one behind the other. */
static bl_resident *upload(bl_ctx *ctx, const bl_classify_loader *l) {
    const bl_classify_set *set[BL_CLASSIFY_MAX_GROUPS];
    int n_sets = bl_classify_loader_sets(l, set);
    int64_t n = 0, at = 0;
    for (int i = 0; i < n_sets; i++) n += set[i]->n;
    bl_resident *r;
    CHECK_OK(bl_resident_create(ctx, n, 3, SIDE, SIDE, 3, BL_U8, &r));
    for (int i = 0; i < n_sets; at += set[i++]->n)
        CHECK_OK(bl_resident_write(r, at, set[i]->n, set[i]->pixels));
    return r;
}

static void same_rows(bl_ctx *ctx, bl_resident *images, const bl_classify_batch *pixels,
                      const bl_classify_batch *plans) {
    size_t n = (size_t)pixels->rows * 3 * SIDE * SIDE;
    float *got = malloc(n * sizeof *got);
    bl_tensor *x;
    CHECK(got && !plans->pixels && !pixels->plan);
    CHECK_EQ(plans->step, pixels->step);
    CHECK_EQ(plans->rows, pixels->rows);
    for (int g = 0; g < pixels->n_groups; g++) {
        const bl_classify_part *a = &pixels->part[g], *b = &plans->part[g];
        CHECK(!memcmp(a->item, b->item, (size_t)a->n * sizeof *a->item));
        CHECK(!memcmp(a->label, b->label, (size_t)a->n * sizeof *a->label));
        CHECK(!memcmp(a->turn, b->turn, (size_t)a->n * (size_t)a->n_views));
    }
    bl_step_begin(ctx, false);
    CHECK_OK(bl_make_views(ctx, bl_resident_tensor(images), plans->plan, plans->rows, plans->steps,
                           plans->n_steps, plans->mean, plans->std, &x));
    CHECK_OK(bl_tensor_to_host(ctx, x, got));
    bl_step_end(ctx);
    CHECK(!memcmp(got, pixels->pixels, n * sizeof *got));
    free(got);
}

static void same_batches(bl_ctx *ctx, int32_t strong) {
    bl_classify_set *x = make_set(120, 3), *u = make_set(50, 4);
    int32_t list[LABELLED];
    bl_classify_group g[3];
    make_groups(x, u, list, g);
    for (int workers = 0; workers <= 2; workers += 2) {
        bl_classify_loader *a = loader(g, BL_CLASSIFY_MAKER_CPU, strong, 1);
        bl_classify_loader *b = loader(g, BL_CLASSIFY_MAKER_DEVICE, strong, workers);
        const bl_classify_set *sets[BL_CLASSIFY_MAX_GROUPS];
        CHECK_EQ(bl_classify_loader_sets(a, sets), 0);
        CHECK_EQ(bl_classify_loader_sets(b, sets), 2);
        CHECK(sets[0] == x && sets[1] == u);
        bl_resident *images = upload(ctx, b);
        bl_classify_pos third = {0};
        for (int step = 0; step < STEPS + 2; step++) {
            bl_classify_batch *p, *q;
            if (step == 2) third = bl_classify_loader_tell(b);
            if (step == STEPS) { /* back again, in both */
                CHECK_OK(bl_classify_loader_seek(a, &third));
                CHECK_OK(bl_classify_loader_seek(b, &third));
            }
            CHECK_OK(bl_classify_loader_next(a, &p));
            CHECK_OK(bl_classify_loader_next(b, &q));
            CHECK_EQ(q->step, step < STEPS ? step : step - STEPS + 2);
            same_rows(ctx, images, p, q);
            bl_classify_loader_release(a, p);
            bl_classify_loader_release(b, q);
        }
        bl_classify_loader_destroy(a);
        bl_classify_loader_destroy(b);
        bl_resident_destroy(images);
    }
    bl_classify_set_free(x);
    bl_classify_set_free(u);
}

/* What a device cannot make is said when the loader is created, with the reason. */
static void refused(void) {
    bl_classify_set *x = make_set(40, 3);
    bl_classify_loader *l;
    bl_classify_loader_config cfg = {.workers = 0, .prefetch = 1};
    bl_classify_view_config device = settings, fixed, resized, same;
    device.device = BL_CLASSIFY_MAKER_DEVICE;
    fixed = resized = same = device;
    fixed.strong = BL_STRONG_RA_FIXED;
    resized.size = SIDE + 1;
    same.size = SIDE;
    bl_classify_group weak = {
        .set = x, .n = x->n, .batch = 4, .n_views = 1, .views = {BL_CLASSIFY_WEAK}};
    bl_classify_group strong = weak, contrast = weak;
    strong.views[0] = BL_CLASSIFY_STRONG;
    contrast.views[0] = BL_CLASSIFY_CONTRAST;
    CHECK_FAILS(bl_classify_loader_create(&cfg, &device, &contrast, 1, NULL, NULL, 5, &l),
                BL_ECONFIG, "contrast views");
    CHECK_FAILS(bl_classify_loader_create(&cfg, &fixed, &strong, 1, NULL, NULL, 5, &l), BL_ECONFIG,
                "ra_fixed");
    CHECK_FAILS(bl_classify_loader_create(&cfg, &resized, &weak, 1, NULL, NULL, 5, &l), BL_ECONFIG,
                "views.size");
    CHECK_OK(bl_classify_loader_create(&cfg, &fixed, &weak, 1, NULL, NULL, 5, &l));
    bl_classify_loader_destroy(l);
    CHECK_OK(bl_classify_loader_create(&cfg, &same, &strong, 1, NULL, NULL, 5, &l));
    bl_classify_loader_destroy(l);
    bl_classify_set_free(x);
}

static void resident(bl_ctx *ctx) {
    float row[2][3] = {{1, 2, 3}, {4, 5, 6}}, all[4][3];
    bl_resident *r;
    bl_tensor *t;
    CHECK_OK(bl_resident_create(ctx, 4, 3, 1, 1, 1, BL_F32, &r));
    CHECK_OK(bl_resident_write(r, 0, 2, row));
    bl_step_begin(ctx, false);
    CHECK_OK(bl_tensor_from_host(ctx, row[0], 2, 3, 1, 1, 1, &t));
    CHECK_OK(bl_resident_put(r, 2, t));
    CHECK_FAILS(bl_resident_put(r, 3, t), BL_EINVAL, "no entries 3..4");
    CHECK_OK(bl_tensor_from_host(ctx, row[0], 3, 2, 1, 1, 1, &t));
    CHECK_FAILS(bl_resident_put(r, 0, t), BL_EINVAL, "do not fit");
    bl_tensor_drop(ctx, bl_resident_tensor(r)); /* nothing happens */
    bl_step_end(ctx);
    CHECK_OK(bl_resident_read(r, 0, 4, all));
    CHECK(!memcmp(all[0], row, sizeof row) && !memcmp(all[2], row, sizeof row));
    CHECK_FAILS(bl_resident_read(r, 4, 1, all), BL_EINVAL, "no entries");
    CHECK_FAILS(bl_resident_write(r, -1, 1, all), BL_EINVAL, "no entries");
    bl_resident_destroy(r);
    bl_resident_destroy(NULL);
    CHECK_FAILS(bl_resident_create(ctx, INT64_MAX / 2, 3, 1, 1, 1, BL_F32, &r), BL_EINVAL,
                "not possible");
}

int main(void) {
    bl_ctx *ctx;
    CHECK_OK(bl_ctx_create(&(bl_ctx_options){.device = "cpu", .backend = "ref"}, &ctx));
    for (int32_t strong = BL_STRONG_RA_MC; strong <= BL_STRONG_RA_LARGE; strong++)
        same_batches(ctx, strong);
    refused();
    resident(ctx);
    bl_ctx_destroy(ctx);
    return 0;
}
