/* What a written page contains, and what it does not. */
#ifndef BALLAST_TESTS_PAGE_CHECK_H
#define BALLAST_TESTS_PAGE_CHECK_H

#include "tests/check.h"

/* Occurrences of `part`. */
static inline int count(const char *text, const char *part) {
    int n = 0;
    for (const char *p = text; (p = strstr(p, part)); p += strlen(part)) n++;
    return n;
}
#define HAS(text, part)                                                                            \
    do {                                                                                           \
        if (!strstr(text, part)) fprintf(stderr, "missing: %s\n", part);                           \
        CHECK(strstr(text, part) != NULL);                                                         \
    } while (0)
#define LACKS(text, part)                                                                          \
    do {                                                                                           \
        if (strstr(text, part)) fprintf(stderr, "unexpected: %.80s\n", strstr(text, part));        \
        CHECK(strstr(text, part) == NULL);                                                         \
    } while (0)

#endif
