/* Status codes and the thread-local error message.
 *
 * Every function that can fail returns a bl_status: BL_OK or a negative class. The details (file,
 * key, index, value and what to do about it) stand in one thread-local message. The library never
 * prints an error and never calls exit(); only cli/ does. */
#ifndef BALLAST_CORE_STATUS_H
#define BALLAST_CORE_STATUS_H

typedef enum bl_status {
    BL_OK = 0,
    BL_EINVAL = -1,       /* a caller's argument is wrong */
    BL_ENOMEM = -2,       /* out of memory */
    BL_EIO = -3,          /* the system refused to open, read, write or rename */
    BL_EFORMAT = -4,      /* a data file's content is broken */
    BL_ECONFIG = -5,      /* a configuration or command line is wrong */
    BL_EUNSUPPORTED = -6, /* valid, but not built in or not available on this machine */
    BL_ENUMERIC = -7,     /* a loss or gradient is not finite */
    BL_EBACKEND = -8,     /* a kernel library (oneDNN, CUDA, ...) reported an error */
    BL_ECANCELLED = -9    /* stopped on request */
} bl_status;

#if defined(__GNUC__)
#define BL_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define BL_PRINTF(f, a)
#endif

/* Sets this thread's message and returns `code`, so that
 * `return bl_fail(BL_EIO, ...)` reads well. */
bl_status bl_fail(bl_status code, const char *fmt, ...) BL_PRINTF(2, 3);

/* BL_ENOMEM with the message "out of memory <what>", such as "for %d tensors" or "to read %s"; NULL:
 * that alone. */
bl_status bl_no_memory(const char *what, ...) BL_PRINTF(1, 2);

/* Puts "<context>: " before this thread's message; returns `code` unchanged. */
bl_status bl_fail_context(bl_status code, const char *fmt, ...) BL_PRINTF(2, 3);

/* This thread's last message ("" if none); valid until the next failure on the thread. */
const char *bl_error(void);
void bl_error_clear(void);

/* "invalid argument", "i/o error", ... */
const char *bl_status_name(bl_status code);

/* Returns from the calling function when `expr` fails. */
#define BL_TRY(expr)                                                                               \
    do {                                                                                           \
        bl_status bl_try_status_ = (expr);                                                         \
        if (bl_try_status_ != BL_OK) return bl_try_status_;                                        \
    } while (0)

/* Sets the local `status` and jumps to the function's single cleanup label `done`. */
#define BL_TRY_DONE(expr)                                                                          \
    do {                                                                                           \
        status = (expr);                                                                           \
        if (status != BL_OK) goto done;                                                            \
    } while (0)

#endif
