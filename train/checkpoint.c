#include "train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/log.h"
#include "train/version.h"

enum { MAX_STATE = 128 };

static const char *const LOOP_ARRAY = "loop", *const SCALE_ARRAY = "loss_scale";
enum { LOOP_WORDS = 4 + BL_POS_WORDS + BL_MAX_LOSSES + 4, SCALE_WORDS = 2 };

static void loop_pack(const bl_loop_state *st, double *v) {
    *v++ = (double)st->iter;
    *v++ = st->best_score;
    *v++ = st->best_iter;
    *v++ = st->bad_steps;
    for (int i = 0; i < BL_POS_WORDS; i++) *v++ = (double)st->pos[i];
    memcpy(v, st->window, sizeof st->window);
}

static void loop_unpack(const double *v, bl_loop_state *st) {
    st->iter = (int64_t)*v++;
    st->best_score = *v++;
    st->best_iter = *v++;
    st->bad_steps = *v++;
    for (int i = 0; i < BL_POS_WORDS; i++) st->pos[i] = (int64_t)*v++;
    memcpy(st->window, v, sizeof st->window);
}

bl_status bl_checkpoint_save(const char *path, bl_ctx *ctx, bl_learner *l,
                             const bl_loop_state *st) {
    bl_arena *arena = bl_arena_create(1 << 20);
    if (!arena) return bl_fail(BL_ENOMEM, "out of memory for a checkpoint");
    bl_status status;
    int cap = MAX_STATE + 2, n = 0;
    for (int m = 0; m < 2; m++)
        if (l->model[m].store) cap += 3 * (int)bl_store_count(l->model[m].store);
    bl_st_tensor *t = BL_NEW_ARRAY(arena, bl_st_tensor, cap);
    bl_state_array *state = BL_NEW_ARRAY(arena, bl_state_array, MAX_STATE);
    double *loop = BL_NEW_ARRAY(arena, double, LOOP_WORDS);
    double scale[SCALE_WORDS] = {st->loss_scale.scale, st->loss_scale.good};
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
    bl_state_io io = {.arena = arena, .v = state, .cap = MAX_STATE - 2};
    BL_TRY_DONE(l->ops->state(l, &io));
    int n_state = io.n;
    loop_pack(st, loop);
    state[n_state++] = (bl_state_array){LOOP_ARRAY, loop, LOOP_WORDS};
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
    snprintf(iter, sizeof iter, "%lld", (long long)st->iter);
    snprintf(classes, sizeof classes, "%d", (int)l->n_classes);
    const char *meta[] = {"format",          "pt",           "iter",    iter,
                          "learner",         l->name,        "classes", classes,
                          "ballast_version", BALLAST_VERSION};
    BL_TRY_DONE(bl_st_write(path, t, n, meta, (int)(sizeof meta / sizeof *meta / 2)));
done:
    bl_arena_destroy(arena);
    return status;
}

static bool has_prefix(const bl_st_file *f, const char *prefix) {
    for (int i = 0; i < bl_st_count(f); i++)
        if (strncmp(bl_st_at(f, i)->name, prefix, strlen(prefix)) == 0) return true;
    return false;
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

    bl_state_array state[MAX_STATE];
    int n = 0;
    double *copy[MAX_STATE]; /* a mapping need not be aligned for doubles */
    for (int i = 0; i < bl_st_count(f) && n < MAX_STATE; i++) {
        const bl_st_tensor *t = bl_st_at(f, i);
        if (strncmp(t->name, "state.", 6) != 0 || t->dtype != BL_ST_F64) continue;
        copy[n] = malloc(t->bytes ? t->bytes : 1);
        if (!copy[n]) {
            status = bl_fail(BL_ENOMEM, "out of memory reading %s", t->name);
            break;
        }
        if (t->bytes) memcpy(copy[n], t->data, t->bytes);
        state[n] = (bl_state_array){t->name + 6, copy[n], (int64_t)(t->bytes / sizeof(double))};
        n++;
    }
    const double *loop = NULL;
    st->loss_scale = (bl_loss_scale){0, 0};
    for (int i = 0; i < n; i++) {
        const double *v = state[i].v;
        if (strcmp(state[i].name, LOOP_ARRAY) == 0 && state[i].n == LOOP_WORDS) loop = v;
        if (strcmp(state[i].name, SCALE_ARRAY) == 0 && state[i].n == SCALE_WORDS && v[0] >= 1 &&
            isfinite(v[0]) && v[1] >= 0)
            st->loss_scale = (bl_loss_scale){v[0], v[1]};
    }
    if (status == BL_OK && !loop)
        status = bl_fail(BL_EFORMAT,
                         "has no usable state.loop: not a training checkpoint of this version");
    if (status == BL_OK) loop_unpack(loop, st);
    if (status == BL_OK)
        status = l->ops->state(l, &(bl_state_io){.loading = true, .v = state, .n = n});
    for (int i = 0; i < n; i++) free(copy[i]);
done:
    bl_st_close(f);
    return status == BL_OK ? BL_OK : bl_fail_context(status, "%s", path);
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
                             : bl_fail(BL_ENOMEM, "out of memory reading %s", path);
    if (*v) {
        memcpy(*v, t->data, t->bytes);
        *n = (int64_t)(t->bytes / sizeof **v);
    }
    bl_st_close(f);
    return status;
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

static char *join3(const char *a, const char *b, const char *c) {
    char *ab = bl_path_join(a, b);
    char *abc = ab ? bl_path_join(ab, c) : NULL;
    free(ab);
    return abc;
}

char *bl_checkpoint_run_dir(const char *arg) {
    if (bl_is_dir(arg)) return strdup(arg);
    char *ckpt = bl_path_dir(arg);
    char *run = ckpt ? bl_path_dir(ckpt) : NULL;
    free(ckpt);
    return run;
}

char *bl_checkpoint_path(const char *run_dir, int64_t iter) {
    char name[64];
    snprintf(name, sizeof name, "iter_%08lld.safetensors", (long long)iter);
    return join3(run_dir, "ckpt", name);
}

char *bl_checkpoint_named(const char *run_dir, const char *which) {
    char *pointer = bl_path_join(run_dir, which), *text = NULL, *path = NULL;
    size_t size = 0;
    if (pointer && bl_read_file(pointer, 4096, &text, &size) == BL_OK) {
        text[strcspn(text, "\r\n")] = 0;
        if (strchr(text, '/') || !*text)
            bl_fail(BL_EFORMAT, "%s: \"%s\" is not a checkpoint's file name", pointer, text);
        else
            path = join3(run_dir, "ckpt", text);
    }
    free(pointer);
    free(text);
    return path;
}

bl_status bl_checkpoint_point(const char *run_dir, const char *which, int64_t iter) {
    char name[64];
    int n = snprintf(name, sizeof name, "iter_%08lld.safetensors\n", (long long)iter);
    char *path = bl_path_join(run_dir, which);
    if (!path) return bl_fail(BL_ENOMEM, "out of memory");
    bl_status status = bl_write_file(path, name, (size_t)n);
    free(path);
    return status;
}

static int descending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

bl_status bl_checkpoint_prune(const char *run_dir, int64_t keep, int64_t best_iter) {
    char *dir = bl_path_join(run_dir, "ckpt");
    DIR *d = dir ? opendir(dir) : NULL;
    if (!d) {
        bl_status s = bl_fail(BL_EIO, "%s: %s", dir ? dir : run_dir, strerror(errno));
        free(dir);
        return s;
    }
    int64_t *iters = NULL;
    size_t n = 0, cap = 0;
    for (struct dirent *e; (e = readdir(d));) {
        long long it;
        int end = 0;
        if (sscanf(e->d_name, "iter_%lld.safetensors%n", &it, &end) != 1 || end == 0 ||
            e->d_name[end])
            continue;
        if (n == cap) {
            cap = cap ? 2 * cap : 16;
            int64_t *grown = realloc(iters, cap * sizeof *iters);
            if (!grown) break; /* pruning less is harmless */
            iters = grown;
        }
        iters[n++] = it;
    }
    closedir(d);
    if (n) qsort(iters, n, sizeof *iters, descending);
    for (size_t i = (size_t)keep; i < n; i++) {
        if (iters[i] == best_iter) continue;
        char *path = bl_checkpoint_path(run_dir, iters[i]);
        if (path && unlink(path) != 0)
            BL_WARN("cannot remove old checkpoint %s: %s", path, strerror(errno));
        free(path);
    }
    free(iters);
    free(dir);
    return BL_OK;
}
