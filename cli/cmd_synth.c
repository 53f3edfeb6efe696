#include "datasets/synth/synth.h"

#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "core/fs.h"
#include "core/parallel.h"

typedef struct options {
    const char *out, *config;
    int64_t threads;
    bool overwrite, doc;
} options;

#define AT(field) offsetof(options, field)
static const bl_option table[] = {
    {BL_CLI_OUT(AT(out), "DIR", "Folder to write. Required unless --doc.")},
    {BL_CLI_TEXT("config", AT(config), "FILE", "JSON file with settings; the command line wins."),
     .letter = 'c'},
    {BL_CLI_FLAG("overwrite", AT(overwrite),
                 "Write into a folder that already holds a generated set.")},
    {BL_CLI_THREADS(AT(threads), "Threads; the files do not depend on it. Default: all cores.")},
    {BL_CLI_FLAG("doc", AT(doc), "List the settings and stop.")},
    {0}};

typedef struct progress {
    double next; /* seconds since start at which to print again */
    struct timespec start;
    bool terminal;
} progress;

static double seconds_since(const struct timespec *t) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - t->tv_sec) + (double)(now.tv_nsec - t->tv_nsec) * 1e-9;
}

static void show(void *arg, int64_t done, int64_t total) {
    progress *p = arg;
    double spent = seconds_since(&p->start);
    if (spent < p->next && done < total) return;
    p->next = spent + (p->terminal ? 0.2 : 5);
    fprintf(stderr, "%simages %lld/%lld", p->terminal ? "\r" : "", (long long)done,
            (long long)total);
    if (done > 0 && done < total)
        fprintf(stderr, "  eta %.0f s ", spent / (double)done * (double)(total - done));
    if (!p->terminal || done == total) fputs(p->terminal ? "           \n" : "\n", stderr);
}

static bl_status run(const bl_invocation *in) {
    const options *o = in->options;
    if (o->doc) return bl_config_doc(&bl_synth_schema, stdout);
    if (!o->out) return bl_fail(BL_ECONFIG, "--out DIR is required");
    bl_status status = BL_OK;
    bl_arena *arena = bl_arena_create(0);
    char *summary = bl_path_join(o->out, "synth.json");
    bl_synth_config cfg;
    progress p = {.terminal = isatty(STDERR_FILENO)};
    if (!arena || !summary) BL_TRY_DONE(bl_no_memory("for the settings"));
    BL_TRY_DONE(bl_config_load(&bl_synth_schema, o->config, in->words.settings,
                               in->words.n_settings, arena, &cfg));
    if (!o->overwrite && bl_exists(summary))
        BL_TRY_DONE(bl_fail(BL_EIO, "%s exists: --overwrite replaces the generated set", summary));
    if (o->threads > 0) bl_set_threads((int)o->threads);
    clock_gettime(CLOCK_MONOTONIC, &p.start);
    BL_TRY_DONE(bl_synth_generate(&cfg, o->out, show, &p));
    printf("%s: %lld labelled, %lld unlabelled, %lld test images of %lld classes\n", o->out,
           (long long)cfg.labelled, (long long)cfg.unlabelled, (long long)cfg.test,
           (long long)cfg.classes);
done:
    free(summary);
    bl_arena_destroy(arena);
    return status;
}

const bl_command bl_synth_command = {
    .name = "synth",
    .summary = "Generate a long-tailed detection data set.",
    .synopsis = "--out DIR [OPTIONS] [KEY=VALUE]...",
    .details =
        "Writes JPEG scenes and COCO annotations: labelled.json and unlabelled.json "
        "(long-tailed),\n"
        "test.json (balanced), images/ and, last, synth.json with the settings and checksums. The\n"
        "files are a function of the settings alone. --doc lists the settings.\n",
    .examples = "  ballast synth --out runs/data\n"
                "  ballast synth --out runs/data seed=7 imbalance=100 labelled=400\n"
                "  ballast synth --doc\n",
    .options = table,
    .settings = BL_SETTINGS_PLAIN,
    .min_words = 0,
    .max_words = 0,
    .options_size = sizeof(options),
    .run = run,
};
