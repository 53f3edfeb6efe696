/* The Pascal VOC reader: geometry, class lists, hostile XML, and the BCCD blood cells. */
#include <unistd.h>

#include "core/fs.h"
#include "datasets/annotations/dataset.h"
#include "datasets/annotations/voc_xml.h"
#include "datasets/images/image.h"
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
    static const char *const folders[] = {"Annotations", "ImageSets/Main", "JPEGImages"};
    for (int i = 0; i < 3; i++) {
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
        {"<annotation><filename>caf\xe9.jpg</filename></annotation>",
         "another encoding than UTF-8? Declare it"},
        {"<?xml version='1.0' encoding='klingon'?><annotation/>",
         "its encoding \"klingon\" is not known"},
        {"<?xml version='1.0' encoding='GBK'?><annotation>\x81 </annotation>",
         "is declared as GBK, but byte 48 is not in that encoding"},
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

/* The size decides nothing in an evaluation; elsewhere the image tells it. */
static void sizes_come_from_images(void) {
    static const char *const sizes[] = {
        "",
        "<size/>",
        "<size><width>0</width><height>0</height></size>",
        "<size><width>-1</width><height>-1</height></size>",
        "<size><width>20</width><height></height></size>",
        "<size><width>20.5</width><height>30</height></size>",
        "<size><width>1e5</width><height>30</height></size>",
    };
    bl_image img;
    CHECK_OK(bl_image_alloc(20, 30, &img));
    bl_dataset *d;
    put("ImageSets/Main/t.txt", "s\n");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char text[400];
        snprintf(text, sizeof text, "<annotation>%s%s</annotation>", sizes[i],
                 OBJ("x", BOX(1, 2, 3, 4)));
        put("Annotations/s.xml", text);
        char *path = bl_path_join(root, "JPEGImages/s.png");
        remove(path);
        CHECK_FAILS(bl_voc_read(root, "t", NULL, 0, true, NULL, &d), BL_EIO, "has no <size>");
        CHECK(strstr(bl_error(), "Annotations/s.xml") && strstr(bl_error(), "JPEGImages/s.jpg"));
        bl_read_options opt = {.evaluation = true};
        CHECK_OK(bl_voc_read(root, "t", NULL, 0, true, &opt, &d));
        CHECK_EQ(d->n_anns, 1);
        bl_dataset_free(d);
        CHECK_OK(bl_png_write(path, &img));
        CHECK_OK(bl_voc_read(root, "t", NULL, 0, true, NULL, &d));
        CHECK_STR(d->images[0].file, "s.png");
        CHECK_EQ(d->images[0].width, 20);
        CHECK_EQ(d->images[0].height, 30);
        bl_dataset_free(d);
        free(path);
    }
    bl_image_free(&img);
}

/* The forms of a line; "a" and "b" have annotations. */
static void understands_lists(void) {
    put("Annotations/img (1).xml", "<annotation>" SIZE "</annotation>");
    put("Annotations/img 1.xml", "<annotation>" SIZE "</annotation>");
    put("Annotations/frame.001.xml",
        "<annotation><filename>frame.001</filename>" SIZE "</annotation>");
    put("Annotations/#7.xml", "<annotation>" SIZE "</annotation>");
    put("ImageSets/Main/t.txt",
        "\xef\xbb\xbf# a comment\n\"img (1).jpg\"\r\nimg 1\n  b.PNG \t-1\n'frame.001'\n#7\n");
    static const char *const want[] = {"img (1).jpg", "img 1.jpg", "b.jpg", "frame.001.jpg",
                                       "#7.jpg"};
    bl_dataset *d;
    CHECK_OK(bl_voc_read(root, "t", NULL, 0, true, NULL, &d));
    CHECK_EQ(d->n_images, 5);
    for (int i = 0; i < 5; i++) CHECK_STR(d->images[i].file, want[i]);
    bl_dataset_free(d);
    put("ImageSets/Main/t.txt", "c..d\n"); /* no way up */
    CHECK_FAILS(bl_voc_read(root, "t", NULL, 0, true, NULL, &d), BL_EIO, "Annotations/c..d.xml");
}

/* Without lists: all of Annotations, or all of a folder that holds everything side by side. */
static void takes_all_annotations(void) {
    static const char *const dirs[] = {"all/Annotations", "flat"};
    for (int k = 0; k < 2; k++) {
        char path[80], sub[120];
        bl_dataset *d;
        snprintf(path, sizeof path, "%s/%s", root, dirs[k]);
        CHECK_OK(bl_mkdirs(path));
        snprintf(sub, sizeof sub, "%s/n 2.xml", dirs[k]);
        put(sub, "<annotation>" SIZE OBJ("x", BOX(0, 2, 3, 4)) "</annotation>");
        snprintf(sub, sizeof sub, "%s/n 1.xml", dirs[k]);
        put(sub, "<annotation>" SIZE OBJ("y", BOX(1, 2, 3, 4)) "</annotation>");
        snprintf(sub, sizeof sub, "%s/n 1.txt", dirs[k]);
        put(sub, "no annotation");
        bl_read_options opt = {0};
        snprintf(path, sizeof path, "%s/%s", root, k ? "flat" : "all");
        CHECK_OK(bl_voc_read(path, NULL, NULL, 0, true, &opt, &d));
        CHECK_EQ(d->n_images, 2);
        CHECK_EQ(opt.n_from_zero, 1);
        CHECK_STR(d->images[0].file, "n 1.jpg");
        CHECK_STR(d->image_dir + strlen(root), k ? "/flat" : "/all/JPEGImages");
        bl_dataset_free(d);
        CHECK_OK(bl_voc_read(path, NULL, NULL, 0, false, &opt, &d));
        CHECK_EQ(opt.n_from_zero, 0);
        bl_dataset_free(d);
        CHECK_FAILS(bl_voc_read(path, "test", NULL, 0, true, &opt, &d), BL_EIO,
                    "ImageSets/Main/test.txt");
    }
}

/* "caf\u00e9" in windows-1252 and "\u732b" (cat) in GBK, also where it is called GB2312. */
static void converts_encodings(void) {
    static const struct {
        const char *encoding, *bytes, *utf8;
    } cases[] = {{"windows-1252", "caf\xe9 \x80", "caf\xc3\xa9 \xe2\x82\xac"},
                 {"ISO-8859-1", "caf\xe9", "caf\xc3\xa9"},
                 {"GBK", "\xc3\xa8", "\xe7\x8c\xab"},
                 {"gb2312", "\xc3\xa8\x81\x40", "\xe7\x8c\xab\xe4\xb8\x82"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[500];
        bl_voc_file v;
        snprintf(text, sizeof text,
                 "<?xml version=\"1.0\" encoding=\"%s\"?>\n<annotation>%s<object><name>%s</name>"
                 "<difficult/><pose/><truncated/>%s</object></annotation>",
                 cases[i].encoding, SIZE, cases[i].bytes, BOX(1, 2, 3, 4));
        bl_status status = bl_voc_parse(text, strlen(text), "t.xml", false, NULL, &v);
        if (status == BL_EFORMAT && strstr(bl_error(), "not known to this system")) continue;
        CHECK_OK(status);
        CHECK_EQ(v.n, 1);
        CHECK_STR(v.objects[0].name, cases[i].utf8);
        CHECK_EQ(v.objects[0].difficult, 0);
        bl_voc_free(&v);
    }
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
    sizes_come_from_images();
    understands_lists();
    takes_all_annotations();
    converts_encodings();
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    CHECK(system(command) == 0);
    if (!bl_exists(BALLAST_SHARED_DATA "/bccd")) SKIP("the BCCD data set is not here");
    reads_bccd();
    return 0;
}
