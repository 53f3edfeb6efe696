#include <stddef.h>

#include "cli/command.h"
#include "eval/report.h"

typedef struct options {
    const char *out, *title;
} options;

#define AT(field) offsetof(options, field)
static const bl_option table[] = {
    {.name = "out", .letter = 'o', .type = BL_OPTION_STRING, .offset = AT(out), .value = "FILE",
     .required = true, .doc = "HTML file to write."},
    {.name = "title", .type = BL_OPTION_STRING, .offset = AT(title), .value = "TEXT",
     .doc = "Heading of the report."},
    {0}};

static bl_status run(const bl_invocation *in) {
    const options *o = in->options;
    BL_TRY(bl_report_write(in->words.positional, in->words.n_positional,
                           o->title ? o->title : "Ballast report", o->out));
    printf("%s\n", o->out);
    return BL_OK;
}

const bl_command bl_report_command = {
    .name = "report",
    .summary = "Write an HTML report of one run or of several side by side.",
    .synopsis = "RUN... --out FILE [--title TEXT]",
    .details =
        "One self-contained file: tables and plots of AP over all classes, by group and by class\n"
        "(ordered by training frequency), precision-recall curves, losses, class weights and\n"
        "thresholds, pseudo-label quality and example images. It loads nothing from a network.\n",
    .examples = "  ballast report runs/full --out report.html\n"
                "  ballast report runs/supervised runs/soft_teacher runs/full --out compare.html\n",
    .options = table,
    .min_words = 1,
    .max_words = -1,
    .options_size = sizeof(options),
    .run = run,
};
