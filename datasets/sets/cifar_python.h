/* CIFAR-10 and CIFAR-100, Python version: pickles of a dictionary with "data", a uint8 array of n rows
 * of 3 planes of 32x32, and lists of labels. Read as data (core/pickle.h); nothing is executed. */
#ifndef BALLAST_DATASETS_SETS_CIFAR_PYTHON_H
#define BALLAST_DATASETS_SETS_CIFAR_PYTHON_H

#include "datasets/sets/image_set.h"

/* What to read. */
typedef struct bl_cifar_python {
    const char *const *files; /* [n_files], n_files <= BL_CIFAR_PYTHON_FILES */
    int n_files;
    const char *labels;    /* key of the labels: "labels", "fine_labels", "coarse_labels" */
    const char *meta;      /* file with the class names, passed over when absent */
    const char *names_key; /* key of the names in it */
    int32_t n_classes;
} bl_cifar_python;

enum { BL_CIFAR_PYTHON_FILES = 5 };

bl_status bl_cifar_python_read(const char *dir, const bl_cifar_python *what, bl_classify_set **out);
/* One such file in memory. */
bl_status bl_cifar_python_parse(const uint8_t *data, size_t size, const char *name,
                                const char *labels, int32_t n_classes, bl_classify_set **out);

#endif
