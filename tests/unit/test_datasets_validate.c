/* Every kind of finding on hand-made data sets, none on a clean one, and the real sets' known
 * flaws. */
#include <unistd.h>

#include "core/fs.h"
#include "core/parallel.h"
#include "datasets/checks/validate.h"
#include "datasets/images/image.h"
#include "tests/check.h"

static char dir[64];

/* The finding of that code and set, or NULL. */
static const bl_finding *get(const bl_validation *v, const char *set, const char *code) {
    for (int32_t i = 0; i < v->n_findings; i++)
        if (strcmp(v->findings[i].code, code) == 0 && strcmp(v->findings[i].set, set) == 0)
            return &v->findings[i];
    return NULL;
}

static void expect(const bl_validation *v, const char *set, const char *code, bl_severity severity,
                   int64_t count, const char *example) {
    const bl_finding *f = get(v, set, code);
    if (!f) fprintf(stderr, "no finding %s in %s\n", code, set);
    for (int32_t i = 0; f && f->count != count && i < f->n_examples; i++)
        fprintf(stderr, "%s: \"%s\"\n", code, f->examples[i]);
    CHECK(f);
    CHECK_EQ(f->count, count);
    CHECK_EQ(f->severity, severity);
    CHECK(f->n_examples > 0);
    if (!strstr(f->examples[0], example)) fprintf(stderr, "%s: \"%s\"\n", code, f->examples[0]);
    CHECK(strstr(f->examples[0], example));
}

static void write_image(const char *file, int width, int height, int shade) {
    bl_image img;
    char *path = bl_path_join(dir, file);
    CHECK_OK(bl_image_alloc(width, height, &img));
    memset(img.rgb, shade, (size_t)(width * height * 3));
    CHECK_OK(bl_jpeg_write(path, &img, 90));
    bl_image_free(&img);
    free(path);
}

static void cut(const char *file, size_t size) {
    char *path = bl_path_join(dir, file), *data;
    size_t n;
    CHECK_OK(bl_read_file(path, 1 << 20, &data, &n));
    CHECK(n > size);
    CHECK_OK(bl_write_file(path, data, size));
    free(data);
    free(path);
}

static bl_dataset *build(const char *name, const char *image_dir, const bl_category *c, int nc,
                         const bl_image_info *im, int ni, const bl_ann *a, int na) {
    bl_dataset parts = {.name = name,
                        .image_dir = image_dir,
                        .categories = (bl_category *)c,
                        .n_categories = nc,
                        .images = (bl_image_info *)im,
                        .n_images = ni,
                        .anns = (bl_ann *)a,
                        .n_anns = na},
               *d;
    CHECK_OK(bl_dataset_build(&parts, &d));
    return d;
}

static const bl_category two[] = {{.id = 1, .name = "cat"}, {.id = 2, .name = "dog"}};

static void clean(void) {
    const bl_image_info im[] = {{.id = 1, .file = "a.jpg", .width = 20, .height = 10}};
    const bl_ann an[] = {{.id = 1, .x = 1, .y = 1, .w = 5, .h = 5, .area = 25},
                         {.id = 2, .x = 1, .y = 1, .w = 5, .h = 5, .area = 20, .category = 1}};
    bl_dataset *d = build("clean", dir, two, 2, im, 1, an, 2);
    bl_validation v;
    const bl_validate_config cfg = {
        .files = true, .decode = true, .checksums = true, .examples = 3};
    const char *label = "train";
    write_image("a.jpg", 20, 10, 10);
    CHECK_OK(bl_validate(&cfg, (const bl_dataset *const *)&d, &label, 1, &v));
    CHECK_EQ(v.n_findings, 0);
    char *text = bl_validation_text(&v);
    CHECK_STR(text, "");
    free(text);
    bl_validation_free(&v);
    CHECK_FAILS(bl_validate(&cfg, (const bl_dataset *const *)&d, &label, 0, &v), BL_EINVAL,
                "1 to 4 data sets");
    bl_dataset_free(d);
}

static void every_flaw_of_one_set(void) {
    const bl_category cats[] = {
        {.id = 0, .name = "cat"}, {.id = 2, .name = "dog"}, {.id = 3, .name = "cat"}};
    const bl_image_info im[] = {{.id = 1, .file = "a.jpg", .width = 20, .height = 10},
                                {.id = 2, .file = "a.jpg", .width = 20, .height = 10},
                                {.id = 3, .file = "swapped.jpg", .width = 20, .height = 10},
                                {.id = 4, .file = "gone.jpg", .width = 20, .height = 10},
                                {.id = 5, .file = "cut.jpg", .width = 64, .height = 64},
                                {.id = 6, .file = "text.jpg", .width = 8, .height = 8},
                                {.id = 7, .file = "copy.jpg", .width = 20, .height = 10}};
    const bl_ann an[] = {
        {.id = 0, .x = 1, .y = 1, .w = 5, .h = 5, .area = 25},
        {.id = 2, .x = 1, .y = 1, .w = 5, .h = 5, .area = 25},
        {.id = 3, .x = 1, .y = 1, .w = 5, .h = 5, .area = 25},
        {.id = 4, .x = 1, .y = 1, .w = 0, .h = 5, .area = 0},
        {.id = 5, .x = 15, .y = 1, .w = 6, .h = 5, .area = 30},
        {.id = 6, .x = 1, .y = 2, .w = 5, .h = 5, .area = 26.5, .image = 1},
        {.id = 7, .x = 1, .y = 2, .w = 5, .h = 5, .area = -1, .image = 2, .category = 2},
        {.id = 8,
         .x = 1,
         .y = 2,
         .w = 5,
         .h = 5,
         .area = 25,
         .image = 3,
         .iscrowd = 1,
         .ignore = 1},
        {.id = 9, .x = 1, .y = 2, .w = 5, .h = 5, .area = 25, .image = 4, .ignore = 1},
        {.id = 10, .x = 1, .y = 2, .w = 5, .h = 5, .area = 25, .image = 5, .difficult = 1},
    };
    bl_dataset *d = build("bad", dir, cats, 3, im, 7, an, 10);
    write_image("a.jpg", 20, 10, 10);
    write_image("copy.jpg", 20, 10, 10);
    write_image("swapped.jpg", 10, 20, 30);
    write_image("cut.jpg", 64, 64, 50);
    cut("cut.jpg", 640);
    char *path = bl_path_join(dir, "text.jpg");
    CHECK_OK(bl_write_file(path, "hello", 5));
    free(path);
    for (int threads = 1; threads <= 2; threads++) {
        bl_validation v;
        bl_validate_config cfg = {.files = true, .decode = true, .checksums = true, .examples = 1};
        const char *label = "train";
        bl_set_threads(threads);
        CHECK_OK(bl_validate(&cfg, (const bl_dataset *const *)&d, &label, 1, &v));
        expect(&v, "train", "annotation-id-0", BL_SEVERITY_WARNING, 1, "annotation id 0 in a.jpg");
        expect(&v, "train", "category-id-0", BL_SEVERITY_NOTE, 1, "\"cat\"");
        expect(&v, "train", "duplicate-category-name", BL_SEVERITY_ERROR, 1, "ids 0 and 3");
        expect(&v, "train", "category-without-boxes", BL_SEVERITY_WARNING, 1, "\"dog\" (id 2)");
        expect(&v, "train", "duplicate-box", BL_SEVERITY_WARNING, 2,
               "annotation ids 0 and 2 in a.jpg");
        expect(&v, "train", "degenerate-box", BL_SEVERITY_WARNING, 1, "annotation id 4");
        expect(&v, "train", "box-outside", BL_SEVERITY_WARNING, 1,
               "annotation id 5 in a.jpg: [15, 1, 6, 5] in 20x10");
        expect(&v, "train", "area", BL_SEVERITY_WARNING, 2, "area 26.5");
        expect(&v, "train", "crowd", BL_SEVERITY_NOTE, 1, "annotation id 8");
        expect(&v, "train", "ignore-not-crowd", BL_SEVERITY_NOTE, 2, "annotation id 9");
        expect(&v, "train", "empty-image", BL_SEVERITY_NOTE, 1, "copy.jpg (id 7)");
        expect(&v, "train", "duplicate-file", BL_SEVERITY_WARNING, 1, "a.jpg: image ids 1 and 2");
        expect(&v, "train", "missing-file", BL_SEVERITY_ERROR, 1, "/gone.jpg");
        expect(&v, "train", "broken-file", BL_SEVERITY_ERROR, 2, "cut.jpg: broken JPEG");
        expect(&v, "train", "size-mismatch", BL_SEVERITY_ERROR, 1,
               "swapped.jpg is 10x20, annotated as 20x10 (width and height exchanged)");
        expect(&v, "train", "duplicate-content", BL_SEVERITY_WARNING, 1, "a.jpg and copy.jpg");
        CHECK_EQ(v.n_findings, 16);
        CHECK_EQ(v.n_errors, 4);
        CHECK_EQ(v.n_warnings, 8);
        for (int i = 1; i < v.n_findings; i++)
            CHECK(v.findings[i].severity <= v.findings[i - 1].severity);
        char *text = bl_validation_text(&v);
        CHECK(strstr(text, "error    train: broken-file: 2 images that cannot be read\n"));
        CHECK(strstr(text, "... and 1 more\n"));
        free(text);
        bl_validation_free(&v);

        /* headers only: the cut is not seen; nothing at all: no file findings */
        cfg = (bl_validate_config){.files = true};
        CHECK_OK(bl_validate(&cfg, (const bl_dataset *const *)&d, &label, 1, &v));
        CHECK_EQ(get(&v, "train", "broken-file")->count, 1);
        CHECK_EQ(get(&v, "train", "broken-file")->n_examples, 0);
        bl_validation_free(&v);
        cfg.files = false;
        CHECK_OK(bl_validate(&cfg, (const bl_dataset *const *)&d, &label, 1, &v));
        CHECK(!get(&v, "train", "missing-file"));
        bl_validation_free(&v);
    }
    bl_set_threads(0);
    bl_dataset_free(d);
}

static void corner_boxes(void) {
    bl_image_info im = {.id = 1, .file = "x", .width = 100, .height = 100};
    bl_ann an[20];
    bl_validation v;
    const bl_validate_config cfg = {.examples = 1};
    const char *label = "t";
    for (int as_corners = 0; as_corners < 2; as_corners++) {
        for (int i = 0; i < 20; i++) {
            double x = 4 * i, y = 3 * i, w = 15, h = 20 + i % 3;
            an[i] = (bl_ann){.id = i + 1,
                             .x = x,
                             .y = y,
                             .w = as_corners ? x + w : w,
                             .h = as_corners ? y + h : h,
                             .area = w * h};
        }
        bl_dataset *d = build("c", "", two, 1, &im, 1, an, 20);
        CHECK_OK(bl_validate(&cfg, (const bl_dataset *const *)&d, &label, 1, &v));
        if (as_corners)
            expect(&v, "t", "box-corners", BL_SEVERITY_ERROR, 1, "of 20 boxes");
        else
            CHECK(!get(&v, "t", "box-corners"));
        bl_validation_free(&v);
        bl_dataset_free(d);
    }
}

static void between_sets(void) {
    const bl_category other[] = {{.id = 1, .name = "dog"}, {.id = 5, .name = "cart"}};
    const bl_image_info a[] = {{.id = 1, .file = "a.jpg", .width = 20, .height = 10},
                               {.id = 2, .file = "swapped.jpg", .width = 10, .height = 20}};
    const bl_image_info b[] = {{.id = 9, .file = "a.jpg", .width = 20, .height = 10},
                               {.id = 2, .file = "copy.jpg", .width = 20, .height = 10}};
    const bl_ann an[] = {{.id = 1, .w = 3, .h = 3, .area = 9},
                         {.id = 2, .w = 3, .h = 3, .area = 9, .category = 1}};
    bl_dataset *sets[] = {build("a.json", dir, two, 2, a, 2, an, 2),
                          build("b.json", dir, other, 2, b, 2, an, 2)};
    bl_validate_config cfg = {.files = true, .checksums = true, .examples = 5};
    const char *labels[] = {"train", "test"};
    bl_validation v;
    CHECK_OK(bl_validate(&cfg, (const bl_dataset *const *)sets, labels, 2, &v));
    expect(&v, "train / test", "category-missing", BL_SEVERITY_ERROR, 2,
           "\"cat\" is in a.json but not in b.json; is it \"cart\" there?");
    expect(&v, "train / test", "category-mapping", BL_SEVERITY_NOTE, 1,
           "\"dog\": id 2 (position 1) -> id 1 (position 0)");
    expect(&v, "train / test", "leak-file", BL_SEVERITY_ERROR, 1, "a.jpg (ids 1 and 9)");
    expect(&v, "train / test", "leak-content", BL_SEVERITY_ERROR, 1, "a.jpg and copy.jpg");
    expect(&v, "train / test", "leak-id", BL_SEVERITY_NOTE, 1, "id 2: swapped.jpg and copy.jpg");
    CHECK(!get(&v, "train / test", "leak-name"));
    bl_validation_free(&v);
    /* unlabelled: other categories, no boxes, images of the other set are of no consequence */
    sets[1]->role = "unlabelled";
    CHECK_OK(bl_validate(&cfg, (const bl_dataset *const *)sets, labels, 2, &v));
    CHECK_EQ(v.n_errors, 0);
    expect(&v, "train / test", "also-unlabelled", BL_SEVERITY_NOTE, 2, "a.jpg");
    bl_validation_free(&v);
    sets[0]->role = "test";
    CHECK_OK(bl_validate(&cfg, (const bl_dataset *const *)sets, labels, 2, &v));
    expect(&v, "train / test", "leak-unlabelled", BL_SEVERITY_WARNING, 2, "a.jpg");
    bl_validation_free(&v);
    sets[0]->role = "";
    bl_dataset_free(sets[1]);
    sets[1] = build("b.json", "elsewhere", two, 2, b, 2, an,
                    2); /* no files there: equal names are only suspect */
    cfg = (bl_validate_config){.examples = 5};
    CHECK_OK(bl_validate(&cfg, (const bl_dataset *const *)sets, labels, 2, &v));
    expect(&v, "train / test", "leak-name", BL_SEVERITY_WARNING, 1, "a.jpg in ");
    CHECK(!get(&v, "train / test", "category-missing"));
    CHECK(!get(&v, "train / test", "leak-file"));
    bl_validation_free(&v);
    bl_dataset_free(sets[0]);
    bl_dataset_free(sets[1]);
    /* an empty set */
    bl_dataset *none = build("none", dir, two, 2, a, 0, an, 0);
    CHECK_OK(bl_validate(&cfg, (const bl_dataset *const *)&none, labels, 1, &v));
    expect(&v, "train", "no-images", BL_SEVERITY_ERROR, 1, "none");
    bl_validation_free(&v);
    bl_dataset_free(none);
}

static void real_sets(void) {
    bl_dataset *sets[2];
    bl_validation v;
    const bl_validate_config cfg = {.files = true, .checksums = true, .examples = 2};
    const char *labels[] = {"train", "test"};
    CHECK_OK(bl_voc_read(BALLAST_SHARED_DATA "/bccd", "train", NULL, 0, false, NULL, &sets[0]));
    CHECK_OK(bl_voc_read(BALLAST_SHARED_DATA "/bccd", "test", NULL, 0, false, NULL, &sets[1]));
    CHECK_OK(bl_validate(&cfg, (const bl_dataset *const *)sets, labels, 2, &v));
    CHECK_EQ(v.n_errors,
             0); /* no image of the test split is in the training split, by content either */
    int64_t degenerate = 0;
    for (int k = 0; k < 2; k++)
        if (get(&v, labels[k], "degenerate-box"))
            degenerate += get(&v, labels[k], "degenerate-box")->count;
    CHECK(degenerate <= 2);
    bl_validation_free(&v);
    bl_dataset_free(sets[0]);
    bl_dataset_free(sets[1]);
    const bl_validate_config full = {.decode = true, .examples = 2};
    CHECK_OK(bl_coco_read(BALLAST_SHARED_DATA "/coco128/instances_train2017.json",
                          BALLAST_SHARED_DATA "/coco128/train2017", NULL, &sets[0]));
    CHECK_OK(bl_validate(&full, (const bl_dataset *const *)sets, labels, 1, &v));
    CHECK_EQ(v.n_errors, 0);
    expect(&v, "train", "crowd", BL_SEVERITY_NOTE, 10, "annotation id");
    expect(&v, "train", "empty-image", BL_SEVERITY_NOTE, 2, "000000000250.jpg");
    CHECK_EQ(get(&v, "train", "category-without-boxes")->count, 9);
    bl_validation_free(&v);
    bl_dataset_free(sets[0]);
}

/* Every kind of damage in the masks of a file that trains well. */
static void masks(void) {
    static const char text[] = "{\"annotations\":["
#define ANN(id, area, mask)                                                                        \
    "{\"id\":" #id ",\"image_id\":1,\"category_id\":1,\"bbox\":[2,2,6,6],\"area\":" #area          \
    ",\"segmentation\":" mask "}"
        ANN(1, 36, "[[2,2,8,2,8,8,2,8]]") ","       /* right */
        ANN(2, 36, "[]") "," ANN(3, 36, "null") "," /* none */
        ANN(4, 36, "[[2,2,8,2,8]]") "," ANN(5, 36, "[[2,\"a\",8,2,8,8]]") "," ANN(6, 36, "{\"size\":[10,20],\"counts\":[3,4]}") "," ANN(7, 36, "\"x\"") "," ANN(8, 36, "[[2,2,25,2,8,8,2,8]]") "," ANN(
            9, 36,
            "[[2,-3,2,9]]") "," ANN(10, 200,
                                    "{\"size\":[20,10],\"counts\":["
                                    "0,200]}") "," ANN(11, 36,
                                                       "{\"size\":["
                                                       "10,20],"
                                                       "\"counts\":"
                                                       "[200]}") "," ANN(12, 90,
                                                                         "[[2,2,8,2,8,8,2,8]"
                                                                         "]") "," ANN(13, 50,
                                                                                      "[[2,"
                                                                                      "2,8,"
                                                                                      "2,8,"
                                                                                      "8,2,"
                                                                                      "8]]") "," ANN(14,
                                                                                                     36,
                                                                                                     "{\"size\":[10,20],\"counts\":\"T\"}") "],\"images\":[{\"id\":1,\"file_name\":\"a.jpg\",\"width\":20,\"height\":10}],"
                                                                                                                                            "\"categories\":[{\"id\":1,\"name\":\"c\"}]}";
#undef ANN
    char *path = bl_path_join(dir, "masks.json");
    CHECK_OK(bl_write_file(path, text, sizeof text - 1));
    const char *label = "train";
    bl_dataset *d;
    bl_validation v;
    bl_validate_config cfg = {.examples = 9};
    CHECK_OK(bl_coco_read(path, "", NULL, &d));
    CHECK_OK(bl_validate(&cfg, (const bl_dataset *const *)&d, &label, 1, &v));
    CHECK(!get(&v, "train", "mask-broken"));
    bl_validation_free(&v);
    cfg.masks = true;
    CHECK_OK(bl_validate(&cfg, (const bl_dataset *const *)&d, &label, 1, &v));
    CHECK_EQ(v.n_errors, 0);
    expect(&v, "train", "mask-broken", BL_SEVERITY_WARNING, 5, "id 4 in a.jpg: \"segmentation\"");
    expect(&v, "train", "mask-outside", BL_SEVERITY_WARNING, 2, "id 8 in a.jpg (20x10)");
    expect(&v, "train", "mask-size", BL_SEVERITY_WARNING, 1, "id 10 in a.jpg: 10x20, not 20x10");
    expect(&v, "train", "mask-empty", BL_SEVERITY_WARNING, 1, "id 11");
    expect(&v, "train", "mask-area", BL_SEVERITY_WARNING, 3, "area 36, mask 82");
    bl_validation_free(&v);
    bl_dataset_free(d);
    /* Text that the reader of boxes does not look at. */
    static const char bad[] =
        "{\"images\":[],\"categories\":[],\"annotations\":[{\"id\":1,\"image_id\":1,"
        "\"category_id\":1,\"bbox\":[0,0,1,1],\"segmentation\":[[01,2]]}]}";
    CHECK_OK(bl_write_file(path, bad, sizeof bad - 1));
    CHECK_OK(bl_coco_read(path, "", &(bl_read_options){.skip_bad = true}, &d));
    CHECK_OK(bl_validate(&cfg, (const bl_dataset *const *)&d, &label, 1, &v));
    expect(&v, "train", "mask-broken", BL_SEVERITY_WARNING, 1, "masks.json:1 (byte");
    bl_validation_free(&v);
    bl_dataset_free(d);
    unlink(path);
    free(path);
}

int main(void) {
    char command[96];
    snprintf(dir, sizeof dir, "/tmp/ballast_validate_%d", (int)getpid());
    CHECK_OK(bl_mkdirs(dir));
    clean();
    every_flaw_of_one_set();
    corner_boxes();
    between_sets();
    masks();
    snprintf(command, sizeof command, "rm -r %s", dir);
    CHECK(system(command) == 0);
    if (!bl_exists(BALLAST_SHARED_DATA "/bccd")) SKIP("the real data sets are not here");
    real_sets();
    return 0;
}
