#include "eval/protocol/curve_store.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

bl_curve_room bl_curve_room_make(int64_t cells, int n_r) {
    return (bl_curve_room){.step = malloc((size_t)cells * (size_t)n_r * sizeof(bl_curve_step)),
                           .curve = malloc((size_t)cells * sizeof(bl_curve)),
                           .of = malloc((size_t)cells * sizeof(uint16_t))};
}

void bl_curve_room_free(bl_curve_room *r) {
    free(r->step);
    free(r->curve);
    free(r->of);
    *r = (bl_curve_room){0};
}

/* Writes the steps of one curve; returns how many. */
static int32_t make_steps(const double *precision, const double *scores, int n_r,
                          bl_curve_step *out) {
    int32_t n = 0;
    for (int r = 0; r < n_r; r++) {
        if (n > 0 && out[n - 1].precision == precision[r] && out[n - 1].score == scores[r])
            out[n - 1].end = r + 1;
        else
            out[n++] = (bl_curve_step){precision[r], scores[r], r + 1};
    }
    return n;
}

static bool same_steps(const bl_curve_step *a, const bl_curve_step *b, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (a[i].precision != b[i].precision || a[i].score != b[i].score || a[i].end != b[i].end)
            return false;
    return true;
}

typedef struct packing {
    bl_curve_room *room;
    int32_t n_curves;
    uint32_t n_steps;
} packing;

/* Is curve c the one whose n steps have just been written behind all others? */
static bool same_curve(const packing *p, int32_t c, double recall, int32_t n) {
    const bl_curve *v = &p->room->curve[c];
    uint32_t end = c + 1 < p->n_curves ? v[1].first : p->n_steps;
    return v->recall == recall && (uint32_t)n == end - v->first &&
           same_steps(p->room->step + v->first, p->room->step + p->n_steps, n);
}

/* The number of the curve: an older one when it is the same as that of the limit or the threshold
 * before. */
static uint16_t keep(packing *p, double recall, int32_t n, int32_t before_m, int32_t before_t) {
    if (before_m >= 0 && same_curve(p, before_m, recall, n)) return (uint16_t)before_m;
    if (before_t >= 0 && same_curve(p, before_t, recall, n)) return (uint16_t)before_t;
    p->room->curve[p->n_curves] = (bl_curve){recall, p->n_steps};
    p->n_steps += (uint32_t)n;
    return (uint16_t)p->n_curves++;
}

/* One block: the head, curves, steps, and which curve each cell has. */
static bl_classify_curves *copy(const packing *p, int n_t, int n_m, size_t cells) {
    size_t curves = (size_t)p->n_curves * sizeof(bl_curve),
           steps = p->n_steps * sizeof(bl_curve_step);
    bl_classify_curves *c = malloc(sizeof *c + curves + steps + cells * sizeof(uint16_t));
    if (!c) return NULL;
    char *at = (char *)(c + 1);
    memcpy(at, p->room->curve, curves);
    memcpy(at + curves, p->room->step, steps);
    memcpy(at + curves + steps, p->room->of, cells * sizeof(uint16_t));
    *c = (bl_classify_curves){.n_m = n_m,
                              .n_t = n_t,
                              .curve = (const void *)at,
                              .step = (const void *)(at + curves),
                              .of = (const void *)(at + curves + steps)};
    return c;
}

bl_classify_curves *bl_curves_pack(int n_a, int n_t, int n_m, int n_r, const double *precision,
                                   const double *scores, const double *recall,
                                   bl_curve_room *room) {
    packing p = {.room = room};
    int cells = n_a * n_t * n_m;
    for (int i = 0; i < cells; i++) {
        int t = i / n_m % n_t, m = i % n_m;
        int32_t n = make_steps(precision + (int64_t)i * n_r, scores + (int64_t)i * n_r, n_r,
                               room->step + p.n_steps);
        room->of[i] = keep(&p, recall[i], n, m ? room->of[i - 1] : -1, t ? room->of[i - n_m] : -1);
    }
    return copy(&p, n_t, n_m, (size_t)cells);
}
