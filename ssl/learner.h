/* A learner is a training algorithm: Soft Teacher for detection, FixMatch for classification, ...
 * It turns a batch of views into named losses and owns whatever state makes it semi-supervised
 * (teacher, thresholds, class weights, banks). The training loop knows only this interface: it asks
 * for losses, runs backward and the optimiser, logs, evaluates and checkpoints, whichever algorithm
 * and whichever task runs. What a task's learners have in common beyond it stands in
 * ssl/detection/learner.h and ssl/classification/learner.h. */
#ifndef BALLAST_SSL_LEARNER_H
#define BALLAST_SSL_LEARNER_H

#include "core/log.h"
#include "kernels/staging.h"
#include "kernels/tape.h"
#include "nn/store.h"
#include "ssl/state.h"

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

/* A model that can be evaluated. */
typedef struct bl_learner_model {
    const char *name; /* "student"; of the moving average, bl_learner_average_name */
    bl_store *store;
    const void *model; /* the task's: bl_detector, bl_classifier */
} bl_learner_model;

/* What a step learns from. */
typedef struct bl_step_input {
    const void *batch;       /* of the run's task: a bl_batch, a bl_classify_batch */
    const bl_tensor *images; /* on the device: what the plans in a batch count through; NULL with a
                                batch of pixels */
    /* The batch's pixels, sent to the device ahead of the step, as the task numbers them; NULL: they
     * were not. */
    const bl_parcel *sent;
    /* An iteration's gradient is the mean of `parts` batches', of which this is number `part` (from
     * 0). The loop sets both; 0 parts count as one. */
    int32_t part, parts;
} bl_step_input;

typedef struct bl_learner bl_learner;
typedef struct bl_learner_ops {
    /* Between steps, before iteration t's batch is fetched, with no step open on ctx: decisions on
     * sampling, passes over whole sets, generations. changed[0] labelled, changed[1] unlabelled:
     * the repeat list is a new one. */
    bl_status (*prepare)(bl_learner *l, bl_ctx *ctx, int64_t t, bool changed[2]);
    /* Copies of each image of a group in force during iteration t; false = one each. */
    bool (*copies)(bl_learner *l, int64_t t, bool labelled, int32_t *copies);
    /* Runs of several generations only, else NULL. A generation is over, no step is open: makes its
     * choices, then new models, to be trained from the start. */
    bl_status (*generation)(bl_learner *l, bl_ctx *ctx);
    /* Labels of the labelled list in force; false = the task's own. */
    bool (*labels)(bl_learner *l, int32_t *label);
    /* Called before iteration t's losses, inside the first batch's step: teacher EMA, thresholds. */
    bl_status (*before_step)(bl_learner *l, bl_ctx *ctx, int64_t t);
    /* Records the student on the tape; teacher passes run without recording. Once a batch. */
    bl_status (*losses)(bl_learner *l, bl_ctx *ctx, const bl_step_input *in, int64_t t,
                        bl_step_losses *out);
    /* After the optimiser's update; the step is closed, its tensors are gone. */
    bl_status (*after_step)(bl_learner *l, bl_ctx *ctx, int64_t t);
    /* Reports a window that ends at t and clears it: writes whole lines of its own ("class",
     * "pool") into `lines`. *pseudo_per_image, pseudo boxes or pseudo-labels used an unlabelled
     * image, is for the console and the "train" line (negative: not applicable). */
    bl_status (*report)(bl_learner *l, int64_t t, bl_metrics *lines, double *pseudo_per_image);
    /* State in both directions (ssl/state.h). */
    bl_status (*state)(bl_learner *l, bl_state_io *io);
    void (*destroy)(bl_learner *l);
} bl_learner_ops;

/* Base of every learner's own struct (first member). */
struct bl_learner {
    const bl_learner_ops *ops;
    const char *name; /* in checkpoints */
    /* [0] the trained one (student), [1] the teacher or .store == NULL */
    bl_learner_model model[2];
    int32_t n_classes;
    bool uses_unlabelled; /* false: needs no unlabelled data */
};

void bl_add_loss(bl_step_losses *out, const char *name, bl_tensor *value, double weight);

/* What the moving average of a learner's weights is called: the "teacher" of a learner that labels
 * unlabelled images, else "ema". Checkpoints call both "teacher". */
const char *bl_learner_average_name(bool uses_unlabelled);

#endif
