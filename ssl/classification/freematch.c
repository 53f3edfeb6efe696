/* FreeMatch as a plug-in (Wang et al., ICLR 2023): thresholds that follow the model's own
 * confidence, and a loss that keeps its predictions fair.
 *
 *   a, p, h   running means (rate `decay`, from 1/K) of max q, of q and of the histogram of
 *             argmax q over the weak views, this step's included
 *   m_j       [max q_j >= a p_c / max p], c = argmax q_j
 *   L_fair    sum_c A_c ln(B_c + 1e-12), A = norm(p / h), B = norm(s / hs); s the mean softmax of
 *             the kept images' strong views, hs the histogram of its arg-max; entries with an
 *             empty histogram are 0
 *
 * It replaces FixMatch's tau. Two strong views have a fairness loss each, weighted by one half. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "balance/simplex.h"
#include "core/rows.h"
#include "ssl/classification/method.h"

typedef struct bl_freematch_config {
    double decay;
    double quantile; /* a follows this quantile of max q instead of the mean; 0 = the mean */
    double clip;     /* greatest a */
    double fairness; /* weight of L_fair */
} bl_freematch_config;

static const bl_field fields[] = {
    BL_ROW_REAL(bl_freematch_config, decay, "0.999", 0, 1, NULL, "Keep rate of the running means."),
    BL_ROW_REAL(bl_freematch_config, quantile, "0", 0, 1, NULL,
                "The global threshold follows this quantile of the confidences (published option: "
                "0.8); 0 = "
                "their mean."),
    BL_ROW_REAL(bl_freematch_config, clip, "1", 0, 1, NULL,
                "Greatest global threshold (published option: 0.95)."),
    BL_ROW_REAL(bl_freematch_config, fairness, "0.01", 0, 1000, NULL,
                "Weight of the fairness loss."),
    BL_ROWS_END};
static const bl_schema section = {"method.freematch",
                                  "Self-adaptive thresholds (plug-in \"freematch\").",
                                  sizeof(bl_freematch_config), fields};

typedef struct {
    bl_plugin base;
    const bl_freematch_config *cfg;
    int32_t classes;
    double *state;                  /* [1 + 2K]: a, p, h */
    double *p, *h;                  /* in state */
    double *scratch;                /* [6K] */
    const bl_classify_pseudo *kept; /* of this step */
} freematch;

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Linear between neighbours, as numpy and torch. Sorts v. */
static double quantile(double *v, int32_t n, double at) {
    qsort(v, (size_t)n, sizeof *v, by_value);
    double place = at * (n - 1);
    int32_t low = (int32_t)place, high = low + 1 < n ? low + 1 : low;
    return v[low] + (place - low) * (v[high] - v[low]);
}

static void follow(double *mean, double v, double decay) {
    *mean = decay * *mean + (1 - decay) * v;
}

static bl_status update(freematch *f, bl_classify_step *s, const bl_classify_pseudo *q) {
    const bl_freematch_config *c = f->cfg;
    int32_t k = f->classes;
    double *top = BL_NEW_ARRAY(s->ctx->arena, double, q->n);
    if (!top) return BL_ENOMEM;
    double *mean = f->scratch, *hist = f->scratch + k, confidence = 0;
    memset(f->scratch, 0, sizeof *mean * 2 * (size_t)k);
    for (int32_t i = 0; i < q->n; i++) {
        top[i] = q->confidence[i];
        confidence += top[i] / q->n;
        hist[q->label[i]] += 1.0 / q->n;
        for (int32_t j = 0; j < k; j++) mean[j] += q->p[(int64_t)i * k + j] / q->n;
    }
    if (c->quantile > 0) confidence = quantile(top, q->n, c->quantile);
    follow(&f->state[0], confidence, c->decay);
    if (f->state[0] > c->clip) f->state[0] = c->clip;
    for (int32_t j = 0; j < k; j++) {
        follow(&f->p[j], mean[j], c->decay);
        follow(&f->h[j], hist[j], c->decay);
    }
    return BL_OK;
}

static void thresholds(const freematch *f, double *out) {
    double most = f->p[bl_argmax(f->p, f->classes)];
    for (int32_t c = 0; c < f->classes; c++) out[c] = f->state[0] * f->p[c] / most;
}

static bl_status choose(bl_plugin *p, bl_classify_step *s, bl_classify_pseudo *q) {
    freematch *f = (freematch *)p;
    BL_TRY(update(f, s, q));
    thresholds(f, f->scratch);
    for (int32_t i = 0; i < q->n; i++) q->weight[i] = q->confidence[i] >= f->scratch[q->label[i]];
    f->kept = q;
    return BL_OK;
}

/* norm(a / b), entries with b = 0 set to 0. */
static void ratio(const double *a, const double *b, int32_t k, double *out) {
    for (int32_t c = 0; c < k; c++) out[c] = b[c] > 0 ? a[c] / b[c] : 0;
    bl_normalize(out, (int)k);
}

/* L_fair of one strong view from softmax rows q [n][K], and its gradient to the logits (zeros at
 * first). */
static double fair(freematch *f, const double *q, const bl_classify_pseudo *kept, float *grad) {
    int32_t k = f->classes, n = 0;
    double *s = f->scratch, *hs = s + k, *a = s + 2 * k, *b = s + 3 * k, *ds = s + 4 * k;
    memset(s, 0, sizeof *s * 2 * (size_t)k);
    for (int32_t i = 0; i < kept->n; i++) {
        if (!(kept->weight[i] > 0)) continue;
        const double *row = q + (int64_t)i * k;
        for (int32_t c = 0; c < k; c++) s[c] += row[c];
        hs[bl_argmax(row, (int)k)]++;
        n++;
    }
    if (n == 0) return 0;
    for (int32_t c = 0; c < k; c++) {
        s[c] /= n;
        hs[c] /= n;
    }
    ratio(f->p, f->h, k, a);
    ratio(s, hs, k, b);

    double loss = 0, sum = 0, inner = 0;
    for (int32_t c = 0; c < k; c++) {
        loss += a[c] * log(b[c] + 1e-12);
        sum += hs[c] > 0 ? s[c] / hs[c] : 0;
        inner += a[c] / (b[c] + 1e-12) * b[c];
    }
    for (int32_t c = 0; c < k; c++)
        ds[c] = hs[c] > 0 ? (a[c] / (b[c] + 1e-12) - inner) / sum / hs[c] / n : 0;
    for (int32_t i = 0; i < kept->n; i++) {
        if (!(kept->weight[i] > 0)) continue;
        const double *row = q + (int64_t)i * k;
        double mean = 0;
        for (int32_t c = 0; c < k; c++) mean += row[c] * ds[c];
        for (int32_t c = 0; c < k; c++) grad[(int64_t)i * k + c] = (float)(row[c] * (ds[c] - mean));
    }
    return loss;
}

static bl_status losses(bl_plugin *p, bl_classify_step *s) {
    static const char *const names[BL_CLASSIFY_MAX_STRONG] = {"fairness", "fairness2"};
    freematch *f = (freematch *)p;
    size_t n = (size_t)s->weak.n * (size_t)f->classes;
    double *q = BL_NEW_ARRAY(s->ctx->arena, double, n);
    if (!q) return BL_ENOMEM;
    for (int v = 0; v < s->n_strong && f->cfg->fairness > 0; v++) {
        const float *host;
        bl_tensor *logits, *loss;
        float *grad = BL_NEW_ARRAY(s->ctx->arena, float, n);
        if (!grad) return BL_ENOMEM;
        memset(grad, 0, sizeof *grad * n);
        BL_TRY(bl_classify_host_logits(s, &s->strong[v], 0, &host));
        bl_softmax_rows(host, s->weak.n, (int)f->classes, NULL, 1, q);
        double value = fair(f, q, f->kept, grad);
        BL_TRY(bl_classify_logits(s, &s->strong[v], 0, &logits));
        const float *grads[] = {grad};
        BL_TRY(bl_given_loss(s->ctx, &logits, grads, 1, value, &loss));
        bl_add_loss(s->out, names[v], loss, f->cfg->fairness / s->n_strong);
    }
    return BL_OK;
}

static bl_status report(bl_plugin *p, int64_t t, bl_metrics *line) {
    (void)t;
    freematch *f = (freematch *)p;
    thresholds(f, f->scratch);
    bl_metrics_array(line, "freematch_threshold", f->scratch, f->classes);
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    freematch *f = (freematch *)p;
    return bl_state_numbers(io, "freematch.means", f->state, 1 + 2 * f->classes);
}

static void destroy(bl_plugin *p) {
    freematch *f = (freematch *)p;
    free(f->state);
    free(f->scratch);
    free(f);
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    freematch *f = calloc(1, sizeof *f);
    if (!f) return bl_no_memory("for FreeMatch");
    size_t k = (size_t)w->classes;
    f->cfg = bl_classify_settings(cfg, "freematch");
    f->classes = w->classes;
    f->state = calloc(1 + 2 * k, sizeof *f->state);
    f->scratch = calloc(6 * k, sizeof *f->scratch);
    if (!f->state || !f->scratch) {
        destroy(&f->base);
        return bl_no_memory("for FreeMatch");
    }
    f->p = f->state + 1;
    f->h = f->p + k;
    for (size_t i = 0; i < 1 + 2 * k; i++) f->state[i] = 1.0 / w->classes;
    *out = &f->base;
    return BL_OK;
}

const bl_classify_plugin_type bl_freematch_plugin = {.plugin = {.name = "freematch",
                                                                .claims = BL_CLAIM_THRESHOLD,
                                                                .section = &section,
                                                                .report = report,
                                                                .state = state,
                                                                .destroy = destroy},
                                                     .unlabelled = true,
                                                     .create = create,
                                                     .select = choose,
                                                     .losses = losses};
