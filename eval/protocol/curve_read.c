/* Values of an evaluation's curves, one by one and as whole arrays. */
#include "eval/protocol/eval_internal.h"

static const bl_classify_curves *of_class(const bl_eval_result *x, int t, int32_t k) {
    return x->curves[(int64_t)k * x->passes + t / x->pass_width];
}

const bl_curve_step *bl_eval_steps(const bl_eval_result *x, int t, int32_t k, int a, int m) {
    const bl_classify_curves *c = of_class(x, t, k);
    return c ? c->step + bl_curves_at(c, t % x->pass_width, a, m)->first : NULL;
}

static const bl_curve_step *step_of(const bl_eval_result *x, int t, int r, int32_t k, int a,
                                    int m) {
    const bl_curve_step *s = bl_eval_steps(x, t, k, a, m);
    return s ? bl_curve_step_at(s, r) : NULL;
}

double bl_eval_precision(const bl_eval_result *x, int t, int r, int32_t k, int a, int m) {
    const bl_curve_step *s = step_of(x, t, r, k, a, m);
    return s ? s->precision : -1;
}

double bl_eval_score(const bl_eval_result *x, int t, int r, int32_t k, int a, int m) {
    const bl_curve_step *s = step_of(x, t, r, k, a, m);
    return s ? s->score : -1;
}

double bl_eval_recall(const bl_eval_result *x, int t, int32_t k, int a, int m) {
    const bl_classify_curves *c = of_class(x, t, k);
    return c ? bl_curves_at(c, t % x->pass_width, a, m)->recall : -1;
}

/* One class at one threshold, area and limit. */
static void expand_one(const bl_eval_result *x, int t, int32_t k, int a, int m, double *precision,
                       double *scores, double *recall) {
    int64_t stride = (int64_t)x->K * x->A * x->M, cell = ((int64_t)k * x->A + a) * x->M + m;
    if (recall) recall[t * stride + cell] = bl_eval_recall(x, t, k, a, m);
    const bl_curve_step *s = bl_eval_steps(x, t, k, a, m);
    for (int r = 0; r < x->R; r++) {
        int64_t at = ((int64_t)t * x->R + r) * stride + cell;
        if (s) s = bl_curve_step_at(s, r);
        if (precision) precision[at] = s ? s->precision : -1;
        if (scores) scores[at] = s ? s->score : -1;
    }
}

void bl_eval_expand(const bl_eval_result *x, double *precision, double *scores, double *recall) {
    for (int t = 0; t < x->T; t++)
        for (int32_t k = 0; k < x->K; k++)
            for (int a = 0; a < x->A; a++)
                for (int m = 0; m < x->M; m++) expand_one(x, t, k, a, m, precision, scores, recall);
}
