/* The report's maps of features: t-SNE of features.safetensors of an evaluation folder, tensors
 * "features" [n,d] f32 and "labels" [n] i32 (class numbers). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/rng.h"
#include "core/safetensors.h"
#include "report/html.h"
#include "report/sections.h"
#include "report/svg.h"
#include "report/tsne.h"

enum { MOST_POINTS = 2000 };

typedef struct map {
    int64_t n, of;   /* points shown, points in the file */
    double *y;       /* [n][2] */
    int32_t *labels; /* [n] classes of the run, -1 unknown */
    double kl;
} map;

static const bl_st_tensor *tensor(const bl_st_file *f, const char *name, bl_st_dtype dtype,
                                  int dims) {
    const bl_st_tensor *t = bl_st_find(f, name);
    return t && t->dtype == dtype && t->ndim == dims ? t : NULL;
}

/* A fixed random choice where there are more points than a plot bears. */
static bl_status choose(const rep_report *r, int64_t n, map *m, int32_t **order) {
    *order = BL_NEW_ARRAY(r->arena, int32_t, n);
    m->n = n < MOST_POINTS ? n : MOST_POINTS;
    m->y = BL_NEW_ARRAY(r->arena, double, 2 * m->n);
    m->labels = BL_NEW_ARRAY(r->arena, int32_t, m->n);
    if (!*order || !m->y || !m->labels) return BL_ENOMEM;
    for (int64_t i = 0; i < n; i++) (*order)[i] = (int32_t)i;
    bl_rng rng = bl_rng_make(1, bl_rng_key(0x706f696e, 0, 0));
    if (n > m->n) bl_rng_shuffle(&rng, *order, n);
    return BL_OK;
}

static bl_status embed(const rep_report *r, const rep_run *run, const bl_st_file *file,
                       const char *path, map *m) {
    const bl_st_tensor *x = tensor(file, "features", BL_ST_F32, 2),
                       *labels = tensor(file, "labels", BL_ST_I32, 1);
    if (!x || !labels || x->shape[0] != labels->shape[0] || x->shape[0] < 4 || x->shape[1] < 1 ||
        x->shape[0] > INT32_MAX)
        return bl_fail(BL_EFORMAT,
                       "%s: expected \"features\" [n,d] f32 and \"labels\" [n] i32 with n of at "
                       "least 4",
                       path);
    int64_t d = x->shape[1];
    int32_t *order;
    m->of = x->shape[0];
    BL_TRY(choose(r, m->of, m, &order));
    float *points = BL_NEW_ARRAY(r->arena, float, m->n *d);
    if (!points) return BL_ENOMEM;
    for (int64_t i = 0; i < m->n; i++) {
        int32_t label;
        memcpy(points + i * d, (const char *)x->data + order[i] * d * (int64_t)sizeof *points,
               (size_t)d * sizeof *points);
        memcpy(&label, (const char *)labels->data + order[i] * (int64_t)sizeof label, sizeof label);
        m->labels[i] = label >= 0 && label < run->n_classes ? label : -1;
    }
    bl_tsne_params p = bl_tsne_defaults();
    return bl_tsne(points, m->n, d, &p, m->y, &m->kl);
}

/* The report's class of a run's class. */
static int report_class(const rep_report *r, const rep_run *run, int own) {
    for (int k = 0; own >= 0 && k < r->n_classes; k++)
        if (run->of_class[k] == own) return k;
    return -1;
}

static void draw(FILE *f, const rep_report *r, int method, const map *m) {
    const rep_run *run = bl_rep_first(r, method);
    /* One unit for both axes; the frame as high as the map needs. */
    double lo[2] = {INFINITY, INFINITY}, hi[2] = {-INFINITY, -INFINITY};
    for (int64_t i = 0; i < 2 * m->n; i++) {
        lo[i & 1] = fmin(lo[i & 1], m->y[i]);
        hi[i & 1] = fmax(hi[i & 1], m->y[i]);
    }
    double across = 1.06 * fmax(fmax(hi[0] - lo[0], (hi[1] - lo[1])), 1e-9);
    double ratio = fmax(fmin(1.06 * (hi[1] - lo[1]) / across, 1), .5);
    svg_plot p = {.f = f,
                  .width = 520,
                  .height = 8 + 512 * ratio,
                  .left = 4,
                  .top = 4,
                  .right = 516,
                  .bottom = 4 + 512 * ratio};
    double x = (lo[0] + hi[0]) / 2, y = (lo[1] + hi[1]) / 2, up = ratio * across;
    p.x = (svg_axis){x - across / 2, x + across / 2, false, SVG_PLAIN, NULL};
    p.y = (svg_axis){y - up / 2, y + up / 2, false, SVG_PLAIN, NULL};
    fputs("<figure><figcaption>", f);
    bl_rep_method_name(f, r, method);
    fprintf(f, "<small>%lld", (long long)m->n);
    if (m->of > m->n) fprintf(f, " of %lld", (long long)m->of);
    fprintf(f, " points, KL %.2f</small></figcaption>", m->kl);
    bl_svg_begin(&p,
                 bl_rep_text(r,
                             "Scatter plot: t-SNE map of %lld feature vectors of %s, coloured by "
                             "class. Axes have no unit.",
                             (long long)m->n, r->methods[method].label));
    fprintf(f, "<rect class=\"frame\" x=\"%g\" y=\"%g\" width=\"%g\" height=\"%g\"/>\n", p.left,
            p.top, p.right - p.left, p.bottom - p.top);
    for (int k = r->n_classes - 1; k >= -1; k--) { /* a group a class: its colour, its name */
        bool any = false;
        for (int64_t i = 0; i < m->n; i++) {
            if (report_class(r, run, m->labels[i]) != k) continue;
            if (!any) {
                fputs("<g class=\"dots\"", f);
                if (k >= 0) {
                    bl_rep_class_mark(f, k);
                    bl_svg_rank_style(f, k, r->n_classes);
                }
                fputs("><title>", f);
                bl_html_text(f, k < 0 ? "unknown class" : r->classes[k].name);
                fputs("</title><path d=\"", f);
            }
            any = true;
            fprintf(f, "M%.1f %.1fh.01", bl_svg_px(&p, m->y[2 * i]),
                    bl_svg_py(&p, m->y[2 * i + 1]));
        }
        if (any) fputs("\"/></g>\n", f);
    }
    bl_svg_end(&p);
    fputs("</figure>\n", f);
}

static const char *features_path(const rep_report *r, int method) {
    const rep_model *m = bl_rep_main_model(bl_rep_first(r, method));
    if (!m || !m->dir) return NULL;
    const char *const parts[] = {"features.safetensors", NULL};
    const char *path = bl_rep_path(r->arena, m->dir, parts);
    return path && bl_exists(path) ? path : NULL;
}

void bl_rep_features(FILE *f, const rep_report *r) {
    int n = 0;
    for (int m = 0; m < r->n_methods; m++) n += features_path(r, m) != NULL;
    if (!n) return;
    bl_rep_section_begin(
        f, "features", "Features",
        "Feature vectors of evaluation images as points of a plane by t-SNE (perplexity 30): near "
        "points have similar features; distances between far groups and their sizes mean little. "
        "Colours from the most frequent class (blue) to the rarest (orange).");
    if (r->n_classes <= REP_CLASS_LINES) bl_rep_class_legend(f, r);
    fputs("<div class=\"grid gw\">\n", f);
    for (int method = 0; method < r->n_methods; method++) {
        const char *path = features_path(r, method);
        bl_st_file *file = NULL;
        map m = {0};
        if (!path) continue;
        bl_status status = bl_st_open(path, &file);
        if (status == BL_OK) status = embed(r, bl_rep_first(r, method), file, path, &m);
        if (status == BL_OK) {
            draw(f, r, method, &m);
        } else { /* a map less is no reason to have no report */
            fputs("<p class=\"warn\">", f);
            bl_html_text(f, bl_error());
            fputs("</p>\n", f);
        }
        bl_st_close(file);
    }
    fputs("</div>\n", f);
    bl_rep_section_end(f);
}
