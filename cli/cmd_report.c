#include <stddef.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/run_summary.h"
#include "eval/report.h"

typedef struct options {
    const char *out, *title;
} options;

#define AT(field) offsetof(options, field)
static const bl_option table[] = {{.name = "out",
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
                                  {0}};

static bl_status run(const bl_invocation *in) {
    const options *o = in->options;
    const char *const *dirs = in->words.positional;
    int n = in->words.n_positional;
    bl_run_summary *runs = calloc((size_t)n, sizeof *runs);
    bl_status status = runs ? BL_OK : bl_fail(BL_ENOMEM, "no memory for %d runs", n);
    for (int i = 0; i < n && status == BL_OK; i++) status = bl_run_summary_read(dirs[i], &runs[i]);
    if (status == BL_OK)
        status = bl_report_write(dirs, n, o->title ? o->title : "Ballast report", o->out);
    if (status == BL_OK) {
        puts("AP in percent (COCO, IoU .50:.95, at most 100 detections an image)");
        bl_run_summary_print(dirs, runs, n, stdout);
        printf("report: %s\n", o->out);
    }
    free(runs);
    return status;
}

const bl_command bl_report_command = {
    .name = "report",
    .summary = "Write an HTML report of one run or of several side by side.",
    .synopsis = "RUN... --out FILE [--title TEXT]",
    .details =
        "One self-contained file: tables and plots of AP over all classes, by group and by class\n"
        "(ordered by training frequency), precision-recall curves, losses, class weights and\n"
        "thresholds, pseudo-label quality and example images. It loads nothing from a network.\n"
        "The last evaluation of every run is printed as a table.\n",
    .examples = "  ballast report runs/full --out report.html\n"
                "  ballast report runs/supervised runs/soft_teacher runs/full --out compare.html\n",
    .options = table,
    .min_words = 1,
    .max_words = -1,
    .options_size = sizeof(options),
    .run = run,
};
