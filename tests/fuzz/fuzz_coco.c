/* The COCO reader on arbitrary bytes, strict and lenient. */
#include "datasets/dataset.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int lenient = 0; lenient < 2; lenient++) {
        bl_read_options opt = {.skip_bad = lenient, .images_only = lenient};
        bl_dataset *d;
        if (bl_coco_read_memory(data, size, "fuzz", "", &opt, &d) != BL_OK) continue;
        /* What was accepted must hang together. */
        for (int64_t i = 0; i < d->n_anns; i++) {
            const bl_ann *a = &d->anns[i];
            HOLDS(a->image >= 0 && a->image < d->n_images);
            HOLDS(a->category >= 0 && a->category < d->n_categories);
        }
        int64_t total = 0;
        for (int32_t i = 0; i < d->n_images; i++) {
            HOLDS(d->images[i].first_ann == total);
            total += d->images[i].n_anns;
        }
        HOLDS(total == d->n_anns);
        bl_dataset_free(d);
    }
    return 0;
}
