/* The report about a sweep, for the command that runs one. */
#ifndef BALLAST_CLI_REPORT_H
#define BALLAST_CLI_REPORT_H

#include "core/status.h"

/* Writes <dir>/sweep.html about all runs of the sweep in `dir`; baseline NULL: the first. */
bl_status bl_cli_report_sweep(const char *dir, const char *baseline);

#endif
