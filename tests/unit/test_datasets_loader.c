/* The loader: the same batches for any worker count, exact seeking, mixing, repeats, faults. */
#include <stdlib.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/log.h"
#include "core/parallel.h"
#include "datasets/loading/detection/loader.h"
#include "datasets/loading/detection/sampler.h"
#include "datasets/synth/synth.h"
#include "tests/check.h"

static bl_arena *arena;
static char dir[] = "/tmp/ballast-loader-XXXXXX";
static bl_dataset *labelled, *unlabelled;
static bl_view_config view;

static const bl_view_kind lk[] = {BL_VIEW_LABELLED}, uk[] = {BL_VIEW_STRONG, BL_VIEW_WEAK};

enum { N_LABELLED = 13, N_UNLABELLED = 31 };

static void set_up(void) {
    arena = bl_arena_create(0);
    bl_set_threads(1); /* no OpenMP team beside the loader's threads, for ThreadSanitizer's sake */
    CHECK(mkdtemp(dir));
    const char *over[] = {"width=64",      "height=48", "size_max=32", "labelled=13",
                          "unlabelled=31", "test=0",    "classes=4",   "min_instances=1"};
    bl_synth_config synth;
    CHECK_OK(bl_config_load(&bl_synth_schema, NULL, over, 8, arena, &synth));
    CHECK_OK(bl_synth_generate(&synth, dir, NULL, NULL));
    char *images = bl_path_join(dir, "images"), *a = bl_path_join(dir, "labelled.json"),
         *b = bl_path_join(dir, "unlabelled.json");
    CHECK_OK(bl_coco_read(a, images, NULL, &labelled));
    CHECK_OK(bl_coco_read(b, images, NULL, &unlabelled));
    free(images);
    free(a);
    free(b);
    const char *view_over[] = {"min_side=40", "max_side=56"};
    CHECK_OK(bl_config_load(&bl_view_schema, NULL, view_over, 2, arena, &view));
}

static bl_loader_config config(int workers) {
    bl_loader_config cfg;
    CHECK_OK(bl_config_load(&bl_loader_schema, NULL, NULL, 0, arena, &cfg));
    cfg.workers = workers;
    return cfg;
}

static bl_loader *make_kinds(const bl_loader_config *cfg, const bl_view_kind *kinds, int n) {
    bl_loader *l;
    CHECK_OK(bl_loader_create(cfg, &view, labelled, lk, 1, unlabelled, kinds, n, 42, &l));
    return l;
}

static bl_loader *make(const bl_loader_config *cfg) {
    return make_kinds(cfg, uk, 2);
}

static uint64_t mix_bytes(uint64_t h, const void *data, size_t n) {
    const uint8_t *p = data;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001B3ull;
    return h;
}

/* FNV-1a of everything in a batch: identity, pixels, maps, boxes. */
static uint64_t hash_batch(const bl_batch *b) {
    uint64_t h = 0xCBF29CE484222325ull;
    h = mix_bytes(h, &b->step, sizeof b->step);
    h = mix_bytes(h, &b->n_labelled, sizeof b->n_labelled);
    for (int32_t i = 0; i < b->n; i++) {
        const bl_sample *s = &b->samples[i];
        h = mix_bytes(h, &s->image, sizeof s->image);
        for (int32_t k = 0; k < s->n_views; k++) {
            const bl_view *v = &s->views[k];
            h = mix_bytes(h, v->image.rgb, (size_t)v->image.width * (size_t)v->image.height * 3);
            h = mix_bytes(h, &v->from_original, sizeof v->from_original);
            h = mix_bytes(h, v->boxes, (size_t)v->n_boxes * sizeof *v->boxes);
            h = mix_bytes(h, v->labels, (size_t)v->n_boxes * sizeof *v->labels);
            h = mix_bytes(h, v->ann, (size_t)v->n_boxes * sizeof *v->ann);
        }
    }
    return h;
}

static uint64_t take(bl_loader *l) {
    bl_batch *b;
    CHECK_OK(bl_loader_next(l, &b));
    CHECK_EQ(b->n, 5);
    for (int32_t i = 0; i < b->n; i++) {
        CHECK_EQ(b->samples[i].labelled, i < b->n_labelled);
        CHECK_EQ(b->samples[i].n_views, i < b->n_labelled ? 1 : 2);
        CHECK_EQ(b->samples[i].views[0].kind,
                 i < b->n_labelled ? BL_VIEW_LABELLED : BL_VIEW_STRONG);
    }
    uint64_t h = hash_batch(b);
    bl_loader_release(l, b);
    return h;
}

enum { STEPS = 30 };
static uint64_t expected[STEPS]; /* made without workers */

static void test_workers(void) {
    const int workers[] = {0, 1, 4};
    for (int k = 0; k < 3; k++)
        for (int cache = 0; cache < 2; cache++) {
            bl_loader_config cfg = config(workers[k]);
            cfg.cache_mb = cache;
            bl_loader *l = make(&cfg);
            for (int t = 0; t < STEPS; t++) {
                uint64_t h = take(l);
                if (k == 0 && cache == 0) expected[t] = h;
                CHECK(h == expected[t]);
            }
            bl_loader_destroy(l);
        }
    for (int t = 1; t < STEPS; t++) CHECK(expected[t] != expected[t - 1]);
}

/* A blurred view has its weak view's geometry, whichever stands first; other pairs draw their own. */
static void test_blurred_pairs(void) {
    static const bl_view_kind pairs[][2] = {{BL_VIEW_BLURRED, BL_VIEW_WEAK},
                                            {BL_VIEW_WEAK, BL_VIEW_BLURRED},
                                            {BL_VIEW_STRONG, BL_VIEW_WEAK}};
    for (int k = 0; k < 3; k++) {
        bl_loader_config cfg = config(0);
        bl_loader *l = make_kinds(&cfg, pairs[k], 2);
        int same = 0, n = 0;
        for (int t = 0; t < 5; t++) {
            bl_batch *b;
            CHECK_OK(bl_loader_next(l, &b));
            for (int32_t i = b->n_labelled; i < b->n; i++, n++) {
                const bl_view *v = b->samples[i].views;
                same +=
                    memcmp(&v[0].from_original, &v[1].from_original, sizeof v->from_original) == 0;
            }
            bl_loader_release(l, b);
        }
        CHECK(n > 5 && (k < 2 ? same == n : same < n));
        bl_loader_destroy(l);
    }
}

static void test_seek(void) {
    bl_loader_config cfg = config(2);
    bl_loader *l = make(&cfg);
    bl_loader_pos at[STEPS];
    for (int t = 0; t < STEPS; t++) {
        at[t] = bl_loader_tell(l);
        CHECK_EQ(at[t].step, t);
        CHECK(take(l) == expected[t]);
    }
    /* Back and forth in the same loader, then in a fresh one. */
    const int jumps[] = {20, 3, 3, 29, 0, 11};
    for (int k = 0; k < 6; k++) {
        CHECK_OK(bl_loader_seek(l, &at[jumps[k]]));
        for (int t = jumps[k]; t < STEPS && t < jumps[k] + 3; t++) CHECK(take(l) == expected[t]);
    }
    bl_loader_destroy(l);
    l = make(&cfg);
    CHECK_OK(bl_loader_seek(l, &at[17]));
    for (int t = 17; t < STEPS; t++) CHECK(take(l) == expected[t]);
    bl_loader_pos bad = {.step = -1};
    CHECK_FAILS(bl_loader_seek(l, &bad), BL_EINVAL, "negative");
    bl_loader_destroy(l);
}

static void test_set_repeats(void) {
    int32_t copies[N_UNLABELLED];
    for (int i = 0; i < N_UNLABELLED; i++) copies[i] = i % 4; /* every fourth is left out */
    uint64_t want[STEPS];
    bl_loader_pos later = {0};
    for (int workers = 0; workers <= 4; workers += 2) {
        bl_loader_config cfg = config(workers);
        bl_loader *l = make(&cfg);
        for (int t = 0; t < STEPS; t++) {
            if (t == 8) CHECK_OK(bl_loader_set_repeats(l, false, copies));
            if (t == 15) later = bl_loader_tell(l);
            uint64_t h = take(l);
            if (workers == 0) want[t] = h;
            CHECK(h == want[t]);
            if (t < 8)
                CHECK(h == expected[t]);
            else
                CHECK(h != expected[t]);
        }
        CHECK_FAILS(bl_loader_set_repeats(l, false, (int32_t[N_UNLABELLED]){-1}), BL_EINVAL,
                    "copies");
        bl_loader_destroy(l);
    }
    /* Resuming: repeats first, then the position. */
    bl_loader_config cfg = config(1);
    bl_loader *l = make(&cfg);
    CHECK_OK(bl_loader_set_repeats(l, false, copies));
    CHECK_OK(bl_loader_seek(l, &later));
    for (int t = 15; t < STEPS; t++) CHECK(take(l) == want[t]);
    bl_loader_destroy(l);
}

/* Images and counts from the sampler alone: many steps, no decoding. */
static void test_sampler(void) {
    bl_loader_config cfg = config(0);
    bl_sampler s;
    CHECK_OK(bl_sampler_init(&s, &cfg, labelled, unlabelled, 7));
    bl_loader_pos pos = {0};
    int32_t images[5], n_labelled;
    int64_t seen[2][N_UNLABELLED] = {{0}}, used[2] = {0}, counts[6] = {0};
    enum { T = 200000 };
    for (int t = 0; t < T; t++) {
        CHECK_OK(bl_sampler_next(&s, &pos, images, &n_labelled));
        CHECK(n_labelled >= 1 && n_labelled <= 4);
        counts[n_labelled]++;
        for (int i = 0; i < 5; i++) {
            int k = i >= n_labelled;
            seen[k][images[i]]++;
            used[k]++;
            /* Without replacement: at any time no image is more than one pass ahead of another. */
            int64_t passes = (used[k] - 1) / (k ? N_UNLABELLED : N_LABELLED);
            CHECK(seen[k][images[i]] <= passes + 1);
        }
    }
    for (int i = 0; i < N_LABELLED; i++) CHECK(seen[0][i] >= used[0] / N_LABELLED);
    for (int i = 0; i < N_UNLABELLED; i++) CHECK(seen[1][i] >= used[1] / N_UNLABELLED);
    CHECK_EQ(pos.step, T);
    CHECK_EQ(pos.cursor[0][0] + pos.cursor[0][1], used[0]);
    /* Binomial(5, 0.2) labelled, with 0 counted as 1 and 5 as 4: mean 1.32736. Standard error
     * 0.0014. */
    CHECK_NEAR((double)used[0] / T, 1.32736, 5 * 0.0014);
    const double p[6] = {0, 0.32768 + 0.4096, 0.2048, 0.0512, 0.0064 + 0.00032, 0};
    for (int n = 1; n <= 4; n++) CHECK_NEAR((double)counts[n] / T, p[n], 5 * sqrt(p[n] / T));
    bl_sampler_free(&s);
}

static void test_repeats_in_lists(void) {
    bl_loader_config cfg = config(0);
    cfg.batch = 4;
    cfg.labelled = 2;
    cfg.binomial = false;
    bl_sampler s;
    CHECK_OK(bl_sampler_init(&s, &cfg, labelled, unlabelled, 7));
    bl_loader_pos pos = {0};
    int32_t copies[N_LABELLED] = {3, 0, 2, 1}, images[4], n_labelled, seen[N_LABELLED] = {0};
    int32_t first[2][6];
    for (int t = 0; t < 5; t++) CHECK_OK(bl_sampler_next(&s, &pos, images, &n_labelled));
    CHECK_OK(bl_sampler_set_repeats(&s, 0, copies, &pos));
    for (int t = 0; t < 6; t++) {
        CHECK_OK(bl_sampler_next(&s, &pos, images, &n_labelled));
        CHECK_EQ(n_labelled, 2);
        for (int i = 0; i < 2; i++) {
            first[t / 3][t % 3 * 2 + i] = images[i];
            seen[images[i]]++;
        }
        if (t == 2) CHECK(seen[0] == 3 && seen[1] == 0 && seen[2] == 2 && seen[3] == 1);
    }
    CHECK(seen[0] == 6 && seen[1] == 0 && seen[2] == 4 && seen[3] == 2);
    CHECK(memcmp(first[0], first[1], sizeof first[0]) != 0);
    /* Setting the same repeats again does not restart the order: the next pass follows. */
    bl_loader_pos before = pos;
    CHECK_OK(bl_sampler_set_repeats(&s, 0, copies, &pos));
    CHECK_EQ(pos.cursor[0][0] + pos.cursor[0][1], before.cursor[0][0] + before.cursor[0][1]);
    memset(copies, 0, sizeof copies);
    CHECK_OK(bl_sampler_set_repeats(&s, 0, copies, &pos));
    CHECK_FAILS(bl_sampler_next(&s, &pos, images, &n_labelled), BL_EINVAL, "no labelled image");
    bl_sampler_free(&s);
}

/* Half of the images tall: no batch mixes shapes, both kinds of batches come in proportion. */
static void test_aspect_groups(void) {
    bl_image_info infos[2][40];
    bl_dataset d[2] = {{.name = "a", .images = infos[0], .n_images = 20},
                       {.name = "b", .images = infos[1], .n_images = 40}};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < d[k].n_images; i++)
            infos[k][i] = (bl_image_info){.width = i % 4 ? 20 : 10, .height = i % 4 == 1 ? 20 : 15};
    bl_loader_config cfg = config(0);
    bl_sampler s;
    CHECK_OK(bl_sampler_init(&s, &cfg, &d[0], &d[1], 1));
    CHECK(s.grouped);
    bl_loader_pos pos = {0};
    int wide_batches = 0;
    int32_t images[5], n_labelled;
    for (int t = 0; t < 4000; t++) {
        CHECK_OK(bl_sampler_next(&s, &pos, images, &n_labelled));
        int wide = 0;
        for (int i = 0; i < 5; i++) {
            const bl_image_info *info = &infos[i >= n_labelled][images[i]];
            wide += info->width > info->height;
        }
        CHECK(wide == 0 || wide == 5);
        wide_batches += wide == 5;
    }
    CHECK_NEAR(wide_batches / 4000.0, 0.5, 0.04);
    bl_sampler_free(&s);
    /* No tall labelled image: groups would starve the tall unlabelled ones, so they are merged. */
    for (int i = 0; i < 20; i++) infos[0][i].width = 100;
    CHECK_OK(bl_sampler_init(&s, &cfg, &d[0], &d[1], 1));
    CHECK(!s.grouped);
    bl_sampler_free(&s);
}

static void test_bad_config(void) {
    bl_loader *l;
    bl_loader_config cfg = config(0);
    cfg.labelled = 6;
    CHECK_FAILS(bl_loader_create(&cfg, &view, labelled, lk, 1, unlabelled, uk, 2, 1, &l),
                BL_ECONFIG, "loader.labelled");
    cfg = config(0);
    CHECK_FAILS(bl_loader_create(&cfg, &view, labelled, lk, 1, NULL, uk, 2, 1, &l), BL_ECONFIG,
                "no unlabelled data");
    CHECK_FAILS(bl_loader_create(&cfg, &view, labelled, lk, 0, unlabelled, uk, 2, 1, &l), BL_EINVAL,
                "views");
    cfg.batch = 1;
    cfg.labelled = 0;
    CHECK_FAILS(bl_loader_create(&cfg, &view, labelled, lk, 1, unlabelled, uk, 2, 1, &l),
                BL_ECONFIG, "binomial");
    /* Supervised only: no unlabelled data needed. */
    cfg = config(1);
    cfg.labelled = cfg.batch;
    CHECK_OK(bl_loader_create(&cfg, &view, labelled, lk, 1, NULL, NULL, 0, 1, &l));
    bl_batch *b, *c;
    for (int t = 0; t < 4; t++) {
        CHECK_OK(bl_loader_next(l, &b));
        CHECK(b->n == 5 && b->n_labelled == 5);
        CHECK_OK(bl_loader_next(l, &c)); /* two held at once */
        CHECK_EQ(c->step, b->step + 1);
        bl_loader_release(l, b);
        bl_loader_release(l, c);
    }
    CHECK_FAILS(bl_loader_set_repeats(l, false, NULL), BL_EINVAL, "unlabelled");
    bl_batch *held[5];
    for (int i = 0; i < 5; i++) CHECK_OK(bl_loader_next(l, &held[i]));
    CHECK_FAILS(bl_loader_next(l, &b), BL_EINVAL, "still held");
    bl_loader_destroy(l);
}

static void move(const char *from, const char *to) {
    char *a = bl_path_join(dir, from), *b = bl_path_join(dir, to);
    CHECK_EQ(rename(a, b), 0);
    free(a);
    free(b);
}

static void test_faults(void) {
    move("images/unlabelled_000004.jpg", "away.jpg");
    for (int workers = 0; workers <= 2; workers += 2) {
        bl_loader_config cfg = config(workers);
        bl_loader *l = make(&cfg);
        bl_batch *b;
        bl_status status = BL_OK;
        int t = 0;
        for (; t < STEPS && status == BL_OK; t++) {
            status = bl_loader_next(l, &b);
            if (status == BL_OK) {
                CHECK(hash_batch(b) == expected[t]); /* batches before it are unharmed */
                bl_loader_release(l, b);
            }
        }
        CHECK_EQ(status, BL_EIO);
        CHECK(strstr(bl_error(), "unlabelled_000004.jpg") && strstr(bl_error(), "unlabelled.json"));
        bl_loader_pos pos = bl_loader_tell(l); /* stays before the bad batch */
        CHECK_EQ(pos.step, t - 1);
        CHECK_FAILS(bl_loader_next(l, &b), BL_EIO, "unlabelled_000004.jpg");
        bl_loader_destroy(l);
    }
    /* skip_bad: the same batches for any worker count, nothing of image 4, reported once. */
    char *log = bl_path_join(dir, "log.txt");
    uint64_t want[STEPS];
    for (int workers = 0; workers <= 4; workers += 2) {
        CHECK_OK(bl_log_set_file(log));
        bl_loader_config cfg = config(workers);
        cfg.skip_bad = true;
        bl_loader *l = make(&cfg);
        int differ = 0;
        for (int t = 0; t < STEPS; t++) {
            uint64_t h = take(l);
            if (workers == 0) want[t] = h;
            CHECK(h == want[t]);
            differ += h != expected[t];
        }
        CHECK(differ >= 1 && differ < STEPS / 2);
        CHECK_EQ(bl_loader_skipped(l), 1);
        bl_loader_destroy(l);
        CHECK_OK(bl_log_set_file(NULL));
        char *text;
        size_t size;
        CHECK_OK(bl_read_file(log, 1 << 20, &text, &size));
        char *line = strstr(text, "unlabelled_000004.jpg");
        CHECK(line && !strstr(line + 1, "unlabelled_000004.jpg"));
        free(text);
        CHECK_EQ(remove(log), 0);
    }
    free(log);
    move("away.jpg", "images/unlabelled_000004.jpg");
    /* All of a kind unreadable: an error, not an endless search. */
    move("images", "elsewhere");
    bl_loader_config cfg = config(2);
    cfg.skip_bad = true;
    bl_loader *l = make(&cfg);
    bl_batch *b;
    bl_log_set_level(BL_LOG_ERROR);
    CHECK_FAILS(bl_loader_next(l, &b), BL_EIO, "no readable image is left");
    bl_log_set_level(BL_LOG_INFO);
    bl_loader_destroy(l);
    move("elsewhere", "images");
}

/* The same data set on both sides shares decoded images and bad flags. */
static void test_shared_data(void) {
    bl_loader_config cfg = config(2);
    bl_loader *l;
    CHECK_OK(bl_loader_create(&cfg, &view, labelled, lk, 1, labelled, uk, 2, 42, &l));
    for (int t = 0; t < 5; t++) take(l);
    bl_loader_destroy(l);
}

int main(void) {
    set_up();
    test_workers();
    test_blurred_pairs();
    test_seek();
    test_set_repeats();
    test_sampler();
    test_repeats_in_lists();
    test_aspect_groups();
    test_bad_config();
    test_faults();
    test_shared_data();
    bl_dataset_free(labelled);
    bl_dataset_free(unlabelled);
    bl_arena_destroy(arena);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    CHECK_EQ(system(command), 0);
    return 0;
}
