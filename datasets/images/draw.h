/* Detections drawn into a picture: frames with class and score, and a legend below. */
#ifndef BALLAST_DATASETS_IMAGES_DRAW_H
#define BALLAST_DATASETS_IMAGES_DRAW_H

#include "core/geom.h"
#include "datasets/images/image.h"

/* A colour per class, far apart for neighbouring indices. */
void bl_draw_class_colour(int32_t c, uint8_t rgb[3]);

/* Everything is clipped to the image. `scale`: pixels of a dot of the font, at least 1. */
void bl_draw_fill(bl_image *im, int32_t x1, int32_t y1, int32_t x2, int32_t y2,
                  const uint8_t rgb[3]); /* both ends are in it */
void bl_draw_frame(bl_image *im, bl_box b, int32_t thick, const uint8_t rgb[3]);
/* The upper left corner of the first character is at (x, y). */
void bl_draw_text(bl_image *im, int32_t x, int32_t y, int32_t scale, const char *text,
                  const uint8_t rgb[3]);
int32_t bl_draw_text_width(const char *text, int32_t scale);

typedef struct bl_drawn_box {
    bl_box box; /* pixels */
    int32_t label;
    float score;
} bl_drawn_box;

/* A copy of `im` with the boxes (best first) drawn, and below it a line for each class found: its
 * colour, name and how many. A name that the font cannot write stands as "#" and the label's
 * number. names: by label. The caller frees *out. */
bl_status bl_draw_detections(const bl_image *im, const bl_drawn_box *box, int32_t n,
                             const char *const *names, int32_t n_names, bl_image *out);

#endif
