#include "eval/json_out.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void json_put_string(FILE *f, const char *s) {
    if (!s) {
        fputs("null", f);
        return;
    }
    fputc('"', f);
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        if (*p == '"' || *p == '\\')
            fprintf(f, "\\%c", *p);
        else if (*p < 0x20)
            fprintf(f, "\\u%04x", *p);
        else
            fputc(*p, f);
    }
    fputc('"', f);
}

void json_put_number(FILE *f, double v) {
    if (!isfinite(v)) {
        fputs("null", f);
        return;
    }
    if (v == floor(v) && fabs(v) < 1e15) {
        fprintf(f, "%" PRId64, (int64_t)v);
        return;
    }
    char text[40];
    snprintf(text, sizeof text, "%.15g", v);
    if (strtod(text, NULL) != v) snprintf(text, sizeof text, "%.17g", v);
    for (char *p = text; *p; p++)
        if (!strchr("0123456789+-e", *p)) *p = '.';
    fputs(text, f);
}

void json_put_key(FILE *f, int *first, const char *key) {
    if (!*first) fputs(", ", f);
    *first = 0;
    json_put_string(f, key);
    fputs(": ", f);
}

void json_member_number(FILE *f, int *first, const char *key, double v) {
    json_put_key(f, first, key);
    json_put_number(f, v);
}

void json_member_int(FILE *f, int *first, const char *key, int64_t v) {
    json_put_key(f, first, key);
    fprintf(f, "%" PRId64, v);
}

void json_member_string(FILE *f, int *first, const char *key, const char *s) {
    json_put_key(f, first, key);
    json_put_string(f, s);
}
