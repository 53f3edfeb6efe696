#include "core/real_text.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* Made once for the whole process and never changed: with LOCPATH set, glibc's newlocale loses a
 * few bytes at every call, and numbers are many. */
static locale_t point_locale(void) {
    static _Atomic(locale_t) made;
    locale_t c = atomic_load(&made);
    if (c) return c;
    locale_t fresh = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (atomic_compare_exchange_strong(&made, &c, fresh)) return fresh;
    if (fresh) freelocale(fresh); /* another thread was faster */
    return c;
}

bl_point bl_point_begin(void) {
    locale_t c = point_locale();
    return (bl_point){c ? uselocale(c) : (locale_t)0};
}

void bl_point_end(bl_point p) {
    if (p.before) uselocale(p.before);
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
