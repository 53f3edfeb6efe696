/* Which classes a table on the screen shows: all when they are few, else the best and the worst. */
#ifndef BALLAST_EVAL_RESULTS_CLASS_CHOICE_H
#define BALLAST_EVAL_RESULTS_CLASS_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

enum { BL_CLASSES_FEW = 20, BL_CLASSES_ENDS = 5 };

/* Fills `out` (n entries) with the classes to show and returns how many: 0..n-1 in order when there
 * are at most BL_CLASSES_FEW or `all`, else the BL_CLASSES_ENDS of the largest values, then as many
 * of the smallest, largest first; undefined values (negative or NaN) are in neither. *gap: how many
 * rows stand before the classes left out; -1 when none are. */
int32_t bl_class_choice(const double *value, int32_t n, bool all, int32_t *out, int32_t *gap);

/* Spaces that bring a UTF-8 name to `columns` columns (0 when it is longer). */
int bl_class_name_pad(const char *name, int columns);

#endif
