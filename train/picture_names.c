#include "train/picture_names.h"

#include <stdio.h>
#include <string.h>

#include "core/strmap.h"

/* File systems allow 255 bytes; an output file is written under a longer name first, and ".jpg" and
 * a number come behind. */
enum { LONGEST = 200 };

static int stem_of(const char *image, const char **stem) {
    const char *slash = strrchr(image, '/'), *dot;
    *stem = slash ? slash + 1 : image;
    dot = strrchr(*stem, '.');
    int n = dot && dot > *stem ? (int)(dot - *stem) : (int)strlen(*stem);
    if (n <= LONGEST) return n;
    for (n = LONGEST; ((unsigned char)(*stem)[n] & 0xc0) == 0x80; n--) {
    } /* whole characters */
    return n;
}

bl_status bl_picture_names(const char *const *images, int32_t n, bl_arena *arena,
                           const char **names) {
    bl_strmap *taken = bl_strmap_create(arena);
    if (!taken) return BL_ENOMEM;
    for (int32_t i = 0; i < n; i++) {
        const char *stem;
        int length = stem_of(images[i], &stem);
        int64_t holder = -1;
        for (int copy = 1; holder != i; copy++) {
            names[i] = copy == 1 ? bl_arena_printf(arena, "%.*s.jpg", length, stem)
                                 : bl_arena_printf(arena, "%.*s_%d.jpg", length, stem, copy);
            holder = names[i] ? bl_strmap_add(taken, 0, names[i], i) : -1;
            if (holder < 0) return bl_no_memory("for names of pictures");
        }
    }
    return BL_OK;
}
