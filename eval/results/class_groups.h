/* Groups of classes and their training counts, for results that come from files. */
#ifndef BALLAST_EVAL_RESULTS_CLASS_GROUPS_H
#define BALLAST_EVAL_RESULTS_CLASS_GROUPS_H

#include "eval/results/results.h"

typedef struct bl_class_groups {
    bl_arena *arena;
    bl_class_info info; /* for bl_results */
} bl_class_groups;

typedef struct bl_class_groups_source {
    const bl_dataset *train; /* training counts, by class name; NULL: what an LVIS file counts, if
                                anything */
    const char *file;        /* JSON {"group name": ["class name" or id, ...], ...}; NULL: below */
    const char *const *minority; /* n_minority names */
    int32_t n_minority;
    double minority_ratio; /* of the largest class's boxes */
} bl_class_groups_source;

enum { BL_MAX_CLASS_GROUPS = 200 };

/* Groups are those of the file; else majority and the minority that is listed, if any is; else rare,
 * common and frequent, when the categories have LVIS frequencies; else majority and minority by
 * training boxes, when those are known (as data.minority_ratio does); else none. A class may be in
 * several groups of a file, or in none.
 * BL_ECONFIG with the closest name for a class that the ground truth has not. */
bl_status bl_class_groups_make(const bl_dataset *gt, const bl_class_groups_source *source,
                               bl_class_groups *out);
void bl_class_groups_free(bl_class_groups *g);

#endif
