#include "core/npy.h"

#include <stdbool.h>
#include <string.h>

enum { MAX_HEADER = 1 << 16 };

/* The header: a Python dictionary of three known keys. */
typedef struct cursor {
    const char *name, *text;
    size_t at, end, base; /* base: of the header in the file, for messages */
    bool fortran, has[3];
} cursor;

static bl_status bad(const cursor *c, const char *what) {
    return bl_fail(BL_EFORMAT, "%s: %s at byte %zu of its header; save it again with numpy.save",
                   c->name, what, c->base + c->at);
}

static void skip_blanks(cursor *c) {
    while (c->at < c->end && (c->text[c->at] == ' ' || c->text[c->at] == '\n')) c->at++;
}

static bool accept(cursor *c, char ch) {
    skip_blanks(c);
    if (c->at >= c->end || c->text[c->at] != ch) return false;
    c->at++;
    return true;
}

/* 'word' into buf (NUL-terminated). */
static bl_status quoted(cursor *c, char *buf, size_t room) {
    skip_blanks(c);
    char quote = c->at < c->end ? c->text[c->at] : 0;
    if (quote != '\'' && quote != '"') return bad(c, "a quoted word is missing");
    size_t n = 0;
    for (c->at++; c->at < c->end && c->text[c->at] != quote; c->at++) {
        if (n + 1 >= room) return bad(c, "an over-long word");
        buf[n++] = c->text[c->at];
    }
    if (c->at >= c->end) return bad(c, "an unfinished word");
    c->at++;
    buf[n] = 0;
    return BL_OK;
}

static bool is_digit(const cursor *c) {
    return c->at < c->end && c->text[c->at] >= '0' && c->text[c->at] <= '9';
}

static bl_status number(cursor *c, int64_t *out) {
    skip_blanks(c);
    if (!is_digit(c)) return bad(c, "a number is missing");
    int64_t v = 0;
    for (; is_digit(c); c->at++) {
        if (v > (INT64_MAX - 9) / 10) return bad(c, "a number out of range");
        v = 10 * v + (c->text[c->at] - '0');
    }
    if (c->at < c->end && c->text[c->at] == 'L') c->at++; /* written by Python 2 */
    *out = v;
    return BL_OK;
}

static bl_status shape(cursor *c, bl_npy *a) {
    if (!accept(c, '(')) return bad(c, "the shape is missing");
    while (!accept(c, ')')) {
        if (a->ndim == BL_NPY_MAX_DIMS) return bad(c, "too many dimensions");
        BL_TRY(number(c, &a->shape[a->ndim++]));
        if (accept(c, ',')) continue;
        if (!accept(c, ')')) return bad(c, "a comma or ) is missing");
        break;
    }
    return BL_OK;
}

static bl_status element_type(cursor *c, bl_npy *a) {
    char t[16];
    BL_TRY(quoted(c, t, sizeof t));
    bool one_byte = t[0] && t[1] && strcmp(t + 2, "1") == 0;
    if (t[0] != '<' && !(one_byte && (t[0] == '|' || t[0] == '>')))
        return bl_fail(BL_EUNSUPPORTED,
                       "%s: elements of type \"%s\" are not read; convert the array to uint8 or "
                       "little-endian integers",
                       c->name, t);
    a->kind = t[1];
    a->bytes = t[2] >= '1' && t[2] <= '8' && !t[3] ? t[2] - '0' : 0;
    bool power = a->bytes == 1 || a->bytes == 2 || a->bytes == 4 || a->bytes == 8;
    if (!power || !a->kind || !strchr("uifb", a->kind) || (a->kind == 'b' && a->bytes != 1))
        return bl_fail(BL_EUNSUPPORTED, "%s: elements of type \"%s\" are not read", c->name, t);
    return BL_OK;
}

static bl_status truth(cursor *c, bool *out) {
    skip_blanks(c);
    size_t left = c->end - c->at;
    *out = left >= 4 && memcmp(c->text + c->at, "True", 4) == 0;
    if (!*out && !(left >= 5 && memcmp(c->text + c->at, "False", 5) == 0))
        return bad(c, "neither True nor False");
    c->at += *out ? 4 : 5;
    return BL_OK;
}

static bl_status entry(cursor *c, bl_npy *a) {
    static const char *const keys[3] = {"descr", "fortran_order", "shape"};
    char key[32];
    BL_TRY(quoted(c, key, sizeof key));
    int k = 0;
    while (k < 3 && strcmp(key, keys[k]) != 0) k++;
    if (k == 3 || c->has[k]) return bad(c, "an unknown or repeated key");
    c->has[k] = true;
    if (!accept(c, ':')) return bad(c, "a colon is missing");
    return k == 0 ? element_type(c, a) : k == 1 ? truth(c, &c->fortran) : shape(c, a);
}

static bl_status dictionary(cursor *c, bl_npy *a) {
    if (!accept(c, '{')) return bad(c, "no dictionary");
    while (!accept(c, '}')) {
        BL_TRY(entry(c, a));
        if (accept(c, ',')) continue;
        if (!accept(c, '}')) return bad(c, "a comma or } is missing");
        break;
    }
    skip_blanks(c);
    if (c->at != c->end) return bad(c, "text after the dictionary");
    for (int k = 0; k < 3; k++)
        if (!c->has[k]) return bad(c, "not all of descr, fortran_order and shape");
    if (c->fortran && a->ndim > 1)
        return bl_fail(BL_EUNSUPPORTED,
                       "%s: is in Fortran order; save numpy.ascontiguousarray(array)", c->name);
    return BL_OK;
}

bl_status bl_npy_parse(const uint8_t *data, size_t size, const char *name, bl_npy *out) {
    *out = (bl_npy){0};
    if (size < 12 || memcmp(data, "\x93NUMPY", 6) != 0 || data[6] < 1 || data[6] > 3)
        return bl_fail(BL_EFORMAT, "%s: is not a .npy file (its first bytes say so)", name);
    bool wide = data[6] > 1;
    size_t header = (size_t)data[8] | (size_t)data[9] << 8, base = wide ? 12 : 10;
    if (wide) header |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    if (header > MAX_HEADER || header > size - base)
        return bl_fail(BL_EFORMAT,
                       "%s: its header of %zu bytes does not fit the %zu bytes there are", name,
                       header, size);
    cursor c = {.name = name, .text = (const char *)data + base, .end = header, .base = base};
    BL_TRY(dictionary(&c, out));
    size_t left = size - base - header;
    out->data = data + base + header;
    out->count = 1;
    for (int k = 0; k < out->ndim; k++)
        if (__builtin_mul_overflow(out->count, out->shape[k], &out->count))
            return bl_fail(BL_EFORMAT, "%s: its shape has more elements than can be counted", name);
    if ((uint64_t)out->count > SIZE_MAX / 8 || (size_t)out->count * (size_t)out->bytes != left)
        return bl_fail(BL_EFORMAT,
                       "%s: %lld elements of %d bytes are announced, %zu bytes of data follow at "
                       "byte %zu; the file is cut off or damaged",
                       name, (long long)out->count, out->bytes, left, base + header);
    return BL_OK;
}

int64_t bl_npy_integer(const bl_npy *a, int64_t i) {
    const uint8_t *p = a->data + (size_t)i * (size_t)a->bytes;
    uint64_t v = 0;
    for (int k = 0; k < a->bytes; k++) v |= (uint64_t)p[k] << (8 * k);
    int unused = 64 - 8 * a->bytes;
    if (a->kind == 'i') return (int64_t)(v << unused) >> unused;
    return (int64_t)v;
}
