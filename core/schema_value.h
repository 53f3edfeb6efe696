/* One setting: from JSON to its C value and its checks. Internal to core/ (schema.h is the
 * interface). */
#ifndef BALLAST_CORE_SCHEMA_VALUE_H
#define BALLAST_CORE_SCHEMA_VALUE_H

#include "core/schema.h"

/* Checks `value` against the field and, when `out` is not NULL, stores it there with strings and
 * arrays in `arena`. On failure writes the complaint ("expected an integer, got \"x\"") to `why`.
 * Not for sections; a fraction of the run passes, but is not stored (bl_field_iterations). */
bl_status bl_field_convert(const bl_field *field, struct json_object *value, bl_arena *arena,
                           void *out, char why[256]);

/* Is it written as a fraction of the run, above 0 and below 1? */
bool bl_field_is_fraction(const bl_field *field, struct json_object *value);
/* That fraction of a run of `length` iterations. */
int64_t bl_field_iterations(const bl_field *field, struct json_object *value, int64_t length);

/* The default as JSON; NULL if the text is broken. The caller json_object_put()s it. */
bl_status bl_field_default(const bl_field *field, struct json_object **value);

/* "integer", "array of numbers", ... */
const char *bl_type_name(bl_type type);

const bl_field *bl_schema_find(const bl_schema *schema, const char *key);

#endif
