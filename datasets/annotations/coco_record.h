/* Reads one record ("images", "categories", "annotations") of a COCO file, field by field, from a
 * table of the fields that are wanted. Internal to the COCO reader. */
#ifndef BALLAST_DATASETS_ANNOTATIONS_COCO_RECORD_H
#define BALLAST_DATASETS_ANNOTATIONS_COCO_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ids.h"
#include "core/json_pull.h"
#include "core/strpool.h"
#include "datasets/annotations/segmentation.h"

typedef enum coco_type {
    ID,
    INTEGER,
    SIDE, /* an INTEGER; with coco_parser.any_side whatever is no number of pixels is 0: not known
           */
    REAL,
    FLAG,
    STRING,
    NAME,  /* a STRING, or the text of a number */
    LABEL, /* a STRING; whatever else stands there is passed over */
    BBOX,
    ID_LIST,
    SEGMENTATION
} coco_type;
typedef struct coco_field {
    const char *key; /* NULL ends a table */
    coco_type type;
    bool required;
    size_t offset; /* in coco_record */
} coco_field;

/* A range of coco_parser.ids; n is -1 when the field is absent. */
typedef struct coco_ids {
    int64_t at, n;
} coco_ids;

typedef struct coco_record {
    uint32_t seen;                   /* bit per field of the table */
    bl_id id, image_id, category_id; /* in this order; texts live in coco_parser.text */
    int64_t width, height, image_count, instance_count;
    double bbox[4], area;
    bool iscrowd, ignore, difficult;
    const char *name, *supercategory, *frequency, *file_name, *coco_url;
    coco_ids negative, not_exhaustive;
} coco_record;

typedef struct coco_parser {
    bl_pull *j;
    bl_strpool pool;               /* strings of the records */
    char why[320];                 /* defect of the record read last; "" = none */
    bl_segmentation *segmentation; /* of the record read last; NULL: masks are skipped */
    bool any_side;
    char text[3][BL_ID_MAX_TEXT]; /* the record's ids, when they are texts */
    int64_t *ids;                 /* all id lists, one behind the other; malloc'd */
    int64_t n_ids, cap_ids;
} coco_parser;

extern const coco_field bl_coco_image_fields[], bl_coco_category_fields[], bl_coco_ann_fields[];
enum { COCO_WIDTH_BIT = 1 << 1, COCO_HEIGHT_BIT = 1 << 2 }; /* in bl_coco_image_fields */
enum { COCO_BBOX_BIT = 1 << 3, COCO_AREA_BIT = 1 << 4 };    /* in bl_coco_ann_fields */

/* Reads the next value as a record. Fails only on broken JSON or for want of memory; whatever else
 * is wrong with the record is noted in p->why. */
bl_status bl_coco_record_read(coco_parser *p, const coco_field *fields, coco_record *rec);
/* Notes the first defect of the record. */
void bl_coco_defect(coco_parser *p, const char *fmt, ...) BL_PRINTF(2, 3);
/* A string value, kept in the pool; a defect when it is none. `key` is for the message. */
bl_status bl_coco_string(coco_parser *p, const char *key, const char **v);

#endif
