/* COCO result files: what is read, what is refused and in which words, and the round trip. */
#include <unistd.h>

#include "core/fs.h"
#include "eval/protocol/detections.h"
#include "tests/check.h"

static bl_dataset *ground_truth(void) {
    bl_category categories[2] = {{.id = 4, .name = "cat", .supercategory = ""},
                                 {.id = 9, .name = "dog", .supercategory = ""}};
    bl_image_info images[2] = {{.id = 7, .file = "b.jpg", .width = 10, .height = 10},
                               {.id = 3, .file = "a.jpg", .width = 10, .height = 10}};
    bl_dataset parts = {.name = "gt.json",
                        .image_dir = "",
                        .categories = categories,
                        .images = images,
                        .n_categories = 2,
                        .n_images = 2};
    bl_dataset *gt;
    CHECK_OK(bl_dataset_build(&parts, &gt));
    return gt;
}

static bl_status parse(const bl_dataset *gt, const char *text, bl_detections *d) {
    return bl_detections_read_memory(text, strlen(text), "r.json", gt, d);
}

static void reads(const bl_dataset *gt) {
    bl_detections d;
    CHECK_OK(parse(gt, "[]", &d));
    CHECK_EQ(d.n, 0);
    bl_detections_free(&d);
    CHECK_OK(parse(gt,
                   "[{\"image_id\":3,\"category_id\":9,\"bbox\":[1,2.5,3e1,-4],\"score\":0.125,"
                   "\"segmentation\":{\"counts\":\"]\"}},\n"
                   "{\"score\":1,\"bbox\":[0,0,0,0],\"category_id\":4,\"image_id\":7}]",
                   &d));
    CHECK_EQ(d.n, 2);
    CHECK_EQ(d.v[0].image, 1);
    CHECK_EQ(d.v[0].category, 1);
    CHECK_NEAR(d.v[0].y, 2.5, 0);
    CHECK_NEAR(d.v[0].w, 30, 0);
    CHECK_NEAR(d.v[0].h, -4, 0);
    CHECK_NEAR(d.v[0].score, .125, 0);
    CHECK_EQ(d.v[1].image, 0);
    CHECK_EQ(d.v[1].category, 0);
    bl_detections_free(&d);
}

#define E(image, category, bbox, score)                                                            \
    "{\"image_id\":" image ",\"category_id\":" category ",\"bbox\":" bbox ",\"score\":" score "}"
#define GOOD E("3", "9", "[1,2,3,4]", "0.5")

static void refuses(const bl_dataset *gt) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[" GOOD "," E("5", "9", "[1,2,3,4]", "1") "]",
         "detection[1]: \"image_id\" 5: the ground truth"},
        {"[" E("3", "1", "[1,2,3,4]", "1") "]", "\"category_id\" 1: the ground truth"},
        {"[" E("3", "9", "[1,2,3]", "1") "]", "\"bbox\" has 3 numbers"},
        {"[" E("3", "9", "[1,2,3,4,5]", "1") "]", "more than four"},
        {"[" E("3", "9", "[1,2,3,\"4\"]", "1") "]", "detection[0]"},
        {"[" E("3", "9", "[1,2,3,4]", "null") "]", "detection[0]"},
        {"[" E("3", "9", "[1,2,3,4]", "NaN") "]", "r.json:1"},
        {"[" E("3", "9", "[1,2,3,1e999]", "1") "]", "detection[0]"},
        {"[" E("3.5", "9", "[1,2,3,4]", "1") "]", "detection[0]"},
        {"[{\"image_id\":3,\"category_id\":9,\"bbox\":[1,2,3,4]}]", "\"score\" is missing"},
        {"[{\"score\":1,\"score\":2}]", "\"score\" is given twice"},
        {"{\"annotations\":[]}", "perhaps an annotation file"},
        {"[" GOOD, "truncated"},
        {"[" GOOD ",", "truncated"},
        {"[" GOOD "] x", "r.json:1"},
        {"", "r.json"},
        {"[3]", "detection[0]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_detections d;
        CHECK_FAILS(parse(gt, cases[i].text, &d), BL_EFORMAT, cases[i].message);
        CHECK(d.v == NULL);
        CHECK_EQ(d.n, 0);
    }
    bl_detections d;
    CHECK_FAILS(bl_detections_read("/nonexistent/r.json", gt, &d), BL_EIO, "/nonexistent/r.json");
}

static void round_trip(const bl_dataset *gt) {
    char path[] = "/tmp/test_eval_detections_XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    bl_detections d = {0}, back;
    const bl_detection v[3] = {{0.1, 1 / 3.0, 1e-300, 123456789.123456789, 0.1f, 0, 1},
                               {-0.5, 1e15, 2e15, 5, 1, 1, 0},
                               {1, 2, 3, 4, 0.9999999999999999, 1, 1}};
    for (int i = 0; i < 3; i++) CHECK_OK(bl_detections_add(&d, &v[i]));
    CHECK_OK(bl_detections_write(&d, gt, path));
    CHECK_OK(bl_detections_read(path, gt, &back));
    CHECK_EQ(back.n, 3);
    for (int i = 0; i < 3; i++) {
        CHECK_NEAR(back.v[i].x, v[i].x, 0);
        CHECK_NEAR(back.v[i].y, v[i].y, 0);
        CHECK_NEAR(back.v[i].w, v[i].w, 0);
        CHECK_NEAR(back.v[i].h, v[i].h, 0);
        CHECK_NEAR(back.v[i].score, v[i].score, 0);
        CHECK_EQ(back.v[i].image, v[i].image);
        CHECK_EQ(back.v[i].category, v[i].category);
    }
    bl_detections_free(&back);
    d.v[1].score = INFINITY;
    CHECK_FAILS(bl_detections_write(&d, gt, path), BL_EINVAL, "detection 1");
    d.v[1].score = 1;
    d.v[1].image = 2;
    CHECK_FAILS(bl_detections_write(&d, gt, path), BL_EINVAL, "image 2 of 2");
    bl_detections_free(&d);
    unlink(path);
}

/* Images named by files, as ultralytics (stems), and others with folder and ending; categories by
 * name. */
static void finds_names(void) {
    bl_category categories[2] = {{.id = 4, .name = "cat", .supercategory = ""},
                                 {.id = 5, .id_text = "d", .name = "dog", .supercategory = ""}};
    bl_image_info images[6] = {{.id = 1, .file = "a/x.jpg"},
                               {.id = 2, .file = "b/x.jpg"},
                               {.id = 3, .file = "b/img.v2.png"},
                               {.id = 4, .file = "000003.jpg"},
                               {.id = 18, .id_text = "name", .file = "other.jpg"},
                               {.id = 6, .file = "name.jpg"}};
    bl_dataset parts = {.name = "gt.json",
                        .image_dir = "",
                        .categories = categories,
                        .images = images,
                        .n_categories = 2,
                        .n_images = 6};
    static const struct {
        const char *ids;
        int image; /* -1: not found */
        bool by_name;
    } cases[] = {
        {"\"image_id\":3", 2, false},
        {"\"image_id\":\"3\"", 2, false},
        {"\"image_id\":3", 3, true},
        {"\"image_id\":\"000003\"", 3, false},
        {"\"image_id\":\"000003.jpg\"", 3, false},
        {"\"image_id\":\"img.v2\"", 2, false},
        {"\"image_id\":\"img.v2.bmp\"", 2, false},
        {"\"image_id\":\"name\"", 4, false},
        {"\"image_id\":\"name\"", 5, true},
        {"\"image_id\":\"x\"", -1, false}, /* two of them */
        {"\"image_id\":\"x.jpg\"", -1, false},
        {"\"image_id\":\"/data/b/x.jpg\"", 1, false},
        {"\"image_id\":18", -1, false},
        {"\"image_id\":99,\"file_name\":\"/home/a/x.jpg\"", 0, false},
        {"\"file_name\":\"other.jpg\"", 4, false},
        {"\"file_name\":\"nowhere.jpg\",\"image_id\":3", 2, false},
        {"\"file_name\":null,\"image_id\":3", 2, false},
        {"\"file_name\":\"nowhere.jpg\"", -1, false},
        {"\"image_id\":3,\"file_name\":\"name.jpg\"", 5, false},
    };
    bl_dataset *gt;
    CHECK_OK(bl_dataset_build(&parts, &gt));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[600];
        bl_detections d;
        bl_detections_options o = {.by_name = cases[i].by_name};
        /* another entry before and behind it: nothing of one is taken for the next */
        snprintf(text, sizeof text,
                 "[{\"image_id\":\"name\",\"file_name\":\"name.jpg\",\"category_id\":\"dog\","
                 "\"bbox\":[1,2,3,4],\"score\":1},{%s,\"category_id\":\"d\",\"bbox\":[1,2,3,4],"
                 "\"score\":1},{\"image_id\":%s,\"category_id\":4,\"bbox\":[1,2,3,4],\"score\":1}]",
                 cases[i].ids, cases[i].by_name ? "\"other\"" : "4");
        bl_status status = bl_detections_read_memory_with(text, strlen(text), "r", gt, &o, &d);
        if (cases[i].image < 0) {
            CHECK_EQ(status, BL_EFORMAT);
            CHECK(strstr(bl_error(), "detection[1]") && strstr(bl_error(), "no such image"));
            continue;
        }
        CHECK_OK(status);
        CHECK_EQ(d.n, 3);
        CHECK_EQ(d.v[0].image, 5);
        CHECK_EQ(d.v[1].image, cases[i].image);
        CHECK_EQ(d.v[2].image, cases[i].by_name ? 4 : 3);
        CHECK_EQ(d.v[1].category, 1);
        bl_detections_free(&d);
    }
    bl_dataset_free(gt);
}

static void keypoints_are_not_boxes(const bl_dataset *gt) {
    bl_detections d;
    bl_detections_options o = {0};
    const char *bare = "[{\"image_id\":3,\"category_id\":9,\"keypoints\":[1,2,2],\"score\":1}]";
    CHECK_FAILS(parse(gt, bare, &d), BL_EFORMAT, "keypoints are not evaluated");
    const char *both = "[{\"image_id\":3,\"category_id\":9,\"keypoints\":[1,NaN,2],\"score\":1,"
                       "\"bbox\":[1,2,3,4]}]";
    CHECK_OK(bl_detections_read_memory_with(both, strlen(both), "r", gt, &o, &d));
    CHECK_EQ(o.n_keypoints, 1);
    bl_detections_free(&d);
}

int main(void) {
    bl_dataset *gt = ground_truth();
    finds_names();
    keypoints_are_not_boxes(gt);
    reads(gt);
    refuses(gt);
    round_trip(gt);
    bl_dataset_free(gt);
    return 0;
}
