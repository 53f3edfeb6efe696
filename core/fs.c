#include "core/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bl_status fail_errno(const char *verb, const char *path) {
    return bl_fail(BL_EIO, "%s: cannot %s: %s", path, verb, strerror(errno));
}

/* Opening a pipe waits until somebody opens its other end, which may be never: it is opened without
 * waiting, and refused when there is neither a writer nor anything written. Reading then waits as
 * usual. `first` receives the byte that this takes. */
static bl_status enter_pipe(const char *path, int fd, char *first, size_t *n) {
    ssize_t got;
    do {
        got = read(fd, first, 1);
    } while (got < 0 && errno == EINTR);
    if (got == 0) return bl_fail(BL_EIO, "%s: is a pipe that nobody writes to", path);
    if (got < 0 && errno != EAGAIN) return fail_errno("read", path);
    if (fcntl(fd, F_SETFL, 0) != 0) return fail_errno("read", path);
    *n = got > 0 ? 1 : 0;
    return BL_OK;
}

static bl_status open_read(const char *path, int *fd, struct stat *st) {
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0) return fail_errno("open", path);
    if (fstat(*fd, st) != 0) {
        bl_status s = fail_errno("stat", path);
        close(*fd);
        return s;
    }
    if (S_ISDIR(st->st_mode)) {
        close(*fd);
        return bl_fail(BL_EIO, "%s: is a folder, a file is needed", path);
    }
    return BL_OK;
}

bl_status bl_read_file(const char *path, size_t max_bytes, char **data, size_t *size) {
    *data = NULL;
    *size = 0;
    int fd;
    struct stat st;
    BL_TRY(open_read(path, &fd, &st));
    if (max_bytes > SIZE_MAX / 2) max_bytes = SIZE_MAX / 2; /* room for the arithmetic below */
    bl_status status = BL_OK;
    /* The size is only a hint: pipes and /proc say 0, and a file may grow meanwhile. */
    size_t cap = st.st_size > 0 ? (size_t)st.st_size + 1 : 4096, n = 0;
    if (cap > max_bytes) cap = max_bytes + 1;
    char *buf = malloc(cap + 1);
    if (!buf) status = bl_no_memory("for %s (%zu bytes)", path, cap);
    if (status == BL_OK && S_ISFIFO(st.st_mode)) status = enter_pipe(path, fd, buf, &n);
    while (status == BL_OK) {
        if (n == cap) {
            if (cap > max_bytes) {
                status =
                    bl_fail(BL_EFORMAT, "%s: larger than the limit of %zu bytes", path, max_bytes);
                break;
            }
            cap = cap > max_bytes / 2 ? max_bytes + 1 : 2 * cap;
            char *more = realloc(buf, cap + 1);
            if (!more) {
                status = bl_no_memory("for %s (%zu bytes)", path, cap);
                break;
            }
            buf = more;
        }
        ssize_t got = read(fd, buf + n, cap - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) status = fail_errno("read", path);
        if (got <= 0) break;
        n += (size_t)got;
    }
    close(fd);
    if (status != BL_OK) {
        free(buf);
        return status;
    }
    buf[n] = '\0';
    *data = buf;
    *size = n;
    return BL_OK;
}

bl_status bl_check_regular(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) return BL_OK;
    return bl_fail(BL_EIO, "%s: is not a regular file but a pipe, a socket or a device", path);
}

bl_status bl_map_open(const char *path, bl_map *m) {
    static const uint8_t nothing[1];
    *m = (bl_map){nothing, 0};
    int fd;
    struct stat st;
    BL_TRY(bl_check_regular(path)); /* opening a pipe waits for its writer */
    BL_TRY(open_read(path, &fd, &st));
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return bl_fail(BL_EIO, "%s: is not a regular file, cannot be mapped", path);
    }
    if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            bl_status s = fail_errno("map", path);
            close(fd);
            return s;
        }
        *m = (bl_map){p, (size_t)st.st_size};
    }
    close(fd);
    return BL_OK;
}

void bl_map_close(bl_map *m) {
    if (m->size > 0) munmap((void *)(uintptr_t)m->data, m->size);
    *m = (bl_map){NULL, 0};
}

bl_status bl_mkdirs(const char *path) {
    char *copy = strdup(path);
    if (!copy) return bl_no_memory("for %s", path);
    bl_status status = BL_OK;
    for (char *p = copy; status == BL_OK && *p;) {
        while (*p == '/') p++;
        while (*p && *p != '/') p++;
        char keep = *p;
        *p = '\0';
        if (mkdir(copy, 0777) != 0) {
            int why = errno; /* looking whether it is there sets another */
            if (!bl_is_dir(copy)) {
                errno = why;
                status = fail_errno("create the folder", copy);
            }
        }
        *p = keep;
    }
    free(copy);
    return status;
}

bool bl_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

bool bl_is_dir(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *bl_path_join(const char *a, const char *b) {
    if (!a || !*a || *b == '/') return strdup(b);
    char *p = NULL;
    size_t n = strlen(a);
    if (asprintf(&p, "%s%s%s", a, a[n - 1] == '/' ? "" : "/", b) < 0) return NULL;
    return p;
}

char *bl_path_dir(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return strdup(".");
    while (slash > path && slash[-1] == '/') slash--;
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

void bl_sha256(const void *data, size_t size, char hex[65]) {
    SHA2_CTX ctx;
    SHA256Init(&ctx);
    if (size > 0) SHA256Update(&ctx, data, size);
    SHA256End(&ctx, hex);
}

bl_status bl_sha256_file(const char *path, char hex[65]) {
    bl_map m;
    BL_TRY(bl_map_open(path, &m));
    bl_sha256(m.data, m.size, hex);
    bl_map_close(&m);
    return BL_OK;
}
