#include "train/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/log.h"
#include "train/version.h"

enum { MAX_STATE = 128 };
static const char STATE_PREFIX[] = "state.";

static const char *const LOOP_ARRAY = "loop", *const SCALE_ARRAY = "loss_scale",
                         *const RECORD_ARRAY = "record";
enum {
    LOOP_WORDS = 4 + BL_POS_WORDS + BL_MAX_LOSSES + 4,
    SCALE_WORDS = 2,
    RECORD_WORDS = 2,
    OWN_ARRAYS = 3
};
static const double EXACT = 9007199254740992.0; /* whole numbers up to 2^53 are exact */

static void loop_pack(const bl_loop_state *st, double *v) {
    *v++ = (double)st->iter;
    *v++ = st->best_score;
    *v++ = st->best_iter;
    *v++ = st->bad_steps;
    for (int i = 0; i < BL_POS_WORDS; i++) *v++ = (double)st->pos[i];
    memcpy(v, st->window, sizeof st->window);
}

/* A whole number in [0, max]? */
static bool whole(double v, double max) {
    return v >= 0 && v <= max && v == floor(v);
}

static bl_status loop_unpack(const double *v, bl_loop_state *st) {
    const double *pos = v + 4;
    bool good = whole(v[0], EXACT) && isfinite(v[1]) && whole(v[2], v[0]) && whole(v[3], EXACT);
    for (int i = 0; i < BL_POS_WORDS; i++) good = good && whole(pos[i], EXACT);
    if (!good)
        return bl_fail(BL_EFORMAT, "state.%s holds impossible values (iteration %g, best %g at %g)",
                       LOOP_ARRAY, v[0], v[1], v[2]);
    st->iter = (int64_t)v[0];
    st->best_score = v[1];
    st->best_iter = v[2];
    st->bad_steps = v[3];
    for (int i = 0; i < BL_POS_WORDS; i++) st->pos[i] = (int64_t)pos[i];
    memcpy(st->window, pos + BL_POS_WORDS, sizeof st->window);
    return BL_OK;
}

bl_status bl_checkpoint_save(const char *path, bl_ctx *ctx, bl_learner *l,
                             const bl_loop_state *st) {
    bl_arena *arena = bl_arena_create(1 << 20);
    if (!arena) return bl_no_memory("for a checkpoint");
    bl_status status;
    int cap = MAX_STATE, n = 0;
    for (int m = 0; m < 2; m++)
        if (l->model[m].store) cap += 3 * (int)bl_store_count(l->model[m].store);
    bl_st_tensor *t = BL_NEW_ARRAY(arena, bl_st_tensor, cap);
    bl_state_array *state = BL_NEW_ARRAY(arena, bl_state_array, MAX_STATE);
    double *loop = BL_NEW_ARRAY(arena, double, LOOP_WORDS);
    double scale[SCALE_WORDS] = {st->loss_scale.scale, st->loss_scale.good};
    double record[RECORD_WORDS] = {(double)st->lines, st->evaluate};
    if (!t || !state || !loop) {
        status = BL_ENOMEM;
        goto done;
    }
    BL_TRY_DONE(
        bl_store_export(l->model[0].store, ctx, "student.", BL_STORE_VALUES, arena, t, cap, &n));
    BL_TRY_DONE(
        bl_store_export(l->model[0].store, ctx, "momentum.", BL_STORE_MOMENTUM, arena, t, cap, &n));
    if (bl_store_has_squares(l->model[0].store))
        BL_TRY_DONE(bl_store_export(l->model[0].store, ctx, "square.", BL_STORE_SQUARES, arena, t,
                                    cap, &n));
    if (l->model[1].store)
        BL_TRY_DONE(bl_store_export(l->model[1].store, ctx, "teacher.", BL_STORE_VALUES, arena, t,
                                    cap, &n));
    bl_state_io io = {.arena = arena, .v = state, .cap = MAX_STATE - OWN_ARRAYS};
    BL_TRY_DONE(l->ops->state(l, &io));
    int n_state = io.n;
    loop_pack(st, loop);
    state[n_state++] = (bl_state_array){LOOP_ARRAY, loop, LOOP_WORDS};
    state[n_state++] = (bl_state_array){RECORD_ARRAY, record, RECORD_WORDS};
    if (scale[0] > 0) state[n_state++] = (bl_state_array){SCALE_ARRAY, scale, SCALE_WORDS};
    for (int i = 0; i < n_state; i++) {
        const char *name = bl_arena_printf(arena, "state.%s", state[i].name);
        if (!name) {
            status = BL_ENOMEM;
            goto done;
        }
        t[n++] = (bl_st_tensor){.name = name,
                                .dtype = BL_ST_F64,
                                .ndim = 1,
                                .shape = {state[i].n},
                                .data = state[i].v,
                                .bytes = (size_t)state[i].n * sizeof(double)};
    }
    char iter[32], classes[32];
    const char *done = st->evaluate ? "no" : "yes";
    snprintf(iter, sizeof iter, "%lld", (long long)st->iter);
    snprintf(classes, sizeof classes, "%d", (int)l->n_classes);
    const char *meta[] = {"format",
                          "pt",
                          "iter",
                          iter,
                          "learner",
                          l->name,
                          "classes",
                          classes,
                          "ballast_version",
                          BALLAST_VERSION,
                          "evaluated",
                          done};
    BL_TRY_DONE(bl_st_write_sealed(path, t, n, meta, (int)(sizeof meta / sizeof *meta / 2)));
done:
    bl_arena_destroy(arena);
    return status;
}

static bool has_prefix(const bl_st_file *f, const char *prefix) {
    for (int i = 0; i < bl_st_count(f); i++)
        if (strncmp(bl_st_at(f, i)->name, prefix, strlen(prefix)) == 0) return true;
    return false;
}

/* One array of numbers, copied because a mapping need not be aligned. What is not finite was never
 * written. */
static bl_status copy_array(const bl_st_tensor *t, bl_arena *arena, bl_state_array *out) {
    int64_t n = (int64_t)(t->bytes / sizeof(double));
    double *v = BL_NEW_ARRAY(arena, double, n + 1);
    if (!v) return bl_no_memory("to read %s", t->name);
    if (n > 0) memcpy(v, t->data, t->bytes);
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(v[i]))
            return bl_fail(BL_EFORMAT, "%s[%lld] is %g", t->name, (long long)i, v[i]);
    }
    *out = (bl_state_array){t->name + strlen(STATE_PREFIX), v, n};
    return BL_OK;
}

static const double *own_array(const bl_state_array *state, int n, const char *name,
                               int64_t words) {
    for (int i = 0; i < n; i++)
        if (strcmp(state[i].name, name) == 0 && state[i].n == words) return state[i].v;
    return NULL;
}

/* What the loop itself remembers. A checkpoint of an older version has no record: its metrics are
 * cut by iteration. */
static bl_status read_own(const bl_st_file *f, const bl_state_array *state, int n,
                          bl_loop_state *st) {
    const double *loop = own_array(state, n, LOOP_ARRAY, LOOP_WORDS),
                 *scale = own_array(state, n, SCALE_ARRAY, SCALE_WORDS),
                 *record = own_array(state, n, RECORD_ARRAY, RECORD_WORDS);
    const char *iter = bl_st_metadata(f, "iter");
    if (!loop)
        return bl_fail(BL_EFORMAT,
                       "has no usable state.loop: not a training checkpoint of this version");
    BL_TRY(loop_unpack(loop, st));
    if (!iter || strtoll(iter, NULL, 10) != st->iter)
        return bl_fail(BL_EFORMAT, "state.loop is of iteration %lld, the metadata of %s",
                       (long long)st->iter, iter ? iter : "none");
    if (record && !(record[0] >= -1 && record[0] <= EXACT && whole(record[1], 1)))
        return bl_fail(BL_EFORMAT, "state.%s holds impossible values", RECORD_ARRAY);
    st->lines = record ? (int64_t)record[0] : -1;
    st->evaluate = record && record[1] > 0;
    st->loss_scale = (bl_loss_scale){0, 0};
    if (scale && scale[0] >= 1 && scale[1] >= 0)
        st->loss_scale = (bl_loss_scale){scale[0], scale[1]};
    return BL_OK;
}

static bl_status read_state(const bl_st_file *f, bl_learner *l, bl_loop_state *st) {
    bl_state_array state[MAX_STATE];
    int n = 0;
    bl_arena *arena = bl_arena_create(0);
    bl_status status = arena ? BL_OK : bl_no_memory("for the state");
    for (int i = 0; i < bl_st_count(f) && status == BL_OK; i++) {
        const bl_st_tensor *t = bl_st_at(f, i);
        if (strncmp(t->name, STATE_PREFIX, strlen(STATE_PREFIX)) != 0 || t->dtype != BL_ST_F64)
            continue;
        status = n < MAX_STATE
                     ? copy_array(t, arena, &state[n++])
                     : bl_fail(BL_EFORMAT, "more than %d arrays of state", (int)MAX_STATE);
    }
    if (status == BL_OK) status = read_own(f, state, n, st);
    if (status == BL_OK)
        status = l->ops->state(l, &(bl_state_io){.loading = true, .v = state, .n = n});
    bl_arena_destroy(arena);
    return status;
}

bl_status bl_checkpoint_load(const char *path, bl_ctx *ctx, bl_learner *l, bl_loop_state *st) {
    bl_st_file *f = NULL;
    BL_TRY(bl_st_open(path, &f));
    bl_status status;
    const char *learner = bl_st_metadata(f, "learner");
    if (!learner || strcmp(learner, l->name) != 0) {
        status = bl_fail(BL_EFORMAT, "was written by learner \"%s\", this run uses \"%s\"",
                         learner ? learner : "(none)", l->name);
        goto done;
    }
    int missing;
    BL_TRY_DONE(
        bl_store_import(l->model[0].store, ctx, f, "student.", BL_STORE_VALUES, false, &missing));
    BL_TRY_DONE(bl_store_import(l->model[0].store, ctx, f, "momentum.", BL_STORE_MOMENTUM, false,
                                &missing));
    if (has_prefix(f, "square."))
        BL_TRY_DONE(bl_store_import(l->model[0].store, ctx, f, "square.", BL_STORE_SQUARES, false,
                                    &missing));
    if (l->model[1].store)
        BL_TRY_DONE(bl_store_import(l->model[1].store, ctx, f, "teacher.", BL_STORE_VALUES, false,
                                    &missing));

    BL_TRY_DONE(read_state(f, l, st));
done:
    bl_st_close(f);
    return status == BL_OK ? BL_OK : bl_fail_context(status, "%s", path);
}

/* Predictions of such weights would be no numbers. */
static bl_status check_finite(bl_store *store, bl_ctx *ctx) {
    const char *name = bl_store_first_nonfinite(store, ctx, false);
    return name ? bl_fail(BL_ENUMERIC, "the weights of %s are not finite", name) : BL_OK;
}

bl_status bl_checkpoint_load_weights(const char *path, bl_ctx *ctx, bl_store *store,
                                     const char *model, bool partial, int *n_missing) {
    bl_st_file *f = NULL;
    int missing = 0;
    BL_TRY(bl_st_open(path, &f));
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s.", model);
    bool prefixed = has_prefix(f, prefix);
    bl_status status;
    if (!prefixed && !partial)
        status = bl_fail(BL_EFORMAT, "has no %s weights (tensors named %s*)", model, prefix);
    else
        status = bl_store_import(store, ctx, f, prefixed ? prefix : "", BL_STORE_VALUES, partial,
                                 &missing);
    bl_st_close(f);
    if (status == BL_OK) status = check_finite(store, ctx);
    if (n_missing) *n_missing = missing;
    return status == BL_OK ? BL_OK : bl_fail_context(status, "%s", path);
}

bl_status bl_checkpoint_state(const char *path, const char *name, double **v, int64_t *n) {
    bl_st_file *f = NULL;
    char full[128];
    BL_TRY(bl_st_open(path, &f));
    snprintf(full, sizeof full, "state.%s", name);
    const bl_st_tensor *t = bl_st_find(f, full);
    bool good = t && t->dtype == BL_ST_F64;
    *v = good ? malloc(t->bytes + 1) : NULL;
    bl_status status = !good ? bl_fail(BL_EFORMAT, "%s: no array %s", path, full)
                       : *v  ? BL_OK
                             : bl_no_memory("to read %s", path);
    if (*v) {
        memcpy(*v, t->data, t->bytes);
        *n = (int64_t)(t->bytes / sizeof **v);
    }
    bl_st_close(f);
    return status;
}

bl_status bl_checkpoint_verify(const char *path) {
    bl_st_file *f = NULL;
    BL_TRY(bl_st_open(path, &f));
    bl_status status = bl_st_verify(f);
    bl_st_close(f);
    return status;
}

bool bl_checkpoint_evaluated(const char *path) {
    bl_st_file *f = NULL;
    if (bl_st_open(path, &f) != BL_OK) return false;
    const char *done = bl_st_metadata(f, "evaluated");
    bool yes = !done || strcmp(done, "yes") == 0;
    bl_st_close(f);
    return yes;
}

bl_status bl_checkpoint_info(const char *path, int64_t *iter, int64_t *classes, bool *has_teacher) {
    bl_st_file *f = NULL;
    BL_TRY(bl_st_open(path, &f));
    const char *i = bl_st_metadata(f, "iter"), *k = bl_st_metadata(f, "classes");
    *iter = i ? strtoll(i, NULL, 10) : 0;
    *classes = k ? strtoll(k, NULL, 10) : 0;
    *has_teacher = has_prefix(f, "teacher.");
    bl_st_close(f);
    return BL_OK;
}
