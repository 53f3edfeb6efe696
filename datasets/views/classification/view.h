/* Views of a small image: what augmentation makes of it, as normalised float planes.
 *
 * Operations on pixels are Pillow's to the bit (pil_color.h, pil_affine.h, pil_resize.h); recipes
 * are those of the semi-supervised literature, see docs/classification-data.md. */
#ifndef BALLAST_DATASETS_VIEWS_CLASSIFICATION_VIEW_H
#define BALLAST_DATASETS_VIEWS_CLASSIFICATION_VIEW_H

#include "core/rng.h"
#include "core/schema.h"
#include "datasets/sets/image_set.h"
#include "kernels/shared/view_steps.h"

typedef enum bl_classify_view_kind {
    BL_CLASSIFY_PLAIN,    /* no augmentation (tests, pseudo-labelling) */
    BL_CLASSIFY_WEAK,     /* flip, pad and crop */
    BL_CLASSIFY_STRONG,   /* weak, then RandAugment and Cutout */
    BL_CLASSIFY_ROTATION, /* weak, then a quarter turn drawn from {0, 1, 2, 3} */
    BL_CLASSIFY_CONTRAST  /* SimCLR / MoCo: resized crop, flip, colour jitter, grey, blur */
} bl_classify_view_kind;

typedef enum bl_classify_pad { BL_CLASSIFY_PAD_REFLECT, BL_CLASSIFY_PAD_ZERO } bl_classify_pad;
typedef enum bl_classify_strong {
    BL_STRONG_RA_MC,    /* 2 of 14 operations, levels 1..9, each with probability 1/2, Cutout 16 */
    BL_STRONG_RA_USB,   /* 3 of 14, always, continuous magnitudes, Cutout up to half the side */
    BL_STRONG_RA_LARGE, /* 2 of the 16 of the larger pool (CoSSL on Food-101), Cutout 16 */
    BL_STRONG_RA_FIXED  /* 3 of those 16, always, at one level, before flip and crop; then a 16 px
                           square of the mean (DARP, ABC, CoSSL on CIFAR) */
} bl_classify_strong;

/* Who makes the views of a training batch from the numbers that were drawn for them. */
typedef enum bl_classify_maker {
    BL_CLASSIFY_MAKER_CPU,   /* the loader: batches of pixels */
    BL_CLASSIFY_MAKER_AUTO,  /* the caller of the loader decides: to the loader the same as CPU */
    BL_CLASSIFY_MAKER_DEVICE /* whoever takes the batch: batches of plans */
} bl_classify_maker;

/* Settings (section "views"). */
typedef struct bl_classify_view_config {
    int32_t device;     /* bl_classify_maker */
    int64_t size;       /* px of a view's sides; 0 = the data set's. Resized after augmenting, by
                           Pillow's bilinear filter; to resize first, resize the set */
    double flip;        /* probability of a left-right flip */
    int64_t pad;        /* px added on every side before the crop; -1 = side / 8 */
    int32_t pad_mode;   /* bl_classify_pad */
    int32_t strong;     /* bl_classify_strong */
    int64_t strong_ops; /* operations a strong view; 0 = the recipe's number */
    int64_t level;      /* of ra_fixed, 0..30 */
    int64_t cutout;     /* side of the square erased, px; -1 = the recipe's; 0 = none */
    double crop_min;    /* contrast views: least area of the resized crop */
    double jitter;      /* strength: brightness, contrast, saturation 0.8 s, hue 0.2 s */
    double jitter_p, grey_p, blur_p; /* probabilities */
} bl_classify_view_config;
extern const bl_schema bl_classify_view_schema;

/* What a view was made of, beside its pixels. */
typedef struct bl_classify_view_info {
    int32_t turn;    /* rotation views: quarter turns, counter-clockwise, 0..3; else 0 */
    int32_t hole[4]; /* x0, y0, x1, y1 (ends excluded) of a square that is 0 once the view is
                        normalised (ra_fixed); else empty */
} bl_classify_view_info;

/* Scratch memory of one thread. */
typedef struct bl_classify_views bl_classify_views;
/* For images of `set`'s size. BL_ECONFIG for settings that cannot work on it. */
bl_status bl_classify_views_create(const bl_classify_view_config *cfg, const bl_classify_set *set,
                                   bl_classify_views **out);
void bl_classify_views_destroy(bl_classify_views *v);
/* Sides of the views in px. */
int32_t bl_classify_views_width(const bl_classify_views *v);
int32_t bl_classify_views_height(const bl_classify_views *v);

/* The view as 8-bit RGB, interleaved, without the hole; valid until the next call. */
const uint8_t *bl_classify_view_pixels(bl_classify_views *v, bl_classify_view_kind kind,
                                       const uint8_t *image, bl_rng *rng,
                                       bl_classify_view_info *info);
/* The view as (pixel - 255 mean[c]) / (255 std[c]), planar [3][height][width], 0 in the hole.
 * `info` may be NULL. */
void bl_classify_view_make(bl_classify_views *v, bl_classify_view_kind kind, const uint8_t *image,
                           const float mean[3], const float std[3], bl_rng *rng, float *dst,
                           bl_classify_view_info *info);

enum { BL_CLASSIFY_MAX_STEPS = 17 }; /* 16 operations and Cutout */
/* The numbers behind a view, drawn as bl_classify_view_make draws them, for a device to make the
 * view: *plan (image and first are 0: the caller's) and its steps, room for BL_CLASSIFY_MAX_STEPS.
 * `info` may be NULL. false, and nothing drawn: bl_classify_view_cpu_only gives the reason. */
bool bl_classify_view_draw(const bl_classify_views *v, bl_classify_view_kind kind, bl_rng *rng,
                           bl_view_plan *plan, bl_view_step *steps, bl_classify_view_info *info);

/* NULL, or why views of this kind can be made on the CPU only: contrast views, resized ones, those
 * of ra_fixed (which augments before it crops). */
const char *bl_classify_view_cpu_only(const bl_classify_view_config *cfg,
                                      const bl_classify_set *set, bl_classify_view_kind kind);

/* Plain views of n images (indices into the set; NULL = first..first+n-1), planar, one after the
 * other: for evaluation. Uses all threads. */
bl_status bl_classify_plain(const bl_classify_view_config *cfg, const bl_classify_set *set,
                            const int32_t *images, int64_t first, int64_t n, float *dst);

#endif
