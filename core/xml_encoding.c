#include "core/xml_encoding.h"

#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_NAME = 40, MAX_DECLARATION = 256 };

/* Copies the declared encoding; false when there is none. */
static bool declared(const char *data, size_t size, char encoding[MAX_NAME + 1]) {
    char head[MAX_DECLARATION + 1];
    size_t n = size < MAX_DECLARATION ? size : MAX_DECLARATION;
    memcpy(head, data, n);
    head[n] = 0;
    const char *p = strncmp(head, "\xef\xbb\xbf", 3) == 0 ? head + 3 : head;
    const char *end = strstr(p, "?>"), *at = strstr(p, "encoding");
    if (strncmp(p, "<?xml", 5) != 0 || !end || !at || at > end) return false;
    at += strlen("encoding");
    at += strspn(at, " \t\r\n=");
    if (*at != '"' && *at != '\'') return false;
    const char *close = strchr(at + 1, *at);
    if (!close || close > end || close - at - 1 > MAX_NAME) return false;
    snprintf(encoding, MAX_NAME + 1, "%.*s", (int)(close - at - 1), at + 1);
    return true;
}

static bool expat_knows(const char *encoding) {
    static const char *const names[] = {"UTF-8",    "UTF-16",   "UTF-16LE",
                                        "UTF-16BE", "US-ASCII", "ISO-8859-1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(encoding, names[i]) == 0) return true;
    return false;
}

/* Files named after a small set of characters are often in the larger one around it. */
static const char *superset(const char *encoding) {
    static const char *const wider[][2] = {
        {"GB2312", "GB18030"}, {"GBK", "GB18030"}, {"Shift_JIS", "CP932"}, {"EUC-KR", "CP949"}};
    for (size_t i = 0; i < sizeof wider / sizeof *wider; i++)
        if (strcasecmp(encoding, wider[i][0]) == 0) return wider[i][1];
    return encoding;
}

static bl_status convert(iconv_t cd, const char *data, size_t size, const char *name,
                         const char *encoding, char **out, size_t *out_size) {
    size_t room = 4 * size + 16, left = size; /* a character has four bytes at most */
    char *text = malloc(room), *to = text, *from = (char *)(size_t)data;
    if (!text) return bl_no_memory("for %s (its text)", name);
    size_t rest = room;
    if (iconv(cd, &from, &left, &to, &rest) == (size_t)-1) {
        free(text);
        return bl_fail(
            BL_EFORMAT,
            "%s: is declared as %s, but byte %zu is not in that encoding%s; convert it to "
            "UTF-8, or correct the declaration",
            name, encoding, size - left, errno == EINVAL ? " (the file ends there)" : "");
    }
    *out = text;
    *out_size = room - rest;
    return BL_OK;
}

bl_status bl_xml_to_utf8(const void *data, size_t size, const char *name, char **out,
                         size_t *out_size) {
    char encoding[MAX_NAME + 1];
    *out = NULL;
    *out_size = 0;
    if (!declared(data, size, encoding) || expat_knows(encoding)) return BL_OK;
    iconv_t cd = iconv_open("UTF-8", superset(encoding));
    if (cd == (iconv_t)-1)
        return bl_fail(BL_EFORMAT,
                       "%s: its encoding \"%s\" is not known to this system; convert it to UTF-8 "
                       "(iconv -f ... -t UTF-8) and declare that",
                       name, encoding);
    bl_status status = convert(cd, data, size, name, encoding, out, out_size);
    iconv_close(cd);
    return status;
}
