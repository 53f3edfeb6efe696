/* Strict JSON documents with positions, for configurations and other small files (annotation files
 * are streamed by datasets/ instead).
 *
 * json-c does the parsing; a scanner of our own runs first because json-c 0.16 accepts duplicate
 * keys, single quotes, NaN and saturating integers even in strict mode. The scanner rejects those,
 * bounds size and depth, and records the line of every value, so that messages read
 * "configs/x.json:12: ...". */
#ifndef BALLAST_CORE_JSON_H
#define BALLAST_CORE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/status.h"

typedef struct bl_json {
    struct json_object *root;
    char *file; /* for messages */
    struct bl_json_lines *lines;
} bl_json;

enum { BL_JSON_MAX_BYTES = 64 << 20, BL_JSON_MAX_DEPTH = 32 };

bl_status bl_json_load(const char *path, bl_json *doc);
/* `name` stands for the file in messages. */
bl_status bl_json_parse(const char *text, size_t size, const char *name, bl_json *doc);
void bl_json_free(bl_json *doc);

/* Line (1-based) of the value at a dotted path such as "train.lr" or "groups[2].name"; 0 if
 * unknown. */
int bl_json_line(const bl_json *doc, const char *dotted);

/* The member `key` of the object `o` in a document that this program has written. BL_EFORMAT, with
 * file, key and type in the message, when it is missing or of another type. */
bl_status bl_json_member(const bl_json *doc, struct json_object *o, const char *key,
                         enum json_type type, struct json_object **out);

/* Is it the string `text`? Not when it is no string, or null. */
bool bl_json_is(struct json_object *o, const char *text);

/* Building a document so that a failed allocation of json-c's, which returns NULL, is not lost: a
 * NULL value, or no room for it, releases the whole of *o and leaves NULL there, which in turn spoils
 * whatever *o is added to. bl_json_save refuses NULL with BL_ENOMEM. `value` is taken over. */
void bl_json_add(struct json_object **o, const char *key, struct json_object *value);
void bl_json_append(struct json_object **list, struct json_object *value);

/* Two spaces a level, arrays of scalars on one line; doubles with the fewest digits that read back
 * exactly, null when not finite; atomic write. */
bl_status bl_json_save(struct json_object *root, const char *path);
/* The same text to a stream; ferror(f) tells of failures. */
void bl_json_print(struct json_object *root, FILE *f);

#endif
