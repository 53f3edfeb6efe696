/* Decoding and encoding: round trips, colour models, damage, limits, and two real photographs. */
#include <stdio.h>
#include <unistd.h>

#include <jpeglib.h>

#include "core/fs.h"
#include "datasets/images/image.h"
#include "tests/check.h"

static char path[64];

static void gradient(bl_image *img, int width, int height) {
    CHECK_OK(bl_image_alloc(width, height, img));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            uint8_t *p = img->rgb + 3 * (y * width + x);
            p[0] = (uint8_t)(x * 255 / width);
            p[1] = (uint8_t)(y * 255 / height);
            p[2] = (uint8_t)(x ^ y);
        }
}

static int worst(const bl_image *a, const bl_image *b) {
    int m = 0;
    CHECK_EQ(a->width, b->width);
    CHECK_EQ(a->height, b->height);
    for (int64_t i = 0; i < (int64_t)a->width * a->height * 3; i++) {
        int d = abs(a->rgb[i] - b->rgb[i]);
        m = d > m ? d : m;
    }
    return m;
}

static void png_is_lossless(void) {
    bl_image a, b;
    int32_t w, h;
    gradient(&a, 67, 41);
    CHECK_OK(bl_png_write(path, &a));
    CHECK_OK(bl_image_load(path, true, &b));
    CHECK_EQ(worst(&a, &b), 0);
    CHECK_OK(bl_image_size(path, true, &w, &h));
    CHECK_EQ(w, 67);
    CHECK_EQ(h, 41);
    bl_image_free(&b);
    bl_image_free(&a);
}

static void jpeg_is_close(void) {
    bl_image a, b;
    int32_t w, h;
    gradient(&a, 96, 33);
    for (int i = 0; i < 96 * 33; i++) a.rgb[3 * i + 2] = 90; /* smooth */
    CHECK_OK(bl_jpeg_write(path, &a, 98));
    CHECK_OK(bl_image_load(path, true, &b));
    CHECK(worst(&a, &b) <= 6);
    CHECK_OK(bl_image_size(path, true, &w, &h));
    CHECK_EQ(w, 96);
    CHECK_EQ(h, 33);
    CHECK_FAILS(bl_jpeg_write(path, &a, 0), BL_EINVAL, "quality is 0");
    bl_image_free(&b);
    /* noise at full quality outgrows the first buffer */
    bl_image n;
    CHECK_OK(bl_image_alloc(200, 200, &n));
    uint32_t x = 1;
    for (int i = 0; i < 120000; i++) n.rgb[i] = (uint8_t)((x = 1664525u * x + 1013904223u) >> 24);
    uint8_t *data;
    size_t size;
    CHECK_OK(bl_jpeg_encode(&n, 100, &data, &size));
    CHECK(size > 44096);
    CHECK_OK(bl_image_decode(data, size, "n", true, &b));
    CHECK(worst(&n, &b) <= 12);
    bl_image_free(&b);
    free(data);
    bl_image_free(&n);
    bl_image_free(&a);
}

/* Any cut before the end marker (`tail` bytes), behind which there is no picture,
 * must be noticed. */
static void cuts_are_errors(const char *what, size_t tail, size_t step) {
    char *data;
    size_t size;
    CHECK_OK(bl_read_file(path, 1 << 24, &data, &size));
    for (size_t n = 0; n + tail < size; n += step) {
        bl_image img;
        uint8_t *cut = malloc(n ? n : 1);
        memcpy(cut, data, n);
        CHECK_FAILS(bl_image_decode(cut, n, "cut.bin", true, &img), BL_EFORMAT, "cut.bin");
        CHECK(img.rgb == NULL);
        free(cut);
    }
    bl_image img;
    CHECK_OK(bl_write_file(path, data, size * 2 / 3));
    CHECK_FAILS(bl_image_load(path, true, &img), BL_EFORMAT, what);
    CHECK(strstr(bl_error(), path));
    free(data);
}

static void damage(void) {
    bl_image a, img;
    gradient(&a, 50, 40);
    CHECK_OK(bl_jpeg_write(path, &a, 90));
    cuts_are_errors("broken JPEG", 2, 3);
    CHECK_OK(bl_png_write(path, &a));
    cuts_are_errors("broken PNG", 12, 7);
    CHECK_OK(bl_png_write(path, &a));
    char *data;
    size_t size;
    CHECK_OK(bl_read_file(path, 1 << 24, &data, &size));
    data[size / 2] ^= 0x10; /* caught by the chunk's checksum */
    CHECK_FAILS(bl_image_decode((uint8_t *)data, size, "flip.png", true, &img), BL_EFORMAT,
                "flip.png: broken PNG");
    free(data);
    CHECK_FAILS(bl_image_decode((const uint8_t *)"", 0, "e", true, &img), BL_EFORMAT,
                "e: the file is empty");
    CHECK_FAILS(bl_image_decode((const uint8_t *)"GIF89a..", 8, "g.gif", true, &img), BL_EFORMAT,
                "neither JPEG, PNG, BMP, TIFF nor WebP");
    CHECK_FAILS(bl_image_load("/nonexistent.jpg", true, &img), BL_EIO, "/nonexistent.jpg");
    int32_t w, h;
    CHECK_FAILS(bl_image_size("/nonexistent.jpg", true, &w, &h), BL_EIO, "/nonexistent.jpg");
    bl_image_free(&a);
}

/* A header that promises 30000 x 30000 pixels must be refused before memory is taken. */
static void limits(void) {
    static const uint8_t jpeg[] = {0xFF, 0xD8, 0xFF, 0xC0, 0,    11, 8,    0x75, 0x30,
                                   0x75, 0x30, 1,    1,    0x11, 0,  0xFF, 0xDA, 0,
                                   8,    1,    1,    0,    0,    63, 0,    0xFF, 0xD9};
    bl_image img;
    CHECK_FAILS(bl_image_decode(jpeg, sizeof jpeg, "big.jpg", true, &img), BL_EFORMAT,
                "big.jpg: image of 30000x30000");
    static const uint8_t bmp[54] = {'B', 'M', 0, 0,    0,    0, 0, 0,    0,    0, 54, 0, 0, 0, 40,
                                    0,   0,   0, 0x30, 0x75, 0, 0, 0x30, 0x75, 0, 0,  1, 0, 24};
    CHECK_FAILS(bl_image_decode(bmp, sizeof bmp, "big.bmp", true, &img), BL_EFORMAT,
                "big.bmp: image of 30000x30000");
    static const uint8_t tiff[] = {73, 73, 42, 0,   8, 0, 0, 0, 4, 0, 0, 1, 4, 0, 1,  0,
                                   0,  0,  48, 117, 0, 0, 1, 1, 4, 0, 1, 0, 0, 0, 48, 117,
                                   0,  0,  17, 1,   4, 0, 1, 0, 0, 0, 8, 0, 0, 0, 23, 1,
                                   4,  0,  1,  0,   0, 0, 8, 0, 0, 0, 0, 0, 0, 0};
    if (bl_image_decode(tiff, sizeof tiff, "big.tif", true, &img) != BL_EUNSUPPORTED)
        CHECK(strstr(bl_error(), "big.tif: image of 30000x30000"));
    static const uint8_t webp[] = {'R',  'I',  'F',  'F', 24,  0,  0, 0, 'W', 'E',  'B',
                                   'P',  'V',  'P',  '8', 'L', 12, 0, 0, 0,   0x2f, 0xff,
                                   0xff, 0xff, 0x0f, 0,   0,   0,  0, 0, 0,   0};
    if (bl_image_decode(webp, sizeof webp, "big.webp", true, &img) != BL_EUNSUPPORTED)
        CHECK(strstr(bl_error(), "big.webp: image of 16384x16384"));
    CHECK_FAILS(bl_image_alloc(40000, 1, &img), BL_EFORMAT, "40000x1");
    CHECK_FAILS(bl_image_alloc(-1, 1, &img), BL_EFORMAT, "-1x1");
}

/* Encodes one colour of any libjpeg colour space, 16x16. */
static void encode_flat(J_COLOR_SPACE space, J_COLOR_SPACE stored, bool marker, int n,
                        const uint8_t *colour, uint8_t **data, unsigned long *size) {
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr e;
    uint8_t row[64];
    c.err = jpeg_std_error(&e);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, data, size);
    c.image_width = c.image_height = 16;
    c.input_components = n;
    c.in_color_space = space;
    jpeg_set_defaults(&c);
    if (stored != JCS_UNKNOWN) jpeg_set_colorspace(&c, stored);
    if (!marker) c.write_Adobe_marker = FALSE;
    jpeg_set_quality(&c, 100, TRUE);
    jpeg_start_compress(&c, TRUE);
    for (int i = 0; i < 16 * n; i++) row[i] = colour[i % n];
    for (int y = 0; y < 16; y++) {
        JSAMPROW p = row;
        jpeg_write_scanlines(&c, &p, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
}

static void colour_models(void) {
    static const struct {
        J_COLOR_SPACE space;
        int n;
        uint8_t in[4], rgb[3];
        J_COLOR_SPACE stored;
        bool marker;
    } cases[] = {{JCS_GRAYSCALE, 1, {77}, {77, 77, 77}, JCS_UNKNOWN, true},
                 {JCS_RGB, 3, {200, 30, 90}, {200, 30, 90}, JCS_UNKNOWN, true},
                 /* inks are inverted, with and without Adobe's marker; values of Pillow 13 */
                 {JCS_CMYK, 4, {255, 128, 0, 200}, {200, 100, 0}, JCS_UNKNOWN, true},
                 {JCS_CMYK, 4, {255, 128, 0, 200}, {200, 100, 0}, JCS_UNKNOWN, false},
                 {JCS_CMYK, 4, {255, 128, 0, 200}, {200, 100, 0}, JCS_YCCK, true}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        uint8_t *data = NULL;
        unsigned long size = 0;
        bl_image img;
        encode_flat(cases[k].space, cases[k].stored, cases[k].marker, cases[k].n, cases[k].in,
                    &data, &size);
        CHECK_OK(bl_image_decode(data, size, "flat.jpg", true, &img));
        CHECK_EQ(img.width, 16);
        for (int i = 0; i < 3 * 256; i++) CHECK_NEAR(img.rgb[i], cases[k].rgb[i % 3], 2);
        bl_image_free(&img);
        free(data);
    }
}

/* What is said of bitmaps that cannot be read: compressed, cut, or beyond their palette. */
static void bitmaps(void) {
    static uint8_t bmp[62] = {'B', 'M', 0, 0, 0, 0, 0, 0, 0, 0, 58, 0, 0, 0, 40,
                              0,   0,   0, 3, 0, 0, 0, 1, 0, 0, 0,  1, 0, 8};
    bl_image img;
    bmp[46] = 1; /* colour */
    CHECK_OK(bl_image_decode(bmp, sizeof bmp, "a.bmp", true, &img));
    CHECK_EQ(img.width, 3);
    bl_image_free(&img);
    bmp[60] = 1;
    CHECK_FAILS(bl_image_decode(bmp, sizeof bmp, "a.bmp", true, &img), BL_EFORMAT,
                "a.bmp: broken BMP: a pixel beyond its palette");
    CHECK_FAILS(bl_image_decode(bmp, sizeof bmp - 1, "a.bmp", true, &img), BL_EFORMAT,
                "a.bmp: broken BMP: the file ends early");
    bmp[30] = 1; /* run lengths */
    CHECK_FAILS(bl_image_decode(bmp, sizeof bmp, "a.bmp", true, &img), BL_EFORMAT,
                "a.bmp: is a BMP of 8 bits with compression 1");
    bmp[30] = 0;
    bmp[28] = 16;
    CHECK_FAILS(bl_image_decode(bmp, sizeof bmp, "a.bmp", true, &img), BL_EFORMAT,
                "a.bmp: is a BMP of 16 bits");
    CHECK(img.rgb == NULL);
}

static void means_of(const char *file, int width, int height, double r, double g, double b) {
    bl_image img;
    double sum[3] = {0};
    char *full = bl_path_join(BALLAST_SHARED_DATA "/coco128/train2017", file);
    CHECK_OK(bl_image_load(full, true, &img));
    CHECK_EQ(img.width, width);
    CHECK_EQ(img.height, height);
    for (int64_t i = 0; i < (int64_t)width * height * 3; i++) sum[i % 3] += img.rgb[i];
    double n = (double)width * height;
    CHECK_NEAR(sum[0] / n, r, 5.1e-5);
    CHECK_NEAR(sum[1] / n, g, 5.1e-5);
    CHECK_NEAR(sum[2] / n, b, 5.1e-5);
    bl_image_free(&img);
    free(full);
}

int main(void) {
    snprintf(path, sizeof path, "/tmp/ballast_image_%d.bin", (int)getpid());
    png_is_lossless();
    jpeg_is_close();
    damage();
    limits();
    colour_models();
    bitmaps();
    unlink(path);
    if (!bl_exists(BALLAST_SHARED_DATA "/coco128")) SKIP("real photographs are not here");
    means_of("000000000009.jpg", 640, 480, 153.3656, 109.8534, 76.9468);
    means_of("000000000025.jpg", 640, 426, 120.3645, 99.9648, 59.2544);
    bl_image grey;
    CHECK_OK(bl_image_load(BALLAST_SHARED_DATA "/coco128/train2017/000000000086.jpg", true, &grey));
    for (int64_t i = 0; i < (int64_t)grey.width * grey.height; i++)
        CHECK(grey.rgb[3 * i] == grey.rgb[3 * i + 1] && grey.rgb[3 * i] == grey.rgb[3 * i + 2]);
    bl_image_free(&grey);
    return 0;
}
