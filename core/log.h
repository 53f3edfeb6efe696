/* Logging for people (stderr and the run's log.txt) and the JSON-lines metrics sink for machines.
 *
 * One line a message: "HH:MM:SS level  text". The two channels never mix. The log sink is the one
 * piece of process-wide state in Ballast; it is guarded by a mutex. */
#ifndef BALLAST_CORE_LOG_H
#define BALLAST_CORE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

typedef enum bl_log_level { BL_LOG_DEBUG, BL_LOG_INFO, BL_LOG_WARN, BL_LOG_ERROR } bl_log_level;

/* Messages below `level` are dropped; default BL_LOG_INFO. */
void bl_log_set_level(bl_log_level level);
/* Additionally copies every line to `path` (append), e.g. a run's log.txt; NULL stops copying. */
bl_status bl_log_set_file(const char *path);
void bl_log(bl_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define BL_DEBUG(...) bl_log(BL_LOG_DEBUG, __VA_ARGS__)
#define BL_INFO(...) bl_log(BL_LOG_INFO, __VA_ARGS__)
#define BL_WARN(...) bl_log(BL_LOG_WARN, __VA_ARGS__)

/* metrics.jsonl: one JSON object a line. Values that are not finite are written as null. */
typedef struct bl_metrics bl_metrics;

/* Opens for append and keeps the leading lines up to the first that is broken, that is beyond
 * `keep_lines` (< 0: no limit), or whose "iter" exceeds `keep_upto`; so an interrupted and resumed
 * run leaves the same file as an uninterrupted one. keep_upto < 0 empties the file. */
bl_status bl_metrics_open(const char *path, long keep_upto, int64_t keep_lines, bl_metrics **out);
/* Complete lines in the file. */
int64_t bl_metrics_lines(const bl_metrics *m);
/* Waits until the lines written so far are on disk. */
bl_status bl_metrics_sync(bl_metrics *m);
void bl_metrics_begin(bl_metrics *m); /* starts one object */
void bl_metrics_number(bl_metrics *m, const char *key, double value);
void bl_metrics_string(bl_metrics *m, const char *key, const char *value);
void bl_metrics_array(bl_metrics *m, const char *key, const double *values, int n);
bl_status bl_metrics_end(bl_metrics *m); /* writes the line and flushes */
void bl_metrics_close(bl_metrics *m);

#endif
