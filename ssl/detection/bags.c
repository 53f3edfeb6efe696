/* Balanced group softmax (BAGS; Li et al., "Overcoming Classifier Imbalance for Long-tail Object
 * Detection with Balanced Group Softmax", CVPR 2020): classes in bins by their labelled boxes, a
 * softmax for each bin, so that frequent classes do not push rare ones down. The outputs are
 *
 *   0 .. K-1    the classes, each in the softmax of its bin
 *   K, K+1      background and foreground: a softmax of their own
 *   K+2+b       the others, in the softmax of bin b: background and the classes of other bins
 *
 *   loss = sum over the softmaxes of the mean cross-entropy of the rows that it keeps
 *   score of class j = its bin's softmax times that of the foreground
 *
 * The background's softmax keeps all rows; a bin keeps its own rows and `others` times as many of the
 * others, drawn anew in each step, and nothing when it has none of its own. A mean is a sum divided
 * by the normaliser that the kept rows have (bl_student_cls_loss). */
#include <stdlib.h>

#include "core/rng.h"
#include "core/rows.h"
#include "ssl/detection/host_rows.h"

enum { BAGS_STREAM = 0x42414753 }; /* "BAGS" */

typedef struct bl_bags_config {
    bl_reals edges;
    double others;
} bl_bags_config;

static const bl_field fields[] = {
    BL_ROW_REALS(bl_bags_config, edges, "[10, 100, 1000]", 1, 1e9,
                 "Labelled boxes of a class at which the next bin begins."),
    BL_ROW_REAL(bl_bags_config, others, "8", 0, 1e6, NULL,
                "Rows of others that a bin keeps for each of its own."),
    BL_ROWS_END};
static const bl_schema section = {"method.bags", "Balanced group softmax (plug-in \"bags\").",
                                  sizeof(bl_bags_config), fields};

typedef struct {
    bl_plugin base;
    const bl_bags_config *cfg;
    int32_t classes, bins;
    float bin[]; /* [K] */
} bags;

/* One softmax of a step: the columns that are its own, then that of the others. */
typedef struct {
    int32_t bin; /* -1: the background's */
    int32_t n, *column;
    float *z;  /* [n] of a row */
    double *p; /* [n] */
} group;

/* Where in the group the label of a row is; the last place: others. */
static int32_t place(const group *g, int32_t label) {
    int32_t at = 0;
    while (at < g->n - 1 && g->column[at] != label) at++;
    return at;
}

static void collect(const bags *b, int32_t bin, group *g) {
    g->bin = bin;
    g->n = 0;
    if (bin < 0) g->column[g->n++] = b->classes;
    for (int32_t j = 0; bin >= 0 && j < b->classes; j++)
        if ((int32_t)b->bin[j] == bin) g->column[g->n++] = j;
    g->column[g->n++] = b->classes + 2 + bin;
}

/* target[i]: the row's place in the group; -1: not kept. */
static void choose(const bags *b, const group *g, const bl_detection_step *s, const bl_host_rows *h,
                   int32_t *target) {
    int64_t own = 0, left, wanted;
    for (int64_t i = 0; i < h->n; i++) {
        target[i] = place(g, h->label[i]);
        own += target[i] < g->n - 1;
    }
    if (g->bin < 0) return;
    left = h->n - own;
    wanted = (int64_t)fmin(b->cfg->others * (double)own, (double)left);
    bl_rng r = bl_rng_make(s->world->seed, bl_rng_key(BAGS_STREAM, (uint64_t)bl_detection_draw(s),
                                                      (uint64_t)(2 * g->bin + (int)h->branch)));
    for (int64_t i = 0; i < h->n; i++) {
        if (target[i] < g->n - 1) continue;
        bool take = bl_rng_below(&r, (uint32_t)left--) < wanted;
        wanted -= take;
        if (!take) target[i] = -1;
    }
}

/* The rows' normaliser, as the branch has it. */
static double normaliser(const bl_host_rows *h, const int32_t *target) {
    double sum = 0;
    for (int64_t i = 0; i < h->n; i++)
        if (!target || target[i] >= 0)
            sum += h->branch == BL_BRANCH_LABELLED ? h->reliable[i] > 0 : h->reliable[i];
    return fmax(sum, 1);
}

static double group_loss(const group *g, const bl_host_rows *h, const int32_t *target) {
    double value = 0, again = normaliser(h, NULL) / normaliser(h, target);
    for (int64_t i = 0; i < h->n; i++) {
        if (target[i] < 0) continue;
        double w = h->weight[i] * again;
        for (int32_t j = 0; j < g->n; j++) g->z[j] = h->z[i * h->outputs + g->column[j]];
        value += w * (bl_softmax_row(g->z, g->n, g->p) - g->z[target[i]]);
        for (int32_t j = 0; j < g->n; j++)
            h->gradient[i * h->outputs + g->column[j]] = (float)(w * (g->p[j] - (j == target[i])));
    }
    return value;
}

static bl_status roi_loss(bl_plugin *p, bl_detection_step *s, const bl_roi_rows *r,
                          bl_tensor **loss) {
    const bags *b = (const bags *)p;
    int64_t most = (int64_t)b->classes + 1;
    bl_arena *a = s->ctx->arena;
    bl_host_rows h;
    BL_TRY(bl_host_rows_read(s, r, most + 1 + b->bins, &h));
    group g = {.column = BL_NEW_ARRAY(a, int32_t, most),
               .z = BL_NEW_ARRAY(a, float, most),
               .p = BL_NEW_ARRAY(a, double, most)};
    int32_t *target = BL_NEW_ARRAY(a, int32_t, h.n);
    if (!g.column || !g.z || !g.p || !target) return BL_ENOMEM;
    double value = 0;
    for (int32_t bin = -1; bin < b->bins; bin++) {
        collect(b, bin, &g);
        choose(b, &g, s, &h, target);
        value += group_loss(&g, &h, target);
    }
    return bl_host_rows_loss(s, r, &h, value, loss);
}

/* Of the classes of one bin. */
static void bin_scores(const bl_roi_logits *in, const float *z, int32_t bin, double foreground,
                       float *row) {
    double top = z[in->classes + 2 + bin], sum;
    for (int32_t j = 0; j < in->classes; j++)
        if (lrintf(in->memory[j]) == bin) top = fmax(top, z[j]);
    sum = exp(z[in->classes + 2 + bin] - top);
    for (int32_t j = 0; j < in->classes; j++)
        if (lrintf(in->memory[j]) == bin) sum += exp(z[j] - top);
    for (int32_t j = 0; j < in->classes; j++)
        if (lrintf(in->memory[j]) == bin) row[j] = (float)(exp(z[j] - top) / sum * foreground);
}

/* The memory is each class's bin; averaging over steps may have moved it by rounding. */
static void scores(const bl_roi_logits *in, float *row) {
    int32_t k = in->classes, bins = (int32_t)in->outputs - k - 2;
    for (const float *z = in->z; z < in->z + in->n * in->outputs; z += in->outputs) {
        double foreground = bl_sigmoid((double)z[k + 1] - z[k]);
        for (int32_t bin = 0; bin < bins; bin++) bin_scores(in, z, bin, foreground, row);
        row[k] = (float)(1 - foreground);
        row += k + 1;
    }
}

static void classifier(const bl_method_config *cfg, int32_t classes, bl_roi_classifier *c) {
    const bl_bags_config *b = bl_method_settings(cfg, "bags");
    c->outputs = (int64_t)classes + 2 + b->edges.n + 1;
    c->memory = classes;
    c->scores = scores;
}

static void destroy(bl_plugin *p) {
    free(p);
}

/* A class without boxes counts as one box. */
static bl_status sort(bags *b, const bl_dataset *d) {
    int64_t *boxes = calloc((size_t)b->classes, sizeof *boxes);
    if (!boxes) return bl_no_memory("for group softmax");
    for (int64_t i = 0; i < d->n_anns; i++) boxes[d->anns[i].category] += !d->anns[i].iscrowd;
    for (int32_t j = 0; j < b->classes; j++)
        for (int32_t e = 0; e < b->cfg->edges.n; e++)
            b->bin[j] += fmax((double)boxes[j], 1) >= b->cfg->edges.v[e];
    free(boxes);
    return BL_OK;
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    const bl_bags_config *c = bl_method_settings(cfg, "bags");
    bags *b = calloc(1, sizeof *b + sizeof *b->bin * (size_t)w->classes);
    if (!b) return bl_no_memory("for group softmax");
    *b = (bags){.cfg = c, .classes = w->classes, .bins = c->edges.n + 1};
    bl_status status = sort(b, w->labelled);
    if (status == BL_OK) status = bl_detection_set_memory(w, b->bin);
    if (status == BL_OK) {
        *out = &b->base;
    } else {
        free(b);
    }
    return status;
}

const bl_detection_plugin_type bl_bags_plugin = {
    .plugin = {.name = "bags",
               .claims = BL_CLAIM_LOSS | BL_CLAIM_PREDICTION,
               .section = &section,
               .destroy = destroy},
    .classifier = classifier,
    .create = create,
    .roi_loss = roi_loss};
