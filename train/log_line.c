#include "train/log_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PARTS = 64, MORE = 4 /* " ..." */ };

static int width_of(const bl_log_part *p) {
    return snprintf(NULL, 0, " %s %.3f", p->name, p->value);
}

static int largest_left(const bl_log_part *part, int n, const bool *seen) {
    int best = -1;
    for (int i = 0; i < n; i++)
        if (!seen[i] && (best < 0 || part[i].value > part[best].value)) best = i;
    return best;
}

/* Marks the parts that have room, largest first; returns how many. A small part is not taken in
 * place of a larger one that has no room. */
static int choose(const bl_log_part *part, int n, int room, bool *taken) {
    bool seen[MAX_PARTS] = {false};
    int all = 0, count = 0;
    for (int i = 0; i < n; i++) all += width_of(&part[i]);
    if (all > room) room -= MORE;
    for (int k; count < n && (k = largest_left(part, n, seen)) >= 0; count++) {
        room -= width_of(&part[k]);
        if (room < 0) break;
        seen[k] = taken[k] = true;
    }
    return count;
}

void bl_log_line(const char *head, const bl_log_part *part, int n, const char *tail, char *out,
                 size_t size) {
    bool taken[MAX_PARTS] = {false};
    if (n > MAX_PARTS) n = MAX_PARTS;
    int room = BL_LOG_WIDTH - (int)strlen(head) - (int)strlen(tail);
    int count = choose(part, n, room, taken);
    size_t at = (size_t)snprintf(out, size, "%s", head);
    for (int i = 0; i < n && at < size; i++)
        if (taken[i])
            at += (size_t)snprintf(out + at, size - at, " %s %.3f", part[i].name, part[i].value);
    if (at < size) snprintf(out + at, size - at, "%s%s", count < n ? " ..." : "", tail);
}
