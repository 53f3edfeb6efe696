/* Progress with rate and remaining time for work outside the training loop, through the log at most
 * every few seconds (nothing for short work). */
#ifndef BALLAST_TRAIN_PROGRESS_H
#define BALLAST_TRAIN_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

typedef struct bl_progress {
    const char *what; /* NULL = silent */
    int64_t total;
    double start, last;
} bl_progress;

void bl_progress_start(bl_progress *p, const char *what, int64_t total);
void bl_progress_update(bl_progress *p, int64_t done);
void bl_progress_finish(bl_progress *p);

double bl_now(void); /* monotonic seconds */
/* "2 d 03:04:05", "3:04:05", "04:05" */
void bl_format_duration(double seconds, char *out, size_t size);

#endif
