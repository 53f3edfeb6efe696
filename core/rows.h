/* Rows of a section's table (core/schema.h): one macro a type. `type` is the section's struct,
 * `member` both its member and the key; `def` is the default as JSON text, `unit` may be NULL. */
#ifndef BALLAST_CORE_ROWS_H
#define BALLAST_CORE_ROWS_H

#include <stddef.h>

#include "core/schema.h"

#define BL_ROW_BOOL(type, member, def, doc)                                                        \
    { #member, BL_T_BOOL, offsetof(type, member), def, 0, 0, NULL, NULL, doc, NULL }
#define BL_ROW_INT(type, member, def, min, max, unit, doc)                                         \
    { #member, BL_T_INT, offsetof(type, member), def, min, max, NULL, unit, doc, NULL }
#define BL_ROW_PERIOD(type, member, def, min, max, doc)                                            \
    { #member, BL_T_PERIOD, offsetof(type, member), def, min, max, NULL, "iterations", doc, NULL }
#define BL_ROW_START(type, member, def, min, max, doc)                                             \
    { #member, BL_T_START, offsetof(type, member), def, min, max, NULL, "iterations", doc, NULL }
#define BL_ROW_REAL(type, member, def, min, max, unit, doc)                                        \
    { #member, BL_T_REAL, offsetof(type, member), def, min, max, NULL, unit, doc, NULL }
#define BL_ROW_ENUM(type, member, def, choices, doc)                                               \
    { #member, BL_T_ENUM, offsetof(type, member), def, 0, 0, choices, NULL, doc, NULL }
#define BL_ROW_STRING(type, member, def, doc)                                                      \
    { #member, BL_T_STRING, offsetof(type, member), def, 0, 0, NULL, NULL, doc, NULL }
#define BL_ROW_STRINGS(type, member, doc)                                                          \
    { #member, BL_T_STRINGS, offsetof(type, member), "[]", 0, 0, NULL, NULL, doc, NULL }
#define BL_ROW_REALS(type, member, def, min, max, doc)                                             \
    { #member, BL_T_REALS, offsetof(type, member), def, min, max, NULL, NULL, doc, NULL }
#define BL_ROW_SECTION(type, member, schema)                                                       \
    { #member, BL_T_SECTION, offsetof(type, member), NULL, 0, 0, NULL, NULL, "", schema }
#define BL_ROWS_END                                                                                \
    { 0 }

#endif
