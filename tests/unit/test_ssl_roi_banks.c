/* The memories of the classification methods on RoI features: they are vectors like any others. A
 * small detector trains on coloured rectangles for a few steps; its RoI-head features fill SeMi's
 * bank, DASO's queues and BaCon's bank; prototypes recognise objects in new images, and the
 * contrastive loss trains the detector through its features. */
#include "balance/contrast.h"
#include "balance/image_bank.h"
#include "balance/memory_bank.h"
#include "balance/prototypes.h"
#include "balance/reliable_negatives.h"
#include "balance/simplex.h"
#include "core/parallel.h"
#include "tests/detector_fixture.h"

enum { K = 3, IMAGES = 2, PER_IMAGE = 4, N = IMAGES * PER_IMAGE, SIDE = 64, DIM = 32 };

/* Four objects an image, one a quarter, so that none overlap; classes by the batch. */
typedef struct scene {
    bl_box box[N];
    int32_t label[N], image[N];
    bl_boxes boxes[IMAGES];
} scene;

static void make_scene(scene *s, int step) {
    bl_rng rng = bl_rng_make(11, (uint64_t)step);
    for (int i = 0; i < N; i++) {
        float x = (float)(i % 2) * SIDE / 2, y = (float)(i / 2 % 2) * SIDE / 2;
        float side = bl_rng_range(&rng, 16, 26);
        s->box[i] = (bl_box){x + 4, y + 4, x + 4 + side, y + 4 + side};
        s->label[i] = (int32_t)bl_rng_below(&rng, K);
        s->image[i] = i / PER_IMAGE;
    }
    for (int i = 0; i < IMAGES; i++) {
        s->boxes[i] = (bl_boxes){
            .n = PER_IMAGE, .box = s->box + i * PER_IMAGE, .label = s->label + i * PER_IMAGE};
    }
}

/* Features and class logits of the scene's objects; call between bl_step_begin and bl_step_end. */
static bl_roi_out forward(fixture *f, const scene *s, int step) {
    bl_pyramid p;
    bl_roi_out out;
    bl_tensor *images = draw_images(f->ctx, s->boxes, IMAGES, SIDE, SIDE, (uint64_t)(100 + step));
    CHECK_OK(bl_detector_extract(f->ctx, f->det, true, images, &p));
    CHECK_OK(bl_roi_forward(f->ctx, f->det, &p, s->box, s->image, N, &out));
    CHECK_EQ(out.feature->c, DIM);
    return out;
}

static void host_rows(fixture *f, const bl_roi_out *r, float *feature, double *p) {
    float logits[N * (K + 1)];
    CHECK_OK(bl_tensor_to_host(f->ctx, r->feature, feature));
    CHECK_OK(bl_tensor_to_host(f->ctx, r->logits, logits));
    bl_softmax_rows(logits, N, K + 1, NULL, 1, p); /* background is the last class */
}

static void sgd(fixture *f, float lr) {
    CHECK_OK(bl_store_sgd(f->store, f->ctx, &(bl_sgd){.lr = lr, .momentum = 0.9f, .clip_norm = 5},
                          NULL));
}

static void train(fixture *f, int steps) {
    for (int t = 0; t < steps; t++) {
        scene s;
        bl_tensor *loss;
        const float one = 1;
        make_scene(&s, t);
        bl_step_begin(f->ctx, true);
        bl_roi_out r = forward(f, &s, t);
        CHECK_OK(bl_softmax_loss(f->ctx, r.logits, s.label, NULL, 0, 1.0f / N, &loss));
        CHECK_OK(bl_backward(f->ctx, &loss, &one, 1));
        bl_step_end(f->ctx);
        sgd(f, 0.02f);
    }
}

static void test_prototypes(fixture *f) {
    bl_memory_bank *queue, *bank;
    bl_bank_config fifo = {K, 16, DIM, BL_BANK_FIFO, false};
    bl_bank_config best = {K, 4, DIM, BL_BANK_CONFIDENCE, false};
    CHECK_OK(bl_bank_create(&fifo, &queue));
    CHECK_OK(bl_bank_create(&best, &bank));
    float feature[N * DIM], prototypes[2][K * DIM];
    double p[N * (K + 1)], top[N];
    int32_t guess[N];
    for (int t = 0; t < 6; t++) {
        scene s;
        make_scene(&s, 1000 + t);
        bl_step_begin(f->ctx, false);
        bl_roi_out r = forward(f, &s, t);
        host_rows(f, &r, feature, p);
        bl_step_end(f->ctx);
        uint8_t object[N]; /* pseudo-labels: background teaches no class */
        bl_argmax_rows(p, N, K + 1, guess, top);
        for (int i = 0; i < N; i++) object[i] = guess[i] < K;
        CHECK_OK(bl_bank_push(queue, feature, s.label, NULL, NULL, N, NULL));
        CHECK_OK(bl_bank_push(bank, feature, guess, top, object, N, NULL));
        bl_bank_decay(bank, 0.99);
    }
    uint8_t present[K];
    CHECK_EQ(bl_bank_prototypes(queue, prototypes[0], present), K);
    CHECK_EQ(bl_bank_prototypes(bank, prototypes[1], present), K);
    int right[2] = {0}, total = 0;
    for (int t = 0; t < 6; t++) {
        scene s;
        make_scene(&s, 2000 + t);
        bl_step_begin(f->ctx, false);
        bl_roi_out r = forward(f, &s, 50 + t);
        host_rows(f, &r, feature, p);
        bl_step_end(f->ctx);
        for (int b = 0; b < 2; b++) {
            double q[N * K];
            bl_semantic_rows(b ? BL_SIMILARITY_DISTANCE : BL_SIMILARITY_COSINE, feature, N, DIM,
                             prototypes[b], NULL, K, 0.1, q);
            bl_argmax_rows(q, N, K, guess, NULL);
            for (int i = 0; i < N; i++) right[b] += guess[i] == s.label[i];
        }
        total += N;
    }
    CHECK(right[0] >= total * 9 / 10); /* a third would be chance */
    CHECK(right[1] >= total * 9 / 10);
    bl_bank_destroy(queue);
    bl_bank_destroy(bank);
}

/* BaCon's bank with a row an object; its loss through the RoI features, which must fall. */
static void test_contrast(fixture *f) {
    enum { SCENES = 4 };
    bl_image_bank *bank;
    CHECK_OK(bl_image_bank_create((int64_t)SCENES * N, K, DIM, &bank));
    double first = 0, last = 0;
    for (int t = 0; t < 24; t++) {
        scene s;
        float feature[N * DIM], centre[K * DIM], gradient[N * DIM];
        double p[N * (K + 1)], weight[N], tau[K], value;
        uint8_t all[N], present[K], negative[K * N];
        int64_t row[N];
        make_scene(&s, 3000 + t % SCENES);
        for (int i = 0; i < N; i++) {
            row[i] = t % SCENES * N + i;
            all[i] = 1;
            weight[i] = 1;
        }
        bl_step_begin(f->ctx, true);
        bl_roi_out r = forward(f, &s, t % SCENES);
        host_rows(f, &r, feature, p);
        bl_image_bank_centres(bank, centre, present);
        CHECK_OK(bl_reliable_negatives(s.label, NULL, N, K, 1, negative));
        bl_balanced_temperatures(bl_image_bank_counts(bank), K, 0.1, 0.005, 0, tau);
        bl_contrast spec = {N, DIM, K, s.label, weight, negative, centre, present, tau, 0.1, 64};
        CHECK_OK(bl_contrast_loss(&spec, feature, &value, gradient));
        if (t >= SCENES) { /* every class has a centre by then */
            bl_tensor *loss;
            const float *gradients[] = {gradient};
            const float one = 1;
            CHECK(value > 0);
            CHECK_OK(bl_given_loss(f->ctx, &r.feature, gradients, 1, value, &loss));
            CHECK_OK(bl_backward(f->ctx, &loss, &one, 1));
            if (t < 2 * SCENES) first += value;
            if (t >= 24 - SCENES) last += value;
        }
        bl_step_end(f->ctx);
        if (t >= SCENES) sgd(f, 0.01f);
        CHECK_OK(bl_image_bank_write(bank, row, N, s.label, all, feature, all));
    }
    CHECK(last < 0.9 * first);
    bl_image_bank_destroy(bank);
}

int main(void) {
    bl_set_threads(1); /* far too little work to share */
    fixture f = fixture_make("auto", NULL, "gn", K, 5);
    train(&f, 16);
    test_prototypes(&f);
    test_contrast(&f);
    fixture_free(&f);
    return 0;
}
