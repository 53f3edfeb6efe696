#include "datasets/splits/longtail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"

static const char *const profiles[] = {"exponential", "step", NULL};
static const char *const orders[] = {"consistent", "uniform", "reversed", "middle",
                                     "head_tail",  "random",  NULL};
static const char *const picks[] = {"shuffled", "file_order", "numpy", NULL};

#define INT(name) #name, BL_T_INT, offsetof(bl_longtail_config, name)
#define REAL(name) #name, BL_T_REAL, offsetof(bl_longtail_config, name)
#define ENUM(name) #name, BL_T_ENUM, offsetof(bl_longtail_config, name)
#define BOOL(name) #name, BL_T_BOOL, offsetof(bl_longtail_config, name)
static const bl_field fields[] = {
    {ENUM(profile), "\"exponential\"", 0, 0, profiles, NULL,
     "How the labelled counts fall from the most common class to the rarest.", NULL},
    {INT(labelled_head), "0", 0, 1e9, NULL, "images",
     "Labelled images of the most common class; 0 = every image is labelled.", NULL},
    {REAL(labelled_ratio), "100", 1, 1e9, NULL, NULL,
     "Labelled images of the most common class over those of the rarest.", NULL},
    {REAL(labelled_fraction), "0", 0, 1, NULL, "of the images",
     "Label this share of each class instead, keeping the set's own imbalance; 0 = off.", NULL},
    {INT(unlabelled_head), "0", 0, 1e9, NULL, "images",
     "Unlabelled images of the most common class; 0 = none.", NULL},
    {REAL(unlabelled_ratio), "0", 0, 1e9, NULL, NULL,
     "The same ratio for the unlabelled images; 0 = as the labelled ones.", NULL},
    {ENUM(unlabelled_order), "\"consistent\"", 0, 0, orders, NULL,
     "Which classes are common among the unlabelled images.", NULL},
    {REAL(unlabelled_multiple), "0", 0, 1e6, NULL, "times the labelled",
     "Unlabelled images in all, instead of unlabelled_head; 0 = off.", NULL},
    {REAL(relevance), "1", 0, 1, NULL, NULL,
     "With unlabelled_multiple: share that belongs to the classes; the rest has no label.", NULL},
    {BOOL(unlabelled_rest), "false", 0, 0, NULL, NULL,
     "Every image that is not labelled is unlabelled, instead of unlabelled_head.", NULL},
    {BOOL(unlabelled_includes_labelled), "false", 0, 0, NULL, NULL,
     "The labelled images are among the unlabelled ones too.", NULL},
    {REAL(validation), "0", 0, 0.9, NULL, "of the images",
     "Set this share of each class aside, neither labelled nor unlabelled (DASO: 0.1); they are "
     "recorded, and predict --set validation reads them.",
     NULL},
    {ENUM(pick), "\"shuffled\"", 0, 0, picks, NULL,
     "Which images of a class: from the seed, in file order, or as NumPy's legacy generator "
     "shuffles.",
     NULL},
    {INT(seed), "1", 0, 1e15, NULL, NULL, "Seed of the choice.", NULL},
    {0}};

const bl_schema bl_longtail_schema = {
    "longtail", "Long-tailed labelled and unlabelled parts of a training set.",
    sizeof(bl_longtail_config), fields};

enum { STREAM_ARRANGE = 0x6c74617272ull };

/* ---- how many ---- */

static bl_status check_ratio(const char *what, double ratio) {
    if (!(ratio >= 1) || !isfinite(ratio))
        return bl_fail(
            BL_ECONFIG,
            "longtail.%s: %g must be at least 1; for more images in the rare classes use "
            "unlabelled_order = \"reversed\"",
            what, ratio);
    return BL_OK;
}

bl_status bl_longtail_counts(bl_longtail_profile profile, int64_t head, double ratio,
                             int32_t n_classes, int64_t *counts) {
    BL_TRY(check_ratio("labelled_ratio", ratio));
    for (int32_t k = 0; k < n_classes; k++) {
        bool last = profile == BL_LONGTAIL_STEP ? k >= n_classes / 2 : k > 0 && k == n_classes - 1;
        if (last)
            counts[k] = (int64_t)((double)head / ratio);
        else if (profile == BL_LONGTAIL_STEP || k == 0)
            counts[k] = head;
        else
            counts[k] = (int64_t)((double)head * pow(ratio, -(double)k / (n_classes - 1)));
    }
    return BL_OK;
}

/* Rank of class c in an order that starts from falling counts. */
static int32_t rank_of(bl_longtail_order order, int32_t c, int32_t n) {
    int32_t even = (n + 1) / 2, odd = n / 2; /* how many even and odd ranks there are */
    switch (order) {
    case BL_LONGTAIL_REVERSED:
        return n - 1 - c;
    case BL_LONGTAIL_MIDDLE:
        return c < even ? 2 * (even - 1 - c) : 2 * (c - even) + 1;
    case BL_LONGTAIL_HEAD_TAIL:
        return c < odd ? 2 * c + 1 : 2 * (n - 1 - c);
    case BL_LONGTAIL_UNIFORM:
        return 0;
    default:
        return c;
    }
}

bl_status bl_longtail_arrange(bl_longtail_order order, uint64_t seed, int32_t n_classes,
                              int64_t *counts) {
    int64_t *falling = malloc((size_t)n_classes * sizeof *falling);
    int32_t *random = malloc((size_t)n_classes * sizeof *random);
    if (!falling || !random) {
        free(falling);
        free(random);
        return bl_no_memory("for the long-tailed split");
    }
    memcpy(falling, counts, (size_t)n_classes * sizeof *falling);
    for (int32_t c = 0; c < n_classes; c++) random[c] = c;
    bl_rng rng = bl_rng_make(seed, STREAM_ARRANGE);
    bl_rng_shuffle(&rng, random, n_classes);
    for (int32_t c = 0; c < n_classes; c++)
        counts[c] = falling[order == BL_LONGTAIL_RANDOM ? random[c] : rank_of(order, c, n_classes)];
    free(falling);
    free(random);
    return BL_OK;
}

bl_status bl_longtail_multiple(double multiple, double ratio, int32_t n_classes,
                               const int64_t *labelled, int64_t *counts) {
    BL_TRY(check_ratio("unlabelled_ratio", ratio));
    int64_t sum = 0, raw = 0;
    for (int32_t k = 0; k < n_classes; k++) sum += labelled[k];
    int64_t total = (int64_t)(multiple * (double)sum), mean = total / n_classes;
    double tail = 1 / ratio;
    for (int32_t k = 0; k < n_classes; k++) {
        double fall = n_classes > 1 ? pow(tail, (double)k / (n_classes - 1)) : 1;
        counts[k] = (int64_t)((double)mean * fall);
        raw += counts[k];
    }
    for (int32_t k = 0; k < n_classes && raw > 0; k++)
        counts[k] = (int64_t)((double)counts[k] * (double)total / (double)raw);
    return BL_OK;
}

/* ---- which ---- */

void bl_longtail_free(bl_longtail *l) {
    if (!l) return;
    free(l->labelled_counts);
    free(l->unlabelled_counts);
    free(l->labelled);
    free(l->unlabelled);
    free(l->is_labelled);
    free(l->validation);
    free(l);
}
