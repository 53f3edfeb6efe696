/* Image classifiers: a backbone, its pooled feature, and any number of named heads on it.
 *
 *   images -> features (N,d) -> head "f", head "aux", ... (N,K) each
 *
 * A training algorithm says which heads it needs; the configuration says what the backbone is. */
#ifndef BALLAST_NN_CLASSIFIER_H
#define BALLAST_NN_CLASSIFIER_H

#include "core/schema.h"
#include "nn/layers.h"

typedef enum bl_backbone {
    BL_BACKBONE_WRN,
    BL_BACKBONE_RESNET_CIFAR,
    BL_BACKBONE_RESNET
} bl_backbone;
extern const char *const bl_backbone_names[]; /* "wrn","resnet_cifar","resnet",NULL */

/* Section "model". */
typedef struct bl_classifier_config {
    int32_t backbone;  /* bl_backbone */
    int64_t depth;     /* 0: 28, 32, 50 */
    int64_t width;     /* wrn */
    int32_t variant;   /* wrn: bl_wrn_variant */
    bool small_images; /* resnet: stem for 32 to 64 px */
    double slope;      /* wrn: leaky ReLU */
    double bn_momentum, bn_eps;
    bool decay_norm; /* weight decay on normalisations and biases too */
    bool frozen;     /* backbone not trained (classifier re-training); batch statistics stay live */
} bl_classifier_config;
extern const bl_schema bl_classifier_schema;

typedef enum bl_head_kind {
    BL_HEAD_LINEAR,    /* W z + b */
    BL_HEAD_COSINE,    /* scale * cos(z, w_k); no bias (LDAM: Cao et al., NeurIPS 2019) */
    BL_HEAD_PROJECTION /* W z + b, or W2 relu(W1 z + b1) + b2 when hidden > 0 */
} bl_head_kind;

typedef struct bl_head_spec {
    const char *name; /* parameters are called head.<name>.weight, ... */
    bl_head_kind kind;
    int64_t out;
    int64_t hidden; /* PROJECTION */
    bool normalise; /* PROJECTION: rows of the output scaled to unit length */
    double scale;   /* COSINE; 0 = 1 */
} bl_head_spec;

typedef struct bl_classifier bl_classifier;

/* Declares all parameters in `store`: backbone.* as in wrn.h, resnet_cifar.h, resnet.h, then
 * head.<name>.*. Linear weights start Xavier-normal with zero biases, as in the benchmarks of
 * semi-supervised classification; behind resnet_cifar Kaiming-normal by fan-in with biases
 * U(+-1/sqrt(d)), as in the code of LDAM (Cao et al., NeurIPS 2019); cosine weights as random unit
 * rows. At least one head; names are copied. */
bl_status bl_classifier_create(const bl_classifier_config *cfg, const bl_head_spec *heads,
                               int n_heads, bl_store *store, bl_classifier **out);
void bl_classifier_destroy(bl_classifier *c);
/* One line per part: shape, parameters; for the start of the log. */
void bl_classifier_describe(const bl_classifier *c, void (*line)(void *, const char *), void *arg);
int64_t bl_classifier_features(const bl_classifier *c); /* d */
/* The index of a head, or -1. */
int bl_classifier_find(const bl_classifier *c, const char *name);
const bl_head_spec *bl_classifier_head_spec(const bl_classifier *c, int head);

/* images (N,3,H,W) cb 1, normalised -> z (N,d). train: batch statistics, running ones updated. */
bl_status bl_classifier_extract(bl_ctx *ctx, const bl_classifier *c, bool train, bl_tensor *images,
                                bl_tensor **z);
/* Head `head` on features (N,d): (N,out). z is not dropped. */
bl_status bl_classifier_apply(bl_ctx *ctx, const bl_classifier *c, int head, bl_tensor *z,
                              bl_tensor **out);

/* Weights from a safetensors file with our names, or with the common PyTorch ones: the backbone's
 * without "backbone.", the first head's as "linear.*" or "fc.*". Heads the file lacks keep their
 * values and are counted in *n_missing (tensors; may be NULL); a file without the backbone is
 * BL_EFORMAT. */
bl_status bl_classifier_import(const bl_classifier *c, bl_store *store, bl_ctx *ctx,
                               const bl_st_file *f, int *n_missing);

#endif
