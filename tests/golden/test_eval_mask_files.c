/* The masks of real annotation and result files, against what pycocotools makes of them (numbers
 * from scripts/golden/mask_files.py). */
#include "core/fs.h"
#include "eval/protocol/detections.h"
#include "tests/check.h"

/* SHA-256 of "h w string\n" over all masks. */
static void digest(const bl_mask *m, int64_t n, int64_t *area, char hex[65]) {
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    CHECK(f != NULL);
    *area = 0;
    for (int64_t i = 0; i < n; i++) {
        CHECK(m[i].text != NULL);
        fprintf(f, "%d %d %.*s\n", m[i].h, m[i].w, (int)m[i].length, m[i].text);
        *area += m[i].area;
    }
    fclose(f);
    bl_sha256(text, size, hex);
    free(text);
}

static bl_dataset *check(const char *path, bool skip_bad, int64_t n, int64_t area,
                         const char *sha256) {
    bl_dataset *d;
    bl_read_options opt = {.masks = true, .skip_bad = skip_bad};
    int64_t got;
    char hex[65];
    CHECK_OK(bl_coco_read(path, "", &opt, &d));
    CHECK_EQ(opt.n_skipped, 0);
    CHECK_EQ(d->n_anns, n);
    digest(d->masks, n, &got, hex);
    CHECK_EQ(got, area);
    CHECK_STR(hex, sha256);
    return d;
}

int main(void) {
    if (!bl_exists(BALLAST_SHARED_DATA "/coco128")) SKIP("real annotation files are not here");
    bl_dataset *d, *gt;
    d = check(BALLAST_SHARED_DATA "/coco128/instances_train2017.json", false, 939, 12194426,
              "b68f123ffe74422f954d65e2d328403b5b0154feb849311f4c3bc2ad5d406c56");
    bl_dataset_free(d);
    d = check(BALLAST_SHARED_DATA "/taco-annotations/annotations.json", true, 4784, 719568164,
              "257b0099c0659b5542c8bc7b51b1849d7fdc9ee6ef591040fef1d71b7fbdddd3");
    bl_dataset_free(d);
    gt = check(BALLAST_SHARED_DATA "/coco-eval-golden/instances_val2014_100.json", false, 839,
               9144836, "68b9ee8b116d2277b90db023f149ebaf941cc0f6aac94e3d57e31951f34634e9");

    bl_detections dt;
    bl_detections_options opt = {.masks = true};
    int64_t area;
    char hex[65];
    CHECK_OK(bl_detections_read_with(BALLAST_SHARED_DATA
                                     "/coco-eval-golden/instances_val2014_fakesegm100_results.json",
                                     gt, &opt, &dt));
    CHECK_EQ(dt.n, 734);
    CHECK(!dt.box_area);
    digest(dt.masks, dt.n, &area, hex);
    CHECK_EQ(area, 7766804);
    CHECK_STR(hex, "0b41bb52f82f5b55b29ef71cfdf2d4549fc96cf4f45d8f1d00046b2ba51e777e");
    CHECK_NEAR(bl_detection_area(&dt, 0), dt.masks[0].area, 0);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
    return 0;
}
