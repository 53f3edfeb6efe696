/* What a training step asks of the device: how often the host waits for it, how many kernels are
 * launched, how many bytes are sent. Whole runs of the program's own training on the emulated device,
 * which counts; none of the numbers may rise. */
#include "tests/emu/emulator.h"
#include "tests/train_fixture.h"

static const char *root;

typedef struct counts {
    int64_t waits, launches, bytes;
} counts;

static counts now(void) {
    return (counts){bl_emu_waits(), bl_emu_launches(), bl_emu_bytes_up()};
}

/* Those of one step: a run of two steps has one more than a run of one. */
static counts of_a_step(const char *name, bl_run_config *c) {
    counts run[2];
    for (int i = 0; i < 2; i++) {
        char dir[300];
        snprintf(dir, sizeof dir, "%s/%s%d", root, name, i);
        c->run.iterations = 1 + i;
        counts before = now();
        CHECK_OK(bl_train(c, &(bl_train_options){.out_dir = dir}));
        counts after = now();
        run[i] = (counts){after.waits - before.waits, after.launches - before.launches,
                          after.bytes - before.bytes};
    }
    return (counts){run[1].waits - run[0].waits, run[1].launches - run[0].launches,
                    run[1].bytes - run[0].bytes};
}

static void at_most(const char *name, bl_run_config *c, counts most) {
    counts step = of_a_step(name, c);
    printf("%s: %lld waits, %lld kernels, %lld bytes a step\n", name, (long long)step.waits,
           (long long)step.launches, (long long)step.bytes);
    CHECK(step.waits <= most.waits);
    CHECK(step.launches <= most.launches);
    CHECK(step.bytes <= most.bytes);
}

static const char *const quiet[] = {"run.device=cuda:0",
                                    "run.eval_every=0",
                                    "run.log_every=100",
                                    "run.samples=0",
                                    "data.test=",
                                    "loader.labelled=1",
                                    "view.min_side=32",
                                    "view.max_side=32",
                                    "view.long_side=32",
                                    "loader.batch=2",
                                    "detector.rpn_pre_nms_train=20",
                                    "detector.rpn_post_nms_train=10",
                                    "detector.roi_batch=8",
                                    NULL};

static void detection(bl_arena *arena, const char *name, const char *const *method, counts most) {
    bl_run_config c = tiny_config(arena, root, method, quiet);
    at_most(name, &c, most);
}

static void classification(bl_arena *arena, const char *name, const char *config, counts most) {
    static const char *const small[] = {"run.device=cuda:0",
                                        "run.eval_every=0",
                                        "run.log_every=100",
                                        "images.source=synthetic",
                                        "images.synthetic.classes=4",
                                        "images.synthetic.train=160",
                                        "images.synthetic.test=10",
                                        "images.synthetic.size=16",
                                        "longtail.labelled_head=12",
                                        "longtail.unlabelled_head=24",
                                        "batch.labelled=4",
                                        "batch.unlabelled=6",
                                        "model.depth=10",
                                        "model.width=1"};
    char path[400];
    bl_run_config c;
    snprintf(path, sizeof path, "%s/configs/class/%s.json", BALLAST_SOURCE_DIR, config);
    CHECK_OK(bl_run_config_load(path, small, sizeof small / sizeof *small, arena, &c));
    at_most(name, &c, most);
}

int main(void) {
    static const char *const supervised[] = {"method.name=supervised", NULL};
    static const char *const teacher[] = {"method.name=soft_teacher", "method.teacher.burn_in=0",
                                          NULL};
    static const char *const balanced[] = {"method.name=soft_teacher", "method.teacher.burn_in=0",
                                           "method.gbr.enabled=true", "method.gbr.warmup=0", NULL};
    bl_arena *arena = bl_arena_create(0);
    root = scratch_folder();
    make_data(root);
    classification(arena, "fixmatch", "quick_fixmatch", (counts){2, 130, 49272});
    detection(arena, "detector", supervised, (counts){1, 393, 12362});
    detection(arena, "soft teacher", teacher, (counts){7, 914, 38174});
    detection(arena, "soft teacher with GbR", balanced, (counts){11, 918, 38238});
    bl_arena_destroy(arena);
    remove_tree(root);
    return 0;
}
