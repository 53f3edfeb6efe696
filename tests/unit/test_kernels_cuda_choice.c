/* Which convolution engine the CUDA backend takes, tried on made-up engines; and the names of
 * problems. No device, no library. */
#include "kernels/cuda/conv_choice.h"
#include "tests/check.h"

typedef struct fake {
    bl_conv_candidate c;
    int64_t workspace;
    double ms;         /* negative: fails when it runs */
    bool broken;       /* cannot be made ready */
    int prepared, ran; /* how often */
} fake;

typedef struct bench {
    fake f[BL_CONV_CANDIDATES + 1];
    int n;
} bench;

static bl_status prepare(void *arg, int i, int64_t *workspace) {
    fake *f = &((bench *)arg)->f[i];
    f->prepared++;
    CHECK_EQ(f->prepared, 1);
    *workspace = f->workspace;
    return f->broken ? bl_fail(BL_EUNSUPPORTED, "engine %s is broken", f->c.name) : BL_OK;
}

static bl_status run(void *arg, int i, double *ms) {
    fake *f = &((bench *)arg)->f[i];
    f->ran++;
    CHECK(f->prepared == 1 && !f->broken);
    *ms = f->ms;
    return f->ms < 0 ? bl_fail(BL_EBACKEND, "engine %s crashed", f->c.name) : BL_OK;
}

static fake *add(bench *b, uint32_t notes, int64_t workspace, double ms) {
    fake *f = &b->f[b->n];
    *f = (fake){.c.notes = notes, .workspace = workspace, .ms = ms};
    snprintf(f->c.name, sizeof f->c.name, "e%d", b->n++);
    return f;
}

static bl_status choose(bench *b, bl_conv_rule rule, bl_conv_verdict *v) {
    bl_conv_candidate list[BL_CONV_CANDIDATES + 1];
    bl_conv_trial trial = {b, prepare, run};
    for (int i = 0; i < b->n; i++) list[i] = b->f[i].c;
    *v = (bl_conv_verdict){.pick = -1};
    return bl_conv_choose(list, b->n, &rule, &trial, v);
}

static const bl_conv_rule timing = {BL_CUDA_FP32, false, NULL, BL_CONV_WORKSPACE},
                          fixed = {BL_CUDA_FP32, true, NULL, BL_CONV_WORKSPACE};

static void arithmetic(void) {
    static const struct {
        uint32_t note;
        bool fp32, tf32, bf16, fixed_tf32;
    } row[] = {{0, true, true, true, true},
               {BL_NOTE_TENSOR_CORE, false, true, true, true},
               {BL_NOTE_ROUNDS_INPUTS, false, false, true, false},
               {BL_NOTE_NARROW_SUMS, false, false, false, false},
               {BL_NOTE_FFT, false, true, true, true},
               {BL_NOTE_BIG_WINOGRAD, false, true, true, true},
               {BL_NOTE_NONDETERMINISTIC, true, true, true, false},
               {BL_NOTE_TENSOR_CORE | BL_NOTE_NARROW_SUMS, false, false, false, false}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        bl_conv_rule tf32 = {BL_CUDA_TF32, false, NULL, BL_CONV_WORKSPACE},
                     bf16 = {BL_CUDA_BF16, false, NULL, BL_CONV_WORKSPACE};
        bl_conv_rule same = {BL_CUDA_TF32, true, NULL, BL_CONV_WORKSPACE};
        CHECK(bl_conv_allowed(&timing, row[i].note) == row[i].fp32);
        CHECK(bl_conv_allowed(&tf32, row[i].note) == row[i].tf32);
        CHECK(bl_conv_allowed(&bf16, row[i].note) == row[i].bf16);
        CHECK(bl_conv_allowed(&same, row[i].note) == row[i].fixed_tf32);
    }
}

/* The fastest of the first few that are allowed, ready and modest. */
static void by_timing(void) {
    bench b = {.n = 0};
    bl_conv_verdict v;
    add(&b, BL_NOTE_TENSOR_CORE, 0, 0.1); /* not strict fp32 */
    add(&b, 0, 0, 3);
    add(&b, 0, BL_CONV_WORKSPACE + 1, 0.5);    /* greedy */
    add(&b, BL_NOTE_NONDETERMINISTIC, 100, 1); /* the winner */
    add(&b, 0, 0, 0.2)->broken = true;
    add(&b, 0, 0, -1); /* crashes */
    add(&b, 0, 0, 1);  /* no faster: the earlier one stays */
    CHECK_OK(choose(&b, timing, &v));
    CHECK_EQ(v.pick, 3);
    CHECK_EQ(v.workspace, 100);
    CHECK(v.timed && v.ms == 1);
    CHECK(b.f[0].prepared == 0 && b.f[2].ran == 0 && b.f[4].ran == 0 && b.f[5].ran == 1);

    bench many = {.n = 0};
    for (int i = 0; i <= BL_CONV_CANDIDATES; i++) add(&many, 0, 0, 100 - i);
    CHECK_OK(choose(&many, timing, &v));
    CHECK_EQ(v.pick, BL_CONV_TIMED - 1);
    for (int i = 0; i < many.n; i++) CHECK_EQ(many.f[i].ran, i < BL_CONV_TIMED);
}

/* The first in the library's order, nothing run, nothing prepared in vain. */
static void by_rule(void) {
    bench b = {.n = 0};
    bl_conv_verdict v;
    add(&b, BL_NOTE_NONDETERMINISTIC, 0, 1);
    add(&b, 0, 0, 1)->broken = true;
    add(&b, 0, 2 * BL_CONV_WORKSPACE, 1);
    add(&b, 0, 7, 9);
    add(&b, 0, 0, 1);
    bl_conv_rule rule = fixed;
    rule.tuned = "e4"; /* came from a timing */
    CHECK_OK(choose(&b, rule, &v));
    CHECK_EQ(v.pick, 3);
    CHECK(!v.timed && v.ms == 0 && v.workspace == 7);
    CHECK(b.f[0].prepared == 0 && b.f[4].prepared == 0);
    for (int i = 0; i < b.n; i++) CHECK_EQ(b.f[i].ran, 0);
}

static void by_tuning_file(void) {
    bl_conv_verdict v;
    static const struct {
        const char *tuned;
        int pick;
        bool timed;
    } row[] = {{"e2", 2, false}, /* as told, nothing timed */
               {"e0", 1, true},  /* not allowed any more */
               {"e3", 1, true},  /* broken meanwhile */
               {"e99", 1, true}, /* another library's */
               {NULL, 1, true}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        bench b = {.n = 0};
        add(&b, BL_NOTE_TENSOR_CORE, 0, 0.1);
        add(&b, 0, 0, 1);
        add(&b, 0, 0, 2);
        add(&b, 0, 0, 0.5)->broken = true;
        bl_conv_rule rule = timing;
        rule.tuned = row[i].tuned;
        CHECK_OK(choose(&b, rule, &v));
        CHECK_EQ(v.pick, row[i].pick);
        CHECK(v.timed == row[i].timed);
        CHECK_EQ(b.f[1].ran, row[i].timed);
    }
}

/* When everything modest is out, the smallest of the greedy. */
static void last_resort(void) {
    const bl_conv_rule rules[] = {timing, fixed};
    for (int i = 0; i < 2; i++) {
        bench b = {.n = 0};
        bl_conv_verdict v;
        add(&b, 0, 0, -1)->broken = i == 1; /* crashes when timed */
        add(&b, 0, 3 * BL_CONV_WORKSPACE, 1);
        add(&b, 0, 2 * BL_CONV_WORKSPACE, 1);
        add(&b, 0, 4 * BL_CONV_WORKSPACE, 1);
        CHECK_OK(choose(&b, rules[i], &v));
        CHECK_EQ(v.pick, 2);
        CHECK(!v.timed && v.workspace == 2 * BL_CONV_WORKSPACE);
    }
}

static void nothing_fits(void) {
    bench b = {.n = 0};
    bl_conv_verdict v;
    CHECK_FAILS(choose(&b, timing, &v), BL_EUNSUPPORTED, "no engine of 0 fits");
    add(&b, BL_NOTE_TENSOR_CORE, 0, 1);
    CHECK_FAILS(choose(&b, fixed, &v), BL_EUNSUPPORTED, "none computes in this mode");
    add(&b, 0, 0, 1)->broken = true;
    CHECK_FAILS(choose(&b, timing, &v), BL_EUNSUPPORTED, "engine e1 is broken");
    b.f[1].broken = false;
    b.f[1].prepared = 0;
    b.f[1].ms = -1;
    CHECK_FAILS(choose(&b, timing, &v), BL_EUNSUPPORTED, "engine e1 crashed");
}

static void keys(void) {
    bl_conv_shape s = {.n = 2,
                       .ic = 64,
                       .ih = 56,
                       .iw = 40,
                       .icb = 1,
                       .oc = 32,
                       .oh = 28,
                       .ow = 20,
                       .ocb = 32,
                       .kh = 3,
                       .kw = 1,
                       .stride = 2,
                       .pad = 1,
                       .dilation = 4};
    char text[160];
    bl_conv_key key = bl_conv_key_of(&s, BL_CUDA_FWD, BL_CUDA_BIAS | BL_CUDA_RELU, BL_CUDA_TF32);
    bl_conv_key_text(&key, text, sizeof text);
    CHECK_STR(text, "fwd 2x64x56x40 -> 32 3x1/2 p1 d4 bias relu tf32");
    CHECK(bl_conv_key_flop(&key) == 2.0 * 2 * 32 * 28 * 20 * 64 * 3);
    bl_conv_key other = bl_conv_key_of(&s, BL_CUDA_BWD_WEIGHTS, 0, BL_CUDA_FP32);
    bl_conv_key_text(&other, text, sizeof text);
    CHECK_STR(text, "bwd_weights 2x64x56x40 -> 32 3x1/2 p1 d4 fp32");
    s.icb = 64; /* the layout is no part of the key */
    bl_conv_key same = bl_conv_key_of(&s, BL_CUDA_BWD_WEIGHTS, 0, BL_CUDA_FP32);
    CHECK(memcmp(&other, &same, sizeof same) == 0);

    CHECK(bl_cuda_math_of(BL_PRECISION_FP32) == BL_CUDA_FP32);
    CHECK(bl_cuda_math_of(BL_PRECISION_TF32) == BL_CUDA_TF32);
}

static void workspace(void) {
    CHECK(bl_conv_workspace((size_t)8 << 30) == (int64_t)1 << 30); /* at least 1 GiB */
    CHECK(bl_conv_workspace((size_t)64 << 30) == (int64_t)4 << 30);
    for (int roomy = 0; roomy < 2; roomy++) {
        bench b = {.n = 0};
        bl_conv_verdict v;
        bl_conv_rule rule = fixed;
        if (roomy) rule.workspace = 2 * BL_CONV_WORKSPACE;
        add(&b, 0, 2 * BL_CONV_WORKSPACE, 1);
        add(&b, 0, 0, 2);
        CHECK_OK(choose(&b, rule, &v));
        CHECK_EQ(v.pick, roomy ? 0 : 1);
    }
}

int main(void) {
    workspace();
    arithmetic();
    by_timing();
    by_rule();
    by_tuning_file();
    last_resort();
    nothing_fits();
    keys();
    return 0;
}
