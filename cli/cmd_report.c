#include <ftw.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/score.h"
#include "core/fs.h"
#include "eval/report.h"

typedef struct options {
    const char *out, *title, *baseline;
    bool by_seed, separate;
    bl_score_options score; /* of result files */
} options;

#define AT(field) offsetof(options, field)
static const bl_option table[] = {
    {.required = true, BL_CLI_OUT(AT(out), "FILE", "HTML file to write.")},
    {BL_CLI_TEXT("title", AT(title), "TEXT", "Heading of the report.")},
    {BL_CLI_TEXT("baseline", AT(baseline), "NAME",
                 "Run or method that differences refer to; the first by default.")},
    {BL_CLI_FLAG("group-by-seed", AT(by_seed),
                 "One line a method also where its seeds have splits of their own.")},
    {BL_CLI_FLAG("separate", AT(separate), "Never put runs together.")},
    {BL_SCORE_GT(AT(score), "Ground truth for result files.")},
    {BL_SCORE_PROTOCOL(AT(score), "For result files; as of \"ballast score\", default coco.")},
    {BL_SCORE_GROUPS(AT(score), "For result files: groups of classes.")},
    {BL_SCORE_TRAIN_GT(AT(score), "For result files: training annotations, counts per class.")},
    {BL_SCORE_IMAGES(AT(score), "For result files: folder of the images, for thumbnails.")},
    {0}};

typedef struct job {
    bl_report_source *sources;
    char **names;  /* given on the command line */
    char **scored; /* temporary score folders */
    int n;
} job;

/* "NAME=RESULT" gives a source its name, unless a file is called that. */
static bl_status split_name(const char *word, bl_report_source *out, char **name) {
    const char *equals = strchr(word, '=');
    *out = (bl_report_source){.path = word};
    if (!equals || equals == word || bl_exists(word)) return BL_OK;
    *name = strndup(word, (size_t)(equals - word));
    if (!*name) return bl_fail(BL_ENOMEM, "no memory for a name");
    out->label = *name, out->path = equals + 1;
    return BL_OK;
}

/* What a result file is called without a name: the file, without folder and ending. */
static char *name_of_file(const char *path) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    return strndup(base, dot && dot != base ? (size_t)(dot - base) : strlen(base));
}

/* A result file becomes a score folder, as by "ballast score". */
static bl_status score_file(const options *o, job *j, int i) {
    bl_report_source *s = &j->sources[i];
    if (!o->score.gt)
        return bl_fail(BL_ECONFIG,
                       "%s is a file: to evaluate a result file, name its ground truth with --gt",
                       s->path);
    const char *tmp = getenv("TMPDIR");
    char *dir = bl_path_join(tmp && *tmp ? tmp : "/tmp", "ballast_score_XXXXXX");
    if (!dir || !mkdtemp(dir)) {
        free(dir);
        return bl_fail(BL_EIO, "cannot make a temporary folder; set TMPDIR");
    }
    j->scored[i] = dir;
    if (!s->label) {
        if (!(j->names[i] = name_of_file(s->path))) return bl_fail(BL_ENOMEM, "no memory");
        s->label = j->names[i];
    }
    bl_score_options how = bl_score_defaults;
    how.gt = o->score.gt, how.dt = s->path, how.out = dir, how.groups = o->score.groups;
    how.train_gt = o->score.train_gt, how.images = o->score.images, how.quiet = true;
    if (o->score.protocol) how.protocol = o->score.protocol;
    s->origin = s->path, s->path = dir;
    return bl_score_run(&how);
}

static bl_status find_sources(const options *o, const char *const *words, job *j) {
    int files = 0;
    for (int i = 0; i < j->n; i++) {
        BL_TRY(split_name(words[i], &j->sources[i], &j->names[i]));
        if (!bl_exists(j->sources[i].path) || bl_is_dir(j->sources[i].path)) continue;
        BL_TRY(score_file(o, j, i));
        files++;
    }
    const bl_score_options *how = &o->score;
    if (!files && (how->gt || how->protocol || how->groups || how->train_gt || how->images))
        return bl_fail(BL_ECONFIG, "--gt, --protocol, --groups, --train-gt and --images are for "
                                   "result files, and none is given");
    return BL_OK;
}

static bl_status write_report(const options *o, const job *j) {
    bl_report *report = NULL;
    bl_report_options how = {.title = o->title,
                             .baseline = o->baseline,
                             .grouping = o->separate  ? BL_REPORT_GROUP_NONE
                                         : o->by_seed ? BL_REPORT_GROUP_SEED
                                                      : BL_REPORT_GROUP_AUTO};
    bl_status status = bl_report_open(j->sources, j->n, &how, &report);
    if (status == BL_OK) status = bl_report_write_html(report, o->out);
    if (status == BL_OK) {
        bl_report_print(report, stdout);
        printf("report: %s\n", o->out);
    }
    bl_report_close(report);
    return status;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk) {
    (void)st, (void)type, (void)walk;
    return remove(path);
}

static bl_status run(const bl_invocation *in) {
    const options *o = in->options;
    job j = {.n = in->words.n_positional};
    if (o->by_seed && o->separate)
        return bl_fail(BL_ECONFIG, "--group-by-seed and --separate exclude each other");
    j.sources = calloc((size_t)j.n, sizeof *j.sources);
    j.names = calloc((size_t)j.n, sizeof *j.names);
    j.scored = calloc((size_t)j.n, sizeof *j.scored);
    bl_status status = j.sources && j.names && j.scored
                           ? find_sources(o, (const char *const *)in->words.positional, &j)
                           : bl_fail(BL_ENOMEM, "no memory for %d sources", j.n);
    if (status == BL_OK) status = write_report(o, &j);
    for (int i = 0; i < j.n; i++) {
        if (j.scored && j.scored[i]) nftw(j.scored[i], remove_one, 16, FTW_DEPTH | FTW_PHYS);
        if (j.scored) free(j.scored[i]);
        if (j.names) free(j.names[i]);
    }
    free(j.scored);
    free(j.names);
    free(j.sources);
    return status;
}

const bl_command bl_report_command = {
    .name = "report",
    .summary = "Write an HTML report of one result or of several side by side.",
    .synopsis = "[NAME=]RESULT... --out FILE [options]",
    .details =
        "A result is a run folder, a folder written by \"ballast score\", or a COCO result file\n"
        "that is evaluated on the spot (with --gt). One self-contained file: tables of all\n"
        "metrics with differences to a baseline, by group and by class; scatter against training\n"
        "frequency, sorted gains and losses, precision-recall curves, confusion, kinds of errors,\n"
        "calibration, costly images, class weights and thresholds, pseudo-label quality, losses\n"
        "and example images. It loads nothing from a network.\n"
        "Runs whose configurations differ in the seed only become one method with mean and\n"
        "spread. The main numbers are printed as a table.\n",
    .examples = "  ballast report runs/full --out report.html\n"
                "  ballast report runs/supervised runs/soft_teacher runs/full --out compare.html\n"
                "  ballast report base=runs/a ours=runs/b --baseline base --out compare.html\n"
                "  ballast report a.json b.json --gt instances_val2017.json --out compare.html\n",
    .options = table,
    .min_words = 1,
    .max_words = -1,
    .options_size = sizeof(options),
    .run = run,
};
