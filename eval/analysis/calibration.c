#include "eval/analysis/calibration.h"

#include <math.h>
#include <stdlib.h>

typedef struct sums {
    int64_t n[BL_CALIBRATION_BINS], right[BL_CALIBRATION_BINS];
    double score[BL_CALIBRATION_BINS];
} sums;

static int bin_of(double score) {
    double at = floor(score * BL_CALIBRATION_BINS);
    return at < 0 ? 0 : at >= BL_CALIBRATION_BINS ? BL_CALIBRATION_BINS - 1 : (int)at;
}

static double expected_error(const sums *s) {
    double error = 0;
    int64_t n = 0;
    for (int b = 0; b < BL_CALIBRATION_BINS; b++) {
        error += fabs(s->score[b] - (double)s->right[b]); /* n_b * |mean score - precision| */
        n += s->n[b];
    }
    return n ? error / (double)n : -1;
}

bl_status bl_calibration_make(const bl_dataset *gt, const bl_detections *dt, const bl_fates *f,
                              bool class_agnostic, bl_calibration *out) {
    int32_t k_n = class_agnostic ? 1 : gt->n_categories;
    sums all = {0}, *classes = calloc((size_t)k_n + 1, sizeof *classes);
    *out = (bl_calibration){.n_classes = k_n,
                            .class_ece = malloc(((size_t)k_n + 1) * sizeof *out->class_ece)};
    if (!classes || !out->class_ece) {
        free(classes);
        bl_calibration_free(out);
        return bl_no_memory("for the calibration of %d classes", k_n);
    }
    for (int64_t i = 0; i < f->n_dt; i++) {
        if (f->dt[i] < BL_FATE_RIGHT) continue;
        int b = bin_of(dt->v[i].score), right = f->dt[i] == BL_FATE_RIGHT;
        sums *to[2] = {&all, &classes[class_agnostic ? 0 : dt->v[i].category]};
        for (int j = 0; j < 2; j++) {
            to[j]->n[b]++;
            to[j]->right[b] += right;
            to[j]->score[b] += dt->v[i].score;
        }
    }
    for (int b = 0; b < BL_CALIBRATION_BINS; b++) {
        double n = (double)all.n[b];
        out->bins[b] = (bl_calibration_bin){
            .lo = (double)b / BL_CALIBRATION_BINS,
            .hi = (double)(b + 1) / BL_CALIBRATION_BINS,
            .count = all.n[b],
            .mean_score = n > 0 ? all.score[b] / n : -1,
            .precision = n > 0 ? (double)all.right[b] / n : -1,
        };
    }
    out->ece = expected_error(&all);
    for (int32_t k = 0; k < k_n; k++) out->class_ece[k] = expected_error(&classes[k]);
    free(classes);
    return BL_OK;
}

void bl_calibration_free(bl_calibration *c) {
    free(c->class_ece);
    *c = (bl_calibration){0};
}
