/* Metrics by name: what is known of them, and how unknown ones are shown. */
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/data.h"

/* In order of preference for comparisons; counts and spreads come last. */
static const rep_column known[] = {
    {"AP", "AP", "Average precision, mean over IoU 0.50 to 0.95", REP_PERCENT, false, false},
    {"balanced_accuracy", "Balanced accuracy", "Mean of the classes\xe2\x80\x99 recalls",
     REP_PERCENT, false, false},
    {"bacc", "bACC", "Balanced accuracy: mean of the classes\xe2\x80\x99 recalls", REP_PERCENT,
     false, false},
    {"accuracy", "Accuracy", "Share of images classified correctly", REP_PERCENT, false, false},
    {"top1", "Top-1", "Share of images classified correctly", REP_PERCENT, false, false},
    {"recall", "Recall", NULL, REP_PERCENT, false, false},
    {"AP50", "AP50", "Average precision at IoU 0.50", REP_PERCENT, false, false},
    {"AP75", "AP75", "Average precision at IoU 0.75", REP_PERCENT, false, false},
    {"APs", "APs", "AP of small objects, area at most 32\xc2\xb2 pixels", REP_PERCENT, false,
     false},
    {"APm", "APm", "AP of medium objects, area 32\xc2\xb2 to 96\xc2\xb2 pixels", REP_PERCENT, false,
     false},
    {"APl", "APl", "AP of large objects, area at least 96\xc2\xb2 pixels", REP_PERCENT, false,
     false},
    {"APr", "APr", "AP of rare classes (LVIS: fewer than 10 training images)", REP_PERCENT, false,
     false},
    {"APc", "APc", "AP of common classes (LVIS: 10 to 99 training images)", REP_PERCENT, false,
     false},
    {"APf", "APf", "AP of frequent classes (LVIS: at least 100 training images)", REP_PERCENT,
     false, false},
    {"AR1", "AR1", "Average recall with 1 detection per image and class", REP_PERCENT, false,
     false},
    {"AR10", "AR10", "Average recall with 10 detections per image and class", REP_PERCENT, false,
     false},
    {"AR100", "AR100", "Average recall with 100 detections per image and class", REP_PERCENT, false,
     false},
    {"AR", "AR", "Average recall", REP_PERCENT, false, false},
    {"ARs", "ARs", "Average recall of small objects", REP_PERCENT, false, false},
    {"ARm", "ARm", "Average recall of medium objects", REP_PERCENT, false, false},
    {"ARl", "ARl", "Average recall of large objects", REP_PERCENT, false, false},
    {"mAP", "mAP", "Mean of the classes\xe2\x80\x99 average precisions", REP_PERCENT, false, false},
    {"gm", "GM", "Geometric mean of the classes\xe2\x80\x99 recalls", REP_PERCENT, false, false},
    {"geometric_mean", "GM", "Geometric mean of the classes\xe2\x80\x99 recalls", REP_PERCENT,
     false, false},
    {"top5", "Top-5", "Share of images whose class is among the five likeliest", REP_PERCENT, false,
     false},
    {"macro_f1", "Macro F1", "Mean of the classes\xe2\x80\x99 F1", REP_PERCENT, false, false},
    {"many", "Many", "Accuracy of the classes with many training images", REP_PERCENT, false,
     false},
    {"medium", "Medium", "Accuracy of the classes between", REP_PERCENT, false, false},
    {"few", "Few", "Accuracy of the classes with few training images", REP_PERCENT, false, false},
    {"best_f1", "F1", "Best F1 over all score thresholds, at IoU 0.50", REP_PERCENT, false, false},
    {"best_f1_score", "at score", "Score threshold of the best F1", REP_PERCENT, false, false},
    {"precision", "Precision", NULL, REP_PERCENT, false, false},
    {"f1", "F1", "Harmonic mean of precision and recall", REP_PERCENT, false, false},
    {"tp", "TP", "True positives at that threshold", REP_COUNT, false, false},
    {"fp", "FP", "False positives at that threshold", REP_COUNT, true, false},
    {"fn", "FN", "Missed objects at that threshold", REP_COUNT, true, false},
    {"ece", "ECE", "Expected calibration error", REP_PERCENT, true, false},
    {"nll", "NLL", "Mean negative log-likelihood", REP_NUMBER, true, false},
    {"loss", "Loss", NULL, REP_NUMBER, true, false},
    {"mask_rate", "Mask rate", "Share of unlabelled images whose pseudo label is used", REP_PERCENT,
     false, false},
    {"pseudo_accuracy", "Pseudo-label accuracy", "Of the pseudo labels in use", REP_PERCENT, false,
     false},
    {"correct", "Correct", "Images classified correctly", REP_COUNT, false, false},
    {"label_accuracy", "Label accuracy", "Of all guesses on unlabelled images", REP_PERCENT, false,
     false},
    {"unlabelled_images", "Unlabelled", "Images of the class in the unlabelled set", REP_COUNT,
     false, false},
    {"predicted", "Predicted", "Images that were given this class", REP_COUNT, false, false},
    {"train_images", "Train images", "Images in the labelled training set", REP_COUNT, false,
     false},
    {"train_boxes", "Train boxes", "Boxes in the labelled training set", REP_COUNT, false, false},
    {"train_instances", "Train boxes", "Boxes in the labelled training set", REP_COUNT, false,
     false},
    {"test_images", "Test images", "Images of the class in the test set", REP_COUNT, false, false},
    {"test_boxes", "Test boxes", "Boxes in the test set, crowd not counted", REP_COUNT, false,
     false},
    {"test_instances", "Test boxes", "Boxes in the test set, crowd not counted", REP_COUNT, false,
     false},
    {"detections", "Detections", NULL, REP_COUNT, false, false},
    {"predictions", "Predictions", "Images that were given this class", REP_COUNT, false, false},
};
enum { KNOWN = sizeof known / sizeof *known };

int bl_rep_column_find(const rep_columns *c, const char *key) {
    for (int i = 0; i < c->n; i++)
        if (strcmp(c->v[i].key, key) == 0) return i;
    return -1;
}

static const rep_column *lookup(const char *key) {
    for (int i = 0; i < KNOWN; i++)
        if (strcmp(known[i].key, key) == 0) return &known[i];
    return NULL;
}

int bl_rep_column_add(bl_arena *a, rep_columns *c, const char *key, double value) {
    int at = bl_rep_column_find(c, key);
    if (at >= 0) return at;
    if (c->n == REP_COLUMNS) return -1;
    const rep_column *k = lookup(key);
    if (k) {
        c->v[c->n] = *k;
    } else {
        char *copy = bl_arena_strdup(a, key);
        if (!copy) return -1;
        bool fraction = value > 0 && value < 1;
        c->v[c->n] =
            (rep_column){copy, copy, NULL, fraction ? REP_PERCENT : REP_NUMBER, false, false};
    }
    return c->n++;
}

static bl_status describe_one(bl_arena *a, rep_columns *c, struct json_object *o) {
    static const struct {
        const char *unit;
        rep_format format;
    } units[] = {{"percent", REP_PERCENT},
                 {"fraction", REP_PERCENT},
                 {"count", REP_COUNT},
                 {"number", REP_NUMBER}};
    const char *key = bl_rep_string(o, "key"), *name = bl_rep_string(o, "name");
    if (!*key) return BL_OK;
    int at = bl_rep_column_add(a, c, key, NAN);
    if (at < 0) return BL_OK;
    rep_column *v = &c->v[at];
    if (*name && !(v->name = bl_arena_strdup(a, name))) return BL_ENOMEM;
    const char *title = bl_rep_string(o, "title"), *unit = bl_rep_string(o, "unit");
    if (*title && !(v->title = bl_arena_strdup(a, title))) return BL_ENOMEM;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].unit) == 0) v->format = units[i].format;
    struct json_object *lower = bl_rep_get(o, "lower_is_better");
    if (lower) v->lower = json_object_get_boolean(lower);
    return BL_OK;
}

bl_status bl_rep_column_describe(bl_arena *a, rep_columns *c, struct json_object *document) {
    struct json_object *list;
    int n = bl_rep_array(document, "columns", &list);
    for (int i = 0; i < n; i++)
        BL_TRY(describe_one(a, c, json_object_array_get_idx(list, (size_t)i)));
    const char *primary = bl_rep_string(document, "primary");
    if (*primary && c->primary < 0) c->primary = bl_rep_column_add(a, c, primary, NAN);
    return BL_OK;
}

void bl_rep_column_choose(rep_columns *c) {
    for (int i = 0; i < KNOWN && c->primary < 0; i++)
        if (known[i].format == REP_PERCENT) c->primary = bl_rep_column_find(c, known[i].key);
    if (c->primary < 0 && c->n > 0) c->primary = 0;
}
