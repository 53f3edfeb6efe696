/* Prediction of classifiers: files and sets of the run give the numbers of the evaluation, files
 * need no training data, and bad input is refused by name. */
#include "core/json.h"
#include "datasets/images/file_list.h"
#include "datasets/images/image.h"
#include "tests/train_fixture.h"

enum { CLASSES = 4, TEST = 40, SIDE = 16 };

static const char *root;

static const char *in(const char *name) {
    static char path[16][512];
    static int next;
    char *p = path[next++ % 16];
    snprintf(p, sizeof path[0], "%s/%s", root, name);
    return p;
}

/* train/<class>/ and test/<class>/ of a generated set, as PNG files; one of them twice as large. */
static void make_folder(void) {
    bl_classify_synth_config c = {
        .classes = CLASSES, .pairs = -1, .train = 120, .test = TEST, .size = SIDE};
    for (int part = 0; part < 2; part++) {
        bl_classify_set *s;
        CHECK_OK(bl_classify_synth(&c, part ? BL_CLASSIFY_TEST : BL_CLASSIFY_TRAIN, &s));
        for (int32_t i = 0; i < s->n; i++) {
            char dir[300], file[400];
            snprintf(dir, sizeof dir, "%s/d/%s/%d", root, part ? "test" : "train",
                     (int)s->labels[i]);
            CHECK_OK(bl_mkdirs(dir));
            snprintf(file, sizeof file, "%s/%04d.%s", dir, (int)i, i % 2 ? "png" : "PNG");
            bl_image img = {SIDE, SIDE, bl_classify_image(s, i)}, large = {0};
            if (i == 7) CHECK_OK(bl_image_resize(&img, 2 * SIDE, 2 * SIDE, &large));
            CHECK_OK(bl_png_write(file, i == 7 ? &large : &img));
            bl_image_free(&large);
        }
        bl_classify_set_free(s);
    }
}

static bl_run_config config(bl_arena *arena, const char *more) {
    const char *all[] = {"task=classification",
                         "run.iterations=12",
                         "run.log_every=6",
                         "run.eval_every=12",
                         "run.eval_batch=7",
                         "run.threads=2",
                         "images.source=folder",
                         bl_arena_printf(arena, "images.path=%s/d", root),
                         "images.size=16",
                         "longtail.labelled_head=12",
                         "longtail.labelled_ratio=4",
                         "longtail.unlabelled_head=8",
                         "batch.labelled=6",
                         "batch.unlabelled=6",
                         "model.depth=10",
                         "model.width=1",
                         "optim.lr=0.05",
                         "method.ema.keep=0.8",
                         "method.la.form=post",
                         more};
    bl_run_config c;
    CHECK_OK(bl_run_config_load(NULL, all, sizeof all / sizeof *all, arena, &c));
    return c;
}

static char *predict(const bl_run_config *c, bl_predict_options o, const char *file) {
    o.checkpoint = in("run");
    o.out = in(file);
    o.score_threshold = -1;
    CHECK_OK(bl_predict(c, &o));
    return read_text(root, file);
}

/* The test images in the order in which the folder reader takes them. */
static bl_file_list test_files(void) {
    bl_file_list l = {0};
    const char *dir = in("d/test");
    CHECK_OK(bl_file_list_images(&dir, 1, &l));
    CHECK_EQ(l.n, TEST);
    return l;
}

/* What stands behind the first `skip` commas of each line after the head. */
static int same_tails(const char *a, int skip_a, const char *b, int skip_b) {
    int lines = 0;
    a = strchr(a, '\n') + 1;
    b = strchr(b, '\n') + 1;
    while (*a && *b) {
        for (int k = 0; k < skip_a; k++) a = strchr(a, ',') + 1;
        for (int k = 0; k < skip_b; k++) b = strchr(b, ',') + 1;
        size_t n = strcspn(a, "\n");
        CHECK_EQ(strcspn(b, "\n"), n);
        CHECK(strncmp(a, b, n) == 0);
        a += n + 1;
        b += n + 1;
        lines++;
    }
    CHECK(!*a && !*b);
    return lines;
}

static void check_json(const char *text, int n) {
    bl_json doc;
    CHECK_OK(bl_json_parse(text, strlen(text), "prediction", &doc));
    CHECK_EQ(json_object_array_length(doc.root), n);
    for (int i = 0; i < n; i++) {
        struct json_object *o = json_object_array_get_idx(doc.root, (size_t)i), *v, *p, *name;
        CHECK(json_object_object_get_ex(o, "probabilities", &p));
        CHECK(json_object_object_get_ex(o, "class", &name));
        double sum = 0, best = 0;
        json_object_object_foreach(p, key, value) {
            sum += json_object_get_double(value);
            if (json_object_get_double(value) > best) best = json_object_get_double(value);
            (void)key;
        }
        CHECK_NEAR(sum, 1, 1e-5);
        CHECK(json_object_object_get_ex(o, "probability", &v));
        CHECK_NEAR(json_object_get_double(v), best, 0);
        CHECK(json_object_object_get_ex(p, json_object_get_string(name), &v));
        CHECK_NEAR(json_object_get_double(v), best, 0);
    }
    bl_json_free(&doc);
}

/* Label and class of each line of a set's CSV; the evaluation counted as many equal ones. */
static void check_accuracy(const char *csv) {
    int right = 0;
    for (const char *line = strchr(csv, '\n') + 1; *line; line = strchr(line, '\n') + 1) {
        char label[32], class[32];
        CHECK_EQ(sscanf(line, "%*d,%31[^,],%31[^,]", label, class), 2);
        right += strcmp(label, class) == 0;
    }
    char *metrics = read_text(in("run"), "eval/iter_00000012/ema/metrics.json");
    char *at = strstr(metrics, "\"correct\":");
    CHECK(at && atoi(at + 10) == right);
    CHECK(right > 0 && right < TEST);
    free(metrics);
}

static void test_same_numbers(const bl_run_config *c) {
    bl_file_list files = test_files();
    bl_predict_options of_files = {
        .images = (const char *const *)files.path, .n_images = files.n, .probabilities = true};
    char *set = predict(c, (bl_predict_options){.set = "test", .probabilities = true}, "set.csv");
    char *some = predict(c, of_files, "files.csv");
    check_accuracy(set);
    CHECK_EQ(same_tails(set, 2, some, 1), TEST);
    char *json = predict(c, of_files, "files.json");
    check_json(json, TEST);
    char *hidden = predict(c, (bl_predict_options){.set = "unlabelled"}, "hidden.csv");
    char *labelled = predict(c, (bl_predict_options){.set = "labelled"}, "labelled.csv");
    CHECK_EQ(count_of(hidden, "\n"), 1 + 8 + 5 + 3 + 2);
    CHECK_EQ(count_of(labelled, "\n"), 1 + 12 + 7 + 4 + 3);
    /* The student is another model. */
    of_files.model = "student";
    char *student = predict(c, of_files, "student.csv");
    CHECK(strcmp(student, some) != 0);

    /* A damaged file is named, or left out. */
    CHECK_OK(bl_write_file(files.path[11], "no image", 8));
    of_files.model = NULL;
    of_files.checkpoint = in("run");
    of_files.out = in("x.csv");
    of_files.score_threshold = -1;
    CHECK_FAILS(bl_predict(c, &of_files), BL_EFORMAT, files.path[11]);
    CHECK(!bl_exists(in("x.csv")));
    of_files.skip_bad = true;
    char *rest = predict(c, of_files, "rest.csv");
    CHECK_EQ(count_of(rest, "\n"), TEST);
    CHECK(!strstr(rest, files.path[11]) && strstr(rest, files.path[12]));

    /* No data set is needed for files. */
    remove_tree(in("d/train"));
    of_files.n_images = 11;
    char *alone = predict(c, of_files, "alone.csv");
    CHECK(strncmp(alone, some, strlen(alone)) == 0);
    CHECK_EQ(count_of(alone, "\n"), 12);
    free(set);
    free(some);
    free(json);
    free(hidden);
    free(labelled);
    free(student);
    free(rest);
    free(alone);
    bl_file_list_free(&files);
}

static void refuse(const bl_run_config *c, bl_predict_options o, bl_status code, const char *what) {
    o.checkpoint = in("run");
    o.out = in("x.csv");
    if (!(o.score_threshold > 0)) o.score_threshold = -1;
    CHECK_FAILS(bl_predict(c, &o), code, what);
}

static void spoil(const bl_run_config *c, const char *text, const char *what) {
    const char *file = in("d/test/0/none.png");
    CHECK_OK(bl_write_file(in("run/classes.json"), text, strlen(text)));
    refuse(c, (bl_predict_options){.images = &file, .n_images = 1}, BL_EFORMAT, what);
}

static void test_refusals(const bl_run_config *c, bl_arena *arena) {
    const char *file = in("d/none.png");
    refuse(c, (bl_predict_options){0}, BL_ECONFIG, "--set");
    refuse(c, (bl_predict_options){.set = "test", .images = &file, .n_images = 1}, BL_ECONFIG,
           "not both");
    refuse(c, (bl_predict_options){.set = "test", .draw_dir = "x"}, BL_ECONFIG, "--draw");
    refuse(c, (bl_predict_options){.set = "test", .score_threshold = 0.5}, BL_ECONFIG, "--score");
    refuse(c, (bl_predict_options){.images = &file, .n_images = 1}, BL_EIO, "none.png");
    bl_run_config rotation = config(arena, "method.name=rotation");
    refuse(&rotation, (bl_predict_options){.images = &file, .n_images = 1}, BL_ECONFIG,
           "predicts no classes");
    spoil(c, "{\"classes\": []}", "classes");
    spoil(c,
          "{\"classes\": [{\"name\": \"a\", \"train_images\": 2147483000}], \"input\": {\"width\": "
          "8, "
          "\"height\": 8, \"mean\": [0, 0, 0], \"std\": [1, 1, 1]}}",
          "classes[0]: 2147483000 training images make more than 16777216 in all");
    spoil(c, "{\"classes\": [{\"name\": \"a\", \"train_images\": 3}]}", "input");
    spoil(c,
          "{\"classes\": [{\"name\": \"a\", \"train_images\": -3}], \"input\": {\"width\": 16, "
          "\"height\": 16, \"mean\": [0, 0, 0], \"std\": [1, 1, 1]}}",
          "classes[0]");
    spoil(c,
          "{\"classes\": [{\"name\": \"a\", \"train_images\": 3}], \"input\": {\"width\": 16, "
          "\"height\": 0, \"mean\": [0, 0, 0], \"std\": [1, 1, 1]}}",
          "input.height");
    spoil(c,
          "{\"classes\": [{\"name\": \"a\", \"train_images\": 3}], \"input\": {\"width\": 16, "
          "\"height\": 16, \"mean\": [0, 0, 0], \"std\": [1, 0, 1]}}",
          "input.std");
    spoil(c,
          "{\"classes\": [{\"name\": \"a\", \"train_images\": 3}], \"input\": {\"width\": 16, "
          "\"height\": 16, \"mean\": [0, 0, 0], \"std\": [1, 1, 1]}}",
          "4 classes");
}

int main(void) {
    bl_log_set_level(BL_LOG_ERROR);
    root = scratch_folder();
    make_folder();
    bl_arena *arena = bl_arena_create(0);
    /* Predictions carry the post-hoc adjustment, which needs the class counts. */
    bl_run_config c = config(arena, "method.plugins=[\"la\"]");
    CHECK_OK(bl_train(&c, &(bl_train_options){.out_dir = in("run")}));
    test_same_numbers(&c);
    test_refusals(&c, arena);
    bl_arena_destroy(arena);
    remove_tree(root);
    return 0;
}
