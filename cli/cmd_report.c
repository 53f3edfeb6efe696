#include <ftw.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/report.h"
#include "cli/score.h"
#include "core/fs.h"
#include "core/json.h"
#include "report/report.h"

typedef struct options {
    const char *out, *title, *baseline;
    bool by_seed, separate, quiet; /* quiet: no table, the caller has one */
    bl_score_options score;        /* of result files */
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

/* One result and the strings made for it. */
typedef struct source {
    bl_report_source s;
    char *name, *path;
    char *scored; /* temporary score folder */
} source;

typedef struct job {
    source *v;
    int n, cap;
} job;

static bl_status add_source(job *j, source **out) {
    if (j->n == j->cap) {
        int cap = j->cap ? 2 * j->cap : 16;
        source *grown = realloc(j->v, (size_t)cap * sizeof *grown);
        if (!grown) return bl_no_memory("for %d sources", cap);
        j->v = grown;
        j->cap = cap;
    }
    *out = &j->v[j->n++];
    **out = (source){0};
    return BL_OK;
}

/* "NAME=RESULT" gives a source its name, unless a file is called that. */
static bl_status split_name(const char *word, source *out) {
    const char *equals = strchr(word, '=');
    out->s.path = word;
    if (!equals || equals == word || bl_exists(word)) return BL_OK;
    out->name = strndup(word, (size_t)(equals - word));
    if (!out->name) return bl_no_memory("for a name");
    out->s.label = out->name;
    out->s.path = equals + 1;
    return BL_OK;
}

static bl_status add_run(job *j, const char *dir, const char *name, int seed, bool alone) {
    source *s = NULL;
    BL_TRY(add_source(j, &s));
    bool made =
        asprintf(&s->path, "%s/%s/seed%d", dir, name, seed) >= 0 &&
        (alone ? asprintf(&s->name, "%s", name) : asprintf(&s->name, "%s/seed%d", name, seed)) >= 0;
    if (!made) return bl_no_memory("for %s", dir);
    s->s.path = s->path;
    s->s.label = s->name;
    return BL_OK;
}

/* The runs of a sweep's folder, in the order of its table. */
static bl_status add_sweep(job *j, const char *dir, struct json_object *rows) {
    struct json_object *name, *runs, *seed;
    for (size_t r = 0; r < json_object_array_length(rows); r++) {
        struct json_object *row = json_object_array_get_idx(rows, r);
        bool good = json_object_object_get_ex(row, "name", &name) &&
                    json_object_is_type(name, json_type_string) &&
                    json_object_object_get_ex(row, "runs", &runs) &&
                    json_object_is_type(runs, json_type_array);
        size_t n = good ? json_object_array_length(runs) : 0;
        for (size_t i = 0; i < n && good; i++) {
            good = json_object_object_get_ex(json_object_array_get_idx(runs, i), "seed", &seed);
            if (good)
                BL_TRY(add_run(j, dir, json_object_get_string(name), json_object_get_int(seed),
                               n == 1));
        }
        if (!good) return bl_fail(BL_EFORMAT, "%s/sweep.json: rows[%zu] is damaged", dir, r);
    }
    return BL_OK;
}

static bl_status read_sweep(job *j, const char *dir, bool *found) {
    char *path = bl_path_join(dir, "sweep.json");
    bl_json doc = {0};
    struct json_object *rows;
    bl_status status = path ? BL_OK : bl_no_memory("for %s", dir);
    *found = path && bl_exists(path);
    if (*found) {
        status = bl_json_load(path, &doc);
        if (status == BL_OK && !(json_object_object_get_ex(doc.root, "rows", &rows) &&
                                 json_object_is_type(rows, json_type_array)))
            status = bl_fail(BL_EFORMAT, "%s: no \"rows\"", path);
        if (status == BL_OK) status = add_sweep(j, dir, rows);
        bl_json_free(&doc);
    }
    free(path);
    return status;
}

/* What a result file is called without a name: the file, without folder and ending. */
static char *name_of_file(const char *path) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    return strndup(base, dot && dot != base ? (size_t)(dot - base) : strlen(base));
}

/* A result file becomes a score folder, as by "ballast score". */
static bl_status score_file(const options *o, source *s) {
    if (!o->score.gt)
        return bl_fail(BL_ECONFIG,
                       "%s is a file: to evaluate a result file, name its ground truth with --gt",
                       s->s.path);
    const char *tmp = getenv("TMPDIR");
    char *dir = bl_path_join(tmp && *tmp ? tmp : "/tmp", "ballast_score_XXXXXX");
    if (!dir || !mkdtemp(dir)) {
        free(dir);
        return bl_fail(BL_EIO, "cannot make a temporary folder; set TMPDIR");
    }
    s->scored = dir;
    if (!s->s.label) {
        if (!(s->name = name_of_file(s->s.path))) return bl_no_memory(NULL);
        s->s.label = s->name;
    }
    bl_score_options how = bl_score_defaults;
    how.gt = o->score.gt;
    how.dt = s->s.path;
    how.out = dir;
    how.groups = o->score.groups;
    how.train_gt = o->score.train_gt;
    how.images = o->score.images;
    how.quiet = true;
    if (o->score.protocol) how.protocol = o->score.protocol;
    s->s.origin = s->s.path;
    s->s.path = dir;
    return bl_score_run(&how);
}

static bl_status find_sources(const options *o, const char *const *words, int n, job *j) {
    int files = 0;
    for (int i = 0; i < n; i++) {
        bool is_sweep;
        BL_TRY(read_sweep(j, words[i], &is_sweep));
        if (is_sweep) continue;
        source *s = NULL;
        BL_TRY(add_source(j, &s));
        BL_TRY(split_name(words[i], s));
        if (!bl_exists(s->s.path) || bl_is_dir(s->s.path)) continue;
        BL_TRY(score_file(o, s));
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
    bl_report_source *sources = calloc((size_t)j->n + 1, sizeof *sources);
    if (!sources) return bl_no_memory("for %d sources", j->n);
    for (int i = 0; i < j->n; i++) sources[i] = j->v[i].s;
    bl_status status = bl_report_open(sources, j->n, &how, &report);
    if (status == BL_OK) status = bl_report_write_html(report, o->out);
    if (status == BL_OK && strcmp(o->out, "-") != 0) { /* else the page alone goes there */
        if (!o->quiet) bl_report_print(report, stdout);
        printf("report: %s\n", o->out);
    }
    bl_report_close(report);
    free(sources);
    return status;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk) {
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

static void forget(job *j) {
    for (int i = 0; i < j->n; i++) {
        source *s = &j->v[i];
        if (s->scored) nftw(s->scored, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(s->scored);
        free(s->name);
        free(s->path);
    }
    free(j->v);
}

static bl_status run(const bl_invocation *in) {
    const options *o = in->options;
    job j = {0};
    if (o->by_seed && o->separate)
        return bl_fail(BL_ECONFIG, "--group-by-seed and --separate exclude each other");
    bl_status status =
        find_sources(o, (const char *const *)in->words.positional, in->words.n_positional, &j);
    if (status == BL_OK) status = write_report(o, &j);
    forget(&j);
    return status;
}

bl_status bl_cli_report_sweep(const char *dir, const char *baseline) {
    char *out = bl_path_join(dir, "sweep.html");
    options o = {.out = out, .quiet = true};
    job j = {0};
    bl_status status = out ? find_sources(&o, &dir, 1, &j) : bl_no_memory(NULL);
    size_t n = baseline ? strlen(baseline) : 0;
    for (int i = 0; n && i < j.n; i++) /* it may have no result yet */
        if (strncmp(j.v[i].name, baseline, n) == 0 && strchr("/", j.v[i].name[n]))
            o.baseline = baseline;
    if (status == BL_OK && j.n > 0) status = write_report(&o, &j);
    forget(&j);
    free(out);
    return status;
}

const bl_command bl_report_command = {
    .name = "report",
    .summary = "Write an HTML report of one result or of several side by side.",
    .synopsis = "[NAME=]RESULT... --out FILE [options]",
    .details =
        "A result is a run folder, a folder written by \"ballast sweep\" (all its runs) or by\n"
        "\"ballast score\", or a COCO result file that is evaluated on the spot (with --gt). One\n"
        "self-contained file: tables of all metrics with differences to a baseline, by group and\n"
        "by class; scatter against training frequency, sorted gains and losses, precision-recall\n"
        "curves, confusion, kinds of errors, calibration, costly images, class weights and\n"
        "thresholds, pseudo-label quality, losses and example images. It loads nothing from a\n"
        "network.\n"
        "Runs whose configurations differ in the seed only become one method with mean and\n"
        "spread. The main numbers are printed as a table.\n",
    .examples = "  ballast report runs/full --out report.html\n"
                "  ballast report runs/supervised runs/soft_teacher runs/full --out compare.html\n"
                "  ballast report base=runs/a ours=runs/b --baseline base --out compare.html\n"
                "  ballast report runs/quick --out sweep.html\n"
                "  ballast report a.json b.json --gt instances_val2017.json --out compare.html\n",
    .options = table,
    .min_words = 1,
    .max_words = -1,
    .options_size = sizeof(options),
    .run = run,
};
