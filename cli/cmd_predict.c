#include <stddef.h>

#include "cli/command.h"
#include "datasets/images/file_list.h"

typedef struct options {
    const char *checkpoint, *model, *out, *draw, *set;
    double score;
    int64_t threads;
    bool probabilities, skip_bad, no_verify;
} options;

static const char *const models[] = {BL_CLI_MODELS, NULL};
static const char *const sets[] = {"test", "labelled", "unlabelled", "validation", NULL};

#define AT(field) offsetof(options, field)
static const bl_option table[] = {
    {BL_CLI_OUT(
        AT(out), "FILE",
        "JSON (of a detector COCO result entries with file names), or CSV when FILE ends in "
        ".csv; - is the standard output. Default: a table, of a classifier CSV, there.")},
    {BL_CLI_CHECKPOINT(AT(checkpoint))},
    {BL_CLI_NO_VERIFY(AT(no_verify))},
    {BL_CLI_MODEL(AT(model), models)},
    {BL_CLI_FLAG("skip-bad", AT(skip_bad),
                 "Leave out images that cannot be read, with a warning.")},
    {BL_CLI_TEXT(
         "draw", AT(draw), "DIR",
         "Detectors: folder for JPEGs with boxes, classes, scores and a legend, named like the "
         "images."),
     .letter = 'd'},
    {.name = "score",
     .type = BL_OPTION_REAL,
     .offset = AT(score),
     .value = "X",
     .min = 0,
     .max = 1,
     .doc = "Detectors: least score of a detection; default 0.3."},
    {.name = "set",
     .letter = 's',
     .type = BL_OPTION_CHOICE,
     .offset = AT(set),
     .value = "NAME",
     .choices = sets,
     .doc = "Images of the run instead of files."},
    {BL_CLI_FLAG("probabilities", AT(probabilities),
                 "Classifiers: the probability of every class, not only of the first."),
     .letter = 'p'},
    {BL_CLI_THREADS(AT(threads), "Same as run.threads=N.")},
    {0}};

static const options defaults = {.score = -1, .threads = -1};

static bl_status run(const bl_invocation *in) {
    const options *o = in->options;
    const char *what = in->words.positional[0];
    bl_status status = BL_OK;
    bl_run_config cfg;
    bl_file_list images = {0};
    const char *run_dir, *checkpoint;
    bl_arena *arena = bl_arena_create(0);
    if (!arena) return BL_ENOMEM;
    BL_TRY_DONE(
        bl_cli_load_config(what, in->words.settings, in->words.n_settings, arena, &cfg, &run_dir));
    if (o->threads >= 0) cfg.run.threads = o->threads;
    BL_TRY_DONE(bl_cli_weights(what, run_dir, o->checkpoint, arena, &checkpoint));
    BL_TRY_DONE(bl_file_list_images(in->words.positional + 1, in->words.n_positional - 1, &images));
    bl_predict_options p = {.checkpoint = checkpoint,
                            .model = bl_cli_model(o->model),
                            .images = (const char *const *)images.path,
                            .n_images = images.n,
                            .out = o->out,
                            .skip_bad = o->skip_bad,
                            .no_verify = o->no_verify,
                            .draw_dir = o->draw,
                            .score_threshold = o->score,
                            .set = o->set,
                            .probabilities = o->probabilities,
                            .table = stdout};
    BL_TRY_DONE(bl_predict(&cfg, &p));
done:
    bl_file_list_free(&images);
    bl_arena_destroy(arena);
    return status;
}

const bl_command bl_predict_command = {
    .name = "predict",
    .summary = "Detect objects in image files, or classify them.",
    .synopsis = "RUN|CONFIG [IMAGE|FOLDER]... [OPTIONS] [KEY.PATH=VALUE]...",
    .details =
        "Runs a trained model on JPEG or PNG files; of a folder, on all in it and below. Boxes of\n"
        "a detector are in pixels of the original images. A classifier sees an image as in its\n"
        "evaluation, resized to the size of its training images, and gives its most probable\n"
        "class; it needs no more than the run folder. With --set it predicts images of the run,\n"
        "by their number in the data set and beside their label, if that is known. A detector's\n"
        "images have their ids then, and its JSON can be given to ballast score as it is.\n",
    .examples = "  ballast predict runs/full photo.jpg\n"
                "  ballast predict runs/full photos --draw drawn --out found.csv\n"
                "  ballast predict runs/full images --out found.json --score 0.5\n"
                "  ballast predict runs/semi photos -o classes.csv --probabilities\n"
                "  ballast predict runs/semi --set unlabelled -o pseudo_labels.json\n",
    .options = table,
    .settings = BL_SETTINGS_DOTTED,
    .min_words = 1,
    .max_words = -1,
    .options_size = sizeof(options),
    .defaults = &defaults,
    .run = run,
};
