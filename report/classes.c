/* The report's plots by class: bars, scatter against training frequency, sorted
 * gains and losses. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "report/html.h"
#include "report/sections.h"
#include "report/svg.h"

static svg_format axis_format(const rep_report *r) {
    return r->per_class.v[r->per_class.primary].format == REP_PERCENT ? SVG_PERCENT : SVG_PLAIN;
}

static rep_stat class_stat(const rep_report *r, int method, int k) {
    return bl_rep_method_class(r, method, k, r->per_class.primary);
}

static void put_value(FILE *f, const rep_report *r, double v) {
    bl_rep_put(f, r->per_class.v[r->per_class.primary].format, v);
}

/* ---- bars ---- */

typedef struct bars {
    svg_plot p;
    double slot, bar;   /* widths */
    double strip, base; /* training counts: top and bottom of their strip */
} bars;

/* One shade a stretch of classes of the same group, with the group's name where there is room for
 * it. */
static void slot_shades(const bars *b, const rep_report *r) {
    FILE *f = b->p.f;
    for (int k = 0, from = 0; k < r->n_classes; k++) {
        int group = r->classes[k].group;
        if (k + 1 < r->n_classes && r->classes[k + 1].group == group) continue;
        double x = b->p.left + from * b->slot, width = (k + 1 - from) * b->slot;
        from = k + 1;
        if (group < 0) continue;
        fprintf(f, "<path class=\"shade%d\" d=\"M%.1f %.1fh%.2fV%.1fh-%.2fz\"/>", group % 4, x,
                b->p.top, width, b->base, width);
        if (width < 7.0 * (double)strlen(r->groups[group]) + 8) continue;
        fprintf(f, "<text x=\"%.1f\" y=\"%.1f\">", x + 5, b->p.top + 13);
        bl_html_text(f, r->groups[group]);
        fputs("</text>", f);
    }
    fputc('\n', f);
}

static void count_bar(const bars *b, const rep_report *r, int k, double most) {
    FILE *f = b->p.f;
    double count = bl_rep_train_count(r, k), x = b->p.left + k * b->slot;
    if (!(count > 0)) return;
    double h = (b->base - b->strip - 15) * log10(1 + count) / log10(1 + most);
    fprintf(f, "<rect class=\"freq\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"><title>",
            x + b->slot * .25, b->strip, b->slot * .5, h);
    bl_html_text(f, r->classes[k].name);
    fprintf(f, ": %.0f training %s</title></rect>", count, bl_rep_count_unit(r));
    if (b->slot >= 30)
        fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" class=\"m\">%.0f</text>", x + b->slot / 2,
                b->strip + h + 11, count);
}

static void class_slot(const bars *b, const rep_report *r, int k, double most) {
    FILE *f = b->p.f;
    const rep_class *c = &r->classes[k];
    double x = b->p.left + k * b->slot, inner = b->bar * r->n_methods;
    fputs("<g", f);
    bl_rep_class_mark(f, k);
    fputc('>', f);
    for (int m = 0; m < r->n_methods; m++) {
        rep_stat s = class_stat(r, m, k);
        if (isnan(s.mean)) continue;
        double top = bl_svg_py(&b->p, s.mean), bx = x + (b->slot - inner) / 2 + m * b->bar;
        double height = fmax(b->p.bottom - top, .75); /* zero still shows */
        fprintf(
            f,
            "<rect class=\"bar b%d\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"><title>",
            m % SVG_COLOURS, bx, b->p.bottom - height, fmax(b->bar - .8, .6), height);
        bl_html_text(f, c->name);
        fputs(", ", f);
        bl_html_text(f, r->methods[m].label);
        fputs(": ", f);
        bl_html_text(f, bl_rep_class_metric_name(r));
        fputc(' ', f);
        put_value(f, r, s.mean);
        fputs("</title></rect>", f);
        if (s.n > 1)
            bl_svg_whisker(&b->p, bx + fmax(b->bar - .8, .6) / 2, s.mean - s.std, s.mean + s.std);
    }
    if (r->by_frequency) count_bar(b, r, k, most);
    fprintf(f, "<text class=\"c e\" transform=\"translate(%.1f %.1f) rotate(-38)\">",
            x + b->slot / 2 + 4, b->base + 12);
    bl_html_short_text(f, c->name, REP_LABEL);
    fputs("</text></g>\n", f);
}

void bl_rep_class_bars(FILE *f, const rep_report *r) {
    if (!bl_rep_any_classes(r) || r->n_classes > REP_EACH_CLASS) return;
    double best = 0, most = 1;
    for (int k = 0; k < r->n_classes; k++) {
        most = fmax(most, bl_rep_train_count(r, k));
        for (int m = 0; m < r->n_methods; m++) {
            rep_stat s = class_stat(r, m, k);
            best = fmax(best, s.n > 1 ? s.mean + s.std : s.mean);
        }
    }
    const char *name = bl_rep_class_metric_name(r);
    bl_rep_section_begin(
        f, "classes", bl_rep_text(r, "%s by class", name),
        r->by_frequency
            ? bl_rep_text(
                  r,
                  "Classes from the most to the least frequent in the labelled training set; "
                  "the grey bars below the axis show that frequency (%s, logarithmic).%s",
                  bl_rep_count_unit(r),
                  r->seeds ? " Whiskers: one standard deviation over the seeds." : "")
            : "Classes in file order: training frequencies are not recorded.");
    bl_rep_method_legend(f, r);
    double need = r->n_classes * fmax(18, 7.0 * r->n_methods + 5), names = bl_rep_longest_name(r);
    bars b = {.p = {.f = f, .width = fmax(1120, need + 60), .height = 400, .top = 6}};
    b.p.left = fmax(44, 4.4 * names - need / r->n_classes / 2);
    b.p.right = b.p.width - 6;
    b.p.bottom = 245;
    b.strip = b.p.bottom + 6;
    b.base = r->by_frequency ? b.strip + 62 : b.p.bottom;
    b.slot = (b.p.right - b.p.left) / r->n_classes;
    b.bar = fmin(b.slot * .8 / r->n_methods, 34);
    b.p.height = b.base + 14 + 4.3 * names;
    b.p.x = (svg_axis){0, r->n_classes, false, SVG_PLAIN, NULL};
    b.p.y = bl_svg_range(0, best > 0 ? best * 1.08 : 1, false, axis_format(r), name);
    bl_rep_scroll_begin(f, "wide", bl_rep_text(r, "Chart: %s by class", name));
    fputs("<figure>", f);
    bl_svg_begin(&b.p,
                 bl_rep_text(r,
                             "Bar chart: %s of %d classes, a bar per run, most frequent class "
                             "first. The tables by class have the numbers.",
                             name, r->n_classes));
    slot_shades(&b, r);
    bl_svg_axes(&b.p, 0, 5);
    if (r->by_frequency)
        fprintf(f, "<text transform=\"translate(9 %.1f) rotate(-90)\" class=\"m l\">%s</text>",
                (b.strip + b.base) / 2, bl_rep_count_unit(r));
    for (int k = 0; k < r->n_classes; k++) class_slot(&b, r, k, most);
    bl_svg_end(&b.p);
    fputs("</figure>", f);
    bl_rep_scroll_end(f);
    bl_rep_section_end(f);
}

/* ---- against training frequency ---- */

/* The quantity of a scatter: a class's value, or its difference to the baseline. */
static double scatter_value(const rep_report *r, int method, int k, bool difference) {
    double v = class_stat(r, method, k).mean;
    return difference ? v - class_stat(r, r->baseline, k).mean : v;
}

/* Classes never seen in training stand left of those seen once. */
static double scatter_x(double count) {
    return count > 0 ? count : 0.5;
}

/* Of very many classes, those with the same small count would hide each other: they are spread
 * between this count and its neighbours. */
static double spread_x(const rep_report *r, int k) {
    double count = scatter_x(bl_rep_train_count(r, k));
    if (r->n_classes <= REP_EACH_CLASS || count < 1) return count;
    double unit = (double)(bl_mix64((uint64_t)k) >> 11) * 0x1p-53;
    return count - .4 + .8 * unit;
}

/* Means over runs of classes of equal size, by rank of frequency: the trend of many points. */
static void trend(const svg_plot *p, const rep_report *r, int method, bool difference) {
    enum { BINS = 10, LEAST = 30 };
    double x[BINS], y[BINS];
    int n = 0, points = 0, seen = 0;
    for (int k = 0; k < r->n_classes; k++)
        points +=
            !isnan(scatter_value(r, method, k, difference)) && !isnan(bl_rep_train_count(r, k));
    if (points < LEAST) return;
    double sx = 0, sy = 0;
    int m = 0;
    for (int k = 0; k < r->n_classes; k++) {
        double v = scatter_value(r, method, k, difference), count = bl_rep_train_count(r, k);
        if (isnan(v) || isnan(count)) continue;
        sx += log10(scatter_x(count));
        sy += v;
        m++;
        seen++;
        if ((int64_t)seen * BINS < (int64_t)(n + 1) * points) continue;
        x[n] = pow(10, sx / m);
        y[n++] = sy / m;
        sx = sy = 0;
        m = 0;
        if (n == BINS) break;
    }
    char halo[64], style[64];
    snprintf(halo, sizeof halo, "class=\"ln halo\"");
    snprintf(style, sizeof style, "class=\"ln r%d\"", method % SVG_COLOURS);
    bl_svg_line(p, x, y, n, 0, halo, NULL);
    bl_svg_line(p, x, y, n, 0, style,
                bl_rep_text(r, "%s: mean over tenths of the classes", r->methods[method].label));
}

static void point(const svg_plot *p, const rep_report *r, int method, int k, bool difference,
                  double radius) {
    double v = scatter_value(r, method, k, difference), count = bl_rep_train_count(r, k);
    if (isnan(v) || isnan(count)) return;
    FILE *f = p->f;
    fputs("<g", f);
    bl_rep_class_mark(f, k);
    fputs(">", f);
    const char *name =
        bl_svg_marker(f, method, bl_svg_px(p, spread_x(r, k)), bl_svg_py(p, v), radius);
    fputs("><title>", f);
    bl_html_text(f, r->classes[k].name);
    if (r->n_methods > 1) {
        fputs(", ", f);
        bl_html_text(f, r->methods[method].label);
    }
    fputs(": ", f);
    if (difference)
        bl_rep_put_difference(f, r->per_class.v[r->per_class.primary].format, v);
    else
        put_value(f, r, v);
    fprintf(f, " at %.0f</title></%s></g>", count, name);
}

static void scatter(FILE *f, const rep_report *r, bool difference) {
    double lo = 0, hi = 0, least = INFINITY, most = 0;
    for (int k = 0; k < r->n_classes; k++) {
        double count = bl_rep_train_count(r, k);
        if (isnan(count)) continue;
        least = fmin(least, scatter_x(count));
        most = fmax(most, count);
        for (int m = 0; m < r->n_methods; m++) {
            double v = scatter_value(r, m, k, difference);
            if (!isnan(v)) {
                lo = fmin(lo, v);
                hi = fmax(hi, v);
            }
        }
    }
    if (!(most > 0)) return;
    const char *name = bl_rep_class_metric_name(r), *unit = bl_rep_count_unit(r);
    bool many = r->n_classes > REP_EACH_CLASS;
    svg_plot p = {.f = f, .width = 552, .height = 330, .left = 52, .top = 10, .right = 544};
    p.bottom = p.height - 40;
    p.x = bl_svg_range(least * .8, most * 1.25, true, SVG_PLAIN,
                       bl_rep_text(r, "training %s (logarithmic)", unit));
    double room = .04 * (hi - lo);
    p.y = bl_svg_range(lo < 0 ? lo - room : 0, hi > lo ? hi + room : 1, false, axis_format(r),
                       difference ? bl_rep_text(r, "\xce\x94 %s", name) : name);
    fputs("<figure><figcaption>", f);
    bl_html_text(f, difference ? bl_rep_text(r, "Difference in %s to %s", name,
                                             r->methods[r->baseline].label)
                               : bl_rep_text(r, "%s", name));
    fputs("</figcaption>", f);
    bl_svg_begin(
        &p, bl_rep_text(r,
                        "Scatter plot: %s%s of %d classes against their number of training %s, "
                        "from %.0f to %.0f. The tables by class have the numbers.",
                        difference ? "difference in " : "", name, r->n_classes, unit, least, most));
    bl_svg_axes(&p, 5, 6);
    if (lo < 0)
        fprintf(f, "<path class=\"zero\" d=\"M%.1f %.1fH%.1f\"/>", p.left, bl_svg_py(&p, 0),
                p.right);
    fprintf(f, "<g class=\"points%s\">", many ? " many" : "");
    for (int m = r->n_methods - 1; m >= 0; m--)
        for (int k = 0; k < r->n_classes; k++)
            if (!difference || m != r->baseline) point(&p, r, m, k, difference, many ? 2.1 : 4);
    fputs("</g>\n", f);
    for (int m = r->n_methods - 1; m >= 0; m--)
        if (!difference || m != r->baseline) trend(&p, r, m, difference);
    bl_svg_end(&p);
    fputs("</figure>\n", f);
}

void bl_rep_frequency(FILE *f, const rep_report *r) {
    if (!bl_rep_any_classes(r) || !r->by_frequency) return;
    bl_rep_section_begin(
        f, "frequency",
        bl_rep_text(r, "%s against training frequency", bl_rep_class_metric_name(r)),
        r->n_classes >= 30 ? "A point per class. Lines: means over tenths of the classes, ordered "
                             "by frequency."
                           : "A point per class.");
    bl_rep_method_legend(f, r);
    fputs("<div class=\"grid gw\">\n", f);
    scatter(f, r, false);
    if (r->n_methods > 1) scatter(f, r, true);
    fputs("</div>\n", f);
    bl_rep_section_end(f);
}

/* ---- gains and losses ---- */

typedef struct gain {
    int k;
    rep_gain g;
} gain;

static int by_gain(const void *a, const void *b) {
    const gain *x = a, *y = b;
    if (x->g.value != y->g.value) return x->g.value < y->g.value ? 1 : -1;
    return (x->k > y->k) - (x->k < y->k);
}

static void gain_bar(const svg_plot *p, const rep_report *r, const gain *g, double y, double h) {
    FILE *f = p->f;
    const rep_column *c = &r->per_class.v[r->per_class.primary];
    double zero = bl_svg_px(p, 0), end = bl_svg_px(p, g->g.value), left = fmin(zero, end);
    const char *tone = bl_rep_tone(c, g->g.value);
    fputs("<g", f);
    bl_rep_class_mark(f, g->k);
    fprintf(f, "><rect class=\"gain %s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
            tone, left, y + h * .14, fmax(fabs(end - zero), .75), h * .72);
    double error = isnan(g->g.error) ? 0 : g->g.error;
    if (error > 0)
        fprintf(f, "<path class=\"whisker\" d=\"M%.1f %.1fH%.1f\"/>",
                bl_svg_px(p, fmax(g->g.value - error, p->x.lo)), y + h / 2,
                bl_svg_px(p, fmin(g->g.value + error, p->x.hi)));
    fprintf(f, "<text class=\"c e\" x=\"%.1f\" y=\"%.1f\">", p->left - 6, y + h * .5 + 3.8);
    bl_html_short_text(f, r->classes[g->k].name, REP_LABEL);
    double edge = g->g.value < 0 ? bl_svg_px(p, fmax(g->g.value - error, p->x.lo)) - 4
                                 : bl_svg_px(p, fmin(g->g.value + error, p->x.hi)) + 4;
    fprintf(f, "</text><text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", g->g.value < 0 ? "e" : "", edge,
            y + h * .5 + 3.8);
    bl_rep_put_difference(f, c->format, g->g.value);
    fputs("</text></g>\n", f);
}

static void gain_panel(FILE *f, const rep_report *r, int method, const gain *g, int n, int n_all,
                       double lo, double hi) {
    double h = 17, names = fmin(bl_rep_longest_name(r), REP_LABEL);
    svg_plot p = {.f = f, .width = 540, .top = 6, .height = 6 + h * n + 22};
    p.left = 14 + 6.3 * names;
    p.right = 500;
    p.bottom = p.top + h * n;
    double room = .14 * (hi - lo);
    p.x = bl_svg_range(lo < 0 ? lo - room : 0, hi > 0 ? hi + room : 0, false, axis_format(r), NULL);
    p.y = (svg_axis){0, n, false, SVG_PLAIN, NULL};
    int up = 0, down = 0;
    const rep_column *c = &r->per_class.v[r->per_class.primary];
    for (int i = 0; i < n; i++) {
        const char *tone = bl_rep_tone(c, g[i].g.value);
        up += strcmp(tone, "up") == 0;
        down += strcmp(tone, "down") == 0;
    }
    fputs("<figure><figcaption>", f);
    bl_rep_method_name(f, r, method);
    fputs("<small>", f);
    if (n < n_all)
        fprintf(f, "the %d largest gains and losses of %d classes", n, n_all);
    else
        fprintf(f, "%d gain, %d lose, %d stay", up, down, n - up - down);
    fputs("</small></figcaption>", f);
    bl_svg_begin(&p,
                 bl_rep_text(r,
                             "Sorted bar chart: difference in %s of %s to %s by class, from %+.1f "
                             "(%s) to %+.1f points (%s). The table of classes has the numbers.",
                             c->name, r->methods[method].label, r->methods[r->baseline].label,
                             100 * g[0].g.value, r->classes[g[0].k].name, 100 * g[n - 1].g.value,
                             r->classes[g[n - 1].k].name));
    fprintf(f, "<path class=\"zero\" d=\"M%.1f %.1fV%.1f\"/>", bl_svg_px(&p, 0), p.top, p.bottom);
    if (n < n_all)
        fprintf(f, "<path class=\"zero dash\" d=\"M8 %.1fH%.1f\"/>", p.top + n / 2 * h, p.right);
    for (int i = 0; i < n; i++) gain_bar(&p, r, &g[i], p.top + i * h, h);
    bl_svg_end(&p);
    fputs("</figure>\n", f);
}

/* The differences of a method, sorted; returns their number. */
static int sorted_gains(const rep_report *r, int method, gain *out) {
    int n = 0;
    for (int k = 0; k < r->n_classes; k++) {
        rep_gain g = bl_rep_difference(class_stat(r, method, k), class_stat(r, r->baseline, k));
        if (!isnan(g.value)) out[n++] = (gain){k, g};
    }
    qsort(out, (size_t)n, sizeof *out, by_gain);
    return n;
}

void bl_rep_gains(FILE *f, const rep_report *r) {
    enum { ENDS = 25 };
    if (!bl_rep_any_classes(r) || r->n_methods < 2) return;
    gain *g = BL_NEW_ARRAY(r->arena, gain, r->n_classes + 1);
    if (!g) return;
    double lo = 0, hi = 0;
    for (int m = 0; m < r->n_methods; m++) {
        int n = m == r->baseline ? 0 : sorted_gains(r, m, g);
        for (int i = 0; i < n; i++) {
            lo = fmin(lo, g[i].g.value);
            hi = fmax(hi, g[i].g.value);
        }
    }
    bl_rep_section_begin(
        f, "gains", bl_rep_text(r, "Gains and losses against %s", r->methods[r->baseline].label),
        bl_rep_text(r, "Difference in %s by class in points, sorted.%s",
                    bl_rep_class_metric_name(r),
                    r->seeds ? " Whiskers: standard error over the seeds." : ""));
    fputs("<div class=\"grid gw\">\n", f);
    for (int m = 0; m < r->n_methods; m++) {
        int n = m == r->baseline ? 0 : sorted_gains(r, m, g), all = n;
        if (n == 0) continue;
        if (n > REP_EACH_CLASS) {
            memmove(g + ENDS, g + n - ENDS, ENDS * sizeof *g);
            n = 2 * ENDS;
        }
        gain_panel(f, r, m, g, n, all, lo, hi);
    }
    fputs("</div>\n", f);
    bl_rep_section_end(f);
}
