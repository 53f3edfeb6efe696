/* Detections to be evaluated, in original image pixels: a growable struct of arrays. */
#ifndef BALLAST_EVAL_PROTOCOL_DETECTIONS_H
#define BALLAST_EVAL_PROTOCOL_DETECTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "datasets/annotations/dataset.h"

typedef struct bl_detection {
    double x, y, w, h; /* COCO bbox */
    double score;
    int32_t image;    /* index into the data set's images */
    int32_t category; /* index into its categories */
} bl_detection;

typedef struct bl_detections {
    int64_t n, cap;
    bl_detection *v; /* malloc'd; order of insertion matters for ties (as in a result file) */
    /* Masks, in step with v; NULL for detections of boxes only. box_area: the area of a detection
     * is that of its box although it has a mask. */
    bl_mask *masks;
    int64_t cap_masks;
    bool box_area;
    bl_arena *arena; /* of the masks */
    bl_strpool pool;
} bl_detections;

bl_status bl_detections_add(bl_detections *d, const bl_detection *one);
/* With a mask, which is copied. Either all detections of `d` are added with a mask, or none. */
bl_status bl_detections_add_mask(bl_detections *d, const bl_detection *one, const bl_rle *mask);
/* What decides between small, medium and large: pixels of the mask, or width times height. */
double bl_detection_area(const bl_detections *d, int64_t i);
void bl_detections_free(bl_detections *d);
/* COCO result file [{"image_id","category_id","bbox","score"}]: streamed reading (ids mapped
 * through `gt`; unknown ids are errors naming the entry) and atomic writing (17 significant digits
 * for scores and coordinates that need them). */
bl_status bl_detections_read(const char *path, const bl_dataset *gt, bl_detections *out);
/* How an entry names its image: by "image_id", a number or a text that the ground truth has as an
 * id; a text that it has not is the name of the image's file, whole, from any folder on, or without
 * its ending (as ultralytics writes it). "file_name", where an entry has it, counts before
 * "image_id" when it names exactly one image. A category that is a text may be a name. */
/* With another treatment of ids that `gt` has not, or with masks ("segmentation"). As pycocotools'
 * loadRes has it, the first entry decides: when it has a box, all have one, the areas are those of
 * the boxes, and an entry without a mask gets the rectangle; when not, all have a mask, the areas
 * are those of the masks, and an entry without a box gets that around its mask. */
typedef struct bl_detections_options {
    bool skip_unknown;                              /* leave such entries out and count them */
    bool masks;                                     /* give each detection a mask */
    bool by_name;                                   /* image ids are names of files, never ids */
    int64_t n_unknown_images, n_unknown_categories; /* out: entries */
    char unknown_image[80], unknown_category[80];   /* out: the first such id, for messages */
    int64_t n_named;     /* out: entries whose image was found by the name of its file */
    int64_t n_keypoints; /* out: entries with "keypoints", which nothing here looks at */
} bl_detections_options;
bl_status bl_detections_read_with(const char *path, const bl_dataset *gt, bl_detections_options *o,
                                  bl_detections *out);
/* The same over memory; `name` stands for the file in messages. */
bl_status bl_detections_read_memory(const void *data, size_t size, const char *name,
                                    const bl_dataset *gt, bl_detections *out);
bl_status bl_detections_read_memory_with(const void *data, size_t size, const char *name,
                                         const bl_dataset *gt, bl_detections_options *o,
                                         bl_detections *out);
bl_status bl_detections_write(const bl_detections *d, const bl_dataset *gt, const char *path);

#endif
