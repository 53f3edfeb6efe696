#include "cli/lists.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/real_text.h"

enum { MAX_TEXT = 2048 };

bl_status bl_cli_names(const char *option, const char *text, bl_arena *arena, const char ***names,
                       int *n) {
    *names = NULL;
    *n = 0;
    if (!text) return BL_OK;
    char *copy = bl_arena_strdup(arena, text), *save = NULL;
    *names = BL_NEW_ARRAY(arena, const char *, strlen(text) + 1);
    if (!copy || !*names) return BL_ENOMEM;
    for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save))
        (*names)[(*n)++] = p;
    return *n ? BL_OK : bl_fail(BL_ECONFIG, "--%s: no name in \"%s\"", option, text);
}

/* Calls `take` with each part between the separators. */
typedef bl_status (*take_fn)(const char *option, char *part, void *arg);
static bl_status each(const char *option, const char *text, const char *separators, take_fn take,
                      void *arg) {
    char copy[MAX_TEXT], *save = NULL;
    if (strlen(text) >= sizeof copy)
        return bl_fail(BL_ECONFIG, "--%s: the list is longer than %d characters", option,
                       MAX_TEXT - 1);
    strcpy(copy, text);
    for (char *p = strtok_r(copy, separators, &save); p; p = strtok_r(NULL, separators, &save))
        BL_TRY(take(option, p, arg));
    return BL_OK;
}

static bl_status read_real(const char *option, const char *text, double *v) {
    char *end;
    *v = bl_real_parse(text, &end);
    if (end == text || *end || isnan(*v))
        return bl_fail(BL_ECONFIG, "--%s: expected a number, got \"%s\"", option, text);
    return BL_OK;
}

/* ---- numbers ---- */

typedef struct reals {
    double *v;
    int n, max;
} reals;

static bl_status add_real(const char *option, char *part, void *arg) {
    reals *r = arg;
    if (r->n == r->max) return bl_fail(BL_ECONFIG, "--%s: more than %d numbers", option, r->max);
    return read_real(option, part, &r->v[r->n++]);
}

static bl_status range(const char *option, const char *text, reals *out) {
    double v[3], n;
    reals parts = {v, 0, 3};
    BL_TRY(each(option, text, ":", add_real, &parts));
    if (parts.n != 3 || !(v[1] > 0) || v[2] < v[0] || !isfinite(v[2]))
        return bl_fail(BL_ECONFIG,
                       "--%s: expected START:STEP:END such as 0.5:0.05:0.95, got \"%s\"", option,
                       text);
    n = round((v[2] - v[0]) / v[1]);
    if (n + 1 > out->max)
        return bl_fail(BL_ECONFIG, "--%s: \"%s\" has more than %d numbers", option, text, out->max);
    if (fabs(v[0] + n * v[1] - v[2]) > 1e-6 * v[1])
        return bl_fail(BL_ECONFIG, "--%s: the steps of \"%s\" do not end at %g", option, text,
                       v[2]);
    out->n = (int)n + 1;
    double step = n > 0 ? (v[2] - v[0]) / n : 0;
    for (int i = 0; i < out->n; i++) out->v[i] = i == out->n - 1 ? v[2] : v[0] + i * step;
    return BL_OK;
}

bl_status bl_cli_reals(const char *option, const char *text, int max, double *v, int *n) {
    reals r = {v, 0, max};
    if (strchr(text, ':'))
        BL_TRY(range(option, text, &r));
    else
        BL_TRY(each(option, text, ",", add_real, &r));
    *n = r.n;
    return r.n ? BL_OK : bl_fail(BL_ECONFIG, "--%s: no number in \"%s\"", option, text);
}

/* ---- limits ---- */

typedef struct limits {
    int32_t *v;
    int n, max;
} limits;

static bl_status add_limit(const char *option, char *part, void *arg) {
    limits *l = arg;
    char *end;
    errno = 0;
    long v = strcmp(part, "all") == 0 ? BL_EVAL_UNLIMITED : strtol(part, &end, 10);
    bool whole = strcmp(part, "all") == 0 || (end != part && !*end && !errno);
    if (!whole || v < 1 || v > BL_EVAL_UNLIMITED)
        return bl_fail(BL_ECONFIG, "--%s: expected a whole number from 1, or \"all\"; got \"%s\"",
                       option, part);
    if (l->n == l->max) return bl_fail(BL_ECONFIG, "--%s: more than %d numbers", option, l->max);
    if (l->n && v <= l->v[l->n - 1])
        return bl_fail(BL_ECONFIG, "--%s: %s does not ascend", option, part);
    l->v[l->n++] = (int32_t)v;
    return BL_OK;
}

bl_status bl_cli_limits(const char *option, const char *text, int max, int32_t *v, int *n) {
    limits l = {v, 0, max};
    BL_TRY(each(option, text, ",", add_limit, &l));
    *n = l.n;
    return l.n ? BL_OK : bl_fail(BL_ECONFIG, "--%s: no number in \"%s\"", option, text);
}

/* ---- areas ---- */

typedef struct areas {
    bl_area_range *v;
    int n;
} areas;

static bl_status add_area(const char *option, char *part, void *arg) {
    areas *a = arg;
    char *save = NULL, *name = strtok_r(part, ":", &save), *min = strtok_r(NULL, ":", &save);
    char *max = strtok_r(NULL, ":", &save);
    bl_area_range r = {.max = 1e10};
    if (!name || !min || !max || strtok_r(NULL, ":", &save) || strlen(name) >= sizeof r.name)
        return bl_fail(
            BL_ECONFIG,
            "--%s: expected NAME:MIN:MAX (name of at most %zu characters, square pixels, "
            "max may be inf), got \"%s%s%s\"",
            option, sizeof r.name - 1, name ? name : "", min ? ":" : "", min ? min : "");
    strcpy(r.name, name);
    BL_TRY(read_real(option, min, &r.min));
    BL_TRY(read_real(option, max, &r.max));
    if (isinf(r.max)) r.max = 1e10; /* as COCO writes "no limit" */
    if (!(r.min >= 0 && r.min <= r.max))
        return bl_fail(BL_ECONFIG, "--%s: %s: %g to %g is not a range", option, name, r.min, r.max);
    for (int i = 0; i < a->n; i++)
        if (strcmp(a->v[i].name, name) == 0)
            return bl_fail(BL_ECONFIG, "--%s: \"%s\" is given twice", option, name);
    if (a->n == BL_EVAL_MAX_AREAS)
        return bl_fail(BL_ECONFIG, "--%s: more than %d ranges", option, BL_EVAL_MAX_AREAS);
    a->v[a->n++] = r;
    return BL_OK;
}

bl_status bl_cli_areas(const char *option, const char *text, bl_area_range v[BL_EVAL_MAX_AREAS],
                       int *n) {
    areas a = {v, 0};
    if (strncmp(text, "all:", 4) != 0) v[a.n++] = (bl_area_range){"all", 0, 1e10};
    BL_TRY(each(option, text, ",", add_area, &a));
    *n = a.n;
    return BL_OK;
}
