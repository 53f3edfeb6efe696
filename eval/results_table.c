#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "eval/class_choice.h"
#include "eval/results.h"

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

/* ---- the table ---- */

static void print_metric(FILE *f, const bl_eval_metric *m, bool federated) {
    char iou[32], dets[16], group[16] = " ";
    if (m->iou_min == m->iou_max)
        snprintf(iou, sizeof iou, "%.2f", m->iou_min);
    else
        snprintf(iou, sizeof iou, "%.2f:%.2f", m->iou_min, m->iou_max);
    if (m->max_dets == BL_EVAL_UNLIMITED)
        snprintf(dets, sizeof dets, "all");
    else
        snprintf(dets, sizeof dets, "%d", (int)m->max_dets);
    if (federated)
        snprintf(group, sizeof group, " catIds=%3.3s",
                 m->frequency ? (const char[]){m->frequency, 0} : "all");
    fprintf(f, " %-18s (%s) @[ IoU=%-9s | area=%6s | maxDets=%3s%s] = %0.3f\n",
            m->is_recall ? "Average Recall" : "Average Precision", m->is_recall ? "AR" : "AP", iou,
            m->area, dets, group, m->value);
}

static void print_groups(FILE *f, const bl_results *r) {
    const bl_class_info *info = r->info;
    uint8_t *mask = malloc((size_t)r->eval->K + 1);
    if (!mask) return; /* only the group lines are lost */
    for (int32_t g = 0; g < info->n_groups; g++) {
        int32_t members = bl_class_group_mask(info, g, r->eval->K, mask);
        bl_eval_summary s = bl_eval_summarise(r->eval, mask);
        fprintf(f, " %-18s (AP) @[ %s, %d %s ] = %0.3f   AP50 = %0.3f   AR = %0.3f\n",
                "Group of classes", info->group_names[g], (int)members,
                members == 1 ? "class" : "classes", s.AP, s.AP50, s.AR);
    }
    free(mask);
}

void bl_results_print(FILE *f, const bl_results *r) {
    const bl_eval_result *e = r->eval;
    bl_eval_metric m[BL_EVAL_MAX_METRICS];
    char protocol[400];
    bl_results_protocol(&e->params, protocol, sizeof protocol);
    fprintf(f, "%s\n", protocol);
    int n = bl_eval_metrics(e, NULL, m);
    for (int i = 0; i < n; i++) print_metric(f, &m[i], e->params.federated);
    if (r->info && r->info->n_groups > 0) print_groups(f, r);
    int absent = 0;
    for (int32_t k = 0; k < e->K; k++) absent += e->n_gt[(int64_t)k * e->A] == 0;
    if (absent)
        fprintf(f,
                " %d of %d classes have no ground truth in %s and do not count (-1: undefined)\n",
                absent, e->K, r->gt->name ? r->gt->name : "the test set");
}

/* ---- by class ---- */

static void print_score(FILE *f, double v) {
    if (v < 0)
        fprintf(f, " %7s", "-");
    else
        fprintf(f, " %7.3f", v);
}

enum { NAME_COLUMNS = 24 };

static void print_class(FILE *f, const bl_results *r, const bl_class_result *c, int32_t k) {
    const char *name = bl_results_class_name(r, k);
    const bl_class_info *info = r->info;
    fprintf(f, " %s%*s", name, bl_class_name_pad(name, NAME_COLUMNS), "");
    if (info && info->train_boxes) fprintf(f, " %8" PRId64, info->train_boxes[k]);
    if (info && info->group)
        fprintf(f, " %9s",
                info->group[k] < info->n_groups ? info->group_names[info->group[k]] : "");
    fprintf(f, " %8" PRId64, c[k].n_gt);
    print_score(f, c[k].AP);
    print_score(f, c[k].AP50);
    print_score(f, c[k].AR);
    fputc('\n', f);
}

static void print_head(FILE *f, const bl_class_info *info) {
    fprintf(f, " %-*s", NAME_COLUMNS, "Class");
    if (info && info->train_boxes) fprintf(f, " %8s", "training");
    if (info && info->group) fprintf(f, " %9s", "group");
    fprintf(f, " %8s %7s %7s %7s\n", "objects", "AP", "AP50", "AR");
}

void bl_results_print_classes(FILE *f, const bl_results *r, bool all) {
    int32_t n = r->eval->K, gap, shown;
    bl_class_result *c = calloc((size_t)n + 1, sizeof *c);
    double *ap = calloc((size_t)n + 1, sizeof *ap);
    int32_t *order = calloc((size_t)n + 1, sizeof *order);
    if (c && ap && order && bl_eval_per_class(r->eval, r->gt, r->dt, c) == BL_OK) {
        for (int32_t k = 0; k < n; k++) ap[k] = c[k].AP;
        shown = bl_class_choice(ap, n, all, order, &gap);
        print_head(f, r->info);
        for (int32_t i = 0; i < shown; i++) {
            if (i == gap) fprintf(f, " ... %d more classes (--per-class shows all)\n", n - shown);
            print_class(f, r, c, order[i]);
        }
    } else {
        fputs(" (no memory for the table by class)\n", f);
    }
    free(c);
    free(ap);
    free(order);
}
