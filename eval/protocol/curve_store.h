/* The curves of one class at rest: points that share precision and score are one step, and curves
 * that are the same are stored once. A class of a few objects takes some hundred bytes where its
 * full matrix of thresholds, points, areas and limits takes two hundred thousand. Internal to eval/
 * (evaluator.h has the accessors). */
#ifndef BALLAST_EVAL_PROTOCOL_CURVE_STORE_H
#define BALLAST_EVAL_PROTOCOL_CURVE_STORE_H

#include <stdint.h>

typedef struct bl_curve_step {
    double precision, score;
    int32_t end; /* one behind the last recall point of the step */
} bl_curve_step;

typedef struct bl_curve {
    double recall;
    uint32_t first; /* step */
} bl_curve;

typedef struct bl_classify_curves {
    int n_m;
    int n_t;
    const bl_curve *curve;
    const bl_curve_step *step;
    const uint16_t *of; /* [n_a][n_t][n_m] which curve */
} bl_classify_curves;

enum { BL_CURVES_MOST = UINT16_MAX }; /* cells of a class: areas x thresholds x limits */

/* Room that packing needs: steps of all cells, and a curve for each. */
typedef struct bl_curve_room {
    bl_curve_step *step; /* [cells * n_r] */
    bl_curve *curve;     /* [cells] */
    uint16_t *of;        /* [cells] */
} bl_curve_room;
/* Fields are NULL when out of memory. */
bl_curve_room bl_curve_room_make(int64_t cells, int n_r);
void bl_curve_room_free(bl_curve_room *r);

/* What a pass leaves: precision and scores [n_a][n_t][n_m][n_r], recall [n_a][n_t][n_m]. One
 * malloc'd block, or NULL when out of memory. */
bl_classify_curves *bl_curves_pack(int n_a, int n_t, int n_m, int n_r, const double *precision,
                                   const double *scores, const double *recall, bl_curve_room *room);

/* The curve of a cell. */
static inline const bl_curve *bl_curves_at(const bl_classify_curves *c, int t, int a, int m) {
    return &c->curve[c->of[(a * c->n_t + t) * c->n_m + m]];
}
/* The step of recall point r, sought from `s` on. */
static inline const bl_curve_step *bl_curve_step_at(const bl_curve_step *s, int r) {
    while (s->end <= r) s++;
    return s;
}

#endif
