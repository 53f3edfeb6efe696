/* Published annotation files: COCO128, TACO and a hundred images of LVIS. */
#include <unistd.h>

#include "core/fs.h"
#include "tests/unit/coco_same.h"

static int64_t count_of(const bl_dataset *d, const char *name, int64_t *images) {
    int64_t im[2000], bx[2000];
    CHECK(d->n_categories <= 2000);
    bl_dataset_counts(d, true, im, bx);
    for (int32_t i = 0; i < d->n_categories; i++)
        if (strcmp(d->categories[i].name, name) == 0) {
            *images = im[i];
            return bx[i];
        }
    return -1;
}

static void reads_coco128(const char *path) {
    bl_dataset *d;
    CHECK_OK(bl_coco_read(BALLAST_SHARED_DATA "/coco128/instances_train2017.json", "x", NULL, &d));
    CHECK_EQ(d->n_images, 128);
    CHECK_EQ(d->n_anns, 939);
    CHECK_EQ(d->n_categories, 80);
    static const struct {
        const char *name;
        int boxes, images;
    } want[] = {{"person", 259, 61},   {"car", 47, 12}, {"chair", 36, 9},
                {"teddy bear", 21, 6}, {"bear", 1, 1},  {"toaster", 0, 0}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        int64_t images = -1;
        CHECK_EQ(count_of(d, want[i].name, &images), want[i].boxes);
        CHECK_EQ(images, want[i].images);
    }
    int64_t crowds = 0, most = 0, empty = 0, small = 0, medium = 0, occurring = 0, boxes[80];
    for (int64_t i = 0; i < d->n_anns; i++) {
        crowds += d->anns[i].iscrowd;
        small += d->anns[i].area < 32 * 32;
        medium += d->anns[i].area >= 32 * 32 && d->anns[i].area < 96 * 96;
    }
    for (int32_t i = 0; i < d->n_images; i++) {
        most = d->images[i].n_anns > most ? d->images[i].n_anns : most;
        if (d->images[i].n_anns == 0) CHECK(d->images[i].id == 250 || d->images[i].id == 508);
        empty += d->images[i].n_anns == 0;
    }
    bl_dataset_counts(d, true, NULL, boxes);
    for (int i = 0; i < 80; i++) occurring += boxes[i] > 0;
    CHECK_EQ(crowds, 10);
    CHECK_EQ(most, 42);
    CHECK_EQ(empty, 2);
    CHECK_EQ(occurring, 71);
    CHECK_EQ(small, 414);
    CHECK_EQ(medium, 296);
    writing_and_reading_is_exact(d, path);
    bl_dataset_free(d);
}

static void reads_taco_and_lvis(void) {
    bl_dataset *d;
    int64_t images;
    /* The file uses ids 309 and 4040 twice. */
    const char *taco = BALLAST_SHARED_DATA "/taco-annotations/annotations.json";
    bl_read_options opt = {.skip_bad = true};
    CHECK_FAILS(bl_coco_read(taco, "x", NULL, &d), BL_EFORMAT,
                "(id 309): the annotation id is used twice");
    CHECK_OK(bl_coco_read(taco, "x", &opt, &d));
    CHECK_EQ(opt.n_skipped, 0);
    CHECK_EQ(opt.n_renumbered, 2);
    CHECK_EQ(d->n_images, 1500);
    CHECK_EQ(d->n_anns, 4784);
    CHECK_EQ(d->n_categories, 60);
    CHECK_EQ(d->n_degenerate, 0);
    CHECK_EQ(d->n_clipped, 6);
    CHECK_EQ(count_of(d, "Cigarette", &images), 667);
    CHECK_EQ(count_of(d, "Carded blister pack", &images), 1);
    bl_dataset_free(d);
    CHECK_OK(
        bl_coco_read(BALLAST_SHARED_DATA "/lvis-eval-golden/lvis_val_100.json", "x", NULL, &d));
    int groups[128] = {0};
    for (int32_t i = 0; i < d->n_categories; i++) groups[(int)d->categories[i].frequency]++;
    CHECK_EQ(d->n_images, 100);
    CHECK_EQ(d->n_anns, 977);
    CHECK_EQ(groups['r'], 454);
    CHECK_EQ(groups['c'], 461);
    CHECK_EQ(groups['f'], 315);
    int64_t negative = 0, not_exhaustive = 0, sums[2] = {0}, counted[2] = {0};
    for (int32_t i = 0; i < d->n_images; i++) {
        const bl_federated *f = &d->federated[i];
        CHECK(f->stated);
        negative += f->n_negative;
        not_exhaustive += f->n_not_exhaustive;
        for (int32_t k = 0; k < f->n_negative; k++) sums[0] += f->negative[k];
        for (int32_t k = 0; k < f->n_not_exhaustive; k++) sums[1] += f->not_exhaustive[k];
    }
    for (int32_t i = 0; i < d->n_categories; i++) {
        counted[0] += d->categories[i].image_count;
        counted[1] += d->categories[i].instance_count;
    }
    CHECK_EQ(negative, 942);
    CHECK_EQ(not_exhaustive, 16);
    CHECK_EQ(sums[0], 587400);
    CHECK_EQ(sums[1], 7113);
    CHECK_EQ(counted[0], 299);
    CHECK_EQ(counted[1], 977);
    bl_dataset_free(d);
    CHECK_FAILS(
        bl_coco_read(BALLAST_SHARED_DATA "/lvis-eval-golden/lvis_synth_dets.json", "x", NULL, &d),
        BL_EFORMAT, "file of detections");
}

int main(void) {
    char path[64];
    if (!bl_exists(BALLAST_SHARED_DATA "/coco128")) SKIP("real annotation files are not here");
    snprintf(path, sizeof path, "/tmp/ballast_coco_real_%d.json", (int)getpid());
    reads_coco128(path);
    reads_taco_and_lvis();
    return 0;
}
