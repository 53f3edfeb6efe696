#include "core/schema_value.h"

#include <math.h>
#include <string.h>

#include "core/json.h"

const char *bl_type_name(bl_type type) {
    switch (type) {
    case BL_T_BOOL:
        return "boolean";
    case BL_T_INT:
    case BL_T_LENGTH:
        return "integer";
    case BL_T_PERIOD:
    case BL_T_START:
        return "integer or fraction of the run";
    case BL_T_REAL:
        return "number";
    case BL_T_STRING:
        return "string";
    case BL_T_ENUM:
        return "choice";
    case BL_T_INTS:
        return "array of integers";
    case BL_T_REALS:
        return "array of numbers";
    case BL_T_STRINGS:
        return "array of strings";
    case BL_T_SECTION:
    case BL_T_BOXED:
        return "section";
    }
    return "unknown";
}

const bl_field *bl_schema_find(const bl_schema *schema, const char *key) {
    for (const bl_field *f = schema->fields; f->key; f++) {
        if (strcmp(f->key, key) == 0) return f;
    }
    return NULL;
}

static bool is(struct json_object *o, enum json_type type) {
    return json_object_is_type(o, type);
}

static bool is_number(struct json_object *o) {
    return is(o, json_type_int) || is(o, json_type_double);
}

static bl_status wrong_type(bl_type type, struct json_object *got, char why[256]) {
    const char *text = json_object_to_json_string_ext(got, JSON_C_TO_STRING_NOSLASHESCAPE);
    snprintf(why, 256, "expected %s%s, got %.80s",
             strchr("aeiou", bl_type_name(type)[0]) ? "an " : "a ", bl_type_name(type), text);
    return BL_ECONFIG;
}

static bl_status check_range(const bl_field *f, double v, char why[256]) {
    if (f->min == f->max || (v >= f->min && v <= f->max)) return BL_OK;
    snprintf(why, 256, "%.10g is out of range: must be in [%.10g, %.10g]", v, f->min, f->max);
    return BL_ECONFIG;
}

static bl_status convert_enum(const bl_field *f, const char *text, int32_t *out, char why[256]) {
    for (int32_t i = 0; f->choices[i]; i++) {
        if (strcmp(f->choices[i], text) == 0) {
            if (out) *out = i;
            return BL_OK;
        }
    }
    int n = snprintf(why, 256, "\"%.60s\" is not one of", text);
    for (int i = 0; f->choices[i] && n < 200; i++) {
        n += snprintf(why + n, 256 - (size_t)n, "%s %.40s", i ? "," : "", f->choices[i]);
    }
    const char *near = bl_did_you_mean(text, f->choices);
    if (near && n < 200) snprintf(why + n, 256 - (size_t)n, " (did you mean \"%.40s\"?)", near);
    return BL_ECONFIG;
}

static bl_status convert_string(struct json_object *value, bl_arena *arena, const char **out) {
    *out = bl_arena_strdup(arena, json_object_get_string(value));
    return *out ? BL_OK : BL_ENOMEM;
}

/* The element type of an array type. */
static bl_type element_type(bl_type type) {
    return type == BL_T_INTS ? BL_T_INT : type == BL_T_REALS ? BL_T_REAL : BL_T_STRING;
}

static bl_status convert_array(const bl_field *f, struct json_object *value, bl_arena *arena,
                               void *out, char why[256]) {
    size_t n = json_object_array_length(value);
    bl_field element = *f;
    element.type = element_type(f->type);
    size_t width = f->type == BL_T_STRINGS ? sizeof(char *) : 8;
    char *v = out ? bl_arena_array(arena, n, width) : NULL;
    if (out && !v) return BL_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        char inner[256];
        bl_status s = bl_field_convert(&element, json_object_array_get_idx(value, i), arena,
                                       v ? v + i * width : NULL, inner);
        if (s == BL_ECONFIG) snprintf(why, 256, "element %zu: %.200s", i, inner);
        if (s != BL_OK) return s;
    }
    if (!out) return BL_OK;
    switch (f->type) {
    case BL_T_INTS:
        *(bl_ints *)out = (bl_ints){(int32_t)n, (int64_t *)(void *)v};
        break;
    case BL_T_REALS:
        *(bl_reals *)out = (bl_reals){(int32_t)n, (double *)(void *)v};
        break;
    default:
        *(bl_strings *)out = (bl_strings){(int32_t)n, (const char **)(void *)v};
        break;
    }
    return BL_OK;
}

static bl_status convert_int(const bl_field *f, struct json_object *value, int64_t *out,
                             char why[256]) {
    if (!is(value, json_type_int)) return wrong_type(f->type, value, why);
    BL_TRY(check_range(f, (double)json_object_get_int64(value), why));
    if (out) *out = json_object_get_int64(value);
    return BL_OK;
}

bool bl_field_is_fraction(const bl_field *f, struct json_object *value) {
    if (f->type != BL_T_PERIOD && f->type != BL_T_START) return false;
    double v = is(value, json_type_double) ? json_object_get_double(value) : 1;
    return v > 0 && v < 1;
}

int64_t bl_field_iterations(const bl_field *f, struct json_object *value, int64_t length) {
    double n = floor(json_object_get_double(value) * (double)length + 0.5);
    return (int64_t)fmax(n, fmax(f->min, 1));
}

bl_status bl_field_convert(const bl_field *f, struct json_object *value, bl_arena *arena, void *out,
                           char why[256]) {
    switch (f->type) {
    case BL_T_BOOL:
        if (!is(value, json_type_boolean)) return wrong_type(f->type, value, why);
        if (out) *(bool *)out = json_object_get_boolean(value);
        return BL_OK;
    case BL_T_INT:
    case BL_T_LENGTH:
        return convert_int(f, value, out, why);
    case BL_T_PERIOD:
    case BL_T_START:
        return bl_field_is_fraction(f, value) ? BL_OK : convert_int(f, value, out, why);
    case BL_T_REAL:
        if (!is_number(value)) return wrong_type(f->type, value, why);
        BL_TRY(check_range(f, json_object_get_double(value), why));
        if (out) *(double *)out = json_object_get_double(value);
        return BL_OK;
    case BL_T_STRING:
        if (!is(value, json_type_string)) return wrong_type(f->type, value, why);
        return out ? convert_string(value, arena, out) : BL_OK;
    case BL_T_ENUM:
        if (!is(value, json_type_string)) return wrong_type(f->type, value, why);
        return convert_enum(f, json_object_get_string(value), out, why);
    case BL_T_INTS:
    case BL_T_REALS:
    case BL_T_STRINGS:
        if (!is(value, json_type_array)) return wrong_type(f->type, value, why);
        return convert_array(f, value, arena, out, why);
    case BL_T_SECTION:
    case BL_T_BOXED:
        break;
    }
    return wrong_type(f->type, value, why);
}

bl_status bl_field_default(const bl_field *f, struct json_object **value) {
    bl_json doc;
    *value = NULL;
    BL_TRY(bl_json_parse(f->def, strlen(f->def), f->key, &doc));
    *value = json_object_get(doc.root);
    bl_json_free(&doc);
    return BL_OK;
}
