#include "datasets/splits/holdout.h"

#include <math.h>
#include <stdlib.h>

#include "core/rng.h"

enum { STREAM = 0x686f6c64 }; /* "hold" */

typedef struct work {
    const bl_dataset *d;
    int32_t *order;      /* images, shuffled */
    uint8_t *taken;      /* per image */
    int64_t *all, *left; /* images of each class, before and now */
    int32_t *mark;       /* per class: the image that was counted last, plus 1 */
} work;

/* Calls for each class of the image once: whether it can spare an image, then takes it away. */
static bool spare(work *w, int32_t image, bool take) {
    const bl_image_info *info = &w->d->images[image];
    bool can = true;
    for (int32_t a = 0; a < info->n_anns; a++) {
        int32_t c = w->d->anns[info->first_ann + a].category;
        int32_t now = take ? -image - 1 : image + 1;
        if (w->mark[c] == now) continue;
        w->mark[c] = now;
        can = can && 2 * (w->left[c] - 1) >= w->all[c];
        if (take) w->left[c]--;
    }
    return can;
}

static int32_t choose(work *w, int32_t want) {
    int32_t n = 0;
    for (int32_t i = 0; i < w->d->n_images && n < want; i++) {
        if (!spare(w, w->order[i], false)) continue;
        spare(w, w->order[i], true);
        w->taken[w->order[i]] = 1;
        n++;
    }
    return n;
}

static bl_status part(const work *w, uint8_t which, int32_t *list, bl_dataset **out) {
    int32_t n = 0;
    for (int32_t i = 0; i < w->d->n_images; i++)
        if (w->taken[i] == which) list[n++] = i;
    return bl_dataset_subset(w->d, list, n, out);
}

static bl_status divide(work *w, double share, bl_dataset **rest, bl_dataset **held) {
    bl_rng rng = bl_rng_make(STREAM, 0);
    for (int32_t i = 0; i < w->d->n_images; i++) w->order[i] = i;
    bl_rng_shuffle(&rng, w->order, w->d->n_images);
    bl_dataset_counts(w->d, true, w->all, NULL);
    bl_dataset_counts(w->d, true, w->left, NULL);
    int32_t want = (int32_t)fmax(1, round(share * w->d->n_images));
    if (choose(w, want) == 0)
        return bl_fail(BL_EFORMAT,
                       "%s: none of its %d labelled images can be set aside: each holds a class "
                       "that has no other; name validation images of their own in data.validation",
                       w->d->name, (int)w->d->n_images);
    BL_TRY(part(w, 1, w->order, held));
    bl_status status = part(w, 0, w->order, rest);
    if (status != BL_OK) bl_dataset_free(*held);
    return status;
}

bl_status bl_dataset_hold_out(bl_dataset **d, double share, bl_dataset **held) {
    size_t n = (size_t)(*d)->n_images + 1, k = (size_t)(*d)->n_categories + 1;
    work w = {.d = *d,
              .order = calloc(n, sizeof *w.order),
              .taken = calloc(n, 1),
              .all = calloc(k, sizeof *w.all),
              .left = calloc(k, sizeof *w.left),
              .mark = calloc(k, sizeof *w.mark)};
    bl_dataset *rest = NULL;
    *held = NULL;
    bl_status status = w.order && w.taken && w.all && w.left && w.mark
                           ? divide(&w, share, &rest, held)
                           : bl_no_memory("for validation images");
    if (status == BL_OK) {
        bl_dataset_free(*d);
        *d = rest;
    } else {
        *held = NULL;
    }
    free(w.order);
    free(w.taken);
    free(w.all);
    free(w.left);
    free(w.mark);
    return status;
}
