#include "core/pickle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MEMO_STEP = 256 };

typedef struct stack {
    bl_pickle **v;
    size_t n, cap;
} stack;

typedef struct reader {
    const uint8_t *p, *start, *end;
    const char *name;
    bl_arena *arena;
    stack values, memo; /* memo: holes are NULL */
    size_t *mark;       /* heights of `values` */
    size_t n_mark, mark_cap, puts;
} reader;

static bl_status broken(const reader *r, const char *what) {
    return bl_fail(BL_EFORMAT, "%s: damaged pickle at byte %zu: %s", r->name,
                   (size_t)(r->p - r->start), what);
}

/* ---- the stack ---- */

static bl_status grow(reader *r, stack *s, size_t need) {
    if (need <= s->cap) return BL_OK;
    size_t cap = s->cap ? 2 * s->cap : MEMO_STEP;
    while (cap < need) cap *= 2;
    bl_pickle **v = realloc(s->v, cap * sizeof *v);
    if (!v) return bl_no_memory("for %s (%zu pickled values)", r->name, cap);
    memset(v + s->cap, 0, (cap - s->cap) * sizeof *v);
    s->v = v;
    s->cap = cap;
    return BL_OK;
}

static bl_status push(reader *r, bl_pickle *v) {
    BL_TRY(grow(r, &r->values, r->values.n + 1));
    r->values.v[r->values.n++] = v;
    return BL_OK;
}

static bl_status push_new(reader *r, bl_pickle_kind kind, bl_pickle **out) {
    bl_pickle *v = BL_NEW(r->arena, bl_pickle);
    if (!v) return BL_ENOMEM;
    *v = (bl_pickle){.kind = (uint8_t)kind};
    if (out) *out = v;
    return push(r, v);
}

static bl_status push_int(reader *r, bl_pickle_kind kind, int64_t i) {
    bl_pickle *v = NULL;
    BL_TRY(push_new(r, kind, &v));
    v->i = i;
    return BL_OK;
}

/* Values above the last mark may not be popped one by one. */
static size_t floor_of(const reader *r) {
    return r->n_mark ? r->mark[r->n_mark - 1] : 0;
}

static bl_status pop(reader *r, bl_pickle **out) {
    if (r->values.n <= floor_of(r)) return broken(r, "the stack is empty");
    *out = r->values.v[--r->values.n];
    return BL_OK;
}

static bl_status top(reader *r, bl_pickle **out) {
    if (r->values.n <= floor_of(r)) return broken(r, "the stack is empty");
    *out = r->values.v[r->values.n - 1];
    return BL_OK;
}

static bl_status set_mark(reader *r, int unused) {
    (void)unused;
    if (r->n_mark == r->mark_cap) {
        size_t cap = r->mark_cap ? 2 * r->mark_cap : 64;
        size_t *mark = realloc(r->mark, cap * sizeof *mark);
        if (!mark) return bl_no_memory("for %s (%zu marks)", r->name, cap);
        r->mark = mark;
        r->mark_cap = cap;
    }
    r->mark[r->n_mark++] = r->values.n;
    return BL_OK;
}

/* The values above the last mark, which is taken away. */
static bl_status pop_mark(reader *r, bl_pickle ***v, size_t *n) {
    if (r->n_mark == 0) return broken(r, "there is no mark");
    size_t from = r->mark[--r->n_mark];
    *v = r->values.v + from;
    *n = r->values.n - from;
    r->values.n = from;
    return BL_OK;
}

/* ---- containers ---- */

static bl_status extend(reader *r, bl_pickle *c, bl_pickle **v, size_t n) {
    if (c->n + n > c->cap) {
        size_t cap = 2 * c->cap > c->n + n ? 2 * c->cap : c->n + n;
        bl_pickle **item = BL_NEW_ARRAY(r->arena, bl_pickle *, cap);
        if (!item) return BL_ENOMEM;
        if (c->n) memcpy(item, c->item, c->n * sizeof *item);
        c->item = item;
        c->cap = cap;
    }
    if (n) memcpy(c->item + c->n, v, n * sizeof *v);
    c->n += n;
    return BL_OK;
}

static bl_status push_container(reader *r, bl_pickle_kind kind, bl_pickle **v, size_t n) {
    if (kind == BL_PICKLE_DICT && n % 2) return broken(r, "a key has no value");
    bl_pickle *c = BL_NEW(r->arena, bl_pickle);
    if (!c) return BL_ENOMEM;
    *c = (bl_pickle){.kind = (uint8_t)kind};
    BL_TRY(extend(r, c, v, n));
    return push(r, c);
}

static bl_status push_marked(reader *r, int kind) {
    bl_pickle **v = NULL;
    size_t n = 0;
    BL_TRY(pop_mark(r, &v, &n));
    return push_container(r, (bl_pickle_kind)kind, v, n);
}

static bl_status push_tuple(reader *r, int count) {
    size_t n = (size_t)count;
    if (r->values.n < floor_of(r) + n) return broken(r, "the stack is empty");
    r->values.n -= n;
    return push_container(r, BL_PICKLE_TUPLE, r->values.v + r->values.n, n);
}

/* Adds to the container below: entries (kind DICT) or elements (kind LIST), the latter to lists
 * and to objects. */
static bl_status add(reader *r, bl_pickle_kind kind, bl_pickle **v, size_t n) {
    bl_pickle *c = NULL;
    BL_TRY(top(r, &c));
    if (kind == BL_PICKLE_DICT && n % 2) return broken(r, "a key has no value");
    if (c->kind == BL_PICKLE_OBJECT) c = c->item[kind == BL_PICKLE_DICT ? 3 : 4];
    if (c->kind != kind)
        return broken(r, kind == BL_PICKLE_DICT ? "only a dict has entries"
                                                : "only a list has elements");
    return extend(r, c, v, n);
}

static bl_status add_marked(reader *r, int kind) {
    bl_pickle **v = NULL;
    size_t n = 0;
    BL_TRY(pop_mark(r, &v, &n));
    return add(r, (bl_pickle_kind)kind, v, n);
}

static bl_status add_popped(reader *r, bl_pickle_kind kind, size_t n) {
    if (r->values.n < floor_of(r) + n) return broken(r, "the stack is empty");
    r->values.n -= n;
    return add(r, kind, r->values.v + r->values.n, n);
}

/* What Python would call: callable and arguments are the two values on top. */
static bl_status make_object(reader *r, int unused) {
    (void)unused;
    bl_pickle *part[5] = {0}, *entries, *elements;
    BL_TRY(pop(r, &part[1]));
    BL_TRY(pop(r, &part[0]));
    BL_TRY(push_new(r, BL_PICKLE_DICT, &entries));
    BL_TRY(push_new(r, BL_PICKLE_LIST, &elements));
    r->values.n -= 2;
    part[3] = entries;
    part[4] = elements;
    return push_container(r, BL_PICKLE_OBJECT, part, 5);
}

static bl_status set_state(reader *r, int unused) {
    (void)unused;
    bl_pickle *state = NULL, *object = NULL;
    BL_TRY(pop(r, &state));
    BL_TRY(top(r, &object));
    if (object->kind == BL_PICKLE_OBJECT) object->item[2] = state;
    return BL_OK;
}

/* ---- numbers and texts ---- */

static bl_status need(reader *r, uint64_t n) {
    return n <= (uint64_t)(r->end - r->p) ? BL_OK : broken(r, "it ends early");
}

static bl_status little(reader *r, int bytes, uint64_t *out) {
    BL_TRY(need(r, (uint64_t)bytes));
    *out = 0;
    for (int i = 0; i < bytes; i++) *out |= (uint64_t)r->p[i] << (8 * i);
    r->p += bytes;
    return BL_OK;
}

/* A length of `width` bytes, then so many bytes that stay where they are. */
static bl_status push_text(reader *r, bl_pickle_kind kind, int width) {
    uint64_t n = 0;
    bl_pickle *v = NULL;
    BL_TRY(little(r, width, &n));
    BL_TRY(need(r, n));
    BL_TRY(push_new(r, kind, &v));
    v->text = (const char *)r->p;
    v->size = (size_t)n;
    r->p += n;
    return BL_OK;
}

/* A little-endian two's complement integer; one that fits becomes an INT. */
static bl_status push_long(reader *r, int width) {
    BL_TRY(push_text(r, BL_PICKLE_LONG, width));
    bl_pickle *v = r->values.v[r->values.n - 1];
    if (v->size > 8) return BL_OK;
    uint64_t bits = 0;
    const uint8_t *b = (const uint8_t *)v->text;
    for (size_t i = 0; i < v->size; i++) bits |= (uint64_t)b[i] << (8 * i);
    if (v->size && v->size < 8 && b[v->size - 1] & 0x80) bits |= ~0ull << (8 * v->size);
    *v = (bl_pickle){.kind = BL_PICKLE_INT, .i = (int64_t)bits};
    return BL_OK;
}

static bl_status push_big_endian_real(reader *r, int unused) {
    (void)unused;
    uint64_t bits = 0;
    bl_pickle *v = NULL;
    BL_TRY(need(r, 8));
    for (int i = 0; i < 8; i++) bits = bits << 8 | r->p[i];
    r->p += 8;
    BL_TRY(push_new(r, BL_PICKLE_REAL, &v));
    memcpy(&v->r, &bits, sizeof bits);
    return BL_OK;
}

/* The rest of a line, without its end. */
static bl_status line(reader *r, const char **text, size_t *n) {
    const uint8_t *end = memchr(r->p, '\n', (size_t)(r->end - r->p));
    if (!end) return broken(r, "a line has no end");
    *text = (const char *)r->p;
    *n = (size_t)(end - r->p);
    r->p = end + 1;
    return BL_OK;
}

static bl_status line_copy(reader *r, char *to, size_t size) {
    const char *text = NULL;
    size_t n = 0;
    BL_TRY(line(r, &text, &n));
    if (n >= size) return broken(r, "a number is too long");
    memcpy(to, text, n);
    to[n] = 0;
    return BL_OK;
}

/* Protocol 0: "12", "12L", "00" and "01" (booleans). */
static bl_status push_decimal(reader *r, int unused) {
    (void)unused;
    char text[64], *end;
    BL_TRY(line_copy(r, text, sizeof text));
    if (strcmp(text, "00") == 0 || strcmp(text, "01") == 0)
        return push_int(r, BL_PICKLE_BOOL, text[1] == '1');
    errno = 0;
    long long i = strtoll(text, &end, 10);
    if (*end == 'L') end++;
    if (errno || end == text || *end) return broken(r, "a number cannot be read");
    return push_int(r, BL_PICKLE_INT, i);
}

static bl_status push_decimal_real(reader *r, int unused) {
    (void)unused;
    char text[64], *end;
    bl_pickle *v = NULL;
    BL_TRY(line_copy(r, text, sizeof text));
    double d = strtod(text, &end);
    if (end == text || *end) return broken(r, "a number cannot be read");
    BL_TRY(push_new(r, BL_PICKLE_REAL, &v));
    v->r = d;
    return BL_OK;
}

/* Protocol 0: a quoted string. Escapes are left as they stand: names of tensors have none. */
static bl_status push_quoted(reader *r, int unused) {
    (void)unused;
    const char *text = NULL;
    size_t n = 0;
    bl_pickle *v = NULL;
    BL_TRY(line(r, &text, &n));
    if (n < 2 || (*text != '\'' && *text != '"') || text[n - 1] != *text)
        return broken(r, "a string is not quoted");
    BL_TRY(push_new(r, BL_PICKLE_TEXT, &v));
    v->text = text + 1;
    v->size = n - 2;
    return BL_OK;
}

static bl_status push_line(reader *r, int kind) {
    const char *text = NULL;
    size_t n = 0;
    bl_pickle *v = NULL;
    BL_TRY(line(r, &text, &n));
    BL_TRY(push_new(r, (bl_pickle_kind)kind, &v));
    v->text = text;
    v->size = n;
    return BL_OK;
}

static bl_status push_global(reader *r, const char *module, size_t n_module, const char *name,
                             size_t n_name) {
    bl_pickle *v = NULL;
    if (memchr(module, 0, n_module) || memchr(name, 0, n_name))
        return broken(r, "the name of a global holds a NUL byte");
    BL_TRY(push_new(r, BL_PICKLE_GLOBAL, &v));
    v->size = n_module + 1 + n_name;
    char *text = BL_NEW_ARRAY(r->arena, char, v->size + 1);
    if (!text) return BL_ENOMEM;
    memcpy(text, module, n_module);
    text[n_module] = '.';
    memcpy(text + n_module + 1, name, n_name);
    text[v->size] = 0;
    v->text = text;
    return BL_OK;
}

static bl_status global_lines(reader *r, int unused) {
    (void)unused;
    const char *module = NULL, *name = NULL;
    size_t n_module = 0, n_name = 0;
    BL_TRY(line(r, &module, &n_module));
    BL_TRY(line(r, &name, &n_name));
    return push_global(r, module, n_module, name, n_name);
}

static bl_status global_values(reader *r, int unused) {
    (void)unused;
    bl_pickle *module = NULL, *name = NULL;
    BL_TRY(pop(r, &name));
    BL_TRY(pop(r, &module));
    if (module->kind != BL_PICKLE_TEXT || name->kind != BL_PICKLE_TEXT)
        return broken(r, "the name of a global is not a text");
    return push_global(r, module->text, module->size, name->text, name->size);
}

static bl_status wrap_persistent(reader *r) {
    r->values.n--;
    return push_container(r, BL_PICKLE_PERSISTENT, r->values.v + r->values.n, 1);
}

/* ---- the memo ---- */

/* Indices count up from 0 in every pickler; one far beyond the number of puts is damage. */
static bl_status memo_put(reader *r, uint64_t at) {
    bl_pickle *v = NULL;
    BL_TRY(top(r, &v));
    if (at > 4 * (uint64_t)r->puts + MEMO_STEP) return broken(r, "a memo index is out of range");
    BL_TRY(grow(r, &r->memo, (size_t)at + 1));
    r->memo.v[at] = v;
    r->puts++;
    return BL_OK;
}

static bl_status memo_get(reader *r, uint64_t at) {
    if (at >= r->memo.cap || !r->memo.v[at]) return broken(r, "a memo index was never set");
    return push(r, r->memo.v[at]);
}

static bl_status line_index(reader *r, uint64_t *at) {
    char digits[32], *end;
    BL_TRY(line_copy(r, digits, sizeof digits));
    *at = strtoull(digits, &end, 10);
    return end == digits || *end ? broken(r, "a memo index cannot be read") : BL_OK;
}

/* ---- opcodes ---- */

static bl_status push_none(reader *r, int unused) {
    (void)unused;
    return push_new(r, BL_PICKLE_NONE, NULL);
}

static bl_status push_bool(reader *r, int value) {
    return push_int(r, BL_PICKLE_BOOL, value);
}

static bl_status fixed_int(reader *r, int width) {
    uint64_t bits = 0;
    BL_TRY(little(r, width, &bits));
    return push_int(r, BL_PICKLE_INT, width == 4 ? (int32_t)bits : (int64_t)bits);
}

static bl_status text(reader *r, int width) {
    return push_text(r, BL_PICKLE_TEXT, width);
}

static bl_status bytes(reader *r, int width) {
    return push_text(r, BL_PICKLE_BYTES, width);
}

static bl_status empty(reader *r, int kind) {
    return push_container(r, (bl_pickle_kind)kind, NULL, 0);
}

static bl_status set_one(reader *r, int kind) {
    return add_popped(r, (bl_pickle_kind)kind, kind == BL_PICKLE_DICT ? 2 : 1);
}

static bl_status skip(reader *r, int width) {
    uint64_t ignored;
    return little(r, width, &ignored);
}

static bl_status drop(reader *r, int unused) {
    (void)unused;
    bl_pickle *v = NULL;
    return pop(r, &v);
}

static bl_status drop_marked(reader *r, int unused) {
    (void)unused;
    bl_pickle **v = NULL;
    size_t n = 0;
    return pop_mark(r, &v, &n);
}

static bl_status twice(reader *r, int unused) {
    (void)unused;
    bl_pickle *v = NULL;
    BL_TRY(top(r, &v));
    return push(r, v);
}

static bl_status persistent_top(reader *r, int unused) {
    (void)unused;
    bl_pickle *v = NULL;
    BL_TRY(top(r, &v));
    return wrap_persistent(r);
}

static bl_status persistent_line(reader *r, int unused) {
    (void)unused;
    BL_TRY(push_line(r, BL_PICKLE_TEXT));
    return wrap_persistent(r);
}

/* width 0: written as a line. */
static bl_status put(reader *r, int width) {
    uint64_t at = 0;
    BL_TRY(width ? little(r, width, &at) : line_index(r, &at));
    return memo_put(r, at);
}

static bl_status get(reader *r, int width) {
    uint64_t at = 0;
    BL_TRY(width ? little(r, width, &at) : line_index(r, &at));
    return memo_get(r, at);
}

static bl_status memoize(reader *r, int unused) {
    (void)unused;
    return memo_put(r, r->puts);
}

/* The closed list. Absent on purpose: INST and OBJ (classes of Python 1), NEWOBJ_EX, the extension
 * registry, buffers out of band. */
static const struct {
    uint8_t code;
    bl_status (*run)(reader *r, int argument);
    int argument;
} opcodes[] = {
    {0x80, skip, 1}, /* protocol */
    {0x95, skip, 8}, /* frame */
    {'N', push_none, 0},
    {0x88, push_bool, 1},
    {0x89, push_bool, 0},
    {'J', fixed_int, 4},
    {'K', fixed_int, 1},
    {'M', fixed_int, 2},
    {'I', push_decimal, 0},
    {'L', push_decimal, 0},
    {0x8a, push_long, 1},
    {0x8b, push_long, 4},
    {'F', push_decimal_real, 0},
    {'G', push_big_endian_real, 0},
    {'S', push_quoted, 0},
    {'V', push_line, BL_PICKLE_TEXT},
    {'U', text, 1},
    {'T', text, 4},
    {0x8c, text, 1},
    {'X', text, 4},
    {0x8d, text, 8},
    {'C', bytes, 1},
    {'B', bytes, 4},
    {0x8e, bytes, 8},
    {0x96, bytes, 8},
    {']', empty, BL_PICKLE_LIST},
    {0x8f, empty, BL_PICKLE_LIST}, /* set */
    {')', empty, BL_PICKLE_TUPLE},
    {'}', empty, BL_PICKLE_DICT},
    {'l', push_marked, BL_PICKLE_LIST},
    {0x91, push_marked, BL_PICKLE_LIST}, /* frozenset */
    {'t', push_marked, BL_PICKLE_TUPLE},
    {'d', push_marked, BL_PICKLE_DICT},
    {0x85, push_tuple, 1},
    {0x86, push_tuple, 2},
    {0x87, push_tuple, 3},
    {'a', set_one, BL_PICKLE_LIST},
    {'s', set_one, BL_PICKLE_DICT},
    {'e', add_marked, BL_PICKLE_LIST},
    {0x90, add_marked, BL_PICKLE_LIST}, /* set */
    {'u', add_marked, BL_PICKLE_DICT},
    {'(', set_mark, 0},
    {'0', drop, 0},
    {'1', drop_marked, 0},
    {'2', twice, 0},
    {'c', global_lines, 0},
    {0x93, global_values, 0},
    {'R', make_object, 0},
    {0x81, make_object, 0},
    {'b', set_state, 0},
    {'Q', persistent_top, 0},
    {'P', persistent_line, 0},
    {'p', put, 0},
    {'q', put, 1},
    {'r', put, 4},
    {0x94, memoize, 0},
    {'g', get, 0},
    {'h', get, 1},
    {'j', get, 4},
};

static bl_status step(reader *r, int code) {
    for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++)
        if (opcodes[i].code == code) return opcodes[i].run(r, opcodes[i].argument);
    return bl_fail(BL_EFORMAT,
                   "%s: byte %zu: pickle opcode 0x%02x is not one of those that are read", r->name,
                   (size_t)(r->p - r->start) - 1, (unsigned)code);
}

static bl_status run(reader *r, bl_pickle **out) {
    for (;;) {
        BL_TRY(need(r, 1));
        int op = *r->p++;
        if (op == '.') return pop(r, out);
        BL_TRY(step(r, op));
    }
}

bl_status bl_pickle_read(const void *data, size_t size, const char *name, bl_arena *arena,
                         bl_pickle **out, size_t *used) {
    reader r = {.p = data, .start = data, .end = (const uint8_t *)data + size, .name = name};
    r.arena = arena;
    bl_status status = run(&r, out);
    if (used) *used = (size_t)(r.p - r.start);
    free(r.values.v);
    free(r.memo.v);
    free(r.mark);
    return status;
}

/* ---- looking at values ---- */

bool bl_pickle_is(const bl_pickle *v, const char *text) {
    if (!v || (v->kind != BL_PICKLE_TEXT && v->kind != BL_PICKLE_BYTES)) return false;
    return v->size == strlen(text) && memcmp(v->text, text, v->size) == 0;
}

bool bl_pickle_made_by(const bl_pickle *v, const char *global) {
    if (!v || v->kind != BL_PICKLE_OBJECT) return false;
    return v->item[0]->kind == BL_PICKLE_GLOBAL && strcmp(v->item[0]->text, global) == 0;
}

const bl_pickle *bl_pickle_entries(const bl_pickle *v) {
    if (!v) return NULL;
    if (v->kind == BL_PICKLE_DICT) return v;
    return v->kind == BL_PICKLE_OBJECT ? v->item[3] : NULL;
}

bl_pickle *bl_pickle_get(const bl_pickle *v, const char *key) {
    const bl_pickle *d = bl_pickle_entries(v);
    for (size_t i = 0; d && i + 1 < d->n; i += 2)
        if (bl_pickle_is(d->item[i], key)) return d->item[i + 1];
    return NULL;
}
