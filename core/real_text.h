/* Real numbers as text, with a point whatever the locale of the program around the library says. */
#ifndef BALLAST_CORE_REAL_TEXT_H
#define BALLAST_CORE_REAL_TEXT_H

#include <locale.h>

enum { BL_REAL_TEXT_MAX = 32 };

/* strtod of the "C" locale: the nearest double; *end (unless NULL) is where the number ends. */
double bl_real_parse(const char *text, char **end);

/* The text with the fewest of 15 to 17 significant digits that reads back as exactly v; "inf",
 * "-inf", "nan" when not finite. */
void bl_real_format(double v, char out[BL_REAL_TEXT_MAX]);

/* Between begin and end printf and scanf of this thread write and read numbers with a point. */
typedef struct bl_point {
    locale_t before;
} bl_point;
bl_point bl_point_begin(void);
void bl_point_end(bl_point p);

#endif
