#include <stddef.h>

#include "cli/command.h"

typedef struct options {
    const char *checkpoint, *model, *out, *draw;
    double score;
} options;

static const char *const models[] = {"teacher", "student", NULL};

#define AT(field) offsetof(options, field)
static const bl_option table[] = {
    {BL_CLI_OUT(AT(out), "FILE", "Detections as JSON (COCO result entries with file names).")},
    {.name = "draw",
     .letter = 'd',
     .type = BL_OPTION_STRING,
     .offset = AT(draw),
     .value = "DIR",
     .doc = "Folder for JPEGs with the boxes drawn."},
    {BL_CLI_CHECKPOINT(AT(checkpoint))},
    {BL_CLI_MODEL(AT(model), models)},
    {.name = "score",
     .type = BL_OPTION_REAL,
     .offset = AT(score),
     .value = "X",
     .min = 0,
     .max = 1,
     .doc = "Least score of a detection; default 0.3."},
    {0}};

static const options defaults = {.score = 0.3};

static bl_status run(const bl_invocation *in) {
    const options *o = in->options;
    bl_status status = BL_OK;
    bl_run_config cfg;
    const char *run_dir, *checkpoint;
    bl_arena *arena = bl_arena_create(0);
    if (!arena) return BL_ENOMEM;
    if (!o->out && !o->draw)
        BL_TRY_DONE(bl_fail(BL_ECONFIG, "nothing to write: give --out FILE, --draw DIR or both"));
    BL_TRY_DONE(bl_cli_load_config(in->words.positional[0], in->words.settings,
                                   in->words.n_settings, arena, &cfg, &run_dir));
    BL_TRY_DONE(bl_cli_weights(in->words.positional[0], run_dir, o->checkpoint, &checkpoint));
    BL_TRY_DONE(bl_predict(&cfg, &(bl_predict_options){.checkpoint = checkpoint,
                                                       .model = o->model,
                                                       .images = in->words.positional + 1,
                                                       .n_images = in->words.n_positional - 1,
                                                       .out_json = o->out,
                                                       .draw_dir = o->draw,
                                                       .score_threshold = o->score}));
done:
    bl_arena_destroy(arena);
    return status;
}

const bl_command bl_predict_command = {
    .name = "predict",
    .summary = "Detect objects in image files.",
    .synopsis = "RUN|CONFIG IMAGE... [OPTIONS] [KEY.PATH=VALUE]...",
    .details = "Runs a trained detector on JPEG or PNG files. Boxes are in pixels of the original\n"
               "images.\n",
    .examples = "  ballast predict runs/full photo.jpg --draw drawn\n"
                "  ballast predict runs/full images/*.jpg --out found.json --score 0.5\n",
    .options = table,
    .settings = BL_SETTINGS_DOTTED,
    .min_words = 2,
    .max_words = -1,
    .options_size = sizeof(options),
    .defaults = &defaults,
    .run = run,
};
