/* What every file of a result begins with or names: protocol, classes, groups. */
#include <stdarg.h>
#include <string.h>

#include "core/json_out.h"
#include "eval/results/results_files.h"

/* ---- classes and groups ---- */

const char *bl_results_class_name(const bl_results *r, int32_t k) {
    return r->eval->params.class_agnostic ? "any class" : r->gt->categories[k].name;
}

int64_t bl_results_class_id(const bl_results *r, int32_t k) {
    return r->eval->params.class_agnostic ? 0 : r->gt->categories[k].id;
}

int32_t bl_class_group_mask(const bl_class_info *info, int32_t g, int32_t n_classes,
                            uint8_t *mask) {
    int32_t n = 0;
    for (int32_t k = 0; k < n_classes; k++) {
        mask[k] = info->members ? info->members[(int64_t)g * n_classes + k] != 0
                                : info->group && info->group[k] == g;
        n += mask[k];
    }
    return n;
}

/* ---- the protocol in words ---- */

typedef struct text {
    char *at;
    size_t left;
} text;

static void say(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->at, t->left, format, args);
    va_end(args);
    size_t taken = n < 0 ? 0 : (size_t)n < t->left ? (size_t)n : t->left ? t->left - 1 : 0;
    t->at += taken;
    t->left -= taken;
}

/* Same distance between all of them. */
static bool even_steps(const double *v, int n) {
    double step = n > 1 ? (v[n - 1] - v[0]) / (n - 1) : 0;
    for (int i = 0; i < n; i++)
        if (v[i] < v[0] + i * step - 1e-9 || v[i] > v[0] + i * step + 1e-9) return false;
    return true;
}

static void say_ious(text *t, const bl_eval_params *p) {
    const double *v = p->ious;
    if (p->n_ious > 2 && even_steps(v, p->n_ious)) {
        say(t, "IoU %.2f:%.2g:%.2f", v[0], (v[p->n_ious - 1] - v[0]) / (p->n_ious - 1),
            v[p->n_ious - 1]);
        return;
    }
    say(t, "IoU ");
    for (int i = 0; i < p->n_ious; i++) say(t, "%s%.4g", i ? ", " : "", v[i]);
}

void bl_results_protocol(const bl_eval_params *p, char *out, size_t size) {
    text t = {out, size};
    if (strncmp(p->protocol, "voc", 3) == 0) {
        say(&t, "VOC %s: IoU %.4g, %s, difficult objects ignored, all detections",
            strcmp(p->protocol, "voc07") == 0 ? "2007" : "2012", p->ious[0],
            strcmp(p->protocol, "voc07") == 0 ? "11 recall points" : "area under the curve");
        return;
    }
    int32_t limit = p->max_dets[p->n_limits - 1];
    bool lvis = strncmp(p->protocol, "lvis", 4) == 0;
    say(&t, "%s %s: ", lvis ? p->max_dets_per_class ? "LVIS Fixed AP," : "LVIS" : "COCO",
        p->kind == BL_IOU_SEGM ? "segm" : "bbox");
    say_ious(&t, p);
    say(&t, ", %d recall points, ", p->n_recalls);
    if (p->max_dets_per_class)
        say(&t, "at most %d detections per class over all images", (int)p->max_dets_per_class);
    else if (p->max_dets_per_image)
        say(&t, "at most %d detections per image over all classes", (int)p->max_dets_per_image);
    else if (limit == BL_EVAL_UNLIMITED)
        say(&t, "all detections");
    else
        say(&t, "at most %d detections per image and class", (int)limit);
    if (p->federated) say(&t, ", federated");
    if (p->class_agnostic) say(&t, ", all classes as one");
    say(&t, ", areas");
    for (int a = 0; a < p->n_areas; a++) {
        const bl_area_range *r = &p->areas[a];
        say(&t, "%s %s", a ? "," : "", r->name);
        if (a > 0 && r->max >= 1e10)
            say(&t, " >= %.10g", r->min);
        else if (a > 0 && r->min <= 0)
            say(&t, " <= %.10g", r->max);
        else if (r->min > 0 || r->max < 1e10)
            say(&t, " %.10g..%.10g", r->min, r->max);
    }
    say(&t, " px^2");
}

/* ---- the head of a document ---- */

void bl_results_put_head(FILE *f, int *first, const bl_results *r) {
    char protocol[400];
    bl_results_protocol(&r->eval->params, protocol, sizeof protocol);
    bl_json_member_string(f, first, "protocol", protocol);
    if (r->model) bl_json_member_string(f, first, "model", r->model);
    if (r->iter >= 0) bl_json_member_int(f, first, "iter", r->iter);
}
