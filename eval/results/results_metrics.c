/* metrics.json: parameters, metrics over all classes and by group, warnings. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json_out.h"
#include "eval/results/results_files.h"

static void put_reals(FILE *f, int *first, const char *key, const double *v, int n) {
    bl_json_put_key(f, first, key);
    fputc('[', f);
    for (int i = 0; i < n; i++) {
        if (i) fputs(", ", f);
        bl_json_put_number(f, v[i]);
    }
    fputc(']', f);
}

static void put_flag(FILE *f, int *first, const char *key, bool v) {
    bl_json_put_key(f, first, key);
    fputs(v ? "true" : "false", f);
}

static void put_limit(FILE *f, int32_t limit) {
    if (limit == BL_EVAL_UNLIMITED)
        fputs("null", f);
    else
        fprintf(f, "%" PRId32, limit);
}

static void put_parameters(FILE *f, int *first, const bl_eval_params *p) {
    int in = 1;
    bl_json_put_key(f, first, "parameters");
    fputs("\n    {", f);
    bl_json_member_string(f, &in, "preset", p->protocol);
    bl_json_member_string(f, &in, "iou_type", p->kind == BL_IOU_SEGM ? "segm" : "bbox");
    put_reals(f, &in, "iou_thresholds", p->ious, p->n_ious);
    if (strncmp(p->protocol, "voc", 3) == 0)
        bl_json_member_string(f, &in, "interpolation",
                              strcmp(p->protocol, "voc07") == 0 ? "11 points" : "all points");
    else
        bl_json_member_int(f, &in, "recall_points", p->n_recalls);
    bl_json_put_key(f, &in, "areas");
    fputc('{', f);
    for (int a = 0, inner = 1; a < p->n_areas; a++) {
        const double range[2] = {p->areas[a].min, p->areas[a].max};
        put_reals(f, &inner, p->areas[a].name, range, 2);
    }
    fputc('}', f);
    bl_json_put_key(f, &in, "max_dets_per_image_and_class");
    fputc('[', f);
    for (int m = 0; m < p->n_limits; m++) {
        if (m) fputs(", ", f);
        put_limit(f, p->max_dets[m]);
    }
    fputc(']', f);
    if (p->max_dets_per_image)
        bl_json_member_int(f, &in, "max_dets_per_image", p->max_dets_per_image);
    if (p->max_dets_per_class)
        bl_json_member_int(f, &in, "max_dets_per_class", p->max_dets_per_class);
    put_flag(f, &in, "class_agnostic", p->class_agnostic);
    put_flag(f, &in, "crowd", p->crowd);
    put_flag(f, &in, "honour_ignore", p->honour_ignore);
    put_flag(f, &in, "federated", p->federated);
    fputc('}', f);
}

static void put_metrics(FILE *f, int *first, const bl_eval_result *e, const uint8_t *mask,
                        const char *indent) {
    bl_eval_metric m[BL_EVAL_MAX_METRICS];
    int n = bl_eval_metrics(e, mask, m);
    for (int i = 0; i < n; i++) {
        fprintf(f, "%s\n%s", *first ? "" : ",", indent);
        *first = 1;
        bl_json_member_number(f, first, m[i].key, m[i].value);
    }
}

static bl_status put_groups(FILE *f, const bl_results *r) {
    const bl_class_info *info = r->info;
    uint8_t *mask = malloc((size_t)r->eval->K + 1);
    if (!mask) return bl_no_memory("for groups of classes");
    fputs(",\n  \"groups\": {", f);
    for (int32_t g = 0; g < info->n_groups; g++) {
        int first = 1;
        fputs(g ? ",\n    " : "\n    ", f);
        bl_json_put_string(f, info->group_names[g]);
        fputs(": {\n      ", f);
        bl_json_member_int(f, &first, "classes", bl_class_group_mask(info, g, r->eval->K, mask));
        put_metrics(f, &first, r->eval, mask, "      ");
        fputs("\n    }", f);
    }
    fputs("\n  }", f);
    free(mask);
    return BL_OK;
}

static void put_warnings(FILE *f, const bl_findings *w) {
    fputs(",\n  \"warnings\": [", f);
    for (int i = 0; i < w->n; i++) {
        int first = 1;
        fputs(i ? ",\n    {" : "\n    {", f);
        bl_json_member_string(f, &first, "code", w->v[i].code);
        bl_json_member_int(f, &first, "count", w->v[i].count);
        bl_json_member_string(f, &first, "message", w->v[i].message);
        fputc('}', f);
    }
    fputs(w->n ? "\n  ]" : "]", f);
}

static bl_status put_document(FILE *f, const bl_results *r) {
    int first = 1;
    fputs("{\n  ", f);
    bl_results_put_head(f, &first, r);
    put_parameters(f, &first, &r->eval->params);
    if (r->source) {
        bl_json_member_string(f, &first, "ground_truth", r->gt->name ? r->gt->name : "");
        bl_json_member_string(f, &first, "results", r->source);
    }
    bl_json_member_int(f, &first, "images", r->gt->n_images);
    bl_json_member_int(f, &first, "detections", r->dt->n);
    put_metrics(f, &first, r->eval, NULL, "  ");
    if (r->info && r->info->n_groups > 0) BL_TRY(put_groups(f, r));
    if (r->warnings) put_warnings(f, r->warnings);
    fputs("\n}\n", f);
    return BL_OK;
}

bl_status bl_results_write_metrics(const char *path, const bl_results *r) {
    bl_outfile o;
    BL_TRY(bl_outfile_open(path, &o));
    bl_status status = put_document(o.f, r);
    if (status == BL_OK) return bl_outfile_commit(&o);
    bl_outfile_abort(&o);
    return status;
}
