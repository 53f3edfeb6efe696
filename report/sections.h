/* The report's parts, in order of appearance. Each writes a whole <section>, or nothing when no run
 * has its data. Internal to eval/. */
#ifndef BALLAST_REPORT_SECTIONS_H
#define BALLAST_REPORT_SECTIONS_H

#include <stdio.h>

#include "report/data.h"

void bl_rep_summary_table(FILE *f, const rep_report *r);
void bl_rep_over_training(FILE *f, const rep_report *r);
void bl_rep_group_bars(FILE *f, const rep_report *r);
void bl_rep_class_bars(FILE *f, const rep_report *r);
void bl_rep_frequency(FILE *f, const rep_report *r); /* scatter against training frequency */
void bl_rep_gains(FILE *f, const rep_report *r);     /* sorted gains and losses */
void bl_rep_class_table(FILE *f, const rep_report *r);
void bl_rep_class_details(FILE *f, const rep_report *r);
void bl_rep_pr_curves(FILE *f, const rep_report *r);
void bl_rep_confusion(FILE *f, const rep_report *r);
void bl_rep_error_kinds(FILE *f, const rep_report *r); /* TIDE */
void bl_rep_calibration(FILE *f, const rep_report *r);
void bl_rep_costly_images(FILE *f, const rep_report *r);
void bl_rep_features(FILE *f, const rep_report *r); /* t-SNE */
void bl_rep_losses(FILE *f, const rep_report *r);
void bl_rep_class_state(FILE *f, const rep_report *r);
void bl_rep_class_dynamics(FILE *f, const rep_report *r);
void bl_rep_pseudo_quality(FILE *f, const rep_report *r);
void bl_rep_examples(FILE *f, const rep_report *r);
void bl_rep_differences(FILE *f, const rep_report *r); /* settings that differ between runs */
void bl_rep_provenance(FILE *f, const rep_report *r);

/* ---- shared pieces ---- */

void bl_rep_section_begin(FILE *f, const char *id, const char *heading, const char *explanation);
void bl_rep_section_end(FILE *f);
/* What is wider than the page scrolls, by keyboard, too. `label` names it to screen readers. */
void bl_rep_scroll_begin(FILE *f, const char *css_class, const char *label);
void bl_rep_scroll_end(FILE *f);
void bl_rep_method_legend(FILE *f, const rep_report *r); /* nothing for one method */
void bl_rep_class_legend(FILE *f, const rep_report *r);  /* colours of the frequency ranks */
void bl_rep_group_legend(FILE *f, const rep_report *r);  /* colours of the groups of classes */
void bl_rep_mark(FILE *f, int method);                   /* coloured sign of a method */
void bl_rep_method_name(FILE *f, const rep_report *r, int method);
void bl_rep_run_name(FILE *f, const rep_report *r, int run);
/* ` data-k="7"`: what the page's filter shows and hides. */
void bl_rep_class_mark(FILE *f, int k);
/* All classes' names and groups, for the filter. */
void bl_rep_class_list(FILE *f, const rep_report *r);
/* Name of the compared metric, e.g. "AP"; "boxes" or "images". */
const char *bl_rep_primary_name(const rep_report *r);
const char *bl_rep_class_metric_name(const rep_report *r);
const char *bl_rep_count_unit(const rep_report *r);
bool bl_rep_any_classes(const rep_report *r); /* some main model has results by class */
/* Text in the arena; "" without memory. */
const char *bl_rep_text(const rep_report *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* "<name> 26.8, <name> 27.7": every method's value, for text alternatives. */
const char *bl_rep_values(const rep_report *r, int group, int column);

/* ---- numbers by their format ---- */

void bl_rep_put(FILE *f, rep_format format, double v);
/* A signed difference; percent as points. */
void bl_rep_put_difference(FILE *f, rep_format format, double v);
/* A table cell with its sort key. */
void bl_rep_cell(FILE *f, rep_format format, double v, const char *css_class);
/* A mean, with its standard deviation where there are several runs. */
void bl_rep_stat_cell(FILE *f, const rep_column *c, rep_stat s, bool best);
/* Sorting heading of a table: open, text, close; `number`: right-aligned. */
void bl_rep_heading_begin(FILE *f, bool number, const char *title);
void bl_rep_heading_end(FILE *f);
void bl_rep_heading(FILE *f, bool number, const char *title, const char *text);
/* "up", "down" or "": what a difference is called in the style sheet. */
const char *bl_rep_tone(const rep_column *c, double difference);

/* Slanted labels of plots are cut at this many characters; tooltips and tables have
 * the whole name. */
enum { REP_LABEL = 24 };
/* Characters of the longest such label. */
double bl_rep_longest_name(const rep_report *r);
/* Above these many classes a plot of each becomes a summary of them. */
enum { REP_EACH_CLASS = 80, REP_CLASS_LINES = 40 };

/* css and script as they stand in the page. */
extern const char bl_rep_css[], bl_rep_script[];

#endif
