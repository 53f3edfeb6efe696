#include "train/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "train/checkpoint.h"
#include "train/run_folder.h"
#include "train/sweep_table.h"

/* ---- the file ---- */

static bl_status wrong(const bl_json *doc, const char *at, const char *what) {
    return bl_fail(BL_ECONFIG, "%s:%d: %s: %s", doc->file, bl_json_line(doc, at), at, what);
}

static bl_status known_keys(const bl_json *doc, struct json_object *o, const char *path,
                            const char *const *keys) {
    json_object_object_foreach(o, key, value) {
        (void)value;
        bool known = false;
        for (int i = 0; keys[i] && !known; i++) known = strcmp(keys[i], key) == 0;
        if (known) continue;
        char at[128];
        snprintf(at, sizeof at, "%s%s%.80s", path, *path ? "." : "", key);
        const char *near = bl_did_you_mean(key, keys);
        char what[128];
        snprintf(what, sizeof what, "unknown key%s%s%s", near ? ", did you mean \"" : "",
                 near ? near : "", near ? "\"?" : "");
        return wrong(doc, at, what);
    }
    return BL_OK;
}

/* A missing key leaves an empty list. */
static bl_status read_strings(const bl_json *doc, struct json_object *o, const char *path,
                              const char *key, bl_arena *arena, bl_strings *out) {
    struct json_object *a;
    *out = (bl_strings){0};
    if (!json_object_object_get_ex(o, key, &a)) return BL_OK;
    char at[128];
    snprintf(at, sizeof at, "%s%s%s", path, *path ? "." : "", key);
    if (!json_object_is_type(a, json_type_array)) return wrong(doc, at, "expected an array");
    out->n = (int32_t)json_object_array_length(a);
    out->v = BL_NEW_ARRAY(arena, const char *, out->n + 1);
    if (!out->v) return BL_ENOMEM;
    for (int32_t i = 0; i < out->n; i++) {
        struct json_object *e = json_object_array_get_idx(a, (size_t)i);
        if (!json_object_is_type(e, json_type_string)) return wrong(doc, at, "expected strings");
        if (!(out->v[i] = bl_arena_strdup(arena, json_object_get_string(e)))) return BL_ENOMEM;
    }
    return BL_OK;
}

static bl_status read_seeds(const bl_json *doc, bl_arena *arena, bl_ints *out) {
    struct json_object *a;
    if (!json_object_object_get_ex(doc->root, "seeds", &a) ||
        !json_object_is_type(a, json_type_array) || json_object_array_length(a) == 0)
        return wrong(doc, "seeds", "expected an array of at least one seed");
    out->n = (int32_t)json_object_array_length(a);
    out->v = BL_NEW_ARRAY(arena, int64_t, out->n);
    if (!out->v) return BL_ENOMEM;
    for (int32_t i = 0; i < out->n; i++) {
        struct json_object *e = json_object_array_get_idx(a, (size_t)i);
        if (!json_object_is_type(e, json_type_int) || json_object_get_int64(e) < 0)
            return wrong(doc, "seeds", "expected integers from 0");
        out->v[i] = json_object_get_int64(e);
        for (int32_t j = 0; j < i; j++)
            if (out->v[j] == out->v[i]) return wrong(doc, "seeds", "a seed is listed twice");
    }
    return BL_OK;
}

static const char *text_of(struct json_object *o, const char *key) {
    struct json_object *v;
    return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string)
               ? json_object_get_string(v)
               : NULL;
}

/* A name becomes a folder. */
static bool folder_name(const char *s) {
    if (!*s || *s == '.' || strlen(s) > 100) return false;
    for (; *s; s++)
        if (*s == '/' || (unsigned char)*s < ' ') return false;
    return true;
}

static bl_status read_run(const bl_json *doc, struct json_object *o, int32_t i, const char *dir,
                          bl_arena *arena, bl_sweep_run *r) {
    static const char *const keys[] = {"name", "config", "settings", NULL};
    char at[64];
    snprintf(at, sizeof at, "runs[%d]", (int)i);
    if (!json_object_is_type(o, json_type_object)) return wrong(doc, at, "expected an object");
    BL_TRY(known_keys(doc, o, at, keys));
    const char *name = text_of(o, "name"), *config = text_of(o, "config");
    if (!name || !folder_name(name))
        return wrong(doc, at, "needs a \"name\" that can name a folder");
    if (!config) return wrong(doc, at, "needs a \"config\", the path of a configuration");
    char *path = bl_path_join(dir, config);
    r->name = bl_arena_strdup(arena, name);
    r->config = path ? bl_arena_strdup(arena, path) : NULL;
    free(path);
    if (!r->name || !r->config) return BL_ENOMEM;
    return read_strings(doc, o, at, "settings", arena, &r->settings);
}

static bl_status read_all(const bl_json *doc, bl_arena *arena, bl_sweep *out) {
    static const char *const keys[] = {"seeds", "statistic", "settings", "runs", NULL};
    static const char *const statistics[] = {"last", "best", "median20", "mean20", NULL};
    struct json_object *runs, *statistic;
    *out = (bl_sweep){.statistic = "median20"};
    if (!json_object_is_type(doc->root, json_type_object))
        return wrong(doc, "", "the top level must be an object { ... }");
    BL_TRY(known_keys(doc, doc->root, "", keys));
    BL_TRY(read_seeds(doc, arena, &out->seeds));
    BL_TRY(read_strings(doc, doc->root, "", "settings", arena, &out->settings));
    if (json_object_object_get_ex(doc->root, "statistic", &statistic)) {
        out->statistic = NULL;
        for (int i = 0; statistics[i] && json_object_is_type(statistic, json_type_string); i++)
            if (strcmp(statistics[i], json_object_get_string(statistic)) == 0)
                out->statistic = statistics[i];
        if (!out->statistic)
            return wrong(doc, "statistic", "expected last, best, median20 or mean20");
    }
    if (!json_object_object_get_ex(doc->root, "runs", &runs) ||
        !json_object_is_type(runs, json_type_array) || json_object_array_length(runs) == 0)
        return wrong(doc, "runs", "expected an array of at least one run");
    out->n_runs = (int32_t)json_object_array_length(runs);
    out->run = BL_NEW_ARRAY(arena, bl_sweep_run, out->n_runs);
    char *dir = bl_path_dir(doc->file);
    bl_status status = out->run && dir ? BL_OK : bl_no_memory(NULL);
    for (int32_t i = 0; status == BL_OK && i < out->n_runs; i++) {
        status =
            read_run(doc, json_object_array_get_idx(runs, (size_t)i), i, dir, arena, &out->run[i]);
        for (int32_t j = 0; status == BL_OK && j < i; j++)
            if (strcmp(out->run[j].name, out->run[i].name) == 0)
                status = wrong(doc, "runs", "two runs have the same name");
    }
    free(dir);
    return status;
}

bl_status bl_sweep_load(const char *path, bl_arena *arena, bl_sweep *out) {
    bl_json doc = {0};
    bl_status status = bl_json_load(path, &doc);
    if (status == BL_EFORMAT) status = BL_ECONFIG; /* broken JSON that a person wrote */
    if (status == BL_OK) status = read_all(&doc, arena, out);
    bl_json_free(&doc);
    return status;
}

/* ---- running ---- */

/* Seeds of a long-tailed construction draw sets of their own, as the seeds of published means do,
 * unless the choice is the file's (no seed) or that of a fixed legacy generator, or was given. */
static bool draws_its_split(const bl_run_config *cfg, const char *const *settings, int n) {
    if (cfg->task != BL_TASK_CLASSIFICATION || cfg->longtail.pick != BL_LONGTAIL_SHUFFLED)
        return false;
    for (int i = 0; i < n; i++)
        if (strncmp(settings[i], "longtail.seed=", strlen("longtail.seed=")) == 0) return false;
    return true;
}

static bl_status load_config(const bl_sweep *s, const bl_sweep_options *opt, int32_t run,
                             int32_t seed, bl_arena *arena, bl_run_config *cfg) {
    const bl_strings *const lists[] = {&s->settings, &s->run[run].settings, &opt->settings};
    long long number = s->seeds.v[seed];
    int n = 0;
    const char **all = BL_NEW_ARRAY(arena, const char *,
                                    s->settings.n + s->run[run].settings.n + opt->settings.n + 2);
    if (!all) return BL_ENOMEM;
    for (int l = 0; l < 3; l++)
        for (int32_t i = 0; i < lists[l]->n; i++) all[n++] = lists[l]->v[i];
    all[n] = bl_arena_printf(arena, "run.seed=%lld", number);
    if (!all[n++]) return BL_ENOMEM;
    BL_TRY(bl_run_config_load(s->run[run].config, all, n, arena, cfg));
    if (!draws_its_split(cfg, all, n)) return BL_OK;
    all[n] = bl_arena_printf(arena, "longtail.seed=%lld", number);
    if (!all[n++]) return BL_ENOMEM;
    return bl_run_config_load(s->run[run].config, all, n, arena, cfg);
}

static bool holds(const char *dir, const char *name) {
    char *path = bl_path_join(dir, name);
    bool there = path && bl_exists(path);
    free(path);
    return there;
}

/* The last checkpoint is that of the last iteration, nothing was left to do when it was saved, and
 * what the table is made of is there. */
static bool finished(const char *dir, const bl_run_config *cfg) {
    if (!holds(dir, "last_checkpoint")) return false;
    if (cfg->task == BL_TASK_CLASSIFICATION && !holds(dir, "summary.json")) return false;
    char *path = bl_checkpoint_named(dir, "last_checkpoint");
    char *want = bl_checkpoint_path(dir, cfg->run.iterations);
    bool done = path && want && strcmp(path, want) == 0 && bl_checkpoint_evaluated(path);
    free(path);
    free(want);
    return done;
}

static bl_status one(const bl_sweep *s, const bl_sweep_options *opt, int32_t run, int32_t seed) {
    bl_arena *arena = bl_arena_create(0);
    char *dir = bl_sweep_folder(s, opt, run, seed);
    bl_run_config *cfg = arena ? BL_NEW(arena, bl_run_config) : NULL;
    bl_status status;
    if (!dir || !cfg) {
        status = bl_no_memory(NULL);
        goto done;
    }
    BL_TRY_DONE(load_config(s, opt, run, seed, arena, cfg));
    if (finished(dir, cfg)) {
        BL_TRY_DONE(bl_train_same_config(cfg, dir));
        BL_INFO("%s: finished", dir);
        goto done;
    }
    BL_INFO("%s: seed %lld, run %d of %d", dir, (long long)s->seeds.v[seed],
            (int)(seed * s->n_runs + run + 1), (int)(s->n_runs * s->seeds.n));
    BL_TRY_DONE(
        bl_train(cfg, &(bl_train_options){.out_dir = dir,
                                          .resume = true,
                                          .resume_from = "auto",
                                          .to_continue = "the same command goes on from there",
                                          .command_line = opt->command_line,
                                          .cancel = opt->cancel}));
done:
    if (status != BL_OK && dir) bl_fail_context(status, "%s", dir);
    free(dir);
    bl_arena_destroy(arena);
    return status;
}

static bl_status check_run(const bl_sweep *s, const bl_sweep_options *opt, int32_t run) {
    bl_arena *arena = bl_arena_create(0);
    bl_run_config *cfg = arena ? BL_NEW(arena, bl_run_config) : NULL;
    bl_status status =
        cfg ? load_config(s, opt, run, 0, arena, cfg) : bl_no_memory("for a configuration");
    if (status != BL_OK) bl_fail_context(status, "run \"%s\"", s->run[run].name);
    bl_arena_destroy(arena);
    return status;
}

bl_status bl_sweep_check(const bl_sweep *s, const bl_sweep_options *opt) {
    for (int32_t run = 0; run < s->n_runs; run++) BL_TRY(check_run(s, opt, run));
    return BL_OK;
}

static bl_status every_run(const bl_sweep *s, const bl_sweep_options *opt) {
    for (int32_t seed = 0; seed < s->seeds.n; seed++)
        for (int32_t run = 0; run < s->n_runs; run++) {
            BL_TRY(one(s, opt, run, seed));
            BL_TRY(bl_sweep_write_tables(s, opt));
        }
    return BL_OK;
}

bl_status bl_sweep_execute(const bl_sweep *s, const bl_sweep_options *opt) {
    if (!opt->table_only) BL_TRY(bl_sweep_check(s, opt));
    if (opt->table_only) { /* also while the sweep runs */
        BL_TRY(bl_mkdirs(opt->out_dir));
        return bl_sweep_write_tables(s, opt);
    }
    bl_run_folder folder;
    BL_TRY(bl_run_folder_enter(opt->out_dir, &folder));
    bl_status status = every_run(s, opt);
    if (status == BL_OK) status = bl_sweep_write_tables(s, opt);
    bl_run_folder_leave(&folder);
    return status;
}
