#include <stddef.h>

#include "cli/command.h"
#include "core/fs.h"
#include "core/json.h"

typedef struct options {
    const char *out;
    bool doc;
} options;

#define AT(field) offsetof(options, field)
static const bl_option table[] = {
    {BL_CLI_OUT(AT(out), "FILE", "Write to FILE instead of the standard output.")},
    {BL_CLI_FLAG("doc", AT(doc), "Print the reference of all settings (Markdown) instead.")},
    {0}};

static bl_status print_both(FILE *f) {
    BL_TRY(bl_config_doc(&bl_run_schema, f));
    return bl_config_doc(&bl_classify_run_schema, f);
}

static bl_status print_doc(const options *o) {
    if (!o->out) return print_both(stdout);
    bl_outfile f = {0};
    BL_TRY(bl_outfile_open(o->out, &f));
    (void)print_both(f.f); /* only writing can fail, which commit reports by name */
    return bl_outfile_commit(&f);
}

static bl_status run(const bl_invocation *in) {
    const options *o = in->options;
    if (o->doc) {
        if (in->words.n_positional || in->words.n_settings)
            return bl_fail(BL_ECONFIG, "--doc describes every setting and takes no configuration");
        return print_doc(o);
    }
    bl_status status = BL_OK;
    struct json_object *dump = NULL;
    bl_run_config cfg;
    bl_arena *arena = bl_arena_create(0);
    if (!arena) return BL_ENOMEM;
    if (in->words.n_positional)
        BL_TRY_DONE(bl_cli_load_config(in->words.positional[0], in->words.settings,
                                       in->words.n_settings, arena, &cfg, NULL));
    else
        BL_TRY_DONE(
            bl_run_config_load(NULL, in->words.settings, in->words.n_settings, arena, &cfg));
    dump = bl_config_dump(bl_run_schema_of(cfg.task), &cfg);
    if (!dump) BL_TRY_DONE(bl_no_memory("for the resolved configuration"));
    if (o->out)
        BL_TRY_DONE(bl_json_save(dump, o->out));
    else
        bl_json_print(dump, stdout);
done:
    json_object_put(dump);
    bl_arena_destroy(arena);
    return status;
}

const bl_command bl_config_command = {
    .name = "config",
    .summary = "Print a resolved configuration, or the reference of all settings.",
    .synopsis = "[CONFIG|RUN] [OPTIONS] [KEY.PATH=VALUE]...",
    .details = "Prints every setting with its value after \"extends\", the file and the command "
               "line have\n"
               "been applied; without CONFIG, the defaults. Unknown, duplicate, ill-typed and "
               "out-of-range\n"
               "settings are errors, all of them reported with file and line.\n",
    .examples = "  ballast config configs/demo/full.json\n"
                "  ballast config configs/demo/full.json optim.lr=0.02\n"
                "  ballast config --doc\n",
    .options = table,
    .settings = BL_SETTINGS_DOTTED,
    .min_words = 0,
    .max_words = 1,
    .options_size = sizeof(options),
    .run = run,
};
