#include "datasets/images/image_path.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/fs.h"

const char bl_image_endings[] = ".jpg, .jpeg, .png, .bmp, .tif, .tiff or .webp";

static const char *const endings[] = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"};

bool bl_image_ending(const char *path) {
    const char *dot = strrchr(path, '.');
    for (int i = 0; dot && i < (int)(sizeof endings / sizeof *endings); i++)
        if (strcasecmp(dot, endings[i]) == 0) return true;
    return false;
}

static int hex(char c) {
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;
    return at ? (int)(at - digits) : -1;
}

static void slashes(char *s) {
    for (; *s; s++)
        if (*s == '\\') *s = '/';
}

/* A name never holds NUL, so %00 stays as it is. */
static void decode(char *s) {
    char *to = s;
    for (; *s; s++) {
        int high = s[0] == '%' ? hex(s[1]) : -1, low = high >= 0 ? hex(s[2]) : -1;
        bool coded = low >= 0 && high + low > 0;
        *to++ = coded ? (char)(high << 4 | low) : *s;
        if (coded) s += 2;
    }
    *to = 0;
}

static void leaf(char *s) {
    char *slash = strrchr(s, '/');
    if (slash) memmove(s, slash + 1, strlen(slash));
}

/* One reading of a name; joins it with the folder if that exists. */
static char *attempt(const char *dir, const char *file, bool fold, bool percent, bool last) {
    char *name = strdup(file), *path = NULL;
    if (!name) return NULL;
    if (fold) slashes(name);
    if (percent) decode(name);
    if (last) leaf(name);
    if (*name && strcmp(name, file) != 0) path = bl_path_join(dir, name);
    if (path && !bl_exists(path)) {
        free(path);
        path = NULL;
    }
    free(name);
    return path;
}

char *bl_image_find(const char *dir, const char *file) {
    static const bool readings[][3] = {{true, false, false},
                                       {false, true, false},
                                       {true, true, false},
                                       {true, false, true},
                                       {true, true, true}};
    char *written = bl_path_join(dir, file), *path = NULL;
    if (!written || bl_exists(written) || !strpbrk(file, "\\%/")) return written;
    for (size_t i = 0; !path && i < sizeof readings / sizeof *readings; i++)
        path = attempt(dir, file, readings[i][0], readings[i][1], readings[i][2]);
    if (!path) return written;
    free(written);
    return path;
}
