/* Speed of the views of small images, on one core:
 *   bench_augment [--ms MILLISECONDS]
 * One line a view: name, nanoseconds an image (the fastest of several rounds, processor time of
 * this thread, so that other work on the machine hardly counts). scripts/bench-augment compares
 * with Pillow. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "datasets/class_synth.h"
#include "datasets/class_views.h"
#include "datasets/rand_augment.h"

enum { IMAGES = 256, ROUNDS = 5 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct bench {
    const bl_class_set *set;
    bl_class_views *views;
    bl_class_view_kind kind;
    float *out;
} bench;

static void views(const bench *b, uint64_t round) {
    for (int i = 0; i < IMAGES; i++) {
        bl_rng rng = bl_rng_make(1, bl_rng_key(round, (uint64_t)i, 0));
        bl_class_view_make(b->views, b->kind, bl_class_image(b->set, i), b->set->mean, b->set->std,
                           &rng, b->out, NULL);
    }
}

static int measure(const char *name, const bl_class_set *set, bl_class_view_kind kind, int strong,
                   double seconds) {
    bl_class_view_config cfg = {.flip = 0.5,
                                .pad = -1,
                                .cutout = -1,
                                .strong = strong,
                                .crop_min = 0.2,
                                .jitter = 0.5,
                                .jitter_p = 0.8,
                                .grey_p = 0.2,
                                .blur_p = 0.5};
    bench b = {.set = set, .kind = kind, .out = malloc(3 * 32 * 32 * sizeof(float))};
    if (!b.out || bl_class_views_create(&cfg, set, &b.views) != BL_OK) return 1;
    double best = 1e9;
    uint64_t at = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now(), spent = 0;
        int64_t done = 0;
        do {
            views(&b, at++);
            done += IMAGES;
            spent = now() - start;
        } while (spent < seconds / ROUNDS);
        if (spent / (double)done < best) best = spent / (double)done;
    }
    printf("%s %.0f\n", name, best * 1e9);
    bl_class_views_destroy(b.views);
    free(b.out);
    return 0;
}

int main(int argc, char **argv) {
    double seconds = 0.5;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--ms") && i + 1 < argc) {
            seconds = atof(argv[++i]) / 1000;
        } else {
            fprintf(stderr, "usage: bench_augment [--ms MILLISECONDS]\n");
            return 2;
        }
    }
    bl_class_synth_config cfg = {.classes = 10,
                                 .train = IMAGES,
                                 .test = 1,
                                 .size = 32,
                                 .clutter = 1,
                                 .noise = 16,
                                 .rotation = 35,
                                 .seed = 1};
    bl_class_set *set;
    if (bl_class_synth(&cfg, BL_CLASS_TRAIN, &set) != BL_OK) {
        fprintf(stderr, "%s\n", bl_error());
        return 1;
    }
    int bad = measure("plain", set, BL_CLASS_PLAIN, BL_STRONG_RA_MC, seconds);
    bad |= measure("weak", set, BL_CLASS_WEAK, BL_STRONG_RA_MC, seconds);
    bad |= measure("ra_mc", set, BL_CLASS_STRONG, BL_STRONG_RA_MC, seconds);
    bad |= measure("ra_usb", set, BL_CLASS_STRONG, BL_STRONG_RA_USB, seconds);
    bad |= measure("contrast", set, BL_CLASS_CONTRAST, BL_STRONG_RA_MC, seconds);
    bl_class_set_free(set);
    return bad;
}
