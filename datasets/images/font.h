/* A bitmap font of our own for labels in pictures: ASCII, and the letters of Latin-1 and Latin
 * Extended-A without their marks. Other characters are drawn as an empty frame. */
#ifndef BALLAST_DATASETS_IMAGES_FONT_H
#define BALLAST_DATASETS_IMAGES_FONT_H

#include <stdbool.h>
#include <stdint.h>

/* Dots of a glyph; the last two rows are for what hangs below the line. */
enum { BL_FONT_WIDTH = 5, BL_FONT_HEIGHT = 9 };

/* true when every character of the UTF-8 text has a glyph. */
bool bl_font_has(const char *text);
/* Characters of a UTF-8 text. */
int32_t bl_font_columns(const char *text);
/* The glyph of the first character; *text moves behind it. */
const char *bl_font_next(const char **text);
/* Whether the glyph has a dot at column x < BL_FONT_WIDTH and row y < BL_FONT_HEIGHT. */
bool bl_font_dot(const char *glyph, int32_t x, int32_t y);

#endif
