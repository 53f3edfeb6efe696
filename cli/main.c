/* ballast: the program. Finds the sub-command, parses its line, runs it, and turns statuses into
 * messages and exit codes; below cli/ nothing prints an error and nothing exits. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

static const bl_command *const commands[] = {
    &bl_train_command,  &bl_eval_command,   &bl_predict_command, &bl_score_command,
    &bl_report_command, &bl_split_command,  &bl_synth_command,   &bl_validate_command,
    &bl_config_command, &bl_doctor_command, &bl_sweep_command,   &bl_convert_command};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static void print_overview(FILE *f) {
    fputs("ballast " BALLAST_VERSION
          " - detection and classification when labels are few and classes are imbalanced\n\n"
          "Usage: ballast COMMAND [ARGUMENTS]\n\nCommands:\n",
          f);
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(f, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs("  help       Show the help of a command.\n"
          "  version    Print the version.\n\n"
          "\"ballast COMMAND --help\" explains a command.\n\n"
          "Exit codes: 0 done; 1 failed; 2 the command line or the configuration is wrong;\n"
          "130 stopped by Ctrl-C or SIGTERM (training writes a checkpoint first).\n",
          f);
}

static void print_help(const bl_command *c, FILE *f) {
    fprintf(f, "%s\n\nUsage: ballast %s %s\n\n%s", c->summary, c->name, c->synopsis, c->details);
    bl_options_print(c->options, f);
    fprintf(f, "\nExamples:\n%s", c->examples);
}

static const bl_command *find_command(const char *name) {
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

static int unknown_command(const char *name) {
    const char *names[N_COMMANDS + 3] = {"help", "version"};
    for (int i = 0; i < N_COMMANDS; i++) names[i + 2] = commands[i]->name;
    const char *close = bl_did_you_mean(name, names);
    fprintf(stderr, "ballast: unknown command \"%s\"%s%s%s\n", name,
            close ? "; did you mean \"" : "; \"ballast help\" lists the commands",
            close ? close : "", close ? "\"?" : "");
    return BL_EXIT_USAGE;
}

/* Every line of the message gets the command's name, so that several complaints about one
 * configuration stay greppable. */
static void print_error(const char *command, bl_status status) {
    const char *p = *bl_error() ? bl_error() : bl_status_name(status);
    while (*p) {
        size_t length = strcspn(p, "\n");
        if (length) fprintf(stderr, "ballast %s: %.*s\n", command, (int)length, p);
        p += length + (p[length] == '\n');
    }
}

static int exit_code(bl_status status) {
    switch (status) {
    case BL_OK:
        return BL_EXIT_OK;
    case BL_ECONFIG:
        return BL_EXIT_USAGE;
    case BL_ECANCELLED:
        return BL_EXIT_INTERRUPTED;
    default:
        return BL_EXIT_FAILED;
    }
}

static bl_status check_words(const bl_command *c, const bl_words *w) {
    if (w->n_positional < c->min_words)
        return bl_fail(BL_ECONFIG, "an argument is missing; usage: ballast %s %s", c->name,
                       c->synopsis);
    if (c->max_words >= 0 && w->n_positional > c->max_words)
        return bl_fail(BL_ECONFIG, "\"%s\" is one argument too many; usage: ballast %s %s",
                       w->positional[c->max_words], c->name, c->synopsis);
    return BL_OK;
}

static int run_command(const bl_command *c, int argc, char **argv) {
    bl_invocation in = {.argc = argc, .argv = argv};
    in.options = calloc(1, c->options_size ? c->options_size : 1);
    bl_status status = in.options ? BL_OK : bl_no_memory("for the command line");
    if (status == BL_OK && c->defaults) memcpy(in.options, c->defaults, c->options_size);
    if (status == BL_OK)
        status =
            bl_options_parse(c->options, c->settings, argc - 2, argv + 2, in.options, &in.words);
    bool help = status == BL_OK && in.words.help;
    if (help) print_help(c, stdout);
    if (status == BL_OK && !help) status = check_words(c, &in.words);
    if (status == BL_OK && !help) status = c->run(&in);
    bl_words_free(&in.words);
    free(in.options);
    if (status != BL_OK) print_error(c->name, status);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "ballast %s: cannot write to the standard output\n", c->name);
        if (status == BL_OK) return BL_EXIT_FAILED;
    }
    return exit_code(status);
}

/* Idle OpenMP workers spin for milliseconds by default, which takes the loader's threads their
 * cores; sleeping at once costs tens of microseconds at each of a step's hundreds of parallel
 * regions (a third of a small model's step). So they spin briefly, then sleep. libgomp reads its
 * environment when it is loaded, before main: the program starts itself again with the setting. A
 * user's own setting wins. */
static void use_brief_spinning(char **argv) {
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    if (setenv("GOMP_SPINCOUNT", "20000", 1) == 0) execv("/proc/self/exe", argv);
    /* Only slower if that failed. */
}

/* Takes the numbers 0 to 2 where the caller closed them, so that no file of a run gets the number
 * of the standard output or error and what is printed there. What is put there fails when used the
 * usual way, as the closed descriptor would. */
static void reserve_descriptors(void) {
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
    }
}

int main(int argc, char **argv) {
    reserve_descriptors();
    use_brief_spinning(argv);
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name) {
        print_overview(stderr);
        return BL_EXIT_USAGE;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        puts("ballast " BALLAST_VERSION);
        return BL_EXIT_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        const bl_command *c = argc > 2 ? find_command(argv[2]) : NULL;
        if (argc > 2 && !c) return unknown_command(argv[2]);
        if (c)
            print_help(c, stdout);
        else
            print_overview(stdout);
        return BL_EXIT_OK;
    }
    const bl_command *c = find_command(name);
    return c ? run_command(c, argc, argv) : unknown_command(name);
}
