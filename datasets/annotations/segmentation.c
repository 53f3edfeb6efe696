#include "datasets/annotations/segmentation.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STRING = 1 << 28 };

typedef struct reader {
    bl_segmentation *s;
    bl_pull *j;
    char *why;
    size_t why_size;
} reader;

void bl_segmentation_free(bl_segmentation *s) {
    free(s->numbers);
    free(s->ends);
    free(s->text);
    bl_rle_free(&s->runs);
    bl_rle_free(&s->part);
    bl_rle_free(&s->other);
    *s = (bl_segmentation){0};
}

static void BL_PRINTF(2, 3) defect(reader *r, const char *fmt, ...) {
    if (r->why[0]) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->why, r->why_size, fmt, ap);
    va_end(ap);
}

/* Notes what stands there instead of `wanted`, and skips it. */
static bl_status wrong_type(reader *r, const char *wanted) {
    bl_pull_kind k = bl_pull_peek(r->j);
    if (k != BL_PULL_NONE)
        defect(r, "\"segmentation\": expected %s, found %s", wanted, bl_pull_kind_name(k));
    return bl_pull_skip(r->j);
}

static bl_status grow(void *array, int64_t *cap, int64_t n, size_t size) {
    if (n < *cap) return BL_OK;
    int64_t bigger = *cap ? *cap + *cap / 2 : 256;
    void *old;
    memcpy(&old, array, sizeof old);
    void *v = realloc(old, (size_t)bigger * size);
    if (!v) return bl_no_memory("for a segmentation");
    memcpy(array, &v, sizeof v);
    *cap = bigger;
    return BL_OK;
}

/* Appends an array of numbers to s->numbers. */
static bl_status read_numbers(reader *r) {
    bl_segmentation *s = r->s;
    bool more;
    BL_TRY(bl_pull_array(r->j));
    for (;;) {
        BL_TRY(bl_pull_more(r->j, &more));
        if (!more) return BL_OK;
        if (bl_pull_peek(r->j) != BL_PULL_NUMBER) {
            BL_TRY(wrong_type(r, "a number"));
            continue;
        }
        BL_TRY(grow(&s->numbers, &s->cap_numbers, s->n_numbers, sizeof *s->numbers));
        BL_TRY(bl_pull_number(r->j, &s->numbers[s->n_numbers++]));
    }
}

/* ---- polygons ---- */

static bl_status read_polygons(reader *r) {
    bl_segmentation *s = r->s;
    bool more;
    BL_TRY(bl_pull_array(r->j));
    for (;;) {
        BL_TRY(bl_pull_more(r->j, &more));
        if (!more) break;
        if (bl_pull_peek(r->j) != BL_PULL_ARRAY) {
            BL_TRY(wrong_type(r, "polygons, each an array of numbers"));
            continue;
        }
        int64_t start = s->n_numbers, first = s->n_polygons ? s->ends[0] : 0, n;
        BL_TRY(read_numbers(r));
        n = s->n_numbers - start;
        if (n % 2)
            defect(r, "\"segmentation\": polygon %lld has %lld numbers, expected pairs x, y",
                   (long long)s->n_polygons, (long long)n);
        if (s->n_polygons == 0 && n < 4)
            defect(r, "\"segmentation\": the polygon has %lld numbers, expected at least six",
                   (long long)n);
        if (first == 4 && n != 4)
            defect(r,
                   "\"segmentation\": polygon %lld has %lld numbers, but the first has four and "
                   "makes them boxes",
                   (long long)s->n_polygons, (long long)n);
        BL_TRY(grow(&s->ends, &s->cap_polygons, s->n_polygons, sizeof *s->ends));
        s->ends[s->n_polygons++] = s->n_numbers;
    }
    if (s->n_polygons > 0) s->kind = BL_SEGM_POLYGONS;
    return BL_OK;
}

static bl_status one_polygon(const bl_segmentation *s, int64_t i, int32_t h, int32_t w,
                             bl_rle *out) {
    int64_t from = i ? s->ends[i - 1] : 0;
    const double *v = s->numbers + from;
    return s->ends[0] == 4 ? bl_rle_from_box(v, h, w, out)
                           : bl_rle_from_polygon(v, (s->ends[i] - from) / 2, h, w, out);
}

bl_status bl_segmentation_runs(bl_segmentation *s, int32_t h, int32_t w) {
    if (s->kind == BL_SEGM_RUNS) return BL_OK;
    if (s->kind == BL_SEGM_NONE) return bl_fail(BL_EINVAL, "there is no segmentation");
    BL_TRY(one_polygon(s, 0, h, w, &s->runs));
    for (int64_t i = 1; i < s->n_polygons; i++) {
        BL_TRY(one_polygon(s, i, h, w, &s->part));
        const bl_rle two[2] = {s->runs, s->part};
        BL_TRY(bl_rle_merge(two, 2, false, &s->other));
        bl_rle t = s->runs;
        s->runs = s->other;
        s->other = t;
    }
    s->kind = BL_SEGM_RUNS;
    return BL_OK;
}

/* ---- run lengths ---- */

static bl_status read_size(reader *r, int32_t size[2]) {
    int n = 0;
    bool more;
    if (bl_pull_peek(r->j) != BL_PULL_ARRAY) return wrong_type(r, "\"size\" to be [height, width]");
    BL_TRY(bl_pull_array(r->j));
    for (;; n++) {
        int64_t v;
        BL_TRY(bl_pull_more(r->j, &more));
        if (!more) break;
        if (bl_pull_peek(r->j) != BL_PULL_NUMBER) {
            BL_TRY(wrong_type(r, "\"size\" to be [height, width]"));
            continue;
        }
        BL_TRY(bl_pull_int(r->j, &v));
        if (v < 1 || v > INT32_MAX)
            defect(r, "\"segmentation\": \"size\" has %lld, expected pixels", (long long)v);
        else if (n < 2)
            size[n] = (int32_t)v;
    }
    if (n != 2)
        defect(r, "\"segmentation\": \"size\" has %d numbers, expected height and width", n);
    return BL_OK;
}

static bl_status read_text(reader *r, size_t *len) {
    bl_segmentation *s = r->s;
    const char *text;
    BL_TRY(bl_pull_long_string(r->j, MAX_STRING, &text, len));
    if (*len > s->text_cap) {
        char *bigger = realloc(s->text, 2 * *len);
        if (!bigger) return bl_no_memory("for a segmentation");
        s->text = bigger;
        s->text_cap = 2 * *len;
    }
    if (*len) memcpy(s->text, text, *len);
    return BL_OK;
}

static bl_status read_runs(reader *r) {
    bl_segmentation *s = r->s;
    enum { SIZE = 1, LIST = 2, TEXT = 4 };
    int32_t size[2] = {0};
    size_t len = 0;
    int seen = 0;
    BL_TRY(bl_pull_object(r->j));
    for (;;) {
        const char *key;
        BL_TRY(bl_pull_key(r->j, &key));
        if (!key) break;
        bool is_size = strcmp(key, "size") == 0;
        if (!is_size && strcmp(key, "counts") != 0) {
            BL_TRY(bl_pull_skip(r->j));
            continue;
        }
        bl_pull_kind k = bl_pull_peek(r->j);
        if (seen & (is_size ? SIZE : LIST | TEXT))
            defect(r, "\"segmentation\": \"%s\" is given twice", is_size ? "size" : "counts");
        if (is_size) {
            BL_TRY(read_size(r, size));
            seen |= SIZE;
        } else if (k == BL_PULL_STRING) {
            BL_TRY(read_text(r, &len));
            seen |= TEXT;
        } else if (k == BL_PULL_ARRAY) {
            BL_TRY(read_numbers(r));
            seen |= LIST;
        } else {
            BL_TRY(wrong_type(r, "\"counts\" to be a string or an array"));
        }
    }
    if (!(seen & SIZE)) defect(r, "\"segmentation\": \"size\" is missing");
    if (!(seen & (LIST | TEXT))) defect(r, "\"segmentation\": \"counts\" is missing");
    if (r->why[0]) return BL_OK;
    bl_status status =
        seen & TEXT ? bl_rle_from_string(s->text, len, size[0], size[1], &s->runs)
                    : bl_rle_from_counts(s->numbers, s->n_numbers, size[0], size[1], &s->runs);
    if (status == BL_EFORMAT) {
        defect(r, "\"segmentation\": %s", bl_error());
        return BL_OK;
    }
    s->kind = BL_SEGM_RUNS;
    return status;
}

bl_status bl_segmentation_read(bl_segmentation *s, bl_pull *j, char *why, size_t why_size) {
    reader r = {.s = s, .j = j, .why = why, .why_size = why_size};
    bl_status status;
    why[0] = 0;
    s->kind = BL_SEGM_NONE;
    s->n_numbers = s->n_polygons = 0;
    switch (bl_pull_peek(j)) {
    case BL_PULL_ARRAY:
        status = read_polygons(&r);
        break;
    case BL_PULL_OBJECT:
        status = read_runs(&r);
        break;
    case BL_PULL_NULL:
        status = bl_pull_skip(j);
        break;
    default:
        status = wrong_type(&r, "polygons or run lengths");
    }
    if (status != BL_OK || why[0]) s->kind = BL_SEGM_NONE;
    return status;
}
