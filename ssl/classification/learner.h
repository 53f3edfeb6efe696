/* Classification algorithms: what they are made of.
 *
 * A method is a list of plug-ins. The first is the base learner (method.name: supervised, fixmatch,
 * ...), which runs the network and makes the step's main losses; the others (method.plugins: "la",
 * "abc", "daso", "semi", ...) change or add something: logits, pseudo-labels, masks, losses of
 * extra heads, sampling. What plug-ins of both tasks have stands in ssl/plugin.h; which there are,
 * in ssl/classification/plugins.c and nowhere else.
 *
 * Indexing of state: an image is its place in the labelled or the unlabelled list of the run
 * (bl_classify_part.item), 0..n_labelled-1 and 0..n_unlabelled-1. All pseudo-labels, weights, masks
 * and centres are host numbers: nothing computed from them carries a gradient. Random draws are
 * keyed by (seed, what for, iteration, image), so that a resumed run repeats them.
 *
 * Generations: a plug-in may divide the run into several (CReST). Each is a training of its own to
 * all the others: iterations count from 0, weights, optimiser and schedule start anew, and every
 * plug-in is destroyed and created again, with the class counts and the seed of the new one. */
#ifndef BALLAST_SSL_CLASSIFICATION_LEARNER_H
#define BALLAST_SSL_CLASSIFICATION_LEARNER_H

#include "datasets/loading/classification/loader.h"
#include "nn/classifier.h"
#include "ssl/learner.h"
#include "ssl/plugin.h"

enum { BL_CLASSIFY_MAX_HEADS = 8, BL_CLASSIFY_MAX_STRONG = 2 };
enum { BL_CLASSIFY_LABELLED, BL_CLASSIFY_UNLABELLED }; /* groups of the loader */

typedef struct bl_classify_method_config
    bl_classify_method_config; /* ssl/classification/method.h */
typedef struct bl_classify_world bl_classify_world;

/* ---- what a method asks for, before anything is built ---- */

typedef struct bl_classify_needs {
    /* Heads on the feature; head 0 is the standard classifier "f" (its kind may be changed). */
    bl_head_spec head[BL_CLASSIFY_MAX_HEADS];
    int n_heads;
    bool unlabelled;      /* unlabelled images: one weak view (view 0) and ... */
    int strong;           /* ... so many strong ones (views 1..strong), 0..BL_CLASSIFY_MAX_STRONG */
    bool labelled_strong; /* also a strong view (view 1) of labelled images */
    bl_classify_view_kind labelled_view[2]; /* WEAK and STRONG unless changed */
    /* WEAK, STRONG, STRONG unless changed */
    bl_classify_view_kind unlabelled_view[1 + BL_CLASSIFY_MAX_STRONG];
    bl_classify_order labelled_order;
    bool pretext;           /* learns no classes (pre-training): no evaluation */
    bool labels_unlabelled; /* the unlabelled images join the labelled list with labels of their own
                               (self-training): see bl_classify_env.pseudo */
} bl_classify_needs;

/* Adds a head for `classes` outputs (or a projection) unless one of that name exists. */
bl_status bl_classify_need_head(bl_classify_needs *n, const bl_head_spec *spec);

/* ---- the run, as plug-ins see it ---- */

/* A list of images: `n` of a set. Labels: NULL = the set's. */
typedef struct bl_classify_items {
    const bl_classify_set *set;
    int32_t n;
    const int32_t *image, *label; /* [n] */
} bl_classify_items;

struct bl_classify_world {
    const bl_classify_method_config *method;
    int32_t classes, dim; /* K, feature size d */
    bl_classify_items labelled,
        unlabelled;               /* unlabelled.label: hidden truth or BL_CLASSIFY_UNKNOWN; for
                                            diagnosis and selection by the protocol only */
    bl_classify_items validation; /* set aside; set NULL where a model only predicts */
    /* [unlabelled.n] this image is in the labelled list too; may be NULL */
    const uint8_t *is_labelled;
    /* In runs of several generations the list of labelled images ends with all the unlabelled ones:
     * `joined` of them, labelled BL_CLASSIFY_UNKNOWN unless this generation learns from them. */
    int32_t joined;
    int64_t generations, generation; /* 1 and 0 unless a plug-in asks for more */
    int64_t *given;                  /* [K] labelled images before any joined */
    int64_t *counts;                 /* [K] labelled images of this generation */
    double *prior;                   /* [K] counts / sum */
    /* [K] unlabelled images of each class as plug-in "counts" estimates them, all 0 before its first
     * estimate; NULL without that plug-in. */
    const double *estimate;
    int32_t batch_labelled, batch_unlabelled;
    uint64_t seed;             /* of this generation */
    int64_t iterations, epoch; /* of a generation (the run, where there is one); of a nominal epoch
                                  (method.epoch) */
    double (*lr_at)(const void *arg, int64_t t);
    const void *lr_arg;
    const bl_classify_view_config *views;
    bl_ctx *ctx;             /* where the models live, for large state that stays beside them */
    bl_store *store[2];      /* student, EMA */
    bl_classifier *model[2]; /* the same */
    bl_plugin_list plugins;
    /* How the method predicts, set by plug-ins when they are created (the last wins): a head, and
     * what is added to its logits (post-hoc adjustment). */
    int predict_head;
    double *predict_bias; /* [K] */
};

/* ---- one step ---- */

/* One view of the step's labelled or unlabelled images. */
typedef struct bl_classify_branch {
    int32_t n;
    bl_tensor *z;                             /* (n, d) features */
    bl_tensor *logits[BL_CLASSIFY_MAX_HEADS]; /* (n, out) filled by bl_classify_logits */
    const float *host[BL_CLASSIFY_MAX_HEADS]; /* filled by bl_classify_host_logits */
    const float *host_z;                      /* filled by bl_classify_host_features */
} bl_classify_branch;

/* Pseudo-labels of the unlabelled images of a step, from one head's weak logits. */
typedef struct bl_classify_pseudo {
    int head;
    int32_t n, classes;
    double *raw;        /* [n][K] softmax of the weak logits (+ bias.weak) */
    double *p;          /* [n][K] starts as raw, changed by `refine`; need not sum to 1 */
    int32_t *label;     /* [n] argmax of p after refine; `select` may change it */
    double *confidence; /* [n] max of p after refine */
    float *weight; /* [n] in the unlabelled loss: 0 = rejected; set to confidence >= tau, changed
                      by `select` */
    bool soft;     /* the loss uses p instead of label */
} bl_classify_pseudo;

typedef struct bl_classify_step {
    const bl_classify_world *world;
    bl_ctx *ctx; /* its arena holds everything a hook allocates for the step */
    const bl_step_input *in;
    const bl_classify_batch *batch; /* in->batch; all its rows are one parcel of in->sent */
    const bl_classify_part *labelled, *unlabelled; /* NULL when the method uses none */
    int64_t t, epoch, in_epoch; /* iteration, nominal epoch and place in it, all from 0 */
    bl_classify_branch x, x_strong, weak, strong[BL_CLASSIFY_MAX_STRONG];
    int n_strong;
    float *label_weight; /* [x.n] factor of each labelled image's loss, 1 unless changed */
    struct {
        float *labelled, *weak, *strong; /* [K] added to head 0's logits of that kind; 0 at first */
    } bias;
    bl_classify_pseudo *pseudo; /* head 0's, once the base learner has made it */
    const float *teacher_z;     /* filled by bl_classify_teacher_features */
    bl_step_losses *out;
} bl_classify_step;

/* Logits (n, out) of a head, made once a step; on the host [n][out]; features on
 * the host [n][d]. */
bl_status bl_classify_logits(bl_classify_step *s, bl_classify_branch *r, int head,
                             bl_tensor **logits);
bl_status bl_classify_host_logits(bl_classify_step *s, bl_classify_branch *r, int head,
                                  const float **logits);
bl_status bl_classify_host_features(bl_classify_step *s, bl_classify_branch *r, const float **z);

/* Rows [first, first + count) of the batch as (count,3,H,W): pixels of the loader, or made of its
 * plans by the device. */
bl_status bl_classify_batch_rows(bl_classify_step *s, int64_t first, int64_t count, bl_tensor **x);

/* Pixels of one view (of group BL_CLASSIFY_LABELLED or BL_CLASSIFY_UNLABELLED) as (n,3,H,W), and
 * their features under a model; wrap in bl_no_grad for passes without a gradient. model 0 student,
 * 1 EMA. train: batch statistics. */
bl_status bl_classify_images(bl_classify_step *s, int group, int view, bl_tensor **x);
bl_status bl_classify_extract(bl_classify_step *s, int model, bool train, int group, int view,
                              bl_tensor **z);

/* Features [n][d] of the labelled images' first view under the EMA model, on the host; without
 * gradient, made once a step. train: batch statistics (which also updates the running ones). */
bl_status bl_classify_teacher_features(bl_classify_step *s, bool train, const float **z);

/* Pseudo-labels of `head`: softmax(weak logits + bias), every plug-in's `refine`, argmax, weight =
 * [confidence >= tau], every plug-in's `select`. bias [K] may be NULL. */
bl_status bl_classify_pseudo_make(bl_classify_step *s, int head, const float *bias, double tau,
                                  bl_classify_pseudo **out);

/* scale * sum_j weight_j H(target_j, softmax(logits_j + bias)) of q's head on a strong view; target
 * the label, or p when q->soft. bias [K] may be NULL. */
bl_status bl_classify_pseudo_loss(bl_classify_step *s, const bl_classify_pseudo *q,
                                  bl_classify_branch *strong, const float *bias, double scale,
                                  bl_tensor **loss);

/* ---- plug-ins ---- */

/* What only classification has; hooks are NULL where there is nothing to do. */
typedef struct bl_classify_plugin_type {
    bl_plugin_type plugin;
    bool unlabelled; /* it learns from weak and strong views of unlabelled images, which the base
                        learner must ask for */
    bool every_head; /* `refine` acts on the pseudo-labels of extra heads, too */
    /* Generations it divides the run into; NULL = one. */
    int64_t (*generations)(const bl_classify_method_config *cfg);
    /* What it needs; may be NULL. Called in the order of the list, base first. */
    bl_status (*needs)(const bl_classify_method_config *cfg, int32_t classes, bl_classify_needs *n);
    /* world is complete but for the plug-ins that come later in the list, and
     * outlives the plug-in. */
    bl_status (*create)(const bl_classify_method_config *cfg, bl_classify_world *world,
                        bl_plugin **out);

    /* A generation is over, its models and plug-ins still stand; no step is open. label
     * [unlabelled.n], BL_CLASSIFY_UNKNOWN at first, receives the labels of the unlabelled images
     * that the next one learns from as labelled. The last plug-in that has it decides. */
    bl_status (*generation)(bl_plugin *p, bl_ctx *ctx, int32_t *label);
    /* Base learners only: forward passes (s->x, weak, strong), pseudo-labels, main losses. */
    bl_status (*learn)(bl_plugin *p, bl_classify_step *s);
    /* Adds to s->bias and multiplies s->label_weight; before any loss is made. */
    bl_status (*adjust)(bl_plugin *p, bl_classify_step *s);
    /* Changes q->p of head 0 (every_head: of each): distribution alignment, blending. */
    bl_status (*refine)(bl_plugin *p, bl_classify_step *s, bl_classify_pseudo *q);
    /* Changes q->weight (and label) of head 0: thresholds, masks, hardness. */
    bl_status (*select)(bl_plugin *p, bl_classify_step *s, bl_classify_pseudo *q);
    /* After the base learner's: further losses by bl_add_loss(s->out, ...); bank updates. */
    bl_status (*losses)(bl_plugin *p, bl_classify_step *s);
    /* Logits of the method for features z under a model in evaluation; the first plug-in that has
     * it wins over predict_head. */
    bl_status (*predict)(bl_plugin *p, bl_ctx *ctx, int model, bl_tensor *z, bl_tensor **logits);
} bl_classify_plugin_type;

static inline const bl_classify_plugin_type *bl_classify_type(const bl_plugin *p) {
    return (const bl_classify_plugin_type *)p->type;
}

/* Calls a hook of classification's own of every plug-in of world w that has it. */
#define BL_CLASSIFY_EACH(w, hook, ...)                                                             \
    for (int i_ = 0; i_ < (w)->plugins.n; i_++)                                                    \
        if (bl_classify_type((w)->plugins.v[i_])->hook)                                            \
    BL_TRY(bl_classify_type((w)->plugins.v[i_])->hook((w)->plugins.v[i_], __VA_ARGS__))

/* Creates the list's plug-ins in order; on failure those already made stay in the world. */
bl_status bl_classify_plugins_create(const bl_classify_method_config *cfg, bl_classify_world *w);

#endif
