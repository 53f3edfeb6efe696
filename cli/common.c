#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "core/fs.h"
#include "train/checkpoint.h"

bl_status bl_cli_load_config(const char *path, const char *const *settings, int n_settings,
                             bl_arena *arena, bl_run_config *cfg, const char **run_dir) {
    const char *file = path;
    if (run_dir) *run_dir = NULL;
    if (bl_is_dir(path)) {
        file = bl_arena_printf(arena, "%s/config.json", path);
        if (!file) return BL_ENOMEM;
        if (!bl_exists(file))
            return bl_fail(BL_ECONFIG, "%s: a folder without config.json is not a run folder",
                           path);
        if (run_dir) *run_dir = path;
    }
    return bl_run_config_load(file, settings, n_settings, arena, cfg);
}

bl_status bl_cli_weights(const char *path, const char *run_dir, const char *checkpoint,
                         bl_arena *arena, const char **out) {
    bool best = checkpoint && strcmp(checkpoint, "best") == 0;
    bool last = checkpoint && strcmp(checkpoint, "last") == 0;
    *out = checkpoint && !last ? checkpoint : run_dir;
    if (!*out || (best && !run_dir))
        return bl_fail(BL_ECONFIG,
                       "%s is a configuration: say which weights with --checkpoint FILE, or give "
                       "the run folder instead",
                       path);
    if (!best) return BL_OK;
    char *file = bl_checkpoint_named(run_dir, "best_checkpoint");
    if (!file)
        return bl_fail_context(BL_EIO, "%s has no best checkpoint (no evaluation was made)",
                               run_dir);
    *out = bl_arena_strdup(arena, file);
    free(file);
    return *out ? BL_OK : BL_ENOMEM;
}

const char *bl_cli_model(const char *name) {
    return name && strcmp(name, "ema") == 0 ? "teacher" : name;
}

/* Set by the handler; the only process-wide state of the program's own, because signals have no
 * argument. */
static volatile int stop_requested;

static void on_signal(int number) {
    stop_requested = number;
}

/* A stack of its own for the handler: code that oneDNN generates uses the stack pointer for other
 * things, and a signal's frame (11 KiB with AMX) put there would overwrite the heap. */
static void give_signals_a_stack(void) {
    static char stack[1 << 16];
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
}

const volatile int *bl_cli_watch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = SA_ONSTACK | SA_RESTART | (int)SA_RESETHAND};
    give_signals_a_stack();
    sigemptyset(&action.sa_mask);
    static const int stop[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof stop / sizeof *stop; i++) {
        struct sigaction was;
        bool nohup =
            stop[i] == SIGHUP && sigaction(SIGHUP, NULL, &was) == 0 && was.sa_handler == SIG_IGN;
        if (!nohup) sigaction(stop[i], &action, NULL);
    }
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
    return &stop_requested;
}

char *bl_cli_command_line(const bl_invocation *in) {
    size_t size = 1;
    for (int i = 0; i < in->argc; i++) size += 4 * strlen(in->argv[i]) + 3;
    char *line = malloc(size), *p = line;
    if (!line) return NULL;
    for (int i = 0; i < in->argc; i++) {
        const char *word = in->argv[i];
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789_-./=:,+@%";
        bool quote = !*word || strspn(word, plain) != strlen(word);
        if (i) *p++ = ' ';
        if (quote) *p++ = '\'';
        for (; *word; word++) {
            if (*word == '\'')
                p = stpcpy(p, "'\\''");
            else
                *p++ = *word;
        }
        if (quote) *p++ = '\'';
    }
    *p = 0;
    return line;
}
