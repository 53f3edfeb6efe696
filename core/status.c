#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Long enough for a configuration with a few dozen mistakes, which are all reported at once. */
enum { MESSAGE_BYTES = 8192 };

static _Thread_local char message[MESSAGE_BYTES];

/* A caller may pass bl_error() as an argument, so the new text is built beside the old one. */
bl_status bl_fail(bl_status code, const char *fmt, ...) {
    char text[MESSAGE_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    memcpy(message, text, strlen(text) + 1);
    return code;
}

bl_status bl_no_memory(const char *what, ...) {
    char text[512] = "";
    va_list ap;
    va_start(ap, what);
    if (what) vsnprintf(text, sizeof text, what, ap);
    va_end(ap);
    return bl_fail(BL_ENOMEM, "out of memory%s%s", what ? " " : "", text);
}

bl_status bl_fail_context(bl_status code, const char *fmt, ...) {
    char text[MESSAGE_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text - 2, fmt, ap);
    va_end(ap);
    strcat(text, ": ");
    size_t head = strlen(text), tail = strlen(message);
    if (tail > sizeof text - 1 - head) tail = sizeof text - 1 - head; /* cut off the end */
    memcpy(text + head, message, tail);
    memcpy(message, text, head + tail);
    message[head + tail] = '\0';
    return code;
}

const char *bl_error(void) {
    return message;
}

void bl_error_clear(void) {
    message[0] = '\0';
}

const char *bl_status_name(bl_status code) {
    switch (code) {
    case BL_OK:
        return "ok";
    case BL_EINVAL:
        return "invalid argument";
    case BL_ENOMEM:
        return "out of memory";
    case BL_EIO:
        return "i/o error";
    case BL_EFORMAT:
        return "broken data";
    case BL_ECONFIG:
        return "configuration error";
    case BL_EUNSUPPORTED:
        return "not supported";
    case BL_ENUMERIC:
        return "not finite";
    case BL_EBACKEND:
        return "backend error";
    case BL_ECANCELLED:
        return "cancelled";
    }
    return "unknown status";
}
