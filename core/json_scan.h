/* A strict pull scanner for JSON text (RFC 8259), the common ground of json.c and safetensors.c.
 *
 * Stricter than most parsers: UTF-8 must be valid, \u0000 is refused (our strings are C strings),
 * integers must fit 64 bits, reals must be finite, a byte-order mark is an error. It allocates one
 * buffer for the longest string and nothing else, so its memory does not depend on what the text
 * describes. */
#ifndef BALLAST_CORE_JSON_SCAN_H
#define BALLAST_CORE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct bl_scan {
    const char *p, *end;
    const char *name; /* the file, for messages; not owned */
    int line;         /* 1-based */
    char *text;       /* the last string, decoded; owned */
    size_t text_size, text_cap;
} bl_scan;

typedef struct bl_scan_num {
    bool is_int; /* written without fraction and exponent */
    int64_t i;   /* valid if is_int */
    double d;    /* always valid */
} bl_scan_num;

/* `text` needs no terminating NUL and must outlive the scanner. */
void bl_scan_begin(bl_scan *s, const char *text, size_t size, const char *name);
void bl_scan_end(bl_scan *s);

/* Sets the message "<name>:<line>: ..." and returns BL_EFORMAT. */
bl_status bl_scan_fail(const bl_scan *s, const char *fmt, ...) BL_PRINTF(2, 3);

/* Skips white space; returns the next character without taking it, or -1 at the end. */
int bl_scan_peek(bl_scan *s);
/* Skips white space and takes exactly `c`. */
bl_status bl_scan_expect(bl_scan *s, char c);
/* A string, decoded into s->text (NUL-terminated, valid until the next call). */
bl_status bl_scan_string(bl_scan *s);
bl_status bl_scan_number(bl_scan *s, bl_scan_num *out);
/* true, false or null: returns the first letter in *which. */
bl_status bl_scan_literal(bl_scan *s, char *which);
/* After a member or element: takes ',' (*more = true) or the closing character (*more = false). */
bl_status bl_scan_more(bl_scan *s, char close, bool *more);
/* Only white space may be left. */
bl_status bl_scan_finish(bl_scan *s);

#endif
