/* Every function of the mask library against pycocotools, bit for bit. The cases come from
 * scripts/golden/mask_pycocotools.py; another file of them may be named as the argument. */
#include "core/fs.h"
#include "datasets/annotations/mask_rle.h"
#include "tests/check.h"

static char *rest; /* of the present line */

static const char *word(void) {
    const char *w = strsep(&rest, " ");
    CHECK(w != NULL);
    return w;
}

static double number(void) {
    return strtod(word(), NULL);
}

static int integer(void) {
    return atoi(word());
}

static char *to_text(const bl_rle *m, size_t *len) {
    char *text = malloc(bl_rle_string_bound(m) + 1);
    CHECK(text != NULL);
    *len = bl_rle_to_string(m, text);
    text[*len] = 0;
    return text;
}

/* Reads a mask, and checks that writing it gives the same text. */
static bl_rle mask(void) {
    bl_rle m = {0};
    size_t len;
    int h = integer(), w = integer();
    const char *s = word();
    CHECK_OK(bl_rle_from_string(s, strlen(s), h, w, &m));
    CHECK_OK(bl_rle_check(&m));
    char *text = to_text(&m, &len);
    CHECK_STR(text, s);
    free(text);
    return m;
}

static void same(const bl_rle *a, const bl_rle *b) {
    CHECK_EQ(a->h, b->h);
    CHECK_EQ(a->w, b->w);
    CHECK_EQ(a->n, b->n);
    CHECK(memcmp(a->counts, b->counts, sizeof *a->counts * (size_t)a->n) == 0);
}

static bl_rle *masks(int n) {
    bl_rle *m = calloc((size_t)n, sizeof *m);
    CHECK(m != NULL);
    for (int i = 0; i < n; i++) m[i] = mask();
    return m;
}

static void free_masks(bl_rle *m, int n) {
    for (int i = 0; i < n; i++) bl_rle_free(&m[i]);
    free(m);
}

static double *numbers(int n) {
    double *v = malloc(sizeof *v * ((size_t)n + 1));
    CHECK(v != NULL);
    for (int i = 0; i < n; i++) v[i] = number();
    return v;
}

static void polygon(void) {
    int n = integer();
    double *xy = numbers(2 * n), box[4];
    bl_rle want = mask(), got = {0};
    CHECK_OK(bl_rle_from_polygon(xy, n, want.h, want.w, &got));
    same(&got, &want);
    CHECK_EQ(bl_rle_area(&got), integer());
    bl_rle_to_box(&got, box);
    for (int i = 0; i < 4; i++) CHECK_NEAR(box[i], number(), 0);
    bl_rle_free(&want);
    bl_rle_free(&got);
    free(xy);
}

static void encode(void) {
    bl_rle want = mask(), got = {0};
    const char *text = word();
    size_t n = strlen(text);
    uint8_t *pixels = malloc(n), *back = malloc(n);
    CHECK(pixels && back && n == (size_t)want.h * (size_t)want.w);
    for (size_t i = 0; i < n; i++) pixels[i] = text[i] == '1';
    CHECK_OK(bl_rle_encode(pixels, want.h, want.w, &got));
    same(&got, &want);
    bl_rle_decode(&got, back);
    CHECK(memcmp(pixels, back, n) == 0);
    bl_rle_free(&want);
    bl_rle_free(&got);
    free(pixels);
    free(back);
}

static void box(void) {
    double *b = numbers(4);
    bl_rle want = mask(), got = {0};
    CHECK_OK(bl_rle_from_box(b, want.h, want.w, &got));
    same(&got, &want);
    bl_rle_free(&want);
    bl_rle_free(&got);
    free(b);
}

static void counts(void) {
    int n = integer();
    double *v = numbers(n);
    bl_rle want = mask(), got = {0};
    CHECK_OK(bl_rle_from_counts(v, n, want.h, want.w, &got));
    same(&got, &want);
    bl_rle_free(&want);
    bl_rle_free(&got);
    free(v);
}

static void merge(void) {
    int intersect = integer(), n = integer();
    bl_rle *m = masks(n), want = mask(), got = {0};
    CHECK_OK(bl_rle_merge(m, n, intersect, &got));
    same(&got, &want);
    bl_rle_free(&want);
    bl_rle_free(&got);
    free_masks(m, n);
}

static void iou(void) {
    int m = integer(), n = integer();
    bl_rle *d = masks(m), *g = masks(n);
    uint8_t crowd[16] = {0};
    double out[256];
    CHECK(n <= 16 && m * n <= 256);
    for (int k = 0; k < n; k++) crowd[k] = (uint8_t)integer();
    CHECK_OK(bl_rle_ious(d, m, g, n, crowd, out));
    for (int i = 0; i < m * n; i++) CHECK_NEAR(out[i], number(), 0);
    free_masks(d, m);
    free_masks(g, n);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
        int least;
    } cases[] = {{"poly", polygon, 100}, {"encode", encode, 20}, {"box", box, 20},
                 {"counts", counts, 20}, {"merge", merge, 20},   {"iou", iou, 20}};
    enum { N = sizeof cases / sizeof *cases };
    int seen[N] = {0}, k;
    char *text, *lines;
    size_t size;
    const char *path = argc > 1 ? argv[1] : BALLAST_SOURCE_DIR "/tests/golden/mask_pycocotools.txt";
    CHECK_OK(bl_read_file(path, (size_t)1 << 30, &text, &size));
    lines = text;
    for (int line = 1; (rest = strsep(&lines, "\n")) && *rest; line++) {
        const char *kind = word();
        for (k = 0; k < N && strcmp(cases[k].name, kind) != 0;) k++;
        CHECK(k < N);
        printf("line %d: %s\n", line, kind); /* shown when a check fails */
        cases[k].run();
        seen[k]++;
    }
    for (k = 0; k < N; k++) CHECK(seen[k] >= cases[k].least);
    free(text);
    return 0;
}
