/* Files of weights against what PyTorch and NumPy say they hold (scripts/golden/weights_torch.py),
 * and damaged and hostile ones. */
#include "interop/weight_file.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/fs.h"
#include "tests/check.h"

#define GOLDEN BALLAST_SOURCE_DIR "/tests/golden/weights/"

static void check_same(const bl_st_file *got, const bl_st_file *want) {
    CHECK_EQ(bl_st_count(got), bl_st_count(want));
    for (int i = 0; i < bl_st_count(want); i++) {
        const bl_st_tensor *w = bl_st_at(want, i), *g = bl_st_find(got, w->name);
        if (!g) fprintf(stderr, "no tensor %s\n", w->name);
        CHECK(g);
        CHECK_EQ(g->dtype, w->dtype);
        CHECK_EQ(g->ndim, w->ndim);
        CHECK(memcmp(g->shape, w->shape, sizeof *w->shape * (size_t)w->ndim) == 0);
        CHECK_EQ(g->bytes, w->bytes);
        CHECK(memcmp(g->data, w->data, w->bytes) == 0);
    }
}

static void golden(const char *file, bl_weight_file_kind kind, const char *expected) {
    bl_st_file *got, *want;
    bl_weight_file_kind found;
    CHECK_OK(bl_weight_file_open(file, &got, &found));
    CHECK_EQ(found, kind);
    CHECK_OK(bl_st_open(expected, &want));
    check_same(got, want);
    bl_st_close(got);
    bl_st_close(want);
}

static void refused(void) {
    bl_st_file *f;
    CHECK_FAILS(bl_weight_file_open(GOLDEN "hostile.pkl", &f, NULL), BL_EFORMAT, "posix.system");
    CHECK(access("HOSTILE", F_OK) != 0);
    CHECK_FAILS(bl_weight_file_open(GOLDEN "module.pth", &f, NULL), BL_EFORMAT,
                "objects of class torch.nn.modules.linear.Linear, which are not read; save the "
                "state_dict() alone");
    CHECK_FAILS(bl_weight_file_open(GOLDEN "none.pth", &f, NULL), BL_EIO, "none.pth");
    char tar[600] = {0};
    memcpy(tar + 257, "ustar", 5);
    CHECK_FAILS(bl_weight_file_open_memory(tar, sizeof tar, "old", &f, NULL), BL_EUNSUPPORTED,
                "tar");
    static const char code[] = "\x80\x02\x82\x01.";
    CHECK_FAILS(bl_weight_file_open_memory(code, sizeof code, "ext", &f, NULL), BL_EFORMAT,
                "opcode 0x82");
}

/* Strides of 0 cannot turn one stored number into billions; circles end. */
static void bounded(void) {
    static const char huge[] = "\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(("
                               "X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0"
                               "0X\x03\0\0\0cpuK\x01tQK\0J\xff\xff\xff\x7f\x85K\0\x85\x89}tRs.";
    static const char circle[] = "\x80\x02]q\0h\0a.";
    bl_st_file *f;
    CHECK_FAILS(bl_weight_file_open_memory(huge, sizeof huge - 1, "huge", &f, NULL), BL_EFORMAT,
                "tensor \"w\": its shape and strides do not fit its storage");
    CHECK_FAILS(bl_weight_file_open_memory(circle, sizeof circle - 1, "circle", &f, NULL),
                BL_EFORMAT, "holds no tensors");
    /* 60 lists, each holding the one before twice: 2^60 ways to the innermost. */
    char twice[1024] = "\x80\x02]q";
    size_t n = 4;
    twice[n++] = 0;
    for (int i = 1; i < 60; i++) {
        const char step[] = {']', 'q', (char)i, '(', 'h', (char)(i - 1), 'h', (char)(i - 1), 'e'};
        memcpy(twice + n, step, sizeof step);
        n += sizeof step;
    }
    twice[n++] = '.';
    CHECK_FAILS(bl_weight_file_open_memory(twice, n, "twice", &f, NULL), BL_EFORMAT, "no tensors");
}

/* Every byte changed, and every length cut: refused or read, never more. */
static void damaged(const char *file) {
    char *data;
    size_t size;
    CHECK_OK(bl_read_file(file, 1 << 20, &data, &size));
    for (size_t i = 0; i < size; i++) {
        bl_st_file *f;
        char held = data[i];
        for (int bit = 0; bit < 8; bit += 3) {
            data[i] = (char)(held ^ (1 << bit));
            if (bl_weight_file_open_memory(data, size, file, &f, NULL) == BL_OK) bl_st_close(f);
        }
        data[i] = held;
        char *cut = malloc(i + 1); /* its end is where a sanitizer sees reads beyond */
        CHECK(cut);
        memcpy(cut, data, i);
        if (bl_weight_file_open_memory(cut, i, file, &f, NULL) == BL_OK) bl_st_close(f);
        free(cut);
    }
    free(data);
}

static void shards(void) {
    char dir[] = "/tmp/ballast-shards-XXXXXX", path[128];
    CHECK(mkdtemp(dir));
    bl_st_file *want, *f;
    CHECK_OK(bl_st_open(GOLDEN "arrays.safetensors", &want));
    CHECK_EQ(bl_st_count(want), 4);
    for (int k = 0; k < 2; k++) {
        snprintf(path, sizeof path, "%s/part-%d.safetensors", dir, k);
        CHECK_OK(bl_st_write(path, bl_st_at(want, 2 * k), 2, NULL, 0));
    }
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", dir);
    for (int good = 1; good >= 0; good--) {
        FILE *json = fopen(path, "w");
        CHECK(json);
        fprintf(json, "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {");
        for (int i = 0; i < 4; i++)
            fprintf(json, "%s\"%s\": \"part-%d.safetensors\"", i ? ", " : "",
                    bl_st_at(want, i)->name, good ? i / 2 : 0);
        fprintf(json, "}}");
        fclose(json);
        if (good) {
            bl_weight_file_kind kind;
            CHECK_OK(bl_weight_file_open(path, &f, &kind));
            CHECK_EQ(kind, BL_WEIGHT_FILE_SHARDS);
            check_same(f, want);
            bl_st_close(f);
        } else {
            CHECK_FAILS(bl_weight_file_open(path, &f, NULL), BL_EFORMAT, "has no tensor");
        }
    }
    bl_st_close(want);
}

static double value(const bl_st_tensor *t, size_t i) {
    CHECK_EQ(t->dtype, BL_ST_F32);
    float v;
    memcpy(&v, (const char *)t->data + 4 * i, 4);
    return v;
}

/* Files that PyTorch of several years wrote; sums as PyTorch gives them. */
static void real_files(void) {
    static const struct {
        const char *name, *first;
        int tensors;
        size_t numbers;
        double sum, first_sum;
    } files[] = {
        {"lpips_v0.0_alex.pth", "lin0.model.1.weight", 5, 1152, 65.5060213, 2.56588723},
        {"lpips_v0.1_vgg.pth", "lin0.model.1.weight", 5, 1472, 131.855509, 6.9259917},
        {"mtcnn_pnet.pt", "conv1.weight", 13, 6632, -43.125317, 2.34876704},
        {"tinyvgg_zip.pth", "conv_block_1.0.weight", 10, 8083, 4.09228403, 1.28701135},
    };
    for (size_t k = 0; k < sizeof files / sizeof *files; k++) {
        char path[1024];
        snprintf(path, sizeof path, BALLAST_SHARED_DATA "/pth-samples/%s", files[k].name);
        if (!bl_exists(path)) SKIP("the sample files are not there");
        bl_st_file *f;
        CHECK_OK(bl_weight_file_open(path, &f, NULL));
        CHECK_EQ(bl_st_count(f), files[k].tensors);
        CHECK_STR(bl_st_at(f, 0)->name, files[k].first);
        double sum = 0, first = 0;
        size_t numbers = 0;
        for (int i = 0; i < bl_st_count(f); i++) {
            const bl_st_tensor *t = bl_st_at(f, i);
            for (size_t j = 0; j < t->bytes / 4; j++) sum += value(t, j);
            numbers += t->bytes / 4;
            if (i == 0) first = sum;
        }
        CHECK_EQ(numbers, files[k].numbers);
        CHECK_NEAR(sum, files[k].sum, 1e-6);
        CHECK_NEAR(first, files[k].first_sum, 1e-6);
        bl_st_close(f);
    }
}

int main(void) {
    golden(GOLDEN "zip.pth", BL_WEIGHT_FILE_TORCH_ZIP, GOLDEN "torch.safetensors");
    golden(GOLDEN "legacy.pth", BL_WEIGHT_FILE_TORCH_LEGACY, GOLDEN "torch.safetensors");
    golden(GOLDEN "protocol2.pkl", BL_WEIGHT_FILE_PICKLE, GOLDEN "arrays.safetensors");
    golden(GOLDEN "protocol4.pkl", BL_WEIGHT_FILE_PICKLE, GOLDEN "arrays.safetensors");
    golden(GOLDEN "torch.safetensors", BL_WEIGHT_FILE_SAFETENSORS, GOLDEN "torch.safetensors");
    refused();
    bounded();
    damaged(GOLDEN "zip.pth");
    damaged(GOLDEN "legacy.pth");
    damaged(GOLDEN "protocol2.pkl");
    damaged(GOLDEN "protocol4.pkl");
    shards();
    real_files();
    return 0;
}
