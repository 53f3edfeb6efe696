#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/protocol/evaluator.h"

/* Thresholds and points bit for bit as numpy's linspace gives them: start + i * step, the last
 * value set. IoU number 8 is 0.8999999999999999; i / 100.0 would differ from i * 0.01 at ten
 * places. */
static bl_eval_params base(const char *protocol, bl_iou_kind kind) {
    static const bl_area_range areas[] = {{"all", 0, 1e10},
                                          {"small", 0, 32 * 32},
                                          {"medium", 32 * 32, 96 * 96},
                                          {"large", 96 * 96, 1e10}};
    bl_eval_params p = {.kind = kind, .n_ious = 10, .n_recalls = 101, .n_areas = 4};
    snprintf(p.protocol, sizeof p.protocol, "%s", protocol);
    for (int t = 0; t < 9; t++) p.ious[t] = 0.5 + t * ((0.95 - 0.5) / 9.0);
    p.ious[9] = 0.95;
    for (int r = 0; r < 100; r++) p.recalls[r] = r * 0.01;
    p.recalls[100] = 1;
    memcpy(p.areas, areas, sizeof areas);
    return p;
}

static void set_limits(bl_eval_params *p, int n, const int32_t *limits) {
    p->n_limits = n;
    for (int m = 0; m < n; m++) p->max_dets[m] = limits[m];
}

bl_eval_params bl_eval_params_coco(void) {
    bl_eval_params p = base("coco", BL_IOU_BBOX);
    p.crowd = true;
    set_limits(&p, 3, (const int32_t[]){1, 10, 100});
    return p;
}

bl_eval_params bl_eval_params_coco_segm(void) {
    bl_eval_params p = bl_eval_params_coco();
    p.kind = BL_IOU_SEGM;
    snprintf(p.protocol, sizeof p.protocol, "coco-segm");
    return p;
}

bl_eval_params bl_eval_params_lvis(bl_iou_kind kind) {
    bl_eval_params p = base(kind == BL_IOU_SEGM ? "lvis-segm" : "lvis", kind);
    p.federated = p.honour_ignore = true;
    p.max_dets_per_image = 300;
    set_limits(&p, 1, (const int32_t[]){300});
    return p;
}

bl_eval_params bl_eval_params_lvis_fixed(bl_iou_kind kind) {
    bl_eval_params p = base(kind == BL_IOU_SEGM ? "lvis-fixed-segm" : "lvis-fixed", kind);
    p.federated = p.honour_ignore = true;
    p.max_dets_per_class = 10000;
    set_limits(&p, 1, (const int32_t[]){BL_EVAL_UNLIMITED});
    return p;
}

void bl_eval_set_max_dets(bl_eval_params *p, int32_t max_dets) {
    if (p->max_dets_per_class) {
        p->max_dets_per_class = max_dets;
        return;
    }
    if (p->max_dets_per_image) p->max_dets_per_image = max_dets;
    int n = 0;
    while (n < p->n_limits - 1 && p->max_dets[n] < max_dets) n++;
    p->max_dets[n] = max_dets;
    p->n_limits = n + 1;
}

static bl_status check_count(const char *what, int n, int max) {
    if (n >= 1 && n <= max) return BL_OK;
    return bl_fail(BL_EINVAL, "evaluation: %d %s, expected 1 to %d", n, what, max);
}

static bl_status check_fraction(const char *what, int i, double v) {
    if (v >= 0 && v <= 1) return BL_OK;
    return bl_fail(BL_EINVAL, "evaluation: %s number %d is %g, expected 0 to 1", what, i, v);
}

bl_status bl_eval_params_check(const bl_eval_params *p) {
    BL_TRY(check_count("IoU thresholds", p->n_ious, BL_EVAL_MAX_IOUS));
    BL_TRY(check_count("recall points", p->n_recalls, BL_EVAL_MAX_RECALLS));
    BL_TRY(check_count("area ranges", p->n_areas, BL_EVAL_MAX_AREAS));
    BL_TRY(check_count("limits of detections", p->n_limits, BL_EVAL_MAX_LIMITS));
    for (int t = 0; t < p->n_ious; t++) BL_TRY(check_fraction("IoU threshold", t, p->ious[t]));
    for (int r = 0; r < p->n_recalls; r++) {
        BL_TRY(check_fraction("recall point", r, p->recalls[r]));
        if (r && p->recalls[r] < p->recalls[r - 1])
            return bl_fail(BL_EINVAL, "evaluation: recall point number %d is below the one before",
                           r);
    }
    for (int a = 0; a < p->n_areas; a++) {
        const bl_area_range *range = &p->areas[a];
        if (!*range->name || !memchr(range->name, 0, sizeof range->name))
            return bl_fail(BL_EINVAL,
                           "evaluation: area range number %d has no name of 1 to 15 bytes", a);
        if (!(range->min <= range->max))
            return bl_fail(BL_EINVAL, "evaluation: area range \"%s\" is empty: %g to %g",
                           range->name, range->min, range->max);
    }
    for (int m = 0; m < p->n_limits; m++)
        if (p->max_dets[m] < 1 || (m && p->max_dets[m] <= p->max_dets[m - 1]))
            return bl_fail(BL_EINVAL,
                           "evaluation: limit of detections number %d is %d; limits start at 1 and "
                           "ascend",
                           m, (int)p->max_dets[m]);
    if (p->max_dets_per_image < 0 || p->max_dets_per_class < 0)
        return bl_fail(BL_EINVAL, "evaluation: a negative limit of detections per image or class");
    if (p->kind != BL_IOU_BBOX && p->kind != BL_IOU_SEGM)
        return bl_fail(BL_EINVAL, "evaluation: unknown kind of IoU %d", (int)p->kind);
    if (p->federated && p->class_agnostic)
        return bl_fail(BL_EINVAL,
                       "evaluation: the federated rules judge class by class; they cannot "
                       "be class-agnostic");
    return BL_OK;
}

int bl_eval_find_iou(const bl_eval_params *p, double iou) {
    for (int t = 0; t < p->n_ious; t++)
        if (p->ious[t] == iou) return t;
    return -1;
}

int bl_eval_find_area(const bl_eval_params *p, const char *name) {
    for (int a = 0; a < p->n_areas; a++)
        if (strcmp(p->areas[a].name, name) == 0) return a;
    return -1;
}
