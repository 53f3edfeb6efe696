#include "ssl/detection/pseudo_window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ARRAYS = 5, TOTALS = 2 };

struct bl_pseudo_window {
    int32_t classes;
    bool hidden_truth;
    double *candidates, *pseudo, *tp, *counted, *truth; /* [K] each */
    double *images, *pseudo_total;                      /* one number each */
    double *scratch;                                    /* [K] */
    double numbers[];                                   /* all of these; scratch last */
};

static int64_t kept_numbers(const bl_pseudo_window *w) {
    return (int64_t)ARRAYS * w->classes + TOTALS;
}

bl_status bl_pseudo_window_create(int32_t classes, bool hidden_truth, bl_pseudo_window **out) {
    size_t k = (size_t)classes;
    bl_pseudo_window *w = calloc(1, sizeof *w + sizeof(double) * ((ARRAYS + 1) * k + TOTALS));
    if (!w) return bl_no_memory("for statistics of pseudo boxes");
    double *a = w->numbers;
    w->classes = classes;
    w->hidden_truth = hidden_truth;
    w->candidates = a;
    w->pseudo = a + k;
    w->tp = a + 2 * k;
    w->counted = a + 3 * k;
    w->truth = a + 4 * k;
    w->images = a + 5 * k;
    w->pseudo_total = a + 5 * k + 1;
    w->scratch = a + 5 * k + TOTALS;
    *out = w;
    return BL_OK;
}

void bl_pseudo_window_destroy(bl_pseudo_window *w) {
    free(w);
}

void bl_pseudo_window_add(bl_pseudo_window *w, const bl_pseudo *c, bl_pseudo_filter keep,
                          const void *arg, const bl_view *weak) {
    *w->images += 1;
    for (int32_t j = 0; j < c->n; j++) {
        w->candidates[c->label[j]] += 1;
        if (!keep(c, j, arg)) continue;
        w->pseudo[c->label[j]] += 1;
        *w->pseudo_total += 1;
    }
    if (w->hidden_truth) bl_pseudo_quality(c, keep, arg, weak, w->tp, w->counted, w->truth);
}

bool bl_pseudo_window_watched(const bl_pseudo_window *w, double *pseudo_per_image) {
    *pseudo_per_image = *w->images > 0 ? *w->pseudo_total / *w->images : 0;
    return *w->images > 0;
}

static void put_ratio(bl_pseudo_window *w, bl_metrics *line, const char *key, const double *a,
                      const double *b) {
    for (int32_t i = 0; i < w->classes; i++)
        w->scratch[i] = b[i] > 0 ? a[i] / b[i] : NAN; /* NaN is written as null */
    bl_metrics_array(line, key, w->scratch, w->classes);
}

void bl_pseudo_window_report(bl_pseudo_window *w, bl_metrics *line) {
    if (*w->images == 0) return;
    bl_metrics_array(line, "pseudo", w->pseudo, w->classes);
    bl_metrics_array(line, "candidates", w->candidates, w->classes);
    put_ratio(w, line, "kept", w->pseudo, w->candidates);
    if (w->hidden_truth) {
        put_ratio(w, line, "precision", w->tp, w->counted);
        put_ratio(w, line, "recall", w->tp, w->truth);
    }
    memset(w->numbers, 0, sizeof *w->numbers * (size_t)kept_numbers(w));
}

bl_status bl_pseudo_window_state(bl_pseudo_window *w, bl_state_io *io) {
    return bl_state_numbers(io, "window", w->numbers, kept_numbers(w));
}
