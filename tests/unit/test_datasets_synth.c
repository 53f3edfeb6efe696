/* The generator: determinism, frequencies, annotations that fit the pixels'
 * geometry, bad settings. */
#include <stdlib.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/parallel.h"
#include "datasets/annotations/dataset.h"
#include "datasets/images/image.h"
#include "datasets/synth/synth.h"
#include "datasets/synth/synth_shapes.h"
#include "tests/check.h"

static bl_arena *arena;

static bl_synth_config config(const char *const *overrides, int n) {
    bl_synth_config cfg;
    const char *base[16] = {"width=96",    "height=64",     "size_max=32",
                            "labelled=40", "unlabelled=60", "test=48"};
    for (int i = 0; i < n; i++) base[6 + i] = overrides[i];
    CHECK_OK(bl_config_load(&bl_synth_schema, NULL, base, 6 + n, arena, &cfg));
    return cfg;
}

static char *fresh_dir(void) {
    char name[] = "/tmp/ballast-synth-XXXXXX";
    CHECK(mkdtemp(name));
    return strdup(name);
}

static void remove_dir(char *dir) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    CHECK_EQ(system(command), 0);
    free(dir);
}

static bl_dataset *read_set(const char *dir, const char *name) {
    char json[256], images[256];
    snprintf(json, sizeof json, "%s/%s.json", dir, name);
    snprintf(images, sizeof images, "%s/images", dir);
    bl_dataset *d;
    CHECK_OK(bl_coco_read(json, images, NULL, &d));
    return d;
}

static char *summary(const char *dir) {
    char path[256], *text;
    size_t size;
    snprintf(path, sizeof path, "%s/synth.json", dir);
    CHECK_OK(bl_read_file(path, 1 << 20, &text, &size));
    return text;
}

static int64_t last_done;

static void progress(void *arg, int64_t done, int64_t total) {
    CHECK(arg == &last_done && done > last_done && done <= total && total == 148);
    last_done = done;
}

/* Checksums of all annotations and JPEGs are in synth.json: equal text means equal files. */
static void test_deterministic(void) {
    char *a = fresh_dir(), *b = fresh_dir(), *c = fresh_dir();
    bl_synth_config cfg = config(NULL, 0);
    bl_set_threads(1);
    CHECK_OK(bl_synth_generate(&cfg, a, progress, &last_done));
    CHECK_EQ(last_done, 148);
    bl_set_threads(4);
    CHECK_OK(bl_synth_generate(&cfg, b, NULL, NULL));
    cfg.seed = 2;
    CHECK_OK(bl_synth_generate(&cfg, c, NULL, NULL));
    char *ta = summary(a), *tb = summary(b), *tc = summary(c);
    CHECK_STR(ta, tb);
    CHECK(strcmp(ta, tc) != 0);
    char *sums = strstr(ta, "\"sets\"");
    CHECK(sums && strstr(sums, "annotations_sha256") && strstr(sums, "images_sha256"));
    /* Over an existing folder: the same again. */
    cfg.seed = 1;
    CHECK_OK(bl_synth_generate(&cfg, c, NULL, NULL));
    free(tc);
    tc = summary(c);
    CHECK_STR(ta, tc);
    free(ta);
    free(tb);
    free(tc);
    remove_dir(a);
    remove_dir(b);
    remove_dir(c);
}

static void test_contents(void) {
    char *dir = fresh_dir();
    const char *more[] = {"labelled=150", "unlabelled=300", "test=240", "imbalance=50"};
    bl_synth_config cfg = config(more, 4);
    CHECK_OK(bl_synth_generate(&cfg, dir, NULL, NULL));
    int64_t n[12];
    const char *names[3] = {"labelled", "unlabelled", "test"};
    int64_t first_id = 1;
    for (int s = 0; s < 3; s++) {
        bl_dataset *d = read_set(dir, names[s]);
        CHECK_EQ(d->n_categories, 12);
        CHECK_EQ(d->n_images, s == 0 ? 150 : s == 1 ? 300 : 240);
        CHECK_EQ(d->images[0].id, first_id);
        first_id += d->n_images;
        CHECK_EQ(d->n_degenerate, 0);
        CHECK_EQ(d->n_clipped, 0);
        bl_dataset_counts(d, true, NULL, n);
        int64_t total = 0;
        for (int c = 0; c < 12; c++) total += n[c];
        for (int c = 0; c < 12; c++) {
            int rank = bl_synth_rank(&cfg, c);
            double tail = 0;
            for (int k = 0; k < 12; k++) tail += pow(50, -k / 11.0);
            double share = s == 2 ? total / 12.0 : (double)total * pow(50, -rank / 11.0) / tail;
            /* Only objects without a place and the minimum of 3 move counts off their quota. */
            CHECK(fabs((double)n[c] - share) <= 3 + 0.06 * share);
            if (s == 0) CHECK(n[c] >= 3);
        }
        for (int64_t i = 0; i < d->n_anns; i++) {
            const bl_ann *a = &d->anns[i];
            CHECK(a->x >= 0 && a->y >= 0 && a->x + a->w <= 96 && a->y + a->h <= 64);
            CHECK(a->w > 3 && a->h > 3 && a->area > 0 && a->area <= a->w * a->h);
            CHECK(a->w < 2 + 1.12 * cfg.size_max && a->h < 2 + 1.12 * cfg.size_max);
        }
        for (int i = 0; i < 3; i++) {
            bl_image img;
            char *path = bl_dataset_path(d, i);
            CHECK_OK(bl_image_load(path, true, &img));
            CHECK_EQ(img.width, 96);
            CHECK_EQ(img.height, 64);
            bl_image_free(&img);
            free(path);
        }
        bl_dataset_free(d);
    }
    remove_dir(dir);
}

static void test_ranks(void) {
    bl_synth_config cfg = config(NULL, 0);
    for (int n = 2; n <= BL_SYNTH_MAX_CLASSES; n += 2)
        for (cfg.lookalikes = 0; cfg.lookalikes < 2; cfg.lookalikes++) {
            int seen[BL_SYNTH_MAX_CLASSES] = {0};
            cfg.classes = n;
            for (int c = 0; c < n; c++) seen[bl_synth_rank(&cfg, c)]++;
            for (int c = 0; c < n; c++) CHECK_EQ(seen[c], 1);
            for (int c = 0; c < n; c += 2) {
                int a = bl_synth_rank(&cfg, c), b = bl_synth_rank(&cfg, c + 1);
                if (cfg.lookalikes == BL_LOOKALIKES_TOGETHER)
                    CHECK_EQ(b, a + 1);
                else
                    CHECK((a < n / 2) != (b < n / 2));
            }
        }
}

/* No shape twice; the shapes beyond the pairs have no look-alike among the others. */
static void test_pairs(void) {
    for (int pairs = 0; pairs <= 6; pairs++) {
        int seen[BL_SYNTH_KINDS] = {0}, n = 24;
        for (int c = 0; c < n; c++) {
            bl_synth_kind kind = bl_synth_shape_kind(c, pairs);
            CHECK(kind < BL_SYNTH_KINDS);
            CHECK_EQ(++seen[kind], 1);
            if (c < 2 * pairs) CHECK_EQ((int)kind, c);
        }
        for (int c = 2 * pairs; c < n; c++)
            for (int d = 0; d < c; d++)
                CHECK(strcmp(bl_synth_shape_family(bl_synth_shape_kind(c, pairs)),
                             bl_synth_shape_family(bl_synth_shape_kind(d, pairs))) != 0);
    }
}

/* The frequent half of the classes equal, the others fifty times rarer. */
static void test_step(void) {
    char *dir = fresh_dir();
    const char *more[] = {"labelled=300", "classes=24",   "pairs=2",        "tail=step",
                          "imbalance=50", "unlabelled=0", "min_instances=2"};
    bl_synth_config cfg = config(more, 7);
    CHECK_OK(bl_synth_generate(&cfg, dir, NULL, NULL));
    bl_dataset *d = read_set(dir, "labelled");
    CHECK_EQ(d->n_categories, 24);
    int64_t n[24];
    bl_dataset_counts(d, true, NULL, n);
    for (int c = 0; c < 24; c++) {
        bool common = bl_synth_rank(&cfg, c) < 12;
        CHECK(common ? n[c] >= 90 && n[c] <= 102 : n[c] == 2);
    }
    bl_dataset_free(d);
    remove_dir(dir);
}

/* Every shape has extent, and an inside and an outside. */
static void test_shapes(void) {
    for (int kind = 0; kind < BL_SYNTH_KINDS; kind++) {
        bl_rng r = bl_rng_make(1, (uint64_t)kind);
        bl_synth_shape s = bl_synth_shape_make((bl_synth_kind)kind, &r);
        int inside = 0;
        float reach = 0;
        for (int i = 0; i < 100; i++)
            for (int j = 0; j < 100; j++) {
                float x = -1.2f + 0.024f * (float)i, y = -1.2f + 0.024f * (float)j;
                if (bl_synth_shape_distance(&s, x, y) >= 0) continue;
                inside++;
                reach = fmaxf(reach, hypotf(x, y));
            }
        CHECK(inside > 800 && inside < 6000);
        CHECK(reach > 0.9f && reach < 1.3f);
    }
}

static void test_bad_settings(void) {
    char *dir = fresh_dir();
    bl_synth_config cfg = config(NULL, 0);
    cfg.classes = 7;
    CHECK_FAILS(bl_synth_generate(&cfg, dir, NULL, NULL), BL_ECONFIG, "synth.classes: 7");
    cfg = config(NULL, 0);
    cfg.pairs = 7;
    CHECK_FAILS(bl_synth_generate(&cfg, dir, NULL, NULL), BL_ECONFIG, "synth.pairs: 7");
    cfg = config(NULL, 0);
    cfg.classes = 28;
    cfg.pairs = 1;
    CHECK_FAILS(bl_synth_generate(&cfg, dir, NULL, NULL), BL_ECONFIG, "synth.pairs: 1");
    cfg = config(NULL, 0);
    cfg.size_max = 60;
    CHECK_FAILS(bl_synth_generate(&cfg, dir, NULL, NULL), BL_ECONFIG, "synth.size_max");
    cfg = config(NULL, 0);
    cfg.objects_min = 9;
    CHECK_FAILS(bl_synth_generate(&cfg, dir, NULL, NULL), BL_ECONFIG, "synth.objects_min");
    cfg = config(NULL, 0);
    cfg.labelled = 4;
    CHECK_FAILS(bl_synth_generate(&cfg, dir, NULL, NULL), BL_ECONFIG, "min_instances");
    cfg = config(NULL, 0);
    CHECK_FAILS(bl_synth_generate(&cfg, "/proc/ballast", NULL, NULL), BL_EIO, "/proc/ballast");
    remove_dir(dir);
}

int main(void) {
    arena = bl_arena_create(0);
    test_ranks();
    test_pairs();
    test_step();
    test_shapes();
    test_deterministic();
    test_contents();
    test_bad_settings();
    bl_arena_destroy(arena);
    return 0;
}
