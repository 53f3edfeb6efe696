/* Writing CSV (RFC 4180) to a stream. */
#ifndef BALLAST_CORE_CSV_OUT_H
#define BALLAST_CORE_CSV_OUT_H

#include <stdio.h>

/* One field, in quotes when its text needs them. */
void bl_csv_put_text(FILE *f, const char *s);

#endif
