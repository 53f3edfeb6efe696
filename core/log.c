#include "core/log.h"

#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/json_out.h"

static struct {
    pthread_mutex_t lock;
    bl_log_level level;
    FILE *copy;
} sink = {PTHREAD_MUTEX_INITIALIZER, BL_LOG_INFO, NULL};

void bl_log_set_level(bl_log_level level) {
    pthread_mutex_lock(&sink.lock);
    sink.level = level;
    pthread_mutex_unlock(&sink.lock);
}

bl_status bl_log_set_file(const char *path) {
    FILE *f = path ? fopen(path, "ae") : NULL;
    if (path && !f) {
        return bl_fail(BL_EIO, "%s: cannot open the log: %s", path, strerror(errno));
    }
    pthread_mutex_lock(&sink.lock);
    FILE *old = sink.copy;
    sink.copy = f;
    pthread_mutex_unlock(&sink.lock);
    if (old) fclose(old);
    return BL_OK;
}

void bl_log(bl_log_level level, const char *fmt, ...) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    pthread_mutex_lock(&sink.lock);
    if (level >= sink.level && level <= BL_LOG_ERROR) {
        char head[32];
        time_t now = time(NULL);
        struct tm tm;
        strftime(head, sizeof head, "%H:%M:%S", localtime_r(&now, &tm));
        FILE *outs[2] = {stderr, sink.copy};
        for (int i = 0; i < 2; i++) {
            if (!outs[i]) continue;
            va_list ap;
            va_start(ap, fmt);
            fprintf(outs[i], "%s %-5s  ", head, names[level]);
            vfprintf(outs[i], fmt, ap);
            fputc('\n', outs[i]);
            fflush(outs[i]);
            va_end(ap);
        }
    }
    pthread_mutex_unlock(&sink.lock);
}

struct bl_metrics {
    FILE *f;
    char *path;
    int64_t lines; /* complete ones */
    bool first;    /* no key written on this line yet */
};

/* The "iter" of a line, -1 if it has none; false when the line is not a complete JSON object. */
static bool line_iter(const char *line, ssize_t n, long *iter) {
    if (n < 2 || line[n - 1] != '\n') return false;
    struct json_object *o = json_tokener_parse(line), *v;
    bool ok = o && json_object_is_type(o, json_type_object);
    *iter = ok && json_object_object_get_ex(o, "iter", &v) ? (long)json_object_get_int64(v) : -1;
    json_object_put(o);
    return ok;
}

/* Bytes of the leading lines that stay when resuming, and their number. A line broken by a crash
 * ends them. */
static off_t kept_bytes(FILE *f, long keep_upto, int64_t keep_lines, int64_t *lines) {
    char *line = NULL;
    size_t cap = 0;
    off_t kept = 0;
    long iter;
    *lines = 0;
    while (keep_upto >= 0 && (keep_lines < 0 || *lines < keep_lines)) {
        ssize_t n = getline(&line, &cap, f);
        if (n <= 0 || !line_iter(line, n, &iter) || iter > keep_upto) break;
        kept += n;
        *lines += 1;
    }
    free(line);
    return kept;
}

bl_status bl_metrics_open(const char *path, long keep_upto, int64_t keep_lines, bl_metrics **out) {
    *out = NULL;
    FILE *f = fopen(path, "a+e");
    if (!f) return bl_fail(BL_EIO, "%s: cannot open: %s", path, strerror(errno));
    rewind(f);
    int64_t lines;
    off_t kept = kept_bytes(f, keep_upto, keep_lines, &lines);
    if (ftruncate(fileno(f), kept) != 0 || fseek(f, 0, SEEK_END) != 0) {
        bl_status s = bl_fail(BL_EIO, "%s: cannot cut off old lines: %s", path, strerror(errno));
        fclose(f);
        return s;
    }
    bl_metrics *m = calloc(1, sizeof *m);
    char *copy = strdup(path);
    if (!m || !copy) {
        free(m);
        free(copy);
        fclose(f);
        return bl_no_memory("for %s", path);
    }
    *m = (bl_metrics){.f = f, .path = copy, .lines = lines, .first = true};
    *out = m;
    return BL_OK;
}

int64_t bl_metrics_lines(const bl_metrics *m) {
    return m->lines;
}

bl_status bl_metrics_sync(bl_metrics *m) {
    /* What cannot be synchronised, a pipe for one, is as safe as it gets. */
    if (fflush(m->f) == 0 && (fsync(fileno(m->f)) == 0 || errno == EINVAL || errno == EROFS))
        return BL_OK;
    return bl_fail(BL_EIO, "%s: cannot write: %s", m->path, strerror(errno));
}

static void write_key(bl_metrics *m, const char *key) {
    if (!m->first) fputs(", ", m->f);
    m->first = false;
    bl_json_put_string(m->f, key);
    fputs(": ", m->f);
}

void bl_metrics_begin(bl_metrics *m) {
    fputc('{', m->f);
    m->first = true;
}

void bl_metrics_number(bl_metrics *m, const char *key, double value) {
    write_key(m, key);
    bl_json_put_number(m->f, value);
}

void bl_metrics_string(bl_metrics *m, const char *key, const char *value) {
    write_key(m, key);
    bl_json_put_string(m->f, value);
}

void bl_metrics_array(bl_metrics *m, const char *key, const double *values, int n) {
    write_key(m, key);
    fputc('[', m->f);
    for (int i = 0; i < n; i++) {
        if (i) fputs(", ", m->f);
        bl_json_put_number(m->f, values[i]);
    }
    fputc(']', m->f);
}

bl_status bl_metrics_end(bl_metrics *m) {
    fputs("}\n", m->f);
    if (fflush(m->f) != 0 || ferror(m->f)) {
        bl_status s = bl_fail(BL_EIO, "%s: cannot write: %s", m->path, strerror(errno));
        clearerr(m->f);
        return s;
    }
    m->lines++;
    return BL_OK;
}

void bl_metrics_close(bl_metrics *m) {
    if (!m) return;
    fclose(m->f);
    free(m->path);
    free(m);
}
