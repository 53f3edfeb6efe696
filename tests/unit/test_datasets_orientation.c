/* EXIF's orientation: boxes turn as pixels do, and measuring finds out which frame annotations are
 * of. (Pixels: tests/golden/test_datasets_images.c.) */
#include <stdio.h>
#include <unistd.h>

#include "core/fs.h"
#include "datasets/annotations/frame.h"
#include "datasets/annotations/measure.h"
#include "datasets/images/orientation.h"
#include "tests/check.h"

enum { W = 40, H = 24 };

static char dir[64];

/* The hull of all pixels that are not black. */
static bl_ann hull(const bl_image *img) {
    int x1 = img->width, y1 = img->height, x2 = 0, y2 = 0;
    for (int y = 0; y < img->height; y++)
        for (int x = 0; x < img->width; x++) {
            if (!img->rgb[3 * (y * img->width + x)]) continue;
            x1 = x < x1 ? x : x1;
            y1 = y < y1 ? y : y1;
            x2 = x + 1 > x2 ? x + 1 : x2;
            y2 = y + 1 > y2 ? y + 1 : y2;
        }
    return (bl_ann){.x = x1, .y = y1, .w = x2 - x1, .h = y2 - y1};
}

static void boxes_follow_pixels(void) {
    for (int o = 1; o <= 8; o++) {
        bl_ann a = {.x = 3, .y = 5, .w = 11, .h = 7};
        bl_image img;
        CHECK_OK(bl_image_alloc(W, H, &img));
        for (int y = 5; y < 12; y++)
            for (int x = 3; x < 14; x++) img.rgb[3 * (y * W + x)] = 255;
        CHECK_OK(bl_orientation_image(o, &img));
        CHECK_EQ(img.width, o >= 5 ? H : W);
        bl_ann seen = hull(&img);
        bl_orientation_box(o, W, H, &a);
        CHECK_EQ(a.x, seen.x);
        CHECK_EQ(a.y, seen.y);
        CHECK_EQ(a.w, seen.w);
        CHECK_EQ(a.h, seen.h);
        bl_image_free(&img);
    }
}

/* W x H pixels, stored, with the tag. */
static void write_image(int orientation) {
    uint8_t app1[] = {0xFF, 0xE1, 0, 34, 'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8,
                      0,    1,    1, 18, 0,   3,   0,   0,   0, 1, 0,   0,   0, 0,  0, 0, 0, 0};
    app1[29] = (uint8_t)orientation;
    uint8_t *jpeg;
    size_t size;
    bl_image img;
    char *path = bl_path_join(dir, "a.jpg");
    CHECK_OK(bl_image_alloc(W, H, &img));
    CHECK_OK(bl_jpeg_encode(&img, 90, &jpeg, &size));
    uint8_t *file = malloc(size + sizeof app1);
    memcpy(file, jpeg, 2);
    memcpy(file + 2, app1, sizeof app1);
    memcpy(file + 2 + sizeof app1, jpeg + 2, size - 2);
    CHECK_OK(bl_write_file(path, file, size + sizeof app1));
    bl_image_header h;
    CHECK_OK(bl_image_read_header(path, &h));
    CHECK_EQ(h.orientation, orientation);
    CHECK_EQ(h.width, W);
    int32_t w, tall;
    CHECK_OK(bl_image_size(path, true, &w, &tall));
    CHECK_EQ(w, orientation >= 5 ? H : W);
    bl_image_free(&img);
    free(jpeg);
    free(file);
    free(path);
}

static bl_dataset *dataset(bl_source source, int width, int height, bl_ann *anns, int n) {
    bl_image_info im = {.id = 1, .file = "a.jpg", .width = width, .height = height};
    bl_category c = {.id = 1, .name = "c", .supercategory = ""};
    const bl_dataset parts = {.name = "gt",
                              .source = source,
                              .image_dir = dir,
                              .role = "",
                              .categories = &c,
                              .images = &im,
                              .anns = anns,
                              .n_categories = 1,
                              .n_images = 1,
                              .n_anns = n};
    bl_dataset *d;
    CHECK_OK(bl_dataset_build(&parts, &d));
    return d;
}

/* Inside both frames, only the stored (40x24) or only the upright one (24x40). */
static bl_ann both[] = {{.x = 2, .y = 3, .w = 10, .h = 8}};
static bl_ann wide[] = {{.x = 2, .y = 3, .w = 10, .h = 8}, {.x = 30, .y = 1, .w = 9, .h = 9}};
static bl_ann tall[] = {{.x = 2, .y = 3, .w = 10, .h = 8}, {.x = 1, .y = 30, .w = 9, .h = 9}};

static void frames(void) {
    static const struct {
        int orientation, width, height;
        bl_ann *anns;
        int n;
        bool turned;
    } cases[] = {{6, H, W, both, 1, false}, {6, H, W, tall, 2, false}, {6, H, W, wide, 2, true},
                 {8, W, H, tall, 2, false}, {8, W, H, wide, 2, true},  {5, W, H, NULL, 0, false},
                 {7, 0, 0, both, 1, false}, {7, 0, 0, wide, 2, true},  {7, 0, 0, tall, 2, false},
                 {3, W, H, both, 1, false}, {2, W, H, wide, 2, false}, {4, 0, 0, NULL, 0, false},
                 {1, W, H, wide, 2, false}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        int o = cases[k].orientation;
        write_image(o);
        for (int source = BL_SOURCE_COCO; source <= BL_SOURCE_VOC; source++) {
            bl_measure how = {.dir_key = "dir"};
            bl_dataset *d = dataset((bl_source)source, cases[k].width, cases[k].height,
                                    cases[k].anns, cases[k].n);
            CHECK_OK(bl_dataset_measure(&d, &how));
            CHECK_EQ(d->images[0].width, o >= 5 ? H : W);
            CHECK_EQ(d->images[0].height, o >= 5 ? W : H);
            CHECK_EQ(how.n_turned, cases[k].turned);
            CHECK_EQ(d->images[0].turned, cases[k].turned);
            CHECK_EQ(d->n_clipped, 0);
            for (int i = 0; i < cases[k].n; i++) {
                bl_ann a = cases[k].anns[i];
                if (cases[k].turned) bl_orientation_box(o, W, H, &a);
                CHECK_EQ(d->anns[i].x, a.x);
                CHECK_EQ(d->anns[i].h, a.h);
            }
            bl_dataset_free(d);
        }
    }
}

static void unclear(void) {
    write_image(6);
    bl_measure how = {.dir_key = "dir"};
    bl_dataset *d = dataset(BL_SOURCE_COCO, W, H, both, 1);
    CHECK_FAILS(bl_dataset_measure(&d, &how), BL_EFORMAT,
                "gt: image a.jpg is stored as 40x24 with EXIF orientation 6, so it is 24x40 "
                "upright; its annotation says 40x24 and its boxes fit both");
    CHECK(strstr(bl_error(), "data.exif=false"));
    how.skip_bad = true; /* the loader finds another size and passes over it */
    CHECK_OK(bl_dataset_measure(&d, &how));
    CHECK_EQ(d->images[0].width, W);
    how = (bl_measure){.dir_key = "dir", .ignore_exif = true};
    CHECK_OK(bl_dataset_measure(&d, &how));
    CHECK(d->ignore_exif);
    CHECK_EQ(d->images[0].width, W);
    bl_dataset_free(d);
    d = dataset(BL_SOURCE_COCO, H, W, both, 1);
    CHECK_FAILS(bl_dataset_measure(&d, &how), BL_EFORMAT, "set data.exif=true");
    bl_dataset_free(d);
    d = dataset(BL_SOURCE_COCO, H + 1, W, both, 1);
    how.ignore_exif = false;
    CHECK_FAILS(bl_dataset_measure(&d, &how), BL_EFORMAT, "is 24x40, its annotation says 25x40");
    bl_dataset_free(d);
}

int main(void) {
    snprintf(dir, sizeof dir, "/tmp/ballast_orientation_%d", (int)getpid());
    CHECK_OK(bl_mkdirs(dir));
    boxes_follow_pixels();
    frames();
    unclear();
    char *path = bl_path_join(dir, "a.jpg");
    unlink(path);
    rmdir(dir);
    free(path);
    return 0;
}
