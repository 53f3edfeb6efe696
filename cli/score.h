/* Evaluating a result file into a folder: what `ballast score` does, and `ballast report` with
 * result files. */
#ifndef BALLAST_CLI_SCORE_H
#define BALLAST_CLI_SCORE_H

#include <stddef.h>

#include "cli/command.h"

typedef struct bl_score_options {
    const char *gt, *dt, *out, *protocol, *ious, *areas, *max_dets;
    const char *groups, *train_gt, *images, *split, *classes, *match;
    double score;
    int64_t costly, threads;
    bool zero_based, class_agnostic, skip_unknown, no_analysis;
    bool quiet; /* no tables on standard output */
} bl_score_options;

extern const bl_score_options bl_score_defaults;
extern const char *const bl_score_protocols[]; /* NULL-terminated */

/* Option rows for a bl_score_options that stands at offset `at` of a command's options. */
#define BL_SCORE_AT(at, field) ((at) + offsetof(bl_score_options, field))
#define BL_SCORE_GT(at, text)                                                                      \
    BL_CLI_TEXT("gt", BL_SCORE_AT(at, gt), "FILE|DIR", text), .letter = 'g'
#define BL_SCORE_PROTOCOL(at, text)                                                                \
    .name = "protocol", .letter = 'p', .type = BL_OPTION_CHOICE,                                   \
    .offset = BL_SCORE_AT(at, protocol), .value = "NAME", .choices = bl_score_protocols,           \
    .doc = (text)
#define BL_SCORE_GROUPS(at, text) BL_CLI_TEXT("groups", BL_SCORE_AT(at, groups), "FILE", text)
#define BL_SCORE_TRAIN_GT(at, text) BL_CLI_TEXT("train-gt", BL_SCORE_AT(at, train_gt), "FILE", text)
#define BL_SCORE_IMAGES(at, text) BL_CLI_TEXT("images", BL_SCORE_AT(at, images), "DIR", text)

bl_status bl_score_run(const bl_score_options *o);

#endif
