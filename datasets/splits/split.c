#include "datasets/splits/split.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mt19937.h"
#include "core/rng.h"
#include "core/strmap.h"
#include "datasets/splits/split_list.h"

#define FIELD(member, type) #member, type, offsetof(bl_split_config, member)
static const char *const draws[] = {"ballast", "numpy", NULL}; /* bl_split_draw */
static const bl_field fields[] = {
    {FIELD(percent, BL_T_REAL), "10", 1e-6, 99.999999, NULL, "%",
     "Share of the images that is labelled.", NULL},
    {FIELD(draw, BL_T_ENUM), "\"ballast\"", 0, 0, draws, NULL,
     "Generator of the draw; numpy: the labelled images of STAC and Soft Teacher for the same "
     "percent and seed.",
     NULL},
    {FIELD(base, BL_T_STRING), "\"\"", 0, 0, NULL, NULL,
     "File that lists the labelled images, by file name or id, instead of a draw; minority boxes "
     "are removed from them. Unbiased Teacher's COCO_supervision.txt: percent and seed choose its "
     "draw.",
     NULL},
    {FIELD(few, BL_T_STRING), "\"\"", 0, 0, NULL, NULL,
     "File that lists the images that keep all boxes, instead of drawn few-shot images.", NULL},
    {FIELD(seed, BL_T_INT), "0", 0, 9e15, NULL, NULL, "Seed of the draw.", NULL},
    {FIELD(fold, BL_T_INT), "0", 0, 1e6, NULL, NULL, "Independent repetitions of the same seed.",
     NULL},
    {FIELD(min_boxes, BL_T_INT), "0", 0, 1e9, NULL, "boxes",
     "Further images are labelled until every class has this many boxes; 0 = off.", NULL},
    {FIELD(minority, BL_T_STRINGS), "[]", 0, 0, NULL, NULL,
     "Names of the minority classes: their boxes are removed from the random part and given back "
     "by "
     "few-shot images.",
     NULL},
    {FIELD(few_shot_images, BL_T_INT), "0", 0, 1e9, NULL, "images",
     "Random images with all boxes that are added to a stripped split.", NULL},
    {FIELD(few_shot_boxes, BL_T_INT), "10", 0, 1e9, NULL, "boxes",
     "Few-shot images are added until every minority class has this many boxes.", NULL},
    {FIELD(drop_empty, BL_T_BOOL), "false", 0, 0, NULL, NULL,
     "Leave out labelled images with a side under 32 px or without a box.", NULL},
    {0}};
const bl_schema bl_split_schema = {"split", "Labelled and unlabelled parts of a data set.",
                                   sizeof(bl_split_config), fields};

enum { MIN_SIDE = 32 };
typedef enum part { UNLABELLED, BASE, FEW_SHOT, DROPPED } part;

typedef struct draw {
    const bl_dataset *d;
    bl_split *out;
    int32_t n_units; /* files left to draw from */
    int32_t *order;  /* the permutation: of each file the first image */
    int32_t *twin;   /* [n_images] the next image of the same file; -1: none */
    int32_t *head;   /* [n_images] the first image of the same file */
    int32_t next;    /* files of `order` handed out */
    uint8_t *part;   /* per image */
    int64_t *have;   /* per class: labelled boxes */
    bool stripped;   /* the base loses its minority boxes */
} draw;

static bool counts(const bl_ann *a) {
    return !a->iscrowd && !bl_ann_degenerate(a);
}

/* Does this labelled image keep this box? */
static bool keeps(const draw *w, const bl_ann *a) {
    return !(w->stripped && w->part[a->image] == BASE && w->out->is_minority[a->category]);
}

static void label(draw *w, int32_t image, part p) {
    for (; image >= 0; image = w->twin[image]) {
        const bl_image_info *im = &w->d->images[image];
        w->part[image] = (uint8_t)p;
        for (int32_t i = 0; i < im->n_anns; i++) {
            const bl_ann *a = &w->d->anns[im->first_ann + i];
            if (counts(a) && keeps(w, a)) w->have[a->category]++;
        }
    }
}

static bl_status find_minority(const bl_split_config *cfg, const bl_dataset *d, bool *is_minority) {
    const char **names = calloc((size_t)d->n_categories + 1, sizeof *names);
    if (!names) return bl_no_memory("for %d classes", d->n_categories);
    for (int32_t c = 0; c < d->n_categories; c++) names[c] = d->categories[c].name;
    bl_status status = BL_OK;
    for (int32_t i = 0; i < cfg->minority.n && status == BL_OK; i++) {
        const char *word = cfg->minority.v[i];
        int32_t c = 0;
        while (c < d->n_categories && strcmp(names[c], word) != 0) c++;
        if (c < d->n_categories) {
            is_minority[c] = true;
            continue;
        }
        const char *close = bl_did_you_mean(word, names);
        status = bl_fail(BL_ECONFIG, "split.minority: %s has no class \"%s\"%s%s%s", d->name, word,
                         close ? "; did you mean \"" : "", close ? close : "", close ? "\"?" : "");
    }
    free(names);
    return status;
}

/* Some entry of the image has a box of a wanted class with fewer than k. */
static bool wanted(const draw *w, int32_t image, bool minority_only, int64_t k) {
    for (; image >= 0; image = w->twin[image]) {
        const bl_image_info *im = &w->d->images[image];
        for (int32_t n = 0; n < im->n_anns; n++) {
            const bl_ann *a = &w->d->anns[im->first_ann + n];
            if (!counts(a) || w->have[a->category] >= k) continue;
            if (!minority_only || w->out->is_minority[a->category]) return true;
        }
    }
    return false;
}

static void find_short(draw *w, bool minority_only, int64_t k) {
    for (int32_t c = 0; c < w->d->n_categories; c++) {
        if (minority_only && !w->out->is_minority[c]) continue;
        w->out->is_short[c] = w->have[c] < k;
        w->out->n_short += w->out->is_short[c];
    }
}

/* Labels images that hold a wanted class with fewer than k boxes, in the order
 * of the permutation. */
static void top_up(draw *w, bool minority_only, int64_t k) {
    for (int32_t i = w->next; i < w->n_units; i++) {
        if (!wanted(w, w->order[i], minority_only, k)) continue;
        label(w, w->order[i], FEW_SHOT);
        w->out->n_topup++;
    }
    find_short(w, minority_only, k);
}

/* Entries of one file stay together. */
static bl_status find_units(draw *w) {
    const bl_dataset *d = w->d;
    bl_arena *arena = bl_arena_create(0);
    bl_strmap *files = arena ? bl_strmap_create(arena) : NULL;
    int32_t *last = malloc(((size_t)d->n_images + 1) * sizeof *last); /* of each file's list */
    bl_status status = files && last ? BL_OK : bl_no_memory("for %s", d->name);
    for (int32_t i = 0; i < d->n_images && status == BL_OK; i++) {
        int64_t first = bl_strmap_add(files, 0, d->images[i].file, i);
        w->twin[i] = -1;
        w->head[i] = (int32_t)(first < 0 ? i : first);
        if (first < 0) {
            status = BL_ENOMEM;
        } else if (first == i) {
            w->order[w->n_units++] = i;
        } else {
            w->twin[last[first]] = i;
            w->out->n_twins++;
        }
        if (first >= 0) last[first] = i;
    }
    bl_arena_destroy(arena);
    free(last);
    return status;
}

static void shuffle(draw *w, const bl_split_config *cfg) {
    if (cfg->draw == BL_DRAW_NUMPY) {
        bl_mt19937 twister;
        bl_mt19937_seed(&twister, (uint32_t)(cfg->seed + cfg->fold));
        bl_mt19937_shuffle(&twister, w->order, w->n_units);
        return;
    }
    bl_rng rng = bl_rng_make((uint64_t)cfg->seed,
                             bl_rng_key(0x73706c6974 /* "split" */, (uint64_t)cfg->fold, 0));
    bl_rng_shuffle(&rng, w->order, w->n_units);
}

static bl_status draw_base(draw *w, const bl_split_config *cfg) {
    bl_split *s = w->out;
    int32_t n = w->n_units;
    if (cfg->draw == BL_DRAW_NUMPY)
        s->n_base = (int32_t)(cfg->percent / 100.0 * n);
    else /* the slack keeps 29 % of 100 images from becoming 28 */
        s->n_base = (int32_t)floor(cfg->percent * n / 100 + 1e-9);
    if (s->n_base < 1)
        return bl_fail(BL_ECONFIG,
                       "split.percent: %g %% of the %d images of %s is less than one image",
                       cfg->percent, n, w->d->name);
    for (; w->next < s->n_base; w->next++) label(w, w->order[w->next], BASE);
    return BL_OK;
}

/* Labels the files of a list that have no part yet; returns their number. */
static bl_status label_list(draw *w, const bl_split_config *cfg, const char *path, part p,
                            int32_t *n, int32_t *n_before) {
    bl_split_list list;
    BL_TRY(bl_split_list_read(path, w->d, cfg->percent, cfg->seed, &list));
    for (int32_t i = 0; i < list.n; i++) {
        int32_t first = w->head[list.image[i]];
        if (w->part[first] == UNLABELLED) {
            label(w, first, p);
            *n += 1;
        } else if (w->part[first] != p) {
            *n_before += 1;
        }
    }
    bl_split_list_free(&list);
    return BL_OK;
}

/* What lists have taken is not drawn any more. */
static void drop_taken(draw *w) {
    int32_t kept = 0;
    for (int32_t i = 0; i < w->n_units; i++)
        if (w->part[w->order[i]] == UNLABELLED) w->order[kept++] = w->order[i];
    w->n_units = kept;
    w->next = 0;
}

static bl_status draw_few(draw *w, const bl_split_config *cfg) {
    int32_t left = w->n_units - w->next;
    if (cfg->few_shot_images >= left)
        return bl_fail(
            BL_ECONFIG,
            "split.few_shot_images: %lld leave nothing unlabelled of the %d images after "
            "the base",
            (long long)cfg->few_shot_images, left);
    w->out->n_few_shot = (int32_t)cfg->few_shot_images;
    for (int32_t end = w->next + w->out->n_few_shot; w->next < end; w->next++)
        label(w, w->order[w->next], FEW_SHOT);
    top_up(w, true, cfg->few_shot_boxes);
    return BL_OK;
}

static bl_status draw_images(draw *w, const bl_split_config *cfg) {
    bl_split *s = w->out;
    bool base = cfg->base && *cfg->base, few = cfg->few && *cfg->few;
    int32_t none = 0;
    BL_TRY(find_units(w));
    int32_t n = w->n_units;
    shuffle(w, cfg);
    if (few) BL_TRY(label_list(w, cfg, cfg->few, FEW_SHOT, &s->n_few_shot, &none));
    if (base) BL_TRY(label_list(w, cfg, cfg->base, BASE, &s->n_base, &s->n_both));
    if (base || few) drop_taken(w);
    if (!base) BL_TRY(draw_base(w, cfg));
    if (w->stripped && !few)
        BL_TRY(draw_few(w, cfg));
    else if (w->stripped)
        find_short(w, true, cfg->few_shot_boxes);
    else if (cfg->min_boxes > 0)
        top_up(w, false, cfg->min_boxes);
    if (s->n_base + s->n_few_shot + s->n_topup == n)
        return bl_fail(
            BL_ECONFIG,
            "split: all %d images of %s became labelled; ask for a smaller percent or fewer "
            "boxes per class",
            n, w->d->name);
    return BL_OK;
}

static void drop_empty(draw *w) {
    const bl_dataset *d = w->d;
    for (int32_t i = 0; i < d->n_images; i++) {
        const bl_image_info *im = &d->images[i];
        int32_t left = 0;
        for (int32_t n = 0; n < im->n_anns; n++) {
            const bl_ann *a = &d->anns[im->first_ann + n];
            left += counts(a) && keeps(w, a);
        }
        bool small = im->width < MIN_SIDE || im->height < MIN_SIDE;
        if (w->part[i] == UNLABELLED || (left > 0 && !small)) continue;
        w->part[i] = DROPPED;
        w->out->n_dropped++;
    }
}

static bl_status build(const draw *w, bool labelled, bl_dataset **out) {
    const bl_dataset *d = w->d;
    bl_dataset parts = *d;
    parts.role = labelled ? "labelled" : "unlabelled";
    parts.n_images = 0;
    parts.n_anns = 0;
    parts.images = malloc(sizeof *parts.images * ((size_t)d->n_images + 1));
    parts.anns = malloc(sizeof *parts.anns * ((size_t)d->n_anns + 1));
    bl_status status = BL_OK;
    if (!parts.images || !parts.anns) {
        status = bl_no_memory("for a split of %d images", d->n_images);
        goto done;
    }
    for (int32_t i = 0; i < d->n_images; i++) {
        if (w->part[i] == DROPPED || (w->part[i] == UNLABELLED) == labelled) continue;
        const bl_image_info *im = &d->images[i];
        for (int32_t n = 0; n < im->n_anns; n++) {
            const bl_ann *a = &d->anns[im->first_ann + n];
            if (labelled && !keeps(w, a)) continue;
            parts.anns[parts.n_anns] = *a;
            parts.anns[parts.n_anns++].image = parts.n_images;
        }
        parts.images[parts.n_images++] = *im;
    }
    status = bl_dataset_build(&parts, out);
done:
    free(parts.images);
    free(parts.anns);
    return status;
}

static bl_status check_config(const bl_split_config *cfg) {
    if (cfg->draw == BL_DRAW_NUMPY && cfg->seed + cfg->fold > UINT32_MAX)
        return bl_fail(BL_ECONFIG,
                       "split.seed + split.fold = %lld, but numpy takes seeds below 2^32",
                       (long long)(cfg->seed + cfg->fold));
    if (!(cfg->percent > 0 && cfg->percent < 100))
        return bl_fail(BL_ECONFIG, "split.percent is %g, expected more than 0 and less than 100",
                       cfg->percent);
    if (cfg->min_boxes < 0 || cfg->few_shot_images < 0 || cfg->few_shot_boxes < 0)
        return bl_fail(BL_ECONFIG,
                       "split: min_boxes, few_shot_images and few_shot_boxes must not be "
                       "negative");
    if (cfg->minority.n > 0 && cfg->min_boxes > 0)
        return bl_fail(BL_ECONFIG,
                       "split: min_boxes belongs to the plain split; with minority classes "
                       "set few_shot_boxes instead");
    return BL_OK;
}

bl_status bl_split_make(const bl_split_config *cfg, const bl_dataset *source, bl_split *out) {
    *out = (bl_split){.config = *cfg, .source = source};
    BL_TRY(check_config(cfg));
    size_t n = (size_t)source->n_images + 1, k = (size_t)source->n_categories + 1;
    draw w = {.d = source, .out = out, .stripped = cfg->minority.n > 0};
    bl_status status = BL_OK;
    w.order = malloc(n * sizeof *w.order);
    w.twin = malloc(n * sizeof *w.twin);
    w.head = malloc(n * sizeof *w.head);
    w.part = calloc(n, sizeof *w.part);
    w.have = calloc(k, sizeof *w.have);
    out->is_minority = calloc(k, sizeof *out->is_minority);
    out->is_short = calloc(k, sizeof *out->is_short);
    if (!w.order || !w.twin || !w.head || !w.part || !w.have || !out->is_minority ||
        !out->is_short) {
        status = bl_no_memory("for a split of %d images", source->n_images);
        goto done;
    }
    BL_TRY_DONE(find_minority(cfg, source, out->is_minority));
    BL_TRY_DONE(draw_images(&w, cfg));
    if (cfg->drop_empty) drop_empty(&w);
    BL_TRY_DONE(build(&w, true, &out->labelled));
    BL_TRY_DONE(build(&w, false, &out->unlabelled));
done:
    free(w.order);
    free(w.twin);
    free(w.head);
    free(w.part);
    free(w.have);
    if (status != BL_OK) bl_split_free(out);
    return status;
}

void bl_split_free(bl_split *s) {
    bl_dataset_free(s->labelled);
    bl_dataset_free(s->unlabelled);
    free(s->is_minority);
    free(s->is_short);
    *s = (bl_split){0};
}
