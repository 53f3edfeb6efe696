/* How often a training step on the device makes the host wait: whole runs of the program's own
 * training on the emulated device, which counts. */
#include "tests/emu/emulator.h"
#include "tests/train_fixture.h"

static const char *root;

/* Waits of one step: a run of two steps has one more than a run of one. */
static int64_t waits_of_a_step(const char *name, bl_run_config *c) {
    int64_t waits[2];
    for (int i = 0; i < 2; i++) {
        char dir[300];
        snprintf(dir, sizeof dir, "%s/%s%d", root, name, i);
        c->run.iterations = 1 + i;
        int64_t before = bl_emu_waits();
        CHECK_OK(bl_train(c, &(bl_train_options){.out_dir = dir}));
        waits[i] = bl_emu_waits() - before;
    }
    printf("%s: %lld waits a step\n", name, (long long)(waits[1] - waits[0]));
    return waits[1] - waits[0];
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

static void detection(bl_arena *arena, const char *name, const char *const *method, int64_t most) {
    bl_run_config c = tiny_config(arena, root, method, quiet);
    CHECK(waits_of_a_step(name, &c) <= most);
}

static void classification(bl_arena *arena, const char *name, const char *config, int64_t most) {
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
    CHECK(waits_of_a_step(name, &c) <= most);
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
    classification(arena, "fixmatch", "quick_fixmatch", 2);
    detection(arena, "detector", supervised, 1);
    detection(arena, "soft teacher", teacher, 12);
    detection(arena, "soft teacher with GbR", balanced, 16);
    bl_arena_destroy(arena);
    remove_tree(root);
    return 0;
}
