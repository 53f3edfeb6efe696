/* Small pictures of the costly images, with what is right and wrong in them. Internal to eval/. */
#ifndef BALLAST_EVAL_ANALYSIS_THUMBNAILS_H
#define BALLAST_EVAL_ANALYSIS_THUMBNAILS_H

#include "eval/analysis/analysis.h"

enum { EVAL_THUMBNAIL_SIDE = 320 }; /* longest, px; smaller images are not enlarged */

/* One JPEG per named image and class below dir/thumbs, `max_thumbnails` at most: the costliest
 * image of every class first, then the second, and so on. Of the class are drawn: objects that are
 * found (white), objects that are not (orange), and false positives (red, dashed). made[k * most +
 * i] becomes 1 where there is one. */
bl_status bl_eval_thumbnails_write(const char *dir, const bl_results *r, const bl_analysis *a,
                                   uint8_t *made, int64_t *n_unreadable);
/* "thumbs/<class id>_<image id>.jpg" */
void bl_eval_thumbnail_name(const bl_results *r, int32_t k, int32_t image, char name[64]);

#endif
