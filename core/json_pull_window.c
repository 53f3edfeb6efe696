#include "core/json_pull_window.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/json_text.h"

enum { WINDOW = 1 << 18 };

static int64_t count_lines(const uint8_t *p, const uint8_t *end) {
    int64_t n = 0;
    while (p < end) { /* 16-bit sums vectorise twice as well as wider ones */
        const uint8_t *stop = end - p > 32768 ? p + 32768 : end;
        uint16_t block = 0;
        for (; p < stop; p++) block = (uint16_t)(block + (*p == '\n'));
        n += block;
    }
    return n;
}

bl_status bl_pull_keep(bl_pull *j) {
    size_t n = (size_t)(j->p - j->keep_from);
    if (j->n_kept + n > j->kept_cap) {
        size_t cap = 2 * (j->n_kept + n) + 1024;
        char *more = realloc(j->kept, cap);
        if (!more) return j->status = bl_no_memory("for %s (a record)", j->name);
        j->kept = more;
        j->kept_cap = cap;
    }
    memcpy(j->kept + j->n_kept, j->keep_from, n);
    j->n_kept += n;
    j->keep_from = j->p;
    return BL_OK;
}

void bl_pull_fill(bl_pull *j, size_t need) {
    size_t left = (size_t)(j->end - j->p);
    if (j->eof || left >= need) return;
    if (j->keep_from && bl_pull_keep(j) != BL_OK) j->keep_from = NULL; /* the status is sticky */
    if (j->keep_from) j->keep_from = j->window;
    /* Lines before the token must survive the move for its message. */
    j->lines += count_lines(j->start, j->p);
    j->offset = pull_position(j);
    memmove(j->window, j->p, left);
    j->start = j->p = j->window;
    while (left < need) {
        ssize_t got = read(j->fd, j->window + left, WINDOW - left);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            j->eof = true;
            j->status = bl_fail(BL_EIO, "%s: cannot read: %s", j->name, strerror(errno));
            break;
        }
        if (got == 0) {
            j->eof = true;
            break;
        }
        left += (size_t)got;
    }
    j->end = j->window + left;
}

/* ---- messages ---- */

void bl_pull_where(const bl_pull *j, char *buf, size_t size) {
    /* The token may already have left the window; its line is then that of the window's start. */
    const uint8_t *t = j->token >= j->offset ? j->start + (j->token - j->offset) : j->start;
    if (t > j->end) t = j->end;
    int64_t line = 1 + j->lines + count_lines(j->start, t);
    snprintf(buf, size, "%s:%lld (byte %lld)", j->name, (long long)line, (long long)j->token);
}

bl_status bl_pull_broken(bl_pull *j, const char *msg) {
    if (j->status != BL_OK) return j->status;
    char where[4400], context[128] = "";
    bl_pull_where(j, where, sizeof where);
    if (j->what) snprintf(context, sizeof context, "%s[%lld]: ", j->what, (long long)j->number);
    return j->status = bl_fail(BL_EFORMAT, "%s: %s%s", where, context, msg);
}

bl_status bl_pull_fail(bl_pull *j, const char *fmt, ...) {
    char msg[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    return bl_pull_broken(j, msg);
}

bl_status bl_pull_truncated(bl_pull *j, const char *inside) {
    if (j->status != BL_OK) return j->status; /* a read error: its message stands */
    pull_mark(j);
    char msg[256];
    snprintf(msg, sizeof msg,
             "the file ends inside %s; it looks truncated (%lld bytes): copy or download it again",
             inside, (long long)pull_position(j));
    return bl_pull_broken(j, msg);
}

const char *bl_pull_container(const bl_pull *j) {
    if (j->depth == 0) return "the document";
    return j->stack[j->depth - 1] == '{' ? "an object" : "an array";
}

/* ---- opening ---- */

static bl_status create(const char *name, bl_pull **out) {
    bl_pull *j = calloc(1, sizeof *j);
    if (j) {
        j->fd = -1;
        j->name = strdup(name);
        j->str_cap = 2 * BL_NUMBER_MAX;
        j->str = malloc(j->str_cap);
    }
    if (!j || !j->name || !j->str) {
        bl_pull_close(j);
        return bl_no_memory("for %s", name);
    }
    *out = j;
    return BL_OK;
}

/* Passes over a byte order mark. JSON begins with two ASCII characters, so a NUL among them tells
 * of 16-bit units without a mark. */
static bl_status begin(bl_pull *j) {
    bl_pull_fill(j, 3);
    if (j->end - j->p >= 3 && memcmp(j->p, "\xef\xbb\xbf", 3) == 0) j->p += 3;
    if (j->end - j->p >= 2 &&
        (memcmp(j->p, "\xff\xfe", 2) == 0 || !memcmp(j->p, "\xfe\xff", 2) || !j->p[0] != !j->p[1]))
        return bl_fail(BL_EFORMAT,
                       "%s: is UTF-16, JSON is UTF-8: convert it, iconv -f UTF-16 -t UTF-8 FILE",
                       j->name);
    return BL_OK;
}

/* A pipe that the shell has set up, not one with a name of its own in the file system. */
static bool shell_pipe(const char *path) {
    return strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0;
}

bl_status bl_pull_open(const char *path, bl_pull **out) {
    bl_pull *j = NULL;
    BL_TRY(create(path, &j));
    struct stat st;
    j->window = malloc(WINDOW);
    /* Opening a named pipe waits for its writer, unless told not to. */
    bool named = !shell_pipe(path);
    j->fd = open(path, O_RDONLY | O_CLOEXEC | (named ? O_NONBLOCK : 0));
    bl_status status = BL_OK;
    if (!j->window)
        status = bl_no_memory("for %s", path);
    else if (j->fd < 0 || fstat(j->fd, &st) != 0)
        status = bl_fail(BL_EIO, "%s: cannot open: %s", path, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        status = bl_fail(BL_EIO, "%s: is a folder, expected a JSON file", path);
    else if (S_ISFIFO(st.st_mode) && named)
        status =
            bl_fail(BL_EIO,
                    "%s: is a named pipe, expected a JSON file; hand a pipe over as /dev/stdin "
                    "or <(COMMAND)",
                    path);
    if (status != BL_OK) {
        bl_pull_close(j);
        return status;
    }
    (void)posix_fadvise(j->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    j->p = j->end = j->start = j->window;
    status = begin(j);
    if (status != BL_OK) bl_pull_close(j);
    *out = status == BL_OK ? j : NULL;
    return status;
}

bl_status bl_pull_open_memory(const void *data, size_t size, const char *name, bl_pull **out) {
    bl_pull *j = NULL;
    BL_TRY(create(name, &j));
    j->eof = true;
    j->p = j->start = size ? data : (const uint8_t *)"";
    j->end = j->p + size;
    bl_status status = begin(j);
    if (status != BL_OK) bl_pull_close(j);
    *out = status == BL_OK ? j : NULL;
    return status;
}

void bl_pull_close(bl_pull *j) {
    if (!j) return;
    if (j->fd >= 0) close(j->fd);
    free(j->window);
    free(j->str);
    free(j->kept);
    free(j->name);
    free(j);
}

void bl_pull_context(bl_pull *j, const char *what, int64_t number) {
    j->what = what;
    j->number = number;
}

/* ---- places ---- */

void bl_pull_save(const bl_pull *j, bl_pull_place *place) {
    place->offset = pull_position(j);
    place->lines = j->lines + count_lines(j->start, j->p);
    place->depth = j->depth;
    memcpy(place->stack, j->stack, sizeof place->stack);
}

bl_status bl_pull_return(bl_pull *j, const bl_pull_place *place) {
    if (j->status != BL_OK) return j->status;
    if (j->fd < 0) {
        j->p = j->start + place->offset;
    } else {
        if (lseek(j->fd, (off_t)place->offset, SEEK_SET) < 0)
            return j->status =
                       bl_fail(BL_EIO, "%s: cannot be read twice: %s", j->name, strerror(errno));
        j->start = j->p = j->end = j->window;
        j->offset = place->offset;
        j->lines = place->lines;
        j->eof = false;
    }
    j->depth = place->depth;
    memcpy(j->stack, place->stack, sizeof j->stack);
    memset(j->first, 0, sizeof j->first); /* a value is due everywhere, so none is empty */
    pull_mark(j);
    return BL_OK;
}
