#include "eval/results/classification.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "core/csv_out.h"
#include "core/fs.h"
#include "core/json_out.h"
#include "core/safetensors.h"
#include "eval/results/class_choice.h"

static void put_head(FILE *f, int *first, const bl_classify_results *r) {
    bl_json_member_string(f, first, "protocol", "classification");
    bl_json_member_string(f, first, "model", r->model);
    bl_json_member_int(f, first, "iter", r->iter);
    bl_json_member_int(f, first, "images", r->accuracy->n);
}

static void put_metrics(FILE *f, const bl_classify_results *r) {
    const bl_accuracy *a = r->accuracy;
    int first = 1;
    fputs("{\n  ", f);
    put_head(f, &first, r);
    bl_json_member_int(f, &first, "correct", a->correct);
    bl_json_member_number(f, &first, "accuracy", a->accuracy);
    bl_json_member_number(f, &first, "balanced_accuracy", a->balanced);
    bl_json_member_number(f, &first, "geometric_mean", a->geometric);
    bl_json_member_number(f, &first, "top5", a->top5);
    bl_json_member_number(f, &first, "macro_f1", a->macro_f1);
    for (int g = 0; g < BL_FREQUENCIES; g++)
        bl_json_member_number(f, &first, bl_frequency_names[g], a->group[g]);
    fputs("\n}\n", f);
}

typedef struct {
    int64_t test, predicted;
} class_counts;

static class_counts count(const bl_accuracy *a, int32_t c) {
    class_counts n = {0};
    for (int32_t o = 0; o < a->n_classes; o++) {
        n.test += a->confusion[(int64_t)c * a->n_classes + o];
        n.predicted += a->confusion[(int64_t)o * a->n_classes + c];
    }
    return n;
}

static void put_classes(FILE *f, const bl_classify_results *r) {
    const bl_accuracy *a = r->accuracy;
    int first = 1;
    fputs("{\n  ", f);
    put_head(f, &first, r);
    bl_json_put_key(f, &first, "classes");
    fputs("[", f);
    for (int32_t c = 0; c < a->n_classes; c++) {
        class_counts n = count(a, c);
        int in = 1;
        fputs(c ? ",\n    {" : "\n    {", f);
        bl_json_member_int(f, &in, "id", c);
        bl_json_member_string(f, &in, "name", r->names[c]);
        bl_json_member_string(f, &in, "group", bl_frequency_names[a->frequency[c]]);
        bl_json_member_int(f, &in, "train_images", r->labelled[c]);
        if (r->unlabelled) bl_json_member_int(f, &in, "unlabelled_images", r->unlabelled[c]);
        bl_json_member_int(f, &in, "test_images", n.test);
        bl_json_member_int(f, &in, "predicted", n.predicted);
        bl_json_member_number(f, &in, "recall", a->recall[c]);
        bl_json_member_number(f, &in, "precision", a->precision[c]);
        bl_json_member_number(f, &in, "f1", a->f1[c]);
        fputc('}', f);
    }
    fputs("\n  ]\n}\n", f);
}

static void csv_number(FILE *f, double v) {
    fputc(',', f);
    if (!isnan(v)) bl_json_put_number(f, v);
}

static void put_csv(FILE *f, const bl_classify_results *r) {
    const bl_accuracy *a = r->accuracy;
    fputs(
        "id,name,group,train_images,unlabelled_images,test_images,predicted,recall,precision,f1\n",
        f);
    for (int32_t c = 0; c < a->n_classes; c++) {
        class_counts n = count(a, c);
        fprintf(f, "%d,", (int)c);
        bl_csv_put_text(f, r->names[c]);
        fprintf(f, ",%s,%" PRId64 ",", bl_frequency_names[a->frequency[c]], r->labelled[c]);
        if (r->unlabelled) fprintf(f, "%" PRId64, r->unlabelled[c]);
        fprintf(f, ",%" PRId64 ",%" PRId64, n.test, n.predicted);
        csv_number(f, a->recall[c]);
        csv_number(f, a->precision[c]);
        csv_number(f, a->f1[c]);
        fputc('\n', f);
    }
}

static void put_confusion(FILE *f, const bl_classify_results *r) {
    const bl_accuracy *a = r->accuracy;
    int first = 1;
    fputs("{\n  ", f);
    put_head(f, &first, r);
    bl_json_put_key(f, &first, "classes");
    fputc('[', f);
    for (int32_t c = 0; c < a->n_classes; c++) {
        if (c) fputs(", ", f);
        bl_json_put_string(f, r->names[c]);
    }
    fputs("]", f);
    bl_json_put_key(f, &first, "matrix");
    fputc('[', f);
    for (int32_t c = 0; c < a->n_classes; c++) {
        fputs(c ? ",\n    [" : "\n    [", f);
        for (int32_t o = 0; o < a->n_classes; o++)
            fprintf(f, "%s%" PRId64, o ? ", " : "", a->confusion[(int64_t)c * a->n_classes + o]);
        fputc(']', f);
    }
    fputs("\n  ]\n}\n", f);
}

static bl_status write_file(const char *dir, const char *name, const bl_classify_results *r,
                            void (*put)(FILE *f, const bl_classify_results *r)) {
    char *path = bl_path_join(dir, name);
    if (!path) return bl_no_memory(NULL);
    bl_outfile o = {0};
    bl_status status = bl_outfile_open(path, &o);
    if (status == BL_OK) {
        put(o.f, r);
        status = bl_outfile_commit(&o);
    }
    bl_outfile_abort(&o);
    free(path);
    return status;
}

bl_status bl_classify_results_write(const char *dir, const bl_classify_results *r) {
    BL_TRY(bl_mkdirs(dir));
    BL_TRY(write_file(dir, "metrics.json", r, put_metrics));
    BL_TRY(write_file(dir, "per_class.json", r, put_classes));
    BL_TRY(write_file(dir, "per_class.csv", r, put_csv));
    return write_file(dir, "confusion.json", r, put_confusion);
}

static void print_class(FILE *f, const bl_classify_results *r, int32_t c) {
    const bl_accuracy *a = r->accuracy;
    fprintf(f, "  %s%*s %8s %8" PRId64 " %8.2f %8.2f\n", r->names[c],
            bl_class_name_pad(r->names[c], 24), "", bl_frequency_names[a->frequency[c]],
            r->labelled[c], 100 * a->recall[c], 100 * a->precision[c]);
}

void bl_classify_results_print(FILE *f, const bl_classify_results *r, bool all) {
    const bl_accuracy *a = r->accuracy;
    fprintf(f, "%s, iteration %" PRId64 ", %" PRId64 " images, %" PRId64 " correct\n", r->model,
            r->iter, a->n, a->correct);
    fprintf(f, "  accuracy           %6.2f %%\n", 100 * a->accuracy);
    fprintf(f, "  balanced accuracy  %6.2f %%\n", 100 * a->balanced);
    fprintf(f, "  geometric mean     %6.2f %%\n", 100 * a->geometric);
    for (int g = 0; g < BL_FREQUENCIES; g++)
        fprintf(f, "  %-18s %6.2f %%\n", bl_frequency_names[g], 100 * a->group[g]);
    fprintf(f, "  %-24s %8s %8s %8s %8s\n", "class", "group", "labelled", "recall", "precision");
    int32_t *order = calloc((size_t)a->n_classes + 1, sizeof *order), gap = -1;
    int32_t shown = order ? bl_class_choice(a->recall, a->n_classes, all, order, &gap) : 0;
    for (int32_t i = 0; i < shown; i++) {
        if (i == gap)
            fprintf(f, "  ... %d more classes (--per-class shows all)\n", a->n_classes - shown);
        print_class(f, r, order[i]);
    }
    free(order);
}

bl_status bl_classify_features_write(const char *path, int64_t n, int32_t d, const float *features,
                                     int32_t k, const float *logits, const int32_t *labels) {
    const bl_st_tensor t[] = {{.name = "features",
                               .dtype = BL_ST_F32,
                               .ndim = 2,
                               .shape = {n, d},
                               .data = features,
                               .bytes = sizeof *features * (size_t)n * (size_t)d},
                              {.name = "logits",
                               .dtype = BL_ST_F32,
                               .ndim = 2,
                               .shape = {n, k},
                               .data = logits,
                               .bytes = sizeof *logits * (size_t)n * (size_t)k},
                              {.name = "labels",
                               .dtype = BL_ST_I32,
                               .ndim = 1,
                               .shape = {n},
                               .data = labels,
                               .bytes = sizeof *labels * (size_t)n}};
    return bl_st_write(path, t, 3, NULL, 0);
}
