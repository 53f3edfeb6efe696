#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/csv_out.h"
#include "core/fs.h"
#include "core/json_out.h"
#include "eval/results/results_files.h"

/* One class's row, the same in CSV and JSON: a name, and a number that may be undefined. */
typedef struct cell {
    const char *key;
    double v; /* counts are exact below 2^53 */
} cell;
enum { MAX_CELLS = 24 };

static int make_cells(const bl_class_result *c, const bl_class_info *info, int32_t k,
                      cell out[MAX_CELLS]) {
    const cell all[] = {
        {"train_images", info && info->train_images ? (double)info->train_images[k] : -1},
        {"train_boxes", info && info->train_boxes ? (double)info->train_boxes[k] : -1},
        {"test_images", (double)c->n_images},
        {"test_boxes", (double)c->n_gt},
        {"detections", (double)c->n_det},
        {"AP", c->AP},
        {"AP50", c->AP50},
        {"AP75", c->AP75},
        {"APs", c->APs},
        {"APm", c->APm},
        {"APl", c->APl},
        {"AR", c->AR},
        {"best_f1", c->best_f1},
        {"best_f1_score", c->best_f1_score},
        {"precision", c->precision_at_f1},
        {"recall", c->recall_at_f1},
        {"tp", (double)c->tp},
        {"fp", (double)c->fp},
        {"fn", (double)c->fn},
    };
    memcpy(out, all, sizeof all);
    return (int)(sizeof all / sizeof *all);
}

/* The class's group; of several the first. */
static const char *group_name(const bl_class_info *info, int32_t k) {
    if (!info || !info->group || info->group[k] >= info->n_groups) return "";
    return info->group_names[info->group[k]];
}

static const char *frequency(const bl_results *r, int32_t k, char text[2]) {
    bool one = r->eval->params.class_agnostic;
    text[0] = one ? 0 : r->gt->categories[k].frequency;
    text[1] = 0;
    return text;
}

static bool has_frequency(const bl_results *r) {
    char text[2];
    for (int32_t k = 0; k < r->eval->K; k++)
        if (*frequency(r, k, text)) return true;
    return false;
}

/* ---- per_class.csv ---- */

bl_status bl_results_write_csv(const char *path, const bl_results *r, const bl_class_result *per) {
    bl_outfile o;
    cell cells[MAX_CELLS];
    char letter[2];
    bool letters = has_frequency(r);
    BL_TRY(bl_outfile_open(path, &o));
    bl_class_result none = {0};
    int n = make_cells(&none, NULL, 0, cells);
    fputs(letters ? "id,name,group,frequency" : "id,name,group", o.f);
    for (int i = 0; i < n; i++) fprintf(o.f, ",%s", cells[i].key);
    fputc('\n', o.f);
    for (int32_t k = 0; k < r->eval->K; k++) {
        make_cells(&per[k], r->info, k, cells);
        fprintf(o.f, "%" PRId64 ",", bl_results_class_id(r, k));
        bl_csv_put_text(o.f, bl_results_class_name(r, k));
        fputc(',', o.f);
        bl_csv_put_text(o.f, group_name(r->info, k));
        if (letters) fprintf(o.f, ",%s", frequency(r, k, letter));
        for (int i = 0; i < n; i++) {
            fputc(',', o.f);
            if (cells[i].v >= 0) bl_json_put_number(o.f, cells[i].v);
        }
        fputc('\n', o.f);
    }
    return bl_outfile_commit(&o);
}

/* ---- per_class.json ---- */

static void put_class_head(FILE *f, int *first, const bl_results *r, int32_t k) {
    bl_json_member_int(f, first, "id", bl_results_class_id(r, k));
    bl_json_member_string(f, first, "name", bl_results_class_name(r, k));
}

bl_status bl_results_write_classes(const char *path, const bl_results *r,
                                   const bl_class_result *per) {
    bl_outfile o;
    cell cells[MAX_CELLS];
    char letter[2];
    bool letters = has_frequency(r);
    int first = 1;
    BL_TRY(bl_outfile_open(path, &o));
    fputs("{\n", o.f);
    bl_results_put_head(o.f, &first, r);
    bl_json_put_key(o.f, &first, "classes");
    fputs("[", o.f);
    for (int32_t k = 0; k < r->eval->K; k++) {
        int n = make_cells(&per[k], r->info, k, cells);
        first = 1;
        fputs(k ? ",\n{" : "\n{", o.f);
        put_class_head(o.f, &first, r, k);
        bl_json_member_string(o.f, &first, "group", group_name(r->info, k));
        if (letters) bl_json_member_string(o.f, &first, "frequency", frequency(r, k, letter));
        for (int i = 0; i < n; i++) bl_json_member_number(o.f, &first, cells[i].key, cells[i].v);
        fputc('}', o.f);
    }
    fputs("\n]\n}\n", o.f);
    return bl_outfile_commit(&o);
}

/* ---- pr.json ---- */

/* First area range, last limit of detections. */
static void put_curve(FILE *f, int *first, const char *key, bool scores, const bl_eval_result *e,
                      int t, int32_t k) {
    double last = NAN; /* values repeat along a curve, and writing one takes a while */
    char text[BL_REAL_TEXT_MAX];
    bl_json_put_key(f, first, key);
    fputc('[', f);
    for (int i = 0; i < e->R; i++) {
        double v = (scores ? bl_eval_score : bl_eval_precision)(e, t, i, k, 0, e->M - 1);
        if (v != last) bl_format_double(v, false, text);
        last = v;
        if (i) fputs(", ", f);
        fputs(text, f);
    }
    fputc(']', f);
}

/* Curves of more classes make a file that nothing can show. */
enum { MOST_CURVES = 10000 };

bl_status bl_results_write_curves(const char *path, const bl_results *r) {
    const bl_eval_result *e = r->eval;
    int t50 = bl_eval_find_iou(&e->params, 0.5), t75 = bl_eval_find_iou(&e->params, 0.75);
    bl_outfile o;
    int first = 1;
    BL_TRY(bl_outfile_open(path, &o));
    fputs("{\n", o.f);
    bl_json_member_string(
        o.f, &first, "about",
        "interpolated precision at the recall points and the score that reaches it; "
        "first area range, last limit of detections");
    bl_results_put_head(o.f, &first, r);
    bl_json_put_key(o.f, &first, "classes");
    fputc('[', o.f);
    int32_t n = 0;
    for (int32_t k = 0; k < e->K && n < MOST_CURVES; k++) {
        if (e->R < 2 || e->n_gt[(int64_t)k * e->A] == 0) continue; /* no curve */
        first = 1;
        fputs(n++ ? ",\n{" : "\n{", o.f);
        put_class_head(o.f, &first, r, k);
        if (t50 >= 0) {
            put_curve(o.f, &first, "precision50", false, e, t50, k);
            put_curve(o.f, &first, "score50", true, e, t50, k);
        }
        if (t75 >= 0) put_curve(o.f, &first, "precision75", false, e, t75, k);
        fputc('}', o.f);
    }
    fputs("\n]\n}\n", o.f);
    return bl_outfile_commit(&o);
}
