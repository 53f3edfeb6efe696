#include "train/start_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "interop/names.h"
#include "interop/weight_file.h"
#include "nn/weights.h"
#include "train/checkpoint.h"

static void say_names(bl_start_weights_say say, const char *what, const bl_weight_names *l) {
    char line[BL_WEIGHT_NAMES + 160];
    if (!l->n) return;
    snprintf(line, sizeof line, "weights   %d %s: %s%s", l->n, what, l->text,
             l->n > BL_WEIGHT_SHOWN ? ", ..." : "");
    say(line);
}

static void describe(const bl_weights *w, const char *file, bl_start_weights_say say) {
    char line[1024];
    snprintf(line, sizeof line, "weights   %.800s: %d tensors read, %d missing, %d unused", file,
             w->read, w->missing.n + w->norms.n + w->heads.n, w->unused.n);
    say(line);
    say_names(say, "missing, left as initialised", &w->missing);
    say_names(say, "not read, other kind of normalisation", &w->norms);
    say_names(say, "of other classes than the model's, left as initialised", &w->heads);
    say_names(say, "unused", &w->unused);
    if (w->skipped) {
        snprintf(line, sizeof line, "weights   %d left as initialised by run.init_skip",
                 w->skipped);
        say(line);
    }
}

typedef struct source {
    char *file;
    bl_st_file *tensors;
    bl_weights match;
} source;

static void close_source(source *s) {
    bl_weights_free(&s->match);
    bl_st_close(s->tensors);
    free(s->file);
}

/* Says whose names these are, and what the names do not say. */
static void describe_names(const char *kind, const bl_translation *t, bl_start_weights_say say) {
    char line[512];
    if (!t->table) return;
    snprintf(line, sizeof line, "weights   %s of a %s%s%s: names of %d tensors translated", kind,
             t->table->framework, *t->part ? ", below " : "", t->part, t->renamed);
    say(line);
    if (!*t->table->settings) return;
    snprintf(line, sizeof line,
             "weights   such weights are usually made with detector settings: %s",
             t->table->settings);
    say(line);
}

static bl_status open_tensors(source *s, bool teacher, bl_start_weights_say say) {
    bl_weight_file_kind kind;
    bl_translation names;
    bl_st_file *file;
    BL_TRY(bl_weight_file_open(s->file, &file, &kind));
    BL_TRY(bl_names_translate(file, s->file, teacher, &s->tensors, &names));
    describe_names(bl_weight_file_kind_name(kind), &names, say);
    return BL_OK;
}

static bl_status open_source(const bl_run_section *run, const bl_store *store,
                             bl_start_weights_say say, source *s) {
    const char *from = run->init_from;
    if (!bl_exists(from))
        return bl_fail(BL_EIO, "%s does not exist; supply the weights, or set run.init_from=\"\"",
                       from);
    s->file = bl_is_dir(from) ? bl_checkpoint_named(from, "last_checkpoint") : strdup(from);
    if (!s->file) return bl_fail_context(BL_EIO, "%s has no checkpoint", from);
    BL_TRY(open_tensors(s, strcmp(run->init_model, "teacher") == 0, say));
    bl_status status =
        bl_weights_match(store, s->tensors, run->init_model, &run->init_skip, &s->match);
    if (status != BL_OK) return bl_fail_context(status, "%s", s->file);
    describe(&s->match, s->file, say);
    return BL_OK;
}

bl_status bl_start_weights_check(const bl_run_section *run, const bl_store *store,
                                 bl_start_weights_say say) {
    if (!*run->init_from) return BL_OK;
    source s = {0};
    bl_status status = open_source(run, store, say, &s);
    close_source(&s);
    return status == BL_OK ? BL_OK : bl_fail_context(status, "run.init_from");
}

static bl_status read_source(const source *s, bl_ctx *ctx, bl_store *store) {
    BL_TRY(bl_store_import_tensors(store, ctx, s->match.from));
    const char *bad = bl_store_first_nonfinite(store, ctx, false);
    return bad ? bl_fail(BL_ENUMERIC, "%s: tensor %s holds values that are not finite", s->file,
                         bad)
               : BL_OK;
}

bl_status bl_start_weights_load(const bl_run_section *run, bl_ctx *ctx, bl_store *store,
                                bl_start_weights_say say) {
    if (!*run->init_from) return BL_OK;
    source s = {0};
    bl_status status = open_source(run, store, say, &s);
    if (status == BL_OK) status = read_source(&s, ctx, store);
    close_source(&s);
    return status == BL_OK ? BL_OK : bl_fail_context(status, "run.init_from");
}
