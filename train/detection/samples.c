#include "train/detection/samples.h"

#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"

enum { MAX_SIDE = 480, QUALITY = 85 };

typedef struct {
    const char *dir, *set;
    const bl_dataset *data;
    const double *pseudo_threshold; /* NULL: test images */
    double min_score;
    struct json_object *list;
} sample_job;

static struct json_object *box_json(bl_box b, double scale, int32_t label, double score) {
    struct json_object *o = json_object_new_object(), *a = json_object_new_array();
    const double v[4] = {b.x1 * scale, b.y1 * scale, b.x2 * scale, b.y2 * scale};
    for (int i = 0; i < 4; i++) bl_json_append(&a, json_object_new_double(round(v[i] * 100) / 100));
    bl_json_add(&o, "box", a);
    bl_json_add(&o, "label", json_object_new_int(label));
    if (score >= 0) bl_json_add(&o, "score", json_object_new_double(round(score * 1000) / 1000));
    return o;
}

static bl_status write_jpeg(const char *path, const bl_image *img, double scale) {
    if (scale == 1) return bl_jpeg_write(path, img, QUALITY);
    bl_image small;
    BL_TRY(bl_image_resize(img, (int32_t)(img->width * scale + 0.5),
                           (int32_t)(img->height * scale + 0.5), &small));
    bl_status status = bl_jpeg_write(path, &small, QUALITY);
    bl_image_free(&small);
    return status;
}

static bl_status write_one(void *arg, int32_t index, const bl_image *img, const bl_boxes *b) {
    sample_job *j = arg;
    if (!img->rgb) return BL_OK; /* skipped as unreadable */
    int32_t side = img->width > img->height ? img->width : img->height;
    double scale = side > MAX_SIDE ? (double)MAX_SIDE / side : 1;
    char name[64];
    snprintf(name, sizeof name, "%s_%03d.jpg", j->set, (int)index);
    char *path = bl_path_join(j->dir, name);
    if (!path) return bl_no_memory(NULL);
    bl_status status = write_jpeg(path, img, scale);
    free(path);
    BL_TRY(status);

    struct json_object *o = json_object_new_object(), *truth = json_object_new_array();
    struct json_object *found = json_object_new_array();
    bl_json_add(&o, "file", json_object_new_string(name));
    bl_json_add(&o, "width", json_object_new_int((int)(img->width * scale + 0.5)));
    bl_json_add(&o, "height", json_object_new_int((int)(img->height * scale + 0.5)));
    bl_json_add(&o, "set", json_object_new_string(j->set));
    const bl_image_info *info = &j->data->images[index];
    for (int32_t a = 0; a < info->n_anns; a++) {
        const bl_ann *ann = &j->data->anns[info->first_ann + a];
        bl_json_append(&truth, box_json(bl_ann_box(ann), scale, ann->category, -1));
    }
    for (int32_t k = 0; k < b->n; k++)
        if (j->pseudo_threshold ? b->score[k] > j->pseudo_threshold[b->label[k]]
                                : b->score[k] >= j->min_score)
            bl_json_append(&found, box_json(b->box[k], scale, b->label[k], b->score[k]));
    bl_json_add(&o, "truth", truth);
    bl_json_add(&o, j->pseudo_threshold ? "pseudo" : "predictions", found);
    bl_json_append(&j->list, o);
    return BL_OK;
}

static bl_status one_set(bl_infer *in, sample_job *j, int32_t n) {
    if (n > j->data->n_images) n = j->data->n_images;
    char **paths = calloc((size_t)n + 1, sizeof *paths);
    if (!paths) return bl_no_memory(NULL);
    for (int32_t i = 0; i < n; i++)
        if (!(paths[i] = bl_dataset_path(j->data, i))) n = i; /* shorter list, never NULL paths */
    bl_status status = bl_infer_run(in, paths, n, NULL, write_one, j);
    for (int32_t i = 0; i < n; i++) free(paths[i]);
    free(paths);
    return status;
}

bl_status bl_samples_write(bl_infer *in, const char *dir, int32_t n, const bl_dataset *test,
                           const bl_dataset *unlabelled, double min_score,
                           const double *pseudo_threshold) {
    BL_TRY(bl_mkdirs(dir));
    sample_job j = {.dir = dir,
                    .set = "test",
                    .data = test,
                    .min_score = min_score,
                    .list = json_object_new_array()};
    bl_status status = BL_OK;
    if (test) status = one_set(in, &j, n);
    if (status == BL_OK && unlabelled && pseudo_threshold) {
        j.set = "unlabelled";
        j.data = unlabelled;
        j.pseudo_threshold = pseudo_threshold;
        status = one_set(in, &j, n);
    }
    struct json_object *root = json_object_new_object();
    bl_json_add(&root, "samples", j.list);
    char *path = bl_path_join(dir, "samples.json");
    if (status == BL_OK) status = path ? bl_json_save(root, path) : bl_no_memory(NULL);
    free(path);
    json_object_put(root);
    return status;
}
