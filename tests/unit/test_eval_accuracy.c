/* Accuracy of classifiers: counts by hand, groups, geometric mean, summaries of series, files. */
#include <string.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/safetensors.h"
#include "eval/results/classification.h"
#include "tests/check.h"

/* `n` images of class `truth` predicted as `as`, of k classes. */
static void add(bl_accuracy *a, int32_t truth, int32_t as, int n) {
    float z[16];
    for (int32_t c = 0; c < a->n_classes; c++) z[c] = c == as ? 1.0f : -(float)c;
    for (int i = 0; i < n; i++) bl_accuracy_add(a, truth, z);
}

static void test_geometric_mean(void) {
    const double r[] = {0.9, 0.8, 0};
    CHECK_NEAR(bl_geometric_mean(r, 3), 0.13389, 5e-6);
    const double missing[] = {0.9, NAN, 0.4};
    CHECK_NEAR(bl_geometric_mean(missing, 3), 0.6, 1e-12);
}

static void test_counts(void) {
    bl_accuracy a;
    CHECK_OK(bl_accuracy_create(3, &a));
    add(&a, 0, 0, 9);
    add(&a, 0, 1, 1);
    add(&a, 1, 1, 4);
    add(&a, 1, 0, 1);
    add(&a, 2, 0, 2);
    add(&a, 7, 0, 5);
    add(&a, -1, 0, 5); /* no such class: passed over */
    const int64_t counts[] = {5, 50, 500};
    CHECK_OK(bl_accuracy_finish(&a, counts));
    CHECK_EQ(a.n, 17);
    CHECK_EQ(a.correct, 13);
    CHECK_NEAR(a.accuracy, 13.0 / 17, 1e-12);
    CHECK_NEAR(a.recall[0], 0.9, 1e-12);
    CHECK_NEAR(a.recall[1], 0.8, 1e-12);
    CHECK_NEAR(a.recall[2], 0, 0);
    CHECK_NEAR(a.balanced, 1.7 / 3, 1e-12);
    CHECK_NEAR(a.geometric, 0.13389, 5e-6);
    CHECK_NEAR(a.precision[0], 9.0 / 12, 1e-12);
    CHECK(isnan(a.precision[2]));
    CHECK_NEAR(a.f1[1], 8.0 / 10, 1e-12);
    CHECK(isnan(a.top5));
    /* The head by training count is class 2. */
    CHECK_EQ(a.frequency[2], BL_MANY);
    CHECK_EQ(a.frequency[0], BL_FEW);
    CHECK_NEAR(a.group[BL_FEW], 0.9, 1e-12);
    CHECK_EQ(a.confusion[0 * 3 + 1], 1);
    CHECK_EQ(a.confusion[2 * 3 + 0], 2);
    bl_accuracy_free(&a);
}

/* Ten classes: 3, 4, 3; equal counts keep their order; ties of logits go to the lower index. */
static void test_groups(void) {
    bl_accuracy a;
    CHECK_OK(bl_accuracy_create(10, &a));
    const float flat[10] = {0};
    bl_accuracy_add(&a, 0, flat);
    bl_accuracy_add(&a, 4, flat);
    bl_accuracy_add(&a, 5, flat);
    CHECK_OK(bl_accuracy_finish(&a, NULL));
    for (int c = 0; c < 10; c++)
        CHECK_EQ(a.frequency[c], c < 3 ? BL_MANY : c < 7 ? BL_MEDIUM : BL_FEW);
    CHECK_EQ(a.correct, 1);
    CHECK_NEAR(a.top5, 2.0 / 3, 1e-12);
    bl_accuracy_free(&a);
}

static void test_series(void) {
    const double v[] = {9, 1, 5, 3, 4};
    bl_series_summary s = bl_series_summarise(v, 5, 4);
    CHECK_NEAR(s.last, 4, 0);
    CHECK_NEAR(s.best, 9, 0);
    CHECK_EQ(s.best_at, 0);
    CHECK_NEAR(s.median, 3.5, 1e-12);
    CHECK_NEAR(s.mean, 3.25, 1e-12);
    s = bl_series_summarise(v, 5, 20);
    CHECK_EQ(s.window, 5);
    CHECK_NEAR(s.median, 4, 0);
}

static void test_files(void) {
    char dir[] = "/tmp/ballast_accuracy_XXXXXX", path[128];
    CHECK(mkdtemp(dir));
    bl_accuracy a;
    CHECK_OK(bl_accuracy_create(2, &a));
    add(&a, 0, 0, 3);
    add(&a, 0, 1, 1);
    const int64_t counts[] = {7, 2};
    CHECK_OK(bl_accuracy_finish(&a, counts));
    const char *const names[] = {"a \"b\"", "c"};
    bl_classify_results r = {
        .accuracy = &a, .names = names, .labelled = counts, .model = "teacher"};
    CHECK_OK(bl_classify_results_write(dir, &r));
    static const char *const files[] = {"metrics.json", "per_class.json", "confusion.json"};
    for (int i = 0; i < 3; i++) {
        bl_json doc;
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        CHECK_OK(bl_json_load(path, &doc));
        bl_json_free(&doc);
        unlink(path);
    }
    char *text;
    size_t size;
    snprintf(path, sizeof path, "%s/per_class.csv", dir);
    CHECK_OK(bl_read_file(path, 4096, &text, &size));
    CHECK(strstr(text, "\n0,\"a \"\"b\"\"\",medium,7,,4,3,0.75,1,"));
    CHECK(strstr(text, "\n1,c,medium,2,,0,1,,0,\n"));
    free(text);
    unlink(path);
    bl_accuracy_free(&a);
    rmdir(dir);
}

int main(void) {
    test_geometric_mean();
    test_counts();
    test_groups();
    test_series();
    test_files();
    return 0;
}
