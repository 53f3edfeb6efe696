#include "eval/protocol/eval_internal.h"

int bl_eval_pass_width(const bl_eval_params *p) {
    return EVAL_CELLS / p->n_areas;
}

int bl_eval_n_passes(const bl_eval_params *p) {
    int width = bl_eval_pass_width(p);
    return (p->n_ious + width - 1) / width;
}

/* Inserts into the ascending list of distinct edges. */
static void add_edge(eval_plan *plan, double e) {
    int i = 0;
    while (i < plan->n_edges && plan->edge[i] < e) i++;
    if (i < plan->n_edges && plan->edge[i] == e) return;
    for (int j = plan->n_edges++; j > i; j--) plan->edge[j] = plan->edge[j - 1];
    plan->edge[i] = e;
}

/* Ranges that hold all of [lo, hi]. */
static uint16_t holding(const bl_eval_params *p, double lo, double hi) {
    uint16_t bits = 0;
    for (int a = 0; a < p->n_areas; a++)
        bits |= (uint16_t)((p->areas[a].min <= lo && p->areas[a].max >= hi) << a);
    return bits;
}

static uint8_t find_class(eval_plan *plan, uint16_t bits) {
    int c = 0;
    while (c < plan->n_classes && plan->class_areas[c] != bits) c++;
    if (c == plan->n_classes) plan->class_areas[plan->n_classes++] = bits;
    return (uint8_t)c;
}

static void make_classes(eval_plan *plan) {
    const bl_eval_params *p = plan->p;
    for (int a = 0; a < p->n_areas; a++) {
        add_edge(plan, p->areas[a].min);
        add_edge(plan, p->areas[a].max);
    }
    plan->class_areas[0] = 0;
    plan->n_classes = 1;
    for (int i = 0; i < plan->n_edges; i++) { /* on edge i; between it and the next */
        double e = plan->edge[i], next = i + 1 < plan->n_edges ? plan->edge[i + 1] : e;
        plan->class_of[2 * i + 1] = find_class(plan, holding(p, e, e));
        if (next > e) plan->class_of[2 * i + 2] = find_class(plan, holding(p, e, next));
    }
}

int bl_eval_area_class(const eval_plan *plan, double area) {
    int below = 0;
    while (below < plan->n_edges && plan->edge[below] < area) below++;
    bool on = below < plan->n_edges && plan->edge[below] == area;
    return plan->class_of[2 * below + on];
}

void bl_eval_plan_make(const bl_eval_params *p, int pass, eval_plan *out) {
    int width = bl_eval_pass_width(p), left = p->n_ious - pass * width;
    *out = (eval_plan){.p = p, .t0 = pass * width, .n_t = left < width ? left : width, .floor = 1};
    out->n_cells = p->n_areas * out->n_t;
    for (int t = 0; t < out->n_t; t++) {
        double v = p->ious[out->t0 + t];
        out->iou[t] = v < 1 - 1e-10 ? v : 1 - 1e-10;
        if (out->iou[t] < out->floor) out->floor = out->iou[t];
    }
    make_classes(out);
}
