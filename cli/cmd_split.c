#include "datasets/splits/split_expect.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/lists.h"
#include "core/fs.h"
#include "core/log.h"
#include "datasets/annotations/voc_list.h"

typedef struct options {
    const char *out, *list, *classes, *test, *base, *few, *minority, *expect;
    bool zero_based, skip_bad, overwrite, verify, doc;
} options;

#define AT(field) offsetof(options, field)
static const bl_option table[] = {
    {BL_CLI_OUT(AT(out), "DIR", "Folder to write. Required unless --verify or --doc.")},
    {BL_CLI_TEXT(
        "list", AT(list), "NAME",
        "VOC: the ImageSets/Main list to divide, e.g. train; not needed where there are no "
        "lists.")},
    {BL_CLI_TEXT("classes", AT(classes), "A,B,...",
                 "VOC: class names in order; default: the names found, sorted.")},
    {BL_CLI_TEXT("test", AT(test), "NAME", "VOC: also write this list as DIR/test.json.")},
    {BL_CLI_TEXT("base", AT(base), "LIST",
                 "Label the images that this file lists, by file name or id, instead of a draw.")},
    {BL_CLI_TEXT("few", AT(few), "LIST",
                 "Images that keep all boxes, minority classes included (few-shot images).")},
    {BL_CLI_TEXT("minority", AT(minority), "FILE",
                 "Names of the minority classes, one a line, instead of the setting minority.")},
    {BL_CLI_TEXT("expect", AT(expect), "FILE",
                 "Compare with a published histogram: name,images,boxes a line.")},
    {BL_CLI_FLAG("zero-based", AT(zero_based),
                 "VOC: corners are not 1-based and inclusive, as the format defines.")},
    {BL_CLI_FLAG("skip-bad", AT(skip_bad), "Leave out broken annotations and say how many.")},
    {BL_CLI_FLAG("overwrite", AT(overwrite), "Replace a split that DIR already holds.")},
    {BL_CLI_FLAG(
        "verify", AT(verify),
        "Check the split in folder SOURCE instead: checksums, lists, no image in both parts.")},
    {BL_CLI_FLAG("doc", AT(doc), "List the settings and stop.")},
    {0}};

static bl_status read_source(const options *o, const char *source, bl_arena *arena,
                             bl_dataset **out) {
    bl_read_options opt = {.skip_bad = o->skip_bad};
    if (bl_is_dir(source)) {
        const char **names;
        int n;
        if (!o->list && bl_voc_has_lists(source))
            return bl_fail(BL_ECONFIG,
                           "%s is a folder (Pascal VOC): say which image list with --list NAME",
                           source);
        BL_TRY(bl_cli_names("classes", o->classes, arena, &names, &n));
        BL_TRY(bl_voc_read(source, o->list, names, n, !o->zero_based, &opt, out));
        if (opt.n_from_zero)
            BL_WARN("%s: %" PRId64 " objects have a corner at pixel 0, but Pascal VOC counts from "
                    "1: these corners count from 0, so split with --zero-based",
                    (*out)->name, opt.n_from_zero);
    } else {
        if (o->list || o->classes || o->test)
            return bl_fail(BL_ECONFIG,
                           "--list, --classes and --test are for Pascal VOC folders; "
                           "%s is a file",
                           source);
        BL_TRY(bl_coco_read(source, "", &opt, out));
    }
    if (opt.n_skipped)
        printf("%s: skipped %" PRId64 " broken entries\n", (*out)->name, opt.n_skipped);
    return BL_OK;
}

/* The VOC test list with the same classes, so that one folder holds the whole experiment. */
static bl_status write_test(const options *o, const char *source, const bl_dataset *train) {
    bl_read_options opt = {.skip_bad = o->skip_bad};
    bl_dataset *test = NULL;
    char *path = bl_path_join(o->out, "test.json");
    const char **names = calloc((size_t)train->n_categories + 1, sizeof *names);
    bl_status status = BL_OK;
    if (!path || !names) BL_TRY_DONE(bl_no_memory("for the class names"));
    for (int i = 0; i < train->n_categories; i++) names[i] = train->categories[i].name;
    BL_TRY_DONE(
        bl_voc_read(source, o->test, names, train->n_categories, !o->zero_based, &opt, &test));
    BL_TRY_DONE(bl_coco_write(test, path));
    printf("test        %6d images, %7" PRId64 " boxes\n", test->n_images, test->n_anns);
done:
    if (test) bl_dataset_free(test);
    free(names);
    free(path);
    return status;
}

static bl_status print_split(const bl_split *s) {
    const bl_dataset *d = s->source;
    size_t n = (size_t)d->n_categories + 1;
    int64_t *count = calloc(4 * n, sizeof *count);
    if (!count) return bl_no_memory("for %d classes", d->n_categories);
    int64_t *images[2] = {count, count + n}, *boxes[2] = {count + 2 * n, count + 3 * n};
    bl_dataset_counts(s->labelled, false, images[0], boxes[0]);
    bl_dataset_counts(s->unlabelled, false, images[1], boxes[1]);
    printf("labelled    %6d images, %7" PRId64 " boxes (%d drawn, %d few-shot, %d to fill classes, "
           "%d left out)\n",
           s->labelled->n_images, s->labelled->n_anns, s->n_base, s->n_few_shot, s->n_topup,
           s->n_dropped);
    if (s->n_twins)
        printf(
            "%d image entries name a file that another entry has: they are in one part with it\n",
            s->n_twins);
    if (s->n_both) printf("%d images are in both lists: they keep all their boxes\n", s->n_both);
    printf("unlabelled  %6d images, %7" PRId64 " boxes\n\n", s->unlabelled->n_images,
           s->unlabelled->n_anns);
    printf("%-24s %10s %10s %12s %12s\n", "class", "images", "boxes", "unlab.images",
           "unlab.boxes");
    for (int i = 0; i < d->n_categories; i++)
        printf("%-24s %10" PRId64 " %10" PRId64 " %12" PRId64 " %12" PRId64 "%s%s\n",
               d->categories[i].name, images[0][i], boxes[0][i], images[1][i], boxes[1][i],
               s->is_minority[i] ? "  minority" : "",
               s->is_short[i] ? "  too few in the data" : "");
    free(count);
    return BL_OK;
}

static bl_status compare(const bl_split *s, const char *path) {
    bl_split_distance d;
    static const char *const groups[] = {"majority", "minority"};
    printf("\nagainst %s:\n", path);
    BL_TRY(bl_split_expect(s, path, stdout, &d));
    printf("%d of %d classes have exactly the expected counts\n", d.n_equal, d.n_classes);
    for (int g = 0; g < 2; g++)
        if (d.boxes[g] >= 0)
            printf("%s: images differ by %.1f %%, boxes by %.1f %% of the expected sum\n",
                   groups[g], 100 * d.images[g], 100 * d.boxes[g]);
    return BL_OK;
}

/* One name a line, into the arena. */
static bl_status read_names(const char *path, bl_arena *arena, bl_strings *out) {
    enum { MAX_NAMES = 1 << 20 };
    char *text;
    size_t size;
    int32_t n = 0;
    BL_TRY(bl_read_file(path, MAX_NAMES, &text, &size));
    for (const char *p = text; *p; p++) n += *p == '\n';
    const char **v = BL_NEW_ARRAY(arena, const char *, n + 1);
    char *own = bl_arena_strdup(arena, text);
    free(text);
    if (!v || !own) return BL_ENOMEM;
    *out = (bl_strings){.v = v};
    for (char *line = strtok(own, "\r\n"); line; line = strtok(NULL, "\r\n"))
        if (*line != '#') v[out->n++] = line;
    return BL_OK;
}

static bl_status settings_of(const options *o, const bl_words *w, bl_arena *arena,
                             bl_split_config *cfg) {
    BL_TRY(bl_config_load(&bl_split_schema, NULL, w->settings, w->n_settings, arena, cfg));
    if (o->base) cfg->base = o->base;
    if (o->few) cfg->few = o->few;
    return o->minority ? read_names(o->minority, arena, &cfg->minority) : BL_OK;
}

static bl_status verify(const char *dir) {
    bl_split_check c;
    BL_TRY(bl_split_verify(dir, &c));
    printf("%s: in order; %" PRId64 " labelled and %" PRId64 " unlabelled images; source file %s\n",
           dir, c.n_labelled, c.n_unlabelled,
           !c.source_found    ? "not found"
           : c.source_changed ? "HAS CHANGED since"
                              : "unchanged");
    return BL_OK;
}

static bl_status make(const options *o, const bl_words *w, bl_arena *arena) {
    const char *source = w->positional[0];
    bl_split_config cfg;
    bl_split split = {0};
    bl_dataset *d = NULL;
    bl_status status = BL_OK;
    char *marker = bl_path_join(o->out, "split.json");
    if (!marker) return bl_no_memory("for a path");
    if (!o->overwrite && bl_exists(marker))
        BL_TRY_DONE(bl_fail(BL_EIO, "%s exists: --overwrite replaces the split", marker));
    BL_TRY_DONE(settings_of(o, w, arena, &cfg));
    BL_TRY_DONE(read_source(o, source, arena, &d));
    BL_TRY_DONE(bl_split_make(&cfg, d, &split));
    BL_TRY_DONE(bl_split_write(&split, o->out));
    if (o->test) BL_TRY_DONE(write_test(o, source, d));
    BL_TRY_DONE(print_split(&split));
    if (o->expect) BL_TRY_DONE(compare(&split, o->expect));
done:
    bl_split_free(&split);
    if (d) bl_dataset_free(d);
    free(marker);
    /* read again only now, so that memory holds the images once */
    return status == BL_OK ? bl_split_verify(o->out, NULL) : status;
}

static bl_status run(const bl_invocation *in) {
    const options *o = in->options;
    if (o->doc) return bl_config_doc(&bl_split_schema, stdout);
    if (in->words.n_positional == 0)
        return bl_fail(BL_ECONFIG, "the SOURCE is missing: a COCO file or a Pascal VOC folder");
    if (o->verify) return verify(in->words.positional[0]);
    if (!o->out) return bl_fail(BL_ECONFIG, "--out DIR is required");
    bl_arena *arena = bl_arena_create(0);
    if (!arena) return BL_ENOMEM;
    bl_status status = make(o, &in->words, arena);
    bl_arena_destroy(arena);
    return status;
}

const bl_command bl_split_command = {
    .name = "split",
    .summary = "Divide a data set into labelled and unlabelled images.",
    .synopsis = "SOURCE --out DIR [OPTIONS] [KEY=VALUE]...",
    .details =
        "SOURCE is a COCO annotation file, or the folder of a Pascal VOC data set (with --list).\n"
        "Writes DIR/labelled.json, DIR/unlabelled.json (COCO; the unlabelled part keeps its boxes\n"
        "for measuring pseudo labels, they are never trained on) and DIR/split.json with "
        "settings,\n"
        "counts and checksums. The draw is a function of the settings alone; smaller percentages\n"
        "of a seed are subsets of larger ones. --doc lists the settings, among them those of the\n"
        "class-imbalanced split (minority, few_shot_images, few_shot_boxes). What is written is "
        "read\n"
        "again and checked: no image in both parts. docs/cissod.md has the published splits.\n",
    .examples =
        "  ballast split instances_train2017.json --out splits/10pct percent=10 seed=1\n"
        "  ballast split /data/bccd --list train --test test --classes RBC,WBC,Platelets \\\n"
        "      --out splits/bccd percent=10\n"
        "  ballast split all.json --out splits/rare 'minority=[\"bear\", \"scissors\"]'\n"
        "  ballast split instances_train2017.json --base base_10percent.txt --few novel_few.txt "
        "\\\n"
        "      --minority configs/cissod/coco_split1/minority.txt --out splits/coco_split1\n"
        "  ballast split --verify splits/10pct\n",
    .options = table,
    .settings = BL_SETTINGS_PLAIN,
    .min_words = 0,
    .max_words = 1,
    .options_size = sizeof(options),
    .run = run,
};
