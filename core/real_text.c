#include "core/real_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The C library keeps the "C" locale ready, so that asking for it allocates nothing. */
bl_point bl_point_begin(void) {
    bl_point p = {newlocale(LC_ALL_MASK, "C", (locale_t)0), (locale_t)0};
    if (p.c) p.before = uselocale(p.c);
    return p;
}

void bl_point_end(bl_point p) {
    if (!p.c) return;
    uselocale(p.before);
    freelocale(p.c);
}

double bl_real_parse(const char *text, char **end) {
    bl_point p = bl_point_begin();
    double v = strtod(text, end);
    bl_point_end(p);
    return v;
}

void bl_real_format(double v, char out[BL_REAL_TEXT_MAX]) {
    bl_point p = bl_point_begin();
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, BL_REAL_TEXT_MAX, "%.*g", digits, v);
        if (!isfinite(v) || strtod(out, NULL) == v) break;
    }
    bl_point_end(p);
}
