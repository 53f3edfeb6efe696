/* The report's parts, in order of appearance. Each writes a whole <section>, or nothing when no run
 * has its data. Internal to eval/. */
#ifndef BALLAST_EVAL_REPORT_SECTIONS_H
#define BALLAST_EVAL_REPORT_SECTIONS_H

#include <stdio.h>

#include "eval/report_data.h"

void rep_summary_table(FILE *f, const rep_report *r);
void rep_ap_over_training(FILE *f, const rep_report *r);
void rep_class_bars(FILE *f, const rep_report *r);
void rep_class_table(FILE *f, const rep_report *r);
void rep_class_details(FILE *f, const rep_report *r);
void rep_pr_curves(FILE *f, const rep_report *r);
void rep_losses(FILE *f, const rep_report *r);
void rep_class_state(FILE *f, const rep_report *r);
void rep_pseudo_quality(FILE *f, const rep_report *r);
void rep_examples(FILE *f, const rep_report *r);
void rep_differences(FILE *f, const rep_report *r); /* settings that differ between runs */
void rep_provenance(FILE *f, const rep_report *r);

/* Shared. */
void rep_section_begin(FILE *f, const char *id, const char *heading, const char *explanation);
void rep_section_end(FILE *f);
void rep_run_legend(FILE *f, const rep_report *r);   /* colours of the runs; nothing for one run */
void rep_class_legend(FILE *f, const rep_report *r); /* colours of the frequency ranks */
void rep_run_name(FILE *f, const rep_report *r, int run); /* swatch and name */

/* Slanted labels of plots are cut at this many characters; tooltips and tables have the whole name.
 */
enum { REP_LABEL = 24 };
/* Characters of the longest such label. */
double rep_longest_name(const rep_report *r);

/* css and script as they stand in the page. */
extern const char rep_css[], rep_script[];

#endif
