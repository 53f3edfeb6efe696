/* Data defects, found before hours of training are spent on them.
 *
 * One or more data sets are checked by themselves, and against each other: categories by name, and
 * images that occur in two sets (leakage). The result is a list of findings, each with a severity,
 * a count, a bounded number of examples, and what to do; nothing is printed. Results do not depend
 * on the number of threads. */
#ifndef BALLAST_DATASETS_CHECKS_VALIDATE_H
#define BALLAST_DATASETS_CHECKS_VALIDATE_H

#include "core/schema.h"
#include "datasets/annotations/dataset.h"

enum { BL_VALIDATE_MAX_SETS = 4 };

typedef enum bl_severity {
    BL_SEVERITY_NOTE,    /* worth knowing */
    BL_SEVERITY_WARNING, /* training works, but look at it */
    BL_SEVERITY_ERROR    /* training or evaluation would fail or lie */
} bl_severity;

/* Settings (section "validate"). */
typedef struct bl_validate_config {
    bool files;       /* open every image and compare its size with the annotations */
    bool decode;      /* ... and decode it to the end */
    bool checksums;   /* ... and find equal contents by SHA-256, in one set and across sets */
    bool masks;       /* read the masks of COCO files (the sets' names) once more and check them */
    int64_t examples; /* kept per finding */
} bl_validate_config;
extern const bl_schema bl_validate_schema;

typedef struct bl_finding {
    const char *code; /* stable name, e.g. "missing-file" */
    const char *what; /* a phrase, "images whose file does not exist" */
    const char *fix;  /* "" when nothing needs doing */
    const char *set;  /* label of the set, or "a / b" */
    bl_severity severity;
    int64_t count;
    int32_t n_examples;
    const char **examples; /* one line each */
} bl_finding;

typedef struct bl_validation {
    bl_arena *arena;      /* holds everything below */
    bl_finding *findings; /* set by set, errors first within one */
    int32_t n_findings;
    int64_t n_errors, n_warnings; /* findings of that severity */
} bl_validation;

/* `labels`: a name per set for the text, e.g. "labelled", "unlabelled", "test". Fails only for want
 * of memory or on wrong arguments; whatever is wrong with the data is a finding. */
bl_status bl_validate(const bl_validate_config *cfg, const bl_dataset *const *sets,
                      const char *const *labels, int n_sets, bl_validation *out);
void bl_validation_free(bl_validation *v);

/* The findings as text (malloc'd, NULL when out of memory), "error/warning/note  set: code: ..."
 * with indented examples. */
char *bl_validation_text(const bl_validation *v);

#endif
