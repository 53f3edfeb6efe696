#include "core/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"

struct bl_lock {
    int fd;
    char *path;
};

/* What the file says of its holder; pid 0 when it says nothing usable. */
typedef struct {
    char host[256], since[64];
    long pid;
} holder;

static holder read_holder(int fd) {
    char text[512];
    holder h = {.pid = 0};
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n <= 0) return h;
    text[n] = '\0';
    if (sscanf(text, "process %ld\nhost %255[^\n]\nsince %63[^\n]", &h.pid, h.host, h.since) != 3 ||
        h.pid <= 0)
        h.pid = 0;
    return h;
}

static void own_host(char *name, size_t size) {
    if (gethostname(name, size) != 0) snprintf(name, size, "unknown");
    name[size - 1] = '\0';
}

/* Only for messages and for file systems that cannot lock: that it fails is no reason not to run.
 */
static void write_holder(int fd) {
    char host[256], text[512], since[64];
    time_t now = time(NULL);
    struct tm tm;
    own_host(host, sizeof host);
    strftime(since, sizeof since, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
    int n = snprintf(text, sizeof text, "process %ld\nhost %s\nsince %s\n", (long)getpid(), host,
                     since);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
        BL_DEBUG("the lock's holder could not be written: %s", strerror(errno));
    }
}

static bl_status in_use(int fd, const char *what) {
    holder h = read_holder(fd);
    if (!h.pid) {
        return bl_fail(BL_EIO, "%s is in use by another process; wait for its end or stop it",
                       what);
    }
    return bl_fail(BL_EIO,
                   "%s is in use by process %ld on host %s since %s; wait for its end or stop it",
                   what, h.pid, h.host, h.since);
}

/* Without locks, what the file says is all there is to go by. */
static bl_status without_locks(int fd, const char *what, int why) {
    holder h = read_holder(fd);
    char host[256];
    own_host(host, sizeof host);
    bool here = h.pid && strcmp(h.host, host) == 0;
    if (here && h.pid != (long)getpid() && (kill((pid_t)h.pid, 0) == 0 || errno == EPERM)) {
        return in_use(fd, what);
    }
    BL_WARN("%s: its file system has no locks (%s); see that no other process works there", what,
            strerror(why));
    return BL_OK;
}

/* *again: the file was removed by its last holder between opening and locking. */
static bl_status take_once(const char *path, const char *what, int *fd, bool *again) {
    struct stat opened, named;
    *again = false;
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*fd < 0) return bl_fail(BL_EIO, "%s: cannot open: %s", path, strerror(errno));
    int rc;
    do rc = flock(*fd, LOCK_EX | LOCK_NB);
    while (rc != 0 && errno == EINTR);
    bl_status status = BL_OK;
    if (rc != 0) {
        status = errno == EWOULDBLOCK ? in_use(*fd, what) : without_locks(*fd, what, errno);
    } else {
        *again = fstat(*fd, &opened) != 0 || stat(path, &named) != 0 ||
                 opened.st_ino != named.st_ino || opened.st_dev != named.st_dev;
    }
    if (status != BL_OK || *again) {
        close(*fd);
        *fd = -1;
    }
    return status;
}

bl_status bl_lock_take(const char *path, const char *what, bl_lock **out) {
    *out = NULL;
    bl_lock *l = calloc(1, sizeof *l);
    char *copy = strdup(path);
    bl_status status = l && copy ? BL_OK : bl_no_memory("for %s", path);
    int fd = -1;
    for (bool again = true; status == BL_OK && again;) status = take_once(path, what, &fd, &again);
    if (status != BL_OK) {
        free(l);
        free(copy);
        return status;
    }
    write_holder(fd);
    *l = (bl_lock){fd, copy};
    *out = l;
    return BL_OK;
}

void bl_lock_release(bl_lock *l) {
    if (!l) return;
    unlink(l->path); /* first: whoever opened it meanwhile finds that the name is gone */
    close(l->fd);
    free(l->path);
    free(l);
}
