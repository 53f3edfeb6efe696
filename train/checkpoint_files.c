/* Where a run folder's checkpoints lie, which of them it names, and which of them stay. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/log.h"
#include "train/checkpoint.h"

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
    if (!path) return bl_no_memory(NULL);
    bl_status status = bl_write_file(path, name, (size_t)n);
    free(path);
    return status;
}

static int descending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

bl_status bl_checkpoint_list(const char *run_dir, int64_t **iters, int *n) {
    *iters = NULL;
    *n = 0;
    char *dir = bl_path_join(run_dir, "ckpt");
    DIR *d = dir ? opendir(dir) : NULL;
    bl_status status = BL_OK;
    if (!dir) status = bl_no_memory(NULL);
    if (dir && !d && errno != ENOENT && errno != ENOTDIR)
        status = bl_fail(BL_EIO, "%s: %s", dir, strerror(errno));
    size_t cap = 0;
    for (struct dirent *e; d && status == BL_OK && (e = readdir(d));) {
        long long it;
        int end = 0;
        if (sscanf(e->d_name, "iter_%lld.safetensors%n", &it, &end) != 1 || end == 0 ||
            e->d_name[end] || it < 0)
            continue;
        if ((size_t)*n == cap) {
            cap = cap ? 2 * cap : 16;
            int64_t *grown = realloc(*iters, cap * sizeof **iters);
            if (!grown) {
                status = bl_no_memory("for the names in %s", dir);
                break;
            }
            *iters = grown;
        }
        (*iters)[(*n)++] = it;
    }
    if (d) closedir(d);
    free(dir);
    if (status == BL_OK && *n) qsort(*iters, (size_t)*n, sizeof **iters, descending);
    if (status != BL_OK) {
        free(*iters);
        *iters = NULL;
        *n = 0;
    }
    return status;
}

bl_status bl_checkpoint_prune(const char *run_dir, int64_t keep, int64_t newest, int64_t best_iter,
                              bool newer) {
    int64_t *iters;
    int n;
    BL_TRY(bl_checkpoint_list(run_dir, &iters, &n));
    for (int i = 0, kept = 0; i < n; i++) {
        if (iters[i] <= newest && kept < keep) {
            kept++;
            continue;
        }
        if (iters[i] == best_iter || (iters[i] > newest && !newer)) continue;
        char *path = bl_checkpoint_path(run_dir, iters[i]);
        if (path && unlink(path) != 0)
            BL_WARN("cannot remove old checkpoint %s: %s", path, strerror(errno));
        free(path);
    }
    free(iters);
    return BL_OK;
}

bl_status bl_checkpoint_before(const char *run_dir, int64_t before, char **path) {
    int64_t *iters;
    int n;
    *path = NULL;
    BL_TRY(bl_checkpoint_list(run_dir, &iters, &n));
    for (int i = 0; i < n && !*path; i++) {
        if (iters[i] >= before) continue;
        char *one = bl_checkpoint_path(run_dir, iters[i]);
        if (one && bl_checkpoint_verify(one) == BL_OK) {
            *path = one;
        } else {
            free(one);
        }
    }
    free(iters);
    return BL_OK;
}

int64_t bl_checkpoint_iter(const char *path) {
    const char *slash = strrchr(path, '/');
    long long iter;
    return sscanf(slash ? slash + 1 : path, "iter_%lld.safetensors", &iter) == 1 ? iter : -1;
}

/* The last checkpoint of a run folder is damaged: puts what to do instead behind the message. */
static bl_status name_the_one_before(bl_status status, const char *run_dir, const char *damaged) {
    char *other = NULL, *what = strdup(bl_error());
    int64_t iter = bl_checkpoint_iter(damaged);
    if (what && iter >= 0 && bl_checkpoint_before(run_dir, iter, &other) == BL_OK && other)
        bl_fail(status, "%s; the one before it is whole: --checkpoint %s", what, other);
    else if (what)
        bl_fail(status, "%s; --no-verify takes it nevertheless", what);
    free(other);
    free(what);
    return status;
}

/* last_checkpoint is missing or damaged: names what there is. */
static bl_status no_last(const char *run_dir) {
    char *other = NULL, *what = strdup(bl_error());
    if (what && bl_checkpoint_before(run_dir, INT64_MAX, &other) == BL_OK && other)
        bl_fail(BL_EIO, "%s; the newest whole checkpoint there: --checkpoint %s", what, other);
    else
        bl_fail(BL_EIO, "%s has no checkpoint: %s", run_dir, what ? what : "out of memory");
    free(other);
    free(what);
    return BL_EIO;
}

bl_status bl_checkpoint_find(const char *arg, bool verify, char **path) {
    bool folder = bl_is_dir(arg);
    *path = folder ? bl_checkpoint_named(arg, "last_checkpoint") : strdup(arg);
    if (!*path) return no_last(arg);
    if (!verify) return BL_OK;
    bl_status status = bl_checkpoint_verify(*path);
    if (status == BL_OK) return BL_OK;
    if (folder) {
        name_the_one_before(status, arg, *path);
    } else {
        bl_st_file *f = NULL;
        char *what = strdup(bl_error());
        bool foreign = bl_st_open(arg, &f) == BL_OK && !bl_st_sealed(f);
        bl_st_close(f);
        if (what)
            bl_fail(status, "%s%s", what,
                    foreign ? "; --no-verify takes a file that another program wrote" : "");
        free(what);
    }
    free(*path);
    *path = NULL;
    return status;
}
