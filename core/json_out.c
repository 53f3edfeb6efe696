#include "core/json_out.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void bl_format_double(double value, bool real, char out[BL_REAL_TEXT_MAX]) {
    if (!isfinite(value)) {
        strcpy(out, "null");
        return;
    }
    bl_real_format(value, out);
    if (real && !strpbrk(out, ".e")) strcat(out, ".0");
}

void bl_json_put_string(FILE *f, const char *s) {
    if (!s) {
        fputs("null", f);
        return;
    }
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    fputc('"', f);
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        const char *at = strchr(from, *p);
        if (at)
            fprintf(f, "\\%c", to[at - from]);
        else if (*p < 0x20)
            fprintf(f, "\\u%04x", *p);
        else
            fputc(*p, f);
    }
    fputc('"', f);
}

void bl_json_put_number(FILE *f, double v) {
    if (!isfinite(v)) {
        fputs("null", f);
        return;
    }
    if (v == floor(v) && fabs(v) < 1e15) {
        fprintf(f, "%" PRId64, (int64_t)v);
        return;
    }
    char text[BL_REAL_TEXT_MAX];
    bl_real_format(v, text);
    fputs(text, f);
}

void bl_json_put_key(FILE *f, int *first, const char *key) {
    if (!*first) fputs(", ", f);
    *first = 0;
    bl_json_put_string(f, key);
    fputs(": ", f);
}

void bl_json_member_number(FILE *f, int *first, const char *key, double v) {
    bl_json_put_key(f, first, key);
    bl_json_put_number(f, v);
}

void bl_json_member_int(FILE *f, int *first, const char *key, int64_t v) {
    bl_json_put_key(f, first, key);
    fprintf(f, "%" PRId64, v);
}

void bl_json_member_string(FILE *f, int *first, const char *key, const char *s) {
    bl_json_put_key(f, first, key);
    bl_json_put_string(f, s);
}
