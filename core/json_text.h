/* The characters of JSON: number tokens, escapes and UTF-8, for the scanners of core/json_scan.c
 * and core/json_pull.c. Pure functions over memory. */
#ifndef BALLAST_CORE_JSON_TEXT_H
#define BALLAST_CORE_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BL_NUMBER_MAX = 256 }; /* characters of a token */

/* A scanned number: (neg ? -1 : 1) * mantissa * 10^exp10 when `exact`. */
typedef struct bl_number {
    bool neg, exact;
    bool whole; /* neither fraction nor exponent */
    uint64_t mantissa;
    int exp10;
} bl_number;

/* Scans the number token at p; returns its end, or NULL when the grammar of RFC
 * 8259 is violated. */
const uint8_t *bl_number_scan(const uint8_t *p, const uint8_t *end, bl_number *s);
/* The nearest double of the token [p, end) of at most BL_NUMBER_MAX characters; infinite on
 * overflow. */
double bl_number_value(const bl_number *s, const uint8_t *p, const uint8_t *end);

/* Four hexadecimal digits, or -1. */
int bl_hex4(const uint8_t *p);
/* Encodes a code point into at most 4 bytes; returns their number. */
size_t bl_utf8_put(char *out, uint32_t c);
/* Length of the well-formed sequence of two or more bytes at p, 0 if malformed. */
size_t bl_utf8_length(const uint8_t *p, const uint8_t *end);

static inline bool bl_digit(uint8_t c) {
    return (uint8_t)(c - '0') < 10;
}

#endif
