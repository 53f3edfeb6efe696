#include "kernels/tuning.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"

struct bl_tuning {
    char *path;
    struct json_object *root, *plans; /* root holds plans */
    bool dirty;
};

static bool same_string(struct json_object *root, const bl_tuning_id *id) {
    struct json_object *v;
    return json_object_object_get_ex(root, id->field, &v) &&
           json_object_is_type(v, json_type_string) &&
           strcmp(json_object_get_string(v), id->value) == 0;
}

/* json-c takes ownership of `v` only when it succeeds. */
static bool put(struct json_object *o, const char *name, struct json_object *v) {
    if (v && json_object_object_add(o, name, v) == 0) return true;
    json_object_put(v);
    return false;
}

static void take_choices(bl_tuning *t, struct json_object *root, const bl_tuning_id *ids, int n) {
    struct json_object *plans;
    if (!json_object_is_type(root, json_type_object)) return;
    for (int i = 0; i < n; i++) {
        if (!same_string(root, &ids[i])) return;
    }
    if (!json_object_object_get_ex(root, "plans", &plans) ||
        !json_object_is_type(plans, json_type_object)) {
        return;
    }
    json_object_object_foreach(plans, name, value) {
        if (json_object_is_type(value, json_type_string)) {
            (void)put(t->plans, name, json_object_get(value)); /* else it is chosen again */
        }
    }
}

bl_status bl_tuning_open(const char *path, const bl_tuning_id *ids, int n, bl_tuning **out) {
    *out = NULL;
    bl_json doc = {0};
    bl_status status = BL_OK;
    bl_tuning *t = calloc(1, sizeof *t);
    bool ok = t && (t->path = strdup(path)) && (t->root = json_object_new_object());
    for (int i = 0; ok && i < n; i++) {
        ok = put(t->root, ids[i].field, json_object_new_string(ids[i].value));
    }
    if (ok) ok = put(t->root, "plans", t->plans = json_object_new_object());
    if (!ok) BL_TRY_DONE(bl_no_memory("for the tuning file"));
    if (bl_exists(path)) {
        status = bl_json_load(path, &doc);
        if (status != BL_OK) {
            bl_fail_context(status, "tuning file (delete it to start afresh)");
            goto done;
        }
        take_choices(t, doc.root, ids, n);
    }
    *out = t;
    t = NULL;
done:
    bl_json_free(&doc);
    bl_tuning_close(t);
    return status;
}

const char *bl_tuning_get(const bl_tuning *t, const char *name) {
    struct json_object *v;
    if (!t || !json_object_object_get_ex(t->plans, name, &v)) return NULL;
    return json_object_get_string(v);
}

void bl_tuning_set(bl_tuning *t, const char *name, const char *choice) {
    if (t && put(t->plans, name, json_object_new_string(choice))) t->dirty = true;
}

void bl_tuning_close(bl_tuning *t) {
    if (!t) return;
    if (t->dirty) (void)bl_json_save(t->root, t->path);
    if (t->root) json_object_put(t->root);
    free(t->path);
    free(t);
}
