/* Whole training runs with graphs on, stopped and resumed, against the same runs without: the same
 * bits, most of the work replayed. On the emulated device. */
#include "tests/emu/emulator.h"
#include "tests/train_fixture.h"

static const char *root;

static const char *folder(const char *name, const char *kind) {
    static char path[4][300];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s_%s", root, name, kind);
    return p;
}

static void train(bl_run_config *c, const char *dir, bool graphs, bool resume, int64_t stop) {
    c->run.graphs = graphs;
    CHECK_OK(
        bl_train(c, &(bl_train_options){.out_dir = dir, .resume = resume, .stop_after = stop}));
}

/* The share of commands that were replayed, of the last run in the folder's log. */
static double replayed(const char *dir) {
    char *log = read_text(dir, "log.txt"), *last = NULL;
    for (char *at = log; (at = strstr(at, "run directly; "));)
        last = at += strlen("run directly; ");
    CHECK(last);
    double share = atof(last);
    free(log);
    return share;
}

static void compare(const char *name, bl_run_config *c, double least) {
    char a[400], b[400];
    const char *plain = folder(name, "plain"), *graphs = folder(name, "graphs");
    int n = (int)c->run.iterations;
    train(c, plain, false, false, 0);
    int64_t before = bl_emu_graphs();
    train(c, graphs, true, false, 2);
    train(c, graphs, true, true, 0);
    CHECK(bl_emu_graphs() > before);
    snprintf(a, sizeof a, "%s/ckpt/iter_%08d.safetensors", plain, n);
    snprintf(b, sizeof b, "%s/ckpt/iter_%08d.safetensors", graphs, n);
    check_same_checkpoint(a, b);
    check_same_metrics(plain, graphs);
    printf("%s: %.1f %% replayed\n", name, replayed(graphs));
    CHECK(replayed(graphs) >= least);
}

static void classification(bl_arena *arena) {
    static const char *const small[] = {"run.device=cuda:0",
                                        "run.eval_every=0",
                                        "run.log_every=1",
                                        "run.iterations=7",
                                        "images.source=synthetic",
                                        "images.synthetic.classes=4",
                                        "images.synthetic.train=160",
                                        "images.synthetic.test=10",
                                        "images.synthetic.size=8",
                                        "longtail.labelled_head=12",
                                        "longtail.unlabelled_head=24",
                                        "batch.labelled=2",
                                        "batch.unlabelled=2",
                                        "model.depth=10",
                                        "model.width=1"};
    char path[400];
    bl_run_config c;
    snprintf(path, sizeof path, "%s/configs/class/quick_fixmatch.json", BALLAST_SOURCE_DIR);
    CHECK_OK(bl_run_config_load(path, small, sizeof small / sizeof *small, arena, &c));
    compare("fixmatch", &c, 45);
}

static void detection(bl_arena *arena) {
    static const char *const supervised[] = {"method.name=supervised", NULL};
    static const char *const small[] = {"run.device=cuda:0",
                                        "run.iterations=6",
                                        "run.eval_every=0",
                                        "run.log_every=1",
                                        "run.samples=0",
                                        "data.test=",
                                        "view.min_side=32",
                                        "view.max_side=32",
                                        "view.long_side=32",
                                        "loader.labelled=1",
                                        "loader.batch=2",
                                        "detector.rpn_pre_nms_train=20",
                                        "detector.rpn_post_nms_train=10",
                                        "detector.roi_batch=8",
                                        NULL};
    bl_run_config c = tiny_config(arena, root, supervised, small);
    compare("detector", &c, 20);
}

int main(void) {
    bl_arena *arena = bl_arena_create(0);
    root = scratch_folder();
    make_data(root);
    classification(arena);
    detection(arena);
    bl_arena_destroy(arena);
    remove_tree(root);
    return 0;
}
