/* Readers of classification sets on small files made here: contents, and what
 * damage is reported. */
#include "datasets/sets/readers.h"

#include <lzma.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/npy.h"
#include "core/packed_file.h"
#include "datasets/images/image.h"
#include "datasets/images/pil_resize.h"
#include "datasets/sets/cifar_python.h"
#include "datasets/sets/data.h"
#include "datasets/splits/longtail.h"
#include "tests/check.h"

static char root[] = "class_readers_XXXXXX";

static char *in(const char *name) {
    static char path[64][256]; /* of the last calls */
    static int at;
    snprintf(path[at = (at + 1) % 64], sizeof path[0], "%s/%s", root, name);
    return path[at];
}

static void write_bytes(const char *name, const void *data, size_t size) {
    CHECK_OK(bl_write_file(in(name), data, size));
}

static void write_xz(const char *name, const uint8_t *data, size_t size, size_t cut) {
    size_t room = lzma_stream_buffer_bound(size), used = 0;
    uint8_t *packed = malloc(room);
    CHECK(packed && lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, NULL, data, size, packed, &used,
                                            room) == LZMA_OK);
    write_bytes(name, packed, used - cut);
    free(packed);
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

/* ---- CIFAR ---- */

static size_t cifar_records(uint8_t *buf, int n, int label_bytes) {
    uint8_t *p = buf;
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < label_bytes; k++) *p++ = (uint8_t)((i + 3 * k) % 10);
        for (int c = 0; c < 3; c++)
            for (int y = 0; y < 32; y++)
                for (int x = 0; x < 32; x++) *p++ = pixel(i, y, x, c);
    }
    return (size_t)(p - buf);
}

static void test_cifar(void) {
    static uint8_t buf[4 * 3074];
    bl_classify_set *s;
    size_t size = cifar_records(buf, 4, 1);
    CHECK_OK(bl_cifar_parse(buf, size, "b", 1, 0, 10, &s));
    CHECK_EQ(s->n, 4);
    check_pixels(s, 0, 4);
    for (int i = 0; i < 4; i++) CHECK_EQ(s->labels[i], i);
    bl_classify_set_free(s);
    CHECK_FAILS(bl_cifar_parse(buf, size - 1, "b", 1, 0, 10, &s), BL_EFORMAT, "3072 are left over");
    CHECK_FAILS(bl_cifar_parse(buf, 0, "b", 1, 0, 10, &s), BL_EFORMAT, "0 bytes");
    buf[2 * 3073] = 10;
    CHECK_FAILS(bl_cifar_parse(buf, size, "b", 1, 0, 10, &s), BL_EFORMAT,
                "label 10 at byte 6146 (record 2)");
    buf[2 * 3073] = 2;

    /* Five files, one of them packed. */
    CHECK_OK(bl_mkdirs(in("c10")));
    write_bytes("c10/data_batch_1.bin", buf, size);
    write_xz("c10/data_batch_2.bin.xz", buf, size, 0);
    write_bytes("c10/data_batch_3.bin", buf, 3073);
    write_bytes("c10/data_batch_4.bin", buf, size);
    CHECK_FAILS(bl_cifar10_read(in("c10"), false, &s), BL_EIO, "data_batch_5.bin");
    write_bytes("c10/data_batch_5.bin", buf, size);
    CHECK_OK(bl_cifar10_read(in("c10"), false, &s));
    CHECK_EQ(s->n, 17);
    check_pixels(s, 4, 4);
    check_pixels(s, 13, 4);
    CHECK_STR(s->class_names[3], "cat");
    CHECK_NEAR(s->mean[0], 0.4914, 1e-6);
    bl_classify_set_free(s);
    write_bytes("c10/batches.meta.txt", "a\nb\nc\n", 6);
    CHECK_FAILS(bl_cifar10_read(in("c10"), false, &s), BL_EFORMAT, "3 class names, expected 10");
    write_bytes("c10/batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n", 21);
    CHECK_OK(bl_cifar10_read(in("c10"), false, &s));
    CHECK_STR(s->class_names[9], "j");
    bl_classify_set_free(s);
    write_xz("c10/data_batch_2.bin.xz", buf, size, 30);
    CHECK_FAILS(bl_cifar10_read(in("c10"), false, &s), BL_EFORMAT, "it ends early");
    write_bytes("c10/data_batch_2.bin.xz", "no xz file at all", 17);
    CHECK_FAILS(bl_cifar10_read(in("c10"), false, &s), BL_EFORMAT, "it is not an xz file");

    size = cifar_records(buf, 3, 2);
    CHECK_OK(bl_mkdirs(in("c100")));
    write_bytes("c100/train.bin", buf, size);
    CHECK_OK(bl_cifar100_read(in("c100"), false, false, &s));
    CHECK_EQ(s->n_classes, 100);
    CHECK_EQ(s->labels[1], 4);
    check_pixels(s, 0, 3);
    bl_classify_set_free(s);
    CHECK_OK(bl_cifar100_read(in("c100"), false, true, &s));
    CHECK_EQ(s->n_classes, 20);
    CHECK_EQ(s->labels[1], 1);
    bl_classify_set_free(s);
}

static void test_packed_limits(void) {
    static uint8_t zeros[1 << 20], *data;
    size_t size;
    write_xz("zeros.xz", zeros, sizeof zeros, 0);
    bl_packed p;
    CHECK_FAILS(bl_packed_open(in("zeros"), 1000, &p), BL_EFORMAT, "unpacks to more than the 1000");
    CHECK_OK(bl_packed_open(in("zeros"), 1 << 20, &p));
    CHECK_EQ(p.size, 1 << 20);
    bl_packed_close(&p);
    CHECK(bl_packed_exists(in("zeros")) && !bl_packed_exists(in("ones")));
    CHECK_FAILS(bl_packed_open(in("ones"), 1000, &p), BL_EIO, "ones");
    CHECK_FAILS(bl_xz_unpack((const uint8_t *)"", 0, "empty", 10, &data, &size), BL_EFORMAT,
                "empty");
}

/* ---- STL-10 ---- */

static void test_stl(void) {
    enum { N = 2, IMAGE = 3 * 96 * 96 };
    uint8_t *x = malloc(N * IMAGE), *p = x;
    CHECK(x);
    for (int i = 0; i < N; i++)
        for (int c = 0; c < 3; c++)
            for (int col = 0; col < 96; col++)
                for (int row = 0; row < 96; row++) *p++ = pixel(i, row, col, c);
    const uint8_t y[3] = {10, 1, 1};
    bl_classify_set *s, *small;
    CHECK_OK(bl_stl_parse(x, N * IMAGE, y, 2, "stl", 0, &s));
    check_pixels(s, 0, N);
    CHECK_EQ(s->labels[0], 9);
    CHECK_EQ(s->labels[1], 0);
    CHECK_STR(s->class_names[7], "monkey");
    /* Resized while reading = resized afterwards. */
    CHECK_OK(bl_stl_parse(x, N * IMAGE, NULL, 0, "stl", 32, &small));
    CHECK_OK(bl_classify_set_resize(s, 32, 32));
    CHECK(!memcmp(s->pixels, small->pixels, N * bl_classify_image_bytes(s)));
    CHECK_EQ(small->labels[0], BL_CLASSIFY_UNKNOWN);
    bl_classify_set_free(s);
    bl_classify_set_free(small);
    CHECK_FAILS(bl_stl_parse(x, IMAGE + 5, y, 1, "stl", 0, &s), BL_EFORMAT, "5 are left over");
    CHECK_FAILS(bl_stl_parse(x, N * IMAGE, y, 3, "stl", 0, &s), BL_EFORMAT, "2 images, but 3");
    const uint8_t wrong[2] = {1, 11};
    CHECK_FAILS(bl_stl_parse(x, N * IMAGE, wrong, 2, "stl", 0, &s), BL_EFORMAT, "11 at byte 1");

    CHECK_OK(bl_mkdirs(in("stl")));
    write_bytes("stl/train_X.bin", x, N * IMAGE);
    write_bytes("stl/train_y.bin", y, 2);
    write_bytes("stl/test_X.bin", x, IMAGE);
    write_bytes("stl/test_y.bin", y, 1);
    write_xz("stl/unlabeled_X.bin.xz", x, N * IMAGE, 0);
    bl_classify_data d;
    bl_classify_data_config cfg = {
        .source = BL_CLASSIFY_STL10, .path = in("stl"), .size = 32, .pool = "", .irrelevant = ""};
    CHECK_OK(bl_classify_data_load(&cfg, &d));
    CHECK_EQ(d.train->n, 2);
    CHECK_EQ(d.test->n, 1);
    CHECK_EQ(d.unlabelled->n, 2);
    CHECK_EQ(d.unlabelled->width, 32);
    bl_classify_data_free(&d);
    free(x);
}

/* ---- .npy ---- */

static size_t make_npy(uint8_t *buf, const char *dict, const void *data, size_t bytes) {
    size_t n = strlen(dict), header = (10 + n + 1 + 63) / 64 * 64 - 10;
    memcpy(buf, "\x93NUMPY\x01\x00", 8);
    buf[8] = (uint8_t)header;
    buf[9] = (uint8_t)(header >> 8);
    memset(buf + 10, ' ', header);
    memcpy(buf + 10, dict, n);
    buf[10 + header - 1] = '\n';
    memcpy(buf + 10 + header, data, bytes);
    return 10 + header + bytes;
}

static void test_npy_header(void) {
    static uint8_t buf[4096];
    static const int32_t values[4] = {1, -2, 300000, 4};
    bl_npy a;
    size_t n =
        make_npy(buf, "{'descr': '<i4', 'fortran_order': False, 'shape': (4,), }", values, 16);
    CHECK_OK(bl_npy_parse(buf, n, "x", &a));
    CHECK_EQ(a.count, 4);
    CHECK_EQ(bl_npy_integer(&a, 1), -2);
    CHECK_EQ(bl_npy_integer(&a, 2), 300000);
    CHECK_FAILS(bl_npy_parse(buf, n - 1, "x", &a), BL_EFORMAT, "cut off");
    CHECK_FAILS(bl_npy_parse(buf, 40, "x", &a), BL_EFORMAT, "does not fit");
    CHECK_FAILS(bl_npy_parse(buf, 5, "x", &a), BL_EFORMAT, "not a .npy file");
    static const struct {
        const char *dict, *message;
        bl_status status;
    } bad[] = {
        {"{'descr': '>i4', 'fortran_order': False, 'shape': (4,)}", ">i4", BL_EUNSUPPORTED},
        {"{'descr': '<i4', 'fortran_order': True, 'shape': (2,2)}", "Fortran", BL_EUNSUPPORTED},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (2,)}", "<c8", BL_EUNSUPPORTED},
        {"{'descr': '<i4', 'fortran_order': False}", "not all of", BL_EFORMAT},
        {"{'descr': '<i4', 'descr': '<i4', 'shape': (4,)}", "repeated key", BL_EFORMAT},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (4)} x", "after the dict", BL_EFORMAT},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (5,)}", "5 elements", BL_EFORMAT},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (4611686018427387904,4,4)}",
         "can be counted", BL_EFORMAT},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
         "out of range", BL_EFORMAT},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (-4,)}", "number is missing",
         BL_EFORMAT},
        {"{'descr': '<i4", "over-long", BL_EFORMAT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        n = make_npy(buf, bad[i].dict, values, 16);
        CHECK_FAILS(bl_npy_parse(buf, n, "x", &a), bad[i].status, bad[i].message);
    }
}

static void test_npy_sets(void) {
    enum { N = 3, H = 4, W = 5 };
    uint8_t nhwc[N * H * W * 3], nchw[N * H * W * 3], square[2 * 48], buf[2048], lab[512];
    for (int i = 0; i < N; i++)
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++)
                for (int c = 0; c < 3; c++) {
                    nhwc[((i * H + y) * W + x) * 3 + c] = pixel(i, y, x, c);
                    nchw[((i * 3 + c) * H + y) * W + x] = pixel(i, y, x, c);
                }
    for (int i = 0; i < 2; i++)
        for (int c = 0; c < 3; c++)
            for (int y = 0; y < 4; y++)
                for (int x = 0; x < 4; x++) square[i * 48 + c * 16 + y * 4 + x] = pixel(i, y, x, c);
    const int64_t labels[N] = {2, 0, 6};
    size_t n, m = make_npy(lab, "{'descr': '<i8', 'fortran_order': False, 'shape': (3,)}", labels,
                           sizeof labels);
    bl_classify_set *s;
    n = make_npy(buf, "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 4, 5, 3), }", nhwc,
                 sizeof nhwc);
    CHECK_OK(bl_classify_npy_parse(buf, n, "x", lab, m, "y", 0, NULL, &s));
    check_pixels(s, 0, N);
    CHECK_EQ(s->n_classes, 7);
    CHECK_EQ(s->labels[2], 6);
    bl_classify_set_free(s);
    CHECK_FAILS(bl_classify_npy_parse(buf, n, "x", lab, m, "y", 6, NULL, &s), BL_EFORMAT,
                "label 6 of image 2");
    /* Labels from 5 to 9 are five classes; a test set is read with the same first one. */
    static uint8_t from5[400];
    const int64_t fives[N] = {7, 5, 9};
    int64_t first = 0;
    size_t m5 = make_npy(from5, "{'descr': '<i8', 'fortran_order': False, 'shape': (3,)}", fives,
                         sizeof fives);
    CHECK_OK(bl_classify_npy_parse(buf, n, "x", from5, m5, "y", 0, &first, &s));
    CHECK_EQ(first, 5);
    CHECK_EQ(s->n_classes, 5);
    CHECK(s->labels[0] == 2 && s->labels[1] == 0 && s->labels[2] == 4);
    CHECK_STR(s->class_names[4], "9");
    bl_classify_set_free(s);
    CHECK_OK(bl_classify_npy_parse(buf, n, "x", from5, m5, "y", 5, &first, &s));
    CHECK_EQ(s->labels[2], 4);
    bl_classify_set_free(s);
    CHECK_FAILS(bl_classify_npy_parse(buf, n, "x", lab, m, "y", 5, &first, &s), BL_EFORMAT,
                "label 2 of image 0 is not in 5..9");
    n = make_npy(buf, "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 3, 4, 5), }", nchw,
                 sizeof nchw);
    CHECK_OK(bl_classify_npy_parse(buf, n, "x", NULL, 0, NULL, 10, NULL, &s));
    check_pixels(s, 0, N);
    CHECK_EQ(s->n_classes, 10);
    CHECK_EQ(s->labels[0], BL_CLASSIFY_UNKNOWN);
    bl_classify_set_free(s);
    n = make_npy(buf, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 48), }", square, 96);
    CHECK_OK(bl_classify_npy_parse(buf, n, "x", NULL, 0, NULL, 1, NULL, &s));
    check_pixels(s, 0, 2);
    bl_classify_set_free(s);
    CHECK_FAILS(bl_classify_npy_parse(buf, n, "x", lab, m, "y", 0, NULL, &s), BL_EFORMAT,
                "2 integers");
    n = make_npy(buf, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 47), }", square, 94);
    CHECK_FAILS(bl_classify_npy_parse(buf, n, "x", NULL, 0, NULL, 1, NULL, &s), BL_EFORMAT,
                "not square");
}

/* Writes `<name>_images.npy` (n planar 8x8 images, as "Downsampled ImageNet" has them) and, unless
 * `labels` is NULL, `<name>_labels.npy`. */
static void save_npy(const char *name, int n, const int32_t *labels) {
    char dict[128], file[64];
    size_t bytes = 192 * (size_t)n;
    uint8_t *data = malloc(bytes), *buf = malloc(bytes + 512);
    CHECK(data && buf);
    for (size_t i = 0; i < bytes; i++) data[i] = (uint8_t)(i * 31 / 7);
    snprintf(dict, sizeof dict, "{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 192), }",
             n);
    snprintf(file, sizeof file, "%s_images.npy", name);
    write_bytes(file, buf, make_npy(buf, dict, data, bytes));
    snprintf(dict, sizeof dict, "{'descr': '<i4', 'fortran_order': False, 'shape': (%d,), }", n);
    snprintf(file, sizeof file, "%s_labels.npy", name);
    if (labels) write_bytes(file, buf, make_npy(buf, dict, labels, 4 * (size_t)n));
    free(data);
    free(buf);
}

/* The protocol of ImageNet-127: classes renumbered by falling count, round(n_k / 10) labels of
 * each, everything unlabelled, the test set imbalanced and renumbered alike. */
static void test_imagenet127(void) {
    enum { K = 127, MOST = 3000 };
    static int32_t labels[MOST], test[2 * K];
    int64_t size[K];
    int n = 0;
    CHECK_OK(bl_mkdirs(in("in127")));
    for (int c = 0; c < K; c++) {
        size[c] = 5 + c * 37 % K / 4; /* 5 .. 36, common classes anywhere */
        for (int i = 0; i < size[c]; i++) labels[n++] = c;
    }
    CHECK(n <= MOST);
    for (int i = 0; i < 2 * K; i++) test[i] = i < K ? i : 0;
    save_npy("in127/train", n, labels);
    save_npy("in127/test", 2 * K, test);
    bl_classify_data_config cfg = {.source = BL_CLASSIFY_NPY,
                                   .path = in("in127"),
                                   .sort_classes = true,
                                   .pool = "",
                                   .irrelevant = ""};
    bl_classify_data d;
    CHECK_OK(bl_classify_data_load(&cfg, &d));
    CHECK_EQ(d.train->n_classes, K);
    int64_t counts[K], tests[K];
    bl_classify_set_counts(d.train, counts);
    bl_classify_set_counts(d.test, tests);
    for (int c = 0; c < K; c++) {
        int old = atoi(d.train->class_names[c]);
        CHECK_EQ(counts[c], size[old]);
        CHECK(c == 0 || counts[c] <= counts[c - 1]);
        CHECK_STR(d.test->class_names[c], d.train->class_names[c]);
        CHECK_EQ(tests[c], old == 0 ? K + 1 : 1);
    }
    bl_longtail *l;
    bl_longtail_config lt = {.labelled_ratio = 1,
                             .labelled_fraction = 0.1,
                             .unlabelled_rest = true,
                             .unlabelled_includes_labelled = true,
                             .relevance = 1,
                             .seed = 1};
    CHECK_OK(bl_longtail_make(&lt, d.train, NULL, &l));
    for (int c = 0; c < K; c++) {
        CHECK_EQ(l->labelled_counts[c], (int64_t)rint(0.1 * (double)counts[c]));
        CHECK_EQ(l->unlabelled_counts[c], counts[c]);
    }
    CHECK_EQ(l->n_unlabelled, n);
    int flags = 0;
    for (int i = 0; i < n; i++) flags += l->is_labelled[i];
    CHECK_EQ(flags, l->n_labelled);
    bl_longtail_free(l);
    bl_classify_data_free(&d);

    /* USB's STL-10: the training images join the unlabelled ones, labels hidden. */
    cfg.train_unlabelled = true;
    CHECK_FAILS(bl_classify_data_load(&cfg, &d), BL_ECONFIG, "images.train_unlabelled");
    save_npy("in127/unlabelled", 9, NULL);
    CHECK_OK(bl_classify_data_load(&cfg, &d));
    CHECK_EQ(d.unlabelled->n, 9 + n);
    for (int i = 0; i < 9 + n; i++) CHECK_EQ(d.unlabelled->labels[i], BL_CLASSIFY_UNKNOWN);
    CHECK(!memcmp(bl_classify_image(d.unlabelled, 9), d.train->pixels,
                  (size_t)n * bl_classify_image_bytes(d.train)));
    lt.unlabelled_rest = lt.unlabelled_includes_labelled = false;
    CHECK_OK(bl_longtail_make(&lt, d.train, d.unlabelled, &l));
    CHECK_EQ(l->n_unlabelled, 9 + n);
    bl_longtail_free(l);
    bl_classify_data_free(&d);
}

/* Yang and Xu's file of 500,000 images with labels, as a pair of .npy files beside CIFAR-10: which
 * are unlabelled goes by its labels, and D_U@5x by its counts. */
static void test_pool(void) {
    enum { CLASSES = 4, EACH = 30 };
    static const bl_classify_synth_config synth = {
        .classes = CLASSES, .train = 80, .test = 8, .size = 16, .seed = 1};
    int32_t labels[CLASSES * EACH];
    for (int i = 0; i < CLASSES * EACH; i++) labels[i] = (i * 7 + i / 5) % CLASSES;
    CHECK_OK(bl_mkdirs(in("pool")));
    save_npy("pool/unlabelled", CLASSES * EACH, labels);
    bl_classify_data_config cfg = {.source = BL_CLASSIFY_SYNTHETIC,
                                   .path = "",
                                   .pool = in("pool"),
                                   .irrelevant = "",
                                   .synthetic = synth};
    bl_classify_data d;
    CHECK_FAILS(bl_classify_data_load(&cfg, &d), BL_ECONFIG, "set images.size");
    cfg.size = 16;
    CHECK_OK(bl_classify_data_load(&cfg, &d));
    CHECK_EQ(d.unlabelled->n, CLASSES * EACH);
    for (int i = 0; i < CLASSES * EACH; i++) CHECK_EQ(d.unlabelled->labels[i], labels[i]);
    CHECK_STR(d.unlabelled->class_names[1], d.train->class_names[1]);
    bl_longtail *l;
    /* T = 5 (4 + 3 + 2 + 2) = 55, f = 13; u = 13, 8, 5, 3 of sum 29; trunc(55 u / 29). */
    bl_longtail_config lt = {.labelled_head = 4,
                             .labelled_ratio = 2,
                             .unlabelled_ratio = 4,
                             .unlabelled_multiple = 5,
                             .relevance = 1};
    static const int want[CLASSES] = {24, 15, 9, 5};
    CHECK_OK(bl_longtail_make(&lt, d.train, d.unlabelled, &l));
    int count[CLASSES] = {0};
    for (int i = 0; i < l->n_unlabelled; i++) count[labels[l->unlabelled[i]]]++;
    for (int c = 0; c < CLASSES; c++) CHECK_EQ(count[c], want[c]);
    bl_longtail_free(l);
    bl_classify_data_free(&d);

    /* Refused: a second pool, labels of no class. */
    cfg.source = BL_CLASSIFY_STL10;
    cfg.path = in("stl");
    CHECK_FAILS(bl_classify_data_load(&cfg, &d), BL_ECONFIG, "already");
    for (int i = 0; i < CLASSES * EACH; i++) labels[i] = CLASSES;
    save_npy("pool/unlabelled", CLASSES * EACH, labels);
    cfg.source = BL_CLASSIFY_SYNTHETIC;
    CHECK_FAILS(bl_classify_data_load(&cfg, &d), BL_EFORMAT, "label 4 of image 0");
    CHECK_EQ(unlink(in("pool/unlabelled_labels.npy")), 0); /* a pool without labels */
    CHECK_OK(bl_classify_data_load(&cfg, &d));
    CHECK_EQ(d.unlabelled->labels[0], BL_CLASSIFY_UNKNOWN);
    bl_classify_data_free(&d);
}

/* ---- folders ---- */

static void save_image(const char *name, int i, int w, int h) {
    bl_image img;
    CHECK_OK(bl_image_alloc(w, h, &img));
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++) img.rgb[3 * (y * w + x) + c] = pixel(i, y, x, c);
    CHECK_OK(bl_png_write(in(name), &img));
    bl_image_free(&img);
}

/* A batch as Python 2 and NumPy wrote them, protocol 2: two rows, with labels 7 and 3. */
static size_t put_python(uint8_t *out, const char *key, int label) {
    static const char array[] =
        "U\x04"
        "datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01"
        "b\x87R"
        "(K\x01K\x02M\x00\x0c\x86"
        "cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
        "(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T\x00\x18\x00\x00";
    uint8_t *p = out;
    memcpy(p, "\x80\x02}(U", 5);
    p += 5;
    *p++ = (uint8_t)strlen(key);
    memcpy(p, key, strlen(key));
    p += strlen(key);
    memcpy(p, "](K\x07K", 5);
    p += 5;
    *p++ = (uint8_t)label;
    *p++ = 'e';
    memcpy(p, array, sizeof array - 1);
    p += sizeof array - 1;
    for (int i = 0; i < 2 * 3072; i++) *p++ = (uint8_t)(i * 7 + i / 1024);
    memcpy(p, "tbu.", 4);
    return (size_t)(p + 4 - out);
}

static void test_cifar_python(void) {
    static uint8_t batch[8000];
    bl_classify_set *s;
    CHECK_OK(bl_mkdirs(in("py/cifar-10-batches-py")));
    CHECK_OK(bl_mkdirs(in("py/cifar-100-python")));
    size_t n = put_python(batch, "labels", 3);
    for (int k = 1; k <= 5; k++) {
        char name[64];
        snprintf(name, sizeof name, "py/cifar-10-batches-py/data_batch_%d", k);
        write_bytes(name, batch, n);
    }
    write_bytes("py/cifar-10-batches-py/test_batch", batch, n);
    CHECK_OK(bl_cifar10_read(in("py"), false, &s)); /* the folder around it */
    CHECK_EQ(s->n, 10);
    CHECK(s->labels[8] == 7 && s->labels[9] == 3);
    CHECK_STR(s->class_names[3], "cat");
    for (int c = 0; c < 3; c++) {
        int at = 3072 + 1024 * c + 5; /* channel c of pixel 5 of the second image */
        CHECK_EQ(bl_classify_image(s, 1)[3 * 5 + c], (uint8_t)(at * 7 + at / 1024));
    }
    bl_classify_set_free(s);
    static const char meta[] = "\x80\x02}U\x0blabel_names](U\x01"
                               "aU\x01"
                               "bU\x01"
                               "cU\x01"
                               "dU\x01"
                               "eU\x01"
                               "fU\x01gU\x01hU\x01iU\x05truckes.";
    write_bytes("py/cifar-10-batches-py/batches.meta", meta, sizeof meta - 1);
    CHECK_OK(bl_cifar10_read(in("py/cifar-10-batches-py"), true, &s));
    CHECK_EQ(s->n, 2);
    CHECK_STR(s->class_names[9], "truck");
    bl_classify_set_free(s);

    n = put_python(batch, "fine_labels", 99);
    write_bytes("py/cifar-100-python/train", batch, n);
    CHECK_OK(bl_cifar100_read(in("py"), false, false, &s));
    CHECK_EQ(s->labels[1], 99);
    bl_classify_set_free(s);
    CHECK_FAILS(bl_cifar100_read(in("py"), false, true, &s), BL_EFORMAT,
                "train: \"coarse_labels\" is not a list of 2 labels");
    CHECK_FAILS(bl_cifar_python_parse(batch, n, "x", "fine_labels", 50, &s), BL_EFORMAT,
                "x: label 1 is not a number below 50");
    for (size_t cut = 0; cut < n; cut += 131)
        CHECK_EQ(bl_cifar_python_parse(batch, cut, "x", "fine_labels", 100, &s), BL_EFORMAT);
    CHECK_FAILS(bl_cifar_python_parse((const uint8_t *)"\x80\x02}.", 4, "x", "labels", 10, &s),
                BL_EFORMAT, "x: is not a batch of CIFAR's Python version");
    /* Neither version: the binary one is named. */
    CHECK_OK(bl_mkdirs(in("py/none")));
    CHECK_FAILS(bl_cifar10_read(in("py/none"), true, &s), BL_EIO, "test_batch.bin");
}

static void test_folder(void) {
    bl_classify_set *s;
    CHECK_OK(bl_mkdirs(in("f/train/dog")));
    CHECK_OK(bl_mkdirs(in("f/train/cat")));
    CHECK_OK(bl_mkdirs(in("f/test/dog")));
    CHECK_OK(bl_mkdirs(in("f/test/cat")));
    CHECK_OK(bl_mkdirs(in("f/unlabelled")));
    save_image("f/train/dog/b.png", 0, 16, 16);
    save_image("f/train/dog/a.png", 1, 16, 16);
    save_image("f/train/cat/z.png", 2, 40, 20);
    save_image("f/test/dog/1.png", 3, 16, 16);
    save_image("f/unlabelled/u.png", 4, 16, 16);
    write_bytes("f/train/dog/.hidden", "x", 1);
    CHECK_OK(bl_classify_folder_read(in("f/train"), 16, true, NULL, &s));
    CHECK_EQ(s->n, 3);
    CHECK_STR(s->class_names[0], "cat");
    CHECK(s->labels[0] == 0 && s->labels[1] == 1 && s->labels[2] == 1);
    CHECK_EQ(bl_classify_image(s, 1)[0], pixel(1, 0, 0, 0)); /* a before b */
    bl_image big, small;
    CHECK_OK(bl_image_load(in("f/train/cat/z.png"), true, &big));
    CHECK_OK(bl_pil_resize_image(&big, 16, 16, BL_PIL_BILINEAR, &small));
    CHECK(!memcmp(small.rgb, bl_classify_image(s, 0), 16 * 16 * 3));
    bl_image_free(&big);
    bl_image_free(&small);
    bl_classify_set_free(s);

    bl_classify_data d;
    bl_classify_data_config cfg = {
        .source = BL_CLASSIFY_FOLDER, .path = in("f"), .size = 16, .pool = "", .irrelevant = ""};
    CHECK_OK(bl_classify_data_load(&cfg, &d));
    CHECK_EQ(d.unlabelled->n, 1);
    CHECK_EQ(d.unlabelled->labels[0], BL_CLASSIFY_UNKNOWN);
    CHECK_EQ(d.unlabelled->n_classes, 2);
    CHECK_NEAR(d.test->mean[1], d.train->mean[1], 0);
    bl_classify_data_free(&d);
    cfg.sort_classes = true; /* dogs are more common */
    CHECK_OK(bl_classify_data_load(&cfg, &d));
    CHECK_STR(d.train->class_names[0], "dog");
    CHECK_STR(d.test->class_names[0], "dog");
    CHECK_EQ(d.test->labels[0], 0);
    bl_classify_data_free(&d);

    /* What systems leave in folders is no image, and no error. */
    write_bytes("f/train/cat/Thumbs.db", "x", 1);
    write_bytes("f/train/desktop.ini", "x", 1);
    CHECK_OK(bl_mkdirs(in("f/train/__MACOSX")));
    CHECK_OK(bl_classify_folder_read(in("f/train"), 16, true, NULL, &s));
    CHECK_EQ(s->n, 3);
    CHECK_EQ(s->n_classes, 2);
    bl_classify_set_free(s);
    write_bytes("f/train/cat/notes.txt", "no image", 8);
    int64_t skipped = 0;
    CHECK_OK(bl_classify_folder_read(in("f/train"), 16, true, &skipped, &s));
    CHECK_EQ(skipped, 1);
    CHECK_EQ(s->n, 3);
    CHECK(s->labels[0] == 0 && s->labels[1] == 1 && s->labels[2] == 1);
    CHECK_EQ(bl_classify_image(s, 1)[0], pixel(1, 0, 0, 0));
    bl_classify_set_free(s);
    cfg.skip_bad = true;
    CHECK_OK(bl_classify_data_load(&cfg, &d));
    CHECK_EQ(d.n_skipped, 1);
    bl_classify_data_free(&d);
    cfg.skip_bad = false;
    CHECK_FAILS(bl_classify_folder_read(in("f/train"), 16, true, NULL, &s), BL_EFORMAT,
                "notes.txt");
    CHECK_EQ(unlink(in("f/train/cat/notes.txt")), 0);
    save_image("f/train/stray.png", 0, 4, 4);
    CHECK_FAILS(bl_classify_folder_read(in("f/train"), 16, true, NULL, &s), BL_EFORMAT,
                "stray.png");
    CHECK_EQ(unlink(in("f/train/stray.png")), 0);
    CHECK_OK(bl_mkdirs(in("f/test/fish")));
    CHECK_FAILS(bl_classify_data_load(&cfg, &d), BL_EFORMAT, "different class folders");
    CHECK_FAILS(bl_classify_folder_read(in("none"), 16, true, NULL, &s), BL_EIO, "none");
    CHECK_OK(bl_mkdirs(in("empty")));
    CHECK_FAILS(bl_classify_folder_read(in("empty"), 16, true, NULL, &s), BL_EFORMAT, "no image");
    cfg.path = "";
    CHECK_FAILS(bl_classify_data_load(&cfg, &d), BL_ECONFIG, "images.path");
}

/* A picture that EXIF turns clockwise, in two frames; their filters round in another order. */
static void test_folder_exif(void) {
    enum { SIDE = 8 };
    bl_classify_set *upright, *stored;
    char *data;
    size_t size;
    CHECK_OK(bl_read_file(BALLAST_SOURCE_DIR "/tests/fuzz/corpus/image/exif6.png", 1 << 20, &data,
                          &size));
    CHECK_OK(bl_mkdirs(in("turned")));
    write_bytes("turned/a.png", data, size);
    free(data);
    CHECK_OK(bl_classify_folder_read(in("turned"), SIDE, true, NULL, &upright));
    CHECK_OK(bl_classify_folder_read(in("turned"), SIDE, false, NULL, &stored));
    const uint8_t *up = bl_classify_image(upright, 0), *as = bl_classify_image(stored, 0);
    CHECK(memcmp(up, as, SIDE * SIDE * 3) != 0);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++)
                CHECK_NEAR(up[3 * (y * SIDE + x) + c], as[3 * ((SIDE - 1 - x) * SIDE + y) + c], 2);
    bl_classify_set_free(upright);
    bl_classify_set_free(stored);
}

int main(void) {
    CHECK(mkdtemp(root));
    test_cifar();
    test_packed_limits();
    test_stl();
    test_npy_header();
    test_npy_sets();
    test_imagenet127();
    test_pool();
    test_cifar_python();
    test_folder();
    test_folder_exif();
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", root);
    CHECK_EQ(system(command), 0);
    return 0;
}
