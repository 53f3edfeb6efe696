/* Plots as inline SVG: axes with round ticks, lines, bars. Internal to eval/. */
#ifndef BALLAST_EVAL_REPORT_SVG_H
#define BALLAST_EVAL_REPORT_SVG_H

#include <stdbool.h>
#include <stdio.h>

typedef enum svg_format { SVG_PLAIN, SVG_PERCENT, SVG_ITERATIONS } svg_format;

typedef struct svg_axis {
    double lo, hi;
    bool log;
    svg_format format;
    const char *label; /* "" or NULL: none */
} svg_axis;

typedef struct svg_plot {
    FILE *f;
    double width, height;            /* of the drawing */
    double left, top, right, bottom; /* plot area */
    svg_axis x, y;
} svg_plot;

/* Opens <svg> with a text alternative. Margins for tick labels are taken off; `x_ticks`/`y_ticks`
 * are about how many to draw. */
void svg_begin(svg_plot *p, const char *alternative);
void svg_axes(const svg_plot *p, int x_ticks, int y_ticks);
void svg_end(const svg_plot *p);

double svg_px(const svg_plot *p, double x);
double svg_py(const svg_plot *p, double y);

/* A range that holds lo..hi and is never empty. Linear axes begin at 0 when that is near. */
svg_axis svg_range(double lo, double hi, bool log, svg_format format, const char *label);
/* Tick positions inside the axis; returns their number, at most `cap`. */
int svg_ticks(const svg_axis *a, int wanted, double *out, int cap);

/* A polyline over finite points (gaps where a value is not finite or, on a log axis, below its
 * range); thinned to at most `max_points` by means of equal runs of points. `style`: attributes
 * such as class="r0"; `title`: tooltip. */
void svg_line(const svg_plot *p, const double *x, const double *y, int n, int max_points,
              const char *style, const char *title);

/* Colour of rank i of n on a scale that stays legible on white and for colour-blind readers (plasma
 * without its light end): 0 dark blue, n-1 orange. */
typedef struct svg_colour {
    char hex[8];
} svg_colour;
svg_colour svg_rank_colour(int i, int n);

/* Runs: Okabe and Ito's palette ("Color universal design", 2008), as CSS classes r0..r7 (stroke)
 * and b0..b7 (fill); more runs repeat the colours. */
enum { SVG_RUN_COLOURS = 8 };

#endif
