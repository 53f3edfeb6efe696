/* All runs of a report: loaded part by part, labelled, their classes matched by name. */
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "report/data.h"

/* ---- one run ---- */

static bl_status load_classes(rep_report *r, rep_run *run) {
    const char *const parts[] = {"classes.json", NULL};
    char *path = bl_rep_path(r->arena, run->dir, parts);
    if (!path) return BL_ENOMEM;
    if (!bl_exists(path)) {
        bl_rep_missing(r, run, "classes.json (class order and training counts)");
        return BL_OK;
    }
    bl_json doc = {0};
    BL_TRY(bl_json_load(path, &doc));
    bl_status status = BL_OK;
    struct json_object *list, *groups;
    int n_groups = bl_rep_array(doc.root, "groups", &groups);
    for (int g = 0; g < n_groups; g++) {
        struct json_object *name = json_object_array_get_idx(groups, (size_t)g);
        if (json_object_is_type(name, json_type_string))
            bl_rep_group(r, json_object_get_string(name));
    }
    int n = bl_rep_array(doc.root, "classes", &list);
    run->classes = BL_NEW_ARRAY(r->arena, rep_class, n + 1);
    if (!run->classes) status = BL_ENOMEM;
    for (int k = 0; status == BL_OK && k < n; k++) {
        struct json_object *c = json_object_array_get_idx(list, (size_t)k);
        rep_class *out = &run->classes[run->n_classes++];
        out->name = bl_arena_strdup(r->arena, bl_rep_string(c, "name"));
        out->train_images = bl_rep_score(c, "train_images");
        out->train_boxes = bl_rep_score(c, "train_boxes");
        out->group = bl_rep_group(r, bl_rep_string(c, "group"));
        if (!out->name) status = BL_ENOMEM;
    }
    bl_json_free(&doc);
    return status;
}

static bl_status load_text(rep_report *r, rep_run *run, const char *file, const char *missing,
                           const char **out) {
    enum { MAX_TEXT = 4 << 20 };
    const char *const parts[] = {file, NULL};
    char *path = bl_rep_path(r->arena, run->dir, parts), *data;
    size_t size;
    if (!path) return BL_ENOMEM;
    if (!bl_exists(path)) {
        if (missing) bl_rep_missing(r, run, missing);
        return BL_OK;
    }
    BL_TRY(bl_read_file(path, MAX_TEXT, &data, &size));
    *out = bl_arena_strdup(r->arena, data);
    free(data);
    return *out ? BL_OK : BL_ENOMEM;
}

static bool has_file(bl_arena *a, const char *dir, const char *file) {
    const char *const parts[] = {file, NULL};
    char *path = bl_rep_path(a, dir, parts);
    return path && bl_exists(path);
}

static bl_status load_run(rep_report *r, rep_run *run) {
    if (!bl_is_dir(run->dir))
        return bl_fail(BL_EIO,
                       "%s: is not a folder; name run folders as written by training, or folders "
                       "written by \"ballast score\"",
                       run->dir);
    run->scored = has_file(r->arena, run->dir, "metrics.json") &&
                  !has_file(r->arena, run->dir, "metrics.jsonl");
    if (run->scored) {
        BL_TRY(bl_rep_load_score(r, run));
        return load_text(r, run, "provenance.json", NULL, &run->provenance);
    }
    BL_TRY(load_classes(r, run));
    BL_TRY(bl_rep_load_eval(r, run));
    BL_TRY(bl_rep_load_metrics(r, run));
    BL_TRY(bl_rep_load_samples(r, run));
    BL_TRY(load_text(r, run, "best.json", NULL, &run->best));
    BL_TRY(load_text(r, run, "config.json", "config.json (configuration)", &run->config));
    return load_text(r, run, "provenance.json", "provenance.json (version, machine, data)",
                     &run->provenance);
}

/* ---- all runs ---- */

/* Length of what all paths begin with, up to and with a slash. */
static size_t common_folder(const rep_report *r) {
    size_t n = strlen(r->runs[0].dir);
    for (int i = 1; i < r->n_runs; i++) {
        size_t same = 0;
        while (same < n && r->runs[i].dir[same] == r->runs[0].dir[same]) same++;
        n = same;
    }
    while (n > 0 && r->runs[0].dir[n - 1] != '/') n--;
    return n;
}

static int label_count(const rep_report *r, const char *label) {
    int n = 0;
    for (int i = 0; i < r->n_runs; i++) n += strcmp(r->runs[i].label, label) == 0;
    return n;
}

/* Last part of the path; where those are not unique, what comes after the common part of all
 * paths. */
static bl_status label_runs(rep_report *r, const bl_report_source *sources) {
    for (int i = 0; i < r->n_runs; i++) {
        char *path = bl_arena_strdup(r->arena, r->runs[i].dir);
        if (!path) return BL_ENOMEM;
        size_t n = strlen(path);
        while (n > 1 && path[n - 1] == '/') path[--n] = 0;
        r->runs[i].dir = path;
    }
    size_t common = common_folder(r);
    for (int i = 0; i < r->n_runs; i++) {
        const char *path = r->runs[i].dir, *slash = strrchr(path, '/');
        r->runs[i].label = sources[i].label    ? bl_arena_strdup(r->arena, sources[i].label)
                           : slash && slash[1] ? slash + 1
                                               : path;
        if (!r->runs[i].label) return BL_ENOMEM;
    }
    bool twice = false;
    for (int i = 0; i < r->n_runs; i++) twice = twice || label_count(r, r->runs[i].label) > 1;
    for (int i = 0; i < r->n_runs; i++)
        if (twice && !sources[i].label) r->runs[i].label = r->runs[i].dir + common;
    for (int i = 0; i < r->n_runs; i++) /* the same folder twice */
        if (!*r->runs[i].label || label_count(r, r->runs[i].label) > 1)
            r->runs[i].label = bl_arena_printf(r->arena, "%s (%d)", r->runs[i].label, i + 1);
    for (int i = 0; i < r->n_runs; i++)
        if (!r->runs[i].label) return BL_ENOMEM;
    return BL_OK;
}

static int by_count(const void *a, const void *b) {
    const rep_class *const *x = a, *const *y = b;
    double p = bl_rep_count_of(*x), q = bl_rep_count_of(*y);
    if (p != q && !(isnan(p) && isnan(q))) {
        if (isnan(p) || isnan(q)) return isnan(p) ? 1 : -1;
        return p < q ? 1 : -1;
    }
    return (*x > *y) - (*x < *y);
}

static bl_status merge_classes(rep_report *r) {
    int total = 0;
    for (int i = 0; i < r->n_runs; i++) total += r->runs[i].n_classes;
    rep_class *all = BL_NEW_ARRAY(r->arena, rep_class, total + 1);
    rep_class **order = BL_NEW_ARRAY(r->arena, rep_class *, total + 1);
    r->classes = BL_NEW_ARRAY(r->arena, rep_class, total + 1);
    if (!all || !order || !r->classes) return BL_ENOMEM;
    int n = 0;
    for (int i = 0; i < r->n_runs; i++)
        for (int k = 0; k < r->runs[i].n_classes; k++) {
            const rep_class *c = &r->runs[i].classes[k];
            /* Runs mostly agree on the order: look there first. */
            int at = k < n && strcmp(all[k].name, c->name) == 0
                         ? k
                         : bl_rep_class_named(all, n, c->name);
            if (at < 0)
                all[n++] = *c;
            else if (isnan(bl_rep_count_of(&all[at])))
                all[at] = *c;
            else if (bl_rep_count_of(c) != bl_rep_count_of(&all[at]) && !isnan(bl_rep_count_of(c)))
                r->runs[i].other_counts = true;
        }
    for (int k = 0; k < n; k++) order[k] = &all[k];
    qsort(order, (size_t)n, sizeof *order, by_count);
    for (int k = 0; k < n; k++) r->classes[k] = *order[k];
    r->n_classes = n;
    r->by_frequency = n > 0 && !isnan(bl_rep_count_of(&r->classes[0]));
    r->count_images = r->by_frequency && isnan(r->classes[0].train_boxes);
    for (int i = 0; i < r->n_runs; i++) {
        rep_run *run = &r->runs[i];
        run->of_class = BL_NEW_ARRAY(r->arena, int, n + 1);
        if (!run->of_class) return BL_ENOMEM;
        for (int k = 0; k < n; k++)
            run->of_class[k] = bl_rep_class_named(run->classes, run->n_classes, r->classes[k].name);
    }
    return BL_OK;
}

/* A metric that has a group's name ("many") is the compared metric of that group. */
static void adopt_group_metrics(rep_report *r) {
    for (int g = 0; g < r->n_groups; g++) {
        int c = bl_rep_column_find(&r->summary, r->groups[g]), primary = r->summary.primary;
        if (primary < 0 || c < 0 || c == primary) continue;
        r->summary.v[c].hidden = true;
        for (int i = 0; i < r->n_runs; i++)
            for (int m = 0; m < REP_MODELS; m++) {
                rep_model *one = &r->runs[i].model[m];
                if (one->name && isnan(one->group[g][primary]))
                    one->group[g][primary] = one->summary[c];
            }
    }
}

bl_status bl_rep_load(rep_report *r, const bl_report_source *sources, int n,
                      const bl_report_options *options) {
    r->title = options->title && *options->title ? bl_arena_strdup(r->arena, options->title)
                                                 : "Ballast report";
    r->summary.primary = r->per_class.primary = -1;
    r->runs = BL_NEW_ARRAY(r->arena, rep_run, n);
    if (!r->runs || !r->title) return BL_ENOMEM;
    r->n_runs = n;
    for (int i = 0; i < n; i++) {
        r->runs[i].dir = sources[i].path;
        if (!sources[i].origin) continue;
        r->runs[i].origin = bl_arena_strdup(r->arena, sources[i].origin);
        if (!r->runs[i].origin) return BL_ENOMEM;
    }
    BL_TRY(label_runs(r, sources));
    for (int i = 0; i < n; i++) BL_TRY(load_run(r, &r->runs[i]));
    bl_rep_column_choose(&r->summary);
    bl_rep_column_choose(&r->per_class);
    adopt_group_metrics(r);
    BL_TRY(merge_classes(r));
    return bl_rep_make_methods(r, options);
}
