#include "eval/results.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "eval/json_out.h"

static const char protocol[] =
    "COCO bbox: IoU 0.50:0.05:0.95, 101 recall points, at most 100 detections per image and class";

static const struct {
    const char *key;
    size_t offset;
} summary_keys[] = {
#define KEY(name)                                                                                  \
    { #name, offsetof(bl_eval_summary, name) }
    KEY(AP),  KEY(AP50), KEY(AP75),  KEY(APs), KEY(APm), KEY(APl),
    KEY(AR1), KEY(AR10), KEY(AR100), KEY(ARs), KEY(ARm), KEY(ARl),
#undef KEY
};

/* Undefined (-1) is null in JSON and an empty cell in CSV: nobody averages those by accident. */
static void put_value(FILE *f, double v) {
    if (v < 0)
        fputs("null", f);
    else
        json_put_number(f, v);
}

static void put_summary(FILE *f, int *first, const bl_eval_summary *s, const char *indent) {
    for (size_t i = 0; i < sizeof summary_keys / sizeof *summary_keys; i++) {
        double v;
        memcpy(&v, (const char *)s + summary_keys[i].offset, sizeof v);
        fprintf(f, "%s\n%s\"%s\": ", *first ? "" : ",", indent, summary_keys[i].key);
        *first = 0;
        put_value(f, v);
    }
}

static void put_groups(FILE *f, const bl_eval_result *r, const bl_class_info *info, uint8_t *mask) {
    fputs(",\n  \"groups\": {", f);
    for (int32_t g = 0; g < info->n_groups; g++) {
        int64_t members = 0;
        for (int32_t k = 0; k < r->K; k++) members += mask[k] = info->group[k] == g;
        bl_eval_summary s = bl_eval_summarise(r, mask);
        int first = 0;
        fputs(g ? ",\n    " : "\n    ", f);
        json_put_string(f, info->group_names[g]);
        fprintf(f, ": {\n      \"classes\": %" PRId64, members);
        put_summary(f, &first, &s, "      ");
        fputs("\n    }", f);
    }
    fputs("\n  }", f);
}

static bl_status write_metrics(const char *path, const char *model, int64_t iter,
                               const bl_dataset *gt, const bl_detections *dt,
                               const bl_eval_result *r, const bl_class_info *info) {
    uint8_t *mask = malloc((size_t)r->K + 1);
    if (!mask) return bl_fail(BL_ENOMEM, "%s: no memory", path);
    bl_outfile o;
    bl_status status = bl_outfile_open(path, &o);
    if (status == BL_OK) {
        fprintf(o.f, "{\n  \"protocol\": \"%s\",\n  \"model\": ", protocol);
        json_put_string(o.f, model);
        fprintf(o.f, ",\n  \"iter\": %" PRId64 ",\n  \"images\": %d,\n  \"detections\": %" PRId64,
                iter, gt->n_images, dt->n);
        int first = 0;
        bl_eval_summary s = bl_eval_summarise(r, NULL);
        put_summary(o.f, &first, &s, "  ");
        if (info && info->group && info->n_groups > 0) put_groups(o.f, r, info, mask);
        fputs("\n}\n", o.f);
        status = bl_outfile_commit(&o);
    }
    free(mask);
    return status;
}

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
        {"AR100", c->AR},
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

static const char *group_name(const bl_class_info *info, int32_t k) {
    if (!info || !info->group || info->group[k] >= info->n_groups) return "";
    return info->group_names[info->group[k]];
}

/* RFC 4180. */
static void put_csv_text(FILE *f, const char *s) {
    if (!strpbrk(s, ",\"\r\n")) {
        fputs(s, f);
        return;
    }
    fputc('"', f);
    for (; *s; s++) {
        if (*s == '"') fputc('"', f);
        fputc(*s, f);
    }
    fputc('"', f);
}

static bl_status write_csv(const char *path, const bl_dataset *gt, const bl_class_result *per,
                           const bl_class_info *info) {
    bl_outfile o;
    cell cells[MAX_CELLS];
    BL_TRY(bl_outfile_open(path, &o));
    bl_class_result none = {0};
    int n = make_cells(&none, NULL, 0, cells);
    fputs("id,name,group", o.f);
    for (int i = 0; i < n; i++) fprintf(o.f, ",%s", cells[i].key);
    fputc('\n', o.f);
    for (int32_t k = 0; k < gt->n_categories; k++) {
        make_cells(&per[k], info, k, cells);
        fprintf(o.f, "%" PRId64 ",", gt->categories[k].id);
        put_csv_text(o.f, gt->categories[k].name);
        fputc(',', o.f);
        put_csv_text(o.f, group_name(info, k));
        for (int i = 0; i < n; i++) {
            fputc(',', o.f);
            if (cells[i].v >= 0) json_put_number(o.f, cells[i].v);
        }
        fputc('\n', o.f);
    }
    return bl_outfile_commit(&o);
}

static void put_class_head(FILE *f, int *first, const bl_dataset *gt, int32_t k) {
    json_member_int(f, first, "id", gt->categories[k].id);
    json_member_string(f, first, "name", gt->categories[k].name);
}

static bl_status write_per_class(const char *path, const char *model, int64_t iter,
                                 const bl_dataset *gt, const bl_class_result *per,
                                 const bl_class_info *info) {
    bl_outfile o;
    cell cells[MAX_CELLS];
    BL_TRY(bl_outfile_open(path, &o));
    fprintf(o.f, "{\n\"protocol\": \"%s\",\n\"model\": ", protocol);
    json_put_string(o.f, model);
    fprintf(o.f, ",\n\"iter\": %" PRId64 ",\n\"classes\": [", iter);
    for (int32_t k = 0; k < gt->n_categories; k++) {
        int n = make_cells(&per[k], info, k, cells), first = 1;
        fputs(k ? ",\n{" : "\n{", o.f);
        put_class_head(o.f, &first, gt, k);
        json_member_string(o.f, &first, "group", group_name(info, k));
        for (int i = 0; i < n; i++) {
            json_put_key(o.f, &first, cells[i].key);
            put_value(o.f, cells[i].v);
        }
        fputc('}', o.f);
    }
    fputs("\n]\n}\n", o.f);
    return bl_outfile_commit(&o);
}

/* Area all, last limit of detections. */
static void put_curve(FILE *f, const double *v, const bl_eval_result *r, int t, int32_t k) {
    fputc('[', f);
    for (int i = 0; i < r->R; i++) {
        if (i) fputs(", ", f);
        put_value(f, v[bl_eval_curve_at(r, t, i, k, 0, r->M - 1)]);
    }
    fputc(']', f);
}

static bl_status write_curves(const char *path, const char *model, int64_t iter,
                              const bl_dataset *gt, const bl_eval_result *r) {
    enum { T50 = 0, T75 = 5 };
    bl_outfile o;
    BL_TRY(bl_outfile_open(path, &o));
    fputs("{\n\"about\": \"interpolated precision at recall 0, 0.01, ..., 1 and the score that "
          "reaches it; area all, 100 detections\",\n\"model\": ",
          o.f);
    json_put_string(o.f, model);
    fprintf(o.f, ",\n\"iter\": %" PRId64 ",\n\"classes\": [", iter);
    int first_class = 1;
    for (int32_t k = 0; k < gt->n_categories; k++) {
        if (r->n_gt[(int64_t)k * r->A] == 0) continue; /* no ground truth: no curve */
        int first = 1;
        fputs(first_class ? "\n{" : ",\n{", o.f);
        first_class = 0;
        put_class_head(o.f, &first, gt, k);
        json_put_key(o.f, &first, "precision50");
        put_curve(o.f, r->precision, r, T50, k);
        json_put_key(o.f, &first, "score50");
        put_curve(o.f, r->scores, r, T50, k);
        json_put_key(o.f, &first, "precision75");
        put_curve(o.f, r->precision, r, T75, k);
        fputc('}', o.f);
    }
    fputs("\n]\n}\n", o.f);
    return bl_outfile_commit(&o);
}

bl_status bl_results_write(const char *dir, const char *model, int64_t iter, const bl_dataset *gt,
                           const bl_detections *dt, const bl_eval_result *r,
                           const bl_class_info *info) {
    static const char *const names[] = {"metrics.json", "per_class.csv", "per_class.json",
                                        "pr.json"};
    bl_status status = BL_OK;
    char *path[4] = {0};
    bl_class_result *per = calloc((size_t)gt->n_categories + 1, sizeof *per);
    bool ok = per != NULL;
    for (int i = 0; i < 4; i++) ok = (path[i] = bl_path_join(dir, names[i])) && ok;
    if (!ok) {
        status = bl_fail(BL_ENOMEM, "%s: no memory to write results", dir);
        goto done;
    }
    BL_TRY_DONE(bl_eval_per_class(r, gt, dt, per));
    BL_TRY_DONE(bl_mkdirs(dir));
    BL_TRY_DONE(write_metrics(path[0], model, iter, gt, dt, r, info));
    BL_TRY_DONE(write_csv(path[1], gt, per, info));
    BL_TRY_DONE(write_per_class(path[2], model, iter, gt, per, info));
    BL_TRY_DONE(write_curves(path[3], model, iter, gt, r));
done:
    for (int i = 0; i < 4; i++) free(path[i]);
    free(per);
    return status;
}
