#include "datasets/splits/split_expect.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"

enum { MAX_TABLE = 1 << 20 };

/* The number after the last comma, which becomes the end of the line; false: there is none. */
static bool cut_number(char *line, int64_t *v) {
    char *comma = strrchr(line, ','), *end;
    if (!comma || !comma[1]) return false;
    *v = strtoll(comma + 1, &end, 10);
    *comma = 0;
    return *end == 0 && *v >= 0;
}

/* Names may hold commas. */
static bl_status read_line(const bl_split *s, const char *path, char *line, int32_t c,
                           int64_t *images, int64_t *boxes) {
    const bl_dataset *d = s->source;
    line[strcspn(line, "\r")] = 0;
    if (!cut_number(line, boxes) || !cut_number(line, images))
        return bl_fail(BL_EFORMAT, "%s, line %d: expected name,images,boxes", path, (int)c + 2);
    if (c >= d->n_categories || strcmp(line, d->categories[c].name) != 0)
        return bl_fail(BL_EFORMAT, "%s, line %d: class \"%s\", but %s has \"%s\" there", path,
                       (int)c + 2, line, d->name,
                       c < d->n_categories ? d->categories[c].name : "no more classes");
    return BL_OK;
}

static bl_status read_table(const bl_split *s, const char *path, int64_t *images, int64_t *boxes) {
    char *text;
    size_t size;
    int32_t c = 0;
    bl_status status = BL_OK;
    BL_TRY(bl_read_file(path, MAX_TABLE, &text, &size));
    char *line = strchr(text, '\n');
    for (line = line ? line + 1 : NULL; line && *line && status == BL_OK; c++) {
        char *end = strchr(line, '\n');
        if (end) *end = 0;
        status = read_line(s, path, line, c, &images[c], &boxes[c]);
        line = end ? end + 1 : NULL;
    }
    if (status == BL_OK && c != s->source->n_categories)
        status = bl_fail(BL_EFORMAT, "%s: has %d classes, but %s has %d", path, (int)c,
                         s->source->name, (int)s->source->n_categories);
    free(text);
    return status;
}

bl_status bl_split_expect(const bl_split *s, const char *path, FILE *f, bl_split_distance *out) {
    int32_t k = s->source->n_categories;
    size_t n = (size_t)k + 1;
    int64_t *count = calloc(4 * n, sizeof *count);
    if (!count) return bl_no_memory("for %d classes", (int)k);
    int64_t *images = count, *boxes = count + n, *want_images = count + 2 * n,
            *want_boxes = count + 3 * n;
    double off[4] = {0}, all[4] = {0};
    *out = (bl_split_distance){.n_classes = k};
    bl_status status = read_table(s, path, want_images, want_boxes);
    if (status == BL_OK) bl_dataset_counts(s->labelled, false, images, boxes);
    for (int32_t c = 0; status == BL_OK && c < k; c++) {
        int g = s->is_minority[c];
        bool equal = images[c] == want_images[c] && boxes[c] == want_boxes[c];
        out->n_equal += equal;
        off[g] += fabs((double)(images[c] - want_images[c]));
        all[g] += (double)want_images[c];
        off[2 + g] += fabs((double)(boxes[c] - want_boxes[c]));
        all[2 + g] += (double)want_boxes[c];
        if (f && !equal)
            fprintf(f,
                    "%-24s %10" PRId64 " images, expected %" PRId64 "; %" PRId64
                    " boxes, expected %" PRId64 "%s\n",
                    s->source->categories[c].name, images[c], want_images[c], boxes[c],
                    want_boxes[c], g ? "  minority" : "");
    }
    for (int g = 0; g < 2; g++) {
        out->images[g] = all[g] > 0 ? off[g] / all[g] : -1;
        out->boxes[g] = all[2 + g] > 0 ? off[2 + g] / all[2 + g] : -1;
    }
    free(count);
    return status;
}
