/* What a classifier expects of an image, as a run records it in classes.json: class names with
 * their labelled counts, size and normalisation. With it the model predicts where its training data
 * is not at hand. */
#ifndef BALLAST_TRAIN_CLASSIFICATION_INPUT_H
#define BALLAST_TRAIN_CLASSIFICATION_INPUT_H

#include <json-c/json.h>

#include "datasets/sets/image_set.h"

/* "input": {"width", "height", "mean", "std"} of the training set, into the
 * root of classes.json. */
void bl_classify_input_record(struct json_object **root, const bl_classify_set *train);

/* Reads <run_dir>/classes.json. *room: a set for `n` images of that size, with the names, mean and
 * std; *labels: malloc'd, *n_labels entries, every class as often as there were labelled images of
 * it. BL_EFORMAT naming what is missing or out of range. */
bl_status bl_classify_input_read(const char *run_dir, int64_t n, bl_classify_set **room,
                                 int32_t **labels, int32_t *n_labels);

#endif
