/* Lines of the log that fit a terminal: the totals, and of their parts the largest that have room.
 * Everything is in metrics.jsonl. */
#ifndef BALLAST_TRAIN_LOG_LINE_H
#define BALLAST_TRAIN_LOG_LINE_H

#include <stddef.h>

/* Columns of a line after the time and level that core/log.h puts before it: 120 in all. */
enum { BL_LOG_WIDTH = 105 };

typedef struct bl_log_part {
    const char *name;
    double value;
} bl_log_part;

/* "<head> name 0.123 name 0.045 ...<tail>", at most BL_LOG_WIDTH characters unless head and tail
 * alone are longer: the largest parts, in the order given; " ..." when some have no room. */
void bl_log_line(const char *head, const bl_log_part *part, int n, const char *tail, char *out,
                 size_t size);

#endif
