/* Random ground truth and detections (crowds, ties, area edges, ids out of order, empty classes,
 * annotation id 0, more detections than the limits; custom thresholds, points, areas and limits;
 * class-agnostic; masks; LVIS with its lists and caps) against pycocotools and lvis-api: every
 * value of the precision, recall and score arrays and the summary numbers must agree in all bits.
 * scripts/golden/eval_pycocotools.py wrote the file and says what is in it.
 *
 *     test_eval_random [FILE]     checks another file of the same format */
#include <inttypes.h>

#include "core/fs.h"
#include "core/parallel.h"
#include "eval/protocol/evaluator.h"
#include "tests/check.h"

enum { WORD = 1 << 16, MAX_LISTS = 256 };

typedef struct test_case {
    char name[64];
    bl_eval_params params;
    bl_dataset parts, *gt;
    bl_strpool pool; /* of the masks in parts */
    bl_detections dt;
    int n_stats;
    bl_eval_metric stats[BL_EVAL_MAX_METRICS];
    char precision[17], recall[17], scores[17];
} test_case;

static char word[WORD];

static const char *next(FILE *f) {
    CHECK(fscanf(f, "%65535s", word) == 1);
    return word;
}

static int64_t read_int(FILE *f) {
    char *end;
    int64_t v = strtoll(next(f), &end, 10);
    CHECK(*end == 0);
    return v;
}

static double read_double(FILE *f) {
    char *end;
    double v = strtod(next(f), &end);
    CHECK(*end == 0);
    return v;
}

static bl_eval_params preset(const char *name) {
    if (strcmp(name, "coco") == 0) return bl_eval_params_coco();
    if (strcmp(name, "coco-segm") == 0) return bl_eval_params_coco_segm();
    if (strcmp(name, "lvis") == 0) return bl_eval_params_lvis(BL_IOU_BBOX);
    if (strcmp(name, "lvis-segm") == 0) return bl_eval_params_lvis(BL_IOU_SEGM);
    CHECK_STR(name, "lvis-fixed");
    return bl_eval_params_lvis_fixed(BL_IOU_BBOX);
}

static void read_setting(FILE *f, bl_eval_params *p) {
    char key[16];
    snprintf(key, sizeof key, "%.15s", next(f));
    int n = (int)read_int(f);
    if (strcmp(key, "agnostic") == 0) {
        p->class_agnostic = true;
    } else if (strcmp(key, "cap") == 0) {
        bl_eval_set_max_dets(p, n);
    } else if (strcmp(key, "ious") == 0) {
        CHECK(n <= BL_EVAL_MAX_IOUS);
        p->n_ious = n;
        for (int i = 0; i < n; i++) p->ious[i] = read_double(f);
    } else if (strcmp(key, "recalls") == 0) {
        CHECK(n <= BL_EVAL_MAX_RECALLS);
        p->n_recalls = n;
        for (int i = 0; i < n; i++) p->recalls[i] = read_double(f);
    } else if (strcmp(key, "limits") == 0) {
        CHECK(n <= BL_EVAL_MAX_LIMITS);
        p->n_limits = n;
        for (int i = 0; i < n; i++) p->max_dets[i] = (int32_t)read_int(f);
    } else {
        CHECK_STR(key, "areas");
        CHECK(n <= BL_EVAL_MAX_AREAS);
        p->n_areas = n;
        for (int i = 0; i < n; i++) {
            snprintf(p->areas[i].name, sizeof p->areas[i].name, "%.15s", next(f));
            p->areas[i].min = read_double(f);
            p->areas[i].max = read_double(f);
        }
    }
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

static void read_categories(FILE *f, bl_dataset *p) {
    p->n_categories = (int32_t)read_int(f);
    p->categories = calloc((size_t)p->n_categories + 1, sizeof *p->categories);
    for (int32_t i = 0; i < p->n_categories; i++) {
        bl_category *c = &p->categories[i];
        *c = (bl_category){.id = read_int(f), .name = "c", .supercategory = ""};
        char frequency = *next(f);
        c->frequency = frequency == '-' ? 0 : frequency;
    }
    qsort(p->categories, (size_t)p->n_categories, sizeof *p->categories, by_id);
}

static void read_images(FILE *f, bl_dataset *p) {
    p->n_images = (int32_t)read_int(f);
    p->images = calloc((size_t)p->n_images + 1, sizeof *p->images);
    for (int32_t i = 0; i < p->n_images; i++) {
        bl_image_info *im = &p->images[i];
        im->id = read_int(f);
        im->height = (int32_t)read_int(f);
        im->width = (int32_t)read_int(f);
        im->file = "f";
    }
    p->federated = calloc((size_t)p->n_images + 1, sizeof *p->federated);
    for (int32_t i = 0; i < p->n_images; i++) p->federated[i].stated = true;
}

/* Borrowed from the case's pool. */
static void read_mask(FILE *f, test_case *c, int32_t image, bl_mask *out) {
    const bl_image_info *im = &c->parts.images[image];
    bl_rle runs = {0};
    *out = (bl_mask){0};
    if (strcmp(next(f), "-") == 0) return;
    CHECK_OK(bl_rle_from_string(word, strlen(word), im->height, im->width, &runs));
    CHECK_OK(bl_mask_keep(&c->pool, &runs, out));
    bl_rle_free(&runs);
}

static void read_annotations(FILE *f, test_case *c) {
    bl_dataset *p = &c->parts;
    p->n_anns = read_int(f);
    p->anns = calloc((size_t)p->n_anns + 1, sizeof *p->anns);
    p->masks = calloc((size_t)p->n_anns + 1, sizeof *p->masks);
    for (int64_t i = 0; i < p->n_anns; i++) {
        bl_ann *a = &p->anns[i];
        a->id = read_int(f);
        a->image = find_image(p, read_int(f));
        a->category = find_category(p, read_int(f));
        a->x = read_double(f);
        a->y = read_double(f);
        a->w = read_double(f);
        a->h = read_double(f);
        a->area = read_double(f);
        a->iscrowd = (uint8_t)read_int(f);
        a->ignore = (uint8_t)read_int(f);
        read_mask(f, c, a->image, &p->masks[i]);
    }
}

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void read_list(FILE *f, bl_dataset *p, bool negative) {
    bl_federated *l = &p->federated[find_image(p, read_int(f))];
    int32_t n = (int32_t)read_int(f), *v = malloc(((size_t)n + 1) * sizeof *v);
    for (int32_t i = 0; i < n; i++) v[i] = find_category(p, read_int(f));
    qsort(v, (size_t)n, sizeof *v, ascending);
    if (negative) {
        l->negative = v;
        l->n_negative = n;
    } else {
        l->not_exhaustive = v;
        l->n_not_exhaustive = n;
    }
}

/* As loadRes has it: with boxes, sizes are those of the boxes, else those of the masks. */
static void read_detections(FILE *f, test_case *c) {
    const bl_dataset *p = &c->parts;
    bl_detections *dt = &c->dt;
    int64_t n = read_int(f);
    for (int64_t i = 0; i < n; i++) {
        bl_detection d = {0};
        d.image = find_image(p, read_int(f));
        d.category = find_category(p, read_int(f));
        d.x = read_double(f);
        d.y = read_double(f);
        d.w = read_double(f);
        d.h = read_double(f);
        d.score = read_double(f);
        bl_mask m;
        bl_rle runs = {0};
        read_mask(f, c, d.image, &m);
        if (m.text) {
            CHECK_OK(bl_mask_runs(&m, &runs));
            CHECK_OK(bl_detections_add_mask(dt, &d, &runs));
            dt->box_area = d.w >= 0;
        } else {
            CHECK_OK(bl_detections_add(dt, &d));
        }
        bl_rle_free(&runs);
    }
}

static void read_stats(FILE *f, test_case *c) {
    c->n_stats = (int)read_int(f);
    CHECK(c->n_stats <= BL_EVAL_MAX_METRICS);
    for (int i = 0; i < c->n_stats; i++) {
        snprintf(c->stats[i].key, sizeof c->stats[i].key, "%.23s", next(f));
        c->stats[i].value = read_double(f);
    }
}

static void read_sha(FILE *f, const char *key, char out[17]) {
    CHECK_STR(next(f), key);
    snprintf(out, 17, "%.16s", next(f));
}

static bool read_case(FILE *f, test_case *c) {
    *c = (test_case){.parts = {.name = "case", .image_dir = ""}};
    if (fscanf(f, "%65535s", word) != 1) return false;
    CHECK((c->pool.arena = bl_arena_create(0)) != NULL);
    CHECK_STR(word, "case");
    snprintf(c->name, sizeof c->name, "%.63s", next(f));
    c->params = preset(next(f));
    while (strcmp(next(f), "stats") != 0) {
        if (strcmp(word, "set") == 0)
            read_setting(f, &c->params);
        else if (strcmp(word, "categories") == 0)
            read_categories(f, &c->parts);
        else if (strcmp(word, "images") == 0)
            read_images(f, &c->parts);
        else if (strcmp(word, "annotations") == 0)
            read_annotations(f, c);
        else if (strcmp(word, "detections") == 0)
            read_detections(f, c);
        else if (strcmp(word, "negative") == 0 || strcmp(word, "not_exhaustive") == 0)
            read_list(f, &c->parts, *word == 'n' && word[1] == 'e');
        else
            CHECK_STR(word, "a key of the format");
    }
    read_stats(f, c);
    read_sha(f, "precision", c->precision);
    read_sha(f, "recall", c->recall);
    read_sha(f, "scores", c->scores);
    if (c->params.kind != BL_IOU_SEGM) {
        free(c->parts.masks);
        c->parts.masks = NULL;
    }
    CHECK_OK(bl_dataset_build(&c->parts, &c->gt));
    return true;
}

static void free_case(test_case *c) {
    for (int32_t i = 0; i < c->parts.n_images; i++) {
        free((void *)c->parts.federated[i].negative);
        free((void *)c->parts.federated[i].not_exhaustive);
    }
    free(c->parts.federated);
    free(c->parts.masks);
    bl_arena_destroy(c->pool.arena);
    free(c->parts.categories);
    free(c->parts.images);
    free(c->parts.anns);
    bl_dataset_free(c->gt);
    bl_detections_free(&c->dt);
}

static void check_array(const test_case *c, const char *what, const double *v, int64_t n,
                        const char *expected) {
    if (strcmp(expected, "-") == 0) return;
    char hex[65];
    bl_sha256(v, (size_t)n * sizeof *v, hex);
    hex[16] = 0;
    if (strcmp(hex, expected) != 0) fprintf(stderr, "%s: %s differs\n", c->name, what);
    CHECK_STR(hex, expected);
}

static void check_case(const test_case *c) {
    bl_eval_result r;
    CHECK_OK(bl_eval_run(c->gt, &c->dt, &c->params, &r));
    bl_eval_metric got[BL_EVAL_MAX_METRICS];
    CHECK_EQ(bl_eval_metrics(&r, NULL, got), c->n_stats);
    for (int i = 0; i < c->n_stats; i++) {
        CHECK_STR(got[i].key, c->stats[i].key);
        if (got[i].value != c->stats[i].value)
            fprintf(stderr, "%s: %s differs\n", c->name, got[i].key);
        CHECK_NEAR(got[i].value, c->stats[i].value, 0.0);
    }
    int64_t cells = (int64_t)r.T * r.K * r.A * r.M;
    double *v[3];
    for (int i = 0; i < 3; i++) v[i] = malloc((size_t)(cells * r.R + 1) * sizeof **v);
    bl_eval_expand(&r, v[0], v[1], v[2]);
    check_array(c, "precision", v[0], cells * r.R, c->precision);
    check_array(c, "scores", v[1], cells * r.R, c->scores);
    check_array(c, "recall", v[2], cells, c->recall);
    for (int i = 0; i < 3; i++) free(v[i]);
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
        free_case(&c);
        n++;
    }
    fclose(f);
    CHECK(n >= 1);
    if (argc == 1) CHECK_EQ(n, 252);
    printf("%d cases agree in all bits\n", n);
    return 0;
}
