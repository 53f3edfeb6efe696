/* Unbiased Teacher's step as a whole: both views of labelled images, which losses pseudo boxes have,
 * the burn-in and the copy at its end, thresholds by class. */
#include "tests/unit/ssl_step.h"

static bool has_loss(const result *r, const char *name) {
    for (int i = 0; i < r->n; i++)
        if (strcmp(r->name[i], name) == 0) return true;
    return false;
}

/* Losses of pseudo boxes begin after the burn-in, with their weight; none is of box regression. */
static void test_losses(void) {
    const char *const s[] = {"name=unbiased_teacher", "unbiased.burn_in=2", NULL};
    bl_learner *l = make(s);
    for (int64_t t = 0; t < 4; t++) {
        result r = step_of(l, t);
        CHECK_EQ(r.n, t < 2 ? 4 : 6);
        CHECK(has_loss(&r, "unsup_rpn_cls") == (t >= 2));
        CHECK(has_loss(&r, "unsup_roi_cls") == (t >= 2));
        CHECK(!has_loss(&r, "unsup_rpn_box") && !has_loss(&r, "unsup_roi_box"));
        for (int i = 0; i < r.n; i++) CHECK_NEAR(r.weight[i], i < 4 ? 1 : 4, 0);
    }
    l->ops->destroy(l);
}

/* Labelled losses are of both views: with equal ones they are those of a batch in which every image
 * stands twice, and changing either view changes them. */
static void test_both_views(void) {
    const char *const s[] = {"name=unbiased_teacher", "unbiased.burn_in=9", NULL};
    double loss[3];
    for (int k = 0; k < 3; k++) {
        bl_learner *l = make(s);
        uint8_t *pixel = k ? &samples[0].views[k - 1].image.rgb[3 * (40 * 100 + 30)] : NULL;
        uint8_t was[120];
        if (pixel) {
            memcpy(was, pixel, sizeof was);
            memset(pixel, 255, sizeof was);
        }
        result r = step_of(l, 0);
        loss[k] = loss_of(&r, "sup_rpn_cls");
        if (pixel) memcpy(pixel, was, sizeof was);
        l->ops->destroy(l);
    }
    CHECK(loss[1] != loss[0] && loss[2] != loss[0]);
}

/* A copy during the burn-in and at its end, then an average at the full rate. */
static void test_teacher(void) {
    const char *const s[] = {"name=unbiased_teacher", "unbiased.burn_in=2", "unbiased.ema=0.9",
                             NULL};
    bl_learner *l = make(s);
    const char *name = "rpn_head.rpn_cls.weight";
    float *st = bl_f32(bl_store_find(l->model[0].store, name));
    float *te = bl_f32(bl_store_find(l->model[1].store, name));
    for (int64_t t = 0; t < 3; t++) {
        st[0] += 1;
        step_of(l, t);
        CHECK_NEAR(te[0], st[0], 0);
    }
    float was = te[0];
    st[0] += 1;
    step_of(l, 3);
    CHECK_NEAR(te[0], was + 0.1, 1e-6);
    l->ops->destroy(l);
}

/* The RPN's boxes pass the score, classification's the threshold of their class. */
static void test_thresholds(void) {
    double rpn[2], roi[2];
    for (int k = 0; k < 2; k++) {
        const char *const s[] = {"name=unbiased_teacher", "unbiased.burn_in=0",
                                 k ? "unbiased.score=0.1" : "unbiased.score=1", NULL};
        bl_learner *l = make(s);
        result r = step_of(l, 0);
        rpn[k] = loss_of(&r, "unsup_rpn_cls");
        roi[k] = loss_of(&r, "unsup_roi_cls");
        l->ops->destroy(l);
    }
    CHECK(rpn[0] != rpn[1] && roi[0] != roi[1]);
}

static void test_needs_unlabelled(void) {
    const char *const s[] = {"name=unbiased_teacher", NULL};
    bl_method_config c = method_config(arena, s);
    bl_learner_env env = {.detector = &dc, .labelled = labelled, .iterations = 10, .ctx = ctx};
    bl_learner *l;
    CHECK_FAILS(bl_learner_create(&c, &env, &l), BL_ECONFIG, "data.unlabelled");
}

int main(void) {
    open_surroundings(bl_affine_identity(), true);
    test_losses();
    test_both_views();
    test_teacher();
    test_thresholds();
    test_needs_unlabelled();
    close_surroundings();
    return 0;
}
