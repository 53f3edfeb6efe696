/* Any bytes: no crash; what is accepted has known lines and survives printing and parsing again. */
#include <string.h>

#include "core/json.h"
#include "tests/fuzz/fuzz.h"

/* The lines of members that a dotted path can name. */
static void check_lines(const bl_json *doc) {
    if (!json_object_is_type(doc->root, json_type_object)) return;
    json_object_object_foreach(doc->root, key, value) {
        (void)value;
        int line = bl_json_line(doc, key); /* any string is a safe argument */
        if (*key && !strpbrk(key, ".[")) HOLDS(line >= 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bl_json doc, again;
    if (bl_json_parse((const char *)data, size, "input", &doc) != BL_OK) {
        HOLDS(!doc.root && *bl_error());
        return 0;
    }
    check_lines(&doc);
    char *text = NULL;
    size_t length = 0;
    FILE *f = open_memstream(&text, &length);
    HOLDS(f);
    bl_json_print(doc.root, f);
    fclose(f);
    HOLDS(bl_json_parse(text, length, "printed", &again) == BL_OK);
    HOLDS(json_object_equal(doc.root, again.root));
    bl_json_free(&doc);
    bl_json_free(&again);
    free(text);
    return 0;
}
