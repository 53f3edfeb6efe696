#include "train/provenance.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/parallel.h"
#include "kernels/kernels.h"
#include "train/version.h"

static void add(struct json_object **o, const char *key, const char *value) {
    bl_json_add(o, key, json_object_new_string(value));
}

/* "model name" of /proc/cpuinfo; empty where there is none. */
static void cpu_model(char *out, size_t size) {
    *out = 0;
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (!f) return;
    char line[512];
    while (fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        snprintf(out, size, "%s", colon + 2);
        out[strcspn(out, "\n")] = 0;
        break;
    }
    fclose(f);
}

/* Numbers and strings one behind the other, as bytes. */
typedef struct {
    FILE *f;
} digest;

static void put_text(digest *d, const char *s) {
    fwrite(s, 1, strlen(s) + 1, d->f);
}

static void put_numbers(digest *d, const double *v, size_t n) {
    fwrite(v, sizeof *v, n, d->f);
}

static void put_image(digest *d, const bl_dataset *set, int32_t i) {
    const bl_image_info *im = &set->images[i];
    put_text(d, im->file);
    put_numbers(d, (double[]){im->width, im->height, im->n_anns}, 3);
    for (int32_t k = 0; k < im->n_anns; k++) {
        const bl_ann *a = &set->anns[im->first_ann + k];
        put_numbers(d,
                    (double[]){a->x, a->y, a->w, a->h, a->area, a->category, a->iscrowd, a->ignore,
                               a->difficult},
                    9);
    }
}

/* Of what was read, whatever file and format it came from: categories, images and their boxes, in
 * order. False when memory is short. */
static bool content_sum(const bl_dataset *set, char hex[65]) {
    char *text = NULL;
    size_t size = 0;
    digest d = {open_memstream(&text, &size)};
    if (!d.f) return false;
    for (int32_t c = 0; c < set->n_categories; c++) put_text(&d, set->categories[c].name);
    for (int32_t i = 0; i < set->n_images; i++) put_image(&d, set, i);
    bool good = !ferror(d.f);
    good = fclose(d.f) == 0 && good;
    if (good) bl_sha256(text, size, hex);
    free(text);
    return good;
}

void bl_provenance_add_dataset(struct json_object **o, const char *key, const bl_dataset *d) {
    if (!d) return;
    struct json_object *e = json_object_new_object();
    char hex[65];
    add(&e, "name", d->name);
    bl_json_add(&e, "images", json_object_new_int(d->n_images));
    bl_json_add(&e, "boxes", json_object_new_int64(d->n_anns));
    if (bl_exists(d->name) && !bl_is_dir(d->name) && bl_sha256_file(d->name, hex) == BL_OK)
        add(&e, "sha256", hex);
    if (content_sum(d, hex)) add(&e, "content_sha256", hex);
    bl_json_add(o, key, e);
}

bl_status bl_provenance_write(const char *run_dir, const bl_run_config *cfg, const bl_task *task,
                              const bl_ctx *ctx, const char *command_line) {
    struct json_object *o = json_object_new_object(), *sets = json_object_new_object();
    char text[256];
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    add(&o, "ballast_version", BALLAST_VERSION);
    add(&o, "commit", bl_commit);
    add(&o, "command_line", command_line ? command_line : "");
    add(&o, "started", text);
    cpu_model(text, sizeof text);
    add(&o, "cpu", text);
    struct utsname u;
    if (uname(&u) == 0) {
        add(&o, "system", u.sysname);
        add(&o, "release", u.release);
    }
    add(&o, "device", ctx->dev->name);
    add(&o, "kernels", ctx->k->name);
    add(&o, "cpu_features", bl_cpu_features());
    bl_json_add(&o, "threads", json_object_new_int(bl_threads()));
    bl_json_add(&o, "deterministic", json_object_new_boolean(cfg->run.deterministic));
    add(&o, "precision", bl_precision_name((bl_precision)cfg->run.precision));
    bl_json_add(&o, "graphs", json_object_new_boolean(cfg->run.graphs));
    bl_json_add(&o, "seed", json_object_new_int64(cfg->run.seed));
    task->ops->provenance(task, &sets);
    bl_json_add(&o, "data", sets);
    char *path = bl_path_join(run_dir, "provenance.json");
    bl_status status = path ? bl_json_save(o, path) : bl_no_memory(NULL);
    free(path);
    json_object_put(o);
    return status;
}
