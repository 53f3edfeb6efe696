/* Which checkpoint a run continues from. */
#include "train/resume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fs.h"

static bl_status check(const bl_resume_choice *c, const char *path) {
    if (c->verify) return bl_checkpoint_verify(path);
    return bl_exists(path) ? BL_OK : bl_fail(BL_EIO, "%s: does not exist", path);
}

static bl_status none_whole(const bl_resume_choice *c, const char *why) {
    return bl_fail(BL_EFORMAT, "%s; %s/ckpt has no undamaged checkpoint%s", why, c->run_dir,
                   c->verify ? " (--no-verify takes one without a checksum)" : "");
}

/* A file that the user names: one of this run's, or pruning and what was logged would not fit. */
static bl_status named_file(const bl_resume_choice *c, char **path) {
    struct stat a, b;
    int64_t iter = bl_checkpoint_iter(c->from);
    char *own = bl_checkpoint_path(c->run_dir, iter < 0 ? 0 : iter);
    bl_status status = own ? BL_OK : bl_no_memory(NULL);
    if (status == BL_OK && !bl_exists(c->from))
        status = bl_fail(BL_ECONFIG,
                         "--resume=%s: no such file; a checkpoint, auto or previous is expected",
                         c->from);
    if (status == BL_OK && (iter < 0 || stat(own, &a) != 0 || stat(c->from, &b) != 0 ||
                            a.st_ino != b.st_ino || a.st_dev != b.st_dev))
        status = bl_fail(BL_ECONFIG, "--resume=%s: not a checkpoint of %s", c->from, c->run_dir);
    if (status == BL_OK) status = check(c, own);
    if (status == BL_OK) {
        *path = own;
    } else {
        free(own);
    }
    return status;
}

/* last_checkpoint is not there: the run was killed between its first checkpoint and that name, or
 * somebody removed it. */
static bl_status without_pointer(const bl_resume_choice *c, char **path) {
    int64_t *iters;
    int n;
    BL_TRY(bl_checkpoint_list(c->run_dir, &iters, &n));
    int64_t newest = n ? iters[0] : 0;
    free(iters);
    if (n == 0) return BL_OK;
    bool previous = c->from && strcmp(c->from, "previous") == 0;
    BL_TRY(bl_checkpoint_before(c->run_dir, previous ? newest : INT64_MAX, path));
    if (!*path && !c->verify && !previous) *path = bl_checkpoint_path(c->run_dir, newest);
    if (!*path) return none_whole(c, "last_checkpoint is missing");
    BL_WARN("%s: last_checkpoint is missing; continuing from %s", c->run_dir, *path);
    return BL_OK;
}

/* `last` is damaged, or the user wants the one before it. */
static bl_status one_before(const bl_resume_choice *c, const char *last, bool wanted,
                            const char *why, char **path) {
    int64_t iter = last ? bl_checkpoint_iter(last) : -1;
    BL_TRY(bl_checkpoint_before(c->run_dir, iter < 0 ? INT64_MAX : iter, path));
    if (!*path) return none_whole(c, why);
    if (wanted) {
        BL_WARN("%s; continuing from the one before it, %s", why, *path);
        return BL_OK;
    }
    bl_status status = bl_fail(
        BL_EFORMAT, "%s; the one before it, %s, is whole: --resume=previous takes it", why, *path);
    free(*path);
    *path = NULL;
    return status;
}

bl_status bl_resume_choose(const bl_resume_choice *c, char **path) {
    *path = NULL;
    bool automatic = c->from && strcmp(c->from, "auto") == 0;
    bool previous = c->from && strcmp(c->from, "previous") == 0;
    if (c->from && !automatic && !previous) return named_file(c, path);
    char *pointer = bl_path_join(c->run_dir, "last_checkpoint");
    if (!pointer) return bl_no_memory(NULL);
    bool there = bl_exists(pointer);
    free(pointer);
    if (!there) return without_pointer(c, path);
    char *last = bl_checkpoint_named(c->run_dir, "last_checkpoint");
    bl_status status = last ? check(c, last) : BL_EFORMAT;
    if (status == BL_OK && !previous) {
        *path = last;
        return BL_OK;
    }
    char why[1024];
    if (status == BL_OK)
        snprintf(why, sizeof why, "%s is left out", last);
    else
        snprintf(why, sizeof why, "%s", bl_error());
    status = one_before(c, last, automatic || previous, why, path);
    free(last);
    return status;
}
