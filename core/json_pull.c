#include "core/json_pull.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json_pull_window.h"
#include "core/json_text.h"

/* ---- structure ---- */

bl_pull_kind bl_pull_peek(bl_pull *j) {
    int c = pull_next(j);
    switch (c) {
    case '{':
        return BL_PULL_OBJECT;
    case '[':
        return BL_PULL_ARRAY;
    case '"':
        return BL_PULL_STRING;
    case 't':
        return BL_PULL_TRUE;
    case 'f':
        return BL_PULL_FALSE;
    case 'n':
        return BL_PULL_NULL;
    case 'N':
    case 'I':
        return BL_PULL_NONFINITE;
    case '-':
        bl_pull_fill(j, 2);
        return j->end - j->p > 1 && j->p[1] == 'I' ? BL_PULL_NONFINITE : BL_PULL_NUMBER;
    default:
        return c >= '0' && c <= '9' ? BL_PULL_NUMBER : BL_PULL_NONE;
    }
}

/* The next byte is not what the grammar wants. */
static bl_status unexpected(bl_pull *j, const char *wanted) {
    int c = pull_next(j);
    if (c < 0) return bl_pull_truncated(j, bl_pull_container(j));
    pull_mark(j);
    char msg[256], shown[8];
    snprintf(shown, sizeof shown, c >= 0x20 && c < 0x7f ? "'%c'" : "0x%02x", c);
    snprintf(msg, sizeof msg, "expected %s, found %s", wanted, shown);
    if (bl_pull_peek(j) == BL_PULL_NONFINITE)
        snprintf(msg, sizeof msg,
                 "expected %s, found %s: NaN and Infinity are not JSON, write a finite number",
                 wanted, shown);
    return bl_pull_broken(j, msg);
}

const char *bl_pull_kind_name(bl_pull_kind k) {
    static const char *const names[] = {"nothing",  "an object", "an array",
                                        "a string", "a number",  "true",
                                        "false",    "null",      "NaN or Infinity"};
    return names[k];
}

static bl_status begin(bl_pull *j, int bracket, const char *wanted) {
    if (j->status != BL_OK) return j->status;
    if (pull_next(j) != bracket) return unexpected(j, wanted);
    pull_mark(j);
    if (j->depth == BL_PULL_MAX_DEPTH) return bl_pull_broken(j, "nested deeper than 64 levels");
    j->stack[j->depth] = (uint8_t)bracket;
    j->first[j->depth++] = true;
    j->p++;
    return BL_OK;
}

bl_status bl_pull_object(bl_pull *j) {
    return begin(j, '{', "an object");
}

bl_status bl_pull_array(bl_pull *j) {
    return begin(j, '[', "an array");
}

/* Steps to the next member of the innermost container; *more = false when it has been closed. */
static bl_status step(bl_pull *j, int close, const char *wanted, bool *more) {
    if (j->status != BL_OK) return j->status;
    bool *first = &j->first[j->depth - 1];
    int c = pull_next(j);
    *more = c != close;
    if (c == close) {
        j->p++;
        j->depth--;
        return BL_OK;
    }
    if (!*first) {
        if (c != ',') return unexpected(j, wanted);
        pull_mark(j);
        j->p++;
        if (pull_next(j) == close) return bl_pull_broken(j, "a comma before the closing bracket");
    }
    *first = false;
    return BL_OK;
}

bl_status bl_pull_more(bl_pull *j, bool *more) {
    *more = false;
    BL_TRY(step(j, ']', "',' or ']'", more));
    return BL_OK;
}

bl_status bl_pull_key(bl_pull *j, const char **key) {
    bool more;
    *key = NULL;
    BL_TRY(step(j, '}', "',' or '}'", &more));
    if (!more) return BL_OK;
    if (pull_next(j) != '"') return unexpected(j, "a key in double quotes");
    const char *s;
    size_t len;
    BL_TRY(bl_pull_string(j, &s, &len));
    int64_t token = j->token;
    if (pull_next(j) != ':') return unexpected(j, "':' after the key");
    j->p++;
    j->token = token;
    *key = s;
    return BL_OK;
}

bl_status bl_pull_end(bl_pull *j) {
    if (j->status != BL_OK) return j->status;
    if (pull_next(j) >= 0) return unexpected(j, "the end of the file");
    return j->status;
}

/* ---- literals and numbers ---- */

static bl_status literal(bl_pull *j, const char *word) {
    size_t n = strlen(word);
    bl_pull_fill(j, n);
    pull_mark(j);
    size_t have = (size_t)(j->end - j->p);
    if (have < n && memcmp(j->p, word, have) == 0) {
        j->p = j->end;
        return bl_pull_truncated(j, bl_pull_container(j));
    }
    if (have < n || memcmp(j->p, word, n) != 0) return unexpected(j, "a value");
    j->p += n;
    return BL_OK;
}

bl_status bl_pull_bool(bl_pull *j, bool *v) {
    if (j->status != BL_OK) return j->status;
    bl_pull_kind k = bl_pull_peek(j);
    if (k != BL_PULL_TRUE && k != BL_PULL_FALSE) return unexpected(j, "true or false");
    *v = k == BL_PULL_TRUE;
    return literal(j, *v ? "true" : "false");
}

static bl_status number(bl_pull *j, bl_number *s, double *v) {
    if (j->status != BL_OK) return j->status;
    if (bl_pull_peek(j) != BL_PULL_NUMBER) return unexpected(j, "a number");
    pull_mark(j);
    bl_pull_fill(j, BL_NUMBER_MAX + 1);
    const uint8_t *end = bl_number_scan(j->p, j->end, s);
    if (!end) {
        /* "12." or "-" at the very end of the file is a cut, not a typo. */
        const uint8_t *q = j->p;
        while (q < j->end && (bl_digit(*q) || memchr("+-.eE", *q, 5))) q++;
        if (q == j->end && j->eof) {
            j->p = q;
            return bl_pull_truncated(j, bl_pull_container(j));
        }
        return bl_pull_broken(j, "malformed number");
    }
    if (end - j->p > BL_NUMBER_MAX)
        return bl_pull_broken(j, "number with more than 256 characters");
    *v = bl_number_value(s, j->p, end);
    if (!isfinite(*v))
        return bl_pull_broken(j, "the number is too large: it is not finite in double precision");
    j->p = end;
    return BL_OK;
}

bl_status bl_pull_number(bl_pull *j, double *v) {
    bl_number s;
    return number(j, &s, v);
}

/* -Infinity too: the sign counts as part of the word. */
static bl_status skip_nonfinite(bl_pull *j) {
    if (*j->p == '-') j->p++;
    return literal(j, *j->p == 'N' ? "NaN" : "Infinity");
}

/* Of a number just read. */
static bool whole_value(const bl_number *s, double d, int64_t *v) {
    bool plain = s->whole && s->exact && s->mantissa <= (uint64_t)INT64_MAX;
    if (!plain && (fabs(d) > 0x1p53 || d != floor(d))) return false;
    *v = !plain ? (int64_t)d : s->neg ? -(int64_t)s->mantissa : (int64_t)s->mantissa;
    return true;
}

bl_status bl_pull_whole(bl_pull *j, int64_t *v, double *d, bool *whole) {
    bl_number s;
    BL_TRY(number(j, &s, d));
    *whole = whole_value(&s, *d, v);
    return BL_OK;
}

bl_status bl_pull_int(bl_pull *j, int64_t *v) {
    bl_number s;
    double d;
    BL_TRY(number(j, &s, &d));
    if (whole_value(&s, d, v)) return BL_OK;
    if (s.whole) return bl_pull_fail(j, "the number %.17g is beyond the 64 bits of a whole one", d);
    return bl_pull_fail(j, "expected a whole number, found %.17g", d);
}

bl_status bl_pull_id(bl_pull *j, int64_t *v, const char **text) {
    bl_number s;
    double d;
    *text = NULL;
    if (bl_pull_peek(j) == BL_PULL_STRING) return bl_pull_string(j, text, NULL);
    BL_TRY(number(j, &s, &d));
    if (whole_value(&s, d, v)) return BL_OK;
    if (!s.whole) return bl_pull_fail(j, "expected a whole number or a text, found %.17g", d);
    size_t n = (size_t)(pull_position(j) - j->token); /* the token ends where the reader stands */
    memcpy(j->str, j->p - n, n);                      /* BL_NUMBER_MAX characters at most */
    j->str[n] = 0;
    *text = j->str;
    return BL_OK;
}

/* ---- strings ---- */

static bl_status str_reserve(bl_pull *j, size_t need) {
    if (need <= j->str_cap) return BL_OK;
    size_t cap = j->str_cap * 2 > need ? j->str_cap * 2 : need;
    char *s = realloc(j->str, cap);
    if (!s) return bl_no_memory("for %s", j->name);
    j->str = s;
    j->str_cap = cap;
    return BL_OK;
}

/* The escape after a backslash; j->p stands behind the backslash. */
static bl_status escape(bl_pull *j, size_t *n) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    bl_pull_fill(j, 11); /* up to uXXXX\uXXXX */
    if (j->p == j->end) return bl_pull_truncated(j, "a string");
    uint8_t c = *j->p;
    const char *at = c ? strchr(from, c) : NULL;
    if (at) {
        j->str[(*n)++] = to[at - from];
        j->p++;
        return BL_OK;
    }
    if (c != 'u') return bl_pull_broken(j, "unknown escape in a string");
    if (j->end - j->p < 5) return bl_pull_truncated(j, "a string");
    int v = bl_hex4(j->p + 1);
    if (v < 0) return bl_pull_broken(j, "malformed \\u escape in a string");
    j->p += 5;
    uint32_t code = (uint32_t)v;
    if (v >= 0xD800 && v < 0xE000) {
        int low = j->end - j->p >= 6 && j->p[0] == '\\' && j->p[1] == 'u' ? bl_hex4(j->p + 2) : -1;
        if (v >= 0xDC00 || low < 0xDC00 || low >= 0xE000)
            return bl_pull_broken(j, "unpaired surrogate in a string");
        code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
        j->p += 6;
    }
    if (code == 0) return bl_pull_broken(j, "a NUL character in a string");
    *n += bl_utf8_put(j->str + *n, code);
    return BL_OK;
}

/* Stands for itself in a string. */
static inline bool plain(uint8_t c) {
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

bl_status bl_pull_string(bl_pull *j, const char **s, size_t *len) {
    return bl_pull_long_string(j, BL_PULL_MAX_STRING, s, len);
}

bl_status bl_pull_long_string(bl_pull *j, size_t max, const char **s, size_t *len) {
    if (j->status != BL_OK) return j->status;
    if (pull_next(j) != '"') return unexpected(j, "a string");
    pull_mark(j);
    j->p++;
    size_t n = 0;
    for (;;) {
        if (!pull_available(j)) return bl_pull_truncated(j, "a string");
        if (n > max) return bl_pull_fail(j, "string with more than %zu bytes", max);
        BL_TRY(str_reserve(j, n + 8));
        uint8_t c = *j->p;
        if (c == '"') break;
        if (c == '\\') {
            j->p++;
            BL_TRY(escape(j, &n));
        } else if (c < 0x20) {
            return bl_pull_broken(j, "a control character in a string: escape it");
        } else if (c < 0x80) {
            /* a run of plain characters, as far as the window and the buffer reach */
            const uint8_t *q = j->p, *stop = j->end;
            size_t room = j->str_cap - n - 1;
            if ((size_t)(stop - q) > room) stop = q + room;
            for (; q < stop && plain(*q); q++) j->str[n++] = (char)*q;
            j->p = q;
        } else {
            bl_pull_fill(j, 4);
            size_t k = bl_utf8_length(j->p, j->end);
            if (k == 0) return bl_pull_broken(j, "a string is not valid UTF-8");
            memcpy(j->str + n, j->p, k);
            n += k;
            j->p += k;
        }
    }
    j->p++;
    j->str[n] = 0;
    *s = j->str;
    if (len) *len = n;
    return BL_OK;
}

/* ---- skipping ---- */

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint64_t words2 __attribute__((vector_size(16)));

static inline bytes16 splat(uint8_t c) {
    return (bytes16){c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c};
}

/* First quote or bracket in [p, end), or end. Brackets differ from braces in bit 5 only. */
static const uint8_t *find_structure(const uint8_t *p, const uint8_t *end) {
    for (; end - p >= 16; p += 16) {
        bytes16 v;
        memcpy(&v, p, 16);
        bytes16 b = v | splat(0x20);
        words2 hit = (words2)((b == splat('{')) | (b == splat('}')) | (v == splat('"')));
        if (hit[0] | hit[1]) break;
    }
    for (; p < end; p++) {
        uint8_t b = *p | 0x20;
        if (b == '{' || b == '}' || *p == '"') return p;
    }
    return end;
}

/* Behind the opening quote: moves behind the closing one. */
static bl_status skip_string(bl_pull *j) {
    for (;;) {
        if (!pull_available(j)) return bl_pull_truncated(j, "a string");
        const uint8_t *quote = memchr(j->p, '"', (size_t)(j->end - j->p));
        const uint8_t *stop = quote ? quote : j->end;
        const uint8_t *slash = memchr(j->p, '\\', (size_t)(stop - j->p));
        if (slash) {
            j->p = slash;
            bl_pull_fill(j, 2);
            if (j->end - j->p < 2) {
                j->p = j->end;
                return bl_pull_truncated(j, "a string");
            }
            j->p += 2;
        } else {
            j->p = stop;
            if (quote) {
                j->p++;
                return BL_OK;
            }
        }
    }
}

/* At an opening bracket: moves behind the matching closing one. */
static bl_status skip_container(bl_pull *j) {
    uint8_t open[BL_PULL_MAX_DEPTH];
    int depth = 0;
    open[depth++] = *j->p++;
    while (depth > 0) {
        j->p = find_structure(j->p, j->end);
        if (j->p == j->end) {
            if (!pull_available(j))
                return bl_pull_truncated(j, open[depth - 1] == '{' ? "an object" : "an array");
            continue;
        }
        uint8_t c = *j->p++;
        if (c == '"') {
            BL_TRY(skip_string(j));
        } else if (c == '{' || c == '[') {
            pull_mark(j);
            if (j->depth + depth >= BL_PULL_MAX_DEPTH)
                return bl_pull_broken(j, "nested deeper than 64 levels");
            open[depth++] = c;
        } else if (open[--depth] != c - 2) { /* "[" and "]", "{" and "}" are two codes apart */
            pull_mark(j);
            return bl_pull_broken(j, "a closing bracket does not match the opening one");
        }
    }
    return BL_OK;
}

bl_status bl_pull_skip(bl_pull *j) {
    if (j->status != BL_OK) return j->status;
    double v;
    switch (bl_pull_peek(j)) {
    case BL_PULL_OBJECT:
    case BL_PULL_ARRAY:
        return skip_container(j);
    case BL_PULL_STRING:
        pull_mark(j);
        j->p++;
        return skip_string(j);
    case BL_PULL_NUMBER:
        return bl_pull_number(j, &v);
    case BL_PULL_TRUE:
        return literal(j, "true");
    case BL_PULL_FALSE:
        return literal(j, "false");
    case BL_PULL_NULL:
        return literal(j, "null");
    case BL_PULL_NONFINITE:
        return skip_nonfinite(j);
    default:
        return unexpected(j, "a value");
    }
}

bl_status bl_pull_skip_text(bl_pull *j, const char **text, size_t *size) {
    pull_next(j);
    j->n_kept = 0;
    j->keep_from = j->p;
    bl_status status = bl_pull_skip(j);
    if (status == BL_OK) status = bl_pull_keep(j);
    j->keep_from = NULL;
    *text = j->kept;
    *size = j->n_kept;
    return status;
}
