/* Assertions for tests: they never compile out, print both values, and end the program with
 * status 1. A test that lacks its data calls SKIP(), which ctest reports as skipped. */
#ifndef BALLAST_TESTS_CHECK_H
#define BALLAST_TESTS_CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #cond);               \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define CHECK_OK(expr)                                                                             \
    do {                                                                                           \
        bl_status check_s_ = (expr);                                                               \
        if (check_s_ != BL_OK) {                                                                   \
            fprintf(stderr, "%s:%d: %s: %d: %s\n", __FILE__, __LINE__, #expr, check_s_,            \
                    bl_error());                                                                   \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
/* Expects failure with class `code` and a message that contains `part`. */
#define CHECK_FAILS(expr, code, part)                                                              \
    do {                                                                                           \
        bl_status check_s_ = (expr);                                                               \
        if (check_s_ != (code) || !strstr(bl_error(), (part))) {                                   \
            fprintf(stderr, "%s:%d: %s: got %d \"%s\", expected %d with \"%s\"\n", __FILE__,       \
                    __LINE__, #expr, check_s_, bl_error(), (int)(code), (part));                   \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        long long check_a_ = (long long)(a), check_b_ = (long long)(b);                            \
        if (check_a_ != check_b_) {                                                                \
            fprintf(stderr, "%s:%d: %s == %lld, expected %s == %lld\n", __FILE__, __LINE__, #a,    \
                    check_a_, #b, check_b_);                                                       \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define CHECK_NEAR(a, b, tol)                                                                      \
    do {                                                                                           \
        double check_a_ = (a), check_b_ = (b), check_t_ = (tol);                                   \
        if (!(fabs(check_a_ - check_b_) <= check_t_)) {                                            \
            fprintf(stderr, "%s:%d: %s == %.9g, expected %s == %.9g within %g\n", __FILE__,        \
                    __LINE__, #a, check_a_, #b, check_b_, check_t_);                               \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define CHECK_STR(a, b)                                                                            \
    do {                                                                                           \
        const char *check_a_ = (a), *check_b_ = (b);                                               \
        if (strcmp(check_a_, check_b_) != 0) {                                                     \
            fprintf(stderr, "%s:%d: %s == \"%s\", expected \"%s\"\n", __FILE__, __LINE__, #a,      \
                    check_a_, check_b_);                                                           \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define SKIP(...)                                                                                  \
    do {                                                                                           \
        printf("skipped: " __VA_ARGS__);                                                           \
        printf("\n");                                                                              \
        exit(77);                                                                                  \
    } while (0)

#endif
