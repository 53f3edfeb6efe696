/* Writing HTML: escaping, numbers, data: addresses. Internal to eval/.
 *
 * Every string that comes from a file goes through bl_html_text or bl_html_attr; nothing else may
 * put one out. */
#ifndef BALLAST_REPORT_HTML_H
#define BALLAST_REPORT_HTML_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/arena.h"

/* Element content and double-quoted attribute values alike: & < > " ' are replaced, control
 * characters and malformed UTF-8 become U+FFFD. */
void bl_html_text(FILE *f, const char *s);
/* The same, cut after `limit` characters with an ellipsis. */
void bl_html_short_text(FILE *f, const char *s, int limit);
/* ` name="value"` */
void bl_html_attr(FILE *f, const char *name, const char *value);

/* A fraction as percent with one decimal; an en dash when undefined. */
void bl_html_percent(FILE *f, double v);
/* A difference of fractions in points: +1.2, −0.4, 0.0, or an en dash. */
void bl_html_points(FILE *f, double v);
/* At most `digits` significant digits; an en dash when undefined. */
void bl_html_number(FILE *f, double v, int digits);
/* 1234567 as "1 234 567" with narrow spaces. */
void bl_html_count(FILE *f, double v);
/* Opens a numeric table cell whose data-v attribute carries the sort key. */
void bl_html_cell_begin(FILE *f, double v, const char *css_class);

/* "data:<type>;base64,..." in the arena; NULL without memory. */
char *bl_html_data_uri(bl_arena *a, const char *type, const void *data, size_t size);
/* Base64 with padding; out has room for 4 * ceil(size / 3) + 1. */
void bl_html_base64(const uint8_t *data, size_t size, char *out);

#endif
