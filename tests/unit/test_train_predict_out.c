/* What prediction writes: unique picture names, CSV, JSON and the table. */
#include <json-c/json.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/json.h"
#include "tests/check.h"
#include "train/picture_names.h"
#include "train/predict_out.h"

static void test_names(void) {
    bl_arena *arena = bl_arena_create(0);
    char longest[300], wide[400] = "";
    memset(longest, 'x', 244);
    strcpy(longest + 240, ".jpg");
    for (int i = 0; i < 100; i++) strcat(wide, "\xe9\xb1\xbc"); /* 300 bytes of 3-byte characters */
    const char *const images[] = {"a/photo.png", "b/photo.jpg", "photo_2.JPG",
                                  "c/photo",     longest,       wide,
                                  ".hidden",     "x.tar.gz",    "b/photo.jpg"};
    const char *names[9];
    CHECK_OK(bl_picture_names(images, 9, arena, names));
    CHECK_STR(names[0], "photo.jpg");
    CHECK_STR(names[1], "photo_2.jpg");
    CHECK_STR(names[2], "photo_2_2.jpg");
    CHECK_STR(names[3], "photo_3.jpg");
    CHECK_EQ(strlen(names[4]), 204);
    CHECK_EQ(strlen(names[5]), 198 + 4); /* whole characters */
    CHECK_STR(names[6], ".hidden.jpg");
    CHECK_STR(names[7], "x.tar.jpg");
    CHECK_STR(names[8], "photo_4.jpg");
    bl_arena_destroy(arena);
}

static char *file_text(const char *path) {
    char *text;
    size_t size;
    CHECK_OK(bl_read_file(path, 1 << 20, &text, &size));
    return text;
}

static void test_writing(void) {
    const char *const images[] = {"a, b.jpg", "empty.jpg"};
    const bl_predict_class classes[] = {{7, "cat"}, {9, "dog \"big\""}};
    bl_predictions p = {.images = images, .n_images = 2, .classes = classes};
    bl_box box[2] = {{1, 2, 4.5f, 8}, {0, 0, 10, 10}};
    float score[2] = {0.75f, 0.5f};
    int32_t label[2] = {1, 0};
    CHECK_OK(
        bl_predictions_add(&p, 0, &(bl_boxes){.n = 2, .box = box, .score = score, .label = label}));
    CHECK_OK(bl_predictions_add(&p, 1, &(bl_boxes){0}));

    char dir[] = "/tmp/ballast_predict_XXXXXX", path[64];
    CHECK(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/x.CSV", dir);
    CHECK_OK(bl_predictions_write(&p, path));
    char *text = file_text(path);
    CHECK_STR(text, "file_name,category,category_id,score,x,y,width,height\n"
                    "\"a, b.jpg\",\"dog \"\"big\"\"\",9,0.75,1,2,3.5,6\n"
                    "\"a, b.jpg\",cat,7,0.5,0,0,10,10\n");
    free(text);
    unlink(path);

    snprintf(path, sizeof path, "%s/x.json", dir);
    CHECK_OK(bl_predictions_write(&p, path));
    bl_json doc;
    struct json_object *first, *v;
    CHECK_OK(bl_json_load(path, &doc));
    CHECK_EQ(json_object_array_length(doc.root), 2);
    first = json_object_array_get_idx(doc.root, 0);
    CHECK(json_object_object_get_ex(first, "category_id", &v) && json_object_get_int(v) == 9);
    CHECK(json_object_object_get_ex(first, "bbox", &v));
    CHECK(json_object_get_double(json_object_array_get_idx(v, 2)) == 3.5);
    bl_json_free(&doc);

    FILE *f = fopen(path, "w");
    bl_predictions_print(&p, 0.3, f);
    fclose(f);
    text = file_text(path);
    CHECK(strstr(text, "image      class      score        x        y    width   height\n") ==
          text);
    CHECK(strstr(text, "\na, b.jpg   dog \"big\"  0.750      1.0      2.0      3.5      6.0\n"));
    CHECK(strstr(text, "\nempty.jpg  nothing of score 0.30 or more\n"));
    free(text);
    unlink(path);
    rmdir(dir);
    bl_predictions_free(&p);
}

int main(void) {
    test_names();
    test_writing();
    return 0;
}
