#include "core/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/fs.h"
#include "core/json_out.h"
#include "core/json_scan.h"
#include "core/strmap.h"

/* A value of the document: its container, its place in it and its line. */
typedef struct node {
    int32_t parent; /* -1: the root */
    int32_t line;
    int64_t index; /* in an array; members are found through the map */
} node;

struct bl_json_lines {
    bl_arena *arena;
    bl_strmap *members; /* (container node, key) -> node */
    node *nodes;
    int64_t count, cap;
};

/* -1 when out of memory. */
static int64_t add_node(struct bl_json_lines *l, int64_t parent, int64_t index, int line) {
    if (l->count == l->cap) {
        int64_t cap = l->cap ? 2 * l->cap : 64;
        node *more = realloc(l->nodes, (size_t)cap * sizeof *more);
        if (!more) {
            bl_no_memory("for a JSON document");
            return -1;
        }
        l->nodes = more;
        l->cap = cap;
    }
    l->nodes[l->count] = (node){(int32_t)parent, line, index};
    return l->count++;
}

static bl_status scan_value(bl_scan *s, struct bl_json_lines *l, int64_t self, int depth);

static bl_status scan_object(bl_scan *s, struct bl_json_lines *l, int64_t self, int depth) {
    BL_TRY(bl_scan_expect(s, '{'));
    bool more = bl_scan_peek(s) != '}';
    if (!more) s->p++;
    while (more) {
        if (bl_scan_peek(s) != '"')
            return bl_scan_fail(s, "a key must be a string in double quotes");
        BL_TRY(bl_scan_string(s));
        char *key = bl_arena_strdup(l->arena, s->text);
        if (!key) return BL_ENOMEM;
        BL_TRY(bl_scan_expect(s, ':'));
        bl_scan_peek(s);
        int64_t child = add_node(l, self, -1, s->line);
        int64_t held = child < 0 ? -1 : bl_strmap_add(l->members, (uint32_t)self, key, child);
        if (held < 0) return BL_ENOMEM;
        if (held != child) {
            return bl_scan_fail(s, "duplicate key \"%.100s\" (first on line %d): remove one", key,
                                (int)l->nodes[held].line);
        }
        BL_TRY(scan_value(s, l, child, depth + 1));
        BL_TRY(bl_scan_more(s, '}', &more));
    }
    return BL_OK;
}

static bl_status scan_array(bl_scan *s, struct bl_json_lines *l, int64_t self, int depth) {
    BL_TRY(bl_scan_expect(s, '['));
    bool more = bl_scan_peek(s) != ']';
    if (!more) s->p++;
    for (int64_t i = 0; more; i++) {
        bl_scan_peek(s);
        int64_t child = add_node(l, self, i, s->line);
        if (child < 0) return BL_ENOMEM;
        BL_TRY(scan_value(s, l, child, depth + 1));
        BL_TRY(bl_scan_more(s, ']', &more));
    }
    return BL_OK;
}

/* `depth`: containers around this value. */
static bl_status scan_value(bl_scan *s, struct bl_json_lines *l, int64_t self, int depth) {
    int c = bl_scan_peek(s);
    if ((c == '{' || c == '[') && depth >= BL_JSON_MAX_DEPTH) {
        return bl_scan_fail(s, "nested deeper than %d levels", BL_JSON_MAX_DEPTH);
    }
    bl_scan_num num;
    char which;
    switch (c) {
    case '{':
        return scan_object(s, l, self, depth);
    case '[':
        return scan_array(s, l, self, depth);
    case '"':
        return bl_scan_string(s);
    case 't':
    case 'f':
    case 'n':
        return bl_scan_literal(s, &which);
    default:
        return bl_scan_number(s, &num);
    }
}

static bl_status scan_document(const char *text, size_t size, const char *name, bl_json *doc) {
    struct bl_json_lines *l = calloc(1, sizeof *l);
    doc->lines = l;
    doc->file = strdup(name);
    if (!l || !doc->file) return bl_no_memory("for %s", name);
    l->arena = bl_arena_create(16 << 10);
    l->members = l->arena ? bl_strmap_create(l->arena) : NULL;
    if (!l->members) return BL_ENOMEM;

    bl_scan s;
    bl_scan_begin(&s, text, size, doc->file);
    bl_status status = BL_OK;
    if (bl_scan_peek(&s) < 0) status = bl_scan_fail(&s, "the file is empty");
    if (status == BL_OK && add_node(l, -1, -1, s.line) < 0) status = BL_ENOMEM;
    if (status == BL_OK) status = scan_value(&s, l, 0, 0);
    if (status == BL_OK) status = bl_scan_finish(&s);
    bl_scan_end(&s);
    return status;
}

static bl_status build(const char *text, size_t size, const char *name, bl_json *doc) {
    struct json_tokener *tok = json_tokener_new_ex(BL_JSON_MAX_DEPTH + 2);
    if (!tok) return bl_no_memory("for %s", name);
    /* Without JSON_TOKENER_STRICT: scan_document() was stricter already, and the strict mode of
     * json-c 0.18 refuses every character outside of ASCII where char is signed. */
    doc->root = json_tokener_parse_ex(tok, text, (int)size);
    enum json_tokener_error err = json_tokener_get_error(tok);
    /* A bare number at the top level is complete only when the end of the text is announced. */
    if (err == json_tokener_continue) {
        doc->root = json_tokener_parse_ex(tok, "", 1);
        err = json_tokener_get_error(tok);
    }
    json_tokener_free(tok);
    if (err != json_tokener_success) {
        return bl_fail(BL_EFORMAT, "%s: %s", name, json_tokener_error_desc(err));
    }
    return BL_OK;
}

bl_status bl_json_parse(const char *text, size_t size, const char *name, bl_json *doc) {
    *doc = (bl_json){NULL, NULL, NULL};
    if (size > BL_JSON_MAX_BYTES) {
        return bl_fail(BL_EFORMAT, "%s: %zu bytes, at most %d are accepted", name, size,
                       BL_JSON_MAX_BYTES);
    }
    bl_status status = scan_document(text, size, name, doc);
    if (status == BL_OK) status = build(text, size, name, doc);
    if (status != BL_OK) bl_json_free(doc);
    return status;
}

bl_status bl_json_load(const char *path, bl_json *doc) {
    *doc = (bl_json){NULL, NULL, NULL};
    char *text;
    size_t size;
    BL_TRY(bl_read_file(path, BL_JSON_MAX_BYTES, &text, &size));
    bl_status status = bl_json_parse(text, size, path, doc);
    free(text);
    return status;
}

void bl_json_free(bl_json *doc) {
    json_object_put(doc->root);
    free(doc->file);
    if (doc->lines) {
        bl_arena_destroy(doc->lines->arena);
        free(doc->lines->nodes);
        free(doc->lines);
    }
    *doc = (bl_json){NULL, NULL, NULL};
}

static int64_t find_element(const struct bl_json_lines *l, int64_t array, int64_t index) {
    for (int64_t i = array + 1; i < l->count; i++) {
        if (l->nodes[i].parent == array && l->nodes[i].index == index) return i;
    }
    return -1;
}

int bl_json_line(const bl_json *doc, const char *dotted) {
    const struct bl_json_lines *l = doc->lines;
    if (!l || l->count == 0) return 0;
    char *path = strdup(dotted);
    int64_t at = path ? 0 : -1;
    for (char *p = path; at >= 0 && *p;) {
        if (*p == '[') {
            char *digits = p + 1;
            long long index = strtoll(digits, &p, 10);
            at = p > digits && *p == ']' ? find_element(l, at, index) : -1;
            p++; /* the ']'; when it is missing, `at` ends the loop */
        } else {
            if (*p == '.') p++;
            size_t n = strcspn(p, ".[");
            char keep = p[n];
            p[n] = '\0';
            at = bl_strmap_get(l->members, (uint32_t)at, p);
            p[n] = keep;
            p += n;
        }
    }
    free(path);
    return at < 0 ? 0 : l->nodes[at].line;
}

bl_status bl_json_member(const bl_json *doc, struct json_object *o, const char *key,
                         enum json_type type, struct json_object **out) {
    if (!json_object_object_get_ex(o, key, out) || !json_object_is_type(*out, type))
        return bl_fail(BL_EFORMAT, "%s: \"%s\" is missing or not of type %s; make the file again",
                       doc->file, key, json_type_to_name(type));
    return BL_OK;
}

bool bl_json_is(struct json_object *o, const char *text) {
    return json_object_is_type(o, json_type_string) && strcmp(json_object_get_string(o), text) == 0;
}

static void spoil(struct json_object **o, struct json_object *value) {
    json_object_put(value);
    json_object_put(*o);
    *o = NULL;
}

void bl_json_add(struct json_object **o, const char *key, struct json_object *value) {
    if (!*o || !value || json_object_object_add(*o, key, value) != 0) spoil(o, value);
}

void bl_json_append(struct json_object **list, struct json_object *value) {
    if (!*list || !value || json_object_array_add(*list, value) != 0) spoil(list, value);
}

/* ---- writer ---- */

static void indent(FILE *f, int depth) {
    fputc('\n', f);
    for (int i = 0; i < depth; i++) fputs("  ", f);
}

static bool is_scalar(struct json_object *o) {
    return !json_object_is_type(o, json_type_object) && !json_object_is_type(o, json_type_array);
}

static void write_value(FILE *f, struct json_object *o, int depth) {
    char text[BL_REAL_TEXT_MAX];
    switch (json_object_get_type(o)) {
    case json_type_double:
        bl_format_double(json_object_get_double(o), true, text);
        fputs(text, f);
        break;
    case json_type_object: {
        bool first = true;
        fputc('{', f);
        json_object_object_foreach(o, key, value) {
            if (!first) fputc(',', f);
            first = false;
            indent(f, depth + 1);
            bl_json_put_string(f, key);
            fputs(": ", f);
            write_value(f, value, depth + 1);
        }
        if (!first) indent(f, depth);
        fputc('}', f);
        break;
    }
    case json_type_array: {
        size_t n = json_object_array_length(o);
        bool flat = true; /* arrays of scalars stay on one line */
        for (size_t i = 0; i < n; i++) flat = flat && is_scalar(json_object_array_get_idx(o, i));
        fputc('[', f);
        for (size_t i = 0; i < n; i++) {
            if (i) fputs(flat ? ", " : ",", f);
            if (!flat) indent(f, depth + 1);
            write_value(f, json_object_array_get_idx(o, i), depth + 1);
        }
        if (!flat) indent(f, depth);
        fputc(']', f);
        break;
    }
    case json_type_string:
        bl_json_put_string(f, json_object_get_string(o));
        break;
    case json_type_int:
        fprintf(f, "%" PRId64, json_object_get_int64(o));
        break;
    case json_type_boolean:
        fputs(json_object_get_boolean(o) ? "true" : "false", f);
        break;
    default:
        fputs("null", f);
        break;
    }
}

void bl_json_print(struct json_object *root, FILE *f) {
    write_value(f, root, 0);
    fputc('\n', f);
}

bl_status bl_json_save(struct json_object *root, const char *path) {
    bl_outfile o;
    if (!root) return bl_no_memory("for %s (what is to be written)", path);
    BL_TRY(bl_outfile_open(path, &o));
    bl_json_print(root, o.f);
    return bl_outfile_commit(&o);
}
