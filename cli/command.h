/* What a sub-command is, and the few things all of them share. */
#ifndef BALLAST_CLI_COMMAND_H
#define BALLAST_CLI_COMMAND_H

#include "cli/options.h"
#include "core/arena.h"
#include "train/train.h"

/* Exit codes of the program. */
enum {
    BL_EXIT_OK = 0,
    BL_EXIT_FAILED = 1,
    BL_EXIT_USAGE = 2,        /* the command line or the configuration is wrong */
    BL_EXIT_INTERRUPTED = 130 /* stopped by SIGINT or SIGTERM, after a checkpoint when training */
};

typedef struct bl_invocation {
    int argc; /* the whole command line, for provenance */
    char **argv;
    void *options; /* the command's own struct, parsed */
    bl_words words;
} bl_invocation;

typedef struct bl_command {
    const char *name;
    const char *summary;  /* one line for the list */
    const char *synopsis; /* after "ballast <name> " */
    const char *details;  /* paragraphs */
    const char *examples; /* lines */
    const bl_option *options;
    bl_settings settings;
    int min_words, max_words; /* positional arguments; max < 0: any number */
    size_t options_size;
    const void *defaults; /* initial value of the options struct; NULL = zeros */
    bl_status (*run)(const bl_invocation *in);
} bl_command;

extern const bl_command bl_train_command, bl_eval_command, bl_predict_command, bl_score_command,
    bl_report_command, bl_split_command, bl_synth_command, bl_validate_command, bl_config_command,
    bl_doctor_command, bl_sweep_command, bl_convert_command;

/* Rows of option tables. `at`: offset in the command's options. */
#define BL_CLI_FLAG(option, at, text)                                                              \
    .name = (option), .type = BL_OPTION_FLAG, .offset = (at), .doc = (text)
#define BL_CLI_TEXT(option, at, what, text)                                                        \
    .name = (option), .type = BL_OPTION_STRING, .offset = (at), .value = (what), .doc = (text)

/* Rows that several commands have. */
#define BL_CLI_OUT(at, what, text) BL_CLI_TEXT("out", at, what, text), .letter = 'o'
#define BL_CLI_THREADS(at, text)                                                                   \
    .name = "threads", .letter = 'j', .type = BL_OPTION_INT, .offset = (at), .value = "N",         \
    .max = 4096, .doc = (text)
#define BL_CLI_CHECKPOINT(at)                                                                      \
    BL_CLI_TEXT(                                                                                   \
        "checkpoint", at, "FILE",                                                                  \
        "best or last of RUN, a file, or a run folder for its last one. Default: RUN's last."),    \
        .letter = 'c'
#define BL_CLI_NO_VERIFY(at)                                                                       \
    BL_CLI_FLAG("no-verify", at,                                                                   \
                "Take a checkpoint without its checksum, as files of other programs are.")
#define BL_CLI_MODEL(at, names)                                                                    \
    .name = "model", .letter = 'm', .type = BL_OPTION_CHOICE, .offset = (at), .value = "NAME",     \
    .choices = (names), .doc = "Default: teacher where there is one."

/* Names that --model of several commands takes beside others; see bl_cli_model. */
#define BL_CLI_MODELS "teacher", "ema", "student"
/* The model that --model names, as checkpoints call it: the average of a supervised run is no
 * teacher, but is kept as one. */
const char *bl_cli_model(const char *name);

/* Which weights to use: what --checkpoint says ("best" and "last" are those of the run folder),
 * else those of the run folder; BL_ECONFIG when `path` is a configuration and no checkpoint is
 * named. */
bl_status bl_cli_weights(const char *path, const char *run_dir, const char *checkpoint,
                         bl_arena *arena, const char **out);

/* Loads a configuration file, or config.json of a run folder, and applies settings on top.
 * *run_dir (may be NULL) becomes `path` when that is a run folder, else NULL. */
bl_status bl_cli_load_config(const char *path, const char *const *settings, int n_settings,
                             bl_arena *arena, bl_run_config *cfg, const char **run_dir);

/* A flag that the first SIGINT, SIGTERM or SIGHUP sets; the second one ends the program at once. A
 * reader of the output who leaves (SIGPIPE) ends nothing. */
const volatile int *bl_cli_watch_signals(void);

/* The command line as one line of shell text (malloc'd; NULL when out of memory). */
char *bl_cli_command_line(const bl_invocation *in);

#endif
