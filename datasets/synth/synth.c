#include "datasets/synth/synth.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/parallel.h"
#include "core/real_text.h"
#include "datasets/synth/synth_scene.h"

enum { CHUNK = 64, FIX_ROUNDS = 16, STREAM_COUNT = 1, STREAM_CLASSES = 2, STREAM_SCENE = 3 };

typedef struct image_set {
    const char *name;
    uint64_t id; /* of its random streams */
    int64_t images;
    int64_t first_image_id;
    double imbalance; /* 1 = balanced */
    int64_t min_instances;
    int32_t *categories; /* images x BL_SYNTH_MAX_OBJECTS */
    int32_t *planned;    /* objects asked for in each image */
    bl_synth_scene *scenes;
    char (*sums)[65]; /* of the JPEG files */
    int64_t instances[BL_SYNTH_MAX_CLASSES];
} image_set;

typedef struct job {
    const bl_synth_config *cfg;
    const char *image_dir;
    image_set *set;
    int64_t first; /* image of index 0 of the current range */
    pthread_mutex_t lock;
    bl_status status; /* of the failed image with the lowest index */
    int64_t failed;
    char message[512];
} job;

static int kind_of(const bl_synth_config *cfg, int c) {
    return bl_synth_shape_kind(c, bl_synth_pairs(cfg));
}

static uint64_t scene_key(const image_set *s, int64_t image) {
    return bl_rng_key(s->id, (uint64_t)image, STREAM_SCENE);
}

/* ---- plan: which classes stand in which image ---- */

/* Frequency of a rank, in units of the most common class's. */
static double frequency(const bl_synth_config *cfg, double imbalance, int rank) {
    int n = (int)cfg->classes;
    if (cfg->tail == BL_TAIL_STEP) return rank < n / 2 ? 1 : 1 / imbalance;
    return pow(imbalance, -(double)rank / (n - 1));
}

/* Instances per class for `total` slots, by largest remainder, each at least `least`. */
static void quotas(const bl_synth_config *cfg, double imbalance, int64_t total, int64_t least,
                   int64_t *out) {
    int n = (int)cfg->classes;
    double share[BL_SYNTH_MAX_CLASSES], sum = 0;
    int64_t given = 0;
    for (int c = 0; c < n; c++) sum += share[c] = frequency(cfg, imbalance, bl_synth_rank(cfg, c));
    for (int c = 0; c < n; c++) {
        share[c] *= (double)total / sum;
        out[c] = (int64_t)share[c];
        if (out[c] < least) out[c] = least;
        given += out[c];
    }
    for (; given != total; given += given < total ? 1 : -1) {
        int best = -1; /* the class furthest below (above) its share */
        double sign = given < total ? 1 : -1, gap, best_gap = 0;
        for (int c = 0; c < n; c++) {
            if (given > total && out[c] <= least) continue;
            gap = sign * (share[c] - (double)out[c]);
            if (best < 0 || gap > best_gap) {
                best = c;
                best_gap = gap;
            }
        }
        out[best] += given < total ? 1 : -1;
    }
}

static bl_status plan_set(const bl_synth_config *cfg, image_set *s) {
    int64_t total = 0, counts[BL_SYNTH_MAX_CLASSES], span = cfg->objects_max - cfg->objects_min + 1;
    for (int64_t i = 0; i < s->images; i++) {
        bl_rng r = bl_rng_make((uint64_t)cfg->seed, bl_rng_key(s->id, (uint64_t)i, STREAM_COUNT));
        s->planned[i] = (int32_t)(cfg->objects_min + bl_rng_below(&r, (uint32_t)span));
        total += s->planned[i];
    }
    if (total < s->min_instances * cfg->classes)
        return bl_fail(
            BL_ECONFIG,
            "synth: %lld %s images hold %lld objects, too few for min_instances = %lld of %lld "
            "classes; raise synth.%s or synth.objects_max, or lower synth.min_instances",
            (long long)s->images, s->name, (long long)total, (long long)s->min_instances,
            (long long)cfg->classes, s->name);
    quotas(cfg, s->imbalance, total, s->min_instances, counts);
    int32_t *slots = malloc((size_t)(total ? total : 1) * sizeof *slots);
    if (!slots) return bl_no_memory("for %lld objects (synth)", (long long)total);
    int64_t n = 0;
    for (int32_t c = 0; c < cfg->classes; c++)
        for (int64_t k = 0; k < counts[c]; k++) slots[n++] = c;
    bl_rng r = bl_rng_make((uint64_t)cfg->seed, bl_rng_key(s->id, 0, STREAM_CLASSES));
    bl_rng_shuffle(&r, slots, total);
    n = 0;
    for (int64_t i = 0; i < s->images; i++)
        for (int32_t k = 0; k < s->planned[i]; k++)
            s->categories[i * BL_SYNTH_MAX_OBJECTS + k] = slots[n++];
    free(slots);
    return BL_OK;
}

static void note_failure(job *j, int64_t image, bl_status status) {
    pthread_mutex_lock(&j->lock);
    if (j->status == BL_OK || image < j->failed) {
        j->status = status;
        j->failed = image;
        snprintf(j->message, sizeof j->message, "%s", bl_error());
    }
    pthread_mutex_unlock(&j->lock);
}

static bl_status take_failure(const job *j) {
    return j->status == BL_OK ? BL_OK : bl_fail(j->status, "%s", j->message);
}

static bl_status place_image(job *j, int64_t i) {
    image_set *s = j->set;
    return bl_synth_scene_place(j->cfg, scene_key(s, i), s->categories + i * BL_SYNTH_MAX_OBJECTS,
                                s->planned[i], &s->scenes[i]);
}

static void place_range(void *arg, int64_t begin, int64_t end) {
    job *j = arg;
    for (int64_t i = begin; i < end; i++) {
        bl_status status = place_image(j, i);
        if (status != BL_OK) note_failure(j, i, status);
    }
}

static void count_instances(image_set *s) {
    memset(s->instances, 0, sizeof s->instances);
    for (int64_t i = 0; i < s->images; i++)
        for (int32_t k = 0; k < s->scenes[i].n; k++)
            s->instances[s->scenes[i].objects[k].category]++;
}

static int most_common(const image_set *s, int n) {
    int best = 0;
    for (int c = 1; c < n; c++)
        if (s->instances[c] > s->instances[best]) best = c;
    return best;
}

/* An object that found no place may leave a rare class short: instances of the most common class
 * then become that class, and their scenes are placed again. */
static bl_status top_up(job *j) {
    image_set *s = j->set;
    int n = (int)j->cfg->classes;
    for (int round = 0; round < FIX_ROUNDS; round++) {
        count_instances(s);
        int short_class = -1;
        for (int c = 0; c < n && short_class < 0; c++)
            if (s->instances[c] < s->min_instances) short_class = c;
        if (short_class < 0) return BL_OK;
        int64_t need = s->min_instances - s->instances[short_class];
        int donor = most_common(s, n);
        bl_rng r = bl_rng_make((uint64_t)j->cfg->seed,
                               bl_rng_key(s->id, 1 + (uint64_t)round, STREAM_CLASSES));
        int64_t at = bl_rng_below(&r, (uint32_t)s->images);
        for (int64_t tried = 0; tried < s->images && need > 0; tried++, at = (at + 1) % s->images) {
            int32_t *list = s->categories + at * BL_SYNTH_MAX_OBJECTS;
            for (int32_t k = 0; k < s->planned[at]; k++)
                if (list[k] == donor) {
                    list[k] = short_class;
                    BL_TRY(place_image(j, at));
                    need--;
                    break;
                }
        }
    }
    return bl_fail(
        BL_ECONFIG,
        "synth: cannot place min_instances = %lld objects of every class in %lld labelled images; "
        "lower synth.size_max or synth.objects_max, or add images",
        (long long)s->min_instances, (long long)s->images);
}

/* ---- files ---- */

/* Plain write: thousands of files that synth.json, written last and atomically, makes valid
 * together. */
static bl_status write_plain(const char *path, const uint8_t *data, size_t size) {
    FILE *f = fopen(path, "wb");
    if (!f) return bl_fail(BL_EIO, "%s: cannot create: %s", path, strerror(errno));
    size_t done = fwrite(data, 1, size, f);
    int bad = done != size, saved = errno;
    if (fclose(f) != 0 && !bad) {
        bad = 1;
        saved = errno;
    }
    if (bad) return bl_fail(BL_EIO, "%s: cannot write %zu bytes: %s", path, size, strerror(saved));
    return BL_OK;
}

static bl_status render_image(job *j, int64_t i) {
    image_set *s = j->set;
    bl_image img = {0};
    uint8_t *jpeg = NULL;
    size_t size = 0;
    char *path = NULL;
    bl_status status = BL_OK;
    BL_TRY_DONE(bl_synth_scene_render(j->cfg, scene_key(s, i), &s->scenes[i], &img));
    BL_TRY_DONE(bl_jpeg_encode(&img, (int)j->cfg->quality, &jpeg, &size));
    if (asprintf(&path, "%s/%s_%06lld.jpg", j->image_dir, s->name, (long long)i) < 0) {
        path = NULL;
        status = bl_no_memory("for a path (synth)");
        goto done;
    }
    BL_TRY_DONE(write_plain(path, jpeg, size));
    bl_sha256(jpeg, size, s->sums[i]);
done:
    free(path);
    free(jpeg);
    bl_image_free(&img);
    return status;
}

static void render_range(void *arg, int64_t begin, int64_t end) {
    job *j = arg;
    for (int64_t i = begin + j->first; i < end + j->first; i++) {
        bl_status status = render_image(j, i);
        if (status != BL_OK) note_failure(j, i, status);
    }
}

static const char *group_name(const bl_synth_config *cfg, int c) {
    return bl_synth_rank(cfg, c) < cfg->classes / 2 ? "majority" : "minority";
}

static bl_status write_annotations(const bl_synth_config *cfg, const image_set *s, const char *path,
                                   char sum[65]) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) return bl_no_memory("for %s", path);
    fprintf(f,
            "{\"info\": {\"description\": \"Ballast generated %s set, seed %lld\"},\n\"images\": [",
            s->name, (long long)cfg->seed);
    for (int64_t i = 0; i < s->images; i++)
        fprintf(f,
                "%s\n{\"id\": %lld, \"file_name\": \"%s_%06lld.jpg\", \"width\": %lld, \"height\": "
                "%lld}",
                i ? "," : "", (long long)(s->first_image_id + i), s->name, (long long)i,
                (long long)cfg->width, (long long)cfg->height);
    fprintf(f, "],\n\"annotations\": [");
    int64_t id = 0;
    bl_point format = bl_point_begin();
    for (int64_t i = 0; i < s->images; i++)
        for (int32_t k = 0; k < s->scenes[i].n; k++) {
            const bl_synth_object *o = &s->scenes[i].objects[k];
            fprintf(f,
                    "%s\n{\"id\": %lld, \"image_id\": %lld, \"category_id\": %d, \"bbox\": [%d, "
                    "%d, %d, %d], "
                    "\"area\": %.1f, \"iscrowd\": 0, \"hidden\": %.3f}",
                    id ? "," : "", (long long)(id + 1), (long long)(s->first_image_id + i),
                    o->category + 1, o->x0, o->y0, o->x1 - o->x0, o->y1 - o->y0, (double)o->area,
                    (double)o->hidden);
            id++;
        }
    bl_point_end(format);
    fprintf(f, "],\n\"categories\": [");
    for (int c = 0; c < cfg->classes; c++)
        fprintf(f, "%s\n{\"id\": %d, \"name\": \"%s\", \"supercategory\": \"%s\"}", c ? "," : "",
                c + 1, bl_synth_shape_name(kind_of(cfg, c)),
                bl_synth_shape_family(kind_of(cfg, c)));
    fprintf(f, "]}\n");
    if (fclose(f) != 0) {
        free(text);
        return bl_no_memory("for %s", path);
    }
    bl_sha256(text, size, sum);
    bl_status status = bl_write_file(path, text, size);
    free(text);
    return status;
}

static void sum_images(const image_set *s, char sum[65]) {
    bl_sha256(s->images ? (const void *)s->sums : "", (size_t)s->images * sizeof *s->sums, sum);
}

static bl_status write_summary(const bl_synth_config *cfg, const image_set *sets, char sums[][65],
                               const char *out_dir) {
    struct json_object *root = json_object_new_object(), *table = json_object_new_array();
    struct json_object *files = json_object_new_object();
    int n = (int)cfg->classes;
    bl_json_add(&root, "config", bl_config_dump(&bl_synth_schema, cfg));
    for (int c = 0; c < n; c++) {
        struct json_object *row = json_object_new_object();
        bl_json_add(&row, "id", json_object_new_int(c + 1));
        bl_json_add(&row, "name", json_object_new_string(bl_synth_shape_name(kind_of(cfg, c))));
        bl_json_add(&row, "family", json_object_new_string(bl_synth_shape_family(kind_of(cfg, c))));
        bl_json_add(&row, "rank", json_object_new_int(bl_synth_rank(cfg, c)));
        bl_json_add(&row, "group", json_object_new_string(group_name(cfg, c)));
        for (int k = 0; k < 3; k++)
            bl_json_add(&row, sets[k].name, json_object_new_int64(sets[k].instances[c]));
        bl_json_append(&table, row);
    }
    bl_json_add(&root, "classes", table);
    for (int k = 0; k < 3; k++) {
        struct json_object *row = json_object_new_object();
        char images[65];
        sum_images(&sets[k], images);
        bl_json_add(&row, "images", json_object_new_int64(sets[k].images));
        bl_json_add(&row, "annotations_sha256", json_object_new_string(sums[k]));
        bl_json_add(&row, "images_sha256", json_object_new_string(images));
        bl_json_add(&files, sets[k].name, row);
    }
    bl_json_add(&root, "sets", files);
    char *path = bl_path_join(out_dir, "synth.json");
    bl_status status = path ? bl_json_save(root, path) : bl_no_memory("for a path (synth)");
    free(path);
    json_object_put(root);
    return status;
}

/* ---- the whole ---- */

static bl_status check_config(const bl_synth_config *cfg) {
    int64_t side = cfg->width < cfg->height ? cfg->width : cfg->height;
    if (cfg->classes % 2 || cfg->classes < 2 || cfg->classes > BL_SYNTH_MAX_CLASSES)
        return bl_fail(BL_ECONFIG, "synth.classes: %lld is not an even number in 2..%d",
                       (long long)cfg->classes, BL_SYNTH_MAX_CLASSES);
    int pairs = bl_synth_pairs(cfg), alone = (int)cfg->classes - 2 * pairs;
    int shapes = BL_SYNTH_BOLT / 2 - pairs + BL_SYNTH_KINDS - BL_SYNTH_BOLT;
    if (alone < 0 || alone > shapes)
        return bl_fail(BL_ECONFIG,
                       "synth.pairs: %d pairs do not fit %lld classes (at most %lld pairs, and at "
                       "most %d shapes without their look-alike)",
                       pairs, (long long)cfg->classes, (long long)cfg->classes / 2, shapes);
    if (cfg->objects_min > cfg->objects_max || cfg->objects_max > BL_SYNTH_MAX_OBJECTS)
        return bl_fail(
            BL_ECONFIG, "synth.objects_min: %lld must be at most objects_max = %lld (at most %d)",
            (long long)cfg->objects_min, (long long)cfg->objects_max, BL_SYNTH_MAX_OBJECTS);
    if (cfg->size_min > cfg->size_max || cfg->size_max > 0.8 * (double)side)
        return bl_fail(BL_ECONFIG,
                       "synth.size_max: %g must be at least size_min = %g and at most 0.8 of the "
                       "image side %lld",
                       cfg->size_max, cfg->size_min, (long long)side);
    return BL_OK;
}

static bl_status make_set(job *j, image_set *s, const char *json_path, char sum[65],
                          bl_synth_progress progress, void *arg, int64_t done, int64_t total) {
    const bl_synth_config *cfg = j->cfg;
    size_t n = (size_t)(s->images ? s->images : 1);
    s->categories = calloc(n * BL_SYNTH_MAX_OBJECTS, sizeof *s->categories);
    s->planned = calloc(n, sizeof *s->planned);
    s->scenes = calloc(n, sizeof *s->scenes);
    s->sums = calloc(n, sizeof *s->sums);
    if (!s->categories || !s->planned || !s->scenes || !s->sums)
        return bl_no_memory("for %lld %s images (synth)", (long long)s->images, s->name);
    j->set = s;
    BL_TRY(plan_set(cfg, s));
    bl_parallel_for(s->images, 16, place_range, j);
    BL_TRY(take_failure(j));
    if (s->min_instances > 0) BL_TRY(top_up(j));
    count_instances(s);
    for (j->first = 0; j->first < s->images; j->first += CHUNK) {
        int64_t here = s->images - j->first < CHUNK ? s->images - j->first : CHUNK;
        bl_parallel_for(here, 4, render_range, j);
        BL_TRY(take_failure(j));
        if (progress) progress(arg, done + j->first + here, total);
    }
    return write_annotations(cfg, s, json_path, sum);
}

bl_status bl_synth_generate(const bl_synth_config *cfg, const char *out_dir,
                            bl_synth_progress progress, void *progress_arg) {
    BL_TRY(check_config(cfg));
    double unlabelled = cfg->unlabelled_imbalance > 0 ? cfg->unlabelled_imbalance : cfg->imbalance;
    image_set sets[3] = {
        {.name = "labelled",
         .id = 1,
         .images = cfg->labelled,
         .first_image_id = 1,
         .imbalance = cfg->imbalance,
         .min_instances = cfg->min_instances},
        {.name = "unlabelled",
         .id = 2,
         .images = cfg->unlabelled,
         .first_image_id = 1 + cfg->labelled,
         .imbalance = unlabelled},
        {.name = "test",
         .id = 3,
         .images = cfg->test,
         .first_image_id = 1 + cfg->labelled + cfg->unlabelled,
         .imbalance = 1},
    };
    char sums[3][65], *image_dir = bl_path_join(out_dir, "images"),
                      *summary = bl_path_join(out_dir, "synth.json");
    job j = {.cfg = cfg, .image_dir = image_dir};
    int64_t done = 0, total = cfg->labelled + cfg->unlabelled + cfg->test;
    pthread_mutex_init(&j.lock, NULL);
    bl_status status = BL_OK;
    if (!image_dir || !summary) status = bl_no_memory("for a path (synth)");
    if (status == BL_OK) status = bl_mkdirs(image_dir);
    /* An older summary must not vouch for files that are about to change. */
    if (status == BL_OK && remove(summary) != 0 && errno != ENOENT)
        status = bl_fail(BL_EIO, "%s: cannot remove: %s", summary, strerror(errno));
    for (int k = 0; k < 3 && status == BL_OK; k++) {
        char *json_path = NULL;
        if (asprintf(&json_path, "%s/%s.json", out_dir, sets[k].name) < 0) {
            status = bl_no_memory("for a path (synth)");
            break;
        }
        status = make_set(&j, &sets[k], json_path, sums[k], progress, progress_arg, done, total);
        done += sets[k].images;
        free(json_path);
    }
    if (status == BL_OK) status = write_summary(cfg, sets, sums, out_dir);
    for (int k = 0; k < 3; k++) {
        free(sets[k].categories);
        free(sets[k].planned);
        free(sets[k].scenes);
        free(sets[k].sums);
    }
    free(image_dir);
    free(summary);
    pthread_mutex_destroy(&j.lock);
    return status;
}
