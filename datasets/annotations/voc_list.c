#include "datasets/annotations/voc_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/fs.h"

enum { MAX_LIST = 1 << 28 };
static const char space[] = " \t\r";

void bl_voc_list_free(bl_voc_list *l) {
    free(l->name);
    free(l->annotations);
    free(l->images);
    bl_file_list_free(&l->ids);
    *l = (bl_voc_list){0};
}

bool bl_voc_has_lists(const char *root) {
    char *path = bl_path_join(root, "ImageSets/Main");
    bool there = path && bl_is_dir(path);
    free(path);
    return there;
}

/* ---- names ---- */

static bool has_file(const char *dir, const char *id, const char *ending) {
    char *path = NULL;
    if (asprintf(&path, "%s/%s%s", dir, id, ending) < 0) return false;
    bool there = bl_exists(path);
    free(path);
    return there;
}

/* The ending of an image's file name, or NULL: "frame.001" has none. */
static const char *image_ending(const char *name) {
    static const char *const endings[] = {".jpg", ".jpeg", ".png",  ".bmp",
                                          ".tif", ".tiff", ".webp", ".gif"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot, endings[i]) == 0) return dot;
    return NULL;
}

char *bl_voc_image_file(const bl_voc_list *l, const char *id, const char *filename) {
    static const char *const endings[] = {".jpg", ".jpeg", ".png", ".JPG",  ".JPEG",
                                          ".PNG", ".bmp",  ".tif", ".tiff", ".webp"};
    const char *stated = image_ending(filename), *found = stated ? stated : ".jpg";
    size_t n = sizeof endings / sizeof *endings, i = 0;
    if (!has_file(l->images, id, found)) {
        while (i < n && !has_file(l->images, id, endings[i])) i++;
        if (i < n) found = endings[i];
    }
    char *name = NULL;
    return asprintf(&name, "%s%s", id, found) < 0 ? NULL : name;
}

/* ---- lines ---- */

/* The id has an annotation, or at least an image: lists of unlabelled images. */
static bool known(const bl_voc_list *l, const char *id) {
    if (has_file(l->annotations, id, ".xml")) return true;
    char *file = bl_voc_image_file(l, id, "");
    bool there = file && has_file(l->images, file, "");
    free(file);
    return there;
}

/* Cuts white space at both ends, in place. */
static char *trim(char *s) {
    s += strspn(s, space);
    size_t n = strlen(s);
    while (n && strchr(space, s[n - 1])) s[--n] = 0;
    return s;
}

/* Cuts the last word when it says whether the class is there: "000012 -1". */
static void cut_mark(char *line) {
    size_t n = strlen(line), at = n;
    while (at && !strchr(space, line[at - 1])) at--;
    const char *word = line + at;
    if (at == 0 || (strcmp(word, "-1") && strcmp(word, "0") && strcmp(word, "1"))) return;
    line[at] = 0;
    trim(line);
}

static char *unquote(char *s) {
    size_t n = strlen(s);
    if (n < 2 || (*s != '"' && *s != '\'') || s[n - 1] != *s) return s;
    s[n - 1] = 0;
    return s + 1;
}

/* The image that a line names; NULL for none. Changes the line. */
static char *line_id(const bl_voc_list *l, char *line) {
    line = trim(line);
    if (!*line) return NULL;
    if (known(l, line)) return line;
    if (*line == '#') return NULL;
    cut_mark(line);
    line = unquote(line);
    if (known(l, line)) return line;
    char *ending = (char *)(size_t)image_ending(line);
    if (ending) {
        char dot = *ending;
        *ending = 0;
        if (!known(l, line)) *ending = dot;
    }
    return line;
}

static bl_status add_lines(bl_voc_list *l, char *text) {
    char *rest = strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text, *line;
    while ((line = strsep(&rest, "\n"))) {
        const char *id = line_id(l, line);
        if (id && *id) BL_TRY(bl_file_list_add(&l->ids, strdup(id)));
    }
    return BL_OK;
}

static bl_status read_list(bl_voc_list *l) {
    char *text;
    size_t size;
    BL_TRY(bl_read_file(l->name, MAX_LIST, &text, &size));
    bl_status status = strlen(text) == size
                           ? add_lines(l, text)
                           : bl_fail(BL_EFORMAT, "%s: is not a text file (a NUL byte at %zu)",
                                     l->name, strlen(text));
    free(text);
    return status;
}

/* ---- all annotations ---- */

static bl_status list_all(bl_voc_list *l) {
    bl_file_list folders = {0}, files = {0};
    bl_status status = bl_file_list_folder(l->annotations, &folders, &files);
    for (int32_t i = 0; i < files.n && status == BL_OK; i++) {
        const char *base = strrchr(files.path[i], '/') + 1, *dot = strrchr(base, '.');
        if (!dot || dot == base || strcmp(dot, ".xml") != 0) continue;
        status = bl_file_list_add(&l->ids, strndup(base, (size_t)(dot - base)));
    }
    if (status == BL_OK && l->ids.n == 0)
        status = bl_fail(BL_EFORMAT, "%s: no annotation (.xml) in the folder", l->annotations);
    bl_file_list_free(&folders);
    bl_file_list_free(&files);
    return status;
}

/* ---- checks ---- */

static bool leaves_folder(const char *id) {
    for (const char *p = id; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
        if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || !p[2])) return true;
    return *id == '/';
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bl_status check_ids(const bl_voc_list *l) {
    int32_t n = l->ids.n;
    for (int32_t i = 0; i < n; i++)
        if (leaves_folder(l->ids.path[i]))
            return bl_fail(BL_EFORMAT, "%s: image id \"%s\" leaves the data set's folder", l->name,
                           l->ids.path[i]);
    char **sorted = malloc(sizeof *sorted * ((size_t)n + 1));
    if (!sorted) return bl_no_memory("for %s (%d ids)", l->name, (int)n);
    if (n) memcpy(sorted, l->ids.path, sizeof *sorted * (size_t)n);
    qsort(sorted, (size_t)n, sizeof *sorted, by_text);
    bl_status status = BL_OK;
    for (int32_t i = 1; i < n && status == BL_OK; i++)
        if (strcmp(sorted[i], sorted[i - 1]) == 0)
            status = bl_fail(BL_EFORMAT, "%s: image id \"%s\" is listed twice; remove one line",
                             l->name, sorted[i]);
    free(sorted);
    return status;
}

/* ---- folders ---- */

/* Roboflow and labelImg leave images and annotations side by side. */
static bl_status find_folders(const char *root, const char *images, bl_voc_list *l) {
    l->annotations = bl_path_join(root, "Annotations");
    bool flat = l->annotations && !bl_is_dir(l->annotations) && !bl_voc_has_lists(root);
    if (flat) {
        free(l->annotations);
        l->annotations = strdup(root);
    }
    l->images = images ? strdup(images) : flat ? strdup(root) : bl_path_join(root, "JPEGImages");
    return l->annotations && l->images ? BL_OK : bl_no_memory("for %s", root);
}

bl_status bl_voc_list_read(const char *root, const char *split, const char *images,
                           bl_voc_list *out) {
    *out = (bl_voc_list){0};
    BL_TRY(find_folders(root, images, out));
    if (!split)
        out->name = strdup(out->annotations);
    else if (asprintf(&out->name, "%s/ImageSets/Main/%s.txt", root, split) < 0)
        out->name = NULL;
    if (!out->name) return bl_no_memory("for %s", root);
    BL_TRY(split ? read_list(out) : list_all(out));
    return check_ids(out);
}
