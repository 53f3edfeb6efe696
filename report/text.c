/* The report's first table as text. */
#include <math.h>
#include <string.h>

#include "report/data.h"

static int characters(const char *s) {
    int n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void padded(FILE *f, const char *s, int width) {
    fputs(s, f);
    for (int n = characters(s); n < width; n++) fputc(' ', f);
}

static void value(FILE *f, const rep_column *c, rep_stat s) {
    char text[48] = "-";
    double unit = c->format == REP_PERCENT ? 100 : 1;
    const char *form = c->format == REP_PERCENT ? "%.1f" : "%.4g";
    if (!isnan(s.mean)) snprintf(text, sizeof text, form, unit * s.mean);
    size_t used = strlen(text);
    if (s.n > 1)
        snprintf(text + used, sizeof text - used,
                 c->format == REP_PERCENT ? " +- %.1f" : " +- %.2g", unit * s.std);
    fprintf(f, " %*s", s.n > 1 ? 14 : 9, text);
}

void bl_report_print(const bl_report *r, FILE *f) {
    enum { SHOWN = 4 };
    int primary = r->summary.primary, width = 3;
    if (primary < 0) {
        fputs("no results yet\n", f);
        return;
    }
    /* The compared metric, by group, and the next few. */
    struct {
        int group, key;
        char name[40];
    } column[1 + REP_MAX_GROUPS + SHOWN];
    int n = 0;
    for (int g = -1; g < r->n_groups; g++) {
        bool any = g < 0;
        for (int m = 0; m < r->n_methods; m++)
            any = any || bl_rep_method_summary(r, m, g, primary).n > 0;
        if (!any) continue;
        column[n].group = g;
        column[n].key = primary;
        snprintf(column[n++].name, 40, "%.30s", g < 0 ? r->summary.v[primary].name : r->groups[g]);
    }
    for (int c = 0, more = 0; c < r->summary.n && more < SHOWN; c++) {
        if (c == primary || r->summary.v[c].hidden) continue;
        column[n].group = -1;
        column[n].key = c;
        more++;
        snprintf(column[n++].name, 40, "%.30s", r->summary.v[c].name);
    }
    for (int m = 0; m < r->n_methods; m++) {
        int length = characters(r->methods[m].label);
        if (length > width) width = length;
    }
    const rep_model *model = bl_rep_main_model(&r->runs[0]);
    if (model && *model->protocol) fprintf(f, "%s\n", model->protocol);
    padded(f, r->seeds ? "method" : "run", width);
    fprintf(f, "  %-8s %9s", "model", "iteration");
    for (int c = 0; c < n; c++) fprintf(f, " %*s", r->seeds ? 14 : 9, column[c].name);
    fputc('\n', f);
    for (int m = 0; m < r->n_methods; m++) {
        const rep_model *main = bl_rep_main_model(bl_rep_first(r, m));
        padded(f, r->methods[m].label, width);
        fprintf(f, "  %-8s", main && *main->name ? main->name : "-");
        if (main && !isnan(main->iter))
            fprintf(f, " %9.0f", main->iter);
        else
            fprintf(f, " %9s", "-");
        for (int c = 0; c < n; c++) {
            rep_stat s = bl_rep_method_summary(r, m, column[c].group, column[c].key);
            if (r->seeds && s.n <= 1) fputs("     ", f);
            value(f, &r->summary.v[column[c].key], s);
        }
        fputc('\n', f);
    }
}
