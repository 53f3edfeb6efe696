#include "ssl/learner.h"

#include <string.h>

void bl_add_loss(bl_step_losses *out, const char *name, bl_tensor *value, double weight) {
    out->loss[out->n++] = (bl_loss){name, value, (float)weight};
}

bl_status bl_state_reserve(bl_arena *arena, const char *name, int64_t n, double **v,
                           bl_state_array *out, int cap, int *count) {
    if (*count >= cap) return bl_fail(BL_EINVAL, "too many state arrays, no room for %s", name);
    *v = BL_NEW_ARRAY(arena, double, n);
    if (!*v) return BL_ENOMEM;
    out[(*count)++] = (bl_state_array){name, *v, n};
    return BL_OK;
}

bl_status bl_state_put(bl_arena *arena, const char *name, const double *v, int64_t n,
                       bl_state_array *out, int cap, int *count) {
    double *copy;
    BL_TRY(bl_state_reserve(arena, name, n, &copy, out, cap, count));
    memcpy(copy, v, sizeof *v * (size_t)n);
    return BL_OK;
}

bl_status bl_state_find(const bl_state_array *in, int count, const char *name, const double **v,
                        int64_t *n) {
    for (int i = 0; i < count; i++)
        if (strcmp(in[i].name, name) == 0) {
            *v = in[i].v, *n = in[i].n;
            return BL_OK;
        }
    return bl_fail(BL_EFORMAT, "lacks state.%s; was it written with other method settings?", name);
}

bl_status bl_state_get(const bl_state_array *in, int count, const char *name, double *to,
                       int64_t n) {
    const double *v;
    int64_t got;
    BL_TRY(bl_state_find(in, count, name, &v, &got));
    if (got != n)
        return bl_fail(BL_EFORMAT,
                       "state.%s has %lld numbers, expected %lld; another number of classes?", name,
                       (long long)got, (long long)n);
    memcpy(to, v, sizeof *to * (size_t)n);
    return BL_OK;
}

const char *bl_learner_average_name(bool uses_unlabelled) {
    return uses_unlabelled ? "teacher" : "ema";
}
