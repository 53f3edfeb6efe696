/* The HTML report: one self-contained file (inline SVG and data: images, no network) from results.
 *
 * A source is a run folder (docs/run-folder.md), a score folder (metrics.json with what stands
 * beside it) or an evaluation folder of a run. Detection and classification use the same report:
 * names and units of metrics come from the folders. docs/report.md describes every section. */
#ifndef BALLAST_REPORT_REPORT_H
#define BALLAST_REPORT_REPORT_H

#include <stdio.h>

#include "core/status.h"

typedef struct bl_report_source {
    const char *path;
    const char *label;  /* NULL: from the path */
    const char *origin; /* what to name as the source if not `path`, e.g. a result file; or NULL */
} bl_report_source;

/* Runs of one method that differ in their seed become one line of the report: mean, standard
 * deviation and range. */
typedef enum bl_report_grouping {
    BL_REPORT_GROUP_AUTO, /* configurations equal but for seeds, threads and the like */
    BL_REPORT_GROUP_SEED, /* ... and but for the data files: a split per seed */
    BL_REPORT_GROUP_NONE
} bl_report_grouping;

typedef struct bl_report_options {
    const char *title; /* NULL: "Ballast report" */
    /* Label of the run or method that differences refer to; NULL: the first */
    const char *baseline;
    bl_report_grouping grouping;
} bl_report_options;

typedef struct bl_report bl_report;

/* Reads all sources. What a folder lacks is left out of the report and named in it; a broken file
 * is an error. */
bl_status bl_report_open(const bl_report_source *sources, int n, const bl_report_options *options,
                         bl_report **out);
void bl_report_close(bl_report *r);
bl_status bl_report_write_html(bl_report *r, const char *path);
/* The table of results as text. */
void bl_report_print(const bl_report *r, FILE *f);

/* All of the above with default options. */
bl_status bl_report_write(const char *const *dirs, int n_dirs, const char *title,
                          const char *out_html);

#endif
