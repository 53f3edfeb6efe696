#include "datasets/annotations/coco_record.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/real_text.h"

#define AT(member) offsetof(coco_record, member)
const coco_field bl_coco_image_fields[] = {
    {"id", ID, true, AT(id)},
    {"width", SIDE, false, AT(width)},
    {"height", SIDE, false, AT(height)},
    {"file_name", STRING, false, AT(file_name)},
    {"coco_url", STRING, false, AT(coco_url)},
    {"neg_category_ids", ID_LIST, false, AT(negative)},
    {"not_exhaustive_category_ids", ID_LIST, false, AT(not_exhaustive)},
    {0}};
const coco_field bl_coco_category_fields[] = {
    {"id", ID, true, AT(id)},
    {"name", NAME, false, AT(name)},
    {"supercategory", LABEL, false, AT(supercategory)},
    {"frequency", STRING, false, AT(frequency)},
    {"image_count", INTEGER, false, AT(image_count)},
    {"instance_count", INTEGER, false, AT(instance_count)},
    {0}};
const coco_field bl_coco_ann_fields[] = {{"id", ID, true, AT(id)},
                                         {"image_id", ID, true, AT(image_id)},
                                         {"category_id", ID, true, AT(category_id)},
                                         {"bbox", BBOX, false, AT(bbox)},
                                         {"area", REAL, false, AT(area)},
                                         {"iscrowd", FLAG, false, AT(iscrowd)},
                                         {"ignore", FLAG, false, AT(ignore)},
                                         {"difficult", FLAG, false, AT(difficult)},
                                         {"segmentation", SEGMENTATION, false, 0},
                                         {0}};

/* Reading goes on to the record's end. */
void bl_coco_defect(coco_parser *p, const char *fmt, ...) {
    if (p->why[0]) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->why, sizeof p->why, fmt, ap);
    va_end(ap);
}

static bl_status wrong_type(coco_parser *p, const char *key, const char *wanted) {
    bl_pull_kind k = bl_pull_peek(p->j);
    if (k != BL_PULL_NONE)
        bl_coco_defect(p, "\"%s\" must be %s, found %s", key, wanted, bl_pull_kind_name(k));
    return bl_pull_skip(p->j);
}

static bl_status read_bbox(coco_parser *p, double *v) {
    int n = 0;
    bool more;
    if (bl_pull_peek(p->j) != BL_PULL_ARRAY)
        return wrong_type(p, "bbox", "an array of four numbers");
    BL_TRY(bl_pull_array(p->j));
    for (;; n++) {
        BL_TRY(bl_pull_more(p->j, &more));
        if (!more) break;
        if (n < 4 && bl_pull_peek(p->j) == BL_PULL_NUMBER)
            BL_TRY(bl_pull_number(p->j, &v[n]));
        else
            BL_TRY(wrong_type(p, "bbox", "an array of four numbers"));
    }
    if (n != 4) bl_coco_defect(p, "\"bbox\" has %d numbers, expected four: x, y, width, height", n);
    return BL_OK;
}

bl_status bl_coco_string(coco_parser *p, const char *key, const char **v) {
    if (bl_pull_peek(p->j) != BL_PULL_STRING) return wrong_type(p, key, "a string");
    const char *s;
    size_t len;
    BL_TRY(bl_pull_string(p->j, &s, &len));
    *v = bl_strpool_add(&p->pool, s, len);
    return *v ? BL_OK : BL_ENOMEM;
}

static bl_status read_id(coco_parser *p, const char *key, bl_id *to, char text[BL_ID_MAX_TEXT]) {
    bl_pull_kind k = bl_pull_peek(p->j);
    const char *s;
    if (k != BL_PULL_NUMBER && k != BL_PULL_STRING)
        return wrong_type(p, key, "a whole number or a text");
    BL_TRY(bl_pull_id(p->j, &to->number, &s));
    if (!s) return BL_OK;
    if (strlen(s) >= BL_ID_MAX_TEXT) {
        bl_coco_defect(p, "\"%s\" has more than %d characters", key, BL_ID_MAX_TEXT - 1);
        return BL_OK;
    }
    *to = bl_id_of_text(strcpy(text, s));
    return BL_OK;
}

static bl_status read_whole(coco_parser *p, const char *key, int64_t *to) {
    double d;
    bool whole;
    BL_TRY(bl_pull_whole(p->j, to, &d, &whole));
    if (!whole) bl_coco_defect(p, "\"%s\" is %.17g, expected a whole number", key, d);
    return BL_OK;
}

static bl_status read_any_side(coco_parser *p, int64_t *to) {
    double d;
    bool whole;
    if (bl_pull_peek(p->j) != BL_PULL_NUMBER) return bl_pull_skip(p->j);
    BL_TRY(bl_pull_whole(p->j, to, &d, &whole));
    if (!whole || *to < 0 || *to > INT32_MAX) *to = 0;
    return BL_OK;
}

static bl_status read_name(coco_parser *p, const char *key, const char **v) {
    double d;
    if (bl_pull_peek(p->j) != BL_PULL_NUMBER) return bl_coco_string(p, key, v);
    char text[BL_REAL_TEXT_MAX];
    BL_TRY(bl_pull_number(p->j, &d));
    bl_real_format(d, text);
    *v = bl_strpool_add(&p->pool, text, strlen(text));
    return *v ? BL_OK : BL_ENOMEM;
}

static bl_status read_ids(coco_parser *p, const char *key, coco_ids *to) {
    if (bl_pull_peek(p->j) != BL_PULL_ARRAY) return wrong_type(p, key, "an array of ids");
    *to = (coco_ids){.at = p->n_ids};
    BL_TRY(bl_pull_array(p->j));
    for (;;) {
        bool more;
        BL_TRY(bl_pull_more(p->j, &more));
        if (!more) break;
        if (bl_pull_peek(p->j) != BL_PULL_NUMBER) {
            BL_TRY(wrong_type(p, key, "an array of ids"));
            continue;
        }
        if (p->n_ids == p->cap_ids) {
            int64_t cap = p->cap_ids ? p->cap_ids + p->cap_ids / 2 : 1024;
            int64_t *v = realloc(p->ids, (size_t)cap * sizeof *v);
            if (!v) return bl_no_memory("for %lld ids", (long long)cap);
            p->ids = v;
            p->cap_ids = cap;
        }
        BL_TRY(bl_pull_int(p->j, &p->ids[p->n_ids++]));
    }
    to->n = p->n_ids - to->at;
    return BL_OK;
}

static bl_status read_field(coco_parser *p, const coco_field *f, void *dst) {
    bl_pull_kind k = bl_pull_peek(p->j);
    switch (f->type) {
    case ID:
        return read_id(p, f->key, dst, p->text[(f->offset - AT(id)) / sizeof(bl_id)]);
    case SIDE:
        if (p->any_side) return read_any_side(p, dst);
        /* fall through */
    case INTEGER:
        if (k != BL_PULL_NUMBER) return wrong_type(p, f->key, "a whole number");
        return read_whole(p, f->key, dst);
    case REAL:
        if (k != BL_PULL_NUMBER) return wrong_type(p, f->key, "a number");
        return bl_pull_number(p->j, dst);
    case FLAG: {
        int64_t v = 0;
        if (k == BL_PULL_TRUE || k == BL_PULL_FALSE) return bl_pull_bool(p->j, dst);
        if (k != BL_PULL_NUMBER) return wrong_type(p, f->key, "0 or 1");
        BL_TRY(bl_pull_int(p->j, &v));
        if (v != 0 && v != 1)
            bl_coco_defect(p, "\"%s\" is %lld, expected 0 or 1", f->key, (long long)v);
        *(bool *)dst = v == 1;
        return BL_OK;
    }
    case NAME:
        return read_name(p, f->key, dst);
    case LABEL:
        if (k != BL_PULL_STRING) return bl_pull_skip(p->j);
        /* fall through */
    case STRING:
        return bl_coco_string(p, f->key, dst);
    case BBOX:
        return read_bbox(p, dst);
    case ID_LIST:
        return read_ids(p, f->key, dst);
    case SEGMENTATION: {
        char why[sizeof p->why];
        BL_TRY(bl_segmentation_read(p->segmentation, p->j, why, sizeof why));
        if (why[0]) bl_coco_defect(p, "%s", why);
        return BL_OK;
    }
    }
    return BL_OK;
}

bl_status bl_coco_record_read(coco_parser *p, const coco_field *fields, coco_record *rec) {
    *rec = (coco_record){.negative.n = -1, .not_exhaustive.n = -1};
    p->why[0] = 0;
    if (p->segmentation) p->segmentation->kind = BL_SEGM_NONE;
    if (bl_pull_peek(p->j) != BL_PULL_OBJECT) {
        bl_coco_defect(p, "expected an object, found %s", bl_pull_kind_name(bl_pull_peek(p->j)));
        return bl_pull_skip(p->j);
    }
    BL_TRY(bl_pull_object(p->j));
    for (;;) {
        const char *key;
        BL_TRY(bl_pull_key(p->j, &key));
        if (!key) break;
        int k = 0;
        while (fields[k].key && (fields[k].key[0] != key[0] || strcmp(fields[k].key, key) != 0))
            k++;
        const coco_field *f = &fields[k];
        /* null in an optional field means absent, as exporters write it */
        if (!f->key || (f->type == SEGMENTATION && !p->segmentation) ||
            (!f->required && bl_pull_peek(p->j) == BL_PULL_NULL)) {
            BL_TRY(bl_pull_skip(p->j));
            continue;
        }
        if (rec->seen & 1u << k) bl_coco_defect(p, "\"%s\" is given twice", f->key);
        rec->seen |= 1u << k;
        BL_TRY(read_field(p, f, (char *)rec + f->offset));
    }
    for (int k = 0; fields[k].key; k++)
        if (fields[k].required && !(rec->seen & 1u << k))
            bl_coco_defect(p, "\"%s\" is missing", fields[k].key);
    return BL_OK;
}
