#include "core/ids.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/json_out.h"

/* Decimal digits without a leading zero. */
static bool plain_digits(const char *s) {
    size_t n = strspn(s, "0123456789");
    return n > 0 && !s[n] && (s[0] != '0' || n == 1);
}

bl_id bl_id_of_text(const char *text) {
    char again[24];
    long long v = strtoll(text, NULL, 10); /* saturates, and then differs */
    snprintf(again, sizeof again, "%lld", v);
    return strcmp(again, text) == 0 ? (bl_id){v, NULL} : (bl_id){0, text};
}

int bl_id_compare_texts(const char *a, const char *b) {
    bool x = plain_digits(a), y = plain_digits(b);
    if (x != y) return x ? -1 : 1;
    size_t n = strlen(a), m = strlen(b);
    if (x && n != m) return n < m ? -1 : 1;
    return strcmp(a, b);
}

void bl_id_put_json(FILE *f, bl_id id) {
    if (!id.text)
        fprintf(f, "%" PRId64, id.number);
    else if (plain_digits(id.text))
        fputs(id.text, f);
    else
        bl_json_put_string(f, id.text);
}

const char *bl_id_show(bl_id id, char *buf, size_t size) {
    if (!id.text)
        snprintf(buf, size, "%" PRId64, id.number);
    else
        snprintf(buf, size, plain_digits(id.text) ? "%s" : "\"%s\"", id.text);
    return buf;
}

int64_t bl_id_index_get(const bl_id_index *x, bl_id id) {
    if (!id.text) return bl_idmap_get(&x->numbers, id.number);
    return x->texts ? bl_strmap_get(x->texts, 0, id.text) : -1;
}

static bl_status add_text(bl_id_index *x, const char *text, int64_t value, int64_t *stored) {
    if (!x->arena) x->pool.arena = x->arena = bl_arena_create(0);
    if (x->arena && !x->texts) x->texts = bl_strmap_create(x->arena);
    if (!x->texts) return bl_no_memory("for ids");
    *stored = bl_strmap_get(x->texts, 0, text);
    if (*stored >= 0) return BL_OK;
    const char *own = bl_strpool_add(&x->pool, text, strlen(text));
    *stored = own ? bl_strmap_add(x->texts, 0, own, value) : -1;
    return *stored >= 0 ? BL_OK : BL_ENOMEM;
}

bl_status bl_id_index_add(bl_id_index *x, bl_id id, int64_t value, int64_t *stored) {
    if (id.text) return add_text(x, id.text, value, stored);
    return bl_idmap_add(&x->numbers, id.number, value, stored);
}

void bl_id_index_free(bl_id_index *x) {
    bl_idmap_free(&x->numbers);
    bl_arena_destroy(x->arena);
    *x = (bl_id_index){0};
}
