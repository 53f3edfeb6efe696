#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json_pull.h"
#include "datasets/annotations/coco_record.h"
#include "datasets/annotations/coco_refs.h"
#include "datasets/annotations/dataset.h"
#include "datasets/images/image.h"

typedef struct reader {
    coco_parser p;
    bl_segmentation segmentation; /* p's, when masks are read */
    const char *name;
    bool skip_bad, images_only, evaluation, sizes_later, no_categories;
    int64_t skipped, max_ann_id;
    bl_arena *arena;
    coco_refs image_refs, category_refs;
    bl_id_index ann_ids;
    bl_category *categories;
    bl_image_info *images;
    struct lists {
        coco_ids negative, not_exhaustive;
    } * lists;               /* [n_images], into p.ids */
    bl_federated *federated; /* [n_images] once resolved; NULL without any list */
    int32_t *indices;        /* its lists */
    int64_t n_unlisted;
    bl_mask *masks; /* [n_anns], when masks are read */
    int64_t cap_masks;
    bl_ann *anns; /* image and category: number of the ref, until resolved */
    int64_t n_categories, n_images, n_anns, cap_categories, cap_images, cap_lists, cap_anns;
    int64_t *renumber; /* indices into anns of those whose id was taken, or is a text */
    int64_t n_renumber, cap_renumber, n_text_ids;
    const char *role;
} reader;

/* ---- growing ---- */

static bl_status grow(reader *r, void *array, int64_t *cap, int64_t n, size_t size) {
    if (n < *cap) return BL_OK;
    int64_t bigger = *cap ? *cap + *cap / 2 : 256;
    void *old;
    memcpy(&old, array, sizeof old);
    void *v = bigger < INT32_MAX ? realloc(old, (size_t)bigger * size) : NULL;
    if (!v) return bl_no_memory("for %s (%lld records)", r->name, (long long)bigger);
    memcpy(array, &v, sizeof v);
    *cap = bigger;
    return BL_OK;
}

/* Ends a record: a defect fails, or drops the record. */
static bl_status settle(reader *r, const coco_record *rec, bool *drop) {
    *drop = r->p.why[0] != 0;
    if (!*drop) return BL_OK;
    if (!r->skip_bad) {
        char id[80];
        if (rec->seen & 1)
            return bl_pull_fail(r->p.j, "(id %s): %s", bl_id_show(rec->id, id, sizeof id),
                                r->p.why);
        return bl_pull_fail(r->p.j, "%s", r->p.why);
    }
    r->skipped++;
    return BL_OK;
}

/* Stands for a name where an evaluation needs none. */
static bl_status id_name(reader *r, bl_id id, const char **name) {
    char text[24];
    if (!id.text) snprintf(text, sizeof text, "%lld", (long long)id.number);
    const char *s = id.text ? id.text : text;
    *name = bl_strpool_add(&r->p.pool, s, strlen(s));
    return *name ? BL_OK : BL_ENOMEM;
}

static bool has_size(const coco_record *rec) {
    return rec->width >= 1 && rec->height >= 1 && rec->width <= BL_IMAGE_MAX_SIDE &&
           rec->height <= BL_IMAGE_MAX_SIDE;
}

static void check_size(reader *r, coco_record *rec) {
    if (r->sizes_later) {
        if (!has_size(rec)) rec->width = rec->height = 0;
        return;
    }
    if (r->evaluation) { /* any, or none */
        if (!rec->width || !rec->height) rec->width = rec->height = 0;
        return;
    }
    if (!(rec->seen & COCO_WIDTH_BIT)) bl_coco_defect(&r->p, "\"width\" is missing");
    if (!(rec->seen & COCO_HEIGHT_BIT)) bl_coco_defect(&r->p, "\"height\" is missing");
    if (rec->width < 1 || rec->height < 1 || rec->width > BL_IMAGE_MAX_SIDE ||
        rec->height > BL_IMAGE_MAX_SIDE)
        bl_coco_defect(&r->p, "size %lldx%lld, expected sides of 1 to %d pixels",
                       (long long)rec->width, (long long)rec->height, BL_IMAGE_MAX_SIDE);
}

/* LVIS v1 gives an address alone. Its images lie in the folders of COCO's two sets, so that the
 * folder belongs to the name. */
static const char *last_folder(const char *url) {
    const char *s = strrchr(url, '/');
    if (!s) return url;
    while (s > url && s[-1] != '/') s--;
    return s + strspn(s, "/");
}

static bl_status add_image(reader *r, int64_t number) {
    coco_record rec;
    bool drop;
    int64_t k = 0;
    BL_TRY(bl_coco_record_read(&r->p, bl_coco_image_fields, &rec));
    const char *file = rec.file_name;
    if (!file && rec.coco_url) file = last_folder(rec.coco_url);
    if (!r->p.why[0]) check_size(r, &rec);
    if (!r->p.why[0]) {
        BL_TRY(bl_coco_ref(&r->image_refs, rec.id, &r->p.pool, &k));
        if (r->evaluation && (!file || !*file)) BL_TRY(id_name(r, rec.id, &file));
        if (!file || !*file)
            bl_coco_defect(&r->p, "\"file_name\" is missing (and so is \"coco_url\")");
        if (r->image_refs.v[k].index >= 0)
            bl_coco_defect(&r->p, "the image id is used twice (first: %s); ids must be unique",
                           r->images[r->image_refs.v[k].index].file);
    }
    BL_TRY(settle(r, &rec, &drop));
    if (drop) return BL_OK;
    BL_TRY(grow(r, &r->images, &r->cap_images, r->n_images, sizeof *r->images));
    BL_TRY(grow(r, &r->lists, &r->cap_lists, r->n_images, sizeof *r->lists));
    r->lists[r->n_images] = (struct lists){rec.negative, rec.not_exhaustive};
    r->image_refs.v[k].index = r->n_images;
    r->images[r->n_images++] = (bl_image_info){.id = rec.id.number,
                                               .file = file,
                                               .width = (int32_t)rec.width,
                                               .height = (int32_t)rec.height,
                                               .record = (uint32_t)number};
    return BL_OK;
}

static bl_status add_category(reader *r, int64_t number) {
    coco_record rec;
    bool drop;
    int64_t k = 0;
    BL_TRY(bl_coco_record_read(&r->p, bl_coco_category_fields, &rec));
    if (!r->p.why[0]) {
        BL_TRY(bl_coco_ref(&r->category_refs, rec.id, &r->p.pool, &k));
        if (r->evaluation && (!rec.name || !*rec.name)) BL_TRY(id_name(r, rec.id, &rec.name));
        if (!rec.name || !*rec.name)
            bl_coco_defect(&r->p, "\"name\" is %s", rec.name ? "empty" : "missing");
        if (rec.image_count < 0 || rec.instance_count < 0)
            bl_coco_defect(&r->p, "\"image_count\" or \"instance_count\" is negative");
        if (r->category_refs.v[k].index >= 0)
            bl_coco_defect(&r->p, "the category id is used twice (first: %s); ids must be unique",
                           r->categories[r->category_refs.v[k].index].name);
    }
    BL_TRY(settle(r, &rec, &drop));
    if (drop) return BL_OK;
    BL_TRY(grow(r, &r->categories, &r->cap_categories, r->n_categories, sizeof *r->categories));
    char f = rec.frequency && rec.frequency[0] && !rec.frequency[1] ? rec.frequency[0] : 0;
    r->category_refs.v[k].index = r->n_categories;
    r->categories[r->n_categories++] =
        (bl_category){.id = rec.id.number,
                      .name = rec.name,
                      .supercategory = rec.supercategory ? rec.supercategory : "",
                      .frequency = f == 'r' || f == 'c' || f == 'f' ? f : 0,
                      .image_count = rec.image_count,
                      .instance_count = rec.instance_count,
                      .record = (uint32_t)number};
    return BL_OK;
}

/* Makes runs of the record's segmentation, and from them the bbox or area that it lacks. A defect
 * leaves no mask. */
static bl_status read_mask(reader *r, coco_record *rec, bl_mask *mask) {
    bl_segmentation *s = r->p.segmentation;
    *mask = (bl_mask){0};
    if (!s || s->kind == BL_SEGM_NONE || r->p.why[0]) return BL_OK;
    int64_t k = bl_id_index_get(&r->image_refs.map, rec->image_id);
    if (k < 0 || r->image_refs.v[k].index < 0)
        return BL_OK; /* no such image: fails, or is dropped */
    const bl_image_info *im = &r->images[r->image_refs.v[k].index];
    bl_status status = bl_segmentation_runs(s, im->height, im->width);
    if (status == BL_EFORMAT) {
        bl_coco_defect(&r->p, "\"segmentation\": %s", bl_error());
        return BL_OK;
    }
    BL_TRY(status);
    BL_TRY(bl_mask_keep(&r->p.pool, &s->runs, mask));
    if (!(rec->seen & COCO_BBOX_BIT)) bl_rle_to_box(&s->runs, rec->bbox);
    if (!(rec->seen & COCO_AREA_BIT)) rec->area = mask->area;
    rec->seen |= COCO_BBOX_BIT | COCO_AREA_BIT;
    return BL_OK;
}

static bl_status add_ann(reader *r, int64_t number) {
    coco_record rec;
    bl_mask mask;
    bool drop, taken = false;
    int64_t image = 0, category = 0, first;
    BL_TRY(bl_coco_record_read(&r->p, bl_coco_ann_fields, &rec));
    BL_TRY(read_mask(r, &rec, &mask));
    if (!(rec.seen & COCO_BBOX_BIT)) bl_coco_defect(&r->p, "\"bbox\" is missing");
    if (!r->p.why[0]) {
        for (int i = 0; i < 4; i++)
            if (fabs(rec.bbox[i]) > BL_MAX_COORDINATE)
                bl_coco_defect(&r->p, "bbox [%g, %g, %g, %g] is not in pixels", rec.bbox[0],
                               rec.bbox[1], rec.bbox[2], rec.bbox[3]);
        BL_TRY(bl_id_index_add(&r->ann_ids, rec.id, number, &first));
        taken = first != number;
        if (taken && !r->skip_bad)
            bl_coco_defect(
                &r->p,
                "the annotation id is used twice (first: annotations[%lld]); ids must be unique",
                (long long)first);
        if (!rec.id.text && rec.id.number > r->max_ann_id) r->max_ann_id = rec.id.number;
    }
    BL_TRY(settle(r, &rec, &drop));
    if (drop) return BL_OK;
    BL_TRY(bl_coco_ref(&r->image_refs, rec.image_id, &r->p.pool, &image));
    BL_TRY(bl_coco_ref(&r->category_refs, rec.category_id, &r->p.pool, &category));
    if (r->image_refs.v[image].first_use < 0) r->image_refs.v[image].first_use = number;
    if (r->category_refs.v[category].first_use < 0) r->category_refs.v[category].first_use = number;
    BL_TRY(grow(r, &r->renumber, &r->cap_renumber, r->n_renumber, sizeof *r->renumber));
    if (taken || rec.id.text) r->renumber[r->n_renumber++] = r->n_anns;
    r->n_text_ids += !taken && rec.id.text;
    if (r->p.segmentation) {
        BL_TRY(grow(r, &r->masks, &r->cap_masks, r->n_anns, sizeof *r->masks));
        r->masks[r->n_anns] = mask;
    }
    BL_TRY(grow(r, &r->anns, &r->cap_anns, r->n_anns, sizeof *r->anns));
    r->anns[r->n_anns++] =
        (bl_ann){.id = rec.id.number,
                 .x = rec.bbox[0],
                 .y = rec.bbox[1],
                 .w = rec.bbox[2],
                 .h = rec.bbox[3],
                 .area = rec.seen & COCO_AREA_BIT ? rec.area : rec.bbox[2] * rec.bbox[3],
                 .image = (int32_t)image,
                 .category = (int32_t)category,
                 .iscrowd = rec.iscrowd,
                 .ignore = rec.ignore,
                 .difficult = rec.difficult,
                 .renumbered = taken,
                 .record = (uint32_t)number};
    return BL_OK;
}

/* ---- document ---- */

static bl_status read_array(reader *r, const char *key,
                            bl_status (*add)(reader *r, int64_t number)) {
    BL_TRY(bl_pull_array(r->p.j));
    for (int64_t i = 0;; i++) {
        bool more;
        bl_pull_context(r->p.j, key, i);
        BL_TRY(bl_pull_more(r->p.j, &more));
        if (!more) break;
        BL_TRY(add(r, i));
    }
    bl_pull_context(r->p.j, NULL, 0);
    return BL_OK;
}

static bl_status read_info(reader *r) {
    if (bl_pull_peek(r->p.j) != BL_PULL_OBJECT) return bl_pull_skip(r->p.j);
    BL_TRY(bl_pull_object(r->p.j));
    for (;;) {
        const char *key;
        BL_TRY(bl_pull_key(r->p.j, &key));
        if (!key) return BL_OK;
        if (strcmp(key, "ballast_role") == 0 && bl_pull_peek(r->p.j) == BL_PULL_STRING) {
            BL_TRY(bl_coco_string(&r->p, key, &r->role));
        } else {
            BL_TRY(bl_pull_skip(r->p.j));
        }
    }
}

/* Without "categories" an evaluation takes the ids that annotations use. */
static bl_status make_categories(reader *r) {
    for (int64_t k = 0; k < r->category_refs.n; k++) {
        coco_ref *ref = &r->category_refs.v[k];
        bl_category c = {.id = ref->id.number, .supercategory = ""};
        BL_TRY(id_name(r, ref->id, &c.name));
        BL_TRY(grow(r, &r->categories, &r->cap_categories, r->n_categories, sizeof c));
        ref->index = r->n_categories;
        r->categories[r->n_categories++] = c;
    }
    return BL_OK;
}

static bl_status read_document(reader *r) {
    enum { IMAGES, ANNOTATIONS, CATEGORIES, TABLES };
    static const char *const keys[] = {"images", "annotations", "categories"};
    static bl_status (*const adders[])(reader *, int64_t) = {add_image, add_ann, add_category};
    bool have[TABLES] = {false}, postponed = false;
    bl_pull_place place;
    if (bl_pull_peek(r->p.j) == BL_PULL_ARRAY)
        return bl_fail(
            BL_EFORMAT,
            "%s: is a JSON array, perhaps a file of detections; an annotation file is an "
            "object with \"images\", \"annotations\" and \"categories\"",
            r->name);
    BL_TRY(bl_pull_object(r->p.j));
    for (;;) {
        const char *key;
        BL_TRY(bl_pull_key(r->p.j, &key));
        if (!key) break;
        int t = 0;
        while (t < TABLES && strcmp(keys[t], key) != 0) t++;
        if (t == TABLES) {
            BL_TRY(strcmp(key, "info") == 0 ? read_info(r) : bl_pull_skip(r->p.j));
            continue;
        }
        if (have[t]) return bl_pull_fail(r->p.j, "\"%s\" is given twice", keys[t]);
        have[t] = true;
        if (t == ANNOTATIONS && r->p.segmentation &&
            !have[IMAGES]) { /* polygons need their sizes */
            bl_pull_save(r->p.j, &place);
            postponed = true;
            BL_TRY(bl_pull_skip(r->p.j));
        } else {
            BL_TRY(read_array(r, keys[t], adders[t]));
        }
    }
    BL_TRY(bl_pull_end(r->p.j));
    if (postponed) {
        BL_TRY(bl_pull_return(r->p.j, &place));
        BL_TRY(read_array(r, keys[ANNOTATIONS], add_ann));
    }
    if (!have[CATEGORIES] && r->evaluation) {
        BL_TRY(make_categories(r));
        r->no_categories = have[CATEGORIES] = true;
    }
    for (int t = 0; t < TABLES; t++)
        if (!have[t] && !(t != IMAGES && r->images_only))
            return bl_fail(BL_EFORMAT,
                           "%s: has no \"%s\"; a COCO annotation file needs \"images\", "
                           "\"annotations\" and \"categories\" (an empty array is allowed)",
                           r->name, keys[t]);
    return BL_OK;
}

/* ---- resolving ---- */

static int by_id(const void *a, const void *b) {
    int64_t x = ((const bl_category *)a)->id, y = ((const bl_category *)b)->id;
    return (x > y) - (x < y);
}

static bl_status unknown(const reader *r, const coco_ref *t, const char *key, const char *table,
                         int64_t n) {
    char id[80];
    return bl_fail(
        BL_EFORMAT,
        "%s: annotations[%lld] has \"%s\": %s, which none of the %lld \"%s\" defines; add "
        "it there, or remove the annotation%s",
        r->name, (long long)t->first_use, key, bl_id_show(t->id, id, sizeof id), (long long)n,
        table, r->evaluation ? "" : "; --skip-bad and data.skip_bad leave such ones out");
}

/* The ids of images and categories that are texts. */
static bl_status number_texts(reader *r) {
    BL_TRY(bl_coco_refs_number_texts(&r->image_refs, r->name));
    BL_TRY(bl_coco_refs_number_texts(&r->category_refs, r->name));
    for (int64_t i = 0; i < r->image_refs.n; i++) {
        const coco_ref *t = &r->image_refs.v[i];
        if (t->index < 0 || !t->id.text) continue;
        r->images[t->index].id = t->id.number;
        r->images[t->index].id_text = t->id.text;
    }
    for (int64_t i = 0; i < r->category_refs.n; i++) {
        const coco_ref *t = &r->category_refs.v[i];
        if (t->index < 0 || !t->id.text) continue;
        r->categories[t->index].id = t->id.number;
        r->categories[t->index].id_text = t->id.text;
    }
    return BL_OK;
}

static void sort_categories(reader *r) {
    if (r->n_categories)
        qsort(r->categories, (size_t)r->n_categories, sizeof *r->categories, by_id);
    for (int64_t i = 0; i < r->n_categories; i++) {
        const bl_category *c = &r->categories[i];
        int64_t k = bl_id_index_get(&r->category_refs.map, (bl_id){c->id, c->id_text});
        r->category_refs.v[k].index = i;
    }
}

/* Replaces ref numbers by table indices, and drops (or refuses) annotations of undefined ids. */
static bl_status resolve(reader *r) {
    BL_TRY(number_texts(r));
    sort_categories(r);
    if (r->max_ann_id > INT64_MAX - r->n_renumber)
        return bl_fail(BL_EFORMAT, "%s: no annotation ids are left above %lld for duplicate ones",
                       r->name, (long long)r->max_ann_id);
    for (int64_t i = 0; i < r->n_renumber; i++) r->anns[r->renumber[i]].id = r->max_ann_id + 1 + i;
    int64_t kept = 0;
    for (int64_t i = 0; i < r->n_anns; i++) {
        bl_ann a = r->anns[i];
        const coco_ref *image = &r->image_refs.v[a.image],
                       *category = &r->category_refs.v[a.category];
        if (image->index < 0 || category->index < 0) {
            if (!r->skip_bad && image->index < 0)
                return unknown(r, image, "image_id", "images", r->n_images);
            if (!r->skip_bad)
                return unknown(r, category, "category_id", "categories", r->n_categories);
            r->skipped++;
            continue;
        }
        a.image = (int32_t)image->index;
        a.category = (int32_t)category->index;
        if (r->masks) r->masks[kept] = r->masks[i];
        r->anns[kept++] = a;
    }
    r->n_anns = kept;
    return BL_OK;
}

static int by_value(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Category ids become indices at `to`, ascending, each once; returns their number. */
static int32_t resolve_list(reader *r, coco_ids ids, int32_t *to) {
    int32_t n = 0, kept = 0;
    for (int64_t i = 0; i < ids.n; i++) {
        int64_t k = bl_id_index_get(&r->category_refs.map, (bl_id){.number = r->p.ids[ids.at + i]});
        int64_t index = k < 0 ? -1 : r->category_refs.v[k].index;
        if (index >= 0)
            to[n++] = (int32_t)index;
        else
            r->n_unlisted++;
    }
    qsort(to, (size_t)n, sizeof *to, by_value);
    for (int32_t i = 0; i < n; i++)
        if (i == 0 || to[i] != to[i - 1]) to[kept++] = to[i];
    return kept;
}

/* The lists of images that were dropped are in p.ids too, so that it bounds what is kept. */
static bl_status resolve_lists(reader *r) {
    bool any = false;
    for (int64_t i = 0; i < r->n_images; i++)
        any |= r->lists[i].negative.n >= 0 || r->lists[i].not_exhaustive.n >= 0;
    if (!any) return BL_OK;
    r->federated = calloc((size_t)r->n_images, sizeof *r->federated);
    r->indices = malloc(((size_t)r->p.n_ids + 1) * sizeof *r->indices);
    if (!r->federated || !r->indices)
        return bl_no_memory("for %s (the lists of %lld images)", r->name, (long long)r->n_images);
    int32_t *to = r->indices;
    for (int64_t i = 0; i < r->n_images; i++) {
        const struct lists *l = &r->lists[i];
        bl_federated *f = &r->federated[i];
        f->stated = l->negative.n >= 0 && l->not_exhaustive.n >= 0;
        f->negative = to;
        to += f->n_negative = resolve_list(r, l->negative, to);
        f->not_exhaustive = to;
        to += f->n_not_exhaustive = resolve_list(r, l->not_exhaustive, to);
    }
    return BL_OK;
}

/* Takes over `j`. */
static bl_status read_all(bl_pull *j, const char *name, const char *image_dir, bl_read_options *opt,
                          bl_dataset **out) {
    reader r = {.p.j = j, .name = name, .role = ""};
    bl_status status;
    if (opt && opt->masks) r.p.segmentation = &r.segmentation;
    if (opt) {
        r.skip_bad = opt->skip_bad;
        r.images_only = opt->images_only;
        r.evaluation = opt->evaluation;
        r.sizes_later = opt->sizes_later;
        r.p.any_side = opt->evaluation || opt->sizes_later;
    }
    r.arena = r.p.pool.arena = bl_arena_create(0);
    if (!r.arena) {
        status = bl_no_memory("for %s", name);
        goto done;
    }
    BL_TRY_DONE(read_document(&r));
    BL_TRY_DONE(resolve(&r));
    BL_TRY_DONE(resolve_lists(&r));
    const bl_dataset parts = {.name = name,
                              .source = BL_SOURCE_COCO,
                              .image_dir = image_dir,
                              .categories = r.categories,
                              .images = r.images,
                              .anns = r.anns,
                              .federated = r.federated,
                              .masks = r.masks,
                              .n_categories = (int32_t)r.n_categories,
                              .n_images = (int32_t)r.n_images,
                              .n_anns = r.n_anns,
                              .role = r.role};
    status = bl_dataset_build(&parts, out);
    if (opt) {
        opt->n_skipped = r.skipped;
        opt->n_renumbered = r.n_renumber - r.n_text_ids;
        opt->n_unlisted = r.n_unlisted;
        opt->no_categories = r.no_categories;
    }
done:
    bl_arena_destroy(r.arena);
    bl_coco_refs_free(&r.image_refs);
    bl_coco_refs_free(&r.category_refs);
    bl_id_index_free(&r.ann_ids);
    free(r.categories);
    free(r.images);
    free(r.masks);
    bl_segmentation_free(&r.segmentation);
    free(r.lists);
    free(r.federated);
    free(r.indices);
    free(r.p.ids);
    free(r.anns);
    free(r.renumber);
    bl_pull_close(j);
    return status;
}

bl_status bl_coco_read(const char *json_path, const char *image_dir, bl_read_options *opt,
                       bl_dataset **out) {
    bl_pull *j;
    *out = NULL;
    BL_TRY(bl_pull_open(json_path, &j));
    return read_all(j, json_path, image_dir, opt, out);
}

bl_status bl_coco_read_memory(const void *data, size_t size, const char *name,
                              const char *image_dir, bl_read_options *opt, bl_dataset **out) {
    bl_pull *j;
    *out = NULL;
    BL_TRY(bl_pull_open_memory(data, size, name, &j));
    return read_all(j, name, image_dir, opt, out);
}
