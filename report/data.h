/* Result folders in memory, as the report needs them. Internal to eval/ (report.h is the
 * interface).
 *
 * Everything lives in the report's arena. Numbers that a folder does not have, or that are
 * undefined there (null or negative), are NAN. Classes of different runs are matched by name. */
#ifndef BALLAST_REPORT_DATA_H
#define BALLAST_REPORT_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/status.h"
#include "report/report.h"

enum { REP_COLUMNS = 64, REP_MAX_GROUPS = 8, REP_CURVE = 101, REP_MODELS = 5 };

/* ---- metrics: their names and units ---- */

typedef enum rep_format { REP_PERCENT, REP_COUNT, REP_NUMBER } rep_format;

typedef struct rep_column {
    const char *key;   /* in the files */
    const char *name;  /* as a heading */
    const char *title; /* what it is; NULL if the name says it */
    rep_format format;
    bool lower;  /* lower is better */
    bool hidden; /* shown as the compared metric of a group instead */
} rep_column;

typedef struct rep_columns { /* in order of appearance */
    rep_column v[REP_COLUMNS];
    int n;
    int primary; /* the one to compare by; -1 without columns */
} rep_columns;

struct json_object;
int bl_rep_column_find(const rep_columns *c, const char *key); /* -1 if absent */
/* Index of `key`, added if new; -1 when there is no room. `value` lets an unknown metric be taken
 * for a fraction or a number. */
int bl_rep_column_add(bl_arena *a, rep_columns *c, const char *key, double value);
/* Takes "columns": [{"key", "name", "title", "unit", "lower_is_better"}] and "primary" of a
 * document. */
bl_status bl_rep_column_describe(bl_arena *a, rep_columns *c, struct json_object *document);
/* Settles c->primary: what a folder said, or the best known of the columns. */
void bl_rep_column_choose(rep_columns *c);

/* ---- what a run holds ---- */

typedef struct rep_vec {
    double *v;
    int n, cap;
} rep_vec;
bl_status bl_rep_push(bl_arena *a, rep_vec *v, double x);

typedef struct rep_series { /* of metrics.jsonl */
    const char *key;
    rep_vec x, y; /* iteration, value */
} rep_series;
typedef struct rep_series_list {
    rep_series *v;
    int n, cap;
} rep_series_list;
/* NULL if there is no such series. */
const rep_series *bl_rep_series_find(const rep_series_list *list, const char *key);

/* Per-class state over training: arrays over the run's classes, one per "class" line. */
typedef enum rep_state {
    REP_WEIGHT,
    REP_THRESHOLD,
    REP_PSEUDO,
    REP_KEPT,
    REP_PSEUDO_PRECISION,
    REP_PSEUDO_RECALL,
    REP_POSITIVE,
    REP_NEGATIVE,
    REP_SCORE,
    REP_LOGIT, /* may be below 0 */
    REP_STATES
} rep_state;
extern const char *const bl_rep_state_keys[REP_STATES];

typedef struct rep_class_result {
    double m[REP_COLUMNS]; /* by the report's class columns */
    double *p50, *p75;     /* [REP_CURVE] or NULL */
} rep_class_result;

struct rep_analysis; /* report/analysis.h */

/* One model of a run (teacher, student, ...): all its evaluations, and the last in detail. */
typedef struct rep_model {
    const char *name; /* NULL: the run has no such model; "": a result without one */
    const char *dir;  /* of the last evaluation, NULL if only metrics.jsonl tells of it */
    rep_series_list evals;
    double iter;               /* of the last evaluation, NAN if unknown */
    double images, detections; /* evaluated */
    const char *protocol;      /* "" if not stated */
    const char **warnings;     /* that the evaluator gave */
    int n_warnings;
    double summary[REP_COLUMNS];               /* by the report's summary columns */
    double group[REP_MAX_GROUPS][REP_COLUMNS]; /* the same by group */
    bool has_classes, has_curves;
    rep_class_result *classes;  /* over the run's classes */
    const char *truth, *source; /* ground truth and result file, "" if not stated */
    struct rep_analysis *analysis;
} rep_model;

typedef struct rep_class {
    const char *name;
    double train_images, train_boxes; /* classification: boxes unknown */
    int group;                        /* index into the report's groups, -1 unknown */
} rep_class;

typedef struct rep_box {
    double box[4], score; /* score NAN: ground truth */
    const char *label;
} rep_box;
typedef struct rep_sample {
    const char *file, *set;
    double width, height;
    const char *data_uri; /* NULL: the file is missing */
    char sha256[65];
    rep_box *box[3]; /* truth, predictions, pseudo */
    int n_box[3];
} rep_sample;

typedef struct rep_run {
    const char *dir, *label, *origin;
    bool scored; /* a result without training */
    int method;
    rep_class *classes;
    int n_classes;
    bool other_counts;           /* its labelled counts are not those that the report shows */
    rep_model model[REP_MODELS]; /* by preference */
    rep_series_list train;       /* loss, lr, ... of "train" lines, in order of appearance */
    rep_vec state_iter;          /* "class" lines */
    rep_vec state[REP_STATES];   /* line-major: n_classes numbers a line */
    rep_sample *samples;
    int n_samples;
    double samples_iter;
    const char *config, *provenance, *best; /* file contents, NULL if absent */
    const char *missing[16];                /* what the folder lacks */
    int n_missing;
    int *of_class; /* report class -> class of this run, -1 */
} rep_run;

/* Runs that are compared as one: a single run, or the seeds of a method. */
typedef struct rep_method {
    const char *label;
    int *runs;
    int n;
} rep_method;

struct bl_report {
    bl_arena *arena;
    const char *title;
    rep_run *runs;
    int n_runs;
    rep_method *methods;
    int n_methods, baseline; /* baseline: a method */
    bool seeds;              /* some method has several runs */
    rep_columns summary, per_class;
    rep_class *classes; /* of all runs, by descending training count */
    int n_classes;
    bool by_frequency; /* false: counts unknown, file order */
    bool count_images; /* the training count is images, not boxes */
    const char *groups[REP_MAX_GROUPS];
    int n_groups;
};
typedef struct bl_report rep_report;

bl_status bl_rep_load(rep_report *r, const bl_report_source *sources, int n,
                      const bl_report_options *options);

/* ---- questions ---- */

/* The run's main model: the teacher if it has one. NULL if nothing was evaluated. */
const rep_model *bl_rep_main_model(const rep_run *run);
/* "teacher", ... or "" */
const char *rep_model_name(const rep_model *m);
/* Metric i of all classes (group -1) or of a group; NAN if unknown. */
double bl_rep_summary_value(const rep_model *m, int group, int i);
/* A metric of report class k in a run's main model; NAN if unknown. */
double bl_rep_class_metric(const rep_run *run, int k, int column);
const rep_class_result *bl_rep_class_of(const rep_run *run, const rep_model *m, int k);
/* Boxes of a class in the training set; images where boxes are unknown; NAN if neither is known. */
double bl_rep_count_of(const rep_class *c);
/* The same of report class k. */
double bl_rep_train_count(const rep_report *r, int k);
/* State of report class k at line i; NAN if unknown. */
double bl_rep_state_at(const rep_run *run, rep_state s, int line, int k);
bool bl_rep_has_state(const rep_run *run, rep_state s);

/* Mean, spread and range over a method's runs; std NAN below two runs. */
typedef struct rep_stat {
    double mean, std, lo, hi;
    int n;
} rep_stat;
void bl_rep_stat_add(rep_stat *s, double *sum_of_squares, double x); /* Welford; NAN is skipped */
rep_stat bl_rep_method_summary(const rep_report *r, int method, int group, int column);
rep_stat bl_rep_method_class(const rep_report *r, int method, int k, int column);
/* Difference to the baseline, and its standard error where both have seeds (else NAN). */
typedef struct rep_gain {
    double value, error;
} rep_gain;
rep_gain bl_rep_difference(rep_stat a, rep_stat base);
/* The first run of a method: it stands for it where means make no sense. */
const rep_run *bl_rep_first(const rep_report *r, int method);

/* ---- parts of loading, one file each ---- */

bl_status bl_rep_load_metrics(rep_report *r, rep_run *run);  /* metrics.jsonl */
bl_status bl_rep_load_eval(rep_report *r, rep_run *run);     /* eval/ of a run */
bl_status bl_rep_load_score(rep_report *r, rep_run *run);    /* a score folder */
bl_status bl_rep_load_samples(rep_report *r, rep_run *run);  /* samples/ */
bl_status bl_rep_load_analysis(rep_report *r, rep_model *m); /* analysis.json, confusion.json */
bl_status bl_rep_make_methods(rep_report *r, const bl_report_options *options);
/* The slot of a model, marked as present; NULL for an unknown name. */
rep_model *bl_rep_model_named(rep_run *run, const char *name);
void bl_rep_missing(rep_report *r, rep_run *run, const char *what);
/* Index of a group name, added if new; -1 for "" or when there are too many. */
int bl_rep_group(rep_report *r, const char *name);
int bl_rep_class_named(const rep_class *v, int n, const char *name); /* -1 if absent */
/* The JPEG or PNG `file` of a folder as a data: address; NULL (and BL_OK) if it is absent, lies
 * outside of the folder, or is larger than `limit` bytes. */
bl_status bl_rep_image(bl_arena *a, const char *dir, const char *file, size_t limit,
                       const char **uri, char sha256[65]);

/* ---- configurations ---- */

typedef struct rep_setting { /* dotted key and JSON text */
    const char *key, *value;
} rep_setting;
typedef struct rep_settings {
    rep_setting *v;
    int n, cap;
} rep_settings;
/* Of a JSON document; empty for NULL or a broken one. */
rep_settings bl_rep_settings_of(bl_arena *a, const char *text);
const char *bl_rep_setting_find(const rep_settings *s, const char *key); /* NULL if absent */

/* ---- reading JSON documents ---- */

struct json_object *bl_rep_get(struct json_object *o, const char *key); /* NULL if absent or null */
double bl_rep_number(struct json_object *o, const char *key);           /* NAN if absent */
double bl_rep_score(struct json_object *o, const char *key);            /* NAN if negative, too */
const char *bl_rep_string(struct json_object *o, const char *key);      /* "" if absent */
int bl_rep_array(struct json_object *o, const char *key,
                 struct json_object **out); /* length, 0 if absent */
double bl_rep_value(struct json_object *o); /* a number below 1e30, or NAN */
/* <dir>/<a>/<b>... in the arena; `parts` ends with NULL. */
char *bl_rep_path(bl_arena *a, const char *dir, const char *const *parts);
/* Name of the entry "iter_<number>" of a folder with the largest number that holds `need`; NULL if
 * none. */
char *bl_rep_last_iter(bl_arena *a, const char *dir, const char *need, double *iter);

#endif
