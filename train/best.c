#include "train/best.h"

#include <json-c/json.h>
#include <stdlib.h>

#include "core/fs.h"
#include "core/json.h"

bl_status bl_best_write(const char *run_dir, const bl_best *b) {
    char *path = bl_path_join(run_dir, "best.json");
    if (!path) return bl_no_memory(NULL);
    struct json_object *o = json_object_new_object();
    bl_json_add(&o, "iter", json_object_new_int64(b->iter));
    bl_json_add(&o, "score", json_object_new_double(b->score));
    bl_json_add(&o, "measure", json_object_new_string(b->measure));
    bl_json_add(&o, "model", json_object_new_string(b->model));
    bl_json_add(&o, "set", json_object_new_string(b->set));
    bl_json_add(&o, "images", json_object_new_int64(b->images));
    bl_status status = bl_json_save(o, path);
    json_object_put(o);
    free(path);
    return status;
}
