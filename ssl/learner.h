/* A learner is a training algorithm: supervised, Soft Teacher, (later) FixMatch and its relatives.
 * It turns a batch of views into named losses and owns whatever state makes it semi-supervised
 * (teacher, thresholds, class weights, pools). The training loop knows only this interface: it asks
 * for losses, runs backward and the optimiser, logs, evaluates and checkpoints, whichever algorithm
 * runs. */
#ifndef BALLAST_SSL_LEARNER_H
#define BALLAST_SSL_LEARNER_H

#include "core/log.h"
#include "datasets/loader.h"
#include "kernels/tape.h"
#include "nn/store.h"

enum { BL_MAX_LOSSES = 16 };

typedef struct bl_loss {
    const char *name; /* key in metrics.jsonl, e.g. "sup_rpn_cls" */
    bl_tensor *value; /* scalar */
    float weight;     /* its factor in the total loss */
} bl_loss;

typedef struct bl_step_losses {
    bl_loss loss[BL_MAX_LOSSES];
    int n;
} bl_step_losses;

/* One named array of doubles in a checkpoint; everything a resumed run needs besides the stores. */
typedef struct bl_state_array {
    const char *name;
    const double *v;
    int64_t n;
} bl_state_array;

/* A model whose detections can be evaluated. */
typedef struct bl_learner_model {
    const char *name; /* "student", "teacher" */
    bl_store *store;
    const void *model; /* bl_detector */
} bl_learner_model;

typedef struct bl_learner bl_learner;
typedef struct bl_learner_ops {
    const char *name;
    /* Called before iteration t's losses: teacher EMA, resampling decisions. */
    bl_status (*before_step)(bl_learner *l, bl_ctx *ctx, int64_t t);
    /* Records the student on the tape; teacher passes run without recording. */
    bl_status (*losses)(bl_learner *l, bl_ctx *ctx, const bl_batch *batch, int64_t t,
                        bl_step_losses *out);
    /* After the optimiser's update. */
    bl_status (*after_step)(bl_learner *l, bl_ctx *ctx, int64_t t);
    /* Reports a window that ends at t and clears it: writes whole lines of its own ("class",
     * "pool") into `lines`. *pseudo_per_image is for the console and the "train" line (negative:
     * not applicable). */
    bl_status (*report)(bl_learner *l, int64_t t, bl_metrics *lines, double *pseudo_per_image);
    /* Before iteration t's batch is fetched: changed[0] labelled, changed[1] unlabelled repeat list
     * is a new one. */
    bl_status (*resample)(bl_learner *l, int64_t t, bool changed[2]);
    /* Copies of each image of a group in force during iteration t; false = one each. */
    bool (*copies)(bl_learner *l, int64_t t, bool labelled, int32_t *copies);
    /* Current pseudo-label thresholds [n_classes], for example images. */
    void (*thresholds)(const bl_learner *l, double *theta);
    /* State arrays, valid until the next step; and back (missing arrays are errors naming them). */
    bl_status (*save)(bl_learner *l, bl_arena *arena, bl_state_array *out, int cap, int *n);
    bl_status (*load)(bl_learner *l, const bl_state_array *in, int n);
    void (*destroy)(bl_learner *l);
} bl_learner_ops;

/* Base of every learner's own struct (first member). */
struct bl_learner {
    const bl_learner_ops *ops;
    bl_learner_model
        model[2]; /* [0] the trained one (student), [1] the teacher or .store == NULL */
    /* Views the loader shall make. */
    bl_view_kind labelled_views[BL_LOADER_MAX_VIEWS], unlabelled_views[BL_LOADER_MAX_VIEWS];
    int n_labelled_views, n_unlabelled_views; /* 0 unlabelled views: needs no unlabelled data */
};

#endif
