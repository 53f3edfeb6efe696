/* A lock on a folder that dies with its process, for programs that would write into the same one.
 */
#ifndef BALLAST_CORE_LOCK_H
#define BALLAST_CORE_LOCK_H

#include "core/status.h"

typedef struct bl_lock bl_lock;

/* Takes the lock that the file `path` stands for, made if need be; the file holds who has it.
 * BL_EIO when another process does: the message says "`what` is in use", names its host, number and
 * start, and what to do. flock(2): the system gives the lock up when the process ends, however that
 * is, and NFS passes it on to its server. Where a file system cannot lock, a warning says so and
 * only a living process of this host that wrote the file is refused. */
bl_status bl_lock_take(const char *path, const char *what, bl_lock **out);
/* Removes the file and gives the lock up; NULL is fine. */
void bl_lock_release(bl_lock *l);

#endif
