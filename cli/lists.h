/* Values of options that are lists. `option` names the option in messages (BL_ECONFIG). */
#ifndef BALLAST_CLI_LISTS_H
#define BALLAST_CLI_LISTS_H

#include "eval/protocol/evaluator.h"

/* "A,B,C": strings in the arena; NULL text gives no names. */
bl_status bl_cli_names(const char *option, const char *text, bl_arena *arena, const char ***names,
                       int *n);
/* "0.5,0.75" or START:STEP:END with both ends, at most `max` numbers. Steps are those of numpy's
 * linspace, so that 0.5:0.05:0.95 is COCO's list to the last bit. */
bl_status bl_cli_reals(const char *option, const char *text, int max, double *v, int *n);
/* "1,10,100": ascending, at least 1; "all" is BL_EVAL_UNLIMITED. */
bl_status bl_cli_limits(const char *option, const char *text, int max, int32_t *v, int *n);
/* "small:0:1024,large:1024:inf", areas in square pixels. "all" comes first unless it is given. */
bl_status bl_cli_areas(const char *option, const char *text, bl_area_range v[BL_EVAL_MAX_AREAS],
                       int *n);

#endif
