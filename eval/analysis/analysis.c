#include "eval/analysis/analysis.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json_out.h"
#include "eval/analysis/thumbnails.h"

enum { LARGEST_MATRIX = 200 }; /* classes; beyond, the confusion is written sparsely */

bl_analysis_options bl_analysis_defaults(void) {
    return (bl_analysis_options){
        .fates = {.iou = 0.5, .background_iou = 0.1, .score_threshold = 0.3},
        .costly = 5,
        .max_thumbnails = 400,
    };
}

bl_status bl_analysis_run(const bl_results *r, const bl_analysis_options *o, bl_analysis *out) {
    const bl_eval_params *p = o->params ? o->params : &r->eval->params;
    bool one = p->class_agnostic;
    bl_status status;
    *out = (bl_analysis){.options = *o};
    BL_TRY_DONE(bl_fates_find(r->gt, r->dt, p, &o->fates, &out->fates));
    BL_TRY_DONE(bl_confusion_make(r->gt, r->dt, &out->fates, one, &out->confusion));
    BL_TRY_DONE(bl_error_breakdown_make(r->gt, r->dt, p, &out->fates, &out->errors));
    BL_TRY_DONE(bl_calibration_make(r->gt, r->dt, &out->fates, one, &out->calibration));
    BL_TRY_DONE(bl_costly_find(r->gt, r->dt, &out->fates, one, o->costly, &out->costly));
done:
    if (status != BL_OK) bl_analysis_free(out);
    return status;
}

void bl_analysis_free(bl_analysis *a) {
    bl_fates_free(&a->fates);
    bl_confusion_free(&a->confusion);
    bl_error_breakdown_free(&a->errors);
    bl_calibration_free(&a->calibration);
    bl_costly_free(&a->costly);
}

/* ---- analysis.json ---- */

static void put_matrix(FILE *f, const bl_confusion *c) {
    int64_t at = 0;
    for (int32_t row = 0; row <= c->n_classes; row++) {
        fputs(row ? ",\n[" : "\n[", f);
        for (int32_t column = 0; column <= c->n_classes; column++) {
            bool here = at < c->n_cells && c->cells[at].row == row && c->cells[at].column == column;
            fprintf(f, "%s%" PRId64, column ? ", " : "", here ? c->cells[at].count : 0);
            at += here;
        }
        fputc(']', f);
    }
}

static void put_confusion(FILE *f, int *first, const bl_confusion *c) {
    bool sparse = c->n_classes > LARGEST_MATRIX;
    fputc('\n', f);
    bl_json_put_key(f, first, sparse ? "confusion_sparse" : "confusion");
    fputc('[', f);
    if (!sparse) put_matrix(f, c);
    for (int64_t i = 0; sparse && i < c->n_cells; i++)
        fprintf(f, "%s[%" PRId32 ", %" PRId32 ", %" PRId64 "]", i ? ",\n" : "\n", c->cells[i].row,
                c->cells[i].column, c->cells[i].count);
    fputs("\n]", f);
}

static void put_costs(FILE *f, int *first, const bl_error_costs *c) {
    bl_json_member_number(f, first, "AP50", c->ap);
    bl_json_put_key(f, first, "dAP");
    fputc('{', f);
    for (int e = 0, in = 1; e < BL_ERROR_KINDS; e++)
        bl_json_member_number(f, &in, bl_error_names[e], c->gain[e]);
    fputc('}', f);
    bl_json_put_key(f, first, "counts");
    fputc('{', f);
    for (int e = 0, in = 1; e < BL_ERROR_KINDS; e++)
        bl_json_member_int(f, &in, bl_error_names[e], c->count[e]);
    fputc('}', f);
}

static void put_errors(FILE *f, int *first, const bl_error_breakdown *e) {
    int in = 1;
    bl_json_put_key(f, first, "tide");
    fputs("\n{", f);
    put_costs(f, &in, &e->all);
    bl_json_put_key(f, &in, "per_class");
    fputc('[', f);
    for (int32_t k = 0; k < e->n_classes; k++) {
        int inner = 1;
        fputs(k ? ",\n{" : "\n{", f);
        put_costs(f, &inner, &e->classes[k]);
        fputc('}', f);
    }
    fputs("\n]}", f);
}

static void put_calibration(FILE *f, int *first, const bl_calibration *c) {
    int in = 1;
    bl_json_put_key(f, first, "calibration");
    fputs("\n{", f);
    bl_json_put_key(f, &in, "bins");
    fputc('[', f);
    for (int b = 0; b < BL_CALIBRATION_BINS; b++) {
        const bl_calibration_bin *v = &c->bins[b];
        int inner = 1;
        fputs(b ? ",\n{" : "\n{", f);
        bl_json_member_number(f, &inner, "lo", v->lo);
        bl_json_member_number(f, &inner, "hi", v->hi);
        bl_json_member_int(f, &inner, "count", v->count);
        bl_json_member_number(f, &inner, "mean_score", v->mean_score);
        bl_json_member_number(f, &inner, "precision", v->precision);
        fputc('}', f);
    }
    fputc(']', f);
    bl_json_member_number(f, &in, "ece", c->ece);
    bl_json_put_key(f, &in, "per_class");
    fputc('[', f);
    for (int32_t k = 0; k < c->n_classes; k++) {
        int inner = 1;
        fputs(k ? ", {" : "{", f);
        bl_json_member_number(f, &inner, "ece", c->class_ece[k]);
        fputc('}', f);
    }
    fputs("]}", f);
}

static void put_costly(FILE *f, int *first, const bl_results *r, const bl_costly *c,
                       const uint8_t *made) {
    bl_json_put_key(f, first, "costly");
    fputc('[', f);
    for (int32_t k = 0; k < c->n_classes; k++) {
        int in = 1;
        fputs(k ? ",\n{" : "\n{", f);
        bl_json_member_string(f, &in, "class", bl_results_class_name(r, k));
        bl_json_member_number(f, &in, "AP", c->ap[k]);
        bl_json_put_key(f, &in, "images");
        fputc('[', f);
        for (int32_t i = 0; i < c->n[k]; i++) {
            int64_t at = (int64_t)k * c->most + i;
            const bl_costly_image *v = &c->images[at];
            int inner = 1;
            fputs(i ? ",\n  {" : "{", f);
            bl_json_member_int(f, &inner, "image_id", r->gt->images[v->image].id);
            bl_json_member_string(f, &inner, "file_name", r->gt->images[v->image].file);
            bl_json_member_number(f, &inner, "cost", v->cost);
            bl_json_member_int(f, &inner, "fp", v->fp);
            bl_json_member_int(f, &inner, "fn", v->fn);
            if (made[at]) {
                char name[64];
                bl_eval_thumbnail_name(r, k, v->image, name);
                bl_json_member_string(f, &inner, "thumbnail", name);
            }
            fputc('}', f);
        }
        fputs("]}", f);
    }
    fputs("\n]", f);
}

static void put_document(FILE *f, const bl_results *r, const bl_analysis *a, const uint8_t *made) {
    int first = 1;
    fputs("{\n", f);
    bl_json_member_number(f, &first, "iou", a->options.fates.iou);
    bl_json_member_number(f, &first, "background_iou", a->options.fates.background_iou);
    bl_json_member_number(f, &first, "score_threshold", a->options.fates.score_threshold);
    bl_json_put_key(f, &first, "classes");
    fputc('[', f);
    for (int32_t k = 0; k < r->eval->K; k++) {
        fputs(k ? ", " : "", f);
        bl_json_put_string(f, bl_results_class_name(r, k));
    }
    fputc(']', f);
    put_confusion(f, &first, &a->confusion);
    put_errors(f, &first, &a->errors);
    put_calibration(f, &first, &a->calibration);
    put_costly(f, &first, r, &a->costly, made);
    fputs("\n}\n", f);
}

bl_status bl_analysis_write(const char *dir, const bl_results *r, const bl_analysis *a,
                            int64_t *n_unreadable) {
    bl_outfile o = {0};
    bl_status status;
    int64_t unreadable = 0;
    uint8_t *made = calloc((size_t)a->costly.n_classes * (size_t)a->costly.most + 1, 1);
    char *path = bl_path_join(dir, "analysis.json");
    if (!made || !path) BL_TRY_DONE(bl_no_memory("for %s (the analysis)", dir));
    BL_TRY_DONE(bl_mkdirs(dir));
    if (a->options.image_dir) BL_TRY_DONE(bl_eval_thumbnails_write(dir, r, a, made, &unreadable));
    BL_TRY_DONE(bl_outfile_open(path, &o));
    put_document(o.f, r, a, made);
    status = bl_outfile_commit(&o);
done:
    if (n_unreadable) *n_unreadable = unreadable;
    free(made);
    free(path);
    return status;
}

void bl_analysis_print(FILE *f, const bl_analysis *a) {
    static const char *const names[BL_ERROR_KINDS] = {"classification",  "localisation",   "both",
                                                      "duplicate",       "background",     "missed",
                                                      "false positives", "false negatives"};
    const bl_error_costs *c = &a->errors.all;
    if (c->ap < 0) return;
    fprintf(f, "Errors at IoU %.2f (AP %.3f): what correcting a kind would gain\n",
            a->options.fates.iou, c->ap);
    for (int e = 0; e < BL_ERROR_KINDS; e++)
        fprintf(f, " %-16s +%.3f  %9" PRId64 "\n", names[e], c->gain[e] < 0 ? 0 : c->gain[e],
                c->count[e]);
    if (a->calibration.ece >= 0)
        fprintf(f, " expected calibration error %.3f\n", a->calibration.ece);
}
