/* The mask library on arbitrary bytes: compressed strings, lists of counts, polygons, and pairs of
 * what came of them. The first byte chooses, the next two are the size. */
#include <string.h>

#include "datasets/annotations/mask_store.h"
#include "tests/fuzz/fuzz.h"

enum { POINTS = 64 };

/* Whatever was accepted is a whole mask, and all ways to look at it agree. */
static void check_mask(const bl_rle *m) {
    HOLDS(bl_rle_check(m) == BL_OK);
    size_t pixels = (size_t)m->h * (size_t)m->w;
    uint8_t *image = malloc(pixels);
    char *text = malloc(bl_rle_string_bound(m));
    bl_rle again = {0};
    double box[4];
    HOLDS(image && text);
    size_t length = bl_rle_to_string(m, text);
    HOLDS(length <= bl_rle_string_bound(m));
    HOLDS(bl_rle_from_string(text, length, m->h, m->w, &again) == BL_OK);
    HOLDS(again.n == m->n &&
          memcmp(again.counts, m->counts, sizeof *m->counts * (size_t)m->n) == 0);
    bl_rle_decode(m, image);
    uint32_t area = 0;
    for (size_t i = 0; i < pixels; i++) area += image[i];
    HOLDS(area == bl_rle_area(m));
    HOLDS(bl_rle_encode(image, m->h, m->w, &again) == BL_OK);
    HOLDS(bl_rle_area(&again) == area && again.n <= m->n + 1);
    bl_rle_to_box(&again, box);
    HOLDS(area == 0 || (box[2] >= 1 && box[3] >= 1 && box[2] * box[3] >= area));
    bl_rle_free(&again);
    free(image);
    free(text);
}

static void check_pair(const bl_rle *a, const bl_rle *b) {
    bl_rle both = {0}, either = {0};
    const bl_rle pair[2] = {*a, *b};
    double iou[2];
    HOLDS(bl_rle_merge(pair, 2, true, &both) == BL_OK);
    HOLDS(bl_rle_merge(pair, 2, false, &either) == BL_OK);
    HOLDS(bl_rle_check(&both) == BL_OK && bl_rle_check(&either) == BL_OK);
    HOLDS(bl_rle_area(&both) + bl_rle_area(&either) == bl_rle_area(a) + bl_rle_area(b));
    for (int crowd = 0; crowd < 2; crowd++) {
        uint8_t flag = (uint8_t)crowd;
        HOLDS(bl_rle_ious(a, 1, b, 1, &flag, &iou[crowd]) == BL_OK);
        HOLDS(iou[crowd] >= 0 && iou[crowd] <= 1);
    }
    bl_rle_free(&both);
    bl_rle_free(&either);
}

static bl_status make(const uint8_t *data, size_t size, int kind, int32_t h, int32_t w,
                      bl_rle *out) {
    double v[2 * POINTS];
    if (kind == 0) return bl_rle_from_string((const char *)data, size, h, w, out);
    size_t n = size / 2 < 2 * POINTS ? size / 2 : 2 * POINTS;
    for (size_t i = 0; i < n; i++) {
        int x = data[2 * i] | data[2 * i + 1] << 8;
        v[i] = kind == 1 ? x : (x - 16384) / 100.0;
    }
    if (kind == 1) return bl_rle_from_counts(v, (int64_t)n, h, w, out);
    return bl_rle_from_polygon(v, (int64_t)n / 2, h, w, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3) return 0;
    int kind = data[0] % 3, other = data[0] / 3 % 3;
    int32_t h = data[1], w = data[2];
    bl_rle a = {0}, b = {0};
    size_t half = data[0] & 128 ? (size - 3) / 2 : size - 3;
    data += 3;
    size -= 3;
    bool first = make(data, half, kind, h, w, &a) == BL_OK;
    bool second = make(data + half, size - half, other, h, w, &b) == BL_OK;
    if (first) check_mask(&a);
    if (second) check_mask(&b);
    if (first && second) check_pair(&a, &b);
    bl_rle_free(&a);
    bl_rle_free(&b);
    return 0;
}
