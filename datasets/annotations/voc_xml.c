#include "datasets/annotations/voc_xml.h"

#include <expat.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/real_text.h"
#include "core/xml_encoding.h"
#include "datasets/annotations/dataset.h"

/* Where the parser is. The names were chosen anew when the types became wider; the old ones are
 * deprecated since. */
#if XML_MAJOR_VERSION * 100 + XML_MINOR_VERSION >= 209
#define LINE(xml) ((unsigned long)XML_GetCurrentLineNumber64(xml))
#define BYTE_INDEX(xml) ((int64_t)XML_GetCurrentByteIndex64(xml))
#else
#define LINE(xml) ((unsigned long)XML_GetCurrentLineNumber(xml))
#define BYTE_INDEX(xml) ((int64_t)XML_GetCurrentByteIndex(xml))
#endif

enum { MAX_DEPTH = 64, MAX_PATH = 256, MAX_TEXT = 1024, MAX_OBJECTS = 1 << 20 };
enum { XMIN = 1, YMIN = 2, XMAX = 4, YMAX = 8, NAME = 16, ALL = 31 };

typedef struct parser {
    XML_Parser xml;
    const char *name;
    bool skip_bad;
    int64_t skipped;
    bl_status status;
    char path[MAX_PATH]; /* "annotation/object/name"; deeper elements than fit are never ours */
    size_t length[MAX_DEPTH + 1];
    int depth;
    char text[MAX_TEXT];
    size_t n_text;
    bool too_long;
    bl_voc_object object;
    int have;
    char why[200]; /* defect of the object being read */
    bl_voc_file *out;
} parser;

static void BL_PRINTF(2, 3) stop(parser *p, const char *fmt, ...) {
    char msg[512];
    va_list ap;
    if (p->status != BL_OK) return;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    p->status = bl_fail(BL_EFORMAT, "%s:%lu: %s", p->name, LINE(p->xml), msg);
    XML_StopParser(p->xml, XML_FALSE);
}

static void out_of_memory(parser *p) {
    if (p->status == BL_OK) p->status = bl_no_memory("for %s", p->name);
    XML_StopParser(p->xml, XML_FALSE);
}

static void BL_PRINTF(2, 3) defect(parser *p, const char *fmt, ...) {
    va_list ap;
    if (p->why[0]) return;
    va_start(ap, fmt);
    vsnprintf(p->why, sizeof p->why, fmt, ap);
    va_end(ap);
}

static void XMLCALL on_start(void *arg, const XML_Char *tag, const XML_Char **attributes) {
    parser *p = arg;
    if (p->depth == MAX_DEPTH) {
        stop(p, "elements nested deeper than %d", MAX_DEPTH);
        return;
    }
    if (p->depth == 0 && strcmp(tag, "annotation") != 0) {
        stop(p, "the root element is <%.40s>, expected <annotation>", tag);
        return;
    }
    size_t at = p->length[p->depth];
    int n = snprintf(p->path + at, MAX_PATH - at, "%s%s", p->depth ? "/" : "", tag);
    /* A path that does not fit stays cut at its full length and so matches nothing. */
    p->length[++p->depth] = at + (size_t)n < MAX_PATH ? at + (size_t)n : MAX_PATH - 1;
    p->n_text = 0;
    p->too_long = false;
    if (strcmp(p->path, "annotation/object") == 0) {
        free(p->object.name);
        p->object = (bl_voc_object){0};
        p->have = 0;
        p->why[0] = 0;
    }
}

static void XMLCALL on_text(void *arg, const XML_Char *s, int len) {
    parser *p = arg;
    if (p->n_text + (size_t)len >= MAX_TEXT) {
        p->too_long = true;
        return;
    }
    memcpy(p->text + p->n_text, s, (size_t)len);
    p->n_text += (size_t)len;
}

/* The element's text without white space around it. */
static char *trimmed(parser *p) {
    static const char space[] = " \t\r\n";
    p->text[p->n_text] = 0;
    char *s = p->text + strspn(p->text, space);
    size_t n = strlen(s);
    while (n && strchr(space, s[n - 1])) s[--n] = 0;
    return s;
}

static bool number(parser *p, const char *s, double *v) {
    char *end;
    if (!strchr("+-.0123456789", *s) || !*s) return false;
    *v = bl_real_parse(s, &end);
    return !*end && isfinite(*v) && fabs(*v) <= BL_MAX_COORDINATE;
}

static void end_object(parser *p) {
    static const char *const names[] = {"bndbox/xmin", "bndbox/ymin", "bndbox/xmax", "bndbox/ymax",
                                        "name"};
    for (int i = 0; i < 5; i++)
        if (!(p->have & 1 << i)) defect(p, "has no <%s>", names[i]);
    if (p->why[0]) {
        if (p->skip_bad)
            p->skipped++;
        else
            stop(p, "object %d %s", p->out->n + 1, p->why);
        return;
    }
    bl_voc_file *v = p->out;
    if (v->n == v->cap) {
        int32_t cap = v->cap ? 2 * v->cap : 16;
        bl_voc_object *o = cap <= MAX_OBJECTS ? realloc(v->objects, sizeof *o * (size_t)cap) : NULL;
        if (!o) {
            out_of_memory(p);
            return;
        }
        v->objects = o;
        v->cap = cap;
    }
    v->objects[v->n++] = p->object;
    p->object.name = NULL;
}

static void end_object_part(parser *p, const char *part) {
    static const struct {
        const char *path;
        int bit;
        size_t offset;
    } sides[] = {{"bndbox/xmin", XMIN, offsetof(bl_voc_object, xmin)},
                 {"bndbox/ymin", YMIN, offsetof(bl_voc_object, ymin)},
                 {"bndbox/xmax", XMAX, offsetof(bl_voc_object, xmax)},
                 {"bndbox/ymax", YMAX, offsetof(bl_voc_object, ymax)}};
    char *s = trimmed(p);
    for (int i = 0; i < 4; i++) {
        if (strcmp(part, sides[i].path) != 0) continue;
        if (p->have & sides[i].bit) defect(p, "has two <%s>", part);
        if (!number(p, s, (double *)((char *)&p->object + sides[i].offset)))
            defect(p, "has <%s> \"%.40s\", expected pixels", part, s);
        p->have |= sides[i].bit;
        return;
    }
    if (strcmp(part, "difficult") == 0) {
        if (*s && strcmp(s, "0") != 0 && strcmp(s, "1") != 0) /* <difficult/>: not said */
            defect(p, "has <difficult> \"%.40s\", expected 0 or 1", s);
        p->object.difficult = s[0] == '1';
    } else if (strcmp(part, "name") == 0) {
        if (!*s || p->too_long) defect(p, "has an empty or overlong <name>");
        if (p->have & NAME) defect(p, "has two <name>s");
        p->have |= NAME;
        free(p->object.name);
        p->object.name = strdup(s);
        if (!p->object.name) out_of_memory(p);
    }
}

/* Many tools write 0 or -1 for what they do not know: the image tells better. */
static void end_side(parser *p, int32_t *v) {
    double d = 0;
    bool known = number(p, trimmed(p), &d) && d == floor(d) && d >= 1;
    *v = known ? (int32_t)d : 0;
}

static void XMLCALL on_end(void *arg, const XML_Char *tag) {
    static const char object[] = "annotation/object";
    parser *p = arg;
    if (p->status != BL_OK) return;
    if (strcmp(p->path, "annotation/size/width") == 0) {
        end_side(p, &p->out->width);
    } else if (strcmp(p->path, "annotation/size/height") == 0) {
        end_side(p, &p->out->height);
    } else if (strcmp(p->path, "annotation/filename") == 0) {
        free(p->out->filename);
        p->out->filename = strdup(trimmed(p));
        if (!p->out->filename) out_of_memory(p);
    } else if (strcmp(p->path, object) == 0) {
        end_object(p);
    } else if (strncmp(p->path, object, sizeof object - 1) == 0 &&
               p->path[sizeof object - 1] == '/') {
        end_object_part(p, p->path + sizeof object);
    }
    p->path[p->length[--p->depth]] = 0;
    p->n_text = 0;
}

static void XMLCALL on_entity(void *arg, const XML_Char *entity, int is_parameter,
                              const XML_Char *value, int length, const XML_Char *base,
                              const XML_Char *system_id, const XML_Char *public_id,
                              const XML_Char *notation) {
    stop(arg, "declares the entity \"%.40s\"; entities are refused, write the text itself", entity);
}

static bl_status run(parser *p, const void *data, size_t size) {
    XML_SetUserData(p->xml, p);
    XML_SetElementHandler(p->xml, on_start, on_end);
    XML_SetCharacterDataHandler(p->xml, on_text);
    XML_SetEntityDeclHandler(p->xml, on_entity);
    if (XML_Parse(p->xml, data, (int)size, 1) == XML_STATUS_OK) return p->status;
    if (p->status != BL_OK) return p->status;
    enum XML_Error e = XML_GetErrorCode(p->xml);
    bool cut = e == XML_ERROR_NO_ELEMENTS || e == XML_ERROR_UNCLOSED_TOKEN ||
               e == XML_ERROR_PARTIAL_CHAR || e == XML_ERROR_UNCLOSED_CDATA_SECTION ||
               (e == XML_ERROR_INVALID_TOKEN && BYTE_INDEX(p->xml) >= (int64_t)size);
    int64_t at = BYTE_INDEX(p->xml);
    bool foreign = e == XML_ERROR_INVALID_TOKEN && at >= 0 && at < (int64_t)size &&
                   ((const uint8_t *)data)[at] >= 0x80;
    return bl_fail(BL_EFORMAT, "%s:%lu: broken XML: %s%s", p->name, LINE(p->xml),
                   XML_ErrorString(e),
                   cut       ? "; the file looks truncated"
                   : foreign ? "; is the text in another encoding than UTF-8? Declare it in the "
                               "first line: <?xml version=\"1.0\" encoding=\"windows-1252\"?>"
                             : "");
}

/* Sides that are not both known tell nothing. */
static bl_status finish(bl_voc_file *v, const char *name) {
    if (!v->width || !v->height) v->width = v->height = 0;
    if (!v->filename) v->filename = strdup("");
    return v->filename ? BL_OK : bl_no_memory("for %s", name);
}

static bl_status parse(const void *data, size_t size, const char *name, const char *encoding,
                       bool skip_bad, int64_t *n_skipped, bl_voc_file *out) {
    parser *p = calloc(1, sizeof *p);
    bl_status status;
    if (!p) return bl_no_memory("for %s", name);
    p->name = name;
    p->skip_bad = skip_bad;
    p->out = out;
    p->xml = XML_ParserCreate(encoding);
    if (!p->xml)
        status = bl_no_memory("for %s", name);
    else
        status = run(p, data, size);
    if (status == BL_OK) status = finish(out, name);
    if (n_skipped) *n_skipped += p->skipped;
    if (p->xml) XML_ParserFree(p->xml);
    free(p->object.name);
    free(p);
    return status;
}

bl_status bl_voc_parse(const void *data, size_t size, const char *name, bool skip_bad,
                       int64_t *n_skipped, bl_voc_file *out) {
    char *text;
    size_t text_size;
    *out = (bl_voc_file){0};
    if (size > 1 << 28) return bl_fail(BL_EFORMAT, "%s: more than 256 MiB for one image", name);
    BL_TRY(bl_xml_to_utf8(data, size, name, &text, &text_size));
    bl_status status = text ? parse(text, text_size, name, "UTF-8", skip_bad, n_skipped, out)
                            : parse(data, size, name, NULL, skip_bad, n_skipped, out);
    free(text);
    return status;
}

void bl_voc_free(bl_voc_file *v) {
    for (int32_t i = 0; i < v->n; i++) free(v->objects[i].name);
    free(v->objects);
    free(v->filename);
    *v = (bl_voc_file){0};
}
