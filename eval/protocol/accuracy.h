/* Accuracy of a classifier: from predictions to the numbers of the class-imbalanced literature.
 *
 * Classes are grouped by training frequency: the first floor(K/3) classes by falling count are
 * "many", the last floor(K/3) "few", the others "medium" (ties by index). Undefined values (classes
 * without test images) are NaN and left out of means. */
#ifndef BALLAST_EVAL_PROTOCOL_ACCURACY_H
#define BALLAST_EVAL_PROTOCOL_ACCURACY_H

#include <stdint.h>

#include "core/status.h"

typedef enum bl_frequency { BL_MANY, BL_MEDIUM, BL_FEW, BL_FREQUENCIES } bl_frequency;
extern const char *const bl_frequency_names[]; /* "many", "medium", "few" */

typedef struct bl_accuracy {
    int32_t n_classes;
    int64_t n, correct, top5_correct;
    int64_t *confusion; /* [K][K] row: true class, column: predicted */
    /* Filled by bl_accuracy_finish: */
    double accuracy;  /* correct / n */
    double balanced;  /* mean recall over classes */
    double geometric; /* (prod recall)^(1/K), a recall of 0 counting as 1/(100 K) */
    double top5;      /* NaN with 5 classes or fewer */
    double macro_f1;
    double group[BL_FREQUENCIES];    /* mean recall */
    double *recall, *precision, *f1; /* [K] */
    uint8_t *frequency;              /* [K] bl_frequency */
} bl_accuracy;

bl_status bl_accuracy_create(int32_t n_classes, bl_accuracy *out);
void bl_accuracy_free(bl_accuracy *a);
/* One image: true label and K logits. Ties go to the lower index; images whose label is not in
 * [0, K) are passed over. */
void bl_accuracy_add(bl_accuracy *a, int32_t label, const float *logits);
/* `counts` [K]: training images of each class, for the groups; NULL: classes in index order. */
bl_status bl_accuracy_finish(bl_accuracy *a, const int64_t *counts);

/* (prod r)^(1/n) with zeros replaced by 1/(100 n); NaN entries left out. */
double bl_geometric_mean(const double *recall, int32_t n);

/* How a sequence of evaluations ends: its last and best value, median and mean of the last `window`
 * (20; fewer when there are fewer). n >= 1. */
typedef struct bl_series_summary {
    double last, best, median, mean;
    int32_t best_at; /* index */
    int32_t window;
} bl_series_summary;
bl_series_summary bl_series_summarise(const double *v, int32_t n, int32_t window);

#endif
