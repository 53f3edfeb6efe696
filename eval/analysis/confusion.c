#include "eval/analysis/confusion.h"

#include <stdlib.h>

/* Most class pairs of a large label set never meet: cells are counted sparsely, by sorting. */
static int by_place(const void *a, const void *b) {
    const bl_confusion_cell *x = a, *y = b;
    if (x->row != y->row) return x->row > y->row ? 1 : -1;
    return (x->column > y->column) - (x->column < y->column);
}

static int64_t merge(bl_confusion_cell *v, int64_t n) {
    int64_t to = 0;
    qsort(v, (size_t)n, sizeof *v, by_place);
    for (int64_t i = 0; i < n; i++) {
        if (to > 0 && by_place(&v[to - 1], &v[i]) == 0)
            v[to - 1].count++;
        else
            v[to++] = v[i];
    }
    return to;
}

bl_status bl_confusion_make(const bl_dataset *gt, const bl_detections *dt, const bl_fates *f,
                            bool class_agnostic, bl_confusion *out) {
    int64_t n = 0, counted = 0;
    uint8_t *covered = calloc((size_t)f->n_gt + 1, 1);
    for (int64_t i = 0; i < f->n_dt; i++) counted += f->confused[i] != BL_CONFUSED_NOT;
    bl_confusion_cell *v = malloc((size_t)(counted + f->n_gt + 1) * sizeof *v);
    *out = (bl_confusion){.n_classes = class_agnostic ? 1 : gt->n_categories, .cells = v};
    if (!covered || !v) {
        free(covered);
        bl_confusion_free(out);
        return bl_no_memory("for a confusion matrix of %d classes", gt->n_categories);
    }
    for (int64_t i = 0; i < f->n_dt; i++) {
        int32_t g = f->confused[i], class = class_agnostic ? 0 : dt->v[i].category;
        if (g == BL_CONFUSED_NOT) continue;
        if (g >= 0) covered[g] = 1;
        int32_t row = g < 0 ? out->n_classes : class_agnostic ? 0 : gt->anns[g].category;
        v[n++] = (bl_confusion_cell){row, class, 1};
    }
    for (int64_t g = 0; g < f->n_gt; g++)
        if (f->gt[g] != BL_OBJECT_IGNORED && !covered[g])
            v[n++] =
                (bl_confusion_cell){class_agnostic ? 0 : gt->anns[g].category, out->n_classes, 1};
    out->n_cells = merge(v, n);
    free(covered);
    return BL_OK;
}

void bl_confusion_free(bl_confusion *c) {
    free(c->cells);
    *c = (bl_confusion){0};
}
