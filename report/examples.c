/* Example images with boxes, side by side for several runs. */
#include <math.h>
#include <string.h>

#include "report/html.h"
#include "report/sections.h"
#include "report/svg.h"

/* A box clipped to its image; false when nothing is left. */
static bool clip(const rep_sample *s, const rep_box *b, double out[4]) {
    for (int i = 0; i < 4; i++) out[i] = fmax(0, fmin(b->box[i], i % 2 ? s->height : s->width));
    return out[2] > out[0] && out[3] > out[1];
}

/* The group of a box's class as a CSS class, for colours by group. */
static void group_mark(FILE *f, const rep_report *r, const rep_box *b) {
    for (int k = 0; k < r->n_classes; k++)
        if (strcmp(r->classes[k].name, b->label) == 0 && r->classes[k].group >= 0) {
            fprintf(f, " class=\"grp\"");
            bl_svg_rank_style(f, r->classes[k].group, r->n_groups);
            return;
        }
}

static void outline(FILE *f, const rep_report *r, const rep_sample *s, const rep_box *b) {
    double c[4];
    if (!clip(s, b, c)) return;
    fputs("<rect", f);
    group_mark(f, r, b);
    fprintf(f, " x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>", c[0], c[1],
            c[2] - c[0], c[3] - c[1]);
    bl_html_text(f, b->label);
    if (!isnan(b->score)) fprintf(f, ", score %.2f", b->score);
    fputs("</title></rect>", f);
}

/* Labels of the truth stand under their box, all others on top, so that they do not hide each
 * other. */
static void label(FILE *f, const rep_sample *s, const rep_box *b, bool below) {
    double c[4], size = fmax(s->width, s->height) / 34;
    char score[16] = "";
    if (!clip(s, b, c)) return;
    if (!isnan(b->score)) snprintf(score, sizeof score, " %.2f", b->score);
    double length = (double)(strlen(b->label) + strlen(score)) * size * .58 + size * .4;
    double y = below ? fmin(c[3], s->height - size * 1.15) : fmax(c[1] - size * 1.15, 0);
    double x = fmax(0, fmin(c[0], s->width - length));
    fprintf(f, "<rect class=\"pl\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", x, y,
            length, size * 1.15);
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.1f\">", x + size * .2, y + size * .9,
            size);
    bl_html_text(f, b->label);
    fprintf(f, "%s</text>", score);
}

/* An image that several runs share is stored once and referred to after that. */
static void picture(FILE *f, const rep_report *r, int run, int index) {
    const rep_sample *s = &r->runs[run].samples[index];
    for (int i = 0; i <= run; i++)
        for (int j = 0; j < r->runs[i].n_samples && (i < run || j < index); j++)
            if (strcmp(r->runs[i].samples[j].sha256, s->sha256) == 0) {
                fprintf(f, "<use href=\"#image-%d-%d\"/>", i, j);
                return;
            }
    fprintf(f, "<image id=\"image-%d-%d\" width=\"%g\" height=\"%g\" href=\"%s\"/>", run, index,
            s->width, s->height, s->data_uri);
}

static void shot(FILE *f, const rep_report *r, int run, int index) {
    static const char *const set_names[2][2] = {{"test", "test image"},
                                                {"unlabelled", "unlabelled image"}};
    const rep_sample *s = &r->runs[run].samples[index];
    const char *set = s->set;
    for (int i = 0; i < 2; i++)
        if (strcmp(set, set_names[i][0]) == 0) set = set_names[i][1];
    fputs("<figure><figcaption>", f);
    if (r->n_runs > 1) bl_rep_run_name(f, r, run);
    fputs("<small>", f);
    bl_html_text(f, set);
    fputs(", ", f);
    bl_html_text(f, s->file);
    fprintf(f, "</small></figcaption><svg viewBox=\"0 0 %g %g\" role=\"img\"", s->width, s->height);
    fprintf(f, " aria-label=\"%d true boxes, %d predictions, %d pseudo boxes\">", s->n_box[0],
            s->n_box[1], s->n_box[2]);
    picture(f, r, run, index);
    for (int part = 0; part < 2; part++) /* all outlines first, so that none crosses a label */
        for (int kind = 0; kind < 3; kind++) {
            fprintf(f, "<g class=\"o%d\">", kind);
            for (int b = 0; b < s->n_box[kind]; b++)
                if (part == 0)
                    outline(f, r, s, &s->box[kind][b]);
                else
                    label(f, s, &s->box[kind][b], kind == 0);
            fputs("</g>", f);
        }
    fputs("</svg></figure>\n", f);
}

static int same_image(const rep_run *run, const rep_sample *s) {
    for (int i = 0; i < run->n_samples; i++)
        if (strcmp(run->samples[i].file, s->file) == 0) return i;
    return -1;
}

void bl_rep_examples(FILE *f, const rep_report *r) {
    int n = 0;
    for (int i = 0; i < r->n_runs; i++) n += r->runs[i].n_samples;
    if (!n) return;
    bl_rep_section_begin(
        f, "examples", "Examples",
        "Test images with detections; unlabelled images with the pseudo boxes of the "
        "teacher. Their true boxes are hidden from training.");
    fputs("<input type=\"checkbox\" id=\"show-truth\" class=\"switch\" checked><label "
          "for=\"show-truth\"><span class=\"sw key-truth\"></span>ground truth</label>"
          "<input type=\"checkbox\" id=\"show-predictions\" class=\"switch\" checked><label "
          "for=\"show-predictions\"><span class=\"sw key-predictions\"></span>predictions</label>"
          "<input type=\"checkbox\" id=\"show-pseudo\" class=\"switch\" checked><label "
          "for=\"show-pseudo\"><span class=\"sw key-pseudo\"></span>pseudo boxes</label>\n",
          f);
    if (r->n_groups > 1) {
        fputs("<input type=\"checkbox\" id=\"by-group\" class=\"switch\"><label "
              "for=\"by-group\">colours by group:</label>",
              f);
        bl_rep_group_legend(f, r);
    }
    fprintf(f, "<div class=\"shots%s\">\n", r->n_runs == 1 ? " one" : "");
    for (int i = 0; i < r->n_runs; i++)
        for (int s = 0; s < r->runs[i].n_samples; s++) {
            bool seen = false;
            for (int j = 0; j < i; j++)
                seen = seen || same_image(&r->runs[j], &r->runs[i].samples[s]) >= 0;
            if (seen) continue;
            fputs("<div class=\"shot\">", f);
            for (int j = i; j < r->n_runs; j++) {
                int index = same_image(&r->runs[j], &r->runs[i].samples[s]);
                if (index >= 0) shot(f, r, j, index);
            }
            fputs("</div>\n", f);
        }
    fputs("</div>\n", f);
    bl_rep_section_end(f);
}
