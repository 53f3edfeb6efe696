#include <stdlib.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/safetensors.h"
#include "tests/check.h"

/* A file in memory: header text and `body` bytes of data. */
static bl_status open_text(const char *header, size_t body, bl_st_file **out, void **memory) {
    size_t n = strlen(header);
    unsigned char *p = calloc(1, 8 + n + body);
    for (int i = 0; i < 8; i++) p[i] = (unsigned char)(n >> (8 * i));
    memcpy(p + 8, header, n);
    *memory = p;
    return bl_st_open_memory(p, 8 + n + body, "x.safetensors", out);
}

static void refuse(const char *header, size_t body, const char *part) {
    bl_st_file *f;
    void *memory;
    CHECK_FAILS(open_text(header, body, &f, &memory), BL_EFORMAT, part);
    CHECK(!f);
    CHECK(strstr(bl_error(), "x.safetensors"));
    free(memory);
}

static void test_round_trip(void) {
    char root[] = "/tmp/ballast-st-XXXXXX";
    CHECK(mkdtemp(root));
    char *path = bl_path_join(root, "a.safetensors");
    unsigned char bytes[3] = {1, 2, 3};
    float weights[6] = {1, -2, 0.5f, NAN, INFINITY, 1e-42f};
    double scalar = 1.0 / 3;
    int64_t counts[2] = {-1, INT64_MAX};
    const bl_st_tensor in[] = {
        {"mask", BL_ST_U8, 1, {3}, bytes, 3},
        {"fc.weight", BL_ST_F32, 2, {2, 3}, weights, 24},
        {"scalar", BL_ST_F64, 0, {0}, &scalar, 8},
        {"counts \"quoted\"", BL_ST_I64, 1, {2}, counts, 16},
        {"nothing", BL_ST_F32, 2, {0, 5}, NULL, 0},
    };
    const char *const meta[] = {"step", "12", "model", "a\"b"};
    CHECK_OK(bl_st_write(path, in, 5, meta, 2));
    bl_st_file *f;
    CHECK_OK(bl_st_open(path, &f));
    CHECK_EQ(bl_st_count(f), 5);
    for (int i = 0; i < 5; i++) {
        const bl_st_tensor *t = bl_st_find(f, in[i].name);
        CHECK(t && t->dtype == in[i].dtype && t->ndim == in[i].ndim && t->bytes == in[i].bytes);
        for (int k = 0; k < t->ndim; k++) CHECK_EQ(t->shape[k], in[i].shape[k]);
        CHECK(t->bytes == 0 || memcmp(t->data, in[i].data, t->bytes) == 0);
        size_t width = t->dtype == BL_ST_U8 ? 1 : t->dtype == BL_ST_F32 ? 4 : 8;
        CHECK_EQ((uintptr_t)t->data % width, 0); /* the writer's order keeps alignment */
    }
    CHECK_STR(bl_st_metadata(f, "model"), "a\"b");
    CHECK_STR(bl_st_metadata(f, "step"), "12");
    CHECK(!bl_st_metadata(f, "other") && !bl_st_find(f, "other"));
    bl_st_close(f);

    bl_st_tensor bad[2] = {in[1], in[1]};
    CHECK_FAILS(bl_st_write(path, bad, 2, NULL, 0), BL_EINVAL, "written twice");
    bad[0].bytes = 23;
    CHECK_FAILS(bl_st_write(path, bad, 1, NULL, 0), BL_EINVAL, "shape needs 24");
    bad[0].dtype = BL_ST_OTHER;
    CHECK_FAILS(bl_st_write(path, bad, 1, NULL, 0), BL_EINVAL, "dtype");
    CHECK_OK(bl_st_write(path, NULL, 0, NULL, 0));
    CHECK_OK(bl_st_open(path, &f));
    CHECK_EQ(bl_st_count(f), 0);
    bl_st_close(f);
    CHECK_FAILS(bl_st_open("/nonexistent/x", &f), BL_EIO, "/nonexistent/x");
    unlink(path);
    rmdir(root);
    free(path);
}

static void test_foreign_header(void) {
    bl_st_file *f;
    void *memory;
    CHECK_OK(open_text(
        "{\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[2,6]},"
        "\"a\":{\"data_offsets\":[0,2],\"shape\":[],\"dtype\":\"I16\"},\"__metadata__\":{}}   ",
        6, &f, &memory));
    CHECK_STR(bl_st_at(f, 0)->name, "b");
    CHECK_EQ(bl_st_find(f, "b")->dtype, BL_ST_BF16);
    CHECK_EQ(bl_st_find(f, "a")->dtype, BL_ST_OTHER);
    CHECK_EQ((const char *)bl_st_find(f, "b")->data - (const char *)bl_st_find(f, "a")->data, 2);
    bl_st_close(f);
    free(memory);
}

#define T(name, dtype, shape, span)                                                                \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" span "}"

static void test_hostile(void) {
    refuse("{" T("a", "F32", "[2]", "[0,4]") "}", 4, "shape needs another size");
    refuse("{" T("a", "F32", "[2]", "[0,8]") "}", 4, "outside");
    refuse("{" T("a", "F32", "[1]", "[4,0]") "}", 4, "outside");
    refuse("{" T("a", "F32", "[1]", "[0,4]") "}", 5, "belong to no tensor");
    refuse("{" T("a", "F32", "[1]", "[1,5]") "}", 5, "hole");
    refuse("{" T("a", "F32", "[1]", "[0,4]") "," T("b", "F32", "[1]", "[0,4]") "}", 4, "overlap");
    refuse("{" T("a", "F32", "[1]", "[0,4]") "," T("b", "F32", "[1]", "[2,6]") "}", 6, "overlap");
    refuse("{" T("a", "F32", "[1]", "[0,4]") "," T("a", "F32", "[1]", "[4,8]") "}", 8,
           "duplicate tensor");
    refuse("{" T("a", "F33", "[1]", "[0,4]") "}", 4, "unknown dtype \"F33\"");
    refuse("{" T("a", "F32", "[-1]", "[0,4]") "}", 4, ">= 0");
    refuse("{" T("a", "F32", "[1.0]", "[0,4]") "}", 4, ">= 0");
    refuse("{" T("a", "F32", "[4611686018427387905]", "[0,4]") "}", 4, "shape needs another size");
    refuse("{" T("a", "F32", "[4294967296,4294967296,4]", "[0,0]") "}", 0,
           "shape needs another size");
    refuse("{" T("a", "U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]") "}", 1, "more than 8");
    refuse("{" T("a", "U8", "[1]", "[0,1,2]") "}", 1, "more than 2");
    refuse("{" T("a", "U8", "[1]", "[0]") "}", 1, "two data_offsets");
    refuse("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "needs dtype, shape");
    refuse("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
           "duplicate key");
    refuse("{\"a\":{\"dtype\":\"U8\",\"more\":1}}", 1, "unknown or duplicate key \"more\"");
    refuse("{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0, "duplicate metadata");
    refuse("{\"__metadata__\":{\"a\":1}}", 0, "expected '\"'");
    refuse("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "duplicate");
    refuse("[]", 0, "expected '{'");
    refuse("{} x", 0, "end of the file");
    refuse("", 0, "end of the file");
    bl_st_file *f;
    CHECK_FAILS(bl_st_open_memory("1234567", 7, "m", &f), BL_EFORMAT, "too few");
    /* Files of other programs are called what they are. */
    CHECK_FAILS(bl_st_open_memory("PK\3\4\0\0\b\b\0\0", 10, "m", &f), BL_EFORMAT,
                "m: a PyTorch file");
    CHECK_FAILS(bl_st_open_memory("\x80\2\x8a\nl\xfc\x9c"
                                  "F\xf9",
                                  9, "m", &f),
                BL_EFORMAT, "a Python pickle");
    CHECK_FAILS(bl_st_open_memory("\x89HDF\r\n\x1a\n\0", 9, "m", &f), BL_EFORMAT, "an HDF5 file");
    CHECK_FAILS(bl_st_open_memory("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, "m", &f), BL_EFORMAT,
                "claims");
    CHECK_FAILS(bl_st_open_memory("\3\0\0\0\0\0\0\0{}", 10, "m", &f), BL_EFORMAT, "claims");
}

/* A seal says whether any bit of a file has changed since, is no tensor to its readers, and costs
 * foreign files nothing. */
static void test_seal(void) {
    char root[] = "/tmp/ballast-st-XXXXXX", *text;
    CHECK(mkdtemp(root));
    char *path = bl_path_join(root, "sealed.safetensors");
    unsigned char bytes[3] = {1, 2, 3};
    double v[2] = {1.0 / 3, -2};
    const bl_st_tensor in[] = {{"u", BL_ST_U8, 1, {3}, bytes, 3}, {"v", BL_ST_F64, 1, {2}, v, 16}};
    const char *meta[] = {"iter", "7"};
    size_t size;
    bl_st_file *f;
    CHECK_OK(bl_st_write(path, in, 2, meta, 1));
    CHECK_OK(bl_st_open(path, &f));
    CHECK(!bl_st_sealed(f));
    CHECK_FAILS(bl_st_verify(f), BL_EFORMAT, "no checksum");
    bl_st_close(f);
    CHECK_OK(bl_st_write_sealed(path, in, 2, meta, 1));
    CHECK_OK(bl_st_open(path, &f));
    CHECK(bl_st_sealed(f) && bl_st_count(f) == 2 && !bl_st_find(f, BL_ST_SEAL));
    CHECK(memcmp(bl_st_find(f, "v")->data, v, sizeof v) == 0);
    CHECK_OK(bl_st_verify(f));
    bl_st_close(f);
    CHECK_OK(bl_read_file(path, 1 << 20, &text, &size));
    for (size_t bit = 0; bit < 8 * size; bit++) {
        text[bit / 8] ^= (char)(1 << bit % 8);
        bool good = bl_st_open_memory(text, size, "flipped", &f) == BL_OK;
        CHECK(!good || bl_st_verify(f) == BL_EFORMAT);
        if (good) bl_st_close(f);
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t n = 0; n < size; n++) {
        bool good = bl_st_open_memory(text, n, "cut", &f) == BL_OK;
        CHECK(!good);
    }
    free(text);
    free(path);
}

int main(void) {
    test_seal();
    test_round_trip();
    test_foreign_header();
    test_hostile();
    return 0;
}
