/* Matching: thresholds, low-quality rules, ignore regions, and the whole against
 * a plain reference. */
#include "core/parallel.h"
#include "core/rng.h"
#include "detector/boxes.h"
#include "kernels/kernels.h"
#include "tests/check.h"

static bl_ctx *ctx;

static const bl_match_rule rpn_rule = {0.7f, 0.3f, 0.3f, BL_LOWQ_RELABEL, 0.5f};

static void match(const bl_box *b, int64_t n, const bl_boxes *gt, const bl_match_rule *rule,
                  const uint8_t *valid, int32_t *out) {
    bl_candidates c = {.n = n, .shared = true};
    bl_box_lists truth;
    bl_tensor *match;
    bl_step_begin(ctx, false);
    CHECK_OK(bl_upload(ctx, BL_F32, n, 4, b, &c.box));
    if (valid) CHECK_OK(bl_upload(ctx, BL_U8, n, 1, valid, &c.valid));
    CHECK_OK(bl_boxes_upload(ctx, gt, 1, &truth));
    CHECK_OK(bl_list_match(ctx, &c, &truth, rule, &match));
    if (n > 0) CHECK_OK(bl_download(ctx, match, out));
    bl_step_end(ctx);
}

static void test_thresholds(void) {
    bl_box g = {0, 0, 10, 10};
    bl_boxes gt = {.n = 1, .box = &g};
    /* IoU 1, .7, .5, .2, 0 */
    bl_box b[] = {{0, 0, 10, 10}, {0, 0, 10, 7}, {0, 0, 10, 5}, {0, 0, 10, 2}, {20, 20, 30, 30}};
    int32_t m[5];
    match(b, 5, &gt, &rpn_rule, NULL, m);
    CHECK_EQ(m[0], 0);
    CHECK_EQ(m[1], 0);
    CHECK_EQ(m[2], BL_MATCH_IGNORE);
    CHECK_EQ(m[3], BL_MATCH_NEGATIVE);
    CHECK_EQ(m[4], BL_MATCH_NEGATIVE);
    /* RoI rule: one threshold, nothing in between. */
    bl_match_rule roi = {0.5f, 0.5f, 0, BL_LOWQ_NONE, 0.5f};
    match(b, 5, &gt, &roi, NULL, m);
    CHECK_EQ(m[2], 0);
    CHECK_EQ(m[3], BL_MATCH_NEGATIVE);
}

static void test_low_quality(void) {
    bl_box g[] = {{0, 0, 10, 10}, {100, 0, 110, 10}, {200, 0, 210, 10}};
    bl_boxes gt = {.n = 3, .box = g};
    /* best of gt 0: .4 twice (tie); best of gt 1: .2, under the minimum; gt 2: untouched */
    bl_box b[] = {{0, 0, 10, 4}, {0, 6, 10, 10}, {0, 0, 10, 3.5f}, {100, 0, 110, 2}};
    int32_t m[4];
    match(b, 4, &gt, &rpn_rule, NULL, m);
    CHECK_EQ(m[0], 0);
    CHECK_EQ(m[1], 0);
    CHECK_EQ(m[2], BL_MATCH_IGNORE);
    CHECK_EQ(m[3], BL_MATCH_NEGATIVE);
    /* Without the minimum gt 1 gets its best box, too. */
    bl_match_rule all = rpn_rule;
    all.min_pos_iou = 0;
    all.low_quality = BL_LOWQ_KEEP;
    match(b, 4, &gt, &all, NULL, m);
    CHECK_EQ(m[3], 1);
    CHECK_EQ(m[2], BL_MATCH_IGNORE);
    all.low_quality = BL_LOWQ_NONE;
    match(b, 4, &gt, &all, NULL, m);
    CHECK_EQ(m[0], BL_MATCH_IGNORE);
}

/* One anchor is the best of three boxes: re-labelling gives it to the last, keeping to its own
 * best. */
static void test_later_box_wins(void) {
    bl_box g[] = {{0, 0, 10, 9}, {0, 0, 10, 5}, {0, 0, 10, 8}};
    bl_boxes gt = {.n = 3, .box = g};
    bl_box b = {0, 0, 10, 10};
    int32_t m;
    match(&b, 1, &gt, &rpn_rule, NULL, &m);
    CHECK_EQ(m, 2);
    bl_match_rule keep = rpn_rule;
    keep.low_quality = BL_LOWQ_KEEP;
    match(&b, 1, &gt, &keep, NULL, &m);
    CHECK_EQ(m, 0);
    /* Equal boxes: the first is the best, the last re-labels. */
    g[1] = g[2] = g[0];
    keep.low_quality = BL_LOWQ_NONE;
    match(&b, 1, &gt, &keep, NULL, &m);
    CHECK_EQ(m, 0);
    match(&b, 1, &gt, &rpn_rule, NULL, &m);
    CHECK_EQ(m, 2);
}

static void test_ignore(void) {
    bl_box g[] = {{0, 0, 100, 100}, {0, 0, 10, 10}};
    uint8_t ignore[] = {1, 0};
    bl_boxes gt = {.n = 2, .box = g, .ignore = ignore};
    /* inside; half inside (IoF .5); less than half; outside */
    bl_box b[] = {{50, 50, 60, 60}, {95, 50, 105, 60}, {96, 50, 106, 60}, {200, 200, 210, 210}};
    int32_t m[4];
    match(b, 4, &gt, &rpn_rule, NULL, m);
    CHECK_EQ(m[0], BL_MATCH_IGNORE);
    CHECK_EQ(m[1], BL_MATCH_IGNORE);
    CHECK_EQ(m[2], BL_MATCH_NEGATIVE);
    CHECK_EQ(m[3], BL_MATCH_NEGATIVE);
    /* Not even an object inside the region is matched, and the region is no object. */
    bl_box c[] = {{0, 0, 10, 10}, {0, 0, 100, 100}};
    match(c, 2, &gt, &rpn_rule, NULL, m);
    CHECK_EQ(m[0], BL_MATCH_IGNORE);
    CHECK_EQ(m[1], BL_MATCH_IGNORE);
    uint8_t valid[] = {1, 0, 1, 1};
    gt.ignore = NULL;
    match(b, 4, &gt, &rpn_rule, valid, m);
    CHECK_EQ(m[1], BL_MATCH_IGNORE);
    CHECK_EQ(m[3], BL_MATCH_NEGATIVE);
}

static void test_empty(void) {
    bl_boxes none = {0};
    bl_box b[3] = {{0, 0, 1, 1}, {0, 0, 5, 5}, {3, 3, 3, 3}};
    int32_t m[3];
    match(b, 3, &none, &rpn_rule, NULL, m);
    for (int i = 0; i < 3; i++) CHECK_EQ(m[i], BL_MATCH_NEGATIVE);
    match(NULL, 0, &none, &rpn_rule, NULL, NULL);
    bl_box flat = {1, 1, 4, 1};
    bl_boxes gt = {.n = 1, .box = &flat};
    match(b, 3, &gt, &rpn_rule, NULL, m);
    for (int i = 0; i < 3; i++) CHECK_EQ(m[i], BL_MATCH_NEGATIVE);
}

/* The textbook algorithm over the full IoU matrix. */
static void reference(const bl_box *b, int n, const bl_boxes *gt, const bl_match_rule *r,
                      int32_t *out) {
    float *iou = calloc((size_t)(n * gt->n + 1), sizeof *iou);
    for (int i = 0; i < n; i++) {
        bool skip = false;
        for (int g = 0; g < gt->n; g++) {
            float w = fminf(b[i].x2, gt->box[g].x2) - fmaxf(b[i].x1, gt->box[g].x1);
            float h = fminf(b[i].y2, gt->box[g].y2) - fmaxf(b[i].y1, gt->box[g].y1);
            float in = fmaxf(w, 0) * fmaxf(h, 0), area = bl_box_area(b[i]);
            if (gt->ignore[g])
                skip |= in > 0 && in >= r->ignore_iof * area;
            else
                iou[g * n + i] = in / fmaxf(area + bl_box_area(gt->box[g]) - in, 1e-6f);
        }
        for (int g = 0; skip && g < gt->n; g++) iou[g * n + i] = -1;
        float best = skip ? -1 : 0;
        int who = -1;
        for (int g = 0; g < gt->n; g++)
            if (iou[g * n + i] > best) {
                best = iou[g * n + i];
                who = g;
            }
        out[i] = best < 0             ? BL_MATCH_IGNORE
                 : best >= r->pos_iou ? who
                 : best < r->neg_iou  ? BL_MATCH_NEGATIVE
                                      : BL_MATCH_IGNORE;
    }
    for (int g = 0; g < gt->n; g++) {
        float top = 0;
        for (int i = 0; i < n; i++) top = fmaxf(top, iou[g * n + i]);
        if (gt->ignore[g] || top <= 0 || top < r->min_pos_iou) continue;
        for (int i = 0; i < n; i++)
            if (iou[g * n + i] == top) out[i] = g;
    }
    free(iou);
}

static void test_random(void) {
    enum { N = 3000, G = 12, ROUNDS = 6 };
    static bl_box b[N];
    static int32_t want[N], got[N], again[N];
    bl_box g[G];
    uint8_t ignore[G];
    int64_t kinds[3] = {0};
    for (int round = 0; round < ROUNDS; round++) {
        bl_rng r = bl_rng_make(11, (uint64_t)round);
        bl_boxes gt = {.n = G, .box = g, .ignore = ignore};
        for (int i = 0; i < G; i++) {
            float x = (float)bl_rng_below(&r, 200), y = (float)bl_rng_below(&r, 200);
            g[i] = (bl_box){x, y, x + 8 + (float)bl_rng_below(&r, 60),
                            y + 8 + (float)bl_rng_below(&r, 60)};
            ignore[i] = i % 6 == 5;
        }
        for (int i = 0; i < N; i++) { /* on a grid of integers, so that ties happen */
            float x = 4 * (float)bl_rng_below(&r, 60), y = (float)(i / 50) * 4;
            float s = (float)(8 << bl_rng_below(&r, 3));
            b[i] = (bl_box){x, y, x + s, y + s};
        }
        reference(b, N, &gt, &rpn_rule, want);
        bl_set_threads(1);
        match(b, N, &gt, &rpn_rule, NULL, got);
        bl_set_threads(2);
        match(b, N, &gt, &rpn_rule, NULL, again);
        for (int i = 0; i < N; i++) {
            CHECK_EQ(got[i], want[i]);
            CHECK_EQ(again[i], want[i]);
            kinds[want[i] >= 0 ? 2 : want[i] + 2]++;
        }
    }
    for (int k = 0; k < 3; k++) CHECK(kinds[k] > ROUNDS); /* the input exercised every outcome */
}

/* A box stands for itself, even inside an ignore region or beside an identical box. */
static void test_own(void) {
    bl_box g[] = {{0, 0, 10, 10}, {0, 0, 10, 10}, {3, 3, 3, 9}, {0, 0, 50, 50}};
    uint8_t ignore[] = {0, 0, 0, 1}, valid[] = {1, 1, 1, 1, 1, 1};
    bl_boxes gt = {.n = 4, .box = g, .ignore = ignore};
    bl_box b[6] = {g[0], g[1], g[2], g[3], {100, 100, 110, 110}, {1, 0, 11, 10}};
    const int32_t want[] = {
        0, 1, BL_MATCH_IGNORE, BL_MATCH_IGNORE, BL_MATCH_NEGATIVE, BL_MATCH_IGNORE};
    int32_t got[6];
    bl_candidates c = {.n = 6, .own = 4};
    bl_box_lists truth;
    bl_tensor *match;
    bl_match_rule roi = {0.5f, 0.5f, 0, BL_LOWQ_NONE, 0.5f};
    bl_step_begin(ctx, false);
    CHECK_OK(bl_upload(ctx, BL_F32, 6, 4, b, &c.box));
    CHECK_OK(bl_upload(ctx, BL_U8, 6, 1, valid, &c.valid));
    CHECK_OK(bl_boxes_upload(ctx, &gt, 1, &truth));
    CHECK_OK(bl_list_match(ctx, &c, &truth, &roi, &match));
    CHECK_OK(bl_download(ctx, match, got));
    for (int i = 0; i < 6; i++) CHECK_EQ(got[i], want[i]);
    bl_step_end(ctx);
}

int main(void) {
    CHECK_OK(bl_ctx_create(&(bl_ctx_options){.device = "cpu"}, &ctx));
    test_thresholds();
    test_low_quality();
    test_later_box_wins();
    test_ignore();
    test_empty();
    test_own();
    test_random();
    bl_ctx_destroy(ctx);
    return 0;
}
