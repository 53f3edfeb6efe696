/* The Pascal VOC reader: geometry, class lists, hostile XML, and the BCCD blood cells. */
#include <unistd.h>

#include "core/fs.h"
#include "datasets/dataset.h"
#include "datasets/voc_xml.h"
#include "tests/check.h"

#define SIZE "<size><width>40</width><height>30</height><depth>3</depth></size>"
#define BOX(a, b, c, d)                                                                            \
    "<bndbox><xmin>" #a "</xmin><ymin>" #b "</ymin><xmax>" #c "</xmax><ymax>" #d "</ymax></"       \
    "bndbox>"
#define OBJ(name, box) "<object><name>" name "</name>" box "</object>"

static char root[64];

static void put(const char *file, const char *text) {
    char *path = bl_path_join(root, file);
    CHECK_OK(bl_write_file(path, text, strlen(text)));
    free(path);
}

static void make_root(void) {
    static const char *const folders[] = {"Annotations", "ImageSets/Main"};
    for (int i = 0; i < 2; i++) {
        char *path = bl_path_join(root, folders[i]);
        CHECK_OK(bl_mkdirs(path));
        free(path);
    }
}

static void reads_boxes(void) {
    put("Annotations/a.xml",
        "<?xml version=\"1.0\"?><annotation><filename>old name.png</filename>" SIZE
        "<object><name> dog </name><part><name>head</name>" BOX(
            1, 1, 2, 2) "</part>"
                        "<difficult>1</difficult>" BOX(1, 2, 40, 12.5) "</object>" OBJ(
                            "ant &amp; bee", BOX(3, 3, 3, 3)) "</annotation>");
    put("Annotations/b.xml",
        "<annotation><filename>b</filename>" SIZE OBJ("cat", BOX(5, 5, 60, 9)) "</annotation>");
    put("ImageSets/Main/train.txt", "b  1\r\n\n a -1\n");
    bl_dataset *d;
    CHECK_OK(bl_voc_read(root, "train", NULL, 0, true, NULL, &d));
    CHECK_EQ(d->n_images, 2);
    CHECK_EQ(d->n_categories, 3);
    CHECK_STR(d->categories[0].name, "ant & bee");
    CHECK_STR(d->categories[1].name, "cat");
    CHECK_STR(d->categories[2].name, "dog");
    CHECK_EQ(d->categories[2].id, 3);
    CHECK_STR(d->images[0].file, "b.jpg");
    CHECK_STR(d->images[1].file, "a.png");
    CHECK_EQ(d->images[1].id, 2);
    CHECK_EQ(d->images[1].width, 40);
    CHECK_EQ(d->images[1].height, 30);
    CHECK_EQ(d->n_anns, 3);
    const bl_ann *dog = &d->anns[1], *ant = &d->anns[2];
    CHECK_EQ(dog->category, 2);
    CHECK_NEAR(dog->x, 0, 0);
    CHECK_NEAR(dog->y, 1, 0);
    CHECK_NEAR(dog->w, 40, 0);
    CHECK_NEAR(dog->h, 11.5, 0);
    CHECK_NEAR(dog->area, 460, 0);
    CHECK_EQ(dog->difficult, 1);
    CHECK_EQ(dog->ignore, 1);
    CHECK_EQ(ant->difficult, 0);
    CHECK_NEAR(ant->w, 1, 0);
    CHECK_EQ(d->n_degenerate, 0);
    CHECK_EQ(d->n_clipped, 1);
    char *path = bl_dataset_path(d, 0);
    CHECK(strstr(path, "/JPEGImages/b.jpg"));
    free(path);
    bl_dataset_free(d);

    static const char *const classes[] = {"dog", "cat"};
    bl_read_options opt = {0};
    CHECK_FAILS(bl_voc_read(root, "train", classes, 2, false, &opt, &d), BL_EFORMAT,
                "a.xml: class \"ant & bee\"");
    opt.skip_bad = true;
    CHECK_OK(bl_voc_read(root, "train", classes, 2, false, &opt, &d));
    CHECK_EQ(opt.n_skipped, 1);
    CHECK_STR(d->categories[0].name, "dog");
    CHECK_NEAR(d->anns[1].x, 1, 0);
    CHECK_NEAR(d->anns[1].w, 39, 0);
    bl_dataset_free(d);
}

static void names_missing_files(void) {
    bl_dataset *d;
    bl_read_options opt = {.skip_bad = true};
    CHECK_FAILS(bl_voc_read(root, "nope", NULL, 0, true, NULL, &d), BL_EIO,
                "ImageSets/Main/nope.txt");
    put("ImageSets/Main/t.txt", "a\nmissing\n");
    CHECK_FAILS(bl_voc_read(root, "t", NULL, 0, true, NULL, &d), BL_EIO, "Annotations/missing.xml");
    CHECK_OK(bl_voc_read(root, "t", NULL, 0, true, &opt, &d));
    CHECK_EQ(d->n_images, 1);
    CHECK_EQ(opt.n_skipped, 1);
    bl_dataset_free(d);
    put("ImageSets/Main/t.txt", "a\nb\na\n");
    CHECK_FAILS(bl_voc_read(root, "t", NULL, 0, true, NULL, &d), BL_EFORMAT,
                "\"a\" is listed twice");
    put("ImageSets/Main/t.txt", "../../a\n");
    CHECK_FAILS(bl_voc_read(root, "t", NULL, 0, true, NULL, &d), BL_EFORMAT,
                "leaves the data set's folder");
    put("ImageSets/Main/t.txt", "");
    CHECK_OK(bl_voc_read(root, "t", NULL, 0, true, NULL, &d));
    CHECK_EQ(d->n_images, 0);
    bl_dataset_free(d);
}

static void refuses_bad_xml(void) {
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "looks truncated"},
        {"<annotation>" SIZE "<object><na", "looks truncated"},
        {"<annotation>" SIZE, "looks truncated"},
        {"<html></html>", "root element is <html>"},
        {"<annotation></annotation>", "has no <size>"},
        {"<annotation><size><width>0</width></size></annotation>", "size/width is \"0\""},
        {"<annotation><size><height>1e9</height></size></annotation>", "size/height is \"1e9\""},
        {"<annotation>" SIZE "\n<object><name>x</name></object></annotation>",
         "t.xml:2: object 1 has no <bndbox/xmin>"},
        {"<annotation>" SIZE OBJ("x", BOX(1, 2, nan, 4)) "</annotation>",
         "has <bndbox/xmax> \"nan\""},
        {"<annotation>" SIZE OBJ("x", BOX(1, 2, 1e30, 4)) "</annotation>", "expected pixels"},
        {"<annotation>" SIZE OBJ("x", BOX(1, 2, 3, )) "</annotation>", "expected pixels"},
        {"<annotation>" SIZE OBJ("", BOX(1, 2, 3, 4)) "</annotation>", "empty or overlong <name>"},
        {"<annotation>" SIZE "<object><name>a</name><name>b</name></object></annotation>",
         "has two <name>s"},
        {"<annotation>" SIZE "<object><difficult>maybe</difficult></object></annotation>",
         "expected 0 or 1"},
        {"<!DOCTYPE a [<!ENTITY x \"boom\"><!ENTITY y \"&x;&x;&x;\">]><annotation>" SIZE OBJ(
             "&y;", BOX(1, 1, 2, 2)) "</annotation>",
         "declares the entity \"x\""},
        {"<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><annotation>" SIZE OBJ(
             "&x;", BOX(1, 1, 2, 2)) "</annotation>",
         "declares the entity \"x\""},
        {"<!DOCTYPE a [<!ENTITY % x SYSTEM \"http://127.0.0.1/x\"> %x;]><annotation/>",
         "declares the entity \"x\""},
        {"<annotation>" SIZE OBJ("&x;", BOX(1, 1, 2, 2)) "</annotation>", "undefined entity"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_voc_file v;
        CHECK_FAILS(bl_voc_parse(cases[i].text, strlen(cases[i].text), "t.xml", false, NULL, &v),
                    BL_EFORMAT, cases[i].part);
        CHECK(strstr(bl_error(), "t.xml"));
        bl_voc_free(&v);
    }
    char deep[1000], *p = deep;
    p += sprintf(p, "<annotation>");
    for (int i = 0; i < 200; i++) p += sprintf(p, "<a>");
    bl_voc_file v;
    CHECK_FAILS(bl_voc_parse(deep, (size_t)(p - deep), "t.xml", false, NULL, &v), BL_EFORMAT,
                "nested deeper than 64");
    bl_voc_free(&v);

    /* skip_bad drops the incomplete object only */
    const char *two = "<annotation>" SIZE
                      "<object><name>x</name></object>" OBJ("y", BOX(1, 2, 3, 4)) "</annotation>";
    int64_t skipped = 0;
    CHECK_OK(bl_voc_parse(two, strlen(two), "t.xml", true, &skipped, &v));
    CHECK_EQ(skipped, 1);
    CHECK_EQ(v.n, 1);
    CHECK_STR(v.objects[0].name, "y");
    CHECK_STR(v.filename, "");
    bl_voc_free(&v);
}

static void reads_bccd(void) {
    static const struct {
        const char *split;
        int images, boxes[3]; /* Platelets, RBC, WBC */
    } want[] = {{"train", 205, {209, 2382, 214}},
                {"val", 87, {83, 968, 87}},
                {"trainval", 292, {292, 3350, 301}},
                {"test", 72, {69, 805, 71}}};
    int64_t with[3] = {0}, images[3], boxes[3], degenerate = 0;
    for (int k = 0; k < 4; k++) {
        bl_dataset *d;
        CHECK_OK(bl_voc_read(BALLAST_SHARED_DATA "/bccd", want[k].split, NULL, 0, false, NULL, &d));
        CHECK_EQ(d->n_images, want[k].images);
        CHECK_EQ(d->n_categories, 3);
        CHECK_STR(d->categories[0].name, "Platelets");
        bl_dataset_counts(d, true, images, boxes);
        for (int c = 0; c < 3; c++) {
            CHECK_EQ(boxes[c], want[k].boxes[c]);
            if (k >= 2) with[c] += images[c];
        }
        if (k >= 2) degenerate += d->n_degenerate;
        CHECK_EQ(d->n_clipped, 0);
        for (int32_t i = 0; i < d->n_images; i++)
            CHECK(d->images[i].width == 640 && d->images[i].height == 480);
        bl_dataset_free(d);
    }
    CHECK_EQ(with[0], 201);
    CHECK_EQ(with[1], 349);
    CHECK_EQ(with[2], 358);
    CHECK_EQ(degenerate,
             2); /* corners taken as written; one pixel each when read as 1-based inclusive */
    bl_dataset *d;
    CHECK_OK(bl_voc_read(BALLAST_SHARED_DATA "/bccd", "trainval", NULL, 0, true, NULL, &d));
    CHECK_EQ(d->n_degenerate, 0);
    CHECK_EQ(d->n_clipped, 0);
    CHECK_STR(d->images[0].file, "BloodImage_00000.jpg");
    bl_dataset_free(d);
}

int main(void) {
    snprintf(root, sizeof root, "/tmp/ballast_voc_%d", (int)getpid());
    make_root();
    reads_boxes();
    names_missing_files();
    refuses_bad_xml();
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    CHECK(system(command) == 0);
    if (!bl_exists(BALLAST_SHARED_DATA "/bccd")) SKIP("the BCCD data set is not here");
    reads_bccd();
    return 0;
}
