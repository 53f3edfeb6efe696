/* Detection algorithms: what they are made of.
 *
 * A method is a list of plug-ins (ssl/plugin.h). The first is the base learner (method.name:
 * supervised, soft_teacher), which runs the detector on its views and makes the step's losses; the
 * others change the loss of the RoI classifier, weigh its rows, move thresholds, filter pseudo
 * boxes, repeat images, or add losses. Which there are stands in ssl/detection/plugins.c and
 * nowhere else.
 *
 * Class K of K foreground classes is the background. Images are indices into the labelled or the
 * unlabelled data set. Random draws are keyed by (seed, what for, iteration, image). */
#ifndef BALLAST_SSL_DETECTION_LEARNER_H
#define BALLAST_SSL_DETECTION_LEARNER_H

#include "balance/gradient_balance.h"
#include "ssl/detection/method.h"
#include "ssl/detection/pseudo_label.h"
#include "ssl/detection/teacher_ema.h"

typedef enum bl_branch { BL_BRANCH_LABELLED, BL_BRANCH_UNLABELLED } bl_branch;

/* What a base learner asks for, before anything is built. */
typedef struct bl_detection_needs {
    bl_view_kind labelled_views[BL_LOADER_MAX_VIEWS], unlabelled_views[BL_LOADER_MAX_VIEWS];
    int n_labelled_views, n_unlabelled_views; /* 0 unlabelled ones: it uses no such images */
    double ema;                               /* keep rate of the teacher */
    int64_t copied_until; /* up to this iteration the teacher is a copy of the student, then its
                             average at that rate; -1: the rate is warmed up (bl_ema_keep) */
    double unsup_weight;  /* factor of the unlabelled losses at full strength */
    double threshold;     /* of pseudo boxes that teach the RoI classifier */
} bl_detection_needs;

/* The run, as plug-ins see it. */
typedef struct bl_detection_world {
    const bl_method_config *method;
    bl_detection_needs needs;
    int32_t classes;                         /* K */
    const bl_dataset *labelled, *unlabelled; /* as in bl_learner_env */
    uint64_t seed;
    int64_t iterations;
    int32_t parts; /* batches of an iteration */
    double (*lr_at)(const void *arg, int64_t t);
    const void *lr_arg;
    bl_ctx *ctx; /* where the models live */
    bl_detector_pair pair;
    bl_plugin_list plugins;
    bl_gradient_balance *balance; /* gbr's, shared with gbt; NULL without them */
    double *theta;                /* [K] thresholds in force in this iteration */
    const double *class_weight;   /* [K+1] for the log: ones unless a plug-in points elsewhere */
    bool weighs;                  /* some plug-in has class weights in force: `weigh` is called */
} bl_detection_world;

/* ---- one step ---- */

typedef struct bl_detection_step {
    const bl_detection_world *world;
    bl_ctx *ctx; /* its arena holds everything a hook allocates for the step */
    const bl_step_input *in;
    const bl_batch
        *batch; /* in->batch; view v of its sample i is in->sent[i * BL_LOADER_MAX_VIEWS + v] */
    int64_t t;
    bl_step_losses *out;
} bl_detection_step;

/* The RoI classifier's rows of one branch, on the device. */
typedef struct bl_roi_rows {
    bl_branch branch;
    const bl_roi_batch *rois;
    const bl_roi_out *out;     /* feature, logits, deltas */
    const bl_tensor *reliable; /* (n) how much a row can be relied on: the teacher's word */
    const bl_tensor *weight;   /* (n) the same times class weights, by the branch's normaliser: the
                                  loss is sum_i weight_i loss_i */
} bl_roi_rows;

typedef enum bl_pseudo_use { BL_TEACHES_RPN, BL_TEACHES_CLASS, BL_TEACHES_BOX } bl_pseudo_use;

/* What only detection has; hooks are NULL where there is nothing to do. */
typedef struct bl_detection_plugin_type {
    bl_plugin_type plugin;
    /* The setting that puts it into the list, for messages, and whether it does; both NULL:
     * method.plugins names it. */
    const char *switched_by;
    bool (*wanted)(const bl_method_config *cfg);
    bool unlabelled; /* a base learner that learns from unlabelled images */
    /* What the RoI classifier of K classes is to be, in training and wherever a checkpoint is used
     * (detector/faster_rcnn.h): its width, layer, start, and how its logits become scores. The one
     * plug-in that claims the prediction; one of another width has a roi_loss, too. */
    void (*classifier)(const bl_method_config *cfg, int32_t classes, bl_roi_classifier *c);
    /* Base learners, before anything is built. */
    bl_status (*needs)(const bl_method_config *cfg, const bl_learner_env *env,
                       bl_detection_needs *n);
    /* Layers of its own in the store of a model, before it is finished, wherever the model is built:
     * for training, evaluation, prediction. The plug-in itself does not stand yet, and finds them by
     * name (bl_store_find). */
    bl_status (*declare)(const bl_method_config *cfg, bl_detector *d, bl_store *s);
    /* world is complete but for the plug-ins that come later in the list, and
     * outlives the plug-in. */
    bl_status (*create)(const bl_method_config *cfg, bl_detection_world *world, bl_plugin **out);

    /* Base learners only: views, forward passes and the main losses. */
    bl_status (*learn)(bl_plugin *p, bl_detection_step *s);
    /* Changes theta [K] of iteration t, which the base learner's threshold fills at first. */
    bl_status (*thresholds)(bl_plugin *p, int64_t t, double *theta);
    /* factor[i] *= the class weight of label[i] (used rows only, host). */
    bl_status (*weigh)(bl_plugin *p, bl_detection_step *s, bl_branch branch, const int32_t *label,
                       int64_t n, float *factor);
    /* The loss of the RoI classifier, value and gradient; the one plug-in that claims it. */
    bl_status (*roi_loss)(bl_plugin *p, bl_detection_step *s, const bl_roi_rows *rows,
                          bl_tensor **loss);
    /* After that loss: statistics of the rows, losses on their features (bl_add_loss). */
    bl_status (*rows)(bl_plugin *p, bl_detection_step *s, const bl_roi_rows *rows);
    /* Everything the teacher detected on an unlabelled image, before any filter. */
    bl_status (*detections)(bl_plugin *p, const bl_detection_step *s, int32_t image,
                            const bl_boxes *d);
    /* Whether candidate i may teach, where the base learner lets it. */
    bool (*keep)(const bl_plugin *p, const bl_pseudo *c, int32_t i, bl_pseudo_use use);
    /* After the base learner's losses: further ones. */
    bl_status (*losses)(bl_plugin *p, bl_detection_step *s);
    /* Base learners that use pseudo boxes: whether the window has any images, and the boxes used
     * of each. */
    bool (*watched)(const bl_plugin *p, double *pseudo_per_image);
    /* Whole lines of its own in metrics.jsonl. */
    bl_status (*lines)(bl_plugin *p, bl_metrics *lines);
} bl_detection_plugin_type;

/* What random draws of a batch are keyed by: the iteration, or, where an iteration has several
 * batches, the batch's number in the run. */
static inline int64_t bl_detection_draw(const bl_detection_step *s) {
    return s->in && s->in->parts > 1 ? s->t * s->in->parts + s->in->part : s->t;
}

static inline const bl_detection_plugin_type *bl_detection_type_of(const bl_plugin_type *t) {
    return (const bl_detection_plugin_type *)t;
}
static inline const bl_detection_plugin_type *bl_detection_type(const bl_plugin *p) {
    return bl_detection_type_of(p->type);
}

/* Calls a hook of detection's own of every plug-in of world w that has it. */
#define BL_DETECTION_EACH(w, hook, ...)                                                            \
    for (int i_ = 0; i_ < (w)->plugins.n; i_++)                                                    \
        if (bl_detection_type((w)->plugins.v[i_])->hook)                                           \
    BL_TRY(bl_detection_type((w)->plugins.v[i_])->hook((w)->plugins.v[i_], __VA_ARGS__))

/* Whether every plug-in lets candidate i teach. */
bool bl_detection_keep(const bl_detection_world *w, const bl_pseudo *c, int32_t i,
                       bl_pseudo_use use);

/* The thresholds of iteration t, into w->theta. */
bl_status bl_detection_thresholds(bl_detection_world *w, int64_t t);
/* Puts the memory of the RoI classifier (bl_roi_classifier) into both models; a world without
 * models, as tests of sums alone have it, has nowhere to. */
static inline bl_status bl_detection_set_memory(const bl_detection_world *w, const float *memory) {
    if (!w->pair.student) return BL_OK;
    BL_TRY(bl_detector_set_memory(w->ctx, w->pair.student, memory));
    return bl_detector_set_memory(w->ctx, w->pair.teacher, memory);
}
/* Creates the plug-ins of a world, for which only models may be missing; on failure those already
 * made stay in it. Then: destroys them and what the world has allocated. */
bl_status bl_detection_world_create(const bl_method_config *cfg, const bl_learner_env *env,
                                    bl_detection_world *w);
void bl_detection_world_destroy(bl_detection_world *w);

/* A learner of detection, whatever its method. */
const bl_detection_world *bl_detection_learner_world(const bl_learner *l);

#endif
