#include "report/html.h"

#include <limits.h>
#include <math.h>
#include <string.h>

/* Length of the well-formed UTF-8 sequence at p (1..4), 0 if malformed. */
static int sequence(const unsigned char *p) {
    if (*p < 0x80) return 1;
    int n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
    if (*p < 0xc2 || *p > 0xf4) return 0;
    for (int i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
        (*p == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

void bl_html_text(FILE *f, const char *s) {
    bl_html_short_text(f, s, INT_MAX);
}

void bl_html_short_text(FILE *f, const char *s, int limit) {
    for (const unsigned char *p = (const unsigned char *)s; *p;) {
        int n = sequence(p);
        if (limit-- == 0) {
            fputs("\xe2\x80\xa6", f);
            return;
        }
        if (n == 0 || (*p < 0x20 && !strchr("\t\n\r", *p)) || *p == 0x7f) {
            fputs("\xef\xbf\xbd", f);
            p++;
            continue;
        }
        switch (*p) {
        case '&':
            fputs("&amp;", f);
            break;
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        case '\'':
            fputs("&#39;", f);
            break;
        default:
            fwrite(p, 1, (size_t)n, f);
        }
        p += n;
    }
}

void bl_html_attr(FILE *f, const char *name, const char *value) {
    fprintf(f, " %s=\"", name);
    bl_html_text(f, value);
    fputc('"', f);
}

#define DASH "\xe2\x80\x93"
#define MINUS "\xe2\x88\x92"

void bl_html_percent(FILE *f, double v) {
    if (isnan(v))
        fputs(DASH, f);
    else
        fprintf(f, "%.1f", 100 * v);
}

void bl_html_points(FILE *f, double v) {
    if (isnan(v)) {
        fputs(DASH, f);
        return;
    }
    double points = round(1000 * v) / 10;
    if (points == 0)
        fputs("0.0", f);
    else
        fprintf(f, "%s%.1f", points < 0 ? MINUS : "+", fabs(points));
}

void bl_html_number(FILE *f, double v, int digits) {
    if (isnan(v))
        fputs(DASH, f);
    else
        fprintf(f, "%.*g", digits, v);
}

void bl_html_count(FILE *f, double v) {
    if (!(fabs(v) < 1e15)) {
        fputs(DASH, f);
        return;
    }
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%.0f", v);
    for (int i = 0; i < n; i++) {
        fputc(digits[i], f);
        if ((n - i) % 3 == 1 && i + 1 < n && digits[i] != '-') fputs("\xe2\x80\xaf", f);
    }
}

void bl_html_cell_begin(FILE *f, double v, const char *css_class) {
    fputs("<td", f);
    if (css_class && *css_class) fprintf(f, " class=\"%s\"", css_class);
    fputs(" data-v=\"", f);
    if (!isnan(v)) fprintf(f, "%.7g", v);
    fputs("\">", f);
}

void bl_html_base64(const uint8_t *data, size_t size, char *out) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        uint32_t left = (uint32_t)(size - i), v = (uint32_t)data[i] << 16;
        if (left > 1) v |= (uint32_t)data[i + 1] << 8;
        if (left > 2) v |= data[i + 2];
        *out++ = digit[v >> 18];
        *out++ = digit[v >> 12 & 63];
        *out++ = left > 1 ? digit[v >> 6 & 63] : '=';
        *out++ = left > 2 ? digit[v & 63] : '=';
    }
    *out = 0;
}

char *bl_html_data_uri(bl_arena *a, const char *type, const void *data, size_t size) {
    size_t head = strlen("data:;base64,") + strlen(type);
    char *s = bl_arena_alloc(a, head + (size + 2) / 3 * 4 + 1);
    if (!s) return NULL;
    sprintf(s, "data:%s;base64,", type);
    bl_html_base64(data, size, s + head);
    return s;
}
