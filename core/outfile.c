/* Output files: a temporary file that takes its name when it is complete, or, where the name stands
 * for something that is no regular file, that thing itself. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fs.h"

enum { MAX_LINKS = 40, TAIL_BYTES = 32 };

static bl_status fail_errno(const char *verb, const char *path) {
    return bl_fail(BL_EIO, "%s: cannot %s: %s", path, verb, strerror(errno));
}

/* The number of the open descriptor that a path stands for, -1 for other paths. Opening such a path
 * anew would start at the beginning of a file that others append to. */
static int descriptor_of(const char *path) {
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    if (strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0) return STDOUT_FILENO;
    if (strcmp(path, "/dev/stderr") == 0) return STDERR_FILENO;
    for (int i = 0; i < 2; i++) {
        size_t n = strlen(folders[i]);
        char *end;
        if (strncmp(path, folders[i], n) != 0 || path[n] < '0' || path[n] > '9') continue;
        long fd = strtol(path + n, &end, 10);
        if (!*end && fd <= INT_MAX) return (int)fd;
    }
    return -1;
}

/* Where a symbolic link points, relative to the folder it lies in (malloc'd); NULL with errno
 * EINVAL when `path` is no link. */
static char *link_target(const char *path) {
    char to[PATH_MAX];
    ssize_t n = readlink(path, to, sizeof to - 1);
    if (n < 0) return NULL;
    to[n] = '\0';
    char *dir = bl_path_dir(path), *joined = dir ? bl_path_join(dir, to) : NULL;
    free(dir);
    return joined;
}

/* Follows links to the name that is to be replaced, so that the links stay; `*fd` becomes the
 * descriptor that the name stands for, or -1. */
static bl_status follow(const char *path, char **real, int *fd) {
    char *at = strdup(path);
    for (int i = 0; at && i < MAX_LINKS; i++) {
        *fd = descriptor_of(at);
        char *next = *fd < 0 ? link_target(at) : NULL;
        if (!next) {
            *real = at;
            return BL_OK;
        }
        free(at);
        at = next;
    }
    bool memory = !at;
    free(at);
    return memory ? bl_no_memory("for %s", path)
                  : bl_fail(BL_EIO, "%s: more than %d symbolic links", path, MAX_LINKS);
}

/* A file beside `path`, so that renaming stays within one file system. A name near the file
 * system's limit is replaced by its checksum. */
static char *temporary_name(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *tmp = NULL, hex[65];
    int head = (int)(name - path), length = (int)strlen(name);
    if (length > NAME_MAX - TAIL_BYTES) {
        bl_sha256(name, (size_t)length, hex);
        name = hex;
        length = 16;
    }
    if (asprintf(&tmp, "%.*s%.*s.tmp.%ld", head, path, length, name, (long)getpid()) < 0)
        return NULL;
    return tmp;
}

/* The write goes straight to what is there; nothing is renamed. */
static bl_status use_descriptor(bl_outfile *o, int fd) {
    if (fd == STDOUT_FILENO) fflush(stdout); /* keeps the order with what was printed */
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    o->f = own >= 0 ? fdopen(own, "wb") : NULL;
    if (o->f) return BL_OK;
    bl_status status = fail_errno("write", o->path);
    if (own >= 0) close(own);
    return status;
}

static bl_status use_special(bl_outfile *o) {
    int fd = open(o->path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    o->f = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (o->f) return BL_OK;
    bl_status status = fail_errno("write", o->path);
    if (fd >= 0) close(fd);
    return status;
}

/* `was`: the file that will be replaced, NULL when there is none; its permissions stay. */
static bl_status use_temporary(bl_outfile *o, const struct stat *was) {
    o->tmp = temporary_name(o->real);
    if (!o->tmp) return bl_no_memory("for %s", o->path);
    o->f = fopen(o->tmp, "wbe");
    if (o->f) {
        if (was) (void)fchmod(fileno(o->f), was->st_mode & 07777);
        return BL_OK;
    }
    bl_status status =
        fail_errno(errno == ENOENT ? "write (does the folder exist?)" : "write", o->path);
    free(o->tmp);
    o->tmp = NULL; /* nothing to remove */
    return status;
}

bl_status bl_outfile_open(const char *path, bl_outfile *o) {
    struct stat st;
    int fd = -1;
    *o = (bl_outfile){.path = strdup(path)};
    bl_status status = o->path ? follow(path, &o->real, &fd) : bl_no_memory("for %s", path);
    if (status == BL_OK) {
        bool there = fd < 0 && stat(path, &st) == 0;
        if (fd >= 0) {
            status = use_descriptor(o, fd);
        } else if (there && S_ISDIR(st.st_mode)) {
            status = bl_fail(BL_EIO, "%s: is a folder, the name of a file is needed", path);
        } else if (there && !S_ISREG(st.st_mode)) {
            status = use_special(o);
        } else {
            status = use_temporary(o, there ? &st : NULL);
        }
    }
    if (status != BL_OK) bl_outfile_abort(o);
    return status;
}

/* The rename is durable only once the folder is on disk; filesystems that cannot do that are left
 * be. */
static void sync_folder(const char *path) {
    char *dir = bl_path_dir(path);
    int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(dir);
}

bl_status bl_outfile_commit(bl_outfile *o) {
    if (!o->f) return bl_fail(BL_EINVAL, "bl_outfile_commit: the file is not open");
    /* An earlier failed write leaves only the flag, and errno has moved on: report it as such. */
    bl_status status = BL_OK;
    bool earlier = ferror(o->f) != 0;
    if (fflush(o->f) != 0 || (o->tmp && fsync(fileno(o->f)) != 0)) {
        status = fail_errno("write", o->path);
    } else if (earlier) {
        status = bl_fail(BL_EIO, "%s: cannot write: is the disk full?", o->path);
    }
    if (fclose(o->f) != 0 && status == BL_OK) status = fail_errno("close", o->path);
    o->f = NULL;
    if (status == BL_OK && o->tmp) {
        if (rename(o->tmp, o->real) != 0) {
            status = fail_errno("rename to", o->path);
        } else {
            free(o->tmp);
            o->tmp = NULL;
            sync_folder(o->real);
        }
    }
    bl_outfile_abort(o);
    return status;
}

void bl_outfile_abort(bl_outfile *o) {
    if (o->f) fclose(o->f);
    if (o->tmp) unlink(o->tmp);
    free(o->tmp);
    free(o->real);
    free(o->path);
    *o = (bl_outfile){0};
}

bl_status bl_write_file(const char *path, const void *data, size_t size) {
    bl_outfile o;
    BL_TRY(bl_outfile_open(path, &o));
    if (size > 0) (void)fwrite(data, 1, size, o.f); /* commit reports failures */
    return bl_outfile_commit(&o);
}
