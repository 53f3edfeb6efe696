/* The bytes under a pull reader: a window that moves over the file, the place in it, and messages
 * that name the place. Internal to json_pull*.c. */
#ifndef BALLAST_CORE_JSON_PULL_WINDOW_H
#define BALLAST_CORE_JSON_PULL_WINDOW_H

#include "core/json_pull.h"

struct bl_pull {
    char *name;
    int fd; /* -1: memory */
    bool eof;
    bl_status status;       /* sticky */
    uint8_t *window;        /* NULL: memory */
    const uint8_t *p, *end; /* unread bytes */
    const uint8_t *start;   /* first byte of the window */
    int64_t offset;         /* of `start` in the document */
    int64_t lines;          /* newlines before `start` */
    int64_t token, token_line;
    const char *what;
    int64_t number;
    int depth;
    uint8_t stack[BL_PULL_MAX_DEPTH]; /* '{' or '[' */
    bool first[BL_PULL_MAX_DEPTH];    /* nothing read in it yet */
    char *str;
    size_t str_cap;
    /* Text that is kept while it is passed over: what has left the window, and from where on it is
     * still there (NULL: none is kept). */
    char *kept;
    size_t n_kept, kept_cap;
    const uint8_t *keep_from;
};

/* Reads on until at least `need` bytes are unread or the file ends. Moves the unread bytes. A read
 * error becomes j->status. */
void bl_pull_fill(bl_pull *j, size_t need);

/* Appends what has been passed over since keep_from to `kept`. */
bl_status bl_pull_keep(bl_pull *j);

/* Sets the message for the place of the last token, and j->status unless it is set. */
bl_status bl_pull_broken(bl_pull *j, const char *msg);
/* What the reader stands in: "an object", ... */
const char *bl_pull_container(const bl_pull *j);
/* The file ends inside something. */
bl_status bl_pull_truncated(bl_pull *j, const char *inside);

static inline int64_t pull_position(const bl_pull *j) {
    return j->offset + (j->p - j->start);
}

/* The token that messages name begins here. */
static inline void pull_mark(bl_pull *j) {
    j->token = pull_position(j);
}

static inline bool pull_available(bl_pull *j) {
    if (j->p < j->end) return true;
    bl_pull_fill(j, 1);
    return j->p < j->end;
}

/* Next byte that is not white space, not consumed; -1 at the end. */
static inline int pull_next(bl_pull *j) {
    for (;;) {
        while (j->p < j->end) {
            uint8_t c = *j->p;
            if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return c;
            j->p++;
        }
        if (!pull_available(j)) return -1;
    }
}

#endif
