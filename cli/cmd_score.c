#include <ctype.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/lists.h"
#include "cli/score.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/parallel.h"
#include "datasets/annotations/voc_list.h"
#include "eval/analysis/analysis.h"
#include "eval/results/class_groups.h"
#include "eval/results/voc_result.h"
#include "report/report.h"

typedef bl_score_options options;

const char *const bl_score_protocols[] = {"coco",      "coco-segm",  "lvis",
                                          "lvis-segm", "lvis-fixed", "lvis-fixed-segm",
                                          "voc07",     "voc12",      NULL};

static const char *const matches[] = {"ids", "names", NULL};

#define AT(field) offsetof(options, field)
static const bl_option table[] = {
    {BL_SCORE_GT(0, "Ground truth: COCO or LVIS JSON, or a Pascal VOC folder."), .required = true},
    {BL_CLI_TEXT("dt", AT(dt), "FILE", "Detections: a COCO result file."), .letter = 'd',
     .required = true},
    {.required = true, BL_CLI_OUT(AT(out), "DIR", "Folder to write.")},
    {BL_SCORE_PROTOCOL(0, "Default: coco.")},
    {BL_CLI_TEXT("iou", AT(ious), "LIST",
                 "IoU thresholds, 0.5,0.75 or START:STEP:END; default 0.5:0.05:0.95.")},
    {BL_CLI_TEXT("areas", AT(areas), "LIST",
                 "Area ranges in square pixels, NAME:MIN:MAX,...; MAX may be inf.")},
    {BL_CLI_TEXT(
        "max-dets", AT(max_dets), "LIST",
        "COCO: limits per image and class, ascending (1,10,100); LVIS: one, per image (300); "
        "Fixed AP: one, per class (10000).")},
    {BL_CLI_FLAG("class-agnostic", AT(class_agnostic), "Treat all classes as one.")},
    {BL_SCORE_GROUPS(0, "Groups of classes: JSON {\"group\": [\"class name\" or id, ...], ...}.")},
    {BL_SCORE_TRAIN_GT(0, "Training annotations: counts per class, majority and minority groups.")},
    {BL_SCORE_IMAGES(0, "Folder of the images: thumbnails of the costly ones.")},
    {BL_CLI_TEXT(
        "split", AT(split), "NAME",
        "VOC: the ImageSets/Main list to evaluate; default test, or every annotation where "
        "there are no lists.")},
    {BL_CLI_TEXT("classes", AT(classes), "A,B,...",
                 "VOC: class names in the order of their ids from 1; default: sorted.")},
    {BL_CLI_FLAG(
        "zero-based", AT(zero_based),
        "VOC: take corners as written, x = xmin and w = xmax - xmin; default: x = xmin - 1 and "
        "w = xmax - xmin + 1.")},
    {.name = "score",
     .type = BL_OPTION_REAL,
     .offset = AT(score),
     .value = "X",
     .doc = "Least score in the confusion matrix (default 0.3)."},
    {.name = "costly",
     .type = BL_OPTION_INT,
     .offset = AT(costly),
     .value = "N",
     .min = 0,
     .max = 1000,
     .doc = "Images named per class as the most costly (default 5)."},
    {.name = "match",
     .type = BL_OPTION_CHOICE,
     .offset = AT(match),
     .value = "ids|names",
     .choices = matches,
     .doc = "How image_id finds its image: ids (default; a text that is not an id is taken for the "
            "name "
            "of a file), or names of files, with or without folder and ending."},
    {BL_CLI_FLAG(
        "skip-unknown", AT(skip_unknown),
        "Leave out detections of images and categories that the ground truth does not have.")},
    {BL_CLI_FLAG("no-analysis", AT(no_analysis), "Metrics only: no error analysis.")},
    {BL_CLI_THREADS(AT(threads), "Threads; default: all cores.")},
    {0}};

const bl_score_options bl_score_defaults = {.protocol = "coco", .score = 0.3, .costly = 5};

typedef struct inputs {
    bl_eval_params params;
    bl_voc_params voc; /* voc07, voc12 */
    bool is_voc;
    bl_dataset *gt, *train;
    bl_detections dt;
    bl_class_groups groups;
    bl_findings warnings;
    bl_eval_result eval;
} inputs;

/* ---- the protocol ---- */

static bl_eval_params preset(const char *name) {
    bl_iou_kind kind = strstr(name, "segm") ? BL_IOU_SEGM : BL_IOU_BBOX;
    if (strncmp(name, "lvis-fixed", 10) == 0) return bl_eval_params_lvis_fixed(kind);
    if (strncmp(name, "lvis", 4) == 0) return bl_eval_params_lvis(kind);
    return kind == BL_IOU_SEGM ? bl_eval_params_coco_segm() : bl_eval_params_coco();
}

static bl_status set_limits(const options *o, bl_eval_params *p) {
    int32_t v[BL_EVAL_MAX_LIMITS];
    int n;
    BL_TRY(bl_cli_limits("max-dets", o->max_dets, BL_EVAL_MAX_LIMITS, v, &n));
    if (!p->max_dets_per_image && !p->max_dets_per_class) {
        memcpy(p->max_dets, v, sizeof v);
        p->n_limits = n;
        return BL_OK;
    }
    if (n > 1 || v[0] == BL_EVAL_UNLIMITED)
        return bl_fail(BL_ECONFIG, "--max-dets: %s has one limit, a number; got \"%s\"",
                       o->protocol, o->max_dets);
    bl_eval_set_max_dets(p, v[0]);
    return BL_OK;
}

static bl_status make_voc(const options *o, inputs *in) {
    in->voc = strcmp(o->protocol, "voc07") == 0 ? bl_voc_params_07() : bl_voc_params_12();
    /* A folder's boxes are read with w counting pixels, unless told otherwise: that is the kit's
     * +1. */
    in->voc.plus_one = !bl_is_dir(o->gt) || o->zero_based;
    if (o->areas || o->max_dets || o->class_agnostic)
        return bl_fail(BL_ECONFIG,
                       "--protocol %s has neither areas nor limits nor a class-agnostic mode",
                       o->protocol);
    if (o->ious) {
        int n;
        BL_TRY(bl_cli_reals("iou", o->ious, 1, &in->voc.iou, &n));
    }
    in->params = bl_voc_like_params(&in->voc);
    return bl_eval_params_check(&in->params) == BL_OK ? BL_OK
                                                      : bl_fail(BL_ECONFIG, "%s", bl_error());
}

static bl_status make_params(const options *o, inputs *in) {
    bl_eval_params *p = &in->params;
    in->is_voc = strncmp(o->protocol, "voc", 3) == 0;
    if (in->is_voc) return make_voc(o, in);
    *p = preset(o->protocol);
    if (o->ious) BL_TRY(bl_cli_reals("iou", o->ious, BL_EVAL_MAX_IOUS, p->ious, &p->n_ious));
    if (o->areas) BL_TRY(bl_cli_areas("areas", o->areas, p->areas, &p->n_areas));
    if (o->max_dets) BL_TRY(set_limits(o, p));
    p->class_agnostic = o->class_agnostic;
    if (o->class_agnostic && o->groups)
        return bl_fail(BL_ECONFIG,
                       "--class-agnostic puts all classes together: leave out --groups");
    return bl_eval_params_check(p) == BL_OK ? BL_OK : bl_fail(BL_ECONFIG, "%s", bl_error());
}

/* ---- ground truth ---- */

/* The digits of a file's name, as tools number VOC images ("2008_000002.jpg" is 2008000002); -1
 * without digits or with too many. */
static int64_t number_of(const char *file) {
    const char *base = strrchr(file, '/'), *end;
    base = base ? base + 1 : file;
    end = strrchr(base, '.');
    int64_t v = -1;
    for (const char *p = base; *p && p != end; p++) {
        if (!isdigit((unsigned char)*p)) continue;
        if (v > INT64_MAX / 100) return -1;
        v = (v < 0 ? 0 : v * 10) + (*p - '0');
    }
    return v;
}

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* VOC has no image ids: the numbers in the file names, or positions in the list where those are not
 * unique. */
static bl_status number_images(bl_dataset *d) {
    size_t n = (size_t)d->n_images;
    int64_t *v = malloc((n + 1) * sizeof *v);
    if (!v) return bl_no_memory("for %zu images", n);
    bool usable = true;
    for (size_t i = 0; i < n; i++) usable &= (v[i] = number_of(d->images[i].file)) >= 0;
    qsort(v, n, sizeof *v, by_value);
    for (size_t i = 1; i < n; i++) usable &= v[i] != v[i - 1];
    for (size_t i = 0; i < n; i++)
        d->images[i].id = usable ? number_of(d->images[i].file) : (int64_t)i + 1;
    free(v);
    BL_INFO("%s: image ids are %s", d->name,
            usable ? "the numbers in the file names" : "positions in the list, from 1");
    return BL_OK;
}

static bl_status read_voc(const options *o, bl_findings *w, bl_dataset **out) {
    bl_read_options opt = {.evaluation = true};
    const char **names, *split = o->split;
    int n;
    bl_arena *arena = bl_arena_create(0);
    if (!arena) return BL_ENOMEM;
    if (!split && bl_voc_has_lists(o->gt)) split = "test";
    bl_status status = bl_cli_names("classes", o->classes, arena, &names, &n);
    if (status == BL_OK) status = bl_voc_read(o->gt, split, names, n, !o->zero_based, &opt, out);
    bl_arena_destroy(arena);
    BL_TRY(status);
    if (opt.n_from_zero)
        bl_finding_add(w, "corners-from-0", opt.n_from_zero,
                       "%s: %" PRId64
                       " object%s a corner at pixel 0, but Pascal VOC counts from 1: "
                       "these corners count from 0, so score with --zero-based",
                       (*out)->name, opt.n_from_zero, opt.n_from_zero == 1 ? " has" : "s have");
    return number_images(*out);
}

static bl_status read_coco(const options *o, bool masks, bl_findings *w, bl_dataset **out) {
    bl_read_options opt = {.evaluation = true, .masks = masks};
    BL_TRY(bl_coco_read(o->gt, o->images ? o->images : "", &opt, out));
    if (opt.no_categories)
        bl_finding_add(w, "no-categories", (*out)->n_categories,
                       "%s: has no \"categories\"; the %" PRId32
                       " that annotations name are taken, "
                       "and a class without any is not counted",
                       o->gt, (*out)->n_categories);
    return BL_OK;
}

static bl_status read_truth(const options *o, bool masks, bl_findings *w, bl_dataset **out) {
    if (!bl_is_dir(o->gt)) {
        if (o->classes || o->zero_based)
            return bl_fail(BL_ECONFIG, "--classes and --zero-based are for Pascal VOC folders");
        return read_coco(o, masks, w, out);
    }
    if (masks) return bl_fail(BL_ECONFIG, "--protocol %s: a VOC folder has no masks", o->protocol);
    return read_voc(o, w, out);
}

/* ---- all inputs ---- */

static void note_unknown(const options *o, const bl_detections_options *r, bl_findings *w) {
    if (r->n_unknown_images)
        bl_finding_add(w, "unknown-images", r->n_unknown_images,
                       "%s: left out %" PRId64
                       " detections of images that %s does not have (first: "
                       "image_id %s)",
                       o->dt, r->n_unknown_images, o->gt, r->unknown_image);
    if (r->n_unknown_categories)
        bl_finding_add(w, "unknown-categories", r->n_unknown_categories,
                       "%s: left out %" PRId64
                       " detections of categories that %s does not have (first: "
                       "category_id %s)",
                       o->dt, r->n_unknown_categories, o->gt, r->unknown_category);
}

static void note_reading(const options *o, const bl_detections_options *r, bl_findings *w) {
    note_unknown(o, r, w);
    if (r->n_named)
        BL_INFO("%s: %" PRId64 " detections name their image by its file", o->dt, r->n_named);
    if (r->n_keypoints)
        bl_finding_add(w, "keypoints", r->n_keypoints,
                       "%s: %" PRId64 " detections have keypoints, which are not evaluated: the "
                       "numbers are those of their boxes or masks",
                       o->dt, r->n_keypoints);
}

static bl_status read_inputs(const options *o, inputs *in) {
    BL_TRY(make_params(o, in));
    bool masks = in->params.kind == BL_IOU_SEGM;
    bool by_name = o->match && strcmp(o->match, "names") == 0;
    bl_detections_options reading = {
        .skip_unknown = o->skip_unknown, .masks = masks, .by_name = by_name};
    BL_TRY(read_truth(o, masks, &in->warnings, &in->gt));
    BL_TRY(bl_detections_read_with(o->dt, in->gt, &reading, &in->dt));
    if (o->train_gt)
        BL_TRY(bl_coco_read(o->train_gt, "", &(bl_read_options){.evaluation = true}, &in->train));
    if (!o->class_agnostic)
        BL_TRY(bl_class_groups_make(
            in->gt,
            &(bl_class_groups_source){.train = in->train, .file = o->groups, .minority_ratio = 0.2},
            &in->groups));
    note_reading(o, &reading, &in->warnings);
    return bl_input_check(in->gt, &in->dt, &in->params, in->train, o->dt, &in->warnings);
}

static void free_inputs(inputs *in) {
    bl_eval_result_free(&in->eval);
    bl_findings_free(&in->warnings);
    bl_class_groups_free(&in->groups);
    bl_detections_free(&in->dt);
    bl_dataset_free(in->train);
    bl_dataset_free(in->gt);
}

/* ---- what is written ---- */

static bl_status analyse(const options *o, const inputs *in, const bl_results *r) {
    bl_analysis_options how = bl_analysis_defaults();
    bl_analysis a;
    int64_t unreadable = 0;
    how.params = &in->params;
    how.fates.score_threshold = o->score;
    how.costly = (int32_t)o->costly;
    how.image_dir = o->images;
    BL_TRY(bl_analysis_run(r, &how, &a));
    bl_status status = bl_analysis_write(o->out, r, &a, &unreadable);
    if (status == BL_OK && !o->quiet) bl_analysis_print(stdout, &a);
    if (unreadable)
        BL_WARN("%s: %" PRId64 " images cannot be read and have no thumbnail", o->images,
                unreadable);
    bl_analysis_free(&a);
    return status;
}

/* What an earlier call left would be taken for this one's. */
static bl_status forget_analysis(const options *o) {
    char *path = bl_path_join(o->out, "analysis.json");
    if (!path) return bl_no_memory("for a path");
    bl_status status = BL_OK;
    if (remove(path) != 0 && bl_exists(path)) status = bl_fail(BL_EIO, "%s: cannot remove", path);
    free(path);
    return status;
}

static bl_status write_report(const options *o) {
    char *path = bl_path_join(o->out, "report.html");
    const char *const dirs[] = {o->out};
    bl_status status = path ? bl_report_write(dirs, 1, NULL, path) : bl_no_memory("for the report");
    if (status == BL_OK) printf("report: %s\n", path);
    free(path);
    return status;
}

static bl_status score(const options *o, inputs *in) {
    BL_TRY(read_inputs(o, in));
    for (int i = 0; i < in->warnings.n; i++) BL_WARN("%s", in->warnings.v[i].message);
    BL_TRY(in->is_voc ? bl_voc_run(in->gt, &in->dt, &in->voc, &in->eval)
                      : bl_eval_run(in->gt, &in->dt, &in->params, &in->eval));
    const bl_results r = {.gt = in->gt,
                          .dt = &in->dt,
                          .eval = &in->eval,
                          .info = o->class_agnostic ? NULL : &in->groups.info,
                          .iter = -1,
                          .source = o->dt,
                          .warnings = &in->warnings};
    if (!o->quiet) {
        printf("%s: %d images, %" PRId64 " objects, %" PRId64 " detections (%s)\n", o->gt,
               in->gt->n_images, in->gt->n_anns, in->dt.n, o->dt);
        bl_results_print(stdout, &r);
    }
    BL_TRY(bl_results_write(o->out, &r));
    BL_TRY(o->no_analysis ? forget_analysis(o) : analyse(o, in, &r));
    if (o->quiet) return BL_OK;
    BL_TRY(write_report(o));
    printf("results: %s\n", o->out);
    return BL_OK;
}

bl_status bl_score_run(const bl_score_options *o) {
    inputs in = {0};
    bl_status status = score(o, &in);
    free_inputs(&in);
    return status;
}

static bl_status run(const bl_invocation *invocation) {
    const options *o = invocation->options;
    bl_set_threads((int)o->threads);
    return bl_score_run(o);
}

const bl_command bl_score_command = {
    .name = "score",
    .summary = "Evaluate a result file of any tool: AP, per class, error analysis.",
    .synopsis = "--gt FILE|DIR --dt FILE --out DIR [OPTIONS]",
    .details =
        "Computes what pycocotools and lvis-api compute, to the last bit, and says under which\n"
        "protocol. Writes below DIR: report.html, metrics.json, per_class.csv, per_class.json,\n"
        "pr.json and analysis.json (confusion matrix, error breakdown, calibration, costly\n"
        "images). What commonly ruins numbers without an error is looked for and warned about.\n"
        "\n"
        "Groups of classes: those of --groups; else LVIS frequencies; else, with --train-gt,\n"
        "majority and minority (fewer than a fifth of the largest class's boxes).\n"
        "\n"
        "Detections of a VOC folder name images by the number in the file name (2008_000002 is\n"
        "image_id 2008000002) and classes by position, from 1. Their boxes count pixels from 0,\n"
        "w = xmax - xmin + 1, so that boxes of IoU 1 are equal in both.\n",
    .examples =
        "  ballast score --gt instances_val2017.json --dt results.json --out score\n"
        "  ballast score --gt lvis_v1_val.json --dt results.json --protocol lvis --out score\n"
        "  ballast score --gt val.json --dt results.json --train-gt train.json --images val2017 "
        "\\\n"
        "      --out score\n"
        "  ballast score --gt val.json --dt results.json --iou 0.5 --max-dets 300 --out score\n",
    .options = table,
    .options_size = sizeof(options),
    .defaults = &bl_score_defaults,
    .run = run,
};
