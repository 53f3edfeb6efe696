/* The ids of annotation and result files: whole numbers, or texts, as several exporters write.
 *
 * A text that is the decimal form of a 64-bit number ("12", "-3"; not "012") is that number. A
 * number above 64 bits is a text of digits. */
#ifndef BALLAST_CORE_IDS_H
#define BALLAST_CORE_IDS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/idmap.h"
#include "core/strmap.h"
#include "core/strpool.h"

enum { BL_ID_MAX_TEXT = 1024 }; /* bytes, with the NUL */

typedef struct bl_id {
    int64_t number;
    const char *text; /* NULL: the number counts */
} bl_id;

/* The id that a text stands for; keeps the pointer. */
bl_id bl_id_of_text(const char *text);
/* The order of texts among themselves: numbers of digits first, by value; the others by bytes. */
int bl_id_compare_texts(const char *a, const char *b);
/* As JSON: a number bare, a text in quotes. */
void bl_id_put_json(FILE *f, bl_id id);
/* For messages: 12 or "text", cut to the buffer's size; returns buf. */
const char *bl_id_show(bl_id id, char *buf, size_t size);

/* From ids to values >= 0. Zero-initialise. Texts are copied. */
typedef struct bl_id_index {
    bl_idmap numbers;
    bl_arena *arena; /* of the texts; NULL while there are none */
    bl_strmap *texts;
    bl_strpool pool;
} bl_id_index;

/* The value of `id`, or -1. */
int64_t bl_id_index_get(const bl_id_index *x, bl_id id);
/* Stores value >= 0 unless the id is there already; *stored is the value found or put. */
bl_status bl_id_index_add(bl_id_index *x, bl_id id, int64_t value, int64_t *stored);
void bl_id_index_free(bl_id_index *x);

#endif
