#include "datasets/json_pull.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/json_text.h"

enum { WINDOW = 1 << 18 };

struct bl_pull {
    char *name;
    int fd; /* -1: memory */
    bool eof;
    bl_status status;       /* sticky */
    uint8_t *window;        /* NULL: memory */
    const uint8_t *p, *end; /* unread bytes */
    const uint8_t *start;   /* first byte of the window */
    int64_t offset;         /* of `start` in the document */
    int64_t lines;          /* newlines before `start` */
    int64_t token, token_line;
    const char *what;
    int64_t number;
    int depth;
    uint8_t stack[BL_PULL_MAX_DEPTH]; /* '{' or '[' */
    bool first[BL_PULL_MAX_DEPTH];    /* nothing read in it yet */
    char *str;
    size_t str_cap;
};

/* ---- window ---- */

static int64_t count_lines(const uint8_t *p, const uint8_t *end) {
    int64_t n = 0;
    while (p < end) { /* 16-bit sums vectorise twice as well as wider ones */
        const uint8_t *stop = end - p > 32768 ? p + 32768 : end;
        uint16_t block = 0;
        for (; p < stop; p++) block = (uint16_t)(block + (*p == '\n'));
        n += block;
    }
    return n;
}

static int64_t position(const bl_pull *j) {
    return j->offset + (j->p - j->start);
}

static void mark(bl_pull *j) {
    j->token = position(j);
}

/* Reads on until at least `need` bytes are unread or the file ends. Moves the unread bytes. */
static void fill(bl_pull *j, size_t need) {
    size_t left = (size_t)(j->end - j->p);
    if (j->eof || left >= need) return;
    /* Lines before the token must survive the move for its message. */
    j->lines += count_lines(j->start, j->p);
    j->offset = position(j);
    memmove(j->window, j->p, left);
    j->start = j->p = j->window;
    while (left < need) {
        ssize_t got = read(j->fd, j->window + left, WINDOW - left);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            j->eof = true;
            j->status = bl_fail(BL_EIO, "%s: cannot read: %s", j->name, strerror(errno));
            break;
        }
        if (got == 0) {
            j->eof = true;
            break;
        }
        left += (size_t)got;
    }
    j->end = j->window + left;
}

static inline bool available(bl_pull *j) {
    if (j->p < j->end) return true;
    fill(j, 1);
    return j->p < j->end;
}

/* Next byte that is not white space, not consumed; -1 at the end. */
static int next(bl_pull *j) {
    for (;;) {
        while (j->p < j->end) {
            uint8_t c = *j->p;
            if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return c;
            j->p++;
        }
        if (!available(j)) return -1;
    }
}

/* ---- messages ---- */

void bl_pull_where(const bl_pull *j, char *buf, size_t size) {
    /* The token may already have left the window; its line is then that of the window's start. */
    const uint8_t *t = j->token >= j->offset ? j->start + (j->token - j->offset) : j->start;
    if (t > j->end) t = j->end;
    int64_t line = 1 + j->lines + count_lines(j->start, t);
    snprintf(buf, size, "%s:%lld (byte %lld)", j->name, (long long)line, (long long)j->token);
}

static bl_status fail(bl_pull *j, const char *msg) {
    if (j->status != BL_OK) return j->status;
    char where[4400], context[128] = "";
    bl_pull_where(j, where, sizeof where);
    if (j->what) snprintf(context, sizeof context, "%s[%lld]: ", j->what, (long long)j->number);
    return j->status = bl_fail(BL_EFORMAT, "%s: %s%s", where, context, msg);
}

bl_status bl_pull_fail(bl_pull *j, const char *fmt, ...) {
    char msg[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    return fail(j, msg);
}

static bl_status truncated(bl_pull *j, const char *inside) {
    if (j->status != BL_OK) return j->status; /* a read error: its message stands */
    mark(j);
    char msg[256];
    snprintf(msg, sizeof msg,
             "the file ends inside %s; it looks truncated (%lld bytes): copy or download it again",
             inside, (long long)position(j));
    return fail(j, msg);
}

static const char *container(const bl_pull *j) {
    if (j->depth == 0) return "the document";
    return j->stack[j->depth - 1] == '{' ? "an object" : "an array";
}

/* The next byte is not what the grammar wants. */
static bl_status unexpected(bl_pull *j, const char *wanted) {
    int c = next(j);
    if (c < 0) return truncated(j, container(j));
    mark(j);
    char msg[256], shown[8];
    snprintf(shown, sizeof shown, c >= 0x20 && c < 0x7f ? "'%c'" : "0x%02x", c);
    snprintf(msg, sizeof msg, "expected %s, found %s", wanted, shown);
    if (c == 'N' || c == 'I')
        snprintf(msg, sizeof msg,
                 "expected %s, found %s: NaN and Infinity are not JSON, write a finite number",
                 wanted, shown);
    return fail(j, msg);
}

/* ---- opening ---- */

static bl_status create(const char *name, bl_pull **out) {
    bl_pull *j = calloc(1, sizeof *j);
    if (j) {
        j->fd = -1;
        j->name = strdup(name);
        j->str_cap = 256;
        j->str = malloc(j->str_cap);
    }
    if (!j || !j->name || !j->str) {
        bl_pull_close(j);
        return bl_fail(BL_ENOMEM, "%s: out of memory", name);
    }
    *out = j;
    return BL_OK;
}

static void skip_bom(bl_pull *j) {
    fill(j, 3);
    if (j->end - j->p >= 3 && memcmp(j->p, "\xef\xbb\xbf", 3) == 0) j->p += 3;
}

bl_status bl_pull_open(const char *path, bl_pull **out) {
    bl_pull *j = NULL;
    BL_TRY(create(path, &j));
    struct stat st;
    j->window = malloc(WINDOW);
    j->fd = open(path, O_RDONLY | O_CLOEXEC);
    bl_status status = BL_OK;
    if (!j->window)
        status = bl_fail(BL_ENOMEM, "%s: out of memory", path);
    else if (j->fd < 0 || fstat(j->fd, &st) != 0)
        status = bl_fail(BL_EIO, "%s: cannot open: %s", path, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        status = bl_fail(BL_EIO, "%s: is a folder, expected a JSON file", path);
    if (status != BL_OK) {
        bl_pull_close(j);
        return status;
    }
    (void)posix_fadvise(j->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    j->p = j->end = j->start = j->window;
    skip_bom(j);
    *out = j;
    return BL_OK;
}

bl_status bl_pull_open_memory(const void *data, size_t size, const char *name, bl_pull **out) {
    bl_pull *j = NULL;
    BL_TRY(create(name, &j));
    j->eof = true;
    j->p = j->start = size ? data : (const uint8_t *)"";
    j->end = j->p + size;
    skip_bom(j);
    *out = j;
    return BL_OK;
}

void bl_pull_close(bl_pull *j) {
    if (!j) return;
    if (j->fd >= 0) close(j->fd);
    free(j->window);
    free(j->str);
    free(j->name);
    free(j);
}

void bl_pull_context(bl_pull *j, const char *what, int64_t number) {
    j->what = what;
    j->number = number;
}

/* ---- places ---- */

void bl_pull_save(const bl_pull *j, bl_pull_place *place) {
    place->offset = position(j);
    place->lines = j->lines + count_lines(j->start, j->p);
    place->depth = j->depth;
    memcpy(place->stack, j->stack, sizeof place->stack);
}

bl_status bl_pull_return(bl_pull *j, const bl_pull_place *place) {
    if (j->status != BL_OK) return j->status;
    if (j->fd < 0) {
        j->p = j->start + place->offset;
    } else {
        if (lseek(j->fd, (off_t)place->offset, SEEK_SET) < 0)
            return j->status =
                       bl_fail(BL_EIO, "%s: cannot be read twice: %s", j->name, strerror(errno));
        j->start = j->p = j->end = j->window;
        j->offset = place->offset;
        j->lines = place->lines;
        j->eof = false;
    }
    j->depth = place->depth;
    memcpy(j->stack, place->stack, sizeof j->stack);
    memset(j->first, 0, sizeof j->first); /* a value is due everywhere, so none is empty */
    mark(j);
    return BL_OK;
}

/* ---- structure ---- */

bl_pull_kind bl_pull_peek(bl_pull *j) {
    int c = next(j);
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
    case '-':
        return BL_PULL_NUMBER;
    default:
        return c >= '0' && c <= '9' ? BL_PULL_NUMBER : BL_PULL_NONE;
    }
}

const char *bl_pull_kind_name(bl_pull_kind k) {
    static const char *const names[] = {"nothing",  "an object", "an array", "a string",
                                        "a number", "true",      "false",    "null"};
    return names[k];
}

static bl_status begin(bl_pull *j, int bracket, const char *wanted) {
    if (j->status != BL_OK) return j->status;
    if (next(j) != bracket) return unexpected(j, wanted);
    mark(j);
    if (j->depth == BL_PULL_MAX_DEPTH) return fail(j, "nested deeper than 64 levels");
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
    int c = next(j);
    *more = c != close;
    if (c == close) {
        j->p++;
        j->depth--;
        return BL_OK;
    }
    if (!*first) {
        if (c != ',') return unexpected(j, wanted);
        mark(j);
        j->p++;
        if (next(j) == close) return fail(j, "a comma before the closing bracket");
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
    if (next(j) != '"') return unexpected(j, "a key in double quotes");
    const char *s;
    size_t len;
    BL_TRY(bl_pull_string(j, &s, &len));
    int64_t token = j->token;
    if (next(j) != ':') return unexpected(j, "':' after the key");
    j->p++;
    j->token = token;
    *key = s;
    return BL_OK;
}

bl_status bl_pull_end(bl_pull *j) {
    if (j->status != BL_OK) return j->status;
    if (next(j) >= 0) return unexpected(j, "the end of the file");
    return j->status;
}

/* ---- literals and numbers ---- */

static bl_status literal(bl_pull *j, const char *word) {
    size_t n = strlen(word);
    fill(j, n);
    mark(j);
    size_t have = (size_t)(j->end - j->p);
    if (have < n && memcmp(j->p, word, have) == 0) {
        j->p = j->end;
        return truncated(j, container(j));
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
    mark(j);
    fill(j, BL_NUMBER_MAX + 1);
    const uint8_t *end = bl_number_scan(j->p, j->end, s);
    if (!end) {
        /* "12." or "-" at the very end of the file is a cut, not a typo. */
        const uint8_t *q = j->p;
        while (q < j->end && (bl_digit(*q) || memchr("+-.eE", *q, 5))) q++;
        if (q == j->end && j->eof) {
            j->p = q;
            return truncated(j, container(j));
        }
        return fail(j, "malformed number");
    }
    if (end - j->p > BL_NUMBER_MAX) return fail(j, "number with more than 256 characters");
    *v = bl_number_value(s, j->p, end);
    if (!isfinite(*v))
        return fail(j, "the number is too large: it is not finite in double precision");
    j->p = end;
    return BL_OK;
}

bl_status bl_pull_number(bl_pull *j, double *v) {
    bl_number s;
    return number(j, &s, v);
}

bl_status bl_pull_int(bl_pull *j, int64_t *v) {
    bl_number s;
    double d;
    BL_TRY(number(j, &s, &d));
    if (s.whole && s.exact && s.mantissa <= (uint64_t)INT64_MAX) {
        *v = s.neg ? -(int64_t)s.mantissa : (int64_t)s.mantissa;
        return BL_OK;
    }
    if (fabs(d) > 0x1p53 || d != floor(d))
        return bl_pull_fail(j, "expected a whole number, found %.17g", d);
    *v = (int64_t)d;
    return BL_OK;
}

/* ---- strings ---- */

static bl_status str_reserve(bl_pull *j, size_t need) {
    if (need <= j->str_cap) return BL_OK;
    size_t cap = j->str_cap * 2 > need ? j->str_cap * 2 : need;
    char *s = realloc(j->str, cap);
    if (!s) return bl_fail(BL_ENOMEM, "%s: out of memory", j->name);
    j->str = s;
    j->str_cap = cap;
    return BL_OK;
}

/* The escape after a backslash; j->p stands behind the backslash. */
static bl_status escape(bl_pull *j, size_t *n) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    fill(j, 11); /* up to uXXXX\uXXXX */
    if (j->p == j->end) return truncated(j, "a string");
    uint8_t c = *j->p;
    const char *at = c ? strchr(from, c) : NULL;
    if (at) {
        j->str[(*n)++] = to[at - from];
        j->p++;
        return BL_OK;
    }
    if (c != 'u') return fail(j, "unknown escape in a string");
    if (j->end - j->p < 5) return truncated(j, "a string");
    int v = bl_hex4(j->p + 1);
    if (v < 0) return fail(j, "malformed \\u escape in a string");
    j->p += 5;
    uint32_t code = (uint32_t)v;
    if (v >= 0xD800 && v < 0xE000) {
        int low = j->end - j->p >= 6 && j->p[0] == '\\' && j->p[1] == 'u' ? bl_hex4(j->p + 2) : -1;
        if (v >= 0xDC00 || low < 0xDC00 || low >= 0xE000)
            return fail(j, "unpaired surrogate in a string");
        code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
        j->p += 6;
    }
    if (code == 0) return fail(j, "a NUL character in a string");
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
    if (next(j) != '"') return unexpected(j, "a string");
    mark(j);
    j->p++;
    size_t n = 0;
    for (;;) {
        if (!available(j)) return truncated(j, "a string");
        if (n > max) return bl_pull_fail(j, "string with more than %zu bytes", max);
        BL_TRY(str_reserve(j, n + 8));
        uint8_t c = *j->p;
        if (c == '"') break;
        if (c == '\\') {
            j->p++;
            BL_TRY(escape(j, &n));
        } else if (c < 0x20) {
            return fail(j, "a control character in a string: escape it");
        } else if (c < 0x80) {
            /* a run of plain characters, as far as the window and the buffer reach */
            const uint8_t *q = j->p, *stop = j->end;
            size_t room = j->str_cap - n - 1;
            if ((size_t)(stop - q) > room) stop = q + room;
            for (; q < stop && plain(*q); q++) j->str[n++] = (char)*q;
            j->p = q;
        } else {
            fill(j, 4);
            size_t k = bl_utf8_length(j->p, j->end);
            if (k == 0) return fail(j, "a string is not valid UTF-8");
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
        if (!available(j)) return truncated(j, "a string");
        const uint8_t *quote = memchr(j->p, '"', (size_t)(j->end - j->p));
        const uint8_t *stop = quote ? quote : j->end;
        const uint8_t *slash = memchr(j->p, '\\', (size_t)(stop - j->p));
        if (slash) {
            j->p = slash;
            fill(j, 2);
            if (j->end - j->p < 2) {
                j->p = j->end;
                return truncated(j, "a string");
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
            if (!available(j))
                return truncated(j, open[depth - 1] == '{' ? "an object" : "an array");
            continue;
        }
        uint8_t c = *j->p++;
        if (c == '"') {
            BL_TRY(skip_string(j));
        } else if (c == '{' || c == '[') {
            mark(j);
            if (j->depth + depth >= BL_PULL_MAX_DEPTH)
                return fail(j, "nested deeper than 64 levels");
            open[depth++] = c;
        } else if (open[--depth] != c - 2) { /* "[" and "]", "{" and "}" are two codes apart */
            mark(j);
            return fail(j, "a closing bracket does not match the opening one");
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
        mark(j), j->p++;
        return skip_string(j);
    case BL_PULL_NUMBER:
        return bl_pull_number(j, &v);
    case BL_PULL_TRUE:
        return literal(j, "true");
    case BL_PULL_FALSE:
        return literal(j, "false");
    case BL_PULL_NULL:
        return literal(j, "null");
    default:
        return unexpected(j, "a value");
    }
}
