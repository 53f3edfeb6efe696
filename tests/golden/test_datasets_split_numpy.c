/* The draws of STAC and Soft Teacher against NumPy's own (scripts/golden/split_numpy.py). */
#include <inttypes.h>

#include "datasets/splits/split.h"
#include "tests/check.h"

/* n images with ids of another order than their places, which draws must not look at. */
static bl_dataset *images(int32_t n) {
    bl_image_info *im = calloc((size_t)n, sizeof *im);
    char(*file)[16] = calloc((size_t)n, sizeof *file);
    bl_category category = {.id = 1, .name = "thing"};
    bl_dataset *d;
    CHECK(im && file);
    for (int32_t i = 0; i < n; i++) {
        snprintf(file[i], sizeof file[i], "%d.jpg", i);
        im[i] =
            (bl_image_info){.id = (int64_t)(n - i) * 7, .file = file[i], .width = 64, .height = 64};
    }
    const bl_dataset parts = {.name = "images",
                              .image_dir = "",
                              .categories = &category,
                              .n_categories = 1,
                              .images = im,
                              .n_images = n};
    CHECK_OK(bl_dataset_build(&parts, &d));
    free(im);
    free(file);
    return d;
}

int main(void) {
    FILE *f = fopen(BALLAST_SOURCE_DIR "/tests/golden/split_numpy.txt", "r");
    int n, m, cases = 0;
    double percent;
    int64_t seed, sum, squares;
    CHECK(f != NULL);
    while (fscanf(f, "%d %lf %" SCNd64 " %d %" SCNd64 " %" SCNd64, &n, &percent, &seed, &m, &sum,
                  &squares) == 6) {
        bl_dataset *d = images(n);
        bl_split s;
        /* seed + fold is what NumPy is seeded with (their seed offset) */
        bl_split_config cfg = {
            .percent = percent, .seed = seed - 1, .fold = 1, .draw = BL_DRAW_NUMPY};
        int64_t found = 0, found_squares = 0;
        CHECK_OK(bl_split_make(&cfg, d, &s));
        CHECK_EQ(s.labelled->n_images, m);
        CHECK_EQ(s.unlabelled->n_images, n - m);
        for (int32_t i = 0; i < m; i++) {
            int64_t place = strtoll(s.labelled->images[i].file, NULL, 10), first;
            found += place;
            found_squares = (found_squares + place * place) % (INT64_C(1) << 31);
            if (i >= 8 || i >= m) continue;
            CHECK(fscanf(f, "%" SCNd64, &first) == 1);
            CHECK_EQ(place, first);
        }
        CHECK_EQ(found, sum);
        CHECK_EQ(found_squares, squares);
        bl_split_free(&s);
        bl_dataset_free(d);
        cases++;
    }
    CHECK_EQ(cases, 7);
    fclose(f);
    return 0;
}
