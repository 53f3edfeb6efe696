#include "eval/protocol/image_names.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { WHOLE, LAST_PART, STEM, NUMBER, FORMS }; /* scopes of the map */

static const char *last_part(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

/* Length of a last part without its ending. */
static size_t stem_length(const char *part) {
    const char *dot = strrchr(part, '.');
    return dot && dot > part ? (size_t)(dot - part) : strlen(part);
}

static bl_status add(bl_image_names *n, const bl_dataset *d, int form, const char *name,
                     int32_t image) {
    int64_t first = name ? bl_strmap_add(n->names, (uint32_t)form, name, image) : -1;
    if (first >= 0 && first != image) n->twice[(int64_t)form * d->n_images + first] = 1;
    return first < 0 ? BL_ENOMEM : BL_OK;
}

/* Of digits, also without leading zeros. */
static bl_status add_stem(bl_image_names *n, const bl_dataset *d, const char *part, int32_t image) {
    const char *stem = bl_strpool_add(&n->pool, part, stem_length(part));
    BL_TRY(add(n, d, STEM, stem, image));
    if (!*stem || stem[strspn(stem, "0123456789")]) return BL_OK;
    while (stem[0] == '0' && stem[1]) stem++;
    return add(n, d, NUMBER, stem, image);
}

static bl_status build(bl_image_names *n, const bl_dataset *d) {
    n->pool.arena = n->arena = bl_arena_create(0);
    n->names = n->arena ? bl_strmap_create(n->arena) : NULL;
    if (n->names) n->twice = BL_NEW_ARRAY(n->arena, uint8_t, (int64_t)FORMS * d->n_images);
    if (!n->twice) return bl_no_memory("for the names of %d images", d->n_images);
    for (int32_t i = 0; i < d->n_images; i++) {
        const char *file = d->images[i].file, *part = last_part(file);
        BL_TRY(add(n, d, WHOLE, file, i));
        BL_TRY(add(n, d, LAST_PART, part, i));
        BL_TRY(add_stem(n, d, part, i));
    }
    return BL_OK;
}

/* *image stays when the form does not know the name; it becomes -1 for a name of several images. */
static bool look(const bl_image_names *n, const bl_dataset *d, int form, const char *name,
                 int32_t *image) {
    int64_t i = bl_strmap_get(n->names, (uint32_t)form, name);
    if (i < 0) return false;
    *image = n->twice[(int64_t)form * d->n_images + i] ? -1 : (int32_t)i;
    return true;
}

bl_status bl_image_names_find(bl_image_names *n, const bl_dataset *d, const char *name,
                              int32_t *image) {
    char stem[NAME_MAX + 1];
    *image = -1;
    if (!n->twice) BL_TRY(build(n, d));
    for (const char *p = name; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
        if (look(n, d, WHOLE, p, image)) return BL_OK;
    const char *part = last_part(name);
    if (look(n, d, LAST_PART, part, image) || look(n, d, STEM, part, image)) return BL_OK;
    size_t length = stem_length(part);
    if (length >= sizeof stem) return BL_OK; /* no file system has such a name */
    memcpy(stem, part, length);
    stem[length] = 0;
    look(n, d, STEM, stem, image);
    return BL_OK;
}

bl_status bl_image_names_find_number(bl_image_names *n, const bl_dataset *d, int64_t number,
                                     int32_t *image) {
    char digits[24];
    *image = -1;
    if (!n->twice) BL_TRY(build(n, d));
    snprintf(digits, sizeof digits, "%" PRId64, number);
    look(n, d, NUMBER, digits, image);
    return BL_OK;
}

void bl_image_names_free(bl_image_names *n) {
    bl_arena_destroy(n->arena);
    *n = (bl_image_names){0};
}
