/* Threaded, prefetching, exactly resumable loader of mixed labelled/unlabelled batches.
 *
 * The order of batches is a pure function of (seed, repeat lists, position): any worker count gives
 * the same batches. Each group (labelled, unlabelled) is a list of image indices, with repeats,
 * shuffled by (seed, group, pass) and consumed without replacement; a position is a bl_loader_pos,
 * so resuming is O(1) in the number of steps done. Workers decode once per sample and make all of
 * its views (one decode, several views); randomness of a view is keyed by (seed, step, slot, view).
 * A decoded-image cache (bounded in bytes) serves small data sets. */
#ifndef BALLAST_DATASETS_LOADING_DETECTION_LOADER_H
#define BALLAST_DATASETS_LOADING_DETECTION_LOADER_H

#include "datasets/views/detection/view.h"

enum { BL_LOADER_MAX_VIEWS = 3 };

typedef struct bl_loader_config {
    int64_t batch;    /* images a batch */
    int64_t labelled; /* images of it that are labelled, fixed mixing; batch = supervised only */
    bool binomial;    /* draw the unlabelled count ~ Binomial(batch, 1 - labelled/batch), keeping
                         at least one of each kind (Soft Teacher's sampler) */
    bool group_by_aspect; /* all images of a batch from one aspect group (w/h > 1 or not), groups
                             drawn in proportion to their (repeated) size */
    int64_t workers;      /* decoding threads; 0 = decode in the calling thread */
    int64_t prefetch;     /* batches decoded ahead */
    int64_t cache_mb;     /* decoded-image cache */
    bool skip_bad; /* an unreadable image is replaced by the next readable one of the data set
                      (of the same kind and aspect group), and reported once */
} bl_loader_config;
extern const bl_schema bl_loader_schema;

typedef struct bl_sample {
    int32_t image; /* index into its data set */
    bool labelled;
    int32_t n_views;
    bl_view views[BL_LOADER_MAX_VIEWS];
} bl_sample;

typedef struct bl_batch {
    int64_t step;
    int64_t place; /* 0..bl_loader_places() - 1: no two batches that exist share one */
    int32_t n;     /* labelled samples first, then unlabelled */
    int32_t n_labelled;
    bl_sample *samples;
} bl_batch;

/* Where the sampler stands before `step`; plain integers, stored in checkpoints. To resume: set the
 * repeats that were in force, then seek. */
typedef struct bl_loader_pos {
    int64_t step;
    int64_t cursor[2][2]; /* [labelled/unlabelled][aspect group]: pass * (list length) + images
                             consumed of it */
} bl_loader_pos;

typedef struct bl_loader bl_loader;

/* labelled and unlabelled may be the same or different data sets; unlabelled may be NULL. View
 * kinds per sample: labelled_kinds[n_lk], unlabelled_kinds[n_uk] (e.g. {STRONG, WEAK}). Data sets
 * must outlive the loader. Starts no work until the first bl_loader_next or bl_loader_seek. */
bl_status bl_loader_create(const bl_loader_config *cfg, const bl_view_config *view,
                           const bl_dataset *labelled, const bl_view_kind *labelled_kinds, int n_lk,
                           const bl_dataset *unlabelled, const bl_view_kind *unlabelled_kinds,
                           int n_uk, uint64_t seed, bl_loader **out);
void bl_loader_destroy(bl_loader *l);

/* Copies of each image in a group's list (0 = leave out); n = images of that data set. Prefetched
 * batches are dropped and redone from the current position. The list starts with the pass after the
 * current one, so the order does not repeat after a rebuild. */
bl_status bl_loader_set_repeats(bl_loader *l, bool labelled, const int32_t *copies);

/* Batches that can exist at a time. */
int64_t bl_loader_places(const bl_loader *l);
/* `ready` is called with every batch once it is made, by whichever thread made its last view; a
 * failure is that of the batch. Not every batch made is handed out. Before the first
 * bl_loader_next. */
typedef bl_status (*bl_ready_fn)(void *arg, const bl_batch *b);
void bl_loader_on_ready(bl_loader *l, bl_ready_fn ready, void *arg);

/* The next batch; valid until bl_loader_release. Errors of workers surface here. */
bl_status bl_loader_next(bl_loader *l, bl_batch **out);
void bl_loader_release(bl_loader *l, bl_batch *b);

/* Position before the batch that bl_loader_next will return next; and going there. */
bl_loader_pos bl_loader_tell(const bl_loader *l);
bl_status bl_loader_seek(bl_loader *l, const bl_loader_pos *pos);

/* Images skipped so far (skip_bad). */
int64_t bl_loader_skipped(const bl_loader *l);

#endif
