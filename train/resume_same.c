/* Whether a run that continues is still the run that was started. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "train/resume.h"

/* ---- configuration ---- */

/* What decides no result: where and how fast a run computes, what it writes when, and where the
 * data lie (their content is compared by itself). What a checkpoint holds is fp32 in every
 * precision. */
static const char *const free_keys[] = {"run.device",
                                        "run.backend",
                                        "run.tuning_file",
                                        "run.precision",
                                        "run.prefetch_device",
                                        "run.graphs",
                                        "run.threads",
                                        "run.adapt_threads",
                                        "run.log_every",
                                        "run.eval_every",
                                        "run.eval_student",
                                        "run.checkpoint_every",
                                        "run.keep_checkpoints",
                                        "run.samples",
                                        "run.features",
                                        "run.max_bad_steps",
                                        "loader.workers",
                                        "loader.prefetch",
                                        "data.root",
                                        "data.labelled",
                                        "data.unlabelled",
                                        "data.test",
                                        "data.image_dir",
                                        "data.test_image_dir",
                                        "data.unlabelled_image_dir",
                                        "images.path",
                                        "views.device"};

typedef struct {
    const bl_run_config *cfg;
    const char *file;
    struct json_object *usual; /* the defaults */
    int64_t iter;              /* < 0: nothing is logged */
    bool changed;
} comparison;

static bool is_free(const char *key) {
    for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++)
        if (strcmp(free_keys[i], key) == 0) return true;
    return false;
}

static const char *text(struct json_object *o) {
    return o ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN) : "null";
}

/* The value at a dotted key; NULL when there is none. */
static struct json_object *at_key(struct json_object *o, const char *key) {
    char part[128];
    while (o && *key) {
        size_t n = strcspn(key, ".");
        snprintf(part, sizeof part, "%.*s", (int)n, key);
        struct json_object *next = NULL;
        json_object_object_get_ex(o, part, &next);
        o = next;
        key += n + (key[n] == '.');
    }
    return o;
}

/* The learning rates so far, had the run been planned with `was` iterations all along? */
static bool same_rates(const bl_run_config *cfg, int64_t was, int64_t iter) {
    bl_run_config before = *cfg;
    before.run.iterations = was;
    for (int64_t i = 0; i < iter; i++)
        if (bl_run_lr(cfg, i) != bl_run_lr(&before, i)) return false;
    return true;
}

static bl_status longer(comparison *c, struct json_object *was, struct json_object *now) {
    int64_t a = json_object_get_int64(was), b = json_object_get_int64(now);
    if (b < a)
        return bl_fail(BL_ECONFIG,
                       "%s: run.iterations was %lld and is now %lld: it can be raised, not "
                       "lowered; --stop-after N ends a run early",
                       c->file, (long long)a, (long long)b);
    if (bl_run_generation(c->cfg) != b)
        return bl_fail(BL_ECONFIG,
                       "%s: run.iterations was %lld and is now %lld: a run of several generations "
                       "cannot be made longer, since they would begin elsewhere",
                       c->file, (long long)a, (long long)b);
    c->changed = true;
    if (c->iter < 0) return BL_OK;
    BL_INFO("resumed with run.iterations = %lld (was %lld)", (long long)b, (long long)a);
    if (!same_rates(c->cfg, a, c->iter))
        BL_WARN("the learning rate follows run.iterations: the %lld iterations so far had that of "
                "a run of %lld, the rest have that of a run of %lld",
                (long long)c->iter, (long long)a, (long long)b);
    return BL_OK;
}

static bl_status differs(comparison *c, const char *key, struct json_object *was,
                         struct json_object *now) {
    if (strcmp(key, "run.iterations") == 0) return longer(c, was, now);
    /* json-c keeps the text of a value with the value. */
    if (!is_free(key))
        return bl_fail(BL_ECONFIG,
                       "%s: the run was started with %s = %s and would be resumed with %s; resume "
                       "with the same configuration or start a new run folder",
                       c->file, key, text(was), text(now));
    c->changed = true;
    if (c->iter >= 0) BL_INFO("resumed with %s = %s (was %s)", key, text(now), text(was));
    return BL_OK;
}

/* `prefix` is the dotted key of both, "" at the top. A key that the older file lacks is one that
 * this version has added: it was what is usual. */
static bl_status compare(comparison *c, const char *prefix, struct json_object *was,
                         struct json_object *now) {
    json_object_object_foreach(now, name, value) {
        char key[256];
        snprintf(key, sizeof key, "%s%s%s", prefix, *prefix ? "." : "", name);
        struct json_object *old = NULL;
        if (!json_object_object_get_ex(was, name, &old)) old = at_key(c->usual, key);
        bool section = json_object_is_type(value, json_type_object) &&
                       json_object_is_type(old, json_type_object);
        if (section)
            BL_TRY(compare(c, key, old, value));
        else if (strcmp(text(old), text(value)) != 0)
            BL_TRY(differs(c, key, old, value));
    }
    json_object_object_foreach(was, gone, was_value) {
        struct json_object *still;
        if (json_object_object_get_ex(now, gone, &still)) continue;
        return bl_fail(BL_ECONFIG,
                       "%s: the run was started with %s%s%s = %s, which this "
                       "version does not know; finish it with the version that started it",
                       c->file, prefix, *prefix ? "." : "", gone, text(was_value));
    }
    return BL_OK;
}

/* A configuration as config.json would give it back: its numbers keep the text they are written in.
 */
static bl_status as_read(const bl_run_config *cfg, bl_json *doc) {
    char *written = NULL;
    size_t size = 0;
    struct json_object *dump = bl_config_dump(bl_run_schema_of(cfg->task), cfg);
    FILE *mem = dump ? open_memstream(&written, &size) : NULL;
    if (mem) {
        bl_json_print(dump, mem);
        fclose(mem);
    }
    json_object_put(dump);
    bl_status status = mem && written ? bl_json_parse(written, size, "the configuration", doc)
                                      : bl_no_memory("for the configuration");
    free(written);
    return status;
}

static bl_status compare_all(comparison *c) {
    bl_json was = {0}, now = {0}, usual = {0};
    bl_arena *arena = bl_arena_create(0);
    bl_run_config *defaults = arena ? BL_NEW(arena, bl_run_config) : NULL;
    bl_status status;
    if (!defaults) {
        status = bl_no_memory("for the configuration");
        goto done;
    }
    BL_TRY_DONE(bl_config_load(bl_run_schema_of(c->cfg->task), NULL, NULL, 0, arena, defaults));
    BL_TRY_DONE(bl_json_load(c->file, &was));
    BL_TRY_DONE(as_read(defaults, &usual));
    BL_TRY_DONE(as_read(c->cfg, &now));
    c->usual = usual.root;
    status = json_object_is_type(was.root, json_type_object)
                 ? compare(c, "", was.root, now.root)
                 : bl_fail(BL_EFORMAT, "%s: is not a configuration", c->file);
done:
    bl_json_free(&was);
    bl_json_free(&now);
    bl_json_free(&usual);
    bl_arena_destroy(arena);
    return status;
}

bl_status bl_resume_same_config(const bl_run_config *cfg, const char *run_dir, int64_t iter,
                                bool *changed) {
    char *path = bl_path_join(run_dir, "config.json");
    if (!path) return bl_no_memory(NULL);
    comparison c = {.cfg = cfg, .file = path, .iter = iter};
    bl_status status = compare_all(&c);
    if (changed) *changed = c.changed;
    free(path);
    return status;
}

bl_status bl_train_same_config(const bl_run_config *cfg, const char *run_dir) {
    return bl_resume_same_config(cfg, run_dir, -1, NULL);
}

/* ---- data ---- */

static const char *member(struct json_object *o, const char *key) {
    struct json_object *v;
    return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string)
               ? json_object_get_string(v)
               : NULL;
}

/* Both sets have the key, with the same value? */
static bool agree(struct json_object *was, struct json_object *now, const char *key) {
    const char *a = member(was, key), *b = member(now, key);
    return a && b && strcmp(a, b) == 0;
}

static bool disagree(struct json_object *was, struct json_object *now, const char *key) {
    const char *a = member(was, key), *b = member(now, key);
    return a && b && strcmp(a, b) != 0;
}

/* A set is what it was when its file is, byte by byte, or what was read from it. */
static bl_status same_set(const char *file, const char *name, struct json_object *was,
                          struct json_object *now) {
    static const char *const sums[] = {"content_sha256", "sha256", "pixels_sha256"};
    if (agree(was, now, "sha256") || agree(was, now, "content_sha256")) return BL_OK;
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
        if (!disagree(was, now, sums[i])) continue;
        const char *now_name = member(now, "name");
        return bl_fail(BL_EFORMAT,
                       "the %s images and labels (%s) are not those that the run was started with: "
                       "%s is %.12s..., %s has %.12s...; put the old ones back or start a new run",
                       name, now_name ? now_name : "?", sums[i], member(now, sums[i]), file,
                       member(was, sums[i]));
    }
    return BL_OK;
}

static bl_status compare_sets(const char *file, struct json_object *was, struct json_object *now) {
    json_object_object_foreach(now, name, set) {
        struct json_object *old;
        if (!json_object_object_get_ex(was, name, &old))
            return bl_fail(BL_EFORMAT,
                           "the run was started without a %s set (%s); start a new run to use one",
                           name, file);
        BL_TRY(same_set(file, name, old, set));
    }
    json_object_object_foreach(was, gone, unused) {
        (void)unused;
        struct json_object *still;
        if (!json_object_object_get_ex(now, gone, &still))
            return bl_fail(BL_EFORMAT,
                           "the run was started with a %s set (%s), which is missing now", gone,
                           file);
    }
    return BL_OK;
}

bl_status bl_resume_same_data(const bl_task *task, const char *run_dir) {
    char *path = bl_path_join(run_dir, "provenance.json");
    bl_json doc = {0};
    struct json_object *now = json_object_new_object(), *was;
    bl_status status = BL_OK;
    if (!path || !now) {
        status = bl_no_memory(NULL);
    } else if (bl_json_load(path, &doc) != BL_OK ||
               !json_object_object_get_ex(doc.root, "data", &was) ||
               !json_object_is_type(was, json_type_object)) {
        BL_WARN("%s does not say which data the run was started with: they are not compared", path);
    } else {
        task->ops->provenance(task, &now);
        status = now ? compare_sets(path, was, now) : bl_no_memory("for what is known of the data");
    }
    bl_json_free(&doc);
    json_object_put(now);
    free(path);
    return status;
}
