#include "train/sweep_table.h"

#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/csv_out.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/paired.h"
#include "core/real_text.h"

char *bl_sweep_folder(const bl_sweep *s, const bl_sweep_options *opt, int32_t run, int32_t seed) {
    char leaf[192];
    snprintf(leaf, sizeof leaf, "%s/seed%lld", s->run[run].name, (long long)s->seeds.v[seed]);
    char *p = bl_path_join(opt->out_dir, leaf);
    if (!p) bl_no_memory(NULL);
    return p;
}

enum { COLUMNS = 6, MAX_SEEDS = 1000, RUN_BYTES = 1 << 30 };
static const char *const class_columns[COLUMNS] = {
    "accuracy", "balanced_accuracy", "geometric_mean", "many", "medium", "few"};
static const char *const detection_columns[COLUMNS] = {"AP",  "AP50",        "AP75",
                                                       "APs", "AP_majority", "AP_minority"};

typedef struct {
    double v[COLUMNS];
    bool there, classification;
} result;

typedef struct {
    const bl_sweep *s;
    result *r; /* [run][seed] */
    bool classification;
} table;

static double number_at(struct json_object *o, const char *key) {
    struct json_object *v;
    return json_object_object_get_ex(o, key, &v) && v ? json_object_get_double(v) : NAN;
}

/* summary.json, the teacher or average where there is one. */
static bool read_summary(const char *dir, const char *statistic, result *r) {
    char *path = bl_path_join(dir, "summary.json");
    bl_json doc = {0};
    bool ok = false;
    if (path && bl_exists(path) && bl_json_load(path, &doc) == BL_OK) {
        struct json_object *models, *m, *e;
        if (json_object_object_get_ex(doc.root, "models", &models) &&
            (json_object_object_get_ex(models, "teacher", &m) ||
             json_object_object_get_ex(models, "ema", &m) ||
             json_object_object_get_ex(models, "student", &m))) {
            ok = true;
            for (int c = 0; c < COLUMNS; c++)
                r->v[c] = json_object_object_get_ex(m, class_columns[c], &e)
                              ? number_at(e, statistic)
                              : NAN;
        }
        bl_json_free(&doc);
    }
    free(path);
    r->there = r->classification = ok;
    return ok;
}

static void take_line(struct json_object *line, result *r, double *iter, bool *teacher) {
    struct json_object *kind, *model;
    if (!json_object_object_get_ex(line, "kind", &kind) || !bl_json_is(kind, "eval") ||
        !json_object_object_get_ex(line, "model", &model))
        return;
    double at = number_at(line, "iter");
    bool is_teacher = !bl_json_is(model, "student");
    if (at < *iter || (at == *iter && *teacher && !is_teacher)) return;
    for (int c = 0; c < COLUMNS; c++) r->v[c] = number_at(line, detection_columns[c]);
    *iter = at;
    *teacher = is_teacher;
    r->there = true;
}

/* The last evaluation in metrics.jsonl. */
static void read_detection(const char *dir, result *r) {
    char *path = bl_path_join(dir, "metrics.jsonl"), *text = NULL;
    size_t size = 0;
    double iter = -1;
    bool teacher = false;
    if (path && bl_exists(path) && bl_read_file(path, RUN_BYTES, &text, &size) == BL_OK)
        for (char *p = text, *end; p < text + size; p = end + 1) {
            end = memchr(p, '\n', (size_t)(text + size - p));
            bl_json line = {0};
            if (!end || bl_json_parse(p, (size_t)(end - p), path, &line) != BL_OK) break;
            take_line(line.root, r, &iter, &teacher);
            bl_json_free(&line);
        }
    free(path);
    free(text);
}

static bl_status collect(const bl_sweep *s, const bl_sweep_options *opt, table *t) {
    *t = (table){.s = s};
    t->r = calloc((size_t)s->n_runs * (size_t)s->seeds.n, sizeof *t->r);
    if (!t->r) return bl_no_memory("for the table");
    for (int32_t i = 0; i < s->n_runs * s->seeds.n; i++) {
        char *dir = bl_sweep_folder(s, opt, i / s->seeds.n, i % s->seeds.n);
        if (!dir) return BL_ENOMEM;
        if (!read_summary(dir, s->statistic, &t->r[i])) read_detection(dir, &t->r[i]);
        t->classification |= t->r[i].classification;
        free(dir);
    }
    return BL_OK;
}

static const char *const *columns_of(const table *t) {
    return t->classification ? class_columns : detection_columns;
}

/* Mean and sample standard deviation over the seeds with a result; std NaN below two. */
static int statistics(const table *t, int32_t run, int column, double *mean, double *std) {
    double sum = 0, square = 0;
    int n = 0;
    const result *r = t->r + run * t->s->seeds.n;
    for (int32_t i = 0; i < t->s->seeds.n; i++)
        if (r[i].there && !isnan(r[i].v[column])) {
            sum += r[i].v[column];
            n++;
        }
    *mean = n ? sum / n : NAN;
    for (int32_t i = 0; i < t->s->seeds.n; i++)
        if (r[i].there && !isnan(r[i].v[column]))
            square += (r[i].v[column] - *mean) * (r[i].v[column] - *mean);
    *std = n > 1 ? sqrt(square / (n - 1)) : NAN;
    return n;
}

/* Differences of a run to the baseline in one column, paired by seed. */
static bl_paired against_baseline(const table *t, int32_t run, int column) {
    int32_t n = t->s->seeds.n, kept = 0;
    double a[MAX_SEEDS], b[MAX_SEEDS];
    for (int32_t i = 0; i < n && kept < MAX_SEEDS; i++) {
        const result *x = &t->r[run * n + i], *y = &t->r[t->s->baseline * n + i];
        if (!x->there || !y->there) continue;
        a[kept] = x->v[column];
        b[kept++] = y->v[column];
    }
    return bl_paired_test(a, b, kept);
}

static void put_difference(bl_paired d, FILE *f) {
    if (isnan(d.mean))
        fputs(" - |", f);
    else if (isnan(d.std))
        fprintf(f, " %+.2f |", 100 * d.mean);
    else if (isnan(d.p))
        fprintf(f, " %+.2f ± %.2f |", 100 * d.mean, 100 * d.std);
    else
        fprintf(f, " %+.2f ± %.2f (%.2g) |", 100 * d.mean, 100 * d.std, d.p);
}

static void put_head(const table *t, const char *first, FILE *f) {
    fprintf(f, "| %s | seeds |", first);
    for (int c = 0; c < COLUMNS; c++) fprintf(f, " %s |", columns_of(t)[c]);
    fputs("\n|---|---|", f);
    for (int c = 0; c < COLUMNS; c++) fputs("---|", f);
    fputc('\n', f);
}

static void put_paired(const table *t, FILE *f) {
    const char *baseline = t->s->run[t->s->baseline].name;
    fprintf(f,
            "\nAgainst %s, by seed: mean difference in points ± sample standard deviation "
            "(two-sided p of a paired t-test).\n\n",
            baseline);
    put_head(t, "run", f);
    for (int32_t i = 0; i < t->s->n_runs; i++) {
        if (i == t->s->baseline) continue;
        fprintf(f, "| %s | %d |", t->s->run[i].name, (int)against_baseline(t, i, 0).n);
        for (int c = 0; c < COLUMNS; c++) put_difference(against_baseline(t, i, c), f);
        fputc('\n', f);
    }
}

static void put_markdown(const table *t, FILE *f) {
    put_head(t, "run", f);
    for (int32_t i = 0; i < t->s->n_runs; i++) {
        double mean, std;
        fprintf(f, "| %s | %d |", t->s->run[i].name, statistics(t, i, 0, &mean, &std));
        for (int c = 0; c < COLUMNS; c++) {
            statistics(t, i, c, &mean, &std);
            if (isnan(mean))
                fputs(" - |", f);
            else if (isnan(std))
                fprintf(f, " %.2f |", 100 * mean);
            else
                fprintf(f, " %.2f ± %.2f |", 100 * mean, 100 * std);
        }
        fputc('\n', f);
    }
    if (t->classification)
        fprintf(f,
                "\nPer cent; %s of each run's evaluations, mean ± sample standard deviation over "
                "seeds.\n",
                t->s->statistic);
    else
        fputs("\nPer cent; last evaluation, mean ± sample standard deviation over seeds.\n", f);
    if (t->s->baseline >= 0) put_paired(t, f);
}

static void csv_value(FILE *f, double v) {
    fputc(',', f);
    if (!isnan(v)) fprintf(f, "%.10g", v);
}

/* One line a run and seed; the means are left to the reader's tool and to sweep.json. */
static void put_csv(const table *t, FILE *f) {
    const char *const *columns = columns_of(t);
    fputs("run,seed", f);
    for (int c = 0; c < COLUMNS; c++) fprintf(f, ",%s", columns[c]);
    fputc('\n', f);
    for (int32_t i = 0; i < t->s->n_runs * t->s->seeds.n; i++) {
        if (!t->r[i].there) continue;
        bl_csv_put_text(f, t->s->run[i / t->s->seeds.n].name);
        fprintf(f, ",%lld", (long long)t->s->seeds.v[i % t->s->seeds.n]);
        for (int c = 0; c < COLUMNS; c++) csv_value(f, t->r[i].v[c]);
        fputc('\n', f);
    }
}

static struct json_object *row_json(const table *t, const bl_sweep_options *opt, int32_t run) {
    const char *const *columns = columns_of(t);
    struct json_object *o = json_object_new_object(), *list = json_object_new_array();
    struct json_object *means = json_object_new_object(), *stds = json_object_new_object();
    bl_json_add(&o, "name", json_object_new_string(t->s->run[run].name));
    bl_json_add(&o, "config", json_object_new_string(t->s->run[run].config));
    for (int32_t i = 0; i < t->s->seeds.n; i++) {
        const result *r = &t->r[run * t->s->seeds.n + i];
        char *dir = r->there ? bl_sweep_folder(t->s, opt, run, i) : NULL;
        if (!dir) continue;
        struct json_object *e = json_object_new_object();
        bl_json_add(&e, "seed", json_object_new_int64(t->s->seeds.v[i]));
        bl_json_add(&e, "folder", json_object_new_string(dir));
        for (int c = 0; c < COLUMNS; c++)
            bl_json_add(&e, columns[c], json_object_new_double(r->v[c]));
        bl_json_append(&list, e);
        free(dir);
    }
    for (int c = 0; c < COLUMNS; c++) {
        double mean, std;
        statistics(t, run, c, &mean, &std);
        bl_json_add(&means, columns[c], json_object_new_double(mean));
        bl_json_add(&stds, columns[c], json_object_new_double(std));
    }
    if (t->s->baseline >= 0 && run != t->s->baseline) {
        struct json_object *paired = json_object_new_object();
        for (int c = 0; c < COLUMNS; c++) {
            bl_paired d = against_baseline(t, run, c);
            struct json_object *e = json_object_new_object();
            bl_json_add(&e, "pairs", json_object_new_int(d.n));
            bl_json_add(&e, "mean", json_object_new_double(d.mean));
            bl_json_add(&e, "std", json_object_new_double(d.std));
            bl_json_add(&e, "p", json_object_new_double(d.p));
            bl_json_add(&paired, columns[c], e);
        }
        bl_json_add(&o, "against_baseline", paired);
    }
    bl_json_add(&o, "mean", means);
    bl_json_add(&o, "std", stds);
    bl_json_add(&o, "runs", list);
    return o;
}

static bl_status write_json(const table *t, const bl_sweep_options *opt, const char *path) {
    struct json_object *root = json_object_new_object(), *rows = json_object_new_array();
    bl_json_add(&root, "protocol",
                json_object_new_string(t->classification ? "classification" : "detection"));
    bl_json_add(&root, "statistic",
                json_object_new_string(t->classification ? t->s->statistic : "last"));
    if (t->s->baseline >= 0)
        bl_json_add(&root, "baseline", json_object_new_string(t->s->run[t->s->baseline].name));
    for (int32_t i = 0; i < t->s->n_runs; i++) bl_json_append(&rows, row_json(t, opt, i));
    bl_json_add(&root, "rows", rows);
    bl_status status = bl_json_save(root, path);
    json_object_put(root);
    return status;
}

static bl_status write_text(const table *t, const char *path,
                            void (*put)(const table *t, FILE *f)) {
    bl_outfile o = {0};
    bl_status status = bl_outfile_open(path, &o);
    if (status == BL_OK) {
        bl_point format = bl_point_begin();
        put(t, o.f);
        bl_point_end(format);
        status = bl_outfile_commit(&o);
    }
    bl_outfile_abort(&o);
    return status;
}

bl_status bl_sweep_write_tables(const bl_sweep *s, const bl_sweep_options *opt) {
    table t;
    char *json = bl_path_join(opt->out_dir, "sweep.json");
    char *csv = bl_path_join(opt->out_dir, "sweep.csv"),
         *md = bl_path_join(opt->out_dir, "sweep.md");
    bl_status status = collect(s, opt, &t);
    if (status == BL_OK && (!json || !csv || !md)) status = bl_no_memory(NULL);
    if (status == BL_OK) status = write_json(&t, opt, json);
    if (status == BL_OK) status = write_text(&t, csv, put_csv);
    if (status == BL_OK) status = write_text(&t, md, put_markdown);
    free(t.r);
    free(json);
    free(csv);
    free(md);
    return status;
}

bl_status bl_sweep_print(const bl_sweep *s, const bl_sweep_options *opt, FILE *f) {
    table t;
    bl_status status = collect(s, opt, &t);
    if (status == BL_OK) put_markdown(&t, f);
    free(t.r);
    return status;
}
