/* Classification runs end to end on a tiny generated set: what a run folder holds, resuming bit by
 * bit for every kind of state, self-training and classifier re-training from another run, and
 * refusals. */
#include "tests/class_fixture.h"

static const char *const supervised[] = {"method.supervised.loss=ldam",
                                         "method.supervised.reweight_from=6",
                                         "method.supervised.resample_from=5", NULL};
static const char *const fixmatch[] = {
    "method.name=fixmatch",       "method.plugins=[\"la\", \"da\", \"gb\"]",
    "method.fixmatch.tau=0.2",    "method.fixmatch.strong=2",
    "method.gb.gbr.enabled=true", "method.gb.gbr.warmup=2",
    "method.gb.gbt.mode=code",    "method.gb.gbt.warmup=2",
    "method.gb.gbt.lower=0.1",    "method.gb.base=0.3",
    "run.features=true",          NULL};
static const char *const adam[] = {
    "method.name=fixmatch", "method.fixmatch.tau=0.2", "method.fixmatch.forward=weak_apart",
    "optim.kind=adam",      "optim.lr=0.002",          "optim.shrink=0.02",
    "optim.weight_decay=0", "method.ema.buffers=copy", NULL};

/* Every plug-in with banks, queues, windows or draws of its own. */
static const char *const daso[] = {"method.name=fixmatch",    "method.plugins=[\"abc\", \"daso\"]",
                                   "method.fixmatch.tau=0.2", "method.abc.tau=0.2",
                                   "method.daso.queue=6",     "method.daso.window=4",
                                   "method.daso.pretrain=5",  NULL};
static const char *const semi[] = {"method.name=fixmatch",
                                   "method.plugins=[\"semi\"]",
                                   "longtail.unlabelled_includes_labelled=true",
                                   "method.fixmatch.strong=2",
                                   "method.semi.tau=0.3",
                                   "method.semi.slots=3",
                                   "method.semi.decay_every=2",
                                   "method.semi.warmup=0",
                                   NULL};
static const char *const bacon[] = {
    "method.name=fixmatch",      "method.plugins=[\"abc\", \"bacon\"]",
    "method.abc.tau=0.2",        "method.abc.hard=true",
    "method.bacon.projection=4", "method.bacon.start=0.3",
    "method.bacon.label=0.3",    "method.bacon.reliable=0.3",
    "method.bacon.top=2",        NULL};

static const char *const darp[] = {
    "method.name=fixmatch",    "method.plugins=[\"darp\", \"flexmatch\"]",
    "method.fixmatch.tau=0.3", "method.darp.start=0.2",
    "method.darp.every=3",     NULL};
static const char *const freematch[] = {"method.name=fixmatch", "method.plugins=[\"freematch\"]",
                                        "longtail.validation=0.1", NULL};
static const char *const softmatch[] = {"method.name=fixmatch", "method.plugins=[\"softmatch\"]",
                                        "longtail.validation=0.1", NULL};

/* DARP told by "counts", with so few classes that estimates are possible early; test_estimated_target looks at what it was told. */
static const char *const darp_estimate[] = {
    "method.name=fixmatch",        "method.plugins=[\"counts\", \"darp\"]",
    "method.fixmatch.tau=0.3",     "method.darp.start=0.9",
    "method.darp.estimate=true",   "method.counts.every=1",
    "method.counts.condition=1e9", "longtail.validation=0.1",
    "images.synthetic.classes=2",  NULL};

static const char *const counting[] = {"method.plugins=[\"counts\"]", "method.counts.every=2",
                                       "method.counts.condition=1e9", "longtail.validation=0.1",
                                       NULL};

/* Two generations of seven iterations, and the prior at test time, which is a generation's own. */
static const char *const crest[] = {"method.name=fixmatch",
                                    "method.plugins=[\"crest\", \"la\", \"abc\"]",
                                    "method.crest.generations=2",
                                    "method.crest.alpha=4",
                                    "method.la.form=post",
                                    "method.fixmatch.tau=0.2",
                                    "optim.kind=adam",
                                    "optim.lr=0.01",
                                    NULL};

/* The metrics of a run hold both words: the plug-in took part. */
static void check_acts(const char *name, const char *one, const char *two) {
    char *text = read_text(in(name), "metrics.jsonl");
    CHECK(strstr(text, one) && strstr(text, two));
    free(text);
}
static const char *const rotation[] = {"method.name=rotation", "method.ema.keep=0", NULL};
static const char *const moco[] = {"method.name=moco",        "method.moco.queue=20",
                                   "method.moco.dim=8",       "method.ema.keep=0.99",
                                   "method.ema.warmup=false", NULL};

/* The last number that a key has in metrics.jsonl. */
static double last_number(const char *text, const char *key) {
    double v = NAN;
    for (const char *at = text; (at = strstr(at, key)); at += strlen(key))
        v = atof(at + strlen(key));
    return v;
}

static const bl_st_tensor *tensor_of(const bl_st_file *f, const char *name) {
    const bl_st_tensor *t = bl_st_find(f, name);
    if (!t) fprintf(stderr, "no %s\n", name);
    CHECK(t);
    return t;
}

static bool same_tensor(const bl_st_file *f, const char *a, const char *b) {
    const bl_st_tensor *x = tensor_of(f, a), *y = tensor_of(f, b);
    return x->bytes == y->bytes && memcmp(x->data, y->data, x->bytes) == 0;
}

/* DARP's target is what "counts" had found before the first refinement, in the number of images;
 * both stand in the checkpoint. Iteration 12 is the first refined one, after twelve estimates. */
static void test_estimated_target(void) {
    bl_arena *arena = bl_arena_create(0);
    bl_run_config c = config(arena, darp_estimate);
    bl_st_file *f;
    double total[2], sum = 0;
    const double images = 24 + 6;
    CHECK_OK(train(&c, in("darp_before"), false, 12));
    char *path = bl_checkpoint_path(in("darp_before"), 12);
    CHECK_OK(bl_st_open(path, &f));
    memcpy(total, tensor_of(f, "state.counts.total")->data, sizeof total);
    bl_st_close(f);
    free(path);
    for (int k = 0; k < 2; k++) sum += total[k];
    CHECK(sum > 0); /* some estimate counted: the test sees something */
    path = bl_checkpoint_path(in("darp_estimate"), 14);
    CHECK_OK(bl_st_open(path, &f));
    const double *target = tensor_of(f, "state.darp.target")->data;
    for (int k = 0; k < 2; k++) CHECK_NEAR(target[k], total[k] * images / sum, 1e-9);
    CHECK_NEAR(*(const double *)tensor_of(f, "state.darp.ready")->data, 1, 0);
    bl_st_close(f);
    free(path);
    bl_arena_destroy(arena);
}

/* Of a run of two generations: the second starts anew, with more labelled images, and is evaluated
 * alike from its checkpoint. */
static void test_generations(void) {
    bl_arena *arena = bl_arena_create(0);
    bl_run_config c = config(arena, crest);
    const char *run = in("crest"), *again = in("crest_steps");
    char *text = read_text(run, "metrics.jsonl");
    double added = last_number(text, "\"added\": ");
    CHECK(added >= 1 && added < 60);
    CHECK_EQ(count_of(text, "\"generation\": 1,"), 2);
    CHECK_NEAR(last_number(text, "\"generation\": "), 1, 0);

    /* The average copies the student in a generation's first step, and only then. */
    bl_st_file *f;
    for (int64_t stop = 7; stop <= 8; stop++) {
        CHECK_OK(train(&c, again, stop > 7, stop));
        char *path = bl_checkpoint_path(again, stop);
        CHECK_OK(bl_st_open(path, &f));
        CHECK_EQ(same_tensor(f, "student.head.f.weight", "teacher.head.f.weight"), stop == 8);
        const double *index = tensor_of(f, "state.generation.index")->data;
        CHECK_NEAR(*index, (double)(stop - 7), 0);
        if (stop == 7) bl_st_close(f);
        free(path);
    }
    /* Labels given, then those of the images that joined; counts are theirs. */
    const bl_st_tensor *labels = tensor_of(f, "state.generation.labels");
    const double *label = labels->data;
    const double *count = tensor_of(f, "state.generation.counts")->data;
    const int64_t given = 12 + 7 + 4 + 3, n = given + 24 + 15 + 9 + 6;
    int64_t joined = 0;
    CHECK_EQ(labels->bytes, (size_t)n * sizeof *label);
    double sum[4] = {0};
    for (int64_t i = 0; i < n; i++) {
        CHECK(label[i] >= -1 && label[i] < 4);
        if (label[i] >= 0) sum[(int)label[i]]++;
    }
    for (int64_t i = 0; i < n; i++) CHECK(label[i] >= 0 || i >= given);
    for (int64_t i = given; i < n; i++) joined += label[i] >= 0;
    CHECK_NEAR((double)joined, added, 0);
    for (int k = 0; k < 4; k++) CHECK_NEAR(count[k], sum[k], 0);
    bl_st_close(f);

    CHECK_OK(bl_evaluate_checkpoint(
        &c, &(bl_eval_options){.checkpoint = run, .model = "teacher", .out_dir = in("crest_eval")},
        NULL));
    char *a = read_text(in("crest_eval"), "teacher/confusion.json");
    char *b = read_text(run, "eval/iter_00000014/teacher/confusion.json");
    CHECK(strcmp(a, b) == 0);
    free(a);
    free(b);
    free(text);
    bl_arena_destroy(arena);
}

static void check_folder(void) {
    const char *const files[] = {"config.json",
                                 "classes.json",
                                 "images.json",
                                 "summary.json",
                                 "eval/iter_00000007/teacher/metrics.json",
                                 "eval/iter_00000014/teacher/per_class.csv",
                                 "eval/iter_00000014/teacher/per_class.json",
                                 "eval/iter_00000014/student/confusion.json",
                                 "eval/iter_00000014/teacher/features.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *p = bl_path_join(in("fixmatch"), files[i]);
        if (!bl_exists(p)) fprintf(stderr, "%s is missing\n", p);
        CHECK(bl_exists(p));
        free(p);
    }
    char *text = read_text(in("fixmatch"), "metrics.jsonl");
    CHECK_EQ(count_of(text, "\"eval\""), 4);
    CHECK_EQ(count_of(text, "\"class\""), 3);
    CHECK_EQ(count_of(text, "\"mask_rate\""), 3);
    CHECK_EQ(count_of(text, "\"pseudo_accuracy\""), 3);
    CHECK(strstr(text, "\"unsup2\""));
    free(text);
    char *f = bl_path_join(in("fixmatch"), "eval/iter_00000014/teacher/features.safetensors");
    bl_st_file *st;
    CHECK_OK(bl_st_open(f, &st));
    const bl_st_tensor *z = bl_st_find(st, "features"), *y = bl_st_find(st, "labels");
    CHECK(z && y);
    CHECK_EQ(z->shape[0], 40);
    CHECK_EQ(z->shape[1], 64);
    CHECK_EQ(y->shape[0], 40);
    bl_st_close(st);
    free(f);
}

/* Self-training labels every unlabelled image by the first run's model; re-training starts from its
 * weights with a fresh head and a frozen backbone. */
static void test_second_stages(void) {
    bl_arena *arena = bl_arena_create(0);
    const char *from = bl_arena_printf(arena, "method.pseudo_labels=%s", in("supervised"));
    const char *const self[] = {from, "method.supervised.omega=0.5", NULL};
    bl_run_config c = config(arena, self);
    CHECK_OK(train(&c, in("self"), false, 4));
    CHECK_OK(train(&c, in("self"), true, 0));

    const char *init = bl_arena_printf(arena, "run.init_from=%s", in("fixmatch"));
    const char *const crt[] = {init,
                               "run.init_model=teacher",
                               "run.init_skip=[\"head.\"]",
                               "model.frozen=true",
                               "method.supervised.class_aware=true",
                               NULL};
    c = config(arena, crt);
    CHECK_OK(train(&c, in("crt"), false, 0));
    char *a = bl_checkpoint_path(in("fixmatch"), 14), *b = bl_checkpoint_path(in("crt"), 14);
    bl_st_file *fa, *fb;
    CHECK_OK(bl_st_open(a, &fa));
    CHECK_OK(bl_st_open(b, &fb));
    const char *const same = "backbone.layer1.0.conv1.weight", *const other = "head.f.weight";
    char na[96], nb[96];
    for (int i = 0; i < 2; i++) {
        snprintf(na, sizeof na, "teacher.%s", i ? other : same);
        snprintf(nb, sizeof nb, "student.%s", i ? other : same);
        const bl_st_tensor *ta = bl_st_find(fa, na), *tb = bl_st_find(fb, nb);
        CHECK(ta && tb && ta->bytes == tb->bytes);
        CHECK_EQ(memcmp(ta->data, tb->data, ta->bytes) == 0, i == 0);
    }
    bl_st_close(fa);
    bl_st_close(fb);
    free(a);
    free(b);
    bl_arena_destroy(arena);
}

static void refuse(const char *const *settings, bl_status code, const char *what) {
    bl_arena *arena = bl_arena_create(0);
    bl_run_config c;
    bl_status status = load_config(arena, settings, &c);
    if (status == BL_OK) status = train(&c, in("refused"), false, 0);
    CHECK_FAILS(status, code, what);
    remove_tree(in("refused"));
    bl_arena_destroy(arena);
}

static void test_refusals(void) {
    refuse((const char *const[]){"method.name=fixmach", NULL}, BL_ECONFIG, "fixmatch");
    refuse((const char *const[]){"method.plugins=[\"daa\"]", NULL}, BL_ECONFIG, "\"da\"");
    refuse((const char *const[]){"method.plugins=[\"la\", \"la\"]", NULL}, BL_ECONFIG, "twice");
    refuse((const char *const[]){"method.plugins=[\"fixmatch\"]", NULL}, BL_ECONFIG, "plugins");
    refuse((const char *const[]){"method.name=fixmatch", "longtail.unlabelled_head=0", NULL},
           BL_ECONFIG, "unlabelled_head");
    refuse(
        (const char *const[]){"method.name=fixmatch", "method.plugins=[\"bacon\", \"abc\"]", NULL},
        BL_ECONFIG, "before it");
    refuse((const char *const[]){"method.plugins=[\"abc\"]", NULL}, BL_ECONFIG, "fixmatch");
    refuse((const char *const[]){"method.plugins=[\"semi\"]", NULL}, BL_ECONFIG, "fixmatch");
    refuse((const char *const[]){"method.name=fixmatch", "method.plugins=[\"daso\"]",
                                 "method.ema.keep=0", NULL},
           BL_ECONFIG, "ema.keep");
    refuse((const char *const[]){"longtail.labelled_head=100", NULL}, BL_ECONFIG, "");
    refuse((const char *const[]){"method.name=fixmatch", "method.pseudo_labels=x", NULL},
           BL_ECONFIG, "supervised");
    refuse((const char *const[]){"method.plugins=[\"darp\"]", NULL}, BL_ECONFIG, "fixmatch");
    refuse((const char *const[]){"method.name=fixmatch", "method.plugins=[\"darp\"]",
                                 "method.darp.counts=[1, 2]", NULL},
           BL_ECONFIG, "darp.counts");
    refuse((const char *const[]){"method.name=fixmatch", "method.plugins=[\"darp\", \"counts\"]",
                                 "longtail.validation=0.1", "method.darp.estimate=true", NULL},
           BL_ECONFIG, "no \"counts\" before");
    refuse((const char *const[]){"method.name=fixmatch", "method.plugins=[\"counts\", \"darp\"]",
                                 "longtail.validation=0.1", "method.darp.estimate=true",
                                 "method.darp.counts=[1, 2, 3, 4]", NULL},
           BL_ECONFIG, "exclude each other");
    refuse((const char *const[]){"method.plugins=[\"crest\"]", NULL}, BL_ECONFIG, "fixmatch");
    refuse((const char *const[]){"method.plugins=[\"counts\"]", NULL}, BL_ECONFIG,
           "longtail.validation");
    refuse((const char *const[]){"method.name=fixmatch", "method.plugins=[\"crest\"]",
                                 "method.crest.generations=3", NULL},
           BL_ECONFIG, "multiple of the 3 generations");
    refuse((const char *const[]){"method.name=moco", NULL}, BL_ECONFIG, "multiple");
    refuse((const char *const[]){"method.pseudo_labels=/nowhere/run", NULL}, BL_EIO,
           "pseudo_labels");

    /* A section of the other task is unknown. */
    bl_arena *arena = bl_arena_create(0);
    bl_run_config c;
    const char *const detector[] = {"task=classification", "detector.fpn_channels=16"};
    CHECK_FAILS(bl_run_config_load(NULL, detector, 2, arena, &c), BL_ECONFIG, "unknown key");
    const char *const images[] = {"images.coarse=true"};
    CHECK_FAILS(bl_run_config_load(NULL, images, 1, arena, &c), BL_ECONFIG, "unknown key");
    const char *const task[] = {"task=clasification"};
    CHECK_FAILS(bl_run_config_load(NULL, task, 1, arena, &c), BL_ECONFIG, "task");
    bl_arena_destroy(arena);
}

int main(void) {
    bl_log_set_level(BL_LOG_ERROR);
    root = scratch_folder();
    check_resume("supervised", supervised);
    check_resume("fixmatch", fixmatch);
    check_resume("adam", adam);
    check_resume("daso", daso);
    check_resume("semi", semi);
    check_resume("bacon", bacon);
    check_acts("daso", "\"daso_align\"", "\"abc_unsup\"");
    check_acts("semi", "\"embedding2\"", "\"semi_bank\"");
    check_acts("bacon", "\"contrast\"", "\"bacon_reliable\"");
    check_resume("counting", counting);
    check_acts("counting", "\"estimates_tried\": 7", "\"estimates\": ");
    check_resume("darp_estimate", darp_estimate);
    test_estimated_target();
    check_resume("crest", crest);
    test_generations();
    check_resume("darp", darp);
    check_resume("freematch", freematch);
    check_resume("softmatch", softmatch);
    check_acts("darp", "\"flexmatch_threshold\"", "\"unsup\"");
    check_acts("freematch", "\"fairness\"", "\"freematch_threshold\"");
    check_acts("softmatch", "\"softmatch_mean\"", "\"unsup\"");
    check_resume("rotation", rotation);
    check_resume("moco", moco);
    CHECK(!bl_exists(in("moco/summary.json")));
    check_folder();
    test_second_stages();
    test_refusals();
    remove_tree(root);
    return 0;
}
