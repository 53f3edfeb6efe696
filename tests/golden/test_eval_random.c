/* Random ground truth and detections (crowds, ties, area edges, ids out of order, empty classes,
 * annotation id 0, more than 100 detections) against pycocotools: every value of the precision,
 * recall and score arrays and the twelve summary numbers must agree in all bits.
 * scripts/golden/eval_pycocotools.py wrote the file.
 *
 *     test_eval_random [FILE]     checks another file of the same format */
#include <inttypes.h>

#include "core/fs.h"
#include "core/parallel.h"
#include "eval/evaluator.h"
#include "tests/check.h"

typedef struct test_case {
    char name[64];
    bl_dataset *gt;
    bl_detections dt;
    double stats[12];
    char precision[65], recall[65], scores[65];
} test_case;

static void expect_word(FILE *f, const char *word) {
    char got[64];
    CHECK(fscanf(f, "%63s", got) == 1);
    CHECK_STR(got, word);
}

static int64_t read_int(FILE *f) {
    int64_t v;
    CHECK(fscanf(f, "%" SCNd64, &v) == 1);
    return v;
}

static double read_double(FILE *f) {
    char text[64], *end;
    CHECK(fscanf(f, "%63s", text) == 1);
    double v = strtod(text, &end);
    CHECK(*end == 0);
    return v;
}

static int by_id(const void *a, const void *b) {
    int64_t x = ((const bl_category *)a)->id, y = ((const bl_category *)b)->id;
    return (x > y) - (x < y);
}

static int32_t find_image(const bl_dataset *d, int64_t id) {
    for (int32_t i = 0; i < d->n_images; i++)
        if (d->images[i].id == id) return i;
    CHECK(!"image id");
    return -1;
}

static int32_t find_category(const bl_dataset *d, int64_t id) {
    for (int32_t i = 0; i < d->n_categories; i++)
        if (d->categories[i].id == id) return i;
    CHECK(!"category id");
    return -1;
}

static void read_ground_truth(FILE *f, bl_dataset **out) {
    bl_dataset p = {.name = "case", .image_dir = ""};
    expect_word(f, "categories");
    p.n_categories = (int32_t)read_int(f);
    p.categories = calloc((size_t)p.n_categories + 1, sizeof *p.categories);
    for (int32_t i = 0; i < p.n_categories; i++)
        p.categories[i] = (bl_category){.id = read_int(f), .name = "c", .supercategory = ""};
    qsort(p.categories, (size_t)p.n_categories, sizeof *p.categories, by_id);
    expect_word(f, "images");
    p.n_images = (int32_t)read_int(f);
    p.images = calloc((size_t)p.n_images + 1, sizeof *p.images);
    for (int32_t i = 0; i < p.n_images; i++)
        p.images[i] = (bl_image_info){.id = read_int(f), .file = "f", .width = 500, .height = 500};
    expect_word(f, "annotations");
    p.n_anns = read_int(f);
    p.anns = calloc((size_t)p.n_anns + 1, sizeof *p.anns);
    for (int64_t i = 0; i < p.n_anns; i++) {
        bl_ann *a = &p.anns[i];
        a->id = read_int(f);
        a->image = find_image(&p, read_int(f));
        a->category = find_category(&p, read_int(f));
        a->x = read_double(f), a->y = read_double(f), a->w = read_double(f), a->h = read_double(f);
        a->area = read_double(f);
        a->iscrowd = (uint8_t)read_int(f), a->ignore = (uint8_t)read_int(f);
    }
    CHECK_OK(bl_dataset_build(&p, out));
    free(p.categories), free(p.images), free(p.anns);
}

static bool read_case(FILE *f, test_case *c) {
    *c = (test_case){0};
    char word[16];
    if (fscanf(f, "%15s", word) != 1) return false;
    CHECK_STR(word, "case");
    CHECK(fscanf(f, "%63s", c->name) == 1);
    read_ground_truth(f, &c->gt);
    expect_word(f, "detections");
    int64_t n = read_int(f);
    for (int64_t i = 0; i < n; i++) {
        bl_detection d = {0};
        d.image = find_image(c->gt, read_int(f));
        d.category = find_category(c->gt, read_int(f));
        d.x = read_double(f), d.y = read_double(f), d.w = read_double(f), d.h = read_double(f);
        d.score = read_double(f);
        CHECK_OK(bl_detections_add(&c->dt, &d));
    }
    expect_word(f, "stats");
    for (int i = 0; i < 12; i++) c->stats[i] = read_double(f);
    expect_word(f, "precision");
    CHECK(fscanf(f, "%64s", c->precision) == 1);
    expect_word(f, "recall");
    CHECK(fscanf(f, "%64s", c->recall) == 1);
    expect_word(f, "scores");
    CHECK(fscanf(f, "%64s", c->scores) == 1);
    return true;
}

static void check_array(const test_case *c, const char *what, const double *v, int64_t n,
                        const char *expected) {
    char hex[65];
    bl_sha256(v, (size_t)n * sizeof *v, hex);
    if (strcmp(hex, expected) != 0) fprintf(stderr, "%s: %s differs\n", c->name, what);
    CHECK_STR(hex, expected);
}

static void check_case(const test_case *c) {
    const bl_eval_params protocol = bl_eval_params_coco();
    bl_eval_result r;
    CHECK_OK(bl_eval_run(c->gt, &c->dt, &protocol, &r));
    bl_eval_summary s = bl_eval_summarise(&r, NULL);
    const double got[12] = {s.AP,  s.AP50, s.AP75,  s.APs, s.APm, s.APl,
                            s.AR1, s.AR10, s.AR100, s.ARs, s.ARm, s.ARl};
    for (int i = 0; i < 12; i++) {
        if (got[i] != c->stats[i]) fprintf(stderr, "%s: summary %d differs\n", c->name, i);
        CHECK_NEAR(got[i], c->stats[i], 0.0);
    }
    int64_t cells = (int64_t)r.T * r.K * r.A * r.M;
    check_array(c, "recall", r.recall, cells, c->recall);
    check_array(c, "precision", r.precision, cells * r.R, c->precision);
    check_array(c, "scores", r.scores, cells * r.R, c->scores);
    bl_eval_result_free(&r);
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : BALLAST_SOURCE_DIR "/tests/golden/eval_random.txt";
    FILE *f = fopen(path, "r");
    if (!f) fprintf(stderr, "cannot open %s\n", path);
    CHECK(f != NULL);
    test_case c;
    int n = 0;
    while (read_case(f, &c)) {
        check_case(&c);
        bl_dataset_free(c.gt);
        bl_detections_free(&c.dt);
        n++;
    }
    fclose(f);
    CHECK(n >= 1);
    if (argc == 1) CHECK_EQ(n, 40);
    printf("%d cases agree in all bits\n", n);
    return 0;
}
