/* Files: whole-file reading, atomic writing, folders, checksums. All messages name the path. */
#ifndef BALLAST_CORE_FS_H
#define BALLAST_CORE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

/* Reads a whole file of at most `max_bytes` into malloc'd memory (with a NUL after the last byte,
 * not counted in *size). The caller frees *data. A pipe is read to its end, but not waited for when
 * nobody writes to it. */
bl_status bl_read_file(const char *path, size_t max_bytes, char **data, size_t *size);

/* BL_EIO for a pipe, a socket or a device, which may keep a reader waiting for ever. Opening says
 * what else is wrong. */
bl_status bl_check_regular(const char *path);

/* A read-only mapping of a file. An empty file maps to data != NULL, size 0. */
typedef struct bl_map {
    const uint8_t *data;
    size_t size;
} bl_map;
bl_status bl_map_open(const char *path, bl_map *m);
void bl_map_close(bl_map *m);

/* Atomic output: write to <path>.tmp.<pid>, then fsync and rename. Nothing appears at `path` unless
 * commit succeeds; abort (or a failed commit) removes the temporary file. A full disk is reported
 * by commit, whatever fprintf calls were ignored in between.
 *
 * Only a regular file is replaced that way. A symbolic link is followed and stays; a device, a pipe
 * or a socket is opened and written; "-", /dev/stdout and the like are the open descriptor. */
typedef struct bl_outfile {
    FILE *f;
    char *path, *real, *tmp; /* as given; with links followed; NULL: written in place */
} bl_outfile;
bl_status bl_outfile_open(const char *path, bl_outfile *o);
bl_status bl_outfile_commit(bl_outfile *o);
void bl_outfile_abort(bl_outfile *o); /* safe after commit and on a zeroed struct */

/* The whole of bl_outfile for a buffer. */
bl_status bl_write_file(const char *path, const void *data, size_t size);

bl_status bl_mkdirs(const char *path); /* like mkdir -p */
bool bl_exists(const char *path);
bool bl_is_dir(const char *path);
/* malloc'd "<a>/<b>"; b alone when it is absolute or a is NULL or "". */
char *bl_path_join(const char *a, const char *b);
/* malloc'd folder part of `path` ("." if none). */
char *bl_path_dir(const char *path);

/* SHA-256 as 64 lower-case hex digits plus NUL. */
void bl_sha256(const void *data, size_t size, char hex[65]);
bl_status bl_sha256_file(const char *path, char hex[65]);

#endif
