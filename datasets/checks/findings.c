/* The findings of a check: cases counted by kind and set, with a few examples of each. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "datasets/checks/validate_checks.h"

static bl_finding *find(bl_findings *f, const bl_check *check, const char *set) {
    for (int32_t i = 0; i < f->n; i++)
        if (f->v[i].code == check->code && f->v[i].set == set) return &f->v[i];
    if (f->n == f->cap) {
        int32_t cap = f->cap ? 2 * f->cap : 32;
        bl_finding *v = realloc(f->v, sizeof *v * (size_t)cap);
        if (!v) {
            f->status = bl_no_memory("for findings");
            return NULL;
        }
        f->v = v;
        f->cap = cap;
    }
    const char **examples = BL_NEW_ARRAY(f->arena, const char *, f->max_examples);
    if (!examples) {
        f->status = BL_ENOMEM;
        return NULL;
    }
    bl_finding *v = &f->v[f->n++];
    *v = (bl_finding){.code = check->code,
                      .what = check->what,
                      .fix = check->fix,
                      .set = set,
                      .severity = check->severity,
                      .examples = examples};
    return v;
}

void bl_findings_add(bl_findings *f, const bl_check *check, const char *set, const char *fmt, ...) {
    bl_finding *v = f->status == BL_OK ? find(f, check, set) : NULL;
    if (!v) return;
    v->count++;
    if (v->n_examples == f->max_examples) return;
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    const char *own = bl_arena_strdup(f->arena, line);
    if (own)
        v->examples[v->n_examples++] = own;
    else
        f->status = BL_ENOMEM;
}
