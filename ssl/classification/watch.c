#include "ssl/classification/watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* All sums stand in one array, so that state, clearing and saving are one line each. */
enum { SEEN, USED, KNOWN, USED_KNOWN, RIGHT, USED_RIGHT, SCALARS };
enum { PSEUDO, PSEUDO_KNOWN, PSEUDO_RIGHT, TRUTH, MEAN, ARRAYS };

struct bl_classify_watch {
    int32_t classes;
    double *v;       /* SCALARS, then ARRAYS of [K] */
    double *scratch; /* [K] */
};

static int64_t numbers(const bl_classify_watch *w) {
    return SCALARS + (int64_t)ARRAYS * w->classes;
}

static double *array(const bl_classify_watch *w, int which) {
    return w->v + SCALARS + (int64_t)which * w->classes;
}

bl_status bl_classify_watch_create(int32_t classes, bl_classify_watch **out) {
    bl_classify_watch *w = calloc(1, sizeof *w);
    if (w) {
        w->classes = classes;
        w->v = calloc((size_t)numbers(w), sizeof *w->v);
        w->scratch = calloc((size_t)classes, sizeof *w->scratch);
    }
    if (!w || !w->v || !w->scratch) {
        bl_classify_watch_destroy(w);
        return bl_no_memory("for pseudo-label statistics");
    }
    *out = w;
    return BL_OK;
}

void bl_classify_watch_destroy(bl_classify_watch *w) {
    if (!w) return;
    free(w->v);
    free(w->scratch);
    free(w);
}

void bl_classify_watch_add(bl_classify_watch *w, const bl_classify_pseudo *q,
                           const int32_t *truth) {
    double *v = w->v;
    for (int32_t i = 0; i < q->n; i++) {
        bool used = q->weight[i] > 0, known = truth[i] >= 0 && truth[i] < w->classes;
        bool right = known && truth[i] == q->label[i];
        int32_t c = q->label[i];
        v[SEEN] += 1;
        v[USED] += used;
        v[KNOWN] += known;
        v[USED_KNOWN] += used && known;
        v[RIGHT] += right;
        v[USED_RIGHT] += used && right;
        array(w, PSEUDO)[c] += used;
        array(w, PSEUDO_KNOWN)[c] += used && known;
        array(w, PSEUDO_RIGHT)[c] += used && right;
        if (known) array(w, TRUTH)[truth[i]] += 1;
        for (int32_t k = 0; k < w->classes; k++)
            array(w, MEAN)[k] += q->p[(int64_t)i * w->classes + k];
    }
}

double bl_classify_watch_rate(const bl_classify_watch *w) {
    return w->v[SEEN] > 0 ? w->v[USED] / w->v[SEEN] : 0;
}

bool bl_classify_watch_empty(const bl_classify_watch *w) {
    return w->v[SEEN] == 0;
}

/* NaN is written as null. */
static double ratio(double a, double b) {
    return b > 0 ? a / b : NAN;
}

void bl_classify_watch_report(bl_classify_watch *w, bl_metrics *line) {
    int32_t k = w->classes;
    double *v = w->v, *s = w->scratch;
    bl_metrics_number(line, "mask_rate", bl_classify_watch_rate(w));
    bl_metrics_array(line, "pseudo", array(w, PSEUDO), k);
    for (int32_t c = 0; c < k; c++) s[c] = ratio(array(w, MEAN)[c], v[SEEN]);
    bl_metrics_array(line, "mean_label", s, k);
    if (v[KNOWN] > 0) {
        bl_metrics_number(line, "pseudo_accuracy", ratio(v[USED_RIGHT], v[USED_KNOWN]));
        bl_metrics_number(line, "label_accuracy", ratio(v[RIGHT], v[KNOWN]));
        for (int32_t c = 0; c < k; c++)
            s[c] = ratio(array(w, PSEUDO_RIGHT)[c], array(w, PSEUDO_KNOWN)[c]);
        bl_metrics_array(line, "precision", s, k);
        for (int32_t c = 0; c < k; c++) s[c] = ratio(array(w, PSEUDO_RIGHT)[c], array(w, TRUTH)[c]);
        bl_metrics_array(line, "recall", s, k);
        for (int32_t c = 0; c < k; c++) s[c] = ratio(array(w, TRUTH)[c], v[KNOWN]);
        bl_metrics_array(line, "truth", s, k);
    }
    memset(v, 0, sizeof *v * (size_t)numbers(w));
}

bl_status bl_classify_watch_state(bl_classify_watch *w, bl_state_io *io) {
    return bl_state_numbers(io, "watch", w->v, numbers(w));
}
