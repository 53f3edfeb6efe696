/* Names of tensors in other frameworks, and the few changes of values that go with them.
 *
 * A framework is one table, in a file of its own in names/: pairs of patterns, theirs and ours. In
 * `theirs`, # stands for a decimal number and a final * for the rest of the name (at least one
 * character). In `ours`, {1}, {2}, ... stand for the numbers, {1-2} for the first less 2, and * for
 * the rest. The first pair that fits a name decides; a name that none fits is no weight of the
 * model. Ours are the model's own names (nn/, detector/), which are mmdetection's. */
#ifndef BALLAST_INTEROP_NAMES_H
#define BALLAST_INTEROP_NAMES_H

#include <stdbool.h>

#include "core/safetensors.h"

typedef enum bl_name_change {
    BL_NAME_SAME,
    /* Rows of a classifier whose first class is the background: it becomes the last. */
    BL_NAME_BACKGROUND_FIRST,
    /* Four rows a class, the background's first: they are dropped. */
    BL_NAME_BACKGROUND_BOXES
} bl_name_change;

typedef struct bl_name_rule {
    const char *theirs, *ours;
    bl_name_change change;
} bl_name_rule;

typedef struct bl_name_table {
    const char *framework; /* for messages */
    const char *needs;     /* a name that shows that the table is meant; # as in rules */
    const bl_name_rule *rule;
    int n;
    /* What the names do not say: settings of section "detector" that the weights were made with;
     * "" where the framework has no habit. */
    const char *settings;
} bl_name_table;

/* Tries all tables, NULL-terminated. */
extern const bl_name_table *const bl_name_tables[];

/* `theirs` -> `ours` by one rule: true and the result in out[size], or false when the rule does not
 * fit or the result does not. */
bool bl_name_apply(const bl_name_rule *rule, const char *theirs, char *out, size_t size);

/* The other way round: `ours` -> `theirs`. */
bool bl_name_reverse(const bl_name_rule *rule, const char *ours, char *out, size_t size);

typedef struct bl_translation {
    const bl_name_table *table; /* NULL: no table fits, names are as they stand in the file */
    char part[64];              /* what stood before the names: "state_dict.module." */
    int renamed, others;        /* tensors that a rule fits; further ones of the part, kept */
} bl_translation;

/* The weights of `file` under our names, as a handle that owns `file` (closed on failure, too).
 * Containers around the weights ("state_dict", "model", "module", ...) are stripped; of those that
 * hold an averaged model beside the trained one ("ema_model"), `teacher` takes the former. Tensors
 * of the part that no rule fits keep their names. `tell` (may be NULL) receives what was found. */
bl_status bl_names_translate(bl_st_file *file, const char *path, bool teacher, bl_st_file **out,
                             bl_translation *tell);

/* Our weights under a framework's names, as a handle that owns `file` (closed on failure, too):
 * `part` is what stands before our names in the file ("teacher."), other tensors are left out, and
 * so are those that the framework has no name for (*left, may be NULL, counts them). A background
 * that the framework puts first gets its row back, and four rows of zeros as its box. BL_EFORMAT for a RoI classifier that is not
 * one output for each class and the background. */
bl_status bl_names_export(bl_st_file *file, const char *path, const char *part,
                          const bl_name_table *table, bl_st_file **out, int *left);

#endif
