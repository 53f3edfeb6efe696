/* "segmentation" in annotations and results: its forms, what it stands in for, and every defect. */
#include <unistd.h>

#include "core/fs.h"
#include "eval/protocol/detections.h"
#include "tests/check.h"

#define IMAGES                                                                                     \
    "\"images\":[{\"id\":1,\"file_name\":\"a\",\"width\":8,\"height\":6},"                         \
    "{\"id\":2,\"file_name\":\"b\",\"width\":4,\"height\":4}]"
#define CATS "\"categories\":[{\"id\":5,\"name\":\"e\"}]"
#define ANN(id, image, rest)                                                                       \
    "{\"segmentation\":" rest ",\"id\":" #id ",\"image_id\":" #image ",\"category_id\":5}"
#define DOC(anns) "{\"annotations\":[" anns "]," IMAGES "," CATS "}"
#define BOX ",\"bbox\":[0,0,1,1]"

static bl_status parse(const char *text, bl_read_options *opt, bl_dataset **d) {
    return bl_coco_read_memory(text, strlen(text), "t.json", "", opt, d);
}

static const char four[] = DOC(
    ANN(11, 2, "[[0,0,2,0,2,3,0,3]]") "," ANN(12, 1, "[[1,1,2,1,2,3,1,3],[5,0,8,0,8,2,5,2]]") "," ANN(
        13, 2,
        "{\"counts\":[1,3,12],\"size\":[4,4]}" BOX
        ",\"area\":2.5") "," ANN(14, 2,
                                 "{\"size\":[4,4],\"x\":0,\"counts\":\"13<\"}") "," ANN(15, 2,
                                                                                        "[[0,1,3,2]"
                                                                                        "]") "," ANN(16,
                                                                                                     2,
                                                                                                     "n"
                                                                                                     "u"
                                                                                                     "l"
                                                                                                     "l" BOX) "," ANN(17,
                                                                                                                      2,
                                                                                                                      "[]" BOX));

static void forms(const bl_dataset *d) {
    static const struct {
        int id, area, w, h, image_w;
    } want[] = {{12, 8, 7, 3, 8}, {11, 6, 2, 3, 4}, {13, 3, 1, 1, 4}, {14, 3, 1, 3, 4},
                {15, 6, 3, 2, 4}, {16, 0, 1, 1, 0}, {17, 0, 1, 1, 0}};
    bl_rle r = {0};
    CHECK_EQ(d->n_anns, 7);
    CHECK(d->masks != NULL);
    for (int i = 0; i < 7; i++) {
        CHECK_EQ(d->anns[i].id, want[i].id);
        CHECK_EQ(d->masks[i].area, want[i].area);
        CHECK_EQ(d->masks[i].w, want[i].image_w);
        CHECK_NEAR(d->anns[i].w, want[i].w, 0); /* the mask's box where the file has none */
        CHECK_NEAR(d->anns[i].h, want[i].h, 0);
    }
    CHECK_NEAR(d->anns[0].area, 8, 0);   /* the mask's, where the file has none */
    CHECK_NEAR(d->anns[2].area, 2.5, 0); /* the file's */
    CHECK_OK(bl_mask_runs(&d->masks[2], &r));
    CHECK_EQ(r.n, 3);
    CHECK_EQ(r.counts[2], 12);
    CHECK(d->masks[5].text == NULL && d->masks[6].text == NULL);
    CHECK_FAILS(bl_mask_runs(&d->masks[5], &r), BL_EINVAL, "no mask");
    bl_rle_free(&r);
}

static void reading_masks(const char *path) {
    bl_read_options opt = {.masks = true};
    bl_dataset *d, *again, *part;
    CHECK_OK(parse(four, &opt, &d));
    forms(d);
    CHECK_OK(bl_coco_write(d, path)); /* images come first there, and runs are strings */
    CHECK_OK(bl_coco_read(path, "", &opt, &again));
    forms(again);
    bl_dataset_free(again);
    const int32_t pick[] = {0, 1};
    CHECK_OK(bl_dataset_subset(d, pick, 2, &part));
    forms(part);
    bl_dataset_free(part);
    /* from a file, the annotations of which come before the images and fill several windows */
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    fputs("{\n\"annotations\":[", f);
    for (int i = 0; i < 9000; i++)
        fprintf(
            f,
            "%s\n{\"segmentation\":[[0,0,2,0,2,3,0,3]],\"id\":%d,\"image_id\":2,\"category_id\":5}",
            i ? "," : "", i + 1);
    fputs("\n],\n" IMAGES "," CATS "}", f);
    fclose(f);
    CHECK_OK(bl_coco_read(path, "", &opt, &again));
    CHECK_EQ(again->n_anns, 9000);
    for (int i = 0; i < 9000; i++) CHECK_EQ(again->masks[i].area, 6);
    bl_dataset_free(again);
    /* a defect's line is right on the second pass too */
    char place[128];
    f = fopen(path, "w");
    CHECK(f != NULL);
    fputs("{\n\"annotations\":[\n\n{\"segmentation\":5}],\n" IMAGES "," CATS "}\n", f);
    fclose(f);
    snprintf(place, sizeof place, "%s:4 (byte", path);
    CHECK_FAILS(bl_coco_read(path, "", &opt, &again), BL_EFORMAT, place);
    bl_dataset_free(d);
    unlink(path);
    /* not asked for: skipped, so that a missing bbox is a defect */
    CHECK_FAILS(parse(four, NULL, &d), BL_EFORMAT, "(id 11): \"bbox\" is missing");
}

static void defects(void) {
    static const struct {
        const char *value, *part;
    } cases[] = {
        {"5", "expected polygons or run lengths, found a number"},
        {"[1,2,3,4,5,6]", "expected polygons, each an array of numbers, found a number"},
        {"[[1,2,3,4,5,\"6\"]]", "expected a number, found a string"},
        {"[[1,2,3,4,5,6,7]]", "polygon 0 has 7 numbers, expected pairs"},
        {"[[1,2]]", "the polygon has 2 numbers"},
        {"[[]]", "the polygon has 0 numbers"},
        {"[[1,2,3,4],[1,2,3,4,5,6]]", "polygon 1 has 6 numbers, but the first has four"},
        {"[[1,2,1e7,4,5,6]]", "polygon coordinate 1e+07 is not in pixels"},
        {"{}", "\"size\" is missing"},
        {"{\"size\":[4,4]}", "\"counts\" is missing"},
        {"{\"size\":[4,4],\"size\":[4,4],\"counts\":[16]}", "\"size\" is given twice"},
        {"{\"size\":[4,4],\"counts\":[16],\"counts\":\"`0\"}", "\"counts\" is given twice"},
        {"{\"size\":[4],\"counts\":[16]}", "\"size\" has 1 numbers"},
        {"{\"size\":[4,4,4],\"counts\":[16]}", "\"size\" has 3 numbers"},
        {"{\"size\":[4,-4],\"counts\":[16]}", "\"size\" has -4, expected pixels"},
        {"{\"size\":[4,99999999999],\"counts\":[16]}", "\"size\" has 99999999999"},
        {"{\"size\":[40000,40000],\"counts\":[16]}", "mask of 40000 rows"},
        {"{\"size\":\"4x4\",\"counts\":[16]}", "\"size\" to be [height, width], found a string"},
        {"{\"size\":[4,4],\"counts\":5}", "\"counts\" to be a string or an array, found a number"},
        {"{\"size\":[4,4],\"counts\":[15]}", "cover 15 pixels, but 4 x 4 are 16"},
        {"{\"size\":[4,4],\"counts\":[17]}", "cover at least 17 pixels"},
        {"{\"size\":[4,4],\"counts\":[-1,17]}", "run 0 of the mask is -1"},
        {"{\"size\":[4,4],\"counts\":[1.5,14.5]}", "run 0 of the mask is 1.5"},
        {"{\"size\":[4,4],\"counts\":[1e300]}", "cover at least 17 pixels"},
        {"{\"size\":[4,4],\"counts\":\"P\"}", "it ends inside a run"},
        {"{\"size\":[4,4],\"counts\":\"\\u00e9\"}", "broken at character 0"},
        {"{\"size\":[4,4],\"counts\":\"\"}", "cover 0 pixels"},
    };
    char text[512];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_dataset *d;
        bl_read_options opt = {.masks = true};
        snprintf(text, sizeof text,
                 "{" IMAGES ",\"annotations\":[{\"segmentation\":%s,\"id\":31,\"image_id\":2,"
                 "\"category_id\":5,\"bbox\":[0,0,1,1]}]," CATS "}",
                 cases[i].value);
        CHECK_FAILS(parse(text, &opt, &d), BL_EFORMAT, cases[i].part);
        CHECK(strstr(bl_error(), "annotations[0]: (id 31): \"segmentation\": ") != NULL);
        opt.skip_bad = true;
        CHECK_OK(parse(text, &opt, &d));
        CHECK_EQ(opt.n_skipped, 1);
        CHECK_EQ(d->n_anns, 0);
        bl_dataset_free(d);
    }
}

static bl_status results(const char *text, const bl_dataset *gt, bl_detections_options *o,
                         bl_detections *d) {
    return bl_detections_read_memory_with(text, strlen(text), "r.json", gt, o, d);
}

#define DET(rest) "{\"image_id\":2,\"category_id\":5,\"score\":0.5" rest "}"
#define RUNS ",\"segmentation\":{\"counts\":[1,3,12],\"size\":[4,4]}"

static void reading_results(const char *path) {
    bl_dataset *gt;
    bl_detections d, again;
    bl_detections_options o = {.masks = true};
    double box[4];
    bl_rle r = {0};
    CHECK_OK(parse(DOC(""), NULL, &gt));
    /* masks only: their areas, their boxes */
    CHECK_OK(results(
        "[" DET(RUNS) "," DET(RUNS BOX) "," DET(",\"segmentation\":[[0,0,2,0,2,3,0,3]]") "]", gt,
        &o, &d));
    CHECK_EQ(d.n, 3);
    CHECK(!d.box_area);
    CHECK_NEAR(d.v[0].w, 1, 0);
    CHECK_NEAR(d.v[0].y, 1, 0);
    CHECK_NEAR(d.v[1].h, 1, 0);
    CHECK_NEAR(bl_detection_area(&d, 1), 3, 0);
    CHECK_NEAR(bl_detection_area(&d, 2), 6, 0);
    CHECK_OK(bl_detections_write(&d, gt, path));
    CHECK_OK(bl_detections_read_with(path, gt, &o, &again));
    CHECK_EQ(again.n, 3);
    CHECK(again.box_area); /* both are written */
    CHECK_EQ(again.masks[2].area, 6);
    CHECK(again.masks[0].length == d.masks[0].length &&
          memcmp(again.masks[0].text, d.masks[0].text, d.masks[0].length) == 0);
    bl_detections_free(&again);
    CHECK_FAILS(bl_detections_add(&d, &d.v[0]), BL_EINVAL, "without a mask after 3 with one");
    bl_detections_free(&d);
    /* boxes first: their areas, and rectangles */
    CHECK_OK(results(
        "[" DET(RUNS BOX) "," DET(",\"bbox\":[1,1,2,2.2]") "," DET(",\"segmentation\":[]" BOX) "]",
        gt, &o, &d));
    CHECK(d.box_area);
    CHECK_NEAR(bl_detection_area(&d, 0), 1, 0);
    CHECK_NEAR(bl_detection_area(&d, 1), 2 * 2.2, 0);
    CHECK_OK(bl_mask_runs(&d.masks[1], &r));
    bl_rle_to_box(&r, box);
    CHECK_NEAR(box[0], 1, 0);
    CHECK_NEAR(box[3], 2, 0);
    CHECK_EQ(d.masks[2].area, 1);
    bl_detections_free(&d);
    /* [] is no box */
    CHECK_OK(results("[" DET(RUNS ",\"bbox\":[]") "]", gt, &o, &d));
    CHECK(!d.box_area);
    bl_detections_free(&d);
    CHECK_FAILS(results("[" DET(RUNS BOX) "," DET(RUNS) "]", gt, &o, &d), BL_EFORMAT,
                "detection[1]: \"bbox\" is missing; the first detection has one");
    CHECK_FAILS(results("[" DET(RUNS) "," DET(BOX) "]", gt, &o, &d), BL_EFORMAT,
                "detection[1]: \"segmentation\" is missing");
    CHECK_FAILS(
        results("[" DET(",\"segmentation\":{\"counts\":[1],\"size\":[4,4]}") "]", gt, &o, &d),
        BL_EFORMAT, "detection[0]: \"segmentation\": the runs of the mask cover 1 pixels");
    CHECK_FAILS(results("[" DET(",\"segmentation\":[[0,0,1e9,0,0,1]]") "]", gt, &o, &d), BL_EFORMAT,
                "detection[0]: \"segmentation\": polygon coordinate 1e+09");
    CHECK_FAILS(results("[" DET(",\"bbox\":[0,0,1e7,1]") "]", gt, &o, &d), BL_EFORMAT,
                "detection[0]: \"segmentation\": polygon coordinate 1e+07");
    o.masks = false;
    CHECK_FAILS(results("[" DET(RUNS) "]", gt, &o, &d), BL_EFORMAT, "\"bbox\" is missing");
    CHECK_OK(results("[" DET(RUNS BOX) "]", gt, &o, &d));
    CHECK(d.masks == NULL);
    CHECK_NEAR(bl_detection_area(&d, 0), 1, 0);
    uint32_t whole[] = {16};
    const bl_rle view = {.h = 4, .w = 4, .n = 1, .counts = whole};
    CHECK_FAILS(bl_detections_add_mask(&d, &d.v[0], &view), BL_EINVAL, "after 1 without one");
    bl_detections_free(&d);
    /* unknown images have no size to fill polygons in */
    o = (bl_detections_options){.masks = true, .skip_unknown = true};
    CHECK_OK(results(
        "[{\"image_id\":9,\"category_id\":5,\"score\":1,\"segmentation\":[[0,0,2,0,2,3]]}," DET(
            RUNS) "]",
        gt, &o, &d));
    CHECK_EQ(d.n, 1);
    CHECK_EQ(o.n_unknown_images, 1);
    bl_detections_free(&d);
    bl_rle_free(&r);
    bl_dataset_free(gt);
    unlink(path);
}

int main(void) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/ballast_masks_%d.json", (int)getpid());
    reading_masks(path);
    defects();
    reading_results(path);
    return 0;
}
