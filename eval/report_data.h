/* Run folders in memory, as the report needs them. Internal to eval/ (report.h is the interface).
 *
 * Everything lives in the report's arena. Numbers that a folder does not have, or that are
 * undefined there (null or negative), are NAN. Classes of different runs are matched by name. */
#ifndef BALLAST_EVAL_REPORT_DATA_H
#define BALLAST_EVAL_REPORT_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/status.h"

enum { REP_SUMMARY = 12, REP_MAX_GROUPS = 8, REP_CURVE = 101 };
extern const char *const rep_summary_keys[REP_SUMMARY]; /* "AP", "AP50", ... "ARl" */

/* Columns of per_class.json. */
typedef enum rep_metric {
    REP_TRAIN_IMAGES,
    REP_TRAIN_BOXES,
    REP_TEST_BOXES,
    REP_DETECTIONS,
    REP_AP,
    REP_AP50,
    REP_AP75,
    REP_APS,
    REP_APM,
    REP_APL,
    REP_AR,
    REP_F1,
    REP_F1_SCORE,
    REP_PRECISION,
    REP_RECALL,
    REP_TP,
    REP_FP,
    REP_FN,
    REP_METRICS
} rep_metric;
extern const char *const rep_metric_keys[REP_METRICS];

typedef struct rep_vec {
    double *v;
    int n, cap;
} rep_vec;
bl_status rep_push(bl_arena *a, rep_vec *v, double x);

typedef struct rep_series { /* of metrics.jsonl */
    const char *key;
    rep_vec x, y; /* iteration, value */
} rep_series;

/* One evaluation: a line of metrics.jsonl. */
typedef struct rep_eval {
    double iter, summary[REP_SUMMARY], group[REP_MAX_GROUPS]; /* group: AP */
} rep_eval;

/* Per-class state over training: arrays over the run's classes, one per "class" line. */
typedef enum rep_state {
    REP_WEIGHT,
    REP_THRESHOLD,
    REP_PSEUDO,
    REP_KEPT,
    REP_PSEUDO_PRECISION,
    REP_PSEUDO_RECALL,
    REP_STATES
} rep_state;
extern const char *const rep_state_keys[REP_STATES];

typedef struct rep_class_result {
    double m[REP_METRICS];
    double *p50, *p75; /* [REP_CURVE] or NULL */
} rep_class_result;

/* One model of a run (teacher or student): all its evaluations, and the last in detail. */
typedef struct rep_model {
    const char *name; /* NULL: the run has no such model */
    rep_eval *evals;
    int n_evals, cap_evals;
    double iter;                               /* of the last evaluation */
    double summary[REP_SUMMARY];               /* of the last evaluation */
    double group[REP_MAX_GROUPS][REP_SUMMARY]; /* the same by group */
    bool has_classes, has_curves;
    rep_class_result *classes; /* over the run's classes */
} rep_model;

typedef struct rep_class {
    const char *name;
    double train_images, train_boxes;
    int group; /* index into the report's groups, -1 unknown */
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
    const char *dir, *label;
    rep_class *classes;
    int n_classes;
    rep_model model[2]; /* [0] teacher, [1] student */
    rep_series *train;  /* loss, lr, ... of "train" lines, in order of appearance */
    int n_train, cap_train;
    rep_vec state_iter;        /* "class" lines */
    rep_vec state[REP_STATES]; /* line-major: n_classes numbers a line */
    double *background_weight; /* last one, NULL if none */
    rep_sample *samples;
    int n_samples;
    double samples_iter;
    const char *config, *provenance; /* file contents, NULL if absent */
    const char *missing[16];         /* what the folder lacks */
    int n_missing;
    int *of_class; /* report class -> class of this run, -1 */
} rep_run;

typedef struct rep_report {
    bl_arena *arena;
    const char *title;
    rep_run *runs;
    int n_runs;
    rep_class *classes; /* of all runs, by descending training boxes */
    int n_classes;
    bool by_frequency; /* false: counts unknown, file order */
    const char *groups[REP_MAX_GROUPS];
    int n_groups;
} rep_report;

bl_status rep_load(rep_report *r, const char *const *dirs, int n_runs, const char *title);
/* The run's main model: the teacher if it has one. NULL if nothing was evaluated. */
const rep_model *rep_main_model(const rep_run *run);
/* A metric of report class k in a run's main model; NAN if unknown. */
double rep_class_metric(const rep_report *r, const rep_run *run, int k, rep_metric m);
const rep_class_result *rep_class_of(const rep_run *run, const rep_model *m, int k);
/* NULL if the run has no such series. */
const rep_series *rep_find(const rep_run *run, const char *key);
/* State of report class k at line i; NAN if unknown. */
double rep_state_at(const rep_run *run, rep_state s, int line, int k);
bool rep_has_state(const rep_run *run, rep_state s);

/* Parts of loading, one file each. */
bl_status rep_load_metrics(rep_report *r, rep_run *run); /* metrics.jsonl */
bl_status rep_load_eval(rep_report *r, rep_run *run);    /* eval/ */
bl_status rep_load_samples(rep_report *r, rep_run *run); /* samples/ */
void rep_missing(rep_report *r, rep_run *run, const char *what);
/* Index of a group name, added if new; -1 for "" or when there are too many. */
int rep_group(rep_report *r, const char *name);

/* ---- reading JSON documents ---- */
struct json_object;
struct json_object *rep_get(struct json_object *o, const char *key); /* NULL if absent or null */
double rep_number(struct json_object *o, const char *key);           /* NAN if absent */
double rep_score(struct json_object *o, const char *key);            /* NAN if negative, too */
const char *rep_string(struct json_object *o, const char *key);      /* "" if absent */
int rep_array(struct json_object *o, const char *key,
              struct json_object **out); /* length, 0 if absent */
double rep_value(struct json_object *o); /* a number below 1e30, or NAN */
/* <dir>/<a>/<b>... in the arena; `parts` ends with NULL. */
char *rep_path(bl_arena *a, const char *dir, const char *const *parts);
/* Name of the entry "iter_<number>" of a folder with the largest number that holds `need`; NULL if
 * none. */
char *rep_last_iter(bl_arena *a, const char *dir, const char *need, double *iter);

#endif
