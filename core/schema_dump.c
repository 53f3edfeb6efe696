#include <math.h>
#include <string.h>

#include "core/json.h"
#include "core/json_out.h"
#include "core/schema.h"
#include "core/schema_value.h"

static struct json_object *dump_array(const bl_field *f, const char *at) {
    struct json_object *array = json_object_new_array();
    const bl_ints *ints = (const void *)at;
    const bl_reals *reals = (const void *)at;
    const bl_strings *strings = (const void *)at;
    int32_t n = f->type == BL_T_INTS ? ints->n : f->type == BL_T_REALS ? reals->n : strings->n;
    for (int32_t i = 0; i < n; i++) {
        bl_json_append(&array, f->type == BL_T_INTS    ? json_object_new_int64(ints->v[i])
                               : f->type == BL_T_REALS ? json_object_new_double(reals->v[i])
                                                       : json_object_new_string(strings->v[i]));
    }
    return array;
}

static struct json_object *dump_field(const bl_field *f, const char *at) {
    switch (f->type) {
    case BL_T_BOOL:
        return json_object_new_boolean(*(const bool *)at);
    case BL_T_INT:
    case BL_T_LENGTH:
    case BL_T_PERIOD:
    case BL_T_START:
        return json_object_new_int64(*(const int64_t *)(const void *)at);
    case BL_T_REAL:
        return json_object_new_double(*(const double *)(const void *)at);
    case BL_T_STRING:
        return json_object_new_string(*(const char *const *)(const void *)at);
    case BL_T_ENUM:
        return json_object_new_string(f->choices[*(const int32_t *)(const void *)at]);
    case BL_T_SECTION:
        return bl_config_dump(f->section, at);
    case BL_T_BOXED:
        return bl_config_dump(f->section, *(const void *const *)(const void *)at);
    default:
        return dump_array(f, at);
    }
}

struct json_object *bl_config_dump(const bl_schema *schema, const void *value) {
    struct json_object *o = json_object_new_object();
    for (const bl_field *f = schema->fields; f->key; f++) {
        bl_json_add(&o, f->key, dump_field(f, (const char *)value + f->offset));
    }
    return o;
}

/* Table cells: '|' would end the cell. */
static void cell(FILE *f, const char *text) {
    for (; *text; text++) fprintf(f, *text == '|' ? "\\|" : "%c", *text);
}

static void bound(double v, char text[32]) {
    if (isinf(v)) {
        snprintf(text, 32, v < 0 ? "-inf" : "inf");
    } else {
        bl_format_double(v, false, text);
    }
}

static void doc_range(const bl_field *fld, FILE *f) {
    if (fld->type == BL_T_ENUM) {
        for (int i = 0; fld->choices[i]; i++) fprintf(f, "%s`%s`", i ? ", " : "", fld->choices[i]);
    } else if (fld->min != fld->max) {
        char lo[32], hi[32];
        bound(fld->min, lo);
        bound(fld->max, hi);
        fprintf(f, "%s to %s", lo, hi);
    }
}

static void doc_section(const bl_schema *schema, const char *path, FILE *f) {
    fprintf(f, "## %s\n\n", *path ? path : "Top level");
    if (schema->doc) fprintf(f, "%s\n\n", schema->doc);
    fputs("| key | type | default | range | unit | meaning |\n|---|---|---|---|---|---|\n", f);
    for (const bl_field *fld = schema->fields; fld->key; fld++) {
        fprintf(f, "| `%s` | %s | ", fld->key, bl_type_name(fld->type));
        if (bl_is_section(fld)) {
            fputs("see below", f);
        } else if (fld->def) {
            fputc('`', f);
            cell(f, fld->def);
            fputc('`', f);
        } else {
            fputs("required", f);
        }
        fputs(" | ", f);
        doc_range(fld, f);
        fputs(" | ", f);
        cell(f, fld->unit ? fld->unit : "");
        fputs(" | ", f);
        cell(f, fld->doc ? fld->doc : "");
        fputs(" |\n", f);
    }
    fputc('\n', f);
    for (const bl_field *fld = schema->fields; fld->key; fld++) {
        if (!bl_is_section(fld)) continue;
        char below[256];
        snprintf(below, sizeof below, "%s%s%s", path, *path ? "." : "", fld->key);
        doc_section(fld->section, below, f);
    }
}

bl_status bl_config_doc(const bl_schema *schema, FILE *f) {
    fprintf(f, "# Configuration: %s\n\n", schema->name);
    fputs("\"Integer or fraction of the run\": whole numbers are iterations; a value above 0 and "
          "below "
          "1 is that fraction of `run.iterations`, rounded to the nearest, but at least 1 (and at "
          "least the lowest of its range).\n\n",
          f);
    doc_section(schema, "", f);
    return ferror(f) ? bl_fail(BL_EIO, "cannot write the configuration reference") : BL_OK;
}
