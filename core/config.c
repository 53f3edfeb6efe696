#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/schema.h"
#include "core/schema_value.h"

enum { MAX_EXTENDS = 8, MAX_COMPLAINTS = 30 };

/* What one bl_config_load knows. Complaints are gathered and reported together at the end. */
typedef struct loader {
    const bl_schema *schema;
    bl_arena *arena;          /* of the result */
    struct json_object *tree; /* everything merged so far; no nulls, no unknown keys */
    int64_t length;           /* of the run, for fractions of it; 0: the schema has none */
    bool lenient;             /* unknown keys are passed over */
    char *complaints[MAX_COMPLAINTS];
    int n_complaints, n_more;
    const char *chain[MAX_EXTENDS + 1]; /* files being loaded, outermost first */
    int depth;
} loader;

/* Where a value was written: in a document, in an override, or (both NULL) nowhere. */
typedef struct origin {
    const bl_json *doc;
    const char *override; /* "a.b=value" */
} origin;

static void complain(loader *l, const origin *at, const char *path, const char *what) {
    char *text = NULL;
    int n;
    if (at->doc) {
        n = asprintf(&text, "%s:%d: %s: %s", at->doc->file, bl_json_line(at->doc, path), path,
                     what);
    } else if (at->override) {
        n = asprintf(&text, "override \"%s\": %s: %s", at->override, path, what);
    } else {
        n = asprintf(&text, "%s: %s", path, what);
    }
    if (n < 0) text = NULL;
    /* A file that two others extend is read twice; its mistakes are told once. */
    for (int i = 0; text && i < l->n_complaints; i++) {
        if (strcmp(l->complaints[i], text) == 0) {
            free(text);
            return;
        }
    }
    if (text && l->n_complaints < MAX_COMPLAINTS) {
        l->complaints[l->n_complaints++] = text;
    } else {
        free(text);
        l->n_more++;
    }
}

/* Is there a complaint about this path? */
static bool complained(const loader *l, const char *path) {
    char mark[264];
    snprintf(mark, sizeof mark, ": %.255s: ", path);
    for (int i = 0; i < l->n_complaints; i++) {
        if (strstr(l->complaints[i], mark)) return true;
    }
    return false;
}

static bl_status report(loader *l) {
    size_t size = 64;
    for (int i = 0; i < l->n_complaints; i++) size += strlen(l->complaints[i]) + 1;
    char *all = malloc(size);
    if (!all) return bl_no_memory(NULL);
    size_t n = 0;
    for (int i = 0; i < l->n_complaints; i++) {
        n += (size_t)snprintf(all + n, size - n, "%s%s", i ? "\n" : "", l->complaints[i]);
    }
    if (l->n_more) snprintf(all + n, size - n, "\n... and %d more", l->n_more);
    bl_status s = bl_fail(BL_ECONFIG, "%s", all);
    free(all);
    return s;
}

static void join(char *out, size_t size, const char *path, const char *key) {
    snprintf(out, size, "%s%s%s", path, *path ? "." : "", key);
}

enum { MAX_PLACES = 3 };

/* Where in the whole schema fields called `key` are, for "did you mean": at most MAX_PLACES dotted
 * paths, each in quotes, joined by "or". */
static void find_elsewhere(const bl_schema *schema, const char *path, const char *key, int *n,
                           char *out, size_t size) {
    for (const bl_field *f = schema->fields; f->key; f++) {
        char here[256];
        join(here, sizeof here, path, f->key);
        if (strcmp(f->key, key) == 0 && *n < MAX_PLACES) {
            size_t at = strlen(out);
            snprintf(out + at, size - at, "%s\"%s\"", (*n)++ ? " or " : "", here);
        }
        if (bl_is_section(f)) find_elsewhere(f->section, here, key, n, out, size);
    }
}

static void gather_keys(const bl_schema *schema, const char **names, int *n, int cap) {
    for (const bl_field *f = schema->fields; f->key; f++) {
        if (*n < cap) names[(*n)++] = f->key;
        if (bl_is_section(f)) gather_keys(f->section, names, n, cap);
    }
}

/* The closest key of this section, or of any when `everywhere`. */
static const char *near_key(const bl_schema *schema, bool everywhere, const char *key) {
    enum { CAP = 1024 };
    const char **names = calloc(CAP + 1, sizeof *names);
    int n = 0;
    if (names && everywhere) gather_keys(schema, names, &n, CAP);
    for (const bl_field *f = schema->fields; names && !everywhere && f->key && n < CAP; f++)
        names[n++] = f->key;
    const char *near = names ? bl_did_you_mean(key, names) : NULL;
    free(names);
    return near;
}

/* A key that exists in another section was put into the wrong one; otherwise it is misspelt, more
 * likely a key of this section than of another. */
static void complain_unknown(loader *l, const origin *at, const bl_schema *schema, const char *path,
                             const char *key) {
    char what[1024], other[800] = "";
    const char *near = NULL;
    int n = 0;
    find_elsewhere(l->schema, "", key, &n, other, sizeof other);
    if (!n && (near = near_key(schema, false, key))) {
        snprintf(what, sizeof what, "unknown key, did you mean \"%s\"?", near);
        complain(l, at, path, what);
        return;
    }
    if (!n && (near = near_key(l->schema, true, key)))
        find_elsewhere(l->schema, "", near, &n, other, sizeof other);
    if (n)
        snprintf(what, sizeof what, "unknown key here, did you mean %s?", other);
    else
        snprintf(what, sizeof what, "unknown key; docs/config.md lists them");
    complain(l, at, path, what);
}

/* bl_json_add, but for objects that others hold, which stay whole when memory runs out, and with
 * NULL for JSON's null. Takes `value` over. */
static bl_status put(struct json_object *into, const char *key, struct json_object *value) {
    if (into && json_object_object_add(into, key, value) == 0) return BL_OK;
    json_object_put(value);
    return bl_no_memory("for the configuration");
}

/* Merges `from` into `into`, checking on the way; only values that pass get in. */
static bl_status merge(loader *l, const origin *at, const bl_schema *schema, const char *path,
                       struct json_object *from, struct json_object *into) {
    json_object_object_foreach(from, key, value) {
        if (at->doc && !*path && strcmp(key, "extends") == 0) continue;
        char here[256], why[256];
        join(here, sizeof here, path, key);
        const bl_field *f = bl_schema_find(schema, key);
        if (!f && l->lenient) continue;
        if (!f) {
            complain_unknown(l, at, schema, here, key);
        } else if (!value) {
            json_object_object_del(into, key); /* back to the default */
        } else if (bl_is_section(f) && json_object_is_type(value, json_type_object)) {
            struct json_object *below;
            if (!json_object_object_get_ex(into, key, &below)) {
                below = json_object_new_object();
                if (!below) return bl_no_memory("for the configuration");
                BL_TRY(put(into, key, below));
            }
            BL_TRY(merge(l, at, f->section, here, value, below));
        } else {
            bl_status s = bl_field_convert(f, value, l->arena, NULL, why);
            if (s == BL_ECONFIG) {
                complain(l, at, here, why);
            } else if (s != BL_OK) {
                return s;
            } else {
                BL_TRY(put(into, key, json_object_get(value)));
            }
        }
    }
    return BL_OK;
}

static bl_status load_file(loader *l, const char *path);

/* One entry of "extends", relative to the file that names it. */
static bl_status load_base(loader *l, const bl_json *doc, struct json_object *name) {
    if (!json_object_is_type(name, json_type_string)) {
        return bl_fail(BL_ECONFIG, "%s:%d: extends: expected a file name or an array of them",
                       doc->file, bl_json_line(doc, "extends"));
    }
    char *dir = bl_path_dir(doc->file);
    char *path = dir ? bl_path_join(dir, json_object_get_string(name)) : NULL;
    bl_status status = path ? load_file(l, path) : bl_no_memory(NULL);
    if (status == BL_EIO) {
        bl_fail_context(status, "%s:%d: extends", doc->file, bl_json_line(doc, "extends"));
    }
    free(path);
    free(dir);
    return status;
}

static bl_status load_bases(loader *l, const bl_json *doc) {
    struct json_object *extends;
    if (!json_object_object_get_ex(doc->root, "extends", &extends)) return BL_OK;
    if (!json_object_is_type(extends, json_type_array)) return load_base(l, doc, extends);
    for (size_t i = 0; i < json_object_array_length(extends); i++) {
        BL_TRY(load_base(l, doc, json_object_array_get_idx(extends, i)));
    }
    return BL_OK;
}

static bl_status enter(loader *l, const char *real) {
    for (int i = 0; i < l->depth; i++) {
        if (strcmp(l->chain[i], real) == 0) {
            return bl_fail(BL_ECONFIG, "%s: \"extends\" goes in a circle", real);
        }
    }
    if (l->depth > MAX_EXTENDS) {
        return bl_fail(BL_ECONFIG, "%s: \"extends\" is nested deeper than %d files", real,
                       MAX_EXTENDS);
    }
    l->chain[l->depth++] = real;
    return BL_OK;
}

static bl_status load_file(loader *l, const char *path) {
    bl_json doc = {NULL, NULL, NULL};
    if (bl_check_regular(path) != BL_OK)
        return bl_fail(BL_EIO,
                       "%s: is a pipe or a device; a configuration is read more than once and must "
                       "be a file",
                       path);
    bl_status status = bl_json_load(path, &doc);
    /* Broken JSON in a configuration is a configuration error to the user. */
    if (status == BL_EFORMAT) status = BL_ECONFIG;
    if (status != BL_OK) return status;
    char *real = realpath(path, NULL);
    if (!real) {
        bl_json_free(&doc);
        return bl_fail(BL_EIO, "%s: cannot resolve the path", path);
    }
    int depth = l->depth;
    BL_TRY_DONE(enter(l, real));
    if (!json_object_is_type(doc.root, json_type_object)) {
        status = bl_fail(BL_ECONFIG, "%s:%d: the top level must be an object { ... }", path,
                         bl_json_line(&doc, ""));
        goto done;
    }
    BL_TRY_DONE(load_bases(l, &doc));
    status = merge(l, &(origin){&doc, NULL}, l->schema, "", doc.root, l->tree);
done:
    l->depth = depth;
    free(real);
    bl_json_free(&doc);
    return status;
}

/* The value of an override: JSON, or bare text where a string is wanted. NULL for null. */
static bl_status override_value(const char *text, const bl_field *f, struct json_object **value) {
    bl_json doc;
    *value = NULL;
    bl_status status = bl_json_parse(text, strlen(text), "value", &doc);
    if (status == BL_ENOMEM) return status;
    bool wants_text = f && (f->type == BL_T_STRING || f->type == BL_T_ENUM);
    bool fits = status == BL_OK && (!doc.root || json_object_is_type(doc.root, json_type_string));
    if (wants_text && !fits) {
        *value = json_object_new_string(text);
        status = *value ? BL_OK : bl_no_memory("for an override");
    } else if (status == BL_OK) {
        *value = json_object_get(doc.root);
    }
    bl_json_free(&doc);
    return status;
}

static const bl_field *find_dotted(const bl_schema *schema, char *path) {
    const bl_field *f = NULL;
    char *save = NULL;
    for (char *key = strtok_r(path, ".", &save); key && schema; key = strtok_r(NULL, ".", &save)) {
        f = bl_schema_find(schema, key);
        schema = f && bl_is_section(f) ? f->section : NULL;
        if (!f) return NULL;
    }
    return f;
}

/* value becomes {key: value}; NULL on failure. */
static bl_status wrap(const char *key, struct json_object **value) {
    struct json_object *outer = json_object_new_object();
    bl_status status = put(outer, key, *value);
    if (status != BL_OK) json_object_put(outer);
    *value = status == BL_OK ? outer : NULL;
    return status;
}

/* Turns a.b=value into {"a": {"b": value}} and merges that. */
static bl_status apply_override(loader *l, const char *text) {
    const char *equals = strchr(text, '=');
    if (!equals || equals == text) {
        return bl_fail(BL_ECONFIG, "override \"%s\": expected key=value, e.g. train.lr=0.01", text);
    }
    int levels = 0;
    for (const char *p = text; p < equals; p++) levels += *p == '.';
    if (levels >= BL_JSON_MAX_DEPTH) {
        return bl_fail(BL_ECONFIG, "override \"%.80s...\": more than %d levels", text,
                       BL_JSON_MAX_DEPTH);
    }
    char *path = strndup(text, (size_t)(equals - text));
    char *copy = path ? strdup(path) : NULL;
    const bl_field *field = copy ? find_dotted(l->schema, copy) : NULL;
    if (copy && l->lenient && !field) {
        free(copy);
        free(path);
        return BL_OK;
    }
    struct json_object *value = NULL;
    bl_status status = copy ? override_value(equals + 1, field, &value) : bl_no_memory(NULL);
    origin at = {NULL, text};
    if (status == BL_EFORMAT) {
        complain(l, &at, path, "the value is not valid JSON");
        status = BL_OK;
    } else if (status == BL_OK) {
        for (char *dot; status == BL_OK && (dot = strrchr(path, '.')); *dot = '\0')
            status = wrap(dot + 1, &value);
        if (status == BL_OK) status = wrap(path, &value);
        if (status == BL_OK) status = merge(l, &at, l->schema, "", value, l->tree);
        json_object_put(value);
    }
    free(copy);
    free(path);
    return status;
}

/* The value of the schema's BL_T_LENGTH field, with the default where `tree` has none. */
static bl_status find_length(const bl_schema *schema, struct json_object *tree, int64_t *length) {
    for (const bl_field *f = schema->fields; f->key && !*length; f++) {
        struct json_object *value = NULL, *owned = NULL;
        if (tree) json_object_object_get_ex(tree, f->key, &value);
        if (bl_is_section(f)) BL_TRY(find_length(f->section, value, length));
        if (f->type != BL_T_LENGTH) continue;
        if (!value) BL_TRY(bl_field_default(f, &owned));
        *length = json_object_get_int64(value ? value : owned);
        json_object_put(owned);
    }
    return BL_OK;
}

static void fill_fraction(loader *l, const bl_field *f, const char *path, struct json_object *value,
                          char *out) {
    if (l->length)
        *(int64_t *)(void *)out = bl_field_iterations(f, value, l->length);
    else
        complain(l, &(origin){NULL, NULL}, path, "a fraction, but there is no run to take it of");
}

static bl_status fill(loader *l, const bl_schema *schema, const char *path,
                      struct json_object *tree, char *out) {
    memset(out, 0, schema->size);
    for (const bl_field *f = schema->fields; f->key; f++) {
        struct json_object *value = NULL, *owned = NULL;
        char here[256], why[256];
        join(here, sizeof here, path, f->key);
        if (tree) json_object_object_get_ex(tree, f->key, &value);
        if (bl_is_section(f)) {
            char *to = out + f->offset;
            if (f->type == BL_T_BOXED) {
                to = *(void **)(void *)to = bl_arena_alloc(l->arena, f->section->size);
                if (!to) return BL_ENOMEM;
            }
            BL_TRY(fill(l, f->section, here, value, to));
            continue;
        }
        if (!value && !f->def) {
            /* A value that was given but refused has its complaint already. */
            if (!complained(l, here))
                complain(l, &(origin){NULL, NULL}, here, "a value is required");
            continue;
        }
        if (!value) {
            bl_status s = bl_field_default(f, &owned);
            if (s != BL_OK) return bl_fail_context(BL_EINVAL, "default of %s", here);
            value = owned;
        }
        bl_status s = bl_field_convert(f, value, l->arena, out + f->offset, why);
        if (s == BL_OK && bl_field_is_fraction(f, value))
            fill_fraction(l, f, here, value, out + f->offset);
        json_object_put(owned);
        if (s == BL_ECONFIG) return bl_fail(BL_EINVAL, "default of %s: %s", here, why);
        BL_TRY(s);
    }
    return BL_OK;
}

static bl_status load(const bl_schema *schema, bool lenient, const char *path,
                      const char *const *overrides, int n_overrides, bl_arena *arena, void *out) {
    loader l = {
        .schema = schema, .lenient = lenient, .arena = arena, .tree = json_object_new_object()};
    bl_status status = l.tree ? BL_OK : bl_no_memory(NULL);
    if (status == BL_OK && path) status = load_file(&l, path);
    for (int i = 0; status == BL_OK && i < n_overrides; i++) {
        status = apply_override(&l, overrides[i]);
    }
    if (status == BL_OK) status = find_length(schema, l.tree, &l.length);
    if (status == BL_OK) status = fill(&l, schema, "", l.tree, out);
    if (status == BL_OK && l.n_complaints) status = report(&l);
    for (int i = 0; i < l.n_complaints; i++) free(l.complaints[i]);
    json_object_put(l.tree);
    return status;
}

bl_status bl_config_load(const bl_schema *schema, const char *path, const char *const *overrides,
                         int n_overrides, bl_arena *arena, void *out) {
    return load(schema, false, path, overrides, n_overrides, arena, out);
}

bl_status bl_config_peek(const bl_schema *schema, const char *path, const char *const *overrides,
                         int n_overrides, bl_arena *arena, void *out) {
    return load(schema, true, path, overrides, n_overrides, arena, out);
}
