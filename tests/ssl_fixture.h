/* Surroundings of a learner for tests: data sets without files, a small
 * detector, hand-made views. */
#ifndef BALLAST_TESTS_SSL_FIXTURE_H
#define BALLAST_TESTS_SSL_FIXTURE_H

#include "ssl/detection/method.h"
#include "ssl/detection/view_batch.h"
#include "tests/detector_fixture.h"

/* `n_images` images of 100x80; image i holds one box of class c for every c with has(i, c). */
static inline bl_dataset *make_dataset(int32_t classes, int32_t n_images,
                                       bool (*has)(int32_t, int32_t)) {
    bl_category cat[8] = {0};
    static const char *const names[] = {"ant", "bee", "cow", "dog", "elk", "fox", "gnu", "hen"};
    CHECK(classes <= 8);
    for (int32_t c = 0; c < classes; c++)
        cat[c] = (bl_category){.id = c + 1, .name = names[c], .supercategory = ""};
    bl_image_info *image = calloc((size_t)n_images, sizeof *image);
    bl_ann *ann = calloc((size_t)n_images * (size_t)classes + 1, sizeof *ann);
    int64_t n = 0;
    for (int32_t i = 0; i < n_images; i++) {
        image[i] = (bl_image_info){.id = i + 1, .file = "none.jpg", .width = 100, .height = 80};
        for (int32_t c = 0; c < classes; c++)
            if (has && has(i, c)) {
                ann[n] = (bl_ann){.id = n + 1,
                                  .x = 10,
                                  .y = 10,
                                  .w = 30,
                                  .h = 20,
                                  .area = 600,
                                  .image = i,
                                  .category = c};
                n++;
            }
    }
    bl_dataset parts = {.name = "made",
                        .image_dir = ".",
                        .role = "",
                        .categories = cat,
                        .images = image,
                        .anns = ann,
                        .n_categories = classes,
                        .n_images = n_images,
                        .n_anns = n};
    bl_dataset *d;
    CHECK_OK(bl_dataset_build(&parts, &d));
    free(image);
    free(ann);
    return d;
}

/* The "method" section with settings, ending with NULL. */
static inline bl_method_config method_config(bl_arena *arena, const char *const *settings) {
    int n = 0;
    while (settings && settings[n]) n++;
    bl_method_config c;
    CHECK_OK(bl_config_load(&bl_method_schema, NULL, settings, n, arena, &c));
    return c;
}

/* A view of a 100x80 original, (w, h) pixels, mapped by m; the image is noise with a lighter
 * rectangle per box. */
static inline bl_view make_view(bl_arena *arena, bl_view_kind kind, int32_t w, int32_t h,
                                bl_affine m, const bl_box *box, const int32_t *label, int32_t n,
                                uint64_t seed) {
    bl_view v = {.from_original = m, .kind = kind, .n_boxes = n};
    v.image = (bl_image){w, h, bl_arena_alloc(arena, (size_t)w * (size_t)h * 3)};
    v.boxes = BL_NEW_ARRAY(arena, bl_box, n + 1);
    v.labels = BL_NEW_ARRAY(arena, int32_t, n + 1);
    v.ignore = BL_NEW_ARRAY(arena, uint8_t, n + 1);
    v.ann = BL_NEW_ARRAY(arena, int32_t, n + 1);
    CHECK(v.image.rgb && v.boxes && v.labels && v.ignore && v.ann);
    bl_rng r = bl_rng_make(seed, 1);
    for (int64_t i = 0; i < (int64_t)w * h * 3; i++)
        v.image.rgb[i] = (uint8_t)bl_rng_below(&r, 120);
    for (int32_t b = 0; b < n; b++) {
        v.boxes[b] = bl_box_clip(bl_affine_box(m, box[b]), (float)w, (float)h);
        v.labels[b] = label[b];
        v.ignore[b] = 0;
        v.ann[b] = b;
        for (int y = (int)v.boxes[b].y1; y < (int)v.boxes[b].y2; y++)
            for (int x = (int)v.boxes[b].x1; x < (int)v.boxes[b].x2; x++)
                v.image.rgb[((int64_t)y * w + x) * 3 + label[b] % 3] += 130;
    }
    return v;
}

#endif
