/* Python pickles as data: a stream of protocol 0 to 5 is read into a tree of values. Nothing is
 * imported, called or executed: a global stays a name, and what Python would call becomes a
 * BL_PICKLE_OBJECT that lists callable, arguments and state, for the caller to interpret or ignore.
 *
 * Opcodes outside of the closed list in pickle.c are refused. Memory is bounded by the size of the
 * stream: every opcode takes at least one byte and makes at most one value, and texts stay where
 * they are.
 *
 * Source: Python's pickletools.py, which documents the opcodes. */
#ifndef BALLAST_CORE_PICKLE_H
#define BALLAST_CORE_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/status.h"

typedef enum bl_pickle_kind {
    BL_PICKLE_NONE,
    BL_PICKLE_BOOL,       /* i */
    BL_PICKLE_INT,        /* i */
    BL_PICKLE_LONG,       /* an integer beyond 64 bits: text/size, little-endian two's complement */
    BL_PICKLE_REAL,       /* r */
    BL_PICKLE_TEXT,       /* text/size; UTF-8, or what Python 2 called str: any bytes */
    BL_PICKLE_BYTES,      /* text/size */
    BL_PICKLE_TUPLE,      /* item[n] */
    BL_PICKLE_LIST,       /* item[n]; sets too */
    BL_PICKLE_DICT,       /* item[n]: key, value, key, value, ... */
    BL_PICKLE_GLOBAL,     /* text = module, then '.', then name; NUL-terminated */
    BL_PICKLE_PERSISTENT, /* item[0]: the identifier of something stored elsewhere */
    BL_PICKLE_OBJECT /* item[0] callable, item[1] arguments, item[2] state or NULL, item[3] a DICT
                        of what was set on it, item[4] a LIST of what was appended to it */
} bl_pickle_kind;

typedef struct bl_pickle bl_pickle;
struct bl_pickle {
    uint8_t kind; /* bl_pickle_kind */
    bool seen;    /* for the caller's walks: values may be shared and may contain themselves */
    size_t size;  /* bytes of text */
    union {
        int64_t i;
        double r;
        const char *text; /* not NUL-terminated unless said so */
        struct {
            bl_pickle **item;
            size_t n, cap;
        };
    };
};

/* Reads one pickle from the start of data[size]; *used (may be NULL) receives its length, since
 * files may hold several one after the other. Values live in the arena, texts in `data`, which must
 * outlive them. `name` stands in messages. */
bl_status bl_pickle_read(const void *data, size_t size, const char *name, bl_arena *arena,
                         bl_pickle **out, size_t *used);

/* true for a TEXT or BYTES equal to the C string. */
bool bl_pickle_is(const bl_pickle *v, const char *text);
/* true for an OBJECT whose callable is that global, e.g. "collections.OrderedDict". */
bool bl_pickle_made_by(const bl_pickle *v, const char *global);
/* What is set on a DICT, or on an OBJECT that behaves like one; NULL for any other value. */
const bl_pickle *bl_pickle_entries(const bl_pickle *v);
/* The value of a text key in bl_pickle_entries(v); NULL if absent. */
bl_pickle *bl_pickle_get(const bl_pickle *v, const char *key);

#endif
