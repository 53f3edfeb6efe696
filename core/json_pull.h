/* Streaming ("pull") JSON reader for annotation and result files that are too large for a tree.
 *
 * The caller walks the document: it asks for the next key or element and reads or skips the value.
 * One forward pass over a fixed window of the file, so memory does not grow with it. What is read
 * is checked strictly (RFC 8259: numbers, escapes, UTF-8, commas, literals); what is skipped is
 * checked for bracket nesting and string ends only, which lets segmentation polygons pass at memory
 * speed.
 *
 * Every failure is sticky, and its message reads "<file>:<line> (byte <n>): [<context>: ]<what>". A
 * file that ends too early is reported as truncated. */
#ifndef BALLAST_CORE_JSON_PULL_H
#define BALLAST_CORE_JSON_PULL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

enum { BL_PULL_MAX_DEPTH = 64, BL_PULL_MAX_STRING = 1 << 16 };

typedef enum bl_pull_kind {
    BL_PULL_NONE, /* no value starts here: end of file or a character that JSON does not allow */
    BL_PULL_OBJECT,
    BL_PULL_ARRAY,
    BL_PULL_STRING,
    BL_PULL_NUMBER,
    BL_PULL_TRUE,
    BL_PULL_FALSE,
    BL_PULL_NULL,
    BL_PULL_NONFINITE /* NaN, Infinity or -Infinity: not JSON, but Python writes them; can be
                         skipped, not read */
} bl_pull_kind;

typedef struct bl_pull bl_pull;

/* BL_EIO for a named pipe: its writer may never come. (Those of the shell, /dev/stdin and <(...),
 * are read.) BL_EFORMAT for UTF-16. */
bl_status bl_pull_open(const char *path, bl_pull **out);
/* Over memory that outlives the reader; `name` stands for the file in messages. */
bl_status bl_pull_open_memory(const void *data, size_t size, const char *name, bl_pull **out);
void bl_pull_close(bl_pull *j); /* NULL is allowed */

/* Names the record being read in later messages: "<what> <number>", e.g. "annotation number 17".
 * `what` must outlive the reader (a literal); NULL removes it. */
void bl_pull_context(bl_pull *j, const char *what, int64_t number);

/* Kind of the value that comes next; reads nothing but white space. */
bl_pull_kind bl_pull_peek(bl_pull *j);
const char *bl_pull_kind_name(bl_pull_kind k); /* "a string", ... */

/* Objects: begin, then bl_pull_key until *key is NULL; after each key exactly one value is read or
 * skipped. The key stays valid until the next call. Keys are returned as they
 * come, duplicates too. */
bl_status bl_pull_object(bl_pull *j);
bl_status bl_pull_key(bl_pull *j, const char **key);

/* Arrays: begin, then while *more is set read or skip exactly one value. */
bl_status bl_pull_array(bl_pull *j);
bl_status bl_pull_more(bl_pull *j, bool *more);

/* A finite number, correctly rounded. */
bl_status bl_pull_number(bl_pull *j, double *v);
/* A whole number in the int64 range; "12.0" and "1e3" count as whole. */
bl_status bl_pull_int(bl_pull *j, int64_t *v);
/* The same for a number that may turn out to be none: *whole tells, *d is the value then. */
bl_status bl_pull_whole(bl_pull *j, int64_t *v, double *d, bool *whole);
/* An id: a whole number in *v and *text = NULL, or a text (a string, or the digits of a number
 * above the int64 range), valid until the next call. */
bl_status bl_pull_id(bl_pull *j, int64_t *v, const char **text);
bl_status bl_pull_bool(bl_pull *j, bool *v);
/* Unescaped UTF-8, at most BL_PULL_MAX_STRING bytes, without NUL inside; valid until
 * the next call. */
bl_status bl_pull_string(bl_pull *j, const char **s, size_t *len);

/* The same with another limit, for encoded data. */
bl_status bl_pull_long_string(bl_pull *j, size_t max, const char **s, size_t *len);

/* A place to return to: that of the value after the last key. The document may be read to its end
 * in between; BL_EIO when the file cannot be rewound (a pipe). */
typedef struct bl_pull_place {
    int64_t offset, lines;
    int depth;
    uint8_t stack[BL_PULL_MAX_DEPTH];
} bl_pull_place;
void bl_pull_save(const bl_pull *j, bl_pull_place *place);
bl_status bl_pull_return(bl_pull *j, const bl_pull_place *place);

bl_status bl_pull_skip(bl_pull *j); /* any value */
/* The same, giving its text as it stands in the file, valid until the next call. */
bl_status bl_pull_skip_text(bl_pull *j, const char **text, size_t *size);
bl_status bl_pull_end(bl_pull *j); /* nothing but white space may follow the document */

/* Fails at the place of the last key or value with the caller's own words. */
bl_status bl_pull_fail(bl_pull *j, const char *fmt, ...) BL_PRINTF(2, 3);
/* Writes "<file>:<line> (byte <n>)" of the last key or value. */
void bl_pull_where(const bl_pull *j, char *buf, size_t size);

#endif
