/* Typed configuration: a descriptor table per section, one loader for all of them.
 *
 * A module describes its settings as a C struct and a table of bl_field; from the table come
 * parsing, defaults, range checks, the resolved dump, `ballast config --doc` (docs/config.md) and
 * did-you-mean (Damerau-Levenshtein distance <= 2, or a common prefix). Unknown, duplicate,
 * wrong-type and out-of-range keys are errors, all reported together, each with file:line and the
 * dotted path. */
#ifndef BALLAST_CORE_SCHEMA_H
#define BALLAST_CORE_SCHEMA_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/arena.h"
#include "core/status.h"

typedef enum bl_type {
    BL_T_BOOL,    /* bool */
    BL_T_INT,     /* int64_t */
    BL_T_LENGTH,  /* int64_t: the iterations of the run; at most one field of a whole schema */
    BL_T_PERIOD,  /* int64_t: iterations; written as a value below 1, a fraction of the length */
    BL_T_START,   /* the same, of when something starts: a warm-up that the run should outlast */
    BL_T_REAL,    /* double */
    BL_T_STRING,  /* const char * (arena); "" when empty, never NULL */
    BL_T_ENUM,    /* int32_t index into choices */
    BL_T_INTS,    /* bl_ints */
    BL_T_REALS,   /* bl_reals */
    BL_T_STRINGS, /* bl_strings */
    BL_T_SECTION, /* a nested struct described by `section` */
    BL_T_BOXED    /* the same behind a pointer; the loader allocates it in the arena */
} bl_type;

typedef struct bl_ints {
    int32_t n;
    int64_t *v;
} bl_ints;
typedef struct bl_reals {
    int32_t n;
    double *v;
} bl_reals;
typedef struct bl_strings {
    int32_t n;
    const char **v;
} bl_strings;

typedef struct bl_field {
    const char *key;
    bl_type type;
    size_t offset;   /* offsetof in the section's struct */
    const char *def; /* default as JSON text, e.g. "0.9", "\"bn\"", "[8, 11]"; NULL = required */
    double min, max; /* numbers, and each element of arrays; min == max: unchecked */
    const char *const *choices;      /* BL_T_ENUM: NULL-terminated names */
    const char *unit;                /* "px", "iterations", ... or NULL */
    const char *doc;                 /* one sentence */
    const struct bl_schema *section; /* BL_T_SECTION, BL_T_BOXED */
} bl_field;

typedef struct bl_schema {
    const char *name; /* section name for the docs */
    const char *doc;
    size_t size;            /* sizeof the struct */
    const bl_field *fields; /* ends with key == NULL; core/rows.h makes them */
} bl_schema;

/* Fractions (BL_T_PERIOD, BL_T_START) become iterations on loading: v * length rounded to the
 * nearest, at least one and at least the field's min. bl_config_dump has the iterations. */

static inline bool bl_is_section(const bl_field *f) {
    return f->type == BL_T_SECTION || f->type == BL_T_BOXED;
}

/* Loads `path` (with "extends": "file" or ["a", "b"], relative to the file, depth <= 8, cycles
 * refused; objects merge, everything else replaces, null = back to the default), then applies
 * `overrides`
 * ("a.b=value", value read as JSON, or as a string if that fails and the field is a string/enum),
 * then fills `out` (a struct of schema->size bytes) with strings and arrays in `arena`. `path` may
 * be NULL: defaults and overrides only. */
bl_status bl_config_load(const bl_schema *schema, const char *path, const char *const *overrides,
                         int n_overrides, bl_arena *arena, void *out);

/* The same for keys of `schema` only: those it lacks are passed over. Which schema a file is meant
 * for may stand in the file itself. */
bl_status bl_config_peek(const bl_schema *schema, const char *path, const char *const *overrides,
                         int n_overrides, bl_arena *arena, void *out);

/* The whole struct as a JSON object (every key, resolved); the caller json_object_put()s it. */
struct json_object *bl_config_dump(const bl_schema *schema, const void *value);

/* Markdown reference of the schema (docs/config.md): a table per section. */
bl_status bl_config_doc(const bl_schema *schema, FILE *f);

/* The closest of the NULL-terminated `names` to `word`, or NULL if none is close. */
const char *bl_did_you_mean(const char *word, const char *const *names);

#endif
