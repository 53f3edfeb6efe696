/* Whether two data sets are the same in every field, and whether writing keeps them so. */
#ifndef BALLAST_TESTS_COCO_SAME_H
#define BALLAST_TESTS_COCO_SAME_H

#include <unistd.h>

#include "datasets/annotations/dataset.h"
#include "tests/check.h"

static inline void same_ann(const bl_ann *a, const bl_ann *b) {
    CHECK_EQ(a->id, b->id);
    CHECK_EQ(a->image, b->image);
    CHECK_EQ(a->category, b->category);
    CHECK(a->x == b->x && a->y == b->y && a->w == b->w && a->h == b->h && a->area == b->area);
    CHECK(a->iscrowd == b->iscrowd && a->ignore == b->ignore && a->difficult == b->difficult);
}

static inline void same_data(const bl_dataset *a, const bl_dataset *b) {
    CHECK_EQ(a->n_images, b->n_images);
    CHECK_EQ(a->n_categories, b->n_categories);
    CHECK_EQ(a->n_anns, b->n_anns);
    CHECK_STR(a->role, b->role);
    for (int32_t i = 0; i < a->n_images; i++) {
        CHECK_EQ(a->images[i].id, b->images[i].id);
        CHECK_STR(a->images[i].file, b->images[i].file);
        CHECK_EQ(a->images[i].width, b->images[i].width);
        CHECK_EQ(a->images[i].first_ann, b->images[i].first_ann);
    }
    for (int32_t i = 0; i < a->n_categories; i++) {
        CHECK_EQ(a->categories[i].id, b->categories[i].id);
        CHECK_STR(a->categories[i].name, b->categories[i].name);
        CHECK_STR(a->categories[i].supercategory, b->categories[i].supercategory);
        CHECK_EQ(a->categories[i].frequency, b->categories[i].frequency);
    }
    for (int64_t i = 0; i < a->n_anns; i++) same_ann(&a->anns[i], &b->anns[i]);
}

static inline void writing_and_reading_is_exact(const bl_dataset *d, const char *path) {
    bl_dataset *back;
    CHECK_OK(bl_coco_write(d, path));
    CHECK_OK(bl_coco_read(path, "", NULL, &back));
    same_data(d, back);
    bl_dataset_free(back);
    unlink(path);
}

#endif
