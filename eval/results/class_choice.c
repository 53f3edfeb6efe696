#include "eval/results/class_choice.h"

#include <string.h>

/* Place of `v` among the first n of `out`, which are in falling order of value. */
static void insert(const double *value, int32_t *out, int32_t n, int32_t v) {
    int32_t at = n;
    while (at > 0 && value[out[at - 1]] < value[v]) at--;
    memmove(out + at + 1, out + at, sizeof *out * (size_t)(n - at));
    out[at] = v;
}

int32_t bl_class_choice(const double *value, int32_t n, bool all, int32_t *out, int32_t *gap) {
    *gap = -1;
    if (all || n <= BL_CLASSES_FEW) {
        for (int32_t i = 0; i < n; i++) out[i] = i;
        return n;
    }
    int32_t defined = 0;
    for (int32_t i = 0; i < n; i++)
        if (value[i] >= 0) insert(value, out, defined++, i);
    if (defined <= 2 * BL_CLASSES_ENDS) return defined;
    memmove(out + BL_CLASSES_ENDS, out + defined - BL_CLASSES_ENDS, sizeof *out * BL_CLASSES_ENDS);
    *gap = BL_CLASSES_ENDS;
    return 2 * BL_CLASSES_ENDS;
}

int bl_class_name_pad(const char *name, int columns) {
    int width = 0;
    for (; *name; name++) width += ((unsigned char)*name & 0xc0) != 0x80;
    return width < columns ? columns - width : 0;
}
