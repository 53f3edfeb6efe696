/* Reading result files. */
#include <stdio.h>
#include <string.h>

#include "core/ids.h"
#include "core/json_pull.h"
#include "datasets/annotations/segmentation.h"
#include "eval/protocol/detections.h"
#include "eval/protocol/image_names.h"

enum { IMAGE_ID, CATEGORY_ID, SCORE, BBOX, FILE_NAME, KEYPOINTS, SEGMENTATION, KEYS };
static const char *const keys[KEYS] = {"image_id",  "category_id", "score",       "bbox",
                                       "file_name", "keypoints",   "segmentation"};

typedef struct reader {
    bl_pull *j;
    const bl_dataset *gt;
    bl_detections_options *o;
    bl_id_index images, categories;
    bl_image_names names;
    bl_segmentation segmentation; /* of the present entry, when masks are read */
    /* How the present entry names its image. */
    bl_id image_id;
    char image_text[BL_ID_MAX_TEXT], file_name[BL_ID_MAX_TEXT];
} reader;

static bl_status map_ids(reader *r) {
    int64_t stored;
    for (int32_t i = 0; i < r->gt->n_images; i++) {
        const bl_image_info *im = &r->gt->images[i];
        BL_TRY(bl_id_index_add(&r->images, (bl_id){im->id, im->id_text}, i, &stored));
    }
    for (int32_t k = 0; k < r->gt->n_categories; k++) {
        const bl_category *c = &r->gt->categories[k];
        BL_TRY(bl_id_index_add(&r->categories, (bl_id){c->id, c->id_text}, k, &stored));
    }
    return BL_OK;
}

static bl_status unknown(reader *r, const char *key, const char *what, bl_id id, int64_t *n,
                         char first[80]) {
    char text[80];
    bl_id_show(id, text, sizeof text);
    if (!r->o->skip_unknown)
        return bl_pull_fail(r->j,
                            "\"%s\" %s: the ground truth (%s) has no such %s; evaluate against the "
                            "annotations the detections were made for, or skip unknown ids",
                            key, text, r->gt->name ? r->gt->name : "?", what);
    if ((*n)++ == 0) memcpy(first, text, sizeof text);
    return BL_OK;
}

/* Keeps a copy of the text, which lives in the reader's buffer. */
static bl_status read_id(reader *r, bl_id *id, char copy[BL_ID_MAX_TEXT]) {
    const char *text;
    *id = (bl_id){0};
    BL_TRY(bl_pull_id(r->j, &id->number, &text));
    if (!text) return BL_OK;
    snprintf(copy, BL_ID_MAX_TEXT, "%s", text); /* what is longer is unknown, cut or not */
    *id = bl_id_of_text(copy);
    return BL_OK;
}

/* The image by "file_name", or by an "image_id" that names a file; -1 when there is none. */
static bl_status find_by_name(reader *r, const bool given[KEYS], int32_t *index) {
    *index = -1;
    if (given[FILE_NAME]) BL_TRY(bl_image_names_find(&r->names, r->gt, r->file_name, index));
    if (*index >= 0 || !given[IMAGE_ID]) return BL_OK;
    if (r->image_id.text) return bl_image_names_find(&r->names, r->gt, r->image_id.text, index);
    if (!r->o->by_name) return BL_OK;
    return bl_image_names_find_number(&r->names, r->gt, r->image_id.number, index);
}

static bl_status find_image(reader *r, const bool given[KEYS], int32_t *index) {
    int64_t by_id = -1;
    if (given[IMAGE_ID] && !r->o->by_name) by_id = bl_id_index_get(&r->images, r->image_id);
    *index = (int32_t)by_id;
    if (by_id >= 0 && !given[FILE_NAME]) return BL_OK;
    BL_TRY(find_by_name(r, given, index));
    if (*index < 0) *index = (int32_t)by_id;
    r->o->n_named += *index != by_id;
    if (*index >= 0) return BL_OK;
    bool id = given[IMAGE_ID];
    return unknown(r, keys[id ? IMAGE_ID : FILE_NAME], "image",
                   id ? r->image_id : (bl_id){.text = r->file_name}, &r->o->n_unknown_images,
                   r->o->unknown_image);
}

static bl_status read_category(reader *r, int32_t *index) {
    char copy[BL_ID_MAX_TEXT];
    bl_id id = {0};
    BL_TRY(read_id(r, &id, copy));
    *index = (int32_t)bl_id_index_get(&r->categories, id);
    for (int32_t k = 0; k < r->gt->n_categories && *index < 0 && id.text; k++)
        if (strcmp(r->gt->categories[k].name, id.text) == 0) *index = k;
    if (*index >= 0) return BL_OK;
    return unknown(r, "category_id", "category", id, &r->o->n_unknown_categories,
                   r->o->unknown_category);
}

static bl_status read_file_name(reader *r, bool *given) {
    const char *text;
    *given = bl_pull_peek(r->j) == BL_PULL_STRING;
    if (!*given) return bl_pull_skip(r->j);
    BL_TRY(bl_pull_string(r->j, &text, NULL));
    snprintf(r->file_name, sizeof r->file_name, "%s", text);
    return BL_OK;
}

/* *given = false for [], which stands for no box. */
static bl_status read_bbox(reader *r, bl_detection *d, bool *given) {
    double *const to[4] = {&d->x, &d->y, &d->w, &d->h};
    int n = 0;
    BL_TRY(bl_pull_array(r->j));
    for (;; n++) {
        bool more;
        BL_TRY(bl_pull_more(r->j, &more));
        if (!more) break;
        if (n == 4) return bl_pull_fail(r->j, "\"bbox\" has more than four numbers");
        BL_TRY(bl_pull_number(r->j, to[n]));
    }
    *given = n > 0;
    if (n > 0 && n < 4)
        return bl_pull_fail(r->j, "\"bbox\" has %d numbers, expected four: x, y, width, height", n);
    return BL_OK;
}

static bl_status read_segmentation(reader *r, bool *given) {
    char why[320];
    BL_TRY(bl_segmentation_read(&r->segmentation, r->j, why, sizeof why));
    *given = r->segmentation.kind != BL_SEGM_NONE;
    return why[0] ? bl_pull_fail(r->j, "%s", why) : BL_OK;
}

static bl_status read_value(reader *r, int which, bl_detection *d, bool *given) {
    *given = true;
    switch (which) {
    case IMAGE_ID:
        return read_id(r, &r->image_id, r->image_text);
    case CATEGORY_ID:
        return read_category(r, &d->category);
    case SCORE:
        return bl_pull_number(r->j, &d->score);
    case BBOX:
        return read_bbox(r, d, given);
    case FILE_NAME:
        return read_file_name(r, given);
    case KEYPOINTS:
        return bl_pull_skip(r->j);
    default:
        return read_segmentation(r, given);
    }
}

/* given[]: which keys have a value. */
static bl_status read_entry(reader *r, bl_detection *d, bool given[KEYS]) {
    bool seen[KEYS] = {false};
    BL_TRY(bl_pull_object(r->j));
    for (;;) {
        const char *key;
        BL_TRY(bl_pull_key(r->j, &key));
        if (!key) break;
        int which = 0, n = r->o->masks ? KEYS : SEGMENTATION;
        while (which < n && strcmp(key, keys[which]) != 0) which++;
        if (which == n) { /* area, ... */
            BL_TRY(bl_pull_skip(r->j));
            continue;
        }
        if (seen[which]) return bl_pull_fail(r->j, "\"%s\" is given twice", keys[which]);
        seen[which] = true;
        BL_TRY(read_value(r, which, d, &given[which]));
    }
    for (int which = 0; which <= SCORE; which++)
        if (!given[which] && !(which == IMAGE_ID && given[FILE_NAME]))
            return bl_pull_fail(r->j, "\"%s\" is missing", keys[which]);
    r->o->n_keypoints += given[KEYPOINTS];
    return find_image(r, given, &d->image);
}

/* Without a box where boxes are evaluated. */
static bl_status no_box(reader *r, const bool given[KEYS]) {
    return given[KEYPOINTS]
               ? bl_pull_fail(r->j, "\"bbox\" is missing; keypoints are not evaluated, boxes and "
                                    "masks are: give each detection a box")
               : bl_pull_fail(r->j, "\"bbox\" is missing; a file of masks needs a protocol for "
                                    "masks");
}

/* Adds a detection that has a mask, a box, or both; what is missing is made of the other. */
static bl_status add_with_mask(reader *r, bl_detection *d, const bool given[KEYS],
                               bl_detections *out) {
    bl_segmentation *s = &r->segmentation;
    const bl_image_info *im = &r->gt->images[d->image];
    bl_status status;
    if (out->box_area && !given[BBOX])
        return bl_pull_fail(r->j, "\"bbox\" is missing; the first detection has one, so that areas "
                                  "are those of boxes: give all, or none");
    if (given[SEGMENTATION]) {
        status = bl_segmentation_runs(s, im->height, im->width);
    } else if (out->box_area) {
        const double box[4] = {d->x, d->y, d->w, d->h};
        status = bl_rle_from_box(box, im->height, im->width, &s->runs);
    } else {
        return bl_pull_fail(r->j, "\"segmentation\" is missing");
    }
    if (status == BL_EFORMAT) return bl_pull_fail(r->j, "\"segmentation\": %s", bl_error());
    BL_TRY(status);
    if (!given[BBOX]) {
        double box[4];
        bl_rle_to_box(&s->runs, box);
        d->x = box[0];
        d->y = box[1];
        d->w = box[2];
        d->h = box[3];
    }
    return bl_detections_add_mask(out, d, &s->runs);
}

static bl_status read_all(reader *r, bl_detections *out) {
    if (bl_pull_peek(r->j) == BL_PULL_OBJECT)
        return bl_pull_fail(r->j, "is a JSON object, perhaps an annotation file; a result file is "
                                  "an array of {\"image_id\", \"category_id\", \"bbox\", "
                                  "\"score\"}");
    BL_TRY(map_ids(r));
    BL_TRY(bl_pull_array(r->j));
    for (int64_t i = 0;; i++) {
        bool more;
        bl_detection d = {0};
        bool given[KEYS] = {false};
        bl_pull_context(r->j, "detection", i);
        BL_TRY(bl_pull_more(r->j, &more));
        if (!more) break;
        BL_TRY(read_entry(r, &d, given));
        if (i == 0) out->box_area = given[BBOX];
        if (!r->o->masks && !given[BBOX]) return no_box(r, given);
        if (d.image < 0 || d.category < 0) continue;
        BL_TRY(r->o->masks ? add_with_mask(r, &d, given, out) : bl_detections_add(out, &d));
    }
    bl_pull_context(r->j, NULL, 0);
    return bl_pull_end(r->j);
}

static bl_status finish_reading(reader *r, bl_detections *out) {
    *out = (bl_detections){0};
    bl_status status = read_all(r, out);
    bl_id_index_free(&r->images);
    bl_id_index_free(&r->categories);
    bl_image_names_free(&r->names);
    bl_segmentation_free(&r->segmentation);
    bl_pull_close(r->j);
    if (status != BL_OK) bl_detections_free(out);
    return status;
}

bl_status bl_detections_read(const char *path, const bl_dataset *gt, bl_detections *out) {
    return bl_detections_read_with(path, gt, &(bl_detections_options){0}, out);
}

bl_status bl_detections_read_with(const char *path, const bl_dataset *gt, bl_detections_options *o,
                                  bl_detections *out) {
    reader r = {.gt = gt, .o = o};
    *out = (bl_detections){0};
    BL_TRY(bl_pull_open(path, &r.j));
    return finish_reading(&r, out);
}

bl_status bl_detections_read_memory(const void *data, size_t size, const char *name,
                                    const bl_dataset *gt, bl_detections *out) {
    return bl_detections_read_memory_with(data, size, name, gt, &(bl_detections_options){0}, out);
}

bl_status bl_detections_read_memory_with(const void *data, size_t size, const char *name,
                                         const bl_dataset *gt, bl_detections_options *o,
                                         bl_detections *out) {
    reader r = {.gt = gt, .o = o};
    *out = (bl_detections){0};
    BL_TRY(bl_pull_open_memory(data, size, name, &r.j));
    return finish_reading(&r, out);
}
