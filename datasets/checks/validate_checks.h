/* The parts of bl_validate: collecting findings, and the groups of checks. */
#ifndef BALLAST_DATASETS_CHECKS_VALIDATE_CHECKS_H
#define BALLAST_DATASETS_CHECKS_VALIDATE_CHECKS_H

#include "datasets/checks/validate.h"

/* A kind of defect. */
typedef struct bl_check {
    const char *code, *what, *fix;
    bl_severity severity;
} bl_check;

typedef struct bl_findings {
    bl_arena *arena;
    bl_finding *v; /* malloc'd */
    int32_t n, cap;
    int64_t max_examples;
    bl_status status; /* sticky: out of memory */
} bl_findings;

/* Counts one case of `check` in `set` (a string that outlives the findings, compared by address)
 * and keeps the formatted line if there is room for an example. */
void bl_findings_add(bl_findings *f, const bl_check *check, const char *set, const char *fmt, ...)
    BL_PRINTF(4, 5);

/* What opening one image file showed. */
typedef struct bl_file_result {
    bl_status status;
    bool missing;
    int32_t width, height;
    char sha256[65]; /* "" unless asked for and readable */
    char *message;   /* malloc'd; NULL when status is BL_OK */
} bl_file_result;

/* Annotations, images and categories of one set, without touching files. */
void bl_validate_set(bl_findings *f, const bl_dataset *d, const char *label);
/* The masks of the set's file: malformed, outside the image, empty, areas that are not theirs.
 * BL_ENOMEM only; nothing to do for a set that is not a COCO file. */
bl_status bl_validate_masks(bl_findings *f, const bl_dataset *d, const char *label);
/* Opens the files of one set in parallel; results[n_images] is filled for bl_validate_pair. */
void bl_validate_files(bl_findings *f, const bl_validate_config *cfg, const bl_dataset *d,
                       const char *label, bl_file_result *results);
/* Categories and leakage between two sets. The results may be NULL (files not opened). */
void bl_validate_pair(bl_findings *f, const bl_dataset *a, const bl_dataset *b,
                      const bl_file_result *files_a, const bl_file_result *files_b,
                      const char *label);

#endif
