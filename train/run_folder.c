#include "train/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/log.h"

static const char LOCK_NAME[] = "lock";
enum { MAX_DEPTH = 4, NAMED_FOREIGN = 4 };

/* ---- what a run writes ---- */

static const char *const own_files[] = {"config.json",
                                        "last_checkpoint",
                                        "best_checkpoint",
                                        "best.json",
                                        "provenance.json",
                                        "classes.json",
                                        "images.json",
                                        "summary.json",
                                        "metrics.jsonl",
                                        "log.txt",
                                        "ckpt/iter_[0-9]*.safetensors",
                                        "eval/iter_[0-9]*/*/metrics.json",
                                        "eval/iter_[0-9]*/*/per_class.csv",
                                        "eval/iter_[0-9]*/*/per_class.json",
                                        "eval/iter_[0-9]*/*/pr.json",
                                        "eval/iter_[0-9]*/*/analysis.json",
                                        "eval/iter_[0-9]*/*/results.json",
                                        "eval/iter_[0-9]*/*/confusion.json",
                                        "eval/iter_[0-9]*/*/features.safetensors",
                                        "validation/iter_[0-9]*/*/*.json",
                                        "validation/iter_[0-9]*/*/per_class.csv",
                                        "samples/iter_[0-9]*/samples.json",
                                        "samples/iter_[0-9]*/*_[0-9]*.jpg"};
static const char *const own_folders[] = {"ckpt",
                                          "eval",
                                          "eval/iter_[0-9]*",
                                          "eval/iter_[0-9]*/*",
                                          "validation",
                                          "validation/iter_[0-9]*",
                                          "validation/iter_[0-9]*/*",
                                          "samples",
                                          "samples/iter_[0-9]*"};

static bool matches(const char *const *patterns, size_t n, const char *path) {
    for (size_t i = 0; i < n; i++)
        if (fnmatch(patterns[i], path, FNM_PATHNAME | FNM_PERIOD) == 0) return true;
    return false;
}

/* The temporary name of an output file (core/outfile.c). */
static bool temporary(const char *path) {
    const char *tail = NULL;
    for (const char *p = path; (p = strstr(p, ".tmp.")); p++) tail = p + 5;
    return tail && *tail && tail[strspn(tail, "0123456789")] == '\0';
}

/* Of this process: still being written. */
static bool this_process(const char *path) {
    const char *dot = strrchr(path, '.');
    return temporary(path) && strtol(dot + 1, NULL, 10) == (long)getpid();
}

/* ---- walking ---- */

/* One entry, `path` relative to the run folder; folders come after what is in them. */
typedef bl_status (*visit_fn)(void *arg, const char *dir, const char *path, bool is_folder);

static char *join(const char *a, const char *b) {
    char *p = bl_path_join(a, b);
    if (!p) bl_no_memory(NULL);
    return p;
}

/* Links are entries like files, except that ckpt and its like may be links to another disk. */
static bool is_folder(const char *path, int depth) {
    struct stat st;
    return (depth == 0 ? stat(path, &st) : lstat(path, &st)) == 0 && S_ISDIR(st.st_mode);
}

static bl_status walk(const char *dir, const char *below, int depth, visit_fn visit, void *arg) {
    char *here = join(dir, below);
    struct dirent **list = NULL;
    int n = here ? scandir(here, &list, NULL, alphasort) : -1;
    bl_status status = BL_OK;
    if (!here) status = BL_ENOMEM;
    if (here && n < 0 && errno != ENOENT) status = bl_fail(BL_EIO, "%s: %s", here, strerror(errno));
    for (int i = 0; i < n; i++) {
        const char *name = list[i]->d_name;
        char *full = NULL, *path = NULL;
        if (status == BL_OK && strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            full = join(here, name);
            path = join(below, name);
            if (!full || !path) status = BL_ENOMEM;
            bool folder = status == BL_OK && is_folder(full, depth);
            bool own =
                folder && matches(own_folders, sizeof own_folders / sizeof *own_folders, path);
            if (own && depth < MAX_DEPTH) status = walk(dir, path, depth + 1, visit, arg);
            if (status == BL_OK) status = visit(arg, dir, path, folder);
        }
        free(full);
        free(path);
        free(list[i]);
    }
    free(list);
    free(here);
    return status;
}

static bl_status remove_file(const char *dir, const char *path) {
    char *full = join(dir, path);
    if (!full) return BL_ENOMEM;
    bl_status status = BL_OK;
    if (unlink(full) != 0 && errno != ENOENT)
        status = bl_fail(BL_EIO, "%s: cannot remove: %s", full, strerror(errno));
    free(full);
    return status;
}

/* Only when nothing is left in it. */
static void remove_folder(const char *dir, const char *path) {
    char *full = join(dir, path);
    if (full) (void)rmdir(full);
    free(full);
}

static bool own_file(const char *path) {
    return temporary(path) || matches(own_files, sizeof own_files / sizeof *own_files, path);
}

static bool own_folder(const char *path) {
    return matches(own_folders, sizeof own_folders / sizeof *own_folders, path);
}

/* ---- clearing ---- */

typedef struct {
    int n;
    char names[512];
} foreign;

static void add_foreign(foreign *f, const char *path, bool folder) {
    size_t at = strlen(f->names);
    if (f->n++ < NAMED_FOREIGN)
        snprintf(f->names + at, sizeof f->names - at, "%s%.100s%s", at ? ", " : "", path,
                 folder ? "/" : "");
}

static bl_status clear_one(void *arg, const char *dir, const char *path, bool folder) {
    if (strcmp(path, LOCK_NAME) == 0) return BL_OK;
    if (folder && own_folder(path)) {
        remove_folder(dir, path);
        return BL_OK;
    }
    if (!folder && this_process(path)) return BL_OK;
    if (!folder && own_file(path)) return remove_file(dir, path);
    add_foreign(arg, path, folder);
    return BL_OK;
}

bl_status bl_run_folder_clear(const char *dir) {
    foreign f = {0};
    BL_TRY(remove_file(dir, own_files[0]));
    BL_TRY(walk(dir, "", 0, clear_one, &f));
    if (f.n)
        BL_WARN("%s: left in place, since no run writes it: %s%s", dir, f.names,
                f.n > NAMED_FOREIGN ? ", ..." : "");
    return BL_OK;
}

static bl_status look(void *arg, const char *dir, const char *path, bool folder) {
    (void)dir;
    bool own = folder ? own_folder(path) : own_file(path) || strcmp(path, LOCK_NAME) == 0;
    if (!own || strncmp(path, "ckpt/", 5) == 0) *(bool *)arg = false;
    return BL_OK;
}

bool bl_run_folder_blank(const char *dir) {
    bool blank = true;
    return walk(dir, "", 0, look, &blank) == BL_OK && blank;
}

bool bl_run_folder_has_results(const char *dir) {
    char *eval = join(dir, "eval"), *summary = join(dir, "summary.json");
    bool any = (eval && bl_exists(eval)) || (summary && bl_exists(summary));
    free(eval);
    free(summary);
    return any;
}

/* ---- cutting off ---- */

typedef struct {
    int64_t iter;
    bool inclusive;
} limit;

static bl_status cut_one(void *arg, const char *dir, const char *path, bool folder) {
    const limit *l = arg;
    const char *name = strchr(path, '/');
    long long iter;
    int end = 0;
    if (!name || strncmp(path, "ckpt/", 5) == 0 || sscanf(name, "/iter_%lld%n", &iter, &end) != 1 ||
        (name[end] && name[end] != '/') || iter < l->iter || (iter == l->iter && !l->inclusive))
        return BL_OK;
    if (folder && own_folder(path)) remove_folder(dir, path);
    return !folder && own_file(path) ? remove_file(dir, path) : BL_OK;
}

bl_status bl_run_folder_cut(const char *dir, int64_t iter, bool inclusive) {
    limit l = {iter, inclusive};
    return walk(dir, "", 0, cut_one, &l);
}

/* ---- entering and leaving ---- */

static bl_status tidy_one(void *arg, const char *dir, const char *path, bool folder) {
    (void)arg;
    return !folder && temporary(path) ? remove_file(dir, path) : BL_OK;
}

bl_status bl_run_folder_enter(const char *dir, bl_run_folder *f) {
    *f = (bl_run_folder){.dir = strdup(dir), .made = !bl_is_dir(dir)};
    char *lock = join(dir, LOCK_NAME);
    bl_status status = f->dir && lock ? bl_mkdirs(dir) : bl_no_memory(NULL);
    if (status == BL_OK) status = bl_lock_take(lock, dir, &f->lock);
    if (status == BL_OK) status = walk(dir, "", 0, tidy_one, NULL);
    free(lock);
    if (status != BL_OK) bl_run_folder_leave(f);
    return status;
}

void bl_run_folder_leave(bl_run_folder *f) {
    bl_lock_release(f->lock);
    if (f->dir && f->made) (void)rmdir(f->dir);
    free(f->dir);
    *f = (bl_run_folder){0};
}
