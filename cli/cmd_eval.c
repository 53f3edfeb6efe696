#include <stddef.h>

#include "cli/command.h"

typedef struct options {
    const char *checkpoint, *model, *out;
    double score;
    int64_t threads;
    bool per_class;
    bool no_verify;
} options;

static const char *const models[] = {BL_CLI_MODELS, "both", NULL};

#define AT(field) offsetof(options, field)
static const bl_option table[] = {
    {BL_CLI_CHECKPOINT(AT(checkpoint))},
    {BL_CLI_NO_VERIFY(AT(no_verify))},
    {BL_CLI_MODEL(AT(model), models)},
    {BL_CLI_OUT(AT(out), "DIR",
                "Folder for metrics, per-class tables and results; default: print only.")},
    {.name = "score",
     .type = BL_OPTION_REAL,
     .offset = AT(score),
     .value = "X",
     .min = 0,
     .max = 1,
     .doc = "Least score of a detection; default: detector.score_threshold."},
    {BL_CLI_FLAG("per-class", AT(per_class),
                 "Print every class; without it the best and the worst when there are over 20.")},
    {BL_CLI_THREADS(AT(threads), "Same as run.threads=N.")},
    {0}};

static const options defaults = {.score = -1, .threads = -1};

static bl_status run(const bl_invocation *in) {
    const options *o = in->options;
    bl_status status = BL_OK;
    bl_run_config cfg;
    const char *run_dir, *checkpoint;
    bl_arena *arena = bl_arena_create(0);
    if (!arena) return BL_ENOMEM;
    BL_TRY_DONE(bl_cli_load_config(in->words.positional[0], in->words.settings,
                                   in->words.n_settings, arena, &cfg, &run_dir));
    if (o->threads >= 0) cfg.run.threads = o->threads;
    BL_TRY_DONE(
        bl_cli_weights(in->words.positional[0], run_dir, o->checkpoint, arena, &checkpoint));
    BL_TRY_DONE(bl_evaluate_checkpoint(&cfg,
                                       &(bl_eval_options){.checkpoint = checkpoint,
                                                          .model = bl_cli_model(o->model),
                                                          .no_verify = o->no_verify,
                                                          .out_dir = o->out,
                                                          .score_threshold = o->score,
                                                          .per_class = o->per_class},
                                       stdout));
done:
    bl_arena_destroy(arena);
    return status;
}

const bl_command bl_eval_command = {
    .name = "eval",
    .summary = "Evaluate a checkpoint on the test set.",
    .synopsis = "RUN|CONFIG [OPTIONS] [KEY.PATH=VALUE]...",
    .details =
        "RUN is a run folder: its configuration and its last checkpoint are used. With a\n"
        "configuration file, --checkpoint says which weights to evaluate.\n"
        "\n"
        "Prints COCO AP and AR, or the accuracies of a classifier, over all classes and by class\n"
        "group, labelled with the model they belong to (the teacher; of a supervised run the "
        "moving\n"
        "average of its weights, \"ema\"), then a line a class. --out writes metrics.json, "
        "per_class.csv\n"
        "and per_class.json below DIR; of a detector pr.json, analysis.json and results.json\n"
        "(COCO result format), of a classifier confusion.json as well.\n",
    .examples =
        "  ballast eval runs/full\n"
        "  ballast eval runs/full --model both --out runs/full/eval/again\n"
        "  ballast eval configs/demo/full.json -c runs/full/ckpt/iter_00001000.safetensors\n"
        "  ballast eval runs/full data.test=other.json data.test_image_dir=other/images\n",
    .options = table,
    .settings = BL_SETTINGS_DOTTED,
    .min_words = 1,
    .max_words = 1,
    .options_size = sizeof(options),
    .defaults = &defaults,
    .run = run,
};
