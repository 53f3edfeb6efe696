/* Validation images out of the labelled ones: as many as asked, the same every time, and no class
 * loses more than half of its images. */
#include <stdlib.h>

#include "datasets/splits/holdout.h"
#include "tests/check.h"

/* n images; class 0 is in all of them, class 1 in the first three, class 2 in the first only. */
static bl_dataset *make(int32_t n) {
    bl_category categories[3] = {
        {.id = 1, .name = "a"}, {.id = 2, .name = "b"}, {.id = 3, .name = "c"}};
    bl_image_info *images = calloc((size_t)n, sizeof *images);
    bl_ann *anns = calloc(3 * (size_t)n, sizeof *anns);
    char(*names)[16] = calloc((size_t)n, sizeof *names);
    int32_t m = 0;
    for (int32_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "%d.jpg", (int)i);
        images[i] = (bl_image_info){.id = i + 1, .file = names[i], .width = 90, .height = 90};
        for (int32_t c = 0; c < 3; c++)
            if (c == 0 || (c == 1 && i < 3) || (c == 2 && i == 0))
                anns[m++] = (bl_ann){.id = m + 1,
                                     .image = i,
                                     .category = c,
                                     .x = 1,
                                     .y = 1,
                                     .w = 9,
                                     .h = 9,
                                     .area = 81};
    }
    bl_dataset parts = {.name = "made",
                        .image_dir = "",
                        .categories = categories,
                        .n_categories = 3,
                        .images = images,
                        .n_images = n,
                        .anns = anns,
                        .n_anns = m},
               *out;
    CHECK_OK(bl_dataset_build(&parts, &out));
    free(images);
    free(anns);
    free(names);
    return out;
}

static void test_share(void) {
    bl_dataset *a = make(100), *b = make(100), *held_a, *held_b;
    CHECK_OK(bl_dataset_hold_out(&a, 0.2, &held_a));
    CHECK_OK(bl_dataset_hold_out(&b, 0.2, &held_b));
    CHECK_EQ(held_a->n_images, 20);
    CHECK_EQ(a->n_images, 80);
    bool seen[101] = {false};
    for (int32_t i = 0; i < 80; i++) seen[a->images[i].id] = true;
    for (int32_t i = 0; i < 20; i++) {
        CHECK(!seen[held_a->images[i].id]);
        CHECK_EQ(held_a->images[i].id, held_b->images[i].id);
        CHECK(i == 0 || held_a->images[i - 1].id < held_a->images[i].id);
    }
    int64_t left[3];
    bl_dataset_counts(a, true, left, NULL);
    CHECK(left[1] >= 2 && left[2] == 1);
    bl_dataset_free(a);
    bl_dataset_free(b);
    bl_dataset_free(held_a);
    bl_dataset_free(held_b);
}

static void test_ends(void) {
    bl_dataset *d = make(4), *held;
    CHECK_OK(bl_dataset_hold_out(&d, 0.01, &held)); /* at least one */
    CHECK_EQ(held->n_images, 1);
    bl_dataset_free(d);
    bl_dataset_free(held);
    d = make(8);
    CHECK_OK(bl_dataset_hold_out(&d, 0.5, &held)); /* class 1 has 3 images and keeps 2 */
    CHECK(held->n_images <= 4 && d->n_images >= 4);
    int64_t left[3];
    bl_dataset_counts(d, true, left, NULL);
    CHECK(left[0] >= 4 && left[1] >= 2 && left[2] == 1);
    bl_dataset_free(d);
    bl_dataset_free(held);
    d = make(1);
    CHECK_FAILS(bl_dataset_hold_out(&d, 0.5, &held), BL_EFORMAT, "none of its 1 labelled images");
    CHECK(!held && d->n_images == 1);
    bl_dataset_free(d);
}

int main(void) {
    test_share();
    test_ends();
    return 0;
}
