#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "core/log.h"
#include "datasets/checks/validate.h"
#include "train/classification/data.h"
#include "train/detection/run_data.h"
#include "train/rehearse.h"
#include "train/start_weights.h"

typedef struct options {
    bool quick, checksums, classes;
    int64_t examples;
} options;

#define AT(field) offsetof(options, field)
static const bl_option table[] = {
    {BL_CLI_FLAG("quick", AT(quick), "Check annotations only; do not open the image files.")},
    {BL_CLI_FLAG("checksums", AT(checksums),
                 "Also find equal images by content, within and across sets.")},
    {.name = "examples",
     .type = BL_OPTION_INT,
     .offset = AT(examples),
     .value = "N",
     .min = 0,
     .max = 1000,
     .doc = "Examples shown of each finding (default 3)."},
    {BL_CLI_FLAG("classes", AT(classes), "Show the counts of every class.")},
    {0}};

static const options defaults = {.examples = 3};

typedef struct check {
    bl_run_config cfg;
    bl_dataset *set[BL_RUN_SETS]; /* NULL: not configured or unreadable */
    int errors, warnings;
} check;

static void complain(check *c, const char *where) {
    printf("error    %s: %s\n", where, bl_error());
    c->errors++;
}

static void print_set(const check *c, bl_run_set k) {
    const bl_dataset *d = c->set[k];
    if (!d) return;
    printf("%-10s %6d images, %7" PRId64 " boxes, %d classes (%s)\n", bl_run_set_name(k),
           d->n_images, d->n_anns, d->n_categories, d->name);
}

/* One set at a time, so that a broken file does not hide what is wrong with the others; and once
 * more with damage skipped, so that one broken entry does not hide the rest of its file. */
static void open_set(check *c, bl_run_set k) {
    bl_data_config one = c->cfg.data;
    const char *file = bl_run_set_file(&one, k), *name = bl_run_set_name(k);
    int64_t skipped = 0;
    if (!*file) {
        printf("%-10s not set\n", name);
        return;
    }
    if (k == BL_RUN_TEST && strcmp(file, one.labelled) == 0) {
        printf("%-10s the labelled images: its AP only shows whether the model can fit them\n",
               name);
        return;
    }
    if (bl_run_set_open(&one, k, &skipped, &c->set[k]) == BL_OK) return;
    complain(c, name);
    one.skip_bad = true;
    if (c->cfg.data.skip_bad || bl_run_set_open(&one, k, &skipped, &c->set[k]) != BL_OK) return;
    if (skipped) printf("         %s: %" PRId64 " broken entries; without them:\n", name, skipped);
}

/* As training joins them. A set that does not fit is left as it is, for the other checks. */
static void join_sets(check *c) {
    bl_run_data data = {.labelled = c->set[BL_RUN_LABELLED],
                        .unlabelled = c->set[BL_RUN_UNLABELLED],
                        .validation = c->set[BL_RUN_VALIDATION],
                        .test = c->set[BL_RUN_TEST]};
    if (bl_run_hold_out(&c->cfg.data, &data) != BL_OK) complain(c, "validation");
    if (bl_run_data_join(&data) != BL_OK) complain(c, "data");
    c->set[BL_RUN_LABELLED] = data.labelled;
    c->set[BL_RUN_VALIDATION] = data.validation;
    c->set[BL_RUN_UNLABELLED] = data.unlabelled;
    c->set[BL_RUN_TEST] = data.test;
    for (int k = 0; k < BL_RUN_SETS; k++) print_set(c, (bl_run_set)k);
}

static void say(const char *line) {
    puts(line);
}

/* Builds the model's description without memory for its weights. */
static void check_model(check *c, int classes) {
    bl_store *store = NULL;
    bl_detector *detector = NULL;
    bl_status status = bl_store_create(&store);
    if (status == BL_OK)
        status = bl_method_detector(&c->cfg.method, &c->cfg.detector, classes, store, &detector);
    if (status == BL_OK)
        printf("%-10s %" PRId64 " trained parameters for %d classes\n", "model",
               bl_store_params(store), classes);
    else
        complain(c, "detector");
    if (status == BL_OK && bl_start_weights_check(&c->cfg.run, store, say) != BL_OK)
        complain(c, "weights");
    bl_detector_destroy(detector);
    bl_store_destroy(store);
}

static void warn(void *arg, const char *line) {
    check *c = arg;
    printf("warning  %s\n", line);
    c->warnings++;
}

/* Sets up the whole run as training does: minority names, the plug-ins, the loader. What it would
 * log has been printed here by now. */
static bl_status rehearse(const check *c) {
    bl_log_set_level(BL_LOG_WARN);
    bl_status status = bl_train_rehearse(&c->cfg);
    bl_log_set_level(BL_LOG_INFO);
    return status;
}

static bl_status check_data(check *c, const options *o) {
    const bl_dataset *sets[BL_RUN_SETS];
    const char *labels[BL_RUN_SETS];
    int n = 0;
    for (int k = 0; k < BL_RUN_SETS; k++) {
        if (!c->set[k]) continue;
        sets[n] = c->set[k];
        labels[n++] = bl_run_set_name((bl_run_set)k);
    }
    if (n == 0) return BL_OK;
    bl_validate_config how = {.files = !o->quick,
                              .decode = !o->quick,
                              .checksums = o->checksums,
                              .masks = true,
                              .examples = o->examples};
    bl_validation v;
    BL_TRY(bl_validate(&how, sets, labels, n, &v));
    char *text = bl_validation_text(&v);
    if (text) printf("\n%s", text);
    free(text);
    c->errors += (int)v.n_errors;
    c->warnings += (int)v.n_warnings;
    bl_validation_free(&v);
    return text ? BL_OK : bl_no_memory("for the findings");
}

static bl_status print_classes(const check *c) {
    const bl_dataset *d = c->set[BL_RUN_LABELLED] ? c->set[BL_RUN_LABELLED] : c->set[BL_RUN_TEST];
    if (!d) return BL_OK;
    size_t n = (size_t)d->n_categories + 1;
    int64_t *images = calloc(2 * n, sizeof *images), *boxes = images + n;
    if (!images) return bl_no_memory("for %d classes", d->n_categories);
    bl_dataset_counts(d, false, images, boxes);
    printf("\n%-24s %10s %10s   (%s)\n", "class", "images", "boxes",
           d == c->set[BL_RUN_LABELLED] ? "labelled" : "test");
    for (int i = 0; i < d->n_categories; i++)
        printf("%-24s %10" PRId64 " %10" PRId64 "\n", d->categories[i].name, images[i], boxes[i]);
    free(images);
    return BL_OK;
}

static bl_status check_all(check *c, const options *o) {
    for (int k = 0; k < BL_RUN_SETS; k++) open_set(c, (bl_run_set)k);
    join_sets(c);
    if (!*c->cfg.data.labelled && !*c->cfg.data.test) {
        bl_fail(BL_ECONFIG, "neither data.labelled nor data.test is set");
        complain(c, "data");
    }
    if (bl_method_uses_unlabelled(&c->cfg.method) && !*c->cfg.data.unlabelled) {
        bl_fail(BL_ECONFIG,
                "the method learns from unlabelled images, but data.unlabelled is not set");
        complain(c, "data");
    }
    const bl_dataset *d = c->set[BL_RUN_LABELLED] ? c->set[BL_RUN_LABELLED] : c->set[BL_RUN_TEST];
    if (d && d->n_categories > 0) check_model(c, d->n_categories);
    BL_TRY(check_data(c, o));
    if (o->classes) BL_TRY(print_classes(c));
    bl_run_late_starts(&c->cfg, warn, c);
    if (c->errors == 0 && c->set[BL_RUN_LABELLED] && rehearse(c) != BL_OK) complain(c, "training");
    printf("\n%d error%s, %d warning%s\n", c->errors, c->errors == 1 ? "" : "s", c->warnings,
           c->warnings == 1 ? "" : "s");
    if (c->errors)
        return bl_fail(BL_EFORMAT, "%d error%s; training or evaluation would fail or mislead",
                       c->errors, c->errors == 1 ? "" : "s");
    puts("ready to train");
    return BL_OK;
}

/* Reads or draws the images and builds the network's description; nothing can be wrong with a set
 * in memory that reading it does not tell. */
static bl_status check_classification(check *c, const options *o) {
    const bl_run_config *cfg = &c->cfg;
    bl_classify_run_data data = {0};
    bl_classify_needs needs;
    bl_store *store = NULL;
    bl_classifier *model = NULL;
    bl_status status;
    BL_TRY_DONE(bl_classify_run_data_open(cfg, &data));
    const bl_classify_set *train = data.sets.train, *test = data.sets.test;
    BL_TRY_DONE(bl_classify_method_needs(&cfg->class_method, train->n_classes, &needs));
    BL_TRY_DONE(bl_classify_method_check_length(&cfg->class_method, cfg->run.iterations));
    printf("%-10s %6d images, %d classes, %dx%d px (%s)\n", "labelled", data.labelled.n,
           train->n_classes, train->width, train->height, train->name);
    printf("%-10s %6d images\n", "unlabelled", data.unlabelled.n);
    printf("%-10s %6d images\n", "test", test ? test->n : 0);
    if (needs.unlabelled && data.unlabelled.n == 0) {
        status = bl_fail(BL_ECONFIG,
                         "method.name %s learns from unlabelled images, but there are "
                         "none: set longtail.unlabelled_head",
                         cfg->class_method.name);
        goto done;
    }
    BL_TRY_DONE(bl_store_create(&store));
    BL_TRY_DONE(bl_classifier_create(&cfg->model, needs.head, needs.n_heads, store, &model));
    printf("%-10s %" PRId64 " trained parameters\n", "model", bl_store_params(store));
    BL_TRY_DONE(bl_start_weights_check(&cfg->run, store, say));
    for (int32_t k = 0; o->classes && k < train->n_classes; k++)
        printf("%-24s %10" PRId64 " %10" PRId64 "\n", train->class_names[k],
               data.labelled_counts[k], data.unlabelled_counts[k]);
    bl_run_late_starts(cfg, warn, c);
    BL_TRY_DONE(rehearse(c));
    puts("\nready to train");
done:
    bl_classifier_destroy(model);
    bl_store_destroy(store);
    bl_classify_run_data_close(&data);
    return status;
}

static bl_status run(const bl_invocation *in) {
    check c = {0};
    bl_arena *arena = bl_arena_create(0);
    if (!arena) return BL_ENOMEM;
    bl_status status = bl_cli_load_config(in->words.positional[0], in->words.settings,
                                          in->words.n_settings, arena, &c.cfg, NULL);
    if (status == BL_OK) {
        printf("%-10s %s\n", "config", in->words.positional[0]);
        status = c.cfg.task == BL_TASK_CLASSIFICATION ? check_classification(&c, in->options)
                                                      : check_all(&c, in->options);
    }
    for (int k = 0; k < BL_RUN_SETS; k++) bl_dataset_free(c.set[k]);
    bl_arena_destroy(arena);
    return status;
}

const bl_command bl_validate_command = {
    .name = "validate",
    .summary = "Check a configuration and its data before training.",
    .synopsis = "CONFIG|RUN [OPTIONS] [KEY.PATH=VALUE]...",
    .details =
        "Reads the configuration and every data set it names, sets the run up as training does,\n"
        "without a run folder, and looks for what would make\n"
        "training or evaluation fail or mislead: broken annotations, missing or truncated images,\n"
        "wrong sizes, degenerate boxes, damaged masks, duplicates, classes that differ between "
        "sets, images that\n"
        "are in two sets. Findings are errors, warnings or notes, each with examples and a "
        "remedy.\n"
        "Exits with 1 when there are errors.\n",
    .examples = "  ballast validate configs/bccd/full.json data.root=splits/bccd\n"
                "  ballast validate configs/coco/full_r50_10pct.json --quick\n",
    .options = table,
    .settings = BL_SETTINGS_DOTTED,
    .min_words = 1,
    .max_words = 1,
    .options_size = sizeof(options),
    .defaults = &defaults,
    .run = run,
};
