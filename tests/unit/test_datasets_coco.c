/* The COCO reader and writer: hand-made documents and every kind of damage. */
#include <sys/stat.h>
#include <unistd.h>

#include "core/fs.h"
#include "tests/unit/coco_same.h"

#define IMAGES                                                                                     \
    "\"images\":[{\"id\":7,\"file_name\":\"b.jpg\",\"width\":20,\"height\":10},{\"id\":3,\"file_"  \
    "name\":\"a.jpg\",\"width\":8,\"height\":8}]"
#define CATS                                                                                       \
    "\"categories\":[{\"id\":9,\"name\":\"dog\",\"frequency\":\"r\"},{\"id\":2,\"name\":\"cat\","  \
    "\"supercategory\":\"animal\"}]"
/* Ids as they stand in JSON. */
#define ANN(id, image, cat)                                                                        \
    "{\"id\":" #id ",\"image_id\":" #image ",\"category_id\":" #cat ",\"bbox\":[1,2,3,4]}"
#define DOC(anns) "{\"annotations\":[" anns "]," IMAGES "," CATS "}"

static bl_status parse(const char *text, bl_read_options *opt, bl_dataset **d) {
    return bl_coco_read_memory(text, strlen(text), "t.json", "imgs", opt, d);
}

static void reads_fields_in_any_order(void) {
    bl_dataset *d;
    CHECK_OK(parse(
        "\xef\xbb\xbf{\"info\":null,\"annotations\":["
        "{\"segmentation\":[[1.5,2,\"]\",{\"a\":[]}]],\"id\":1,\"image_id\":3,\"category_id\":2,"
        "\"bbox\":[1.25,2e0,0.5,-0.0],\"area\":5.5,\"iscrowd\":1,\"ignore\":true},"
        "{\"id\":2,\"image_id\":7,\"category_id\":9,\"bbox\":[0,0,19,10.4],\"area\":null},"
        "{\"id\":3,\"image_id\":3,\"category_id\":9,\"bbox\":[6,6,3,3],\"extra\":{\"x\":[{}]}}"
        "]," IMAGES "," CATS "}",
        NULL, &d));
    CHECK_EQ(d->n_images, 2);
    CHECK_EQ(d->n_categories, 2);
    CHECK_EQ(d->n_anns, 3);
    CHECK_STR(d->categories[0].name, "cat"); /* ascending ids */
    CHECK_STR(d->categories[0].supercategory, "animal");
    CHECK_STR(d->categories[1].supercategory, "");
    CHECK_EQ(d->categories[1].frequency, 'r');
    CHECK_EQ(d->images[0].id, 7); /* file order */
    CHECK_EQ(d->images[0].first_ann, 0);
    CHECK_EQ(d->images[0].n_anns, 1);
    CHECK_EQ(d->images[1].first_ann, 1);
    CHECK_EQ(d->images[1].n_anns, 2);
    CHECK_EQ(d->anns[0].id, 2);
    CHECK_NEAR(d->anns[0].area, 19 * 10.4, 0);
    CHECK_EQ(d->anns[1].id, 1);
    CHECK_NEAR(d->anns[1].x, 1.25, 0);
    CHECK_NEAR(d->anns[1].y, 2, 0);
    CHECK_NEAR(d->anns[1].area, 5.5, 0);
    CHECK_EQ(d->anns[1].iscrowd, 1);
    CHECK_EQ(d->anns[1].ignore, 1);
    CHECK_EQ(d->anns[1].category, 0);
    CHECK_EQ(d->anns[2].category, 1);
    CHECK_EQ(d->n_degenerate, 1);
    CHECK_EQ(d->n_clipped, 1); /* 9 > 8.5; 10.4 is within the slack */
    CHECK_STR(d->role, "");
    char *path = bl_dataset_path(d, 1);
    CHECK_STR(path, "imgs/a.jpg");
    free(path);

    int64_t images[2], boxes[2];
    bl_dataset_counts(d, true, images, boxes);
    CHECK_EQ(images[0], 1);
    CHECK_EQ(images[1], 2);
    CHECK_EQ(boxes[1], 2);
    bl_dataset_counts(d, false, images, boxes);
    CHECK_EQ(images[0], 0);
    CHECK_EQ(boxes[0], 0);
    bl_dataset_free(d);
}

static void names_every_defect(void) {
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "looks truncated"},
        {"[]", "file of detections"},
        {"{}", "has no \"images\""},
        {"{" IMAGES "," CATS "}", "has no \"annotations\""},
        {DOC(ANN(1, 7, 9) "," ANN(1, 3, 2)),
         "annotations[1]: (id 1): the annotation id is used twice"},
        {DOC(ANN(1, 7, 9) "," ANN(2, 8, 2)), "annotations[1] has \"image_id\": 8"},
        {DOC(ANN(1, 7, 5)), "annotations[0] has \"category_id\": 5"},
        {DOC("{\"id\":1,\"image_id\":7,\"category_id\":9}"),
         "annotations[0]: (id 1): \"bbox\" is missing"},
        {DOC("{\"id\":1,\"id\":1,\"image_id\":7,\"category_id\":9,\"bbox\":[1,2,3,4]}"),
         "given twice"},
        {DOC("{\"id\":1,\"image_id\":7,\"category_id\":9,\"bbox\":[1,2,3]}"), "has 3 numbers"},
        {DOC("{\"id\":1,\"image_id\":7,\"category_id\":9,\"bbox\":[1,2,3,4,5]}"), "four numbers"},
        {DOC("{\"id\":1,\"image_id\":7,\"category_id\":9,\"bbox\":\"1\"}"), "found a string"},
        {DOC("{\"id\":1,\"image_id\":7,\"category_id\":9,\"bbox\":[1,2,NaN,4]}"),
         "\"bbox\" must be an array of four numbers, found NaN or Infinity"},
        {DOC("{\"id\":1,\"image_id\":7,\"category_id\":9,\"bbox\":[1,2,3,4],\"area\":-Infinity}"),
         "\"area\" must be a number, found NaN or Infinity"},
        {"\xff\xfe{", "is UTF-16"},
        {"\xfe\xff\x01{", "is UTF-16"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"a\",\"width\":640.5,\"height\":5}]}",
         "images[0]: (id 1): \"width\" is 640.5, expected a whole number"},
        {DOC("{\"id\":1,\"image_id\":7,\"category_id\":9,\"bbox\":[1,2,1e999,4]}"), "not finite"},
        {DOC("{\"id\":1,\"image_id\":7,\"category_id\":9,\"bbox\":[1,2,1e30,4]}"), "not in pixels"},
        {DOC("{\"id\":[],\"image_id\":7,\"category_id\":9,\"bbox\":[1,2,3,4]}"),
         "\"id\" must be a whole number or a text, found an array"},
        {DOC(ANN("a", 7, 9) "," ANN("a", 7, 9)),
         "annotations[1]: (id \"a\"): the annotation id is used twice"},
        {DOC(ANN(1, "x", 9)), "\"image_id\": \"x\", which none of the 2 \"images\""},
        {DOC("{\"id\":1.5,\"image_id\":7,\"category_id\":9,\"bbox\":[1,2,3,4]}"),
         "a whole number or a text, found 1.5"},
        {DOC("{\"id\":1,\"image_id\":7,\"category_id\":9,\"bbox\":[1,2,3,4],\"iscrowd\":2}"),
         "expected 0 or 1"},
        {DOC("7"), "annotations[0]: expected an object, found a number"},
        {DOC(ANN(1, 7, 9) ","), "a comma before the closing bracket"},
        {DOC(ANN(1, 7, 9) " " ANN(2, 7, 9)), "expected ',' or ']', found '{'"},
        {DOC("{\"id\":01}"), "malformed number"},
        {DOC("{\"id\":1.}"), "malformed number"},
        {DOC("{\"segmentation\":[[1,2}]}"), "does not match"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"\\q\"}]}", "unknown escape"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"\\ud800\"}]}", "unpaired surrogate"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"a\\u0000\"}]}", "NUL"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"\xff\"}]}", "not valid UTF-8"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"a\nb\"}]}", "control character"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"a\",\"width\":0,\"height\":5}]}",
         "images[0]: (id 1): size 0x5"},
        {"{\"images\":[{\"id\":1,\"width\":4,\"height\":5}]}", "\"file_name\" is missing"},
        {"{\"images\":[],\"images\":[]}", "\"images\" is given twice"},
        {DOC("") "x", "expected the end of the file, found 'x'"},
        {"{\"images\":[],\"x\":tru}", "expected a value"},
        {"{\"images\":[],\"x\":tr", "looks truncated"},
        {"{\"images\":[{\"id\":12", "looks truncated"},
        {"{\"images\":[{\"id\":-", "looks truncated"},
        {"{\"images\":[{\"file_na", "ends inside a string; it looks truncated"},
        {"{\"x\":[[1,2", "ends inside an array; it looks truncated"},
        {"{\"x\":[[1,\"a\\", "looks truncated"},
        {"{\n\n\"images\":[{\"id\":}]}", "t.json:3 (byte 19): images[0]: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_dataset *d;
        CHECK_FAILS(parse(cases[i].text, NULL, &d), BL_EFORMAT, cases[i].part);
        CHECK_FAILS(parse(cases[i].text, NULL, &d), BL_EFORMAT, "t.json");
        CHECK(d == NULL);
    }
}

/* Every prefix of a document must fail, and none may be taken for whole. */
static void every_cut_fails(void) {
    const char *text = DOC(ANN(1, 7, 9));
    for (size_t n = 0; n < strlen(text); n++) {
        bl_dataset *d;
        char *cut = malloc(n ? n : 1); /* exact size: a read beyond it is caught by the sanitizer */
        memcpy(cut, text, n);
        CHECK_FAILS(bl_coco_read_memory(cut, n, "t.json", "", NULL, &d), BL_EFORMAT,
                    "looks truncated");
        free(cut);
    }
}

static void bad_records_can_be_skipped(void) {
    bl_read_options opt = {.skip_bad = true};
    bl_dataset *d;
    CHECK_OK(parse(
        "{\"annotations\":[" ANN(1, 7, 9) "," ANN(1, 3, 2) "," ANN(4, 8, 2) "," ANN(
            5, 7,
            5) ",7,"
               "{\"id\":6,\"image_id\":7,\"category_id\":9,\"bbox\":[1]}," ANN(8, 3, 2) "," ANN(
                   9, 11,
                   2) "],"
                      "\"images\":[{\"id\":7,\"file_name\":\"b.jpg\",\"width\":20,\"height\":10},"
                      "{\"id\":3,\"file_name\":\"a.jpg\",\"width\":8,\"height\":8},"
                      "{\"id\":3,\"file_name\":\"c.jpg\",\"width\":8,\"height\":8},"
                      "{\"id\":11,\"file_name\":\"d.jpg\",\"width\":0,\"height\":8}]," CATS "}",
        &opt, &d));
    CHECK_EQ(d->n_anns, 3);
    CHECK_EQ(d->n_images, 2);
    CHECK_EQ(d->anns[0].id, 1);
    CHECK_EQ(d->anns[1].id, 10); /* the second 1, renumbered */
    CHECK_EQ(opt.n_renumbered, 1);
    CHECK_EQ(d->anns[2].id, 8);
    CHECK_EQ(opt.n_skipped, 7); /* two images; annotations 4, 5, "7", 6, 9 */
    bl_dataset_free(d);
    /* broken syntax is never skipped */
    CHECK_FAILS(parse("{\"annotations\":[", &opt, &d), BL_EFORMAT, "looks truncated");
    opt = (bl_read_options){.images_only = true};
    CHECK_OK(parse("{" IMAGES "," CATS "}", &opt, &d));
    CHECK_EQ(d->n_anns, 0);
    CHECK_EQ(d->n_images, 2);
    bl_dataset_free(d);
    CHECK_OK(parse("{" IMAGES "}", &opt, &d));
    CHECK_EQ(d->n_categories, 0);
    CHECK_EQ(d->n_images, 2);
    bl_dataset_free(d);
    opt = (bl_read_options){.images_only = true, .sizes_later = true};
    CHECK_OK(parse("{\"images\":[{\"id\":1,\"file_name\":\"a\"},{\"id\":2,\"file_name\":\"b\","
                   "\"width\":-1,\"height\":4}]}",
                   &opt, &d));
    for (int i = 0; i < 2; i++) CHECK_EQ(d->images[i].width + d->images[i].height, 0);
    bl_dataset_free(d);
}

static void strings_are_unescaped(void) {
    bl_dataset *d;
    CHECK_OK(parse(
        "{\"images\":[{\"id\":1,\"file_name\":\"a\\/\\u00e9\\ud83d\\ude00\\\\\\\"\xc3\xa9.jpg\","
        "\"width\":1,\"height\":1},"
        "{\"id\":-2,\"coco_url\":\"http://x/val2017/000.jpg\",\"width\":1.0,\"height\":1e1}],"
        "\"categories\":[],\"annotations\":[]}",
        NULL, &d));
    CHECK_STR(d->images[0].file, "a/\xc3\xa9\xf0\x9f\x98\x80\\\"\xc3\xa9.jpg");
    CHECK_STR(d->images[1].file, "val2017/000.jpg"); /* with the address's folder */
    CHECK_EQ(d->images[1].id, -2);
    CHECK_EQ(d->images[1].height, 10);
    bl_dataset_free(d);
}

/* A file larger than the window, with long strings and numbers on its edges, must read the same
 * from disk as from memory. */
static void window_edges_do_not_matter(const char *path) {
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    fprintf(f, "{%s,%s,\n\"annotations\":[", IMAGES, CATS);
    for (int i = 0; i < 9000; i++) {
        fprintf(f, "%s{\"segmentation\":{\"counts\":\"", i ? "," : "");
        for (int k = 0; k < i % 97; k++) fprintf(f, "%s", k % 5 ? "ab" : "\\\"]");
        fprintf(f,
                "\",\"size\":[%d,10]},\"id\":%d,\"image_id\":%d,\"category_id\":%d,\"bbox\":[%.17g,"
                "%d.5,1,2]}",
                i, i, i % 3 ? 7 : 3, i % 2 ? 9 : 2, i / 7.0, i % 5);
    }
    fprintf(f, "\n]}");
    fclose(f);
    CHECK(size > 3 << 18);
    CHECK_OK(bl_write_file(path, text, size));
    bl_dataset *a, *b;
    CHECK_OK(bl_coco_read(path, "", NULL, &a));
    CHECK_OK(bl_coco_read_memory(text, size, "m", "", NULL, &b));
    CHECK_EQ(a->n_anns, 9000);
    CHECK_EQ(b->n_anns, 9000);
    for (int i = 0; i < 9000; i++) {
        same_ann(&a->anns[i], &b->anns[i]);
        CHECK_NEAR(a->anns[i].x, (double)a->anns[i].id / 7.0, 0);
    }
    bl_dataset_free(a);
    bl_dataset_free(b);
    /* a cut in the middle names the place */
    CHECK_OK(bl_write_file(path, text, size / 2));
    CHECK_FAILS(bl_coco_read(path, "", NULL, &a), BL_EFORMAT, "looks truncated");
    CHECK(strstr(bl_error(), ":2 (byte "));
    CHECK(strstr(bl_error(), "annotations["));
    free(text);
    unlink(path);
}

/* The lists stand before the categories they name; ids may be repeated, unknown or of a dropped
 * category. */
static void federated_lists(const char *path) {
    static const char text[] =
        "{\"images\":["
        "{\"id\":1,\"file_name\":\"a\",\"width\":4,\"height\":4,\"neg_category_ids\":[7,5,7,99],"
        "\"not_exhaustive_category_ids\":[]},"
        "{\"id\":2,\"coco_url\":\"http://h/val2017/b.jpg\",\"width\":4,\"height\":4},"
        "{\"id\":3,\"file_name\":\"c\",\"width\":4,\"height\":4,\"neg_category_ids\":[],"
        "\"not_exhaustive_category_ids\":[6,5.0]}],\"annotations\":[],\"categories\":["
        "{\"id\":7,\"name\":\"g\",\"frequency\":\"f\",\"image_count\":120,\"instance_count\":300},"
        "{\"id\":5,\"name\":\"e\"},{\"id\":6,\"name\":\"f\"}]}";
    bl_read_options opt = {0};
    bl_dataset *d, *s, *back;
    CHECK_OK(parse(text, &opt, &d));
    CHECK_EQ(opt.n_unlisted, 1);
    CHECK_EQ(d->categories[2].image_count, 120);
    CHECK_EQ(d->categories[2].instance_count, 300);
    CHECK_EQ(d->categories[0].image_count, 0);
    CHECK_STR(d->images[1].file, "val2017/b.jpg");
    const bl_federated *f = d->federated;
    CHECK(f != NULL && f[0].stated && !f[1].stated && f[2].stated);
    CHECK_EQ(f[0].n_negative, 2);
    CHECK_EQ(f[0].negative[0], 0); /* id 5 */
    CHECK_EQ(f[0].negative[1], 2); /* id 7, given twice */
    CHECK_EQ(f[0].n_not_exhaustive + f[1].n_negative + f[1].n_not_exhaustive + f[2].n_negative, 0);
    CHECK_EQ(f[2].n_not_exhaustive, 2);
    CHECK_EQ(f[2].not_exhaustive[1], 1);
    CHECK_OK(bl_coco_write(d, path));
    CHECK_OK(bl_coco_read(path, "", NULL, &back));
    CHECK(back->federated && !back->federated[1].stated);
    CHECK_EQ(back->federated[0].negative[1], 2);
    CHECK_EQ(back->categories[2].instance_count, 300);
    bl_dataset_free(back);
    const int32_t pick[] = {2, 1};
    CHECK_OK(bl_dataset_subset(d, pick, 2, &s));
    CHECK_EQ(s->federated[0].not_exhaustive[0], 0);
    CHECK_EQ(s->federated[1].n_negative, 0);
    bl_dataset_free(s);
    bl_dataset_free(d);
    unlink(path);
    CHECK_FAILS(parse("{\"images\":[{\"id\":1,\"file_name\":\"a\",\"width\":4,\"height\":4,"
                      "\"neg_category_ids\":[1,\"2\"]}]}",
                      NULL, &d),
                BL_EFORMAT,
                "images[0]: (id 1): \"neg_category_ids\" must be an array of ids, found a string");
    CHECK_FAILS(parse("{\"categories\":[{\"id\":1,\"name\":\"a\",\"image_count\":-1}]}", NULL, &d),
                BL_EFORMAT, "is negative");
    const int32_t bad[] = {1};
    bl_federated list = {.negative = bad, .n_negative = 1};
    bl_category c = {.id = 1, .name = "a"};
    bl_image_info im = {.id = 1, .file = "a", .width = 4, .height = 4};
    const bl_dataset parts = {
        .categories = &c, .images = &im, .federated = &list, .n_categories = 1, .n_images = 1};
    CHECK_FAILS(bl_dataset_build(&parts, &d), BL_EINVAL, "leave the 1 categories");
}

/* Enough for pycocotools, and for an evaluation; not for training. */
static void bare_files(void) {
    static const char text[] = "{\"images\":[{\"id\":7},{\"id\":8,\"width\":4,\"height\":3}],"
                               "\"categories\":[{\"id\":5}],\"annotations\":["
                               "{\"id\":1,\"image_id\":7,\"category_id\":5,\"bbox\":[0,0,9,9],"
                               "\"segmentation\":[[0,0,2,0,2,3]]}]}";
    bl_read_options opt = {.evaluation = true};
    bl_dataset *d;
    CHECK_OK(parse(text, &opt, &d));
    CHECK_STR(d->images[0].file, "7");
    CHECK_STR(d->categories[0].name, "5");
    CHECK_EQ(d->images[0].width, 0);
    CHECK_EQ(d->images[1].height, 3);
    CHECK_EQ(d->n_clipped, 0); /* nobody knows */
    bl_dataset_free(d);
    opt.masks = true;
    CHECK_FAILS(parse(text, &opt, &d), BL_EFORMAT,
                "(id 1): \"segmentation\": polygon in an image of 0 x 0 pixels");
    CHECK_FAILS(parse(text, NULL, &d), BL_EFORMAT, "images[0]: (id 7): \"width\" is missing");
    opt = (bl_read_options){.evaluation = true};
    CHECK_FAILS(parse("{\"images\":[{\"width\":1}]}", &opt, &d), BL_EFORMAT, "\"id\" is missing");
}

static void parts_and_subsets(const char *path) {
    const bl_category cats[] = {{.id = 1, .name = "x\"\n", .frequency = 'c'}};
    const bl_image_info images[] = {{.id = 5, .file = "p", .width = 9, .height = 9},
                                    {.id = 4, .file = "q", .width = 9, .height = 9}};
    const bl_ann anns[] = {{.id = 1, .x = 0.1, .w = 1, .h = 1, .area = 1, .image = 1},
                           {.id = 2,
                            .x = 1 / 3.0,
                            .w = 1e-7,
                            .h = 1,
                            .area = 2,
                            .image = 0,
                            .difficult = 1,
                            .ignore = 1},
                           {.id = 3, .x = 3, .w = 1, .h = 1, .area = 3, .image = 1, .iscrowd = 1}};
    bl_dataset parts = {.name = "n",
                        .role = "unlabelled",
                        .categories = (bl_category *)cats,
                        .n_categories = 1,
                        .images = (bl_image_info *)images,
                        .n_images = 2,
                        .anns = (bl_ann *)anns,
                        .n_anns = 3};
    bl_dataset *d, *s;
    CHECK_OK(bl_dataset_build(&parts, &d));
    CHECK_EQ(d->images[1].first_ann, 1);
    CHECK_EQ(d->anns[1].id, 1);
    CHECK_EQ(d->anns[2].id, 3);
    writing_and_reading_is_exact(d, path);
    const int32_t pick[] = {1}, bad[] = {2};
    CHECK_OK(bl_dataset_subset(d, pick, 1, &s));
    CHECK_EQ(s->n_anns, 2);
    CHECK_EQ(s->anns[0].image, 0);
    CHECK_STR(s->images[0].file, "q");
    CHECK_STR(s->role, "unlabelled");
    bl_dataset_free(s);
    CHECK_FAILS(bl_dataset_subset(d, bad, 1, &s), BL_EINVAL, "image index 2 of 2");
    CHECK_OK(bl_dataset_subset(d, NULL, 0, &s));
    CHECK_EQ(s->n_images, 0);
    bl_dataset_free(s);
    bl_dataset_free(d);
    parts.n_categories = 0;
    CHECK_FAILS(bl_dataset_build(&parts, &d), BL_EINVAL, "category 0 of 0");
    CHECK(d == NULL);
}

/* Ids that are texts get numbers behind the others, in the order of the texts. */
static void ids_may_be_texts(const char *path) {
    bl_dataset *d, *again;
    const char *text =
        "{\"annotations\":[" ANN("u-1", "img 2", "k") "," ANN(9223372036854775809, 7, 9) "," ANN(
            5, "7",
            18446744073709551615) "],"
                                  "\"images\":[{\"id\":\"img "
                                  "2\",\"file_name\":\"b.jpg\",\"width\":20,\"height\":10},"
                                  "{\"id\":\"07\",\"file_name\":\"c.jpg\",\"width\":20,\"height\":"
                                  "10},"
                                  "{\"id\":7,\"file_name\":\"a.jpg\",\"width\":8,\"height\":8}],"
                                  "\"categories\":[{\"id\":\"k\",\"name\":\"K\"},{\"id\":9,"
                                  "\"name\":8},"
                                  "{\"id\":18446744073709551615,\"name\":\"big\"}]}";
    CHECK_OK(parse(text, NULL, &d));
    for (int k = 0; k < 2; k++) {
        CHECK_EQ(d->n_images, 3);
        CHECK_STR(d->images[0].id_text, "img 2");
        CHECK_EQ(d->images[0].id, 9);
        CHECK_STR(d->images[1].id_text, "07");
        CHECK_EQ(d->images[1].id, 8);
        CHECK(d->images[2].id_text == NULL && d->images[2].id == 7);
        CHECK_STR(d->categories[0].name, "8");
        CHECK_STR(d->categories[1].name, "big");
        CHECK_STR(d->categories[2].name, "K");
        CHECK_EQ(d->images[2].n_anns, 2);
        CHECK_EQ(d->anns[d->images[0].first_ann].category, 2);
        CHECK_EQ(d->anns[d->images[2].first_ann].category, 0);
        CHECK_EQ(d->anns[d->images[2].first_ann + 1].category, 1);
        if (k) break;
        CHECK_OK(bl_coco_write(d, path));
        CHECK_OK(bl_coco_read(path, "imgs", NULL, &again));
        bl_dataset_free(d);
        d = again;
    }
    bl_dataset_free(d);
    unlink(path);
}

/* What scores do not depend on may be missing or odd; unused keys may hold anything. */
static void evaluations_need_little(void) {
    static const char *const sizes[] = {
        "", ",\"width\":-1,\"height\":-1", ",\"width\":0,\"height\":null",
        ",\"width\":640.5,\"height\":\"640\"", ",\"width\":1e12,\"height\":[]"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char text[600];
        bl_dataset *d;
        bl_read_options opt = {.evaluation = true};
        snprintf(text, sizeof text,
                 "{\"x\":NaN,\"images\":[{\"id\":\"a\"%s,\"y\":-Infinity,\"z\":[NaN]}],"
                 "\"annotations\":[{\"id\":1,\"image_id\":\"a\",\"category_id\":\"k\",\"bbox\":"
                 "[1,2,3,4]}]}",
                 sizes[i]);
        CHECK_OK(parse(text, &opt, &d));
        CHECK(opt.no_categories);
        CHECK_EQ(d->images[0].width, 0);
        CHECK_EQ(d->images[0].height, 0);
        CHECK_STR(d->images[0].file, "a");
        CHECK_EQ(d->n_categories, 1);
        CHECK_STR(d->categories[0].name, "k");
        bl_dataset_free(d);
    }
}

/* A pipe in the file system may wait for ever; one of the shell does not. */
static void named_pipes_are_refused(const char *path) {
    bl_dataset *d;
    CHECK(mkfifo(path, 0600) == 0);
    CHECK_FAILS(bl_coco_read(path, "", NULL, &d), BL_EIO, "is a named pipe");
    unlink(path);
    int ends[2];
    char name[32];
    const char *text = DOC(ANN(1, 7, 9));
    CHECK(pipe(ends) == 0);
    CHECK(write(ends[1], text, strlen(text)) == (ssize_t)strlen(text));
    close(ends[1]);
    snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    CHECK_OK(bl_coco_read(name, "", NULL, &d));
    CHECK_EQ(d->n_anns, 1);
    bl_dataset_free(d);
    close(ends[0]);
}

int main(void) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/ballast_coco_%d.json", (int)getpid());
    reads_fields_in_any_order();
    names_every_defect();
    every_cut_fails();
    bad_records_can_be_skipped();
    strings_are_unescaped();
    window_edges_do_not_matter(path);
    federated_lists(path);
    bare_files();
    ids_may_be_texts(path);
    evaluations_need_little();
    named_pipes_are_refused(path);
    parts_and_subsets(path);
    bl_dataset *d;
    CHECK_FAILS(bl_coco_read("/nonexistent/x.json", "", NULL, &d), BL_EIO,
                "/nonexistent/x.json: cannot open");
    CHECK_FAILS(bl_coco_read("/tmp", "", NULL, &d), BL_EIO, "is a folder");
    return 0;
}
