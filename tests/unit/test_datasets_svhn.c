/* SVHN's MATLAB files, written here by libmatio itself: contents, and what damage is reported. */
#include <matio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/fs.h"
#include "datasets/sets/readers.h"
#include "tests/check.h"

static char root[] = "svhn_XXXXXX";

static char *in(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

/* Value of channel c at (y, x) of image i in every fixture. */
static uint8_t pixel(int i, int y, int x, int c) {
    return (uint8_t)(31 * i + 7 * y + 3 * x + 101 * c + (y * x) % 5);
}

static void check_pixels(const bl_classify_set *s, int first, int n) {
    for (int i = 0; i < n; i++)
        for (int y = 0; y < s->height; y++)
            for (int x = 0; x < s->width; x++)
                for (int c = 0; c < 3; c++)
                    CHECK_EQ(bl_classify_image(s, first + i)[3 * (y * s->width + x) + c],
                             pixel(i, y, x, c));
}

static void save_variable(mat_t *f, const char *name, int type, int data_type, int rank,
                          size_t *dims, void *data) {
    matvar_t *v = Mat_VarCreate(name, (enum matio_classes)type, (enum matio_types)data_type, rank,
                                dims, data, 0);
    CHECK(v);
    CHECK_EQ(Mat_VarWrite(f, v, MAT_COMPRESSION_ZLIB), 0);
    Mat_VarFree(v);
}

static void save_svhn(const char *name, bool doubles, int n_labels, int last) {
    enum { N = 3 };
    static uint8_t x[N * 3072], y[4] = {10, 1, 9, 1};
    double yd[4] = {10, 1, 9, 1};
    uint8_t *p = x;
    for (int i = 0; i < N; i++)
        for (int c = 0; c < 3; c++)
            for (int col = 0; col < 32; col++)
                for (int row = 0; row < 32; row++) *p++ = pixel(i, row, col, c);
    y[2] = (uint8_t)last;
    yd[2] = last;
    mat_t *f = Mat_CreateVer(in(name), NULL, MAT_FT_MAT5);
    CHECK(f);
    size_t dims[4] = {32, 32, 3, N}, label_dims[2] = {(size_t)n_labels, 1};
    save_variable(f, "X", MAT_C_UINT8, MAT_T_UINT8, 4, dims, x);
    if (n_labels > 0)
        save_variable(f, "y", doubles ? MAT_C_DOUBLE : MAT_C_UINT8,
                      doubles ? MAT_T_DOUBLE : MAT_T_UINT8, 2, label_dims,
                      doubles ? (void *)yd : (void *)y);
    Mat_Close(f);
}

static void test_svhn(void) {
    bl_classify_set *s;
    CHECK(mkdtemp(root));
    for (int doubles = 0; doubles < 2; doubles++) {
        save_svhn("train_32x32.mat", doubles, 3, 9);
        CHECK_OK(bl_svhn_read(root, BL_SVHN_TRAIN, true, &s));
        CHECK_EQ(s->n, 3);
        check_pixels(s, 0, 3);
        CHECK(s->labels[0] == 9 && s->labels[1] == 0 && s->labels[2] == 8);
        CHECK_STR(s->class_names[9], "0");
        bl_classify_set_free(s);
    }
    CHECK_OK(bl_svhn_read(root, BL_SVHN_TRAIN, false, &s));
    CHECK(s->labels[0] == 0 && s->labels[1] == 1 && s->labels[2] == 9);
    bl_classify_set_free(s);
    CHECK_FAILS(bl_svhn_read(root, BL_SVHN_TEST, true, &s), BL_EIO, "does not exist");
    save_svhn("test_32x32.mat", false, 4, 9);
    CHECK_FAILS(bl_svhn_read(root, BL_SVHN_TEST, true, &s), BL_EFORMAT, "a list of 3 labels");
    save_svhn("test_32x32.mat", true, 3, 11);
    CHECK_FAILS(bl_svhn_read(root, BL_SVHN_TEST, true, &s), BL_EFORMAT, "y[2] is 11");
    save_svhn("test_32x32.mat", true, 0, 1);
    CHECK_FAILS(bl_svhn_read(root, BL_SVHN_TEST, true, &s), BL_EFORMAT, "no variable \"y\"");
    CHECK_OK(bl_write_file(in("test_32x32.mat"), "MATLAB 5.0 MAT-file, but not really", 35));
    CHECK_FAILS(bl_svhn_read(root, BL_SVHN_TEST, true, &s), BL_EFORMAT, "damaged");
}

int main(void) {
    test_svhn();
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", root);
    CHECK_EQ(system(command), 0);
    return 0;
}
