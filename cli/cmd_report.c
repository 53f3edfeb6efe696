#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "core/fs.h"
#include "eval/report.h"

typedef struct options {
    const char *out, *title, *baseline;
    bool by_seed, separate;
} options;

#define AT(field) offsetof(options, field)
static const bl_option table[] = {
    {.name = "out",
     .letter = 'o',
     .type = BL_OPTION_STRING,
     .offset = AT(out),
     .value = "FILE",
     .required = true,
     .doc = "HTML file to write."},
    {.name = "title",
     .type = BL_OPTION_STRING,
     .offset = AT(title),
     .value = "TEXT",
     .doc = "Heading of the report."},
    {.name = "baseline",
     .type = BL_OPTION_STRING,
     .offset = AT(baseline),
     .value = "NAME",
     .doc = "Run or method that differences refer to; the first by default."},
    {.name = "group-by-seed",
     .type = BL_OPTION_FLAG,
     .offset = AT(by_seed),
     .doc = "One line a method also where its seeds have splits of their own."},
    {.name = "separate",
     .type = BL_OPTION_FLAG,
     .offset = AT(separate),
     .doc = "Never put runs together."},
    {0}};

/* "NAME=FOLDER" gives a source its name, unless a folder is called that. */
static bl_status split_name(const char *word, bl_report_source *out, char **name) {
    const char *equals = strchr(word, '=');
    *out = (bl_report_source){.path = word};
    if (!equals || equals == word || bl_exists(word)) return BL_OK;
    *name = strndup(word, (size_t)(equals - word));
    if (!*name) return bl_fail(BL_ENOMEM, "no memory for a name");
    out->label = *name, out->path = equals + 1;
    return BL_OK;
}

static bl_status run(const bl_invocation *in) {
    const options *o = in->options;
    int n = in->words.n_positional;
    bl_report *report = NULL;
    bl_report_source *sources = calloc((size_t)n, sizeof *sources);
    char **names = calloc((size_t)n, sizeof *names);
    bl_status status = sources && names ? BL_OK : bl_fail(BL_ENOMEM, "no memory for %d sources", n);
    bl_report_options report_options = {.title = o->title,
                                        .baseline = o->baseline,
                                        .grouping = o->separate  ? BL_REPORT_GROUP_NONE
                                                    : o->by_seed ? BL_REPORT_GROUP_SEED
                                                                 : BL_REPORT_GROUP_AUTO};
    if (o->by_seed && o->separate)
        status = bl_fail(BL_ECONFIG, "--group-by-seed and --separate exclude each other");
    for (int i = 0; status == BL_OK && i < n; i++)
        status = split_name(in->words.positional[i], &sources[i], &names[i]);
    if (status == BL_OK) status = bl_report_open(sources, n, &report_options, &report);
    if (status == BL_OK) status = bl_report_write_html(report, o->out);
    if (status == BL_OK) {
        bl_report_print(report, stdout);
        printf("report: %s\n", o->out);
    }
    bl_report_close(report);
    for (int i = 0; names && i < n; i++) free(names[i]);
    free(names);
    free(sources);
    return status;
}

const bl_command bl_report_command = {
    .name = "report",
    .summary = "Write an HTML report of one result or of several side by side.",
    .synopsis = "[NAME=]RESULT... --out FILE [options]",
    .details =
        "A result is a run folder, or a folder written by \"ballast score\". One self-contained\n"
        "file: tables of all metrics with differences to a baseline, by group and by class;\n"
        "scatter against training frequency, sorted gains and losses, precision-recall curves,\n"
        "confusion, kinds of errors, calibration, costly images, class weights and thresholds,\n"
        "pseudo-label quality, losses and example images. It loads nothing from a network.\n"
        "Runs whose configurations differ in the seed only become one method with mean and\n"
        "spread. The main numbers are printed as a table.\n",
    .examples = "  ballast report runs/full --out report.html\n"
                "  ballast report runs/supervised runs/soft_teacher runs/full --out compare.html\n"
                "  ballast report base=runs/a ours=runs/b --baseline base --out compare.html\n",
    .options = table,
    .min_words = 1,
    .max_words = -1,
    .options_size = sizeof(options),
    .run = run,
};
