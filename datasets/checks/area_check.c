#include "datasets/checks/area_check.h"

#include <math.h>

enum { LARGER = 16 }; /* square pixels that are surely more than 1 */

typedef struct tally {
    int64_t n, count[BL_AREAS_EQUAL + 1], first[BL_AREAS_EQUAL + 1];
    double area[BL_AREAS_EQUAL + 1];
    double least, most, least_box, most_box;
} tally;

static void count(tally *t, bl_area_fault fault, const bl_ann *a) {
    if (t->count[fault]++ > 0) return;
    t->first[fault] = a->id;
    t->area[fault] = a->area;
}

static void look(tally *t, const bl_ann *a) {
    double box = a->w * a->h, slack = a->w + a->h + 1; /* some count the last pixel too */
    t->n++;
    count(t, BL_AREAS_EQUAL, a);
    if (a->area <= 1 && box >= LARGER) count(t, BL_AREAS_TINY, a);
    if (a->area > 1.01 * box + slack) count(t, BL_AREAS_BEYOND, a);
    t->least = fmin(t->least, a->area);
    t->most = fmax(t->most, a->area);
    t->least_box = fmin(t->least_box, box);
    t->most_box = fmax(t->most_box, box);
}

static bl_area_fault judge(const tally *t) {
    if (2 * t->count[BL_AREAS_TINY] > t->n) return BL_AREAS_TINY;
    if (2 * t->count[BL_AREAS_BEYOND] > t->n) return BL_AREAS_BEYOND;
    bool equal = t->n > 1 && t->least == t->most && t->most_box > 4 * t->least_box;
    return equal ? BL_AREAS_EQUAL : BL_AREAS_GOOD;
}

bl_area_check bl_areas_check(const bl_dataset *d) {
    tally t = {.least = INFINITY, .most = -INFINITY, .least_box = INFINITY, .most_box = 0};
    for (int64_t i = 0; i < d->n_anns; i++)
        if (!d->anns[i].iscrowd && !bl_ann_degenerate(&d->anns[i])) look(&t, &d->anns[i]);
    bl_area_fault f = judge(&t);
    return (bl_area_check){f, t.n, t.count[f], t.first[f], t.area[f]};
}

const char *bl_area_fault_text(bl_area_fault fault) {
    static const char *const texts[] = {"good", "at most 1 although their boxes are larger",
                                        "larger than their boxes",
                                        "all equal although their boxes differ"};
    return texts[fault];
}
