#include "datasets/splits/split_list.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/ids.h"
#include "core/json.h"

enum { MAX_LIST = 1 << 28, FILES = 0, BASES = 1, SEVERAL = 2 }; /* scopes of the map of names */

typedef struct {
    const char *path;
    const bl_dataset *d;
    bl_arena *arena;
    bl_strmap *names;
    bl_id_index ids;
    bool *taken;
    bl_split_list *out;
} reading;

static const char *base_name(const char *file) {
    const char *slash = strrchr(file, '/');
    return slash ? slash + 1 : file;
}

static bl_status index_images(reading *r) {
    const bl_dataset *d = r->d;
    r->arena = bl_arena_create(0);
    r->names = r->arena ? bl_strmap_create(r->arena) : NULL;
    r->taken = calloc((size_t)d->n_images + 1, sizeof *r->taken);
    r->out->image = malloc(((size_t)d->n_images + 1) * sizeof *r->out->image);
    if (!r->names || !r->taken || !r->out->image) return bl_no_memory("for %s", r->path);
    for (int32_t i = 0; i < d->n_images; i++) {
        const bl_image_info *im = &d->images[i];
        const char *base = base_name(im->file);
        int64_t stored;
        int64_t first = bl_strmap_add(r->names, FILES, im->file, i);
        int64_t named = bl_strmap_add(r->names, BASES, base, i);
        if (first < 0 || named < 0) return BL_ENOMEM;
        bool several = named != i && strcmp(d->images[named].file, im->file) != 0;
        if (several && bl_strmap_add(r->names, SEVERAL, base, i) < 0) return BL_ENOMEM;
        BL_TRY(bl_id_index_add(&r->ids, (bl_id){im->id, im->id_text}, i, &stored));
    }
    return BL_OK;
}

/* The image a word names; -1: none; -2: one of several. */
static int64_t find(const reading *r, const char *word) {
    int64_t i = bl_strmap_get(r->names, FILES, word);
    if (i >= 0) return i;
    const char *base = base_name(word);
    if (bl_strmap_get(r->names, SEVERAL, base) >= 0) return -2;
    i = bl_strmap_get(r->names, BASES, base);
    if (i >= 0) return i;
    i = bl_id_index_get(&r->ids, bl_id_of_text(word));
    if (i >= 0 || strspn(word, "0123456789") != strlen(word)) return i;
    return bl_id_index_get(&r->ids, (bl_id){.number = strtoll(word, NULL, 10)}); /* 000012 */
}

static void add(reading *r, int32_t i) {
    if (r->taken[i]) {
        r->out->n_repeated++;
        return;
    }
    r->taken[i] = true;
    r->out->image[r->out->n++] = i;
}

static bl_status take(reading *r, const char *word, const char *unit, int64_t number) {
    int64_t i = find(r, word);
    if (i == -2)
        return bl_fail(BL_EFORMAT,
                       "%s, %s %lld: several images of %s are called \"%s\"; name the folder too",
                       r->path, unit, (long long)number, r->d->name, word);
    if (i < 0)
        return bl_fail(BL_EFORMAT,
                       "%s, %s %lld: %s has no image with the file name or id \"%s\"; is the list "
                       "of another data set?",
                       r->path, unit, (long long)number, r->d->name, word);
    add(r, (int32_t)i);
    return BL_OK;
}

static bl_status read_lines(reading *r, char *text) {
    int64_t number = 0;
    for (char *line = text, *end; line; line = end ? end + 1 : NULL) {
        end = strchr(line, '\n');
        if (end) *end = 0;
        number++;
        while (isspace((unsigned char)*line)) line++;
        size_t n = strlen(line);
        while (n > 0 && isspace((unsigned char)line[n - 1])) line[--n] = 0;
        if (n > 0 && *line != '#') BL_TRY(take(r, line, "line", number));
    }
    return BL_OK;
}

static bl_status read_array(reading *r, struct json_object *list) {
    for (size_t i = 0; i < json_object_array_length(list); i++)
        BL_TRY(take(r, json_object_get_string(json_object_array_get_idx(list, i)), "entry",
                    (int64_t)i));
    return BL_OK;
}

typedef struct {
    int64_t id;
    int32_t image;
} numbered_image;

static int by_id(const void *a, const void *b) {
    int64_t x = ((const numbered_image *)a)->id, y = ((const numbered_image *)b)->id;
    return (x > y) - (x < y);
}

/* detectron2's list: images with a box that is no crowd, by ascending id. */
static numbered_image *list_images(const bl_dataset *d, int32_t *n) {
    numbered_image *v = malloc(((size_t)d->n_images + 1) * sizeof *v);
    *n = 0;
    for (int32_t i = 0; v && i < d->n_images; i++) {
        const bl_image_info *im = &d->images[i];
        bool any = false;
        for (int32_t a = 0; a < im->n_anns; a++) any |= !d->anns[im->first_ann + a].iscrowd;
        if (any) v[(*n)++] = (numbered_image){im->id, i};
    }
    if (v) qsort(v, (size_t)*n, sizeof *v, by_id);
    return v;
}

static bl_status read_places(reading *r, struct json_object *list, double percent) {
    int32_t n;
    numbered_image *order = list_images(r->d, &n);
    bl_status status = order ? BL_OK : bl_no_memory("for %s", r->path);
    int64_t m = (int64_t)json_object_array_length(list), due = (int64_t)(percent / 100.0 * n);
    if (status == BL_OK && m != due)
        status =
            bl_fail(BL_EFORMAT,
                    "%s: the draw has %lld images, but %g %% of the %d images with boxes of %s "
                    "are %lld; is the list of another data set?",
                    r->path, (long long)m, percent, (int)n, r->d->name, (long long)due);
    for (int64_t i = 0; i < m && status == BL_OK; i++) {
        int64_t place = json_object_get_int64(json_object_array_get_idx(list, (size_t)i));
        if (place >= 0 && place < n)
            add(r, order[place].image);
        else
            status = bl_fail(BL_EFORMAT, "%s, entry %lld: place %lld of the %d images with boxes",
                             r->path, (long long)i, (long long)place, (int)n);
    }
    free(order);
    return status;
}

/* The member whose key is this number ("10.0" for 10). */
static struct json_object *numbered(struct json_object *o, double v) {
    if (!json_object_is_type(o, json_type_object)) return NULL;
    json_object_object_foreach(o, key, member) {
        char *end;
        double k = strtod(key, &end);
        if (*key && !*end && k == v) return member;
    }
    return NULL;
}

static bl_status read_json(reading *r, const char *text, size_t size, double percent,
                           int64_t seed) {
    bl_json doc;
    BL_TRY(bl_json_parse(text, size, r->path, &doc));
    struct json_object *list = numbered(numbered(doc.root, percent), (double)seed);
    bl_status status;
    if (json_object_is_type(doc.root, json_type_array))
        status = read_array(r, doc.root);
    else if (json_object_is_type(list, json_type_array))
        status = read_places(r, list, percent);
    else
        status = bl_fail(BL_ECONFIG,
                         "%s: is no array of images, and has no draw for percent = %g and seed = "
                         "%lld; set percent and seed to a draw that it has",
                         r->path, percent, (long long)seed);
    bl_json_free(&doc);
    return status;
}

bl_status bl_split_list_read(const char *path, const bl_dataset *d, double percent, int64_t seed,
                             bl_split_list *out) {
    reading r = {.path = path, .d = d, .out = out};
    char *text;
    size_t size;
    bl_status status;
    *out = (bl_split_list){0};
    BL_TRY(bl_read_file(path, MAX_LIST, &text, &size));
    BL_TRY_DONE(index_images(&r));
    const char *first = text + strspn(text, " \t\r\n");
    BL_TRY_DONE(*first == '[' || *first == '{' ? read_json(&r, text, size, percent, seed)
                                               : read_lines(&r, text));
    if (out->n == 0) status = bl_fail(BL_EFORMAT, "%s: names no image", path);
done:
    free(text);
    free(r.taken);
    bl_id_index_free(&r.ids);
    bl_arena_destroy(r.arena);
    if (status != BL_OK) bl_split_list_free(out);
    return status;
}

void bl_split_list_free(bl_split_list *l) {
    free(l->image);
    *l = (bl_split_list){0};
}
