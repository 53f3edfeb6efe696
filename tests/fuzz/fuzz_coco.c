/* The COCO reader on arbitrary bytes, strict and lenient, with and without masks. */
#include "datasets/annotations/dataset.h"
#include "tests/fuzz/fuzz.h"

static void check_list(const bl_dataset *d, const int32_t *v, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        HOLDS(v[i] >= 0 && v[i] < d->n_categories && (i == 0 || v[i] > v[i - 1]));
}

static void check_lists(const bl_dataset *d, const bl_federated *f) {
    check_list(d, f->negative, f->n_negative);
    check_list(d, f->not_exhaustive, f->n_not_exhaustive);
}

static void check_mask(const bl_mask *m) {
    bl_rle r = {0};
    HOLDS(bl_mask_runs(m, &r) == BL_OK);
    HOLDS(bl_rle_check(&r) == BL_OK && bl_rle_area(&r) == m->area);
    bl_rle_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int mode = 0; mode < 8; mode++) {
        bool lenient = mode & 1;
        bl_read_options opt = {
            .skip_bad = lenient, .images_only = lenient, .masks = mode & 2, .evaluation = mode & 4};
        bl_dataset *d;
        if (bl_coco_read_memory(data, size, "fuzz", "", &opt, &d) != BL_OK) continue;
        /* What was accepted must hang together. */
        for (int64_t i = 0; i < d->n_anns; i++) {
            const bl_ann *a = &d->anns[i];
            HOLDS(a->image >= 0 && a->image < d->n_images);
            HOLDS(a->category >= 0 && a->category < d->n_categories);
            if (d->masks && d->masks[i].text) check_mask(&d->masks[i]);
        }
        int64_t total = 0;
        for (int32_t i = 0; i < d->n_images; i++) {
            HOLDS(d->images[i].first_ann == total);
            total += d->images[i].n_anns;
        }
        HOLDS(total == d->n_anns);
        for (int32_t i = 0; d->federated && i < d->n_images; i++) check_lists(d, &d->federated[i]);
        bl_dataset_free(d);
    }
    return 0;
}
