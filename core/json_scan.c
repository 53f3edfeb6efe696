#include "core/json_scan.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json_text.h"
#include "core/real_text.h"

void bl_scan_begin(bl_scan *s, const char *text, size_t size, const char *name) {
    *s = (bl_scan){.p = text, .end = text + size, .name = name, .line = 1};
}

void bl_scan_end(bl_scan *s) {
    free(s->text);
    s->text = NULL;
    s->text_size = s->text_cap = 0;
}

bl_status bl_scan_fail(const bl_scan *s, const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return bl_fail(BL_EFORMAT, "%s:%d: %s", s->name, s->line, text);
}

int bl_scan_peek(bl_scan *s) {
    for (; s->p < s->end; s->p++) {
        switch (*s->p) {
        case '\n':
            s->line++;
            break;
        case ' ':
        case '\t':
        case '\r':
            break;
        default:
            return (unsigned char)*s->p;
        }
    }
    return -1;
}

/* "end of file" or the character, for messages. */
static const char *describe(int c, char buf[16]) {
    if (c < 0) return "the end of the file";
    snprintf(buf, 16, c >= 0x20 && c < 0x7f ? "'%c'" : "byte 0x%02x", c);
    return buf;
}

bl_status bl_scan_expect(bl_scan *s, char want) {
    char buf[16];
    int c = bl_scan_peek(s);
    if (c != want) return bl_scan_fail(s, "expected '%c', found %s", want, describe(c, buf));
    s->p++;
    return BL_OK;
}

static bl_status append(bl_scan *s, const char *bytes, size_t n) {
    if (s->text_size + n + 1 > s->text_cap) {
        size_t cap = 2 * (s->text_size + n + 32);
        char *more = realloc(s->text, cap);
        if (!more) return bl_no_memory("for %s (a string)", s->name);
        s->text = more;
        s->text_cap = cap;
    }
    if (n > 0) memcpy(s->text + s->text_size, bytes, n);
    s->text_size += n;
    s->text[s->text_size] = '\0';
    return BL_OK;
}

static bl_status hex4(bl_scan *s, uint32_t *out) {
    int v = s->end - s->p >= 4 ? bl_hex4((const uint8_t *)s->p) : -1;
    if (v < 0) return bl_scan_fail(s, "\\u needs four hexadecimal digits");
    s->p += 4;
    *out = (uint32_t)v;
    return BL_OK;
}

/* At the character after '\\'. */
static bl_status escape(bl_scan *s) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = s->p < s->end ? *s->p : 0;
    const char *hit = c ? strchr(from, c) : NULL;
    if (hit) {
        s->p++;
        return append(s, &to[hit - from], 1);
    }
    if (c != 'u') return bl_scan_fail(s, "unknown escape in a string");
    s->p++;
    uint32_t v = 0, low = 0;
    BL_TRY(hex4(s, &v));
    if (v >= 0xd800 && v < 0xdc00) {
        if (s->end - s->p < 2 || s->p[0] != '\\' || s->p[1] != 'u') {
            return bl_scan_fail(s, "half of a surrogate pair in a string");
        }
        s->p += 2;
        BL_TRY(hex4(s, &low));
        if (low < 0xdc00 || low > 0xdfff) {
            return bl_scan_fail(s, "half of a surrogate pair in a string");
        }
        v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
    } else if (v >= 0xdc00 && v < 0xe000) {
        return bl_scan_fail(s, "half of a surrogate pair in a string");
    }
    if (v == 0) return bl_scan_fail(s, "\\u0000 is not accepted in a string");
    char utf8[4];
    return append(s, utf8, bl_utf8_put(utf8, v));
}

bl_status bl_scan_string(bl_scan *s) {
    BL_TRY(bl_scan_expect(s, '"'));
    s->text_size = 0;
    BL_TRY(append(s, "", 0));
    for (;;) {
        const char *run = s->p;
        while (s->p < s->end && *s->p != '"' && *s->p != '\\') {
            if ((unsigned char)*s->p < 0x20) {
                return bl_scan_fail(s, *s->p == '\n' ? "a string is not closed on its line"
                                                     : "control character in a string");
            }
            const uint8_t *p = (const uint8_t *)s->p;
            size_t n = *p < 0x80 ? 1 : bl_utf8_length(p, (const uint8_t *)s->end);
            if (n == 0) return bl_scan_fail(s, "a string is not valid UTF-8");
            s->p += n;
        }
        BL_TRY(append(s, run, (size_t)(s->p - run)));
        if (s->p >= s->end) return bl_scan_fail(s, "a string is not closed");
        if (*s->p++ == '"') return BL_OK;
        BL_TRY(escape(s));
    }
}

static bool digits(bl_scan *s) {
    const char *begin = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9') s->p++;
    return s->p > begin;
}

bl_status bl_scan_number(bl_scan *s, bl_scan_num *out) {
    char buf[64], shown[16];
    int c = bl_scan_peek(s);
    const char *begin = s->p;
    *out = (bl_scan_num){.is_int = true};
    if (c == '-') s->p++;
    const char *first = s->p;
    if (!digits(s)) return bl_scan_fail(s, "expected a value, found %s", describe(c, shown));
    if (*first == '0' && s->p - first > 1) return bl_scan_fail(s, "a number starts with 0");
    if (s->p < s->end && *s->p == '.') {
        out->is_int = false;
        s->p++;
        if (!digits(s)) return bl_scan_fail(s, "a number needs digits after its '.'");
    }
    if (s->p < s->end && (*s->p | 32) == 'e') {
        out->is_int = false;
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-')) s->p++;
        if (!digits(s)) return bl_scan_fail(s, "a number needs digits in its exponent");
    }
    /* Parsing needs a terminator; numbers longer than the buffer go through the heap. */
    size_t n = (size_t)(s->p - begin);
    char *text = n < sizeof buf ? buf : malloc(n + 1);
    if (!text) return bl_no_memory("for %s (a number)", s->name);
    memcpy(text, begin, n);
    text[n] = '\0';
    errno = 0;
    out->i = out->is_int ? strtoll(text, NULL, 10) : 0;
    bool overflow = out->is_int && errno == ERANGE;
    out->d = bl_real_parse(text, NULL);
    if (text != buf) free(text);
    if (overflow) return bl_scan_fail(s, "an integer does not fit 64 bits");
    if (!isfinite(out->d)) return bl_scan_fail(s, "a number is too large");
    return BL_OK;
}

bl_status bl_scan_literal(bl_scan *s, char *which) {
    static const char *const words[] = {"true", "false", "null"};
    char buf[16];
    int c = bl_scan_peek(s);
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(s->end - s->p) >= n && memcmp(s->p, words[i], n) == 0) {
            s->p += n;
            *which = words[i][0];
            return BL_OK;
        }
    }
    return bl_scan_fail(s, "expected a value, found %s", describe(c, buf));
}

bl_status bl_scan_more(bl_scan *s, char close, bool *more) {
    char buf[16];
    int c = bl_scan_peek(s);
    if (c != ',' && c != close) {
        return bl_scan_fail(s, "expected ',' or '%c', found %s", close, describe(c, buf));
    }
    s->p++;
    *more = c == ',';
    return BL_OK;
}

bl_status bl_scan_finish(bl_scan *s) {
    char buf[16];
    int c = bl_scan_peek(s);
    if (c >= 0) return bl_scan_fail(s, "expected the end of the file, found %s", describe(c, buf));
    return BL_OK;
}
