/* The HTML report: one self-contained file (inline SVG and data: images, no network) from run
 * folders. */
#ifndef BALLAST_EVAL_REPORT_H
#define BALLAST_EVAL_REPORT_H

#include "core/status.h"

/* One or several runs side by side; every part that a run folder lacks is left out and named. */
bl_status bl_report_write(const char *const *run_dirs, int n_runs, const char *title,
                          const char *out_html);

#endif
