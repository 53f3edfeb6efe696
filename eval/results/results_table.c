/* A result as a table of text. */
#include <inttypes.h>
#include <stdlib.h>

#include "eval/results/class_choice.h"
#include "eval/results/results.h"

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
