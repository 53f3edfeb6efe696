#include "report/svg.h"

#include <math.h>
#include <string.h>

#include "report/html.h"

void bl_svg_begin(svg_plot *p, const char *alternative) {
    fprintf(p->f, "<svg viewBox=\"0 0 %g %g\" width=\"%g\" height=\"%g\" role=\"img\"", p->width,
            p->height, p->width, p->height);
    bl_html_attr(p->f, "aria-label", alternative);
    fputs(">", p->f);
}

void bl_svg_end(const svg_plot *p) {
    fputs("</svg>\n", p->f);
}

static double place(const svg_axis *a, double v) {
    if (a->log) return (log10(v) - log10(a->lo)) / (log10(a->hi) - log10(a->lo));
    return (v - a->lo) / (a->hi - a->lo);
}

double bl_svg_px(const svg_plot *p, double x) {
    return p->left + place(&p->x, x) * (p->right - p->left);
}

double bl_svg_py(const svg_plot *p, double y) {
    return p->bottom - place(&p->y, y) * (p->bottom - p->top);
}

svg_axis bl_svg_range(double lo, double hi, bool log, svg_format format, const char *label) {
    svg_axis a = {lo, hi, log, format, label};
    if (!isfinite(lo) || !isfinite(hi) || lo > hi) {
        a.lo = log ? 1 : 0;
        a.hi = log ? 10 : 1;
    }
    if (log) {
        if (!(a.lo > 0)) a.lo = a.hi > 0 ? a.hi / 1e3 : 1e-3;
        if (!(a.hi > 1.5 * a.lo)) {
            a.lo /= 1.5;
            a.hi = fmax(a.hi, a.lo) * 1.5;
        }
        return a;
    }
    if (a.lo > 0 && a.lo < 0.5 * a.hi) a.lo = 0;
    if (!(a.hi - a.lo > 1e-12 * fmax(fabs(a.lo), fabs(a.hi)))) {
        double room = a.hi == 0 ? 1 : 0.5 * fabs(a.hi);
        a.lo = a.lo == 0 ? 0 : a.lo - room;
        a.hi += room;
    }
    return a;
}

static double nice_step(double raw) {
    double power = pow(10, floor(log10(raw))), f = raw / power;
    return (f < 1.5 ? 1 : f < 3.5 ? 2 : f < 7.5 ? 5 : 10) * power;
}

int bl_svg_ticks(const svg_axis *a, int wanted, double *out, int cap) {
    int n = 0;
    if (a->log) {
        static const double multiples[] = {1, 2, 5};
        double decades = log10(a->hi / a->lo);
        int per_decade = decades < 1.5 ? 3 : 1;
        double skip = decades > wanted ? ceil(decades / wanted) : 1;
        for (double d = floor(log10(a->lo)); d <= ceil(log10(a->hi)); d += skip)
            for (int i = 0; i < per_decade; i++) {
                double v = multiples[i] * pow(10, d);
                if (v >= a->lo * (1 - 1e-9) && v <= a->hi * (1 + 1e-9) && n < cap) out[n++] = v;
            }
        return n;
    }
    double step = nice_step((a->hi - a->lo) / (wanted > 0 ? wanted : 1));
    for (double i = ceil(a->lo / step - 1e-9); i * step <= a->hi + 1e-9 * step && n < cap; i++)
        out[n++] = i * step == 0 ? 0 : i * step;
    return n;
}

static void tick_text(FILE *f, const svg_axis *a, double v) {
    if (a->format == SVG_PERCENT)
        fprintf(f, "%.4g", 100 * v);
    else if (fabs(v) >= 1e6)
        fprintf(f, "%.4gM", v / 1e6);
    else if (fabs(v) >= 1e4 || (a->format == SVG_ITERATIONS && fabs(v) >= 1e3))
        fprintf(f, "%.4gk", v / 1e3);
    else
        fprintf(f, fabs(v) >= 1 ? "%.4g" : "%.3g", v);
}

void bl_svg_axes(const svg_plot *p, int x_ticks, int y_ticks) {
    double tick[32];
    FILE *f = p->f;
    fputs("<g class=\"ax\">", f);
    int n = y_ticks > 0 ? bl_svg_ticks(&p->y, y_ticks, tick, 32) : 0;
    for (int i = 0; i < n; i++) {
        double y = bl_svg_py(p, tick[i]);
        fprintf(f, "<path d=\"M%.1f %.1fH%.1f\"/><text x=\"%.1f\" y=\"%.1f\" class=\"e\">", p->left,
                y, p->right, p->left - 5, y + 3.5);
        tick_text(f, &p->y, tick[i]);
        fputs("</text>", f);
    }
    n = x_ticks > 0 ? bl_svg_ticks(&p->x, x_ticks, tick, 32) : 0;
    for (int i = 0; i < n; i++) {
        double x = bl_svg_px(p, tick[i]);
        fprintf(f, "<path d=\"M%.1f %.1fv4\" class=\"k\"/><text x=\"%.1f\" y=\"%.1f\" class=\"m\">",
                x, p->bottom, x, p->bottom + 15);
        tick_text(f, &p->x, tick[i]);
        fputs("</text>", f);
    }
    fprintf(f, "<path d=\"M%.1f %.1fH%.1f\" class=\"k\"/>", p->left, p->bottom, p->right);
    if (p->x.label && *p->x.label) {
        fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" class=\"m l\">", (p->left + p->right) / 2,
                p->height - 3);
        bl_html_text(f, p->x.label);
        fputs("</text>", f);
    }
    if (p->y.label && *p->y.label) {
        double y = (p->top + p->bottom) / 2;
        fprintf(f, "<text transform=\"translate(9 %.1f) rotate(-90)\" class=\"m l\">", y);
        bl_html_text(f, p->y.label);
        fputs("</text>", f);
    }
    fputs("</g>\n", f);
}

static bool drawable(const svg_plot *p, double x, double y) {
    return isfinite(x) && isfinite(y) && (!p->y.log || y >= p->y.lo) && (!p->x.log || x >= p->x.lo);
}

void bl_svg_line(const svg_plot *p, const double *x, const double *y, int n, int max_points,
                 const char *style, const char *title) {
    int run = max_points > 0 && n > max_points ? (n + max_points - 1) / max_points : 1, drawn = 0;
    bool pen = false;
    double last_x = 0, last_y = 0;
    for (int i = 0; i < n; i += run) {
        double sx = 0, sy = 0;
        int m = 0;
        for (int j = i; j < i + run && j < n; j++)
            if (drawable(p, x[j], y[j])) {
                sx += x[j];
                sy += y[j];
                m++;
            }
        if (!m) {
            pen = false;
            continue;
        }
        if (!drawn) fprintf(p->f, "<path %s d=\"", style);
        last_x = bl_svg_px(p, sx / m);
        last_y = bl_svg_py(p, sy / m);
        fprintf(p->f, "%c%.1f %.1f", pen ? 'L' : 'M', last_x, last_y);
        pen = true;
        drawn++;
    }
    if (!drawn) return;
    if (drawn == 1) fprintf(p->f, "h.01"); /* a lone point shows as a dot: round caps */
    fputs("\">", p->f);
    if (title) {
        fputs("<title>", p->f);
        bl_html_text(p->f, title);
        fputs("</title>", p->f);
    }
    fputs("</path>\n", p->f);
}

static void mix(const unsigned char stops[6][3], double at, char out[8]) {
    int s = at >= 5 ? 4 : (int)at, v[3];
    for (int k = 0; k < 3; k++)
        v[k] = (int)(stops[s][k] + (at - s) * (stops[s + 1][k] - stops[s][k]) + 0.5);
    snprintf(out, 8, "#%02x%02x%02x", v[0] & 255, v[1] & 255, v[2] & 255);
}

svg_colour bl_svg_rank_colour(int i, int n) {
    static const unsigned char light[6][3] = {{13, 8, 135},   {92, 1, 166},   {156, 23, 158},
                                              {203, 70, 121}, {237, 121, 83}, {246, 150, 50}};
    static const unsigned char dark[6][3] = {{96, 165, 250},  {139, 148, 250}, {186, 137, 240},
                                             {232, 130, 190}, {250, 145, 120}, {253, 190, 90}};
    double at = n > 1 ? (double)i / (n - 1) * 5 : 0;
    svg_colour c;
    mix(light, at, c.light);
    mix(dark, at, c.dark);
    return c;
}

void bl_svg_rank_style(FILE *f, int i, int n) {
    svg_colour c = bl_svg_rank_colour(i, n);
    fprintf(f, " style=\"--l:%s;--d:%s\"", c.light, c.dark);
}

const char *bl_svg_marker(FILE *f, int method, double x, double y, double radius) {
    int colour = method % SVG_COLOURS;
    double a = radius * 1.15, b = radius * .92, t = radius * 1.3;
    switch ((method + method / SVG_COLOURS) % SVG_SHAPES) {
    case 0:
        fprintf(f, "<circle class=\"b%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.3g\"", colour, x, y,
                radius);
        return "circle";
    case 1:
        fprintf(f, "<path class=\"b%d\" d=\"M%.1f %.1fh%.3gv%.3gh-%.3gz\"", colour, x - b, y - b,
                2 * b, 2 * b, 2 * b);
        break;
    case 2:
        fprintf(f, "<path class=\"b%d\" d=\"M%.1f %.1fl%.3g %.3gh-%.3gz\"", colour, x, y - t, t,
                1.75 * t, 2 * t);
        break;
    case 3:
        fprintf(f, "<path class=\"b%d\" d=\"M%.1f %.1fl%.3g %.3gl-%.3g %.3gl-%.3g -%.3gz\"", colour,
                x, y - t, t, t, t, t, t, t);
        break;
    case 4:
        fprintf(f, "<path class=\"b%d\" d=\"M%.1f %.1fl%.3g -%.3gh-%.3gz\"", colour, x, y + t, t,
                1.75 * t, 2 * t);
        break;
    default: { /* plus */
        double w = a * .4, l = a - w;
        fprintf(f,
                "<path class=\"b%d\" d=\"M%.1f %.1fh%.3gv%.3gh%.3gv%.3gh-%.3gv%.3gh-%.3gv-%.3gh-"
                "%.3gv-%.3gh%.3gz\"",
                colour, x - w, y - a, 2 * w, l, l, 2 * w, l, l, 2 * w, l, l, 2 * w, l);
    }
    }
    return "path";
}

void bl_svg_whisker(const svg_plot *p, double x, double lo, double hi) {
    if (!isfinite(lo) || !isfinite(hi)) return;
    double top = bl_svg_py(p, fmin(hi, p->y.hi)), bottom = bl_svg_py(p, fmax(lo, p->y.lo));
    fprintf(p->f, "<path class=\"whisker\" d=\"M%.1f %.1fV%.1fm-3 0h6M%.1f %.1fh6\"/>", x, top,
            bottom, x - 3, top);
}

void bl_svg_band(const svg_plot *p, const double *x, const double *lo, const double *hi, int n,
                 const char *style) {
    int drawn = 0;
    for (int i = 0; i < n; i++) {
        if (!drawable(p, x[i], lo[i]) || !drawable(p, x[i], hi[i])) continue;
        if (!drawn) fprintf(p->f, "<path %s d=\"", style);
        fprintf(p->f, "%c%.1f %.1f", drawn++ ? 'L' : 'M', bl_svg_px(p, x[i]), bl_svg_py(p, hi[i]));
    }
    if (!drawn) return;
    for (int i = n - 1; i >= 0; i--)
        if (drawable(p, x[i], lo[i]) && drawable(p, x[i], hi[i]))
            fprintf(p->f, "L%.1f %.1f", bl_svg_px(p, x[i]), bl_svg_py(p, lo[i]));
    fputs("z\"/>\n", p->f);
}

svg_plot bl_svg_panel(FILE *f, double height) {
    return (svg_plot){.f = f,
                      .width = 360,
                      .height = height,
                      .left = 46,
                      .top = 8,
                      .right = 352,
                      .bottom = height - 38};
}
