#include "interop/shards.h"

#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/strmap.h"

typedef struct shards {
    bl_arena *arena;
    bl_strmap *names;  /* file name -> index into files */
    bl_st_file **file; /* [n] */
    int n;
    bl_st_tensor *tensor; /* [n_tensors] */
    int n_tensors;
} shards;

static void release(void *owner) {
    shards *s = owner;
    for (int i = 0; i < s->n; i++) bl_st_close(s->file[i]);
    bl_arena_destroy(s->arena);
    free(s);
}

bool bl_shards_is_index(const char *path) {
    const char *end = ".safetensors.index.json";
    size_t n = strlen(path), m = strlen(end);
    return n > m && strcmp(path + n - m, end) == 0;
}

/* The shard of that name, opened when it is met first. Shards lie beside their index. */
static bl_status shard(shards *s, const char *index, const char *name, bl_st_file **out) {
    int64_t i = bl_strmap_get(s->names, 0, name);
    if (i < 0) {
        if (strchr(name, '/'))
            return bl_fail(BL_EFORMAT, "%s: shard \"%s\" does not lie beside the index", index,
                           name);
        char *dir = bl_path_dir(index), *path = dir ? bl_path_join(dir, name) : NULL;
        bl_status status = path ? bl_st_open(path, &s->file[s->n]) : bl_no_memory("for %s", index);
        free(dir);
        free(path);
        if (status != BL_OK) return bl_fail_context(status, "%s", index);
        i = s->n++;
        char *kept = bl_arena_strdup(s->arena, name);
        if (!kept || bl_strmap_add(s->names, 0, kept, i) < 0) return BL_ENOMEM;
    }
    *out = s->file[i];
    return BL_OK;
}

static bl_status read_map(shards *s, const char *index, struct json_object *map) {
    size_t n = (size_t)json_object_object_length(map);
    s->file = BL_NEW_ARRAY(s->arena, bl_st_file *, n + 1);
    s->tensor = BL_NEW_ARRAY(s->arena, bl_st_tensor, n + 1);
    if (!s->file || !s->tensor) return BL_ENOMEM;
    json_object_object_foreach(map, name, value) {
        bl_st_file *f = NULL;
        const char *file =
            json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
        if (!file) return bl_fail(BL_EFORMAT, "%s: weight_map.%s is not a file name", index, name);
        BL_TRY(shard(s, index, file, &f));
        const bl_st_tensor *t = bl_st_find(f, name);
        if (!t) return bl_fail(BL_EFORMAT, "%s: %s has no tensor \"%s\"", index, file, name);
        s->tensor[s->n_tensors++] = *t;
    }
    return BL_OK;
}

static bl_status read_index(shards *s, const char *path) {
    bl_json doc = {0};
    struct json_object *map;
    s->names = bl_strmap_create(s->arena);
    if (!s->names) return BL_ENOMEM;
    BL_TRY(bl_json_load(path, &doc));
    bl_status status = bl_json_member(&doc, doc.root, "weight_map", json_type_object, &map);
    if (status == BL_OK) status = read_map(s, path, map);
    bl_json_free(&doc);
    return status;
}

bl_status bl_shards_open(const char *path, bl_st_file **out) {
    *out = NULL;
    shards *s = calloc(1, sizeof *s);
    if (s) s->arena = bl_arena_create(1 << 14);
    if (!s || !s->arena) {
        free(s);
        return bl_no_memory("for %s", path);
    }
    bl_status status = read_index(s, path);
    if (status != BL_OK) {
        release(s);
        return status;
    }
    return bl_st_wrap(path, s->tensor, s->n_tensors, release, s, out);
}
