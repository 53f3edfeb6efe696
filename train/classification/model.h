/* Trained classifiers outside of their training loop: for evaluation, and to label the unlabelled
 * images of another run (self-training). */
#ifndef BALLAST_TRAIN_CLASSIFICATION_MODEL_H
#define BALLAST_TRAIN_CLASSIFICATION_MODEL_H

#include "train/classification/data.h"

/* What a learner of this run is built from; data NULL leaves out the lists of images. */
bl_classify_env bl_classify_env_make(const bl_run_config *cfg, const bl_classify_run_data *data,
                                     bl_ctx *ctx);

/* A learner of the configuration with the weights of one model of a checkpoint (file or run folder)
 * in model[0]; model: "student", "teacher", NULL = the teacher where there is one. *iter may be
 * NULL; verify: the checkpoint's checksum. BL_ECONFIG for a method that learns no classes,
 * BL_EFORMAT when their number differs. */
bl_status bl_classify_model_open(const bl_run_config *cfg, const bl_classify_env *env,
                                 const char *checkpoint, bool verify, const char *model,
                                 int64_t *iter, bl_learner **out);

/* Labelled images, and behind them the unlabelled ones with labels that a model gives them. */
typedef struct bl_pseudo_set {
    bl_classify_set *joined; /* when the unlabelled images come from a set of their own */
    bl_classify_items items;
    int32_t *image, *label;
    uint8_t *is_labelled; /* [items.n] */
    double accuracy;      /* of the new labels where the truth is known; NaN elsewhere */
} bl_pseudo_set;

/* Both lists, the labels of the second BL_CLASSIFY_UNKNOWN (generations give them later). */
bl_status bl_pseudo_set_join(const bl_classify_run_data *data, bl_pseudo_set *out);
/* With the labels of a trained model (arg-max, no threshold; Yang and Xu, NeurIPS 2020), namely
 * cfg->class_method.pseudo_labels, of the same classes and image size; its own configuration lies
 * in its run folder. */
bl_status bl_pseudo_set_make(const bl_run_config *cfg, const bl_classify_run_data *data,
                             bl_ctx *ctx, bl_pseudo_set *out);
void bl_pseudo_set_free(bl_pseudo_set *p);

#endif
