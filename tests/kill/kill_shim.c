/* Preloaded into a program, kills it at its N-th call that changes something on disk, N being
 * BALLAST_KILL_AT. Where the call would write, half of the bytes are written first, as when a
 * machine stops in the middle. Without N (0), the number of calls goes to the file that
 * BALLAST_KILL_COUNT names when the program ends.
 *
 * Writes of the standard streams do not count: a kill there is one between two other calls. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LARGE = 512 };

static atomic_long calls;
static long kill_at;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    const char *at = getenv("BALLAST_KILL_AT");
    kill_at = at ? atol(at) : 0;
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("BALLAST_KILL_COUNT");
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", (long)calls);
    long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    if (fd >= 0) {
        syscall(SYS_write, fd, text, n);
        syscall(SYS_close, fd);
    }
}

/* Is this the call? */
static int last_call(void) {
    return atomic_fetch_add(&calls, 1) + 1 == kill_at;
}

static void die(void) {
    for (;;) syscall(SYS_kill, getpid(), SIGKILL);
}

static void count(void) {
    if (last_call()) die();
}

/* What a stream holds back, half of it. */
static void die_writing(FILE *f) {
    size_t n = __fpending(f);
    if (n > 0) syscall(SYS_write, fileno(f), f->_IO_write_base, n / 2);
    die();
}

static int standard(FILE *f) {
    return !f || fileno(f) <= 2;
}

FILE *fopen(const char *path, const char *mode) {
    if (strpbrk(mode, "wa+")) count();
    return REAL(fopen)(path, mode);
}

FILE *fopen64(const char *path, const char *mode) {
    if (strpbrk(mode, "wa+")) count();
    return REAL(fopen64)(path, mode);
}

int fflush(FILE *f) {
    if (!standard(f) && __fpending(f) > 0 && last_call()) die_writing(f);
    return REAL(fflush)(f);
}

int fclose(FILE *f) {
    if (!standard(f) && __fwritable(f) && last_call()) die_writing(f);
    return REAL(fclose)(f);
}

size_t fwrite(const void *data, size_t size, size_t n, FILE *f) {
    if (!standard(f) && size * n >= LARGE && last_call()) {
        REAL(fwrite)(data, 1, size * n / 2, f);
        REAL(fflush)(f);
        die();
    }
    return REAL(fwrite)(data, size, n, f);
}

static int changes(int flags) {
    return flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC);
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...) {                                                   \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;                                    \
        va_end(ap);                                                                                \
        if (changes(flags)) count();                                                               \
        return REAL(name)(path, flags, mode);                                                      \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *data, size_t n) {
    if (fd > 2 && last_call()) {
        syscall(SYS_write, fd, data, n / 2);
        die();
    }
    return REAL(write)(fd, data, n);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off_t at) {
    count();
    return REAL(pwrite64)(fd, data, n, at);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at) {
    count();
    return REAL(pwrite)(fd, data, n, at);
}

int ftruncate(int fd, off_t n) {
    count();
    return REAL(ftruncate)(fd, n);
}

int ftruncate64(int fd, off_t n) {
    count();
    return REAL(ftruncate64)(fd, n);
}

int fsync(int fd) {
    count();
    return REAL(fsync)(fd);
}

int rename(const char *from, const char *to) {
    count();
    return REAL(rename)(from, to);
}

int unlink(const char *path) {
    count();
    return REAL(unlink)(path);
}

int rmdir(const char *path) {
    count();
    return REAL(rmdir)(path);
}

int mkdir(const char *path, mode_t mode) {
    count();
    return REAL(mkdir)(path, mode);
}
