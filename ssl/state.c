#include "ssl/state.h"

#include <string.h>

bl_status bl_state_find(const bl_state_io *io, const char *name, const double **v, int64_t *n) {
    for (int i = 0; i < io->n; i++) {
        if (strcmp(io->v[i].name, name) != 0) continue;
        *v = io->v[i].v;
        *n = io->v[i].n;
        return BL_OK;
    }
    return bl_fail(BL_EFORMAT, "lacks state.%s; was it written with other method settings?", name);
}

bl_status bl_state_packed(bl_state_io *io, const char *name, double **v, int64_t *n) {
    if (io->loading) return bl_state_find(io, name, (const double **)v, n);
    if (io->n >= io->cap) return bl_fail(BL_EINVAL, "too many state arrays, no room for %s", name);
    *v = BL_NEW_ARRAY(io->arena, double, *n);
    if (!*v) return BL_ENOMEM;
    io->v[io->n++] = (bl_state_array){name, *v, *n};
    return BL_OK;
}

bl_status bl_state_numbers(bl_state_io *io, const char *name, double *v, int64_t n) {
    double *there;
    int64_t got = n;
    BL_TRY(bl_state_packed(io, name, &there, &got));
    if (got != n)
        return bl_fail(BL_EFORMAT,
                       "state.%s has %lld numbers, expected %lld; another number of classes?", name,
                       (long long)got, (long long)n);
    if (io->loading) {
        memcpy(v, there, sizeof *v * (size_t)n);
    } else {
        memcpy(there, v, sizeof *v * (size_t)n);
    }
    return BL_OK;
}
