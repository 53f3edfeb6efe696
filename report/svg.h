/* Plots as inline SVG: axes with round ticks, lines, bars. Internal to eval/. */
#ifndef BALLAST_REPORT_SVG_H
#define BALLAST_REPORT_SVG_H

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
void bl_svg_begin(svg_plot *p, const char *alternative);
void bl_svg_axes(const svg_plot *p, int x_ticks, int y_ticks);
void bl_svg_end(const svg_plot *p);

double bl_svg_px(const svg_plot *p, double x);
double bl_svg_py(const svg_plot *p, double y);

/* Standard frames: of a grid with two or three columns (360 x 230), and of the width
 * of the page. */
svg_plot bl_svg_panel(FILE *f, double height);

/* A range that holds lo..hi and is never empty. Linear axes begin at 0 when that is near. */
svg_axis bl_svg_range(double lo, double hi, bool log, svg_format format, const char *label);
/* Tick positions inside the axis; returns their number, at most `cap`. */
int bl_svg_ticks(const svg_axis *a, int wanted, double *out, int cap);

/* A polyline over finite points (gaps where a value is not finite or, on a log axis, below its
 * range); thinned to at most `max_points` by means of equal runs of points. `style`: attributes
 * such as class="r0"; `title`: tooltip. */
void bl_svg_line(const svg_plot *p, const double *x, const double *y, int n, int max_points,
                 const char *style, const char *title);

/* Colour of rank i of n on a scale from blue to orange that colour-blind readers can follow, for
 * light (plasma without its light end) and dark pages: 0 the most frequent, n-1 the rarest. */
typedef struct svg_colour {
    char light[8], dark[8];
} svg_colour;
svg_colour bl_svg_rank_colour(int i, int n);
/* ` style="--l:#0d0887;--d:#6ea8ff"`, which the style sheet resolves. */
void bl_svg_rank_style(FILE *f, int i, int n);

/* Methods: Okabe and Ito's palette ("Color universal design", 2008), as CSS classes r0..r7 (stroke)
 * and b0..b7 (fill), and a shape each; more methods repeat the colours with other shapes. */
enum { SVG_COLOURS = 8, SVG_SHAPES = 6 };
/* An unclosed filled element at pixel x, y ("/>" or "><title>..." closes it). Returns its name. */
const char *bl_svg_marker(FILE *f, int method, double x, double y, double radius);
/* A vertical whisker from y = lo to hi at pixel x. Nothing if undefined. */
void bl_svg_whisker(const svg_plot *p, double x, double lo, double hi);
/* A filled band between two curves; undefined points are left out. */
void bl_svg_band(const svg_plot *p, const double *x, const double *lo, const double *hi, int n,
                 const char *style);

#endif
