/* Training, evaluation and prediction runs: what the program's sub-commands call.
 *
 * Everything a run does is described by a bl_run_config (one strict JSON file plus overrides) and
 * happens below one run folder (docs/run-folder.md). What a run learns, detection or
 * classification, is its task; each task has sections of its own beside the common ones. */
#ifndef BALLAST_TRAIN_TRAIN_H
#define BALLAST_TRAIN_TRAIN_H

#include "core/schema.h"
#include "datasets/loading/classification/loader.h"
#include "datasets/loading/detection/loader.h"
#include "datasets/sets/data.h"
#include "datasets/splits/longtail.h"
#include "detector/faster_rcnn.h"
#include "kernels/ctx.h"
#include "nn/schedule.h"
#include "ssl/classification/method.h"
#include "ssl/detection/method.h"
#include "train/loss_scale.h"

typedef enum bl_data_format { BL_DATA_COCO, BL_DATA_VOC } bl_data_format;
/* Section "data". */
typedef struct bl_data_config {
    int32_t format;         /* bl_data_format */
    const char *root;       /* prefix of relative paths below; "" = the working directory */
    const char *labelled;   /* coco: annotation file; voc: ImageSets/Main name */
    const char *unlabelled; /* the same, a folder of images, or a list of files; "" = none */
    const char *validation; /* chooses the best checkpoint; "" = none */
    const char *test;
    /* Folders of the images; "" = image_dir, and for that the root or the VOC folder's own. */
    const char *image_dir, *unlabelled_image_dir, *validation_image_dir, *test_image_dir;
    double validation_share; /* of the labelled images, set aside for it; 0 = none */
    bl_strings classes;      /* voc: names in order; coco: must match the file when given */
    bool voc_one_based;
    bool exif; /* turn images as EXIF says (datasets/images/image.h) */
    bool skip_bad;
    bool drop_empty; /* drop labelled images without boxes */
    /* Class groups of the reports (train/detection/groups.h). */
    const char *groups; /* JSON file {"name": [class, ...], ...}; "" = none */
    double minority_ratio;
    bl_strings minority;
} bl_data_config;

typedef enum bl_task_name { BL_TASK_DETECTION, BL_TASK_CLASSIFICATION } bl_task_name;

/* Section "batch" of a classification run: images of each kind a step. */
typedef struct bl_classify_batch_config {
    int64_t labelled, unlabelled;
} bl_classify_batch_config;

typedef enum bl_optimiser { BL_OPTIM_SGD, BL_OPTIM_ADAM } bl_optimiser;
/* Section "optim". */
typedef struct bl_optim_config {
    int32_t kind; /* bl_optimiser */
    double lr, momentum, weight_decay, clip_norm;
    bool nesterov;
    double beta1, beta2, epsilon; /* adam */
    bl_loss_scale_config loss_scale;
    double shrink; /* after each step, all weights and statistics times 1 - shrink * lr */
} bl_optim_config;

typedef enum bl_protocol_name {
    BL_PROTOCOL_COCO,
    BL_PROTOCOL_LVIS,
    BL_PROTOCOL_LVIS_FIXED
} bl_protocol_name;
extern const char *const bl_protocol_names[];

/* Section "run". */
typedef struct bl_run_section {
    int64_t iterations, seed, threads;
    int64_t accumulate; /* batches whose gradients make one step; detection */
    const char *device, *backend, *tuning_file;
    bool adapt_threads, deterministic;
    int32_t precision;    /* bl_precision */
    bool prefetch_device; /* batches are sent to the device ahead of their steps */
    bool graphs;          /* a GPU's work is collected and replayed */
    int64_t log_every, eval_every, checkpoint_every, keep_checkpoints, samples;
    int32_t protocol; /* bl_protocol_name, of detection */
    int64_t eval_batch;
    bool eval_student;
    int64_t eval_limit;     /* test images used during training; 0 = all */
    bool eval_test;         /* with validation images, too: the test images at every evaluation */
    int64_t patience;       /* evaluations without a better one that end the run; 0 = off */
    const char *init_from;  /* safetensors to start from (partial import); "" = none */
    const char *init_model; /* whose weights of a checkpoint: student, teacher */
    bl_strings init_skip;   /* beginnings of tensor names that are not read */
    bool features;          /* classification: features of the test images at the last evaluation */
    /* Consecutive non-finite losses tolerated (step skipped) before stopping */
    int64_t max_bad_steps;
} bl_run_section;

typedef struct bl_run_config {
    int32_t task; /* bl_task_name */
    bl_run_section run;
    bl_optim_config optim;
    bl_schedule_config schedule;
    /* detection */
    bl_data_config data;
    bl_view_config view;
    bl_loader_config loader;
    bl_detector_config detector;
    bl_method_config method;
    /* classification */
    bl_classify_data_config images;
    bl_longtail_config longtail;
    bl_classify_view_config views;
    bl_classify_loader_config class_loader; /* "loader" */
    bl_classify_batch_config batch;
    bl_classifier_config model;
    bl_classify_method_config class_method; /* "method" */
} bl_run_config;

/* Both describe a bl_run_config; a task's schema has the sections of that task only. */
extern const bl_schema bl_run_schema;          /* detection */
extern const bl_schema bl_classify_run_schema; /* classification */
const bl_schema *bl_run_schema_of(int32_t task);
/* bl_config_load with the schema of the task that the file (or an override) names; a list of
 * plug-ins that cannot work is refused. */
bl_status bl_run_config_load(const char *path, const char *const *overrides, int n_overrides,
                             bl_arena *arena, bl_run_config *out);
/* What section "run" says about the context. */
bl_ctx_options bl_run_ctx_options(const bl_run_section *run);

typedef struct bl_train_options {
    const char *out_dir;
    bool resume;    /* continue; fails when what decides results differs. A run that was stopped
                       before its first checkpoint starts anew */
    bool overwrite; /* an existing run folder is an error unless resume or overwrite */
    /* With resume: NULL, <out_dir>/last_checkpoint, an error when that is damaged; "previous", the
     * undamaged one before it; "auto", what of the two there is, and a new run where there is none;
     * else a file in <out_dir>/ckpt. */
    const char *resume_from;
    bool no_verify;     /* take a checkpoint without its checksum */
    int64_t stop_after; /* stop (with a checkpoint) after this many iterations in total; 0 = never
                           (tests) */
    const char *command_line; /* for provenance */
    const char *to_continue;  /* advice to who stops it; NULL = "continue with --resume" */
    const volatile int *
        cancel; /* set non-zero by a signal handler: checkpoint and return BL_ECANCELLED; or NULL */
} bl_train_options;

/* Trains to run.iterations, evaluates, writes the run folder. */
bl_status bl_train(const bl_run_config *cfg, const bl_train_options *opt);

/* BL_ECONFIG, naming the first difference, unless the run in `run_dir` has this configuration. */
bl_status bl_train_same_config(const bl_run_config *cfg, const char *run_dir);

typedef struct bl_eval_options {
    const char *checkpoint; /* safetensors file, or a run folder (its last checkpoint) */
    const char *model;      /* "teacher", "student", "both"; NULL = teacher when there is one */
    const char *out_dir;    /* eval/ layout below; NULL = only print */
    double score_threshold; /* < 0: the config's */
    bool per_class;         /* the table has every class, however many there are */
    bool no_verify;         /* take a checkpoint without its checksum */
} bl_eval_options;
/* Evaluates a checkpoint on data.test and prints the table to `f` (NULL: no table). */
bl_status bl_evaluate_checkpoint(const bl_run_config *cfg, const bl_eval_options *opt, FILE *f);

typedef struct bl_predict_options {
    const char *checkpoint, *model;
    const char *const *images; /* files */
    int n_images;
    const char *out; /* JSON (of a detector COCO results with file names), or CSV when it ends in
                        .csv; NULL: only the table */
    bool skip_bad;   /* leave out images that cannot be read, with a warning */
    bool no_verify;  /* take a checkpoint without its checksum */
    /* detection */
    const char *draw_dir;   /* JPEGs with boxes, classes, scores and a legend; NULL = none */
    double score_threshold; /* < 0: 0.3 */
    /* classification */
    /* Instead of files: "test", "labelled", "unlabelled" or "validation" of the run */
    const char *set;
    bool probabilities; /* of all classes */
    FILE *table;        /* without `out`: of a detector a table, of a classifier CSV; NULL = none */
} bl_predict_options;
/* BL_ECONFIG for options of the other task, and when there is nothing to predict. */
bl_status bl_predict(const bl_run_config *cfg, const bl_predict_options *opt);

/* Reads the data sets of a config (absent ones are NULL). Without need_labelled only the test set.
 */
typedef struct bl_run_data {
    bl_dataset *labelled, *unlabelled, *validation, *test;
    int64_t n_skipped;
} bl_run_data;
bl_status bl_run_data_open(const bl_data_config *cfg, bool need_labelled, bl_run_data *out);
void bl_run_data_close(bl_run_data *d);

#endif
