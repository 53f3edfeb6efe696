#include <stdlib.h>

#include "eval/results.h"

static void line(FILE *f, bool precision, const char *iou, const char *area, int dets, double v) {
    fprintf(f, " %-18s (%s) @[ IoU=%-9s | area=%6s | maxDets=%3d ] = %0.3f\n",
            precision ? "Average Precision" : "Average Recall", precision ? "AP" : "AR", iou, area,
            dets, v);
}

static void print_groups(FILE *f, const bl_eval_result *r, const bl_class_info *info) {
    uint8_t *mask = malloc((size_t)r->K + 1);
    if (!mask) return; /* only the group lines are lost */
    for (int32_t g = 0; g < info->n_groups; g++) {
        int members = 0;
        for (int32_t k = 0; k < r->K; k++) members += mask[k] = info->group[k] == g;
        bl_eval_summary s = bl_eval_summarise(r, mask);
        fprintf(f, " %-18s (AP) @[ %s, %d %s ] = %0.3f   AP50 = %0.3f   AR100 = %0.3f\n",
                "Group of classes", info->group_names[g], members,
                members == 1 ? "class" : "classes", s.AP, s.AP50, s.AR100);
    }
    free(mask);
}

void bl_results_print(FILE *f, const bl_eval_result *r, const bl_dataset *gt,
                      const bl_class_info *info) {
    static const char range[] = "0.50:0.95";
    bl_eval_summary s = bl_eval_summarise(r, NULL);
    line(f, true, range, "all", 100, s.AP);
    line(f, true, "0.50", "all", 100, s.AP50);
    line(f, true, "0.75", "all", 100, s.AP75);
    line(f, true, range, "small", 100, s.APs);
    line(f, true, range, "medium", 100, s.APm);
    line(f, true, range, "large", 100, s.APl);
    line(f, false, range, "all", 1, s.AR1);
    line(f, false, range, "all", 10, s.AR10);
    line(f, false, range, "all", 100, s.AR100);
    line(f, false, range, "small", 100, s.ARs);
    line(f, false, range, "medium", 100, s.ARm);
    line(f, false, range, "large", 100, s.ARl);
    if (info && info->group && info->n_groups > 0) print_groups(f, r, info);
    int absent = 0;
    for (int32_t k = 0; k < r->K; k++) absent += r->n_gt[(int64_t)k * r->A] == 0;
    if (absent)
        fprintf(f,
                " %d of %d classes have no ground truth in %s and do not count (-1: undefined)\n",
                absent, r->K, gt->name ? gt->name : "the test set");
}
