/* Writing JSON to a stream: strings, exact numbers, and objects without comma bookkeeping. Internal
 * to eval/.
 *
 * Errors of the stream are not checked here: bl_outfile_commit reports them. */
#ifndef BALLAST_EVAL_JSON_OUT_H
#define BALLAST_EVAL_JSON_OUT_H

#include <stdint.h>
#include <stdio.h>

/* Quoted and escaped; NULL is written as null. */
void json_put_string(FILE *f, const char *s);
/* At most 17 significant digits, fewer when they read back as the same double; null when not
 * finite. The decimal sign is a point in every locale. */
void json_put_number(FILE *f, double v);
/* `"key": ` with a separator before it unless it is the object's first; *first becomes 0. */
void json_put_key(FILE *f, int *first, const char *key);

/* Members. */
void json_member_number(FILE *f, int *first, const char *key, double v);
void json_member_int(FILE *f, int *first, const char *key, int64_t v);
void json_member_string(FILE *f, int *first, const char *key, const char *s);

#endif
