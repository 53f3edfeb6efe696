/* Training with 16-bit activations, on the plain C kernels: losses near those of fp32, loss scaling
 * that finds its scale, survives a checkpoint and gives up at its minimum, and runs that move
 * between precisions. */
#include "tests/class_fixture.h"

#define HALF(name)                                                                                 \
    "run.backend=ref", "run.precision=" name, "run.eval_every=0", "run.log_every=1",               \
        "images.synthetic.size=8", "images.synthetic.test=8", "batch.labelled=3",                  \
        "method.ema.keep=0", "optim.lr=0.004"

static const char *const fp32[] = {HALF("fp32"), NULL};
static const char *const bf16[] = {HALF("bf16"), NULL};
static const char *const fp16[] = {HALF("fp16"), "optim.loss_scale.initial=1024", NULL};
/* Too large a scale: the first steps overflow. It would double again after four good ones. */
static const char *const recovers[] = {HALF("fp16"),
                                       "run.max_bad_steps=0",
                                       "run.iterations=30",
                                       "optim.loss_scale.initial=1073741824",
                                       "optim.loss_scale.steps=4",
                                       NULL};
static const char *const gives_up[] = {HALF("fp16"), "run.max_bad_steps=2",
                                       "optim.loss_scale.initial=1073741824",
                                       "optim.loss_scale.minimum=536870912", NULL};

static void test_scale(void) {
    const bl_loss_scale_config c = {.initial = 64, .minimum = 24, .steps = 3};
    bl_loss_scale s = {0, 0};
    CHECK(bl_loss_scale_factor(&s) == 1);
    CHECK(!bl_loss_scale_overflow(&s, &c)); /* no scaling: nothing to halve */
    bl_loss_scale_good(&s, &c);
    CHECK(bl_loss_scale_factor(&s) == 1);
    bl_loss_scale_begin(&s, &c, true);
    CHECK(s.scale == 64 && s.good == 0);
    bl_loss_scale_good(&s, &c);
    bl_loss_scale_good(&s, &c);
    CHECK(bl_loss_scale_overflow(&s, &c)); /* counting begins anew */
    CHECK(s.scale == 32);
    CHECK(bl_loss_scale_overflow(&s, &c));
    CHECK(s.scale == 24); /* not below the minimum */
    CHECK(!bl_loss_scale_overflow(&s, &c));
    for (int i = 0; i < 3; i++) bl_loss_scale_good(&s, &c);
    CHECK(s.scale == 48 && s.good == 0);
    bl_loss_scale_begin(&s, &c, true);
    CHECK(s.scale == 48); /* a checkpoint's */
    for (int i = 0; i < 300; i++) bl_loss_scale_good(&s, &c);
    CHECK(s.scale <= 0x1p31);
    bl_loss_scale_begin(&s, &c, false);
    CHECK(s.scale == 0);
}

/* The numbers behind a key of the training lines; returns how many. */
static int numbers(const char *run, const char *key, double *v, int max) {
    char *text = read_text(in(run), "metrics.jsonl"), find[64];
    int n = 0;
    snprintf(find, sizeof find, "\"%s\": ", key);
    for (char *at = text; (at = strstr(at, find)); n++) {
        CHECK(n < max);
        v[n] = strtod(at += strlen(find), NULL);
    }
    free(text);
    return n;
}

static void run(const char *name, const char *const *settings) {
    bl_arena *arena = bl_arena_create(0);
    bl_run_config c = config(arena, settings);
    CHECK_OK(train(&c, in(name), false, 0));
    bl_arena_destroy(arena);
}

/* 14 steps from one beginning: the first differ by what the format rounds, the last by what became
 * of that. */
static void test_curves(void) {
    double a[16], b[16];
    run("fp32", fp32);
    run("bf16", bf16);
    run("fp16", fp16);
    CHECK_EQ(numbers("fp32", "loss", a, 16), 14);
    for (int k = 0; k < 2; k++) {
        double first = 0, worst = 0;
        CHECK_EQ(numbers(k ? "fp16" : "bf16", "loss", b, 16), 14);
        for (int i = 0; i < 14; i++) {
            double off = fabs(b[i] - a[i]) / a[i];
            if (i < 2) first = fmax(first, off);
            worst = fmax(worst, off);
        }
        printf("%s: losses within %.2g, then %.2g of fp32\n", k ? "fp16" : "bf16", first, worst);
        CHECK(first > 0 && first < (k ? 0x1p-10 : 0x1p-7) && worst < 0.05);
    }
    CHECK_EQ(numbers("fp32", "loss_scale", b, 16), 0);
    CHECK_EQ(numbers("bf16", "loss_scale", b, 16), 0);
    CHECK_EQ(numbers("fp16", "loss_scale", b, 16), 14);
    for (int i = 0; i < 14; i++) CHECK(b[i] == 1024);
    /* The norm is told without the scale. */
    CHECK_EQ(numbers("fp32", "grad_norm", a, 16), 14);
    CHECK_EQ(numbers("fp16", "grad_norm", b, 16), 14);
    CHECK_NEAR(b[0], a[0], 0.02 * a[0]);
}

static void test_recovery(void) {
    double scale[32], norm[32];
    run("recovers", recovers);
    CHECK_EQ(numbers("recovers", "loss_scale", scale, 32), 30);
    CHECK_EQ(numbers("recovers", "grad_norm", norm, 32), 30);
    int halved = 0, doubled = 0;
    for (int i = 0; i < 30; i++) {
        double before = i ? scale[i - 1] : 1073741824;
        halved += scale[i] == before / 2;
        doubled += scale[i] == before * 2;
        CHECK(scale[i] == before || scale[i] == before / 2 || scale[i] == before * 2);
        CHECK_EQ(norm[i] == 0, scale[i] == before / 2); /* such a step was left out */
    }
    printf("halved %d times, doubled %d times\n", halved, doubled);
    CHECK(scale[0] == 536870912 && halved > 2 && doubled > 1);
    char *log = read_text(in("recovers"), "log.txt");
    CHECK_EQ(count_of(log, "a gradient overflows fp16"), halved);
    free(log);

    bl_arena *arena = bl_arena_create(0);
    bl_run_config c = config(arena, gives_up);
    CHECK_FAILS(train(&c, in("gives_up"), false, 0), BL_ENUMERIC, "not finite, 3 steps in a row");
    bl_arena_destroy(arena);
}

static bool has_scale(const char *run, int64_t iter) {
    char *path = bl_checkpoint_path(in(run), iter);
    bl_st_file *f;
    CHECK_OK(bl_st_open(path, &f));
    bool has = bl_st_find(f, "state.loss_scale") != NULL;
    bl_st_close(f);
    free(path);
    return has;
}

/* In three pieces as in one, the scale included; then on in another precision, and back. */
static void test_resume(void) {
    check_resume("whole", fp16);
    CHECK(has_scale("whole", 14));
    bl_arena *arena = bl_arena_create(0);
    bl_run_config half = config(arena, recovers), full = half;
    full.run.precision = BL_PRECISION_FP32;
    CHECK_OK(train(&half, in("moves"), false, 10));
    CHECK(has_scale("moves", 10));
    CHECK_OK(train(&full, in("moves"), true, 20));
    CHECK(!has_scale("moves", 20));
    CHECK_OK(train(&half, in("moves"), true, 0));
    CHECK(has_scale("moves", 30));
    char *log = read_text(in("moves"), "log.txt");
    CHECK_EQ(count_of(log, "kernels ref, precision fp16"), 2);
    CHECK_EQ(count_of(log, "kernels ref, precision fp32"), 1);
    free(log);
    bl_arena_destroy(arena);
}

/* The CPU's own kernels are fp32. */
static void test_refusal(void) {
    bl_arena *arena = bl_arena_create(0);
    const char *const cpu[] = {"run.device=cpu", "run.precision=bf16", NULL};
    bl_run_config c = config(arena, cpu);
    CHECK_FAILS(train(&c, in("refused"), false, 0), BL_EUNSUPPORTED,
                "precision \"bf16\" needs a CUDA device");
    bl_arena_destroy(arena);
}

int main(void) {
    bl_log_set_level(BL_LOG_ERROR);
    root = scratch_folder();
    test_scale();
    test_refusal();
    bl_log_set_level(BL_LOG_INFO); /* a run's log.txt holds what the console shows */
    test_curves();
    test_recovery();
    test_resume();
    remove_tree(root);
    return 0;
}
