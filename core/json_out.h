/* Writing JSON to a stream: strings, exact numbers, and objects without comma bookkeeping.
 *
 * Errors of the stream are not checked here: bl_outfile_commit reports them. */
#ifndef BALLAST_CORE_JSON_OUT_H
#define BALLAST_CORE_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/real_text.h"

/* The shortest decimal text that reads back as exactly `value`; always with a '.' or an exponent
 * when `real`; "null" when not finite. */
void bl_format_double(double value, bool real, char out[BL_REAL_TEXT_MAX]);

/* Quoted and escaped; NULL is written as null. */
void bl_json_put_string(FILE *f, const char *s);
/* At most 17 significant digits, fewer when they read back as the same double; whole numbers
 * without a point; null when not finite. */
void bl_json_put_number(FILE *f, double v);
/* `"key": ` with a separator before it unless it is the object's first; *first becomes 0. */
void bl_json_put_key(FILE *f, int *first, const char *key);

/* Members. */
void bl_json_member_number(FILE *f, int *first, const char *key, double v);
void bl_json_member_int(FILE *f, int *first, const char *key, int64_t v);
void bl_json_member_string(FILE *f, int *first, const char *key, const char *s);

#endif
